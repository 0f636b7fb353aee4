import { describe, expect, it } from 'vitest';
import { newRequest } from '../../../network/dialog';
import { InterworkingFunction } from '../../../network/interworking';
import { SipRequest, type SipResponse } from '../../../network/message';
import { ParticipatingFunction, type ParticipatingOptions } from '../../../network/participating';
import { type Flow, SipServer } from '../../../network/sip-server';
import { connectServers, settle, VirtualClock } from '../../support/network-doubles';

const ALICE_1 = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const ALICE_2 = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';

/** The core on one side, the Participating Function on the other. Requests come back to the core as they would over TCP. */
function fixture(options: Partial<ParticipatingOptions> = {}) {
  const clock = new VirtualClock();
  const core = new SipServer({ clock });
  const server = new SipServer({ clock });
  const { atA: toPf, atB: toCore } = connectServers(core, server);
  const pf = new ParticipatingFunction({ server, core: toCore, host: 'pf.lab.test', ...options });
  const passed: SipRequest[] = [];
  const acks: SipRequest[] = [];
  /** Tells that these instances of an address are registered, as the core does. */
  const registered = async (address: string, instances: string[]) => {
    core.request(
      newRequest('REGISTER', 'sip:pf.lab.test', { from: '<sip:core.lab.test>', to: `<${address}>` }).append('Expires', '3600'),
      toPf,
    );
    await settle();
    const subscribe = subscribes.at(-1);
    if (subscribe === undefined) throw new Error('no SUBSCRIBE');
    const contacts = instances.map(
      (urn, index) =>
        `<contact id="${index}" state="active" event="registered"><uri>sip:x</uri><unknown-param name="+sip.instance">"&lt;${urn}&gt;"</unknown-param></contact>`,
    );
    core.request(
      newRequest('NOTIFY', 'sip:pf.lab.test', {
        from: `<${address}>;tag=core`,
        to: subscribe.get('from') ?? '',
        callId: subscribe.callId,
        contact: '<sip:core.lab.test>',
      })
        .append('Event', 'reg')
        .append('Subscription-State', 'active;expires=3600')
        .setBody(
          'application/reginfo+xml',
          `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full"><registration aor="${address}" id="a" state="active">${contacts.join('')}</registration></reginfo>`,
        ),
      toPf,
    );
    await settle();
  };
  const subscribes: SipRequest[] = [];
  core.onRequest = (transaction) => {
    if (transaction.request.method === 'SUBSCRIBE') {
      subscribes.push(transaction.request);
      transaction.reply(200, {
        headers: [
          ['Expires', '3600'],
          ['Contact', '<sip:core.lab.test>'],
        ],
      });
      return;
    }
    passed.push(transaction.request);
    transaction.reply(200, { headers: [['Contact', '<sip:bob@lab.test;gr=urn:uuid:bbbb>']] });
  };
  core.onAck = (ack) => acks.push(ack);
  const send = async (request: SipRequest): Promise<SipResponse> => {
    const { final } = core.request(request, toPf);
    await settle();
    return final;
  };
  return { clock, core, pf, passed, acks, send, toPf, registered };
}

function invite(
  facts: { served?: string; sescase?: string; uri?: string; contact?: string; referredBy?: string; tag?: string } = {},
): SipRequest {
  const request = new SipRequest('INVITE', facts.uri ?? 'sip:bob@lab.test')
    .append('Max-Forwards', '70')
    .append('From', '<sip:alice@lab.test>;tag=a')
    .append('To', `<sip:bob@lab.test>${facts.tag === undefined ? '' : `;tag=${facts.tag}`}`)
    .append('Call-ID', 'c1')
    .append('CSeq', '1 INVITE')
    .append('Contact', facts.contact ?? `<sip:alice@lab.test;gr=${ALICE_1}>;+sip.instance="<${ALICE_1}>"`)
    .append('P-Asserted-Identity', '<sip:alice@lab.test>');
  if (facts.sescase !== 'none')
    request.append('P-Served-User', `<${facts.served ?? 'sip:alice@lab.test'}>;sescase=${facts.sescase ?? 'orig'}`);
  if (facts.referredBy !== undefined) request.append('Referred-By', facts.referredBy);
  return request;
}

describe('the Participating Function', () => {
  it('R47: hands an allowed request back to the core, record-routed', async () => {
    const { passed, send } = fixture();
    expect((await send(invite())).status).toBe(200);
    expect(passed).toHaveLength(1);
    expect(passed[0]?.uri).toBe('sip:bob@lab.test');
    expect(passed[0]?.get('record-route')).toContain('unbound.invalid');
    expect(passed[0]?.get('max-forwards')).toBe('69');
    expect(passed[0]?.get('contact')).toContain(`+sip.instance="<${ALICE_1}>"`);
  });

  it('R46: refuses with 403 what the policy of the sender denies, and nothing goes on', async () => {
    const { pf, passed, send } = fixture();
    pf.policy.deny({ served: 'sip:alice@lab.test', sescase: 'orig', peer: 'sip:bob@lab.test' });
    const refusal = await send(invite({ uri: 'sip:bob@lab.test;gr=urn:uuid:bbbb' }));
    expect(refusal.status).toBe(403);
    expect(refusal.get('warning')).toContain('pf.lab.test');
    expect(passed).toEqual([]);
    pf.policy.allow({ served: 'sip:alice@lab.test', sescase: 'orig', peer: 'sip:bob@lab.test' });
    expect((await send(invite())).status).toBe(200);
  });

  it('R56 R57: refuses for the recipient, by the asserted caller or by who stands behind a group, and forwards the rest once', async () => {
    const { pf, passed, send } = fixture();
    pf.policy.deny({ served: 'sip:bob@lab.test', sescase: 'term', peer: 'sip:alice@lab.test', status: 603 });
    expect((await send(invite({ served: 'sip:bob@lab.test', sescase: 'term' }))).status).toBe(603);
    const group = () =>
      invite({ served: 'sip:bob@lab.test', sescase: 'term', referredBy: '"Alice" <sip:alice@lab.test>' }).set(
        'P-Asserted-Identity',
        '<sip:grp-1@cf.lab.test>',
      );
    expect((await send(group())).status).toBe(603);
    expect(passed).toEqual([]);
    expect((await send(group().set('Referred-By', '<sip:carol@lab.test>'))).status).toBe(200);
    expect((await send(invite({ served: 'sip:carol@lab.test', sescase: 'term' }))).status).toBe(200);
    expect(passed).toHaveLength(2);
  });

  it('refuses a device that is not the sender`s: a GRUU of another, a GRUU of another device, an instance that is not registered', async () => {
    const { passed, send, registered } = fixture();
    await registered('sip:alice@lab.test', [ALICE_1]);
    for (const contact of [
      '<sip:bob@lab.test;gr=urn:uuid:bbbb>',
      `<sip:alice@lab.test;gr=${ALICE_1}>;+sip.instance="<${ALICE_2}>"`,
      `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_2}>"`,
    ]) {
      expect((await send(invite({ contact }))).status).toBe(403);
    }
    expect(passed).toEqual([]);
    for (const contact of [
      '<sip:tgruu.x7@lab.test;gr>',
      `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_1}>"`,
      '<sip:alice@127.0.0.1:5555>',
    ]) {
      expect((await send(invite({ contact }))).status).toBe(200);
    }
  });

  it('passes an instance when it cannot know the registered ones', async () => {
    const { send } = fixture();
    expect((await send(invite({ contact: `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_2}>"` }))).status).toBe(200);
  });

  it('refuses a new request that does not say whom it serves, and passes requests inside a dialog', async () => {
    const { passed, send } = fixture();
    expect((await send(invite({ sescase: 'none' }))).status).toBe(403);
    expect((await send(invite({ sescase: 'none', tag: 'b' }))).status).toBe(200);
    expect(passed).toHaveLength(1);
  });

  it('passes the ACK of a 2xx on', async () => {
    const { core, acks, toPf } = fixture();
    const ack = invite({ tag: 'b' });
    ack.method = 'ACK';
    ack.set('CSeq', '1 ACK');
    core.sendAck(ack, toPf);
    await settle();
    expect(acks).toHaveLength(1);
    expect(acks[0]?.get('max-forwards')).toBe('69');
  });

  it('answers 483 when the hops are used up', async () => {
    const { passed, send } = fixture();
    expect((await send(invite().set('Max-Forwards', '0'))).status).toBe(483);
    expect(passed).toEqual([]);
  });

  it('R48: sends what is for somebody outside of CPM to the interworking function, which refuses with its reason', async () => {
    const clock = new VirtualClock();
    const isf = new SipServer({ clock });
    const seen: string[] = [];
    new InterworkingFunction({ server: isf, host: 'isf.lab.test', clock, mailOutbox: () => null });
    const answer = isf.onRequest;
    isf.onRequest = (transaction) => {
      seen.push(transaction.request.uri);
      answer?.(transaction);
    };
    const server = new SipServer({ clock });
    const core = new SipServer({ clock });
    const { atA: toPf, atB: toCore } = connectServers(core, server);
    const { atA: toIsf } = connectServers(server, isf) satisfies { atA: Flow };
    new ParticipatingFunction({ server, core: toCore, host: 'pf.lab.test', interworking: toIsf });
    const { final } = core.request(invite({ uri: 'mailto:bob@example.org' }), toPf);
    await settle();
    const refusal = await final;
    expect(seen).toEqual(['mailto:bob@example.org']);
    expect(refusal.status).toBe(416);
    expect(refusal.get('warning')).toContain('No gateway serves mailto addresses');
  });
});
