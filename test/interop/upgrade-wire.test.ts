import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../network/network';
import { MsrpParser } from '../../protocol/msrp-parser';
import { parseMultipart } from '../../protocol/multipart';
import { parseResourceLists } from '../../protocol/resource-lists';
import { parseSdp } from '../../protocol/sdp';
import type { WireRecord } from '../../protocol/wire-record';
import { faultsOf, xmlIn } from '../support/schemas/validate';
import { closeClients, headerValues, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

/** One message of the trace. */
interface Seen {
  direction: 'in' | 'out';
  text: string;
  bytes: Uint8Array;
}

interface AtRole extends Seen {
  role: string;
}

let network: Network;
const atRoles: AtRole[] = [];
const ofRole = (role: string, direction: 'in' | 'out') => atRoles.filter((one) => one.role === role && one.direction === direction);

const seenBy = (client: TestClient): Seen[] =>
  client.wire
    .filter((record) => record.protocol === 'sip')
    .map(({ direction, bytes }) => ({ direction, bytes, text: new TextDecoder().decode(bytes) }));
const one = (text: string, name: string) => headerValues(text, name)[0] ?? '';
const callIdOf = (text: string) => one(text, 'Call-ID');
const isRequest = (text: string, method: string) => text.startsWith(`${method} `);
const isAnswer = (text: string, status: number, method: string) =>
  text.startsWith(`SIP/2.0 ${status} `) && one(text, 'CSeq').endsWith(` ${method}`);

/** The first message that fits, or a failure that says which one is missing. */
function find(all: readonly Seen[], what: string, fits: (seen: Seen) => boolean): Seen {
  const found = all.find(fits);
  if (found === undefined) throw new Error(`no ${what} on the wire`);
  return found;
}

function bodyOf({ bytes, text }: Seen): Uint8Array {
  return bytes.slice(new TextEncoder().encode(text.split('\r\n\r\n')[0] ?? '').length + 4);
}

function listOf(seen: Seen) {
  const parts = parseMultipart(one(seen.text, 'Content-Type'), bodyOf(seen));
  if (!parts.ok) throw new Error(parts.reason);
  const part = parts.value.find((candidate) => candidate.contentType.startsWith('application/resource-lists+xml'));
  const list = parseResourceLists(new TextDecoder().decode(part?.body));
  if (!list.ok) throw new Error(list.reason);
  return { part, entries: list.value };
}

function xmlInMsrp(bytes: Uint8Array) {
  const messages = new MsrpParser().push(bytes);
  return (messages.ok ? messages.value : []).flatMap((message) =>
    message.kind === 'request' && message.body !== null && message.contentType !== null ? xmlIn(message.contentType, message.body) : [],
  );
}

const client = (name: string) =>
  startClient({ name, address: `sip:${name.replace(/-.*/, '')}@lab.test`, proxy: network.uris.tcp, factory: network.factory });

const state = async (who: TestClient, kind: 'oneToOne' | 'group') =>
  (await who.call('conversations', {})).find((candidate) => candidate.kind === kind)?.session;

/**
 * Alice's 1-1 with one of Bob's two devices grows into a group with Carol. The story runs once; the tests read what was on the wire of
 * the real clients and of every role of the network.
 */
describe.each(networks)('the upgrade on the wire, at $name', ({ start }) => {
  let alice: TestClient;
  let bob: TestClient;
  let bobsOther: TestClient;
  let carol: TestClient;
  /** Everything at the roles when the 1-1 stood. */
  let beforeUpgrade: AtRole[];
  let invite: Seen;
  let answer: Seen;
  let creation: Seen;
  let toBob: Seen;

  beforeAll(async () => {
    atRoles.length = 0;
    network = await start({
      tap: (record: WireRecord) => {
        if (record.protocol !== 'sip') return;
        const text = new TextDecoder().decode(record.bytes);
        atRoles.push({ role: record.role, direction: record.direction, text, bytes: record.bytes });
      },
    });
    const [first, second] = await Promise.all([client('bob-desktop'), client('bob-phone')]);
    [alice, carol] = await Promise.all([client('alice'), client('carol')]);
    const { conversation } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'Hello' });
    await alice.until('the 1-1 stands', async () => ((await state(alice, 'oneToOne')) === 'established' ? true : null));
    const talk = (await alice.call('conversations', {})).find((candidate) => candidate.kind === 'oneToOne');
    [bob, bobsOther] = talk?.peerDevice?.name === first.name ? [first, second] : [second, first];
    beforeUpgrade = [...atRoles];
    await alice.call('addPeople', { conversation, people: [carol.address], subject: 'Lunch' });
    for (const who of [alice, bob]) {
      await who.until('its 1-1 is replaced', async () => ((await state(who, 'oneToOne')) === 'replaced' ? true : null));
    }
    await carol.until('it is in the group', async () => ((await state(carol, 'group')) === 'established' ? true : null));
    await bob.call('sendText', { to: carol.address, text: 'By the way' });
    await carol.until('it has a 1-1 with Bob', async () => ((await state(carol, 'oneToOne')) === 'established' ? true : null));

    invite = find(seenBy(alice), 'INVITE of the 1-1', ({ text }) => isRequest(text, 'INVITE') && text.includes('sip:bob@lab.test SIP/2.0'));
    answer = find(seenBy(alice), '200 of the 1-1', ({ text }) => isAnswer(text, 200, 'INVITE') && callIdOf(text) === callIdOf(invite.text));
    creation = find(seenBy(alice), 'INVITE to the factory', ({ text }) => text.startsWith(`INVITE ${network.factory} `));
    toBob = find(
      seenBy(bob),
      'group INVITE',
      ({ direction, text }) => direction === 'in' && isRequest(text, 'INVITE') && text.includes('isfocus'),
    );
  });
  afterAll(async () => {
    await closeClients();
    await network.close();
  });

  it('every XML document, in SIP and in MSRP, is valid', () => {
    const fromSip = [alice, bob, bobsOther, carol].flatMap((who) => seenBy(who)).concat(atRoles);
    const inSip = fromSip.flatMap((seen) => xmlIn(one(seen.text, 'Content-Type'), bodyOf(seen)));
    const inMsrp = [alice, bob, carol].flatMap(({ wire }) =>
      wire.filter(({ protocol }) => protocol === 'msrp').flatMap(({ bytes }) => xmlInMsrp(bytes)),
    );
    const types = new Set([...inSip, ...inMsrp].map(({ contentType }) => contentType.split(';')[0]));
    expect([...types].sort()).toEqual(
      expect.arrayContaining([
        'application/conference-info+xml',
        'application/reginfo+xml',
        'application/resource-lists+xml',
        'message/imdn+xml',
      ]),
    );
    // `yourown` is OMA CPM's own addition, which the schema of RFC 4575 forbids.
    const faults = [...inSip, ...inMsrp].flatMap(({ contentType, body }) => faultsOf(contentType, body));
    expect(faults.filter((fault) => !fault.includes("attribute 'yourown'"))).toEqual([]);
  });

  it('R38: the 1-1 before the upgrade does not involve the Controlling Function', () => {
    expect(beforeUpgrade.filter((seen) => seen.role === 'cf')).toEqual([]);
    expect(beforeUpgrade.some((seen) => seen.role === 'pf' && isRequest(seen.text, 'INVITE'))).toBe(true);
  });

  it('R39: every client speaks SIP with its own core, and with nobody else', () => {
    const core = /127\.0\.0\.1:\d+/.exec(network.uris.tcp)?.[0];
    for (const { wire } of [alice, bob, bobsOther, carol])
      expect(new Set(wire.filter(({ protocol }) => protocol === 'sip').map(({ remote }) => remote))).toEqual(new Set([core]));
  });

  it('R43: the PF of Alice finds her sending device in the 1-1 invitation', async () => {
    const { instanceId, pubGruu } = await alice.call('identity', {});
    const [atPf] = ofRole('pf', 'in').filter(
      ({ text }) => isRequest(text, 'INVITE') && one(text, 'P-Served-User').includes('sescase=orig'),
    );
    expect(one(atPf?.text ?? '', 'Contact')).toContain(`<${pubGruu}>;+sip.instance="<${instanceId}>"`);
  });

  it('R51: Alice sends her request to the provisioned factory, through her own core', () => {
    const core = /:(\d+);/.exec(network.uris.tcp)?.[1] ?? 'none';
    expect(headerValues(creation.text, 'Route')).toEqual([expect.stringMatching(new RegExp(`^<sip:orig@127\\.0\\.0\\.1:${core};`))]);
    expect(headerValues(creation.text, 'To')[0]).toBe(`<${network.factory}>`);
  });

  it('R50 R52 R62: one message names Bob`s device of the 1-1, the session to be replaced on his entry alone, and Carol', async () => {
    const { part, entries } = listOf(creation);
    expect(part?.headers.get('content-disposition')).toBe('recipient-list');
    expect(entries).toHaveLength(2);
    const device = /<(sip:bob@lab\.test;gr=[^>]+)>/.exec(one(answer.text, 'Contact'))?.[1] ?? 'none';
    expect(device).toBe((await bob.call('identity', {})).pubGruu);
    expect(entries[0]?.uri).toContain(device);
    expect(entries[0]?.uri).toContain(`Session-Replaces=${one(invite.text, 'Contribution-ID')}`);
    expect(entries[1]?.uri).toBe(carol.address);
  });

  it('R53: the PF of Alice receives the request before the Controlling Function does', () => {
    const path = atRoles.filter(
      ({ direction, text }) => direction === 'in' && isRequest(text, 'INVITE') && callIdOf(text) === callIdOf(creation.text),
    );
    // What a core of ours has seen in between is told too; a foreign one tells nothing.
    expect(path.map(({ role }) => role).filter((role) => role !== 'core')).toEqual(['pf', 'cf']);
  });

  it('R55 R63: the mark is in the invitation of that device; Bob`s other device gets no invitation, and Carol an unmarked one', () => {
    expect(headerValues(toBob.text, 'Session-Replaces')).toEqual([one(invite.text, 'Contribution-ID')]);
    const groups = (who: TestClient) =>
      seenBy(who).filter(({ direction, text }) => direction === 'in' && isRequest(text, 'INVITE') && text.includes('isfocus'));
    expect([groups(bob).length, groups(bobsOther).length, groups(carol).length]).toEqual([1, 0, 1]);
    expect(groups(carol)[0]?.text).not.toContain(one(invite.text, 'Contribution-ID'));
  });

  it('R64: Bob answers 200 with his side of the media', () => {
    const ok = find(
      seenBy(bob),
      '200',
      ({ direction, text }) => direction === 'out' && isAnswer(text, 200, 'INVITE') && callIdOf(text) === callIdOf(toBob.text),
    );
    expect(one(ok.text, 'Content-Type')).toBe('application/sdp');
    expect(parseSdp(new TextDecoder().decode(bodyOf(ok)))).toMatchObject({ ok: true, value: { transport: 'TCP/MSRP' } });
  });

  it('R59 R66 R77: Bob sends BYE in the 1-1 after joining the group: same Call-ID, swapped tags, along the recorded route, and Alice answers', () => {
    const bobs = seenBy(bob);
    const received = find(bobs, '1-1 INVITE', ({ direction, text }) => direction === 'in' && callIdOf(text) === callIdOf(invite.text));
    const accepted = find(bobs, '200 of the 1-1', ({ text }) => isAnswer(text, 200, 'INVITE') && callIdOf(text) === callIdOf(invite.text));
    const bye = find(bobs, 'BYE', ({ direction, text }) => direction === 'out' && isRequest(text, 'BYE'));
    expect(callIdOf(bye.text)).toBe(callIdOf(invite.text));
    const tag = (value: string) => /;tag=([^;]+)/.exec(value)?.[1];
    expect(tag(one(bye.text, 'From'))).toBe(tag(one(accepted.text, 'To')));
    expect(tag(one(bye.text, 'To'))).toBe(tag(one(received.text, 'From')));
    expect(headerValues(received.text, 'Record-Route').length).toBeGreaterThanOrEqual(4);
    expect(headerValues(bye.text, 'Route')).toEqual(headerValues(received.text, 'Record-Route'));
    const ack = find(
      bobs,
      'ACK',
      ({ direction, text }) => direction === 'in' && isRequest(text, 'ACK') && callIdOf(text) === callIdOf(toBob.text),
    );
    expect(bobs.indexOf(ack)).toBeLessThan(bobs.indexOf(bye));
    find(
      seenBy(alice),
      '200 to the BYE',
      ({ direction, text }) => direction === 'out' && isAnswer(text, 200, 'BYE') && callIdOf(text) === callIdOf(bye.text),
    );
    // Alice hangs up on the device that accepted a moment too late, and never on this one.
    const hungUpOn = seenBy(alice).filter(({ direction, text }) => direction === 'out' && isRequest(text, 'BYE'));
    expect(hungUpOn.map(({ text }) => tag(one(text, 'To')))).not.toContain(tag(one(accepted.text, 'To')));
  });

  it('R67 R70: one invitation for each entry leaves the Controlling Function, and each passes the core twice on its way', () => {
    const sent = ofRole('cf', 'out').filter(({ text }) => isRequest(text, 'INVITE'));
    expect(sent.map(({ text }) => /^INVITE sip:(\w+)@/.exec(text)?.[1]).sort()).toEqual(['bob', 'carol']);
    const core = /:(\d+);/.exec(network.uris.tcp)?.[1] ?? 'none';
    const toCarol = find(
      seenBy(carol),
      'group INVITE',
      ({ direction, text }) => direction === 'in' && isRequest(text, 'INVITE') && text.includes('isfocus'),
    );
    for (const { text } of [toBob, toCarol]) {
      // The PF stands between the two. The passage to the client writes the functions' port and the clients' port (RFC 5658 section 6).
      const routes = headerValues(text, 'Record-Route');
      const pf = routes.findIndex((value) => value.includes('sc=term'));
      expect([routes.slice(0, pf).length, routes.slice(pf + 1).length]).toEqual([2, 1]);
      expect(routes[0]).toContain(`127.0.0.1:${core};`);
      expect(headerValues(text, 'Via')).toHaveLength(4);
    }
  });

  it('R73 R74: 1-1, group and another 1-1 each have their own Conversation-ID and Contribution-ID, the same for all participants', () => {
    const other = find(
      seenBy(carol),
      '1-1 INVITE',
      ({ direction, text }) => direction === 'in' && isRequest(text, 'INVITE') && !text.includes('isfocus'),
    );
    for (const name of ['Conversation-ID', 'Contribution-ID']) {
      const values = [invite, creation, other].map(({ text }) => one(text, name));
      expect(new Set(values).size, name).toBe(3);
      expect(one(toBob.text, name), name).toBe(values[1]);
    }
    expect(one(other.text, 'Conversation-ID')).not.toBe('');
  });

  it('R76: a request asks for the services that its Contact and the registration offer', () => {
    const register = find(seenBy(alice), 'REGISTER', ({ text }) => isRequest(text, 'REGISTER'));
    for (const [request, icsi] of [
      [invite, 'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session'],
      [creation, 'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group'],
    ] as const) {
      expect(headerValues(request.text, 'Accept-Contact')[0]).toBe(`*;+g.3gpp.icsi-ref="${icsi}"`);
      expect(one(request.text, 'Contact')).toContain(`+g.3gpp.icsi-ref="${icsi}"`);
      expect(one(register.text, 'Contact')).toMatch(new RegExp(`[",]${icsi.replaceAll('.', '\\.')}[",]`));
    }
  });
});

describe.each(networks)('what the network`s policy says to the upgrade, at $name', ({ start }) => {
  it('R53: a group that Alice may not create is refused by her own PF, and the 1-1 continues', async () => {
    atRoles.length = 0;
    network = await start({
      tap: (record) =>
        atRoles.push({ role: record.role, direction: record.direction, text: new TextDecoder().decode(record.bytes), bytes: record.bytes }),
    });
    try {
      const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
      const { conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
      await alice.until('the 1-1 stands', async () => ((await state(alice, 'oneToOne')) === 'established' ? true : null));
      network.policy.deny({ served: alice.address, sescase: 'orig', peer: network.factory });
      const refused = await alice.tryCall('addPeople', { conversation, people: ['sip:carol@lab.test'] });
      expect(refused).toMatchObject({ ok: false, error: { code: 'sip/rejected', status: 403 } });
      expect(ofRole('cf', 'in')).toEqual([]);
      await alice.call('sendText', { conversation, text: 'Still here' });
      await bob.until('the next text', () => bob.events.find((event) => event.event === 'message' && event.text === 'Still here') ?? null);
    } finally {
      await closeClients();
      await network.close();
    }
  });
});
