import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { Dialog } from '../../network/sip/dialog';
import { paramOf } from '../../network/sip/header-value';
import type { SipRequest, SipResponse } from '../../network/sip/message';
import { addressTarget } from '../../network/sip/proxy';
import { SipDevice } from '../support/peers/sip-device';

/** The network's own stack as a client of a foreign core: proves the configuration, and the stack's grammar against a judge of its own. */
describe('Kamailio as SIP/IP core', () => {
  let core: Kamailio;
  const open: SipDevice[] = [];

  beforeAll(async () => {
    core = await startKamailio();
  });
  afterAll(() => core?.stop());
  afterEach(async () => {
    for (const device of open) if (device.pubGruu !== null) await device.register((request) => request.set('Expires', '0'));
    await Promise.all(open.splice(0).map((device) => device.close()));
  });

  async function registered(user: string, name: string): Promise<{ device: SipDevice; response: SipResponse }> {
    const device = await SipDevice.start({ proxy: core.uri, aor: `sip:${user}@${core.domain}`, name, regId: 1 });
    open.push(device);
    return { device, response: await device.register() };
  }

  /** Sends what `build` makes, and again with credentials when asked for them. */
  async function send(
    device: SipDevice,
    build: () => SipRequest,
    sent: (request: SipRequest) => void = () => undefined,
    onProvisional: (response: SipResponse) => void = () => undefined,
  ): Promise<SipResponse> {
    const challenged = await device.send(build());
    if (challenged.status !== 407) return challenged;
    const request = device.authorised(build(), challenged);
    sent(request);
    return device.send(request, onProvisional);
  }

  it('R30: registers two devices of one person and lists both with their GRUUs', async () => {
    await registered('alice', 'Alice laptop');
    const { response } = await registered('alice', 'Alice tablet');
    expect(response.status).toBe(200);
    const contacts = response.all('contact');
    expect(contacts).toHaveLength(2);
    for (const contact of contacts)
      expect(paramOf(contact, 'pub-gruu')).toBe(`sip:alice@lab.test;gr=${paramOf(contact, '+sip.instance')?.slice(1, -1)}`);
    expect(response.get('p-associated-uri')).toBe('<sip:alice@lab.test>');
  });

  it('refuses a wrong password', async () => {
    const device = await SipDevice.start({ proxy: core.uri, aor: 'sip:bob@lab.test', password: 'wrong' });
    open.push(device);
    expect((await device.register()).status).toBe(401);
  });

  it('forks a call to both devices, cancels the loser, and carries BYE to the GRUU of the caller', async () => {
    const { device: alice } = await registered('alice', 'Alice laptop');
    const { device: winner } = await registered('bob', 'Bob desktop');
    const { device: loser } = await registered('bob', 'Bob phone');
    const cancelled = new Promise<SipRequest>((resolve) => {
      loser.answer = (transaction) => {
        transaction.reply(180);
        transaction.onCancel = (cancel) => {
          transaction.reply(487);
          resolve(cancel);
        };
      };
    });
    // A branch is cancelled only once it has answered provisionally (RFC 3261 section 9.1): the core must have heard the 180.
    let rings: () => void = () => undefined;
    const ringing = new Promise<void>((resolve) => {
      rings = resolve;
    });
    let called: Dialog | null = null;
    winner.answer = (transaction) => {
      if (transaction.request.method !== 'INVITE') {
        transaction.reply(200);
        return;
      }
      const dialog = Dialog.ofReceived(winner.server, transaction, winner.contact, () => addressTarget(core.uri));
      called = dialog;
      void ringing.then(() => transaction.respond(dialog.response(transaction, 200)));
    };
    let invite: SipRequest | null = null;
    const response = await send(
      alice,
      () => alice.request('INVITE', 'sip:bob@lab.test'),
      (request) => {
        invite = request;
      },
      (provisional) => {
        if (provisional.status === 180) rings();
      },
    );
    expect(response.status).toBe(200);
    expect((await cancelled).method).toBe('CANCEL');
    const dialog = invite === null ? null : Dialog.ofSent(alice.server, invite, response, () => addressTarget(core.uri));
    dialog?.ack();
    expect((await winner.next('ACK')).callId).toBe(dialog?.callId);
    expect((await (called as Dialog | null)?.bye().final)?.status).toBe(200);
    expect((await alice.next('BYE')).callId).toBe(dialog?.callId);
  });

  it('R31: a MESSAGE to a GRUU reaches that device alone, with the identity asserted', async () => {
    const { device: alice } = await registered('alice', 'Alice laptop');
    const { device: one } = await registered('bob', 'Bob desktop');
    const { device: two } = await registered('bob', 'Bob phone');
    for (const gruu of [one.pubGruu, one.tempGruu]) {
      expect((await send(alice, () => alice.request('MESSAGE', gruu ?? ''))).status).toBe(200);
      expect((await one.next('MESSAGE')).get('p-asserted-identity')).toBe('<sip:alice@lab.test>');
    }
    expect(two.received).toEqual([]);
    expect((await send(alice, () => alice.request('MESSAGE', 'sip:nobody@lab.test'))).status).toBe(404);
    expect((await send(alice, () => alice.request('MESSAGE', 'sip:carol@lab.test'))).status).toBe(480);
  });
});
