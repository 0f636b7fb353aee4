import { describe, expect, it } from 'vitest';
import { Directory } from '../../../../network/core/directory';
import { type BindingChange, Registrar } from '../../../../network/core/registrar';
import {
  DEFAULT_REG_SUBSCRIPTION_SECONDS,
  MAX_REG_SUBSCRIPTION_SECONDS,
  MAX_REG_SUBSCRIPTIONS,
  MAX_UNANSWERED_NOTIFIES,
  RegistrationEvents,
} from '../../../../network/core/registration-events';
import { Dialog, newRequest } from '../../../../network/sip/dialog';
import type { SipRequest, SipResponse } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../../network/sip/transaction';
import { ICSI, icsiParam } from '../../../../protocol/feature-tags';
import { mergeRegInfo, parseRegInfo, type RegInfo } from '../../../../protocol/reginfo';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const LAPTOP = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const TABLET = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';

/** A registrar and its notifier on one end of a connection, a device that registers and watches on the other. */
function lab(options: { alwaysFull?: boolean; isFunction?: boolean } = {}) {
  const clock = new VirtualClock();
  const [core, device] = [new SipServer({ clock }), new SipServer({ clock })];
  const { atA: toDevice, atB: toCore } = connectServers(core, device);
  const directory = new Directory('lab.test', [{ name: 'alice', password: 'secret', identities: ['tel:+15550100'] }]);
  const alice = directory.findByUserName('alice');
  if (alice === null) throw new Error('no alice');
  let changes: BindingChange[] = [];
  const registrar = new Registrar({
    directory,
    clock,
    onChange: (change) => {
      changes.push(change);
      if (change.kind === 'expired') tell();
    },
  });
  const events = new RegistrationEvents({
    server: core,
    contact: () => '<sip:core.lab.test>',
    bindings: (subscriber) => registrar.bindings(subscriber),
    deviceAt: (uri, owner) => registrar.boundTo(uri).find(({ subscriber }) => subscriber === owner)?.binding ?? null,
    ...(options.alwaysFull !== undefined && { alwaysFull: options.alwaysFull }),
  });
  const tell = () => {
    const told = changes;
    changes = [];
    events.changed(alice, told);
  };
  core.onRequest = (transaction) => {
    if (!events.handle(transaction, () => true)) events.subscribe(transaction, alice, options.isFunction ?? false);
  };
  const notifies: SipRequest[] = [];
  const held: ServerTransaction[] = [];
  const watcher = { answer: 200 as number | 'hold' };
  device.onRequest = (transaction) => {
    notifies.push(transaction.request);
    if (watcher.answer === 'hold') held.push(transaction);
    else transaction.reply(watcher.answer);
  };
  let cseq = 0;
  const register = (instance: string, change: { params?: string; expires?: string; name?: string; host?: string } = {}) => {
    cseq += 1;
    const contact = `"${change.name ?? 'Laptop'}" <sip:alice@${change.host ?? instance.slice(9, 12)}.invalid>;+sip.instance="<${instance}>"${change.params ?? ''}`;
    const request = newRequest('REGISTER', 'sip:lab.test', {
      from: '<sip:alice@lab.test>',
      to: '<sip:alice@lab.test>',
      callId: `call-${instance}`,
      sequence: cseq,
      contact,
    });
    request
      .append('Expires', change.expires ?? '3600')
      .append('Supported', 'gruu')
      .append('Via', 'SIP/2.0/TCP x;branch=z9hG4bK1');
    const response = registrar.register(request, alice, toDevice);
    tell();
    return response;
  };
  const subscribe = async (headers: [string, string][] = [['Event', 'reg']]): Promise<{ sent: SipRequest; answer: SipResponse }> => {
    const sent = newRequest('SUBSCRIBE', 'sip:alice@lab.test', {
      from: '<sip:alice@lab.test>',
      to: '<sip:alice@lab.test>',
      contact: '<sip:alice@f81.invalid>',
    });
    for (const [name, value] of headers) sent.append(name, value);
    const { final } = device.request(sent, toCore);
    await settle();
    return { sent, answer: await final };
  };
  const documents = (): RegInfo[] =>
    notifies.map((notify) => {
      const read = parseRegInfo(notify.body);
      if (!read.ok) throw new Error(read.reason);
      return read.value;
    });
  return { clock, registrar, events, alice, register, subscribe, notifies, documents, held, watcher, toCore, device, directory, tell };
}

const states = (info: RegInfo | undefined) =>
  info?.registrations[0]?.contacts.map((contact) => [contact.params.get('+sip.instance'), contact.state, contact.event]);

describe('the registration event package', () => {
  it('R75: the first NOTIFY tells every device with its name, instance, capabilities as written and GRUUs', async () => {
    const the = lab();
    the.register(LAPTOP, {
      params: `;reg-id=1;q=0.8;description="<Laptop>";${icsiParam([ICSI.session, ICSI.msg])};+g.gsma.rcs.cpm.pager-large`,
    });
    the.register(TABLET, { name: 'Tablet "7"', params: `;${icsiParam([ICSI.msg])}` });
    const { answer } = await the.subscribe([
      ['Event', 'reg'],
      ['Expires', '600000'],
    ]);
    expect([answer.status, answer.get('expires'), answer.get('contact')]).toEqual([200, '600000', '<sip:core.lab.test>']);
    expect(the.notifies[0]?.get('subscription-state')).toBe('active;expires=600000');
    expect(the.notifies[0]?.get('event')).toBe('reg');
    const [document] = the.documents();
    expect(document).toMatchObject({ version: 0, state: 'full' });
    const [laptop, tablet] = document?.registrations[0]?.contacts ?? [];
    expect(laptop).toMatchObject({
      state: 'active',
      event: 'registered',
      uri: 'sip:alice@f81.invalid',
      displayName: 'Laptop',
      expires: 3600,
      durationRegistered: 0,
      q: '0.8',
      callId: `call-${LAPTOP}`,
      cseq: 1,
      pubGruu: `sip:alice@lab.test;gr=${LAPTOP}`,
    });
    expect([...(laptop?.params ?? [])]).toEqual([
      ['+sip.instance', `<${LAPTOP}>`],
      ['reg-id', '1'],
      ['description', '<Laptop>'],
      ['+g.3gpp.icsi-ref', icsiParam([ICSI.session, ICSI.msg]).slice('+g.3gpp.icsi-ref="'.length, -1)],
      ['+g.gsma.rcs.cpm.pager-large', null],
    ]);
    expect(the.notifies[0]?.text).toContain('<unknown-param name="+sip.instance">&quot;&lt;urn:uuid:');
    expect(tablet).toMatchObject({ displayName: 'Tablet "7"', pubGruu: `sip:alice@lab.test;gr=${TABLET}` });
  });

  it('R33: the other addresses of the person are reported as created, and refreshed together with it', async () => {
    const the = lab();
    the.register(LAPTOP);
    await the.subscribe();
    const [sip, tel] = the.documents()[0]?.registrations ?? [];
    expect([sip?.aor, sip?.contacts[0]?.event, tel?.aor, tel?.contacts[0]?.event]).toEqual([
      'sip:alice@lab.test',
      'registered',
      'tel:+15550100',
      'created',
    ]);
    expect(sip?.id).not.toBe(tel?.id);
    expect(sip?.contacts[0]?.id).not.toBe(tel?.contacts[0]?.id);
    the.register(LAPTOP);
    await settle();
    expect(the.documents()[1]?.registrations.map((one) => one.contacts[0]?.event)).toEqual(['refreshed', 'refreshed']);
  });

  it('then only what changed is told, with the version rising by one and the same id for the same device', async () => {
    const the = lab();
    the.register(LAPTOP);
    await the.subscribe();
    the.register(TABLET);
    the.register(LAPTOP, { name: 'New name', params: `;${icsiParam([ICSI.msg])}` });
    the.register(TABLET, { expires: '0' });
    await settle();
    const documents = the.documents();
    expect(documents.map(({ version, state }) => [version, state])).toEqual([
      [0, 'full'],
      [1, 'partial'],
      [2, 'partial'],
      [3, 'partial'],
    ]);
    expect(documents.slice(1).map(states)).toEqual([
      [[`<${TABLET}>`, 'active', 'registered']],
      [[`<${LAPTOP}>`, 'active', 'refreshed']],
      [[`<${TABLET}>`, 'terminated', 'unregistered']],
    ]);
    expect(documents[2]?.registrations[0]?.contacts[0]).toMatchObject({
      id: documents[0]?.registrations[0]?.contacts[0]?.id,
      displayName: 'New name',
    });
    const merged = documents.reduce<RegInfo | null>((known, next) => mergeRegInfo(known, next), null);
    expect(states(merged ?? undefined)).toEqual([[`<${LAPTOP}>`, 'active', 'refreshed']]);
  });

  it('some networks send full documents alone', async () => {
    const the = lab({ alwaysFull: true });
    the.register(LAPTOP);
    await the.subscribe();
    the.register(TABLET);
    the.register(TABLET, { expires: '0' });
    await settle();
    expect(the.documents().map(({ version, state }) => [version, state])).toEqual([
      [0, 'full'],
      [1, 'full'],
      [2, 'full'],
    ]);
    expect(states(the.documents()[2])).toEqual([
      [`<${LAPTOP}>`, 'active', 'registered'],
      [`<${TABLET}>`, 'terminated', 'unregistered'],
    ]);
  });

  it('expiry and acts of the operator are reported with their own events', async () => {
    const the = lab();
    the.register(LAPTOP);
    the.register(TABLET, { expires: '60' });
    await the.subscribe();
    the.clock.advance(60_000);
    await settle();
    expect(states(the.documents()[1])).toEqual([[`<${TABLET}>`, 'terminated', 'expired']]);
    for (const [event, retryAfter] of [
      ['deactivated', undefined],
      ['probation', 30],
      ['rejected', undefined],
    ] as const) {
      the.register(TABLET);
      expect(the.registrar.end(the.alice, TABLET, event, retryAfter)).toBe(1);
      the.tell();
      await settle();
      expect(the.documents().at(-1)?.registrations[0]?.contacts[0]).toMatchObject({
        state: 'terminated',
        event,
        retryAfter: retryAfter ?? null,
        expires: 0,
        pubGruu: null,
      });
    }
    expect(the.registrar.shorten(the.alice, LAPTOP, 120)).toBe(1);
    the.tell();
    await settle();
    expect(the.documents().at(-1)?.registrations[0]?.contacts[0]).toMatchObject({ state: 'active', event: 'shortened', expires: 120 });
    expect(the.registrar.shorten(the.alice, LAPTOP, 500)).toBe(0);
    the.clock.advance(120_000);
    expect(the.registrar.bindings(the.alice)).toEqual([]);
  });

  it('ends with the last binding of the address, and says so', async () => {
    const the = lab();
    the.register(LAPTOP);
    await the.subscribe();
    the.register(LAPTOP, { expires: '0' });
    await settle();
    expect(the.notifies[1]?.get('subscription-state')).toBe('terminated;reason=noresource');
    expect(the.documents()[1]?.registrations.map(({ state }) => state)).toEqual(['terminated', 'terminated']);
    expect(states(the.documents()[1])).toEqual([[`<${LAPTOP}>`, 'terminated', 'unregistered']]);
    expect(the.events.count).toBe(0);
  });

  it('a user who is not registered has registrations in their initial state', async () => {
    const the = lab();
    await the.subscribe();
    expect(the.documents()[0]?.registrations).toEqual([
      { aor: 'sip:alice@lab.test', id: 'r0', state: 'init', contacts: [] },
      { aor: 'tel:+15550100', id: 'r1', state: 'init', contacts: [] },
    ]);
  });

  it('a refresh brings a full document, Expires 0 and the time that runs out an end', async () => {
    const the = lab();
    the.register(LAPTOP);
    const { sent, answer } = await the.subscribe();
    expect(answer.get('expires')).toBe(String(DEFAULT_REG_SUBSCRIPTION_SECONDS));
    const dialog = Dialog.ofSent(the.device, sent, answer, () => the.toCore);
    const again = async (expires: string) => {
      const request = dialog?.request('SUBSCRIBE').append('Event', 'reg').append('Expires', expires);
      const final = request && dialog?.send(request).final;
      await settle();
      return final;
    };
    expect((await again('9999999'))?.get('expires')).toBe(String(MAX_REG_SUBSCRIPTION_SECONDS));
    expect(the.documents()[1]).toMatchObject({ version: 1, state: 'full' });
    expect((await again('0'))?.status).toBe(200);
    expect(the.notifies[2]?.get('subscription-state')).toBe('terminated;reason=timeout');
    expect([the.documents()[2]?.version, the.events.count]).toEqual([2, 0]);
    await the.subscribe();
    the.clock.advance(3_700_000);
    the.register(LAPTOP);
    the.clock.advance(DEFAULT_REG_SUBSCRIPTION_SECONDS * 1000 - 3_700_000);
    await settle();
    expect(the.events.count).toBe(0);
  });

  it('a temporary GRUU is told to its own device and to functions, with the CSeq that made the first', async () => {
    for (const isFunction of [false, true]) {
      const the = lab({ isFunction });
      the.register(LAPTOP);
      the.register(TABLET);
      the.register(LAPTOP);
      await the.subscribe();
      const [laptop, tablet] = the.documents()[0]?.registrations[0]?.contacts ?? [];
      expect(laptop?.tempGruu).toMatchObject({ firstCseq: 1, uri: expect.stringMatching(/^sip:tgruu\./) });
      expect(tablet?.tempGruu === null).toBe(!isFunction);
    }
  });

  it('MAX_UNANSWERED_NOTIFIES: a watcher that falls behind hears the rest in one document', async () => {
    const the = lab();
    the.register(LAPTOP);
    the.watcher.answer = 'hold';
    await the.subscribe();
    for (let index = 0; index < MAX_UNANSWERED_NOTIFIES + 5; index += 1) the.register(index % 2 === 0 ? TABLET : LAPTOP);
    await settle();
    expect(the.notifies).toHaveLength(MAX_UNANSWERED_NOTIFIES);
    the.held[0]?.reply(200);
    await settle();
    expect(the.notifies).toHaveLength(MAX_UNANSWERED_NOTIFIES + 1);
    const last = the.documents().at(-1);
    expect([last?.version, last?.registrations[0]?.contacts.length]).toEqual([MAX_UNANSWERED_NOTIFIES, 2]);
  });

  it('a watcher that refuses a NOTIFY, or whose connection is gone, has no subscription', async () => {
    const the = lab();
    the.register(LAPTOP);
    the.watcher.answer = 481;
    await the.subscribe();
    expect(the.events.count).toBe(0);
    the.watcher.answer = 200;
    await the.subscribe();
    expect(the.events.count).toBe(1);
    the.toCore.close();
    the.register(LAPTOP);
    await settle();
    expect(the.events.count).toBe(0);
  });

  it('refuses another package, another type and no Contact; and MAX_REG_SUBSCRIPTIONS', async () => {
    const the = lab();
    const status = async (...headers: [string, string][]) => (await the.subscribe(headers)).answer.status;
    expect(await status(['Event', 'presence'])).toBe(489);
    expect(await status(['Event', 'reg'], ['Accept', 'text/plain'])).toBe(406);
    for (let index = 0; index < MAX_REG_SUBSCRIPTIONS; index += 1)
      expect(await status(['Event', 'reg'], ['Accept', 'application/reginfo+xml'])).toBe(200);
    expect(await status(['Event', 'reg'])).toBe(503);
    the.events.abandon();
    expect(the.events.count).toBe(0);
  });
});
