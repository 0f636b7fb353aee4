import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { ConversationValue } from '../../preload/contract';
import { ICSI } from '../../protocol/feature-tags';
import type { WireRecord } from '../../protocol/wire-record';
import { Capture } from '../support/peers/packet-judge';
import { RawAgent } from '../support/peers/raw-agent';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { startBehindKamailio } from '../support/stages/kamailio-network';

/** A person who writes without saying who they are, to real clients over the embedded network: every byte at the other side is read. */
let network: Network;
let seen: WireRecord[] = [];
beforeAll(async () => {
  network = await startNetwork({
    users: ['alice', 'bob', 'carol'].map((name) => ({
      name,
      password: 'secret',
      ...(name === 'alice' ? { displayName: 'Alice', identities: ['tel:+15550100'] } : {}),
    })),
    tap: (record) => seen.push(record),
  });
});
afterAll(() => network.close());
beforeEach(() => {
  seen = [];
  printLadderOnFailure();
});
afterEach(() => closeClients());

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}): Promise<TestClient> =>
  startClient({
    name,
    address: `sip:${name}@lab.test`,
    proxy: network.uris.tcp,
    factory: network.factory,
    deviceName: `${name} blue device`,
    ...more,
  });

const conversationOf = (at: TestClient, id: string, fits: (one: ConversationValue) => boolean = () => true) =>
  at.until('the conversation is there', async () =>
    (await at.call('conversations', {})).find((one) => one.conversation === id && fits(one)),
  );

/** The identifying marks that only Alice's own network may read. */
async function marksOf(alice: TestClient): Promise<string[]> {
  const { instanceId, pubGruu } = await alice.call('identity', {});
  const places = alice.wire.flatMap(({ local }) => local);
  const own = [...new Set([...places, ...network.bindings('sip:alice@lab.test').map((one) => one.flow.remote)])];
  // The listening port of her media stands in the offer that she makes.
  const offers = alice.wire.filter((record) => record.direction === 'out');
  const listening = offers.flatMap((record) => /a=path:msrp:\/\/([\d.]+:\d+)\//.exec(text(record))?.[1] ?? []);
  return [
    'alice',
    '+15550100',
    '15550100',
    'alice blue device',
    instanceId.replace('urn:uuid:', ''),
    pubGruu ?? '',
    ...own,
    ...listening,
  ].map((mark) => mark.toLowerCase());
}

const text = (record: WireRecord) => new TextDecoder().decode(record.bytes);

/** The marks that stand in what a client has received, but for answers of its own registrar. */
function found(at: TestClient, marks: readonly string[]): string[] {
  const received = at.wire.filter((record) => record.direction === 'in').map((record) => text(record).toLowerCase());
  return marks.filter((mark) => mark !== '' && received.some((one) => one.includes(mark)));
}

/** Two write to one another, the first of them anonymously: text, receipts, typing, reply, a second session and the end of it. */
async function writeAnonymously(alice: TestClient, bob: TestClient): Promise<void> {
  const { conversation, message } = await alice.call('sendText', { to: bob.address, text: 'Guess who', anonymous: true });
  const first = await received(bob, 'Guess who');
  expect(first).toMatchObject({ fromName: 'Anonymous', from: 'sip:anonymous@anonymous.invalid', fromDevice: null });
  await messageState(alice, message, 'delivered');
  expect(await conversationOf(bob, first.conversation)).toMatchObject({ anonymous: 'peer', people: [{ name: 'Anonymous' }] });
  expect(await conversationOf(alice, conversation)).toMatchObject({ anonymous: 'self', people: [{ address: bob.address }] });

  await alice.call('composing', { conversation, active: true });
  const { message: second } = await alice.call('sendText', { conversation, text: 'over the session' });
  await bob.call('markDisplayed', { conversation: first.conversation, upTo: (await received(bob, 'over the session')).message });
  await messageState(alice, second, 'displayed');
  const { message: reply } = await bob.call('sendText', { conversation: first.conversation, text: 'No idea' });
  await alice.call('markDisplayed', { conversation, upTo: (await received(alice, 'No idea')).message });
  await messageState(bob, reply, 'displayed');

  // The session ends; Bob's answer comes to the temporary GRUU, and Alice's device stays unknown as the one that is called.
  await alice.call('closeSession', { conversation });
  await conversationOf(bob, first.conversation, (one) => one.session === 'ended');
  const { message: later } = await bob.call('sendText', { conversation: first.conversation, text: 'Are you still there' });
  const again = await received(alice, 'Are you still there');
  expect(again.conversation).toBe(conversation);
  await messageState(bob, later, 'delivered');
  const { message: last } = await alice.call('sendText', { conversation, text: 'I am' });
  await messageState(alice, last, 'delivered');
  await alice.call('closeSession', { conversation });
  await conversationOf(bob, first.conversation, (one) => one.session === 'ended');
  // A receipt without a session goes as a message of its own.
  await alice.call('sendText', { conversation, text: 'by itself', mode: 'pager' });
  expect((await received(bob, 'by itself')).conversation).toBe(first.conversation);

  expect(found(bob, await marksOf(alice))).toEqual([]);
  expect((await alice.call('conversations', {})).filter((one) => one.kind === 'oneToOne')).toHaveLength(1);
}

async function refusesAnonymity(there: { proxy: string; factory: string }): Promise<void> {
  const [alice, bob] = await Promise.all([client('alice', there), client('bob', there)]);
  const refused = await alice.tryCall('sendText', { to: bob.address, text: 'Guess who', anonymous: true });
  expect(refused).toMatchObject({ ok: false, error: { code: 'privacy/no-temporary-address', retry: 'user' } });
  expect(await alice.call('conversations', {})).toEqual([]);
  expect(sipRequests(alice, 'out', 'INVITE')).toEqual([]);
}

describe('writing anonymously', () => {
  it('R44: nothing on Bob`s side reveals the writer: text, receipts, typing, reply, a second session and its end', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    await writeAnonymously(alice, bob);
  });

  it('R44: the invitation has the temporary GRUU from the latest set and requests privacy; only the own network learns who sends it', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    await alice.call('register', {});
    const { tempGruu } = await alice.call('identity', {});
    // The registrar's list says which one is the latest.
    expect(network.bindings(alice.address).map((binding) => binding.tempGruu)).toEqual([tempGruu]);
    const { message } = await alice.call('sendText', { to: bob.address, text: 'Hello', anonymous: true });
    await messageState(alice, message, 'delivered');
    const sent = sipRequests(alice, 'out', 'INVITE')[0] ?? '';
    expect(headerValues(sent, 'Contact')[0]).toContain(`<${tempGruu}>`);
    expect(headerValues(sent, 'Contact')[0]).not.toContain('+sip.instance');
    expect(headerValues(sent, 'Privacy')).toEqual(['id']);
    expect(headerValues(sent, 'From')[0]).toMatch(/^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/);
    expect(headerValues(sent, 'P-Preferred-Identity')).toEqual(['<sip:alice@lab.test>']);
    expect(headerValues(sent, 'User-Agent')).toEqual([]);
    const invite = sipRequests(bob, 'in', 'INVITE')[0] ?? '';
    expect(headerValues(invite, 'P-Asserted-Identity')).toEqual([]);
    expect(headerValues(invite, 'Via')).toHaveLength(4);
    // Inside of the trust domain it is known who asks (RFC 3325): the other side's Participating Function can block them.
    const between = seen
      .filter((one) => one.role === 'pf' && one.direction === 'in')
      .map(text)
      .filter((one) => one.startsWith('INVITE '));
    expect(between).toHaveLength(2);
    for (const invite of between) expect(headerValues(invite, 'P-Asserted-Identity').join()).toContain('sip:alice@lab.test');
  });

  it('the anonymous conversation and the named one with the same person are two, on both sides', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    const named = await alice.call('sendText', { to: bob.address, text: 'It is me' });
    const hidden = await alice.call('sendText', { to: bob.address, text: 'It is nobody', anonymous: true });
    expect(hidden.conversation).not.toBe(named.conversation);
    const [one, other] = [await received(bob, 'It is me'), await received(bob, 'It is nobody')];
    expect(one.conversation).not.toBe(other.conversation);
    // What is looked for is found where nobody hides.
    expect(found(bob, await marksOf(alice))).toEqual(expect.arrayContaining(['alice', 'alice blue device']));
    expect((await alice.call('openConversation', { to: bob.address, anonymous: true })).conversation).toBe(hidden.conversation);
    expect((await alice.call('openConversation', { to: bob.address })).conversation).toBe(named.conversation);
    expect(await alice.tryCall('sendText', { conversation: named.conversation, text: 'x', anonymous: true })).toMatchObject({
      ok: false,
      error: { code: 'ipc/refused' },
    });
    expect(await alice.tryCall('addPeople', { conversation: hidden.conversation, people: ['carol'] })).toMatchObject({ ok: false });
  });

  it('R56: a block list also applies to anonymous senders, and a person who refuses anonymous messages is protected by 433', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    network.policy.deny({ served: bob.address, sescase: 'term', peer: alice.address });
    const { message, conversation } = await alice.call('sendText', { to: bob.address, text: 'Psst', anonymous: true });
    expect((await messageState(alice, message, 'failed')).error).toMatchObject({ code: 'sip/rejected', status: 403 });
    network.policy.allow({ served: bob.address, sescase: 'term', peer: alice.address });
    network.policy.adopt({
      deny: [],
      provider: {},
      users: new Map([[bob.address, { refuseAnonymous: true }]]),
      recordTo: null,
      mailOutbox: null,
    });
    const next = await alice.call('sendText', { conversation, text: 'Psst again' });
    expect((await messageState(alice, next.message, 'failed')).error).toMatchObject({ code: 'sip/rejected', status: 433 });
    expect(sipRequests(bob, 'in', 'INVITE')).toEqual([]);
    network.policy.adopt({ deny: [], provider: {}, users: new Map(), recordTo: null, mailOutbox: null });
  });

  it('R44: OPTIONS to a temporary GRUU does not reveal its owner, and nobody else may use that GRUU', async () => {
    const alice = await client('alice');
    const bob = new RawAgent({ name: 'bob', device: 'bob probe', proxy: network.uris.tcp });
    try {
      expect(await bob.register()).toBe(200);
      const { tempGruu } = await alice.call('identity', {});
      const answer = await bob.send(bob.request('OPTIONS', tempGruu ?? '', null));
      expect(answer.status).toBe(200);
      const told = [...answer.entries()].join('\n').toLowerCase();
      expect((await marksOf(alice)).filter((mark) => mark !== '' && told.includes(mark))).toEqual([]);
      const stolen = bob.request('INVITE', 'sip:carol@lab.test', ICSI.session).set('Contact', `<${tempGruu}>`);
      expect((await bob.send(stolen.setBody('application/sdp', bob.sdpOf(bob.newMedia(), 'actpass')))).status).toBe(403);
    } finally {
      await bob.close();
    }
  });
});

describe('writing anonymously behind a real Kamailio', () => {
  it('R44 R49: no byte that Bob`s computer receives tells who writes, as tshark has captured them', async () => {
    const behind = await startBehindKamailio();
    let capture: Capture | null = null;
    try {
      const there = { proxy: behind.uris.tcp, factory: behind.factory };
      const bob = await client('bob', there);
      const port = Number(bob.wire.at(-1)?.local.split(':').at(-1));
      capture = await Capture.start([port]);
      const alice = await client('alice', there);
      await writeAnonymously(alice, bob);
      const bytes = (await capture.receivedAt(port)).toLowerCase();
      expect(bytes).toContain('guess who');
      expect((await marksOf(alice)).filter((mark) => mark !== '' && bytes.includes(mark))).toEqual([]);
    } finally {
      capture?.dispose();
      await closeClients();
      await behind.close();
    }
  });

  it('R44: where it gives no temporary GRUU, writing anonymously is refused with the reason, and nothing leaves', async () => {
    const behind = await startBehindKamailio({}, { gruu: false });
    try {
      await refusesAnonymity({ proxy: behind.uris.tcp, factory: behind.factory });
    } finally {
      await closeClients();
      await behind.close();
    }
  });
});

describe('where the network gives no temporary GRUU', () => {
  it('R44: writing anonymously is refused with the reason, and nothing leaves', async () => {
    const plain = await startNetwork({ gruu: false });
    try {
      await refusesAnonymity({ proxy: plain.uris.tcp, factory: plain.factory });
    } finally {
      await closeClients();
      await plain.close();
    }
  });
});
