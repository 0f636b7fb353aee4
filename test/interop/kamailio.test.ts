import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FRESH_LIST_MS } from '../../main/devices/list';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { utf8 } from '../../protocol/octets';
import { encodeSdp, type MsrpDescription, parseSdp } from '../../protocol/sdp';
import { closeClients, startClient } from '../support/stages/clients';
import { Devices, ICSIS, next } from '../support/stages/sip-clients';
import { elapse, until } from '../support/waiting';

let kamailio: Kamailio;
const devices = new Devices();

beforeAll(async () => {
  kamailio = await startKamailio();
});
afterEach(async () => {
  await devices.close();
  await closeClients();
});
afterAll(() => kamailio?.stop());

const offer = (port: number, session: string, setup: 'actpass' | 'active'): string => {
  const description: MsrpDescription = {
    host: '127.0.0.1',
    port,
    path: [`msrp://127.0.0.1:${port}/${session};tcp`],
    setup,
    acceptTypes: ['message/cpim', 'application/im-iscomposing+xml'],
    wrappedTypes: ['text/plain', 'message/imdn+xml'],
    direction: 'sendrecv',
    sessionId: '3910000000',
    version: 1,
    transport: 'TCP/MSRP',
    attributes: [],
  };
  return encodeSdp(description);
};

const session = (target: string, sdp: string, more = {}) => ({
  target,
  icsi: ICSIS.session,
  conversationId: crypto.randomUUID(),
  contributionId: crypto.randomUUID(),
  sdp,
  ...more,
});

describe('at a real Kamailio', () => {
  it('R5 R13 R20 R30: two devices of one address register, each sees both bindings with GRUUs, and one signs out alone', async () => {
    const laptop = await devices.registered('alice', kamailio.uri, { deviceName: 'Alice laptop' });
    const tablet = await devices.registered('alice', kamailio.uri, { deviceName: 'Alice tablet' });
    const { registration } = tablet.client;
    expect(registration.bindings.map((binding) => binding.instanceId).sort()).toEqual([laptop.instanceId, tablet.instanceId].sort());
    for (const binding of registration.bindings) {
      expect(binding.pubGruu).toMatch(/^sip:alice@lab\.test;gr=urn:uuid:/);
      expect(binding.expires).toBeGreaterThan(0);
    }
    expect(registration.pubGruu).toContain(tablet.instanceId);
    expect(registration.serviceRoute).toHaveLength(1);
    // Refreshed, both stay.
    await laptop.client.registration.register();
    expect(laptop.client.registration.bindings).toHaveLength(2);
    // R20: signed off, the other stays.
    await laptop.client.registration.unregister();
    await tablet.client.registration.register();
    expect(tablet.client.registration.bindings.map((binding) => binding.instanceId)).toEqual([tablet.instanceId]);
  });

  it('without registration events the list is asked for, and one device still tries and signs out the other', async () => {
    const [laptop, tablet] = await Promise.all(
      ['alice-laptop', 'alice-tablet'].map((name) =>
        startClient({ name, address: 'sip:alice@lab.test', proxy: kamailio.uri, factory: 'sip:conference-factory@lab.test' }),
      ),
    );
    if (laptop === undefined || tablet === undefined) throw new Error('two devices were started');
    const { instanceId } = await tablet.call('identity', {});
    await laptop.until('its subscription is answered', () =>
      laptop.wire.some((record) => record.direction === 'in' && /CSeq: \d+ SUBSCRIBE/i.test(new TextDecoder().decode(record.bytes)))
        ? true
        : null,
    );
    await elapse(FRESH_LIST_MS + 100, 'a list younger than that is not asked for again');
    const listed = await laptop.call('devices', {});
    expect(listed.map((device) => device.instanceId)).toContain(instanceId);
    expect(await laptop.call('testDevice', { instanceId })).toMatchObject({ by: 'gruu' });
    await laptop.call('signOutDevice', { instanceId });
    await tablet.until('it is signed out', async () =>
      (await tablet.call('snapshot', {})).registration.state === 'offline' ? true : null,
    );
    await laptop.until('it sees it', async () => ((await laptop.call('snapshot', {})).devices.length === 1 ? true : null));
  });

  it('R9 R39 R43 R45 R77: a session is offered, answered and ended through Kamailio, over the recorded route', async () => {
    const alice = await devices.registered('alice', kamailio.uri);
    const bob = await devices.registered('bob', kamailio.uri, { deviceName: 'Bob desk' });
    const parts = [{ contentType: 'message/cpim', headers: new Map<string, string>(), body: utf8('Grüße 🎉') }];
    const call = alice.client.invite(session('sip:bob@lab.test', offer(7394, 'offer1', 'actpass'), { parts }));
    const invite = await until('the invitation', () => bob.invites[0]);
    const offered = parseSdp(invite.sdp ?? '');
    expect(offered).toMatchObject({ ok: true, value: { path: ['msrp://127.0.0.1:7394/offer1;tcp'], setup: 'actpass' } });
    expect(new TextDecoder().decode(invite.parts[0]?.body)).toBe('Grüße 🎉');
    expect(invite.remote).toMatchObject({
      address: 'sip:alice@lab.test',
      instanceId: alice.instanceId,
      gruu: alice.client.registration.pubGruu,
    });
    invite.ring();
    await until('ringing', () => call.state === 'ringing');
    await invite.accept(offer(7395, 'answer1', 'active'));
    const answer = parseSdp((await call.answered).sdp);
    expect(answer).toMatchObject({ ok: true, value: { path: ['msrp://127.0.0.1:7395/answer1;tcp'], setup: 'active' } });
    expect(call.remote).toMatchObject({ deviceName: 'Bob desk', instanceId: bob.instanceId });
    const ended = next(call.onState, (state) => state === 'ended');
    await invite.bye({ cause: 200, text: 'Call completed' });
    await ended;
    expect(call.end).toMatchObject({ by: 'remote', cause: 200, text: 'Call completed' });
    const bye = bob.ladder().find((message) => message.startsWith('> BYE'));
    expect(bye).toContain('\r\nRoute: <sip:127.0.0.1');
  });

  it('a fork rings on both devices, and the slower one is told that the other has answered', async () => {
    const laptop = await devices.registered('alice', kamailio.uri);
    const tablet = await devices.registered('alice', kamailio.uri);
    const bob = await devices.registered('bob', kamailio.uri);
    const call = bob.client.invite(session('sip:alice@lab.test', offer(7396, 'o', 'actpass')));
    const onLaptop = await until('the invitation on the laptop', () => laptop.invites[0]);
    const onTablet = await until('the invitation on the tablet', () => tablet.invites[0]);
    onTablet.ring();
    const over = next(onTablet.onState, (state) => state === 'ended');
    await onLaptop.accept(offer(7397, 'a', 'active'));
    await call.answered;
    await over;
    expect(onTablet.end).toMatchObject({ status: 487, cause: 200 });
    await call.bye();
  });

  it('a message to a GRUU reaches that device alone, byte for byte', async () => {
    const laptop = await devices.registered('alice', kamailio.uri);
    const tablet = await devices.registered('alice', kamailio.uri);
    const bob = await devices.registered('bob', kamailio.uri);
    const body = utf8('Grüße 🎉 an das Tablet');
    const sent = await bob.client.sendPager({
      target: tablet.client.registration.pubGruu ?? '',
      icsi: ICSIS.msg,
      conversationId: 'c',
      contributionId: 'k',
      contentType: 'message/cpim',
      body,
    });
    expect(sent.status).toBe(200);
    expect(laptop.messages).toHaveLength(0);
    expect(Uint8Array.from(tablet.messages[0]?.body ?? [])).toEqual(body);
    expect(tablet.messages[0]?.remote.address).toBe('sip:bob@lab.test');
  });

  it('an invitation for one device by Accept-Contact, which this core does not read, is refused by the other itself', async () => {
    const laptop = await devices.registered('alice', kamailio.uri);
    const tablet = await devices.registered('alice', kamailio.uri);
    const bob = await devices.registered('bob', kamailio.uri);
    const call = bob.client.invite(
      session('sip:alice@lab.test', offer(7398, 'o', 'actpass'), { acceptContactInstance: tablet.instanceId }),
    );
    const onTablet = await until('the invitation on the tablet', () => tablet.invites[0]);
    await onTablet.accept(offer(7399, 'a', 'active'));
    await call.answered;
    expect(laptop.invites).toHaveLength(0);
    await call.bye();
  });

  it('a wrong password is refused', async () => {
    const device = devices.make('alice', kamailio.uri, { password: 'wrong' });
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'account/bad-credentials' });
  });

  it('R36: Digest with SHA-256 is accepted, too', async () => {
    const other = await startKamailio({ algorithm: 'SHA-256' });
    try {
      const device = await devices.registered('alice', other.uri);
      expect(device.ladder().some((message) => message.startsWith('> REGISTER') && message.includes('algorithm=SHA-256'))).toBe(true);
      await devices.close();
    } finally {
      await other.stop();
    }
  });
});
