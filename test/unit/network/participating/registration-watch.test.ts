import { describe, expect, it } from 'vitest';
import { RegistrationWatch, WATCH_REFRESH_BEFORE_SECONDS, WATCH_SECONDS } from '../../../../network/participating/registration-watch';
import { Dialog, newRequest } from '../../../../network/sip/dialog';
import type { SipRequest, SipResponse } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../../network/sip/transaction';
import { ICSI, icsiParam } from '../../../../protocol/feature-tags';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const LAPTOP = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const TABLET = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';
const ALICE = 'sip:alice@lab.test';

/** The core on one side, played by hand; the watch of a Participating Function on the other. */
function lab() {
  const clock = new VirtualClock();
  const [core, pf] = [new SipServer({ clock }), new SipServer({ clock })];
  const { atA: toPf, atB: toCore } = connectServers(core, pf);
  const watch = new RegistrationWatch({ server: pf, core: toCore, identity: 'sip:pf.lab.test' });
  pf.onRequest = (transaction) => {
    if (transaction.request.method === 'REGISTER') watch.registered(transaction);
    else if (!watch.notified(transaction)) transaction.reply(481);
  };
  const subscribes: SipRequest[] = [];
  const the = { answer: 200, expires: String(WATCH_SECONDS), dialog: null as Dialog | null };
  core.onRequest = (transaction: ServerTransaction) => {
    const { request } = transaction;
    subscribes.push(request);
    if (the.answer >= 300) transaction.reply(the.answer);
    else if (request.toTag !== null && the.dialog !== null) {
      the.dialog.receive(request);
      transaction.respond(the.dialog.response(transaction, 200).set('Expires', the.expires));
    } else {
      the.dialog = Dialog.ofReceived(core, transaction, '<sip:core.lab.test>', () => toPf);
      transaction.respond(the.dialog.response(transaction, 200).set('Expires', the.expires));
    }
  };
  const send = async (request: SipRequest): Promise<SipResponse> => {
    const { final } = core.request(request, toPf);
    await settle();
    return final;
  };
  const register = (expires: string, to = ALICE, callId = 'of-this-core') =>
    send(newRequest('REGISTER', 'sip:pf.lab.test', { from: '<sip:core.lab.test>', to: `<${to}>`, callId }).append('Expires', expires));
  const notify = async (version: number, contacts: string, options: { state?: string; kind?: string } = {}): Promise<number> => {
    const request = the.dialog?.request('NOTIFY');
    if (request === undefined) throw new Error('no dialog');
    const body = `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="${options.kind ?? 'partial'}"><registration aor="${ALICE}" id="r0" state="active">${contacts}</registration></reginfo>`;
    request
      .append('Event', 'reg')
      .append('Subscription-State', options.state ?? 'active;expires=600')
      .setBody('application/reginfo+xml', body);
    return (await send(request)).status;
  };
  return { clock, watch, subscribes, the, register, notify, send };
}

const contact = (id: string, urn: string, state = 'active') =>
  `<contact id="${id}" state="${state}" event="registered"><uri>sip:alice@${id}</uri><display-name>Device ${id}</display-name>
   <unknown-param name="+sip.instance">"&lt;${urn}&gt;"</unknown-param><unknown-param name="+g.3gpp.icsi-ref">${icsiParam([ICSI.msg]).slice('+g.3gpp.icsi-ref='.length)}</unknown-param></contact>`;

describe('the watch of a Participating Function', () => {
  it('R35: subscribes once for an address, not for its second device or a refresh, and again after the end', async () => {
    const { register, notify, subscribes } = lab();
    expect((await register('3600')).status).toBe(200);
    await register('3600');
    await register('3000', 'sip:alice@LAB.test');
    expect(subscribes.map((request) => [request.method, request.uri, request.get('event'), request.get('expires')])).toEqual([
      ['SUBSCRIBE', ALICE, 'reg', '600000'],
    ]);
    expect(subscribes[0]?.get('p-asserted-identity')).toBe('<sip:pf.lab.test>');
    await notify(0, contact('1', LAPTOP), { kind: 'full' });
    await register('3600');
    expect(subscribes).toHaveLength(1);
    expect(await notify(1, '', { state: 'terminated;reason=noresource' })).toBe(200);
    await register('0');
    expect(subscribes).toHaveLength(1);
    await register('3600');
    expect(subscribes).toHaveLength(2);
    await register('3600', 'sip:bob@lab.test');
    expect(subscribes).toHaveLength(3);
  });

  it('R75: knows each device with instance, name and services; a terminated one is removed', async () => {
    const { register, notify, watch } = lab();
    expect(watch.devices(ALICE)).toBeNull();
    await register('3600');
    expect(watch.devices(ALICE)).toBeNull();
    await notify(0, contact('1', LAPTOP) + contact('2', TABLET), { kind: 'full' });
    expect(
      watch.devices('<sip:alice@lab.test>;tag=1')?.map((device) => [device.instanceId, device.name, device.icsis, device.contact]),
    ).toEqual([
      [LAPTOP, 'Device 1', [ICSI.msg], 'sip:alice@1'],
      [TABLET, 'Device 2', [ICSI.msg], 'sip:alice@2'],
    ]);
    await notify(1, contact('2', TABLET, 'terminated'));
    expect(watch.devices(ALICE)?.map((device) => device.name)).toEqual(['Device 1']);
    await notify(2, '', { state: 'terminated;reason=noresource' });
    expect(watch.devices(ALICE)).toBeNull();
  });

  it('R35: subscribes again when another Call-ID shows that the core has restarted, and then believes only the new one', async () => {
    const { register, notify, watch, subscribes } = lab();
    await register('3600');
    await notify(7, contact('1', LAPTOP), { kind: 'full' });
    await register('3600', ALICE, 'of-the-next-core');
    expect(subscribes).toHaveLength(2);
    expect(watch.devices(ALICE)).toBeNull();
    await notify(0, contact('2', TABLET), { kind: 'full' });
    expect(watch.devices(ALICE)?.map((device) => device.name)).toEqual(['Device 2']);
    await register('3600', ALICE, 'of-the-next-core');
    expect(subscribes).toHaveLength(2);
  });

  it('subscribes once for an address that it learns of otherwise, and after a refusal not again until the core registers it', async () => {
    const { register, watch, subscribes, the } = lab();
    the.answer = 489;
    watch.heardOf(ALICE);
    await settle();
    watch.heardOf(ALICE);
    await settle();
    expect(subscribes).toHaveLength(1);
    the.answer = 200;
    await register('3600');
    expect(subscribes).toHaveLength(2);
  });

  it('calls after the next news, or when the time is over, and once', async () => {
    const { clock, register, notify, watch } = lab();
    await register('3600');
    let calls = 0;
    watch.afterNews(ALICE, 1000, () => (calls += 1));
    await notify(0, contact('1', LAPTOP), { kind: 'full' });
    expect(calls).toBe(1);
    clock.advance(2000);
    expect(calls).toBe(1);
    watch.afterNews(ALICE, 1000, () => (calls += 1));
    clock.advance(999);
    expect(calls).toBe(1);
    clock.advance(1);
    expect(calls).toBe(2);
  });

  it('a gap in the versions brings one refresh and nothing is believed until the full document', async () => {
    const { register, notify, watch, subscribes } = lab();
    await register('3600');
    await notify(0, contact('1', LAPTOP), { kind: 'full' });
    await notify(2, contact('2', TABLET));
    await notify(3, contact('3', 'urn:y'));
    expect(watch.devices(ALICE)).toBeNull();
    expect(subscribes.map((request) => request.toTag === null)).toEqual([true, false]);
    await notify(4, contact('3', 'urn:y'), { kind: 'full' });
    expect(watch.devices(ALICE)?.map((device) => device.name)).toEqual(['Device 3']);
  });

  it('refreshes before the subscription ends, at half time when that is near', async () => {
    const { clock, register, subscribes, the } = lab();
    await register('3600');
    clock.advance((WATCH_SECONDS - WATCH_REFRESH_BEFORE_SECONDS) * 1000 - 1);
    expect(subscribes).toHaveLength(1);
    the.expires = '60';
    clock.advance(1);
    await settle();
    expect(subscribes).toHaveLength(2);
    clock.advance(30_000);
    await settle();
    expect(subscribes).toHaveLength(3);
  });

  it('a refused subscription is tried again with the next REGISTER; a lost one at once while the address is registered', async () => {
    const { clock, register, notify, subscribes, the } = lab();
    the.answer = 503;
    await register('3600');
    expect(subscribes).toHaveLength(1);
    the.answer = 200;
    await register('3600');
    expect(subscribes).toHaveLength(2);
    await notify(0, '', { state: 'terminated;reason=deactivated' });
    expect(subscribes).toHaveLength(3);
    await notify(0, '', { state: 'terminated;reason=rejected' });
    expect(subscribes).toHaveLength(3);
    await register('60');
    clock.advance(60_000);
    await notify(0, '', { state: 'terminated;reason=timeout' });
    expect(subscribes).toHaveLength(4);
  });

  it('a NOTIFY of another dialog gets 481, one that cannot be read 400, one that came before 500', async () => {
    const { register, notify, send, the } = lab();
    await register('3600');
    const stray = newRequest('NOTIFY', 'sip:pf.lab.test', { from: `<${ALICE}>;tag=x`, to: '<sip:pf.lab.test>;tag=y' });
    expect((await send(stray)).status).toBe(481);
    const bad = the.dialog?.request('NOTIFY').setBody('application/reginfo+xml', '<reginfo');
    expect(bad && (await send(bad)).status).toBe(400);
    expect(await notify(0, '', { kind: 'full' })).toBe(200);
    const old = the.dialog?.request('NOTIFY').set('CSeq', '1 NOTIFY');
    expect(old && (await send(old)).status).toBe(500);
    expect((await register('soon')).status).toBe(400);
  });
});
