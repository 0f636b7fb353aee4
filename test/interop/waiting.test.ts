/** Nothing fails because somebody is away: real clients at each kind of network, with Participating Functions and without. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { startNetwork } from '../../network/network';
import type { AppEvent } from '../../preload/contract';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

const factory = 'sip:conference-factory@lab.test';

/** A SIP/IP core and nothing else. */
const plainCores: { name: string; start(): Promise<{ uris: { tcp: string }; close(): Promise<void> }> }[] = [
  { name: 'the embedded core alone', start: () => startNetwork({ roles: ['core'] }) },
  {
    name: 'a real Kamailio alone',
    start: async () => {
      const kamailio = await startKamailio();
      return { uris: { tcp: kamailio.uri }, close: async () => void (await kamailio.stop()) };
    },
  },
];

beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

/** With Participating Functions, which keep nothing: what they do keep is told in deferred.test.ts. */
const withFunctions = networks.map(({ name, start }) => ({ name, start: () => start({ keepsMessages: false }) }));

describe.each([...withFunctions, ...plainCores])('a text for somebody who is away, at $name', ({ start }) => {
  let network: { uris: { tcp: string }; close(): Promise<void> };
  beforeAll(async () => {
    network = await start();
  });
  afterAll(() => network.close());

  const client = (name: string, more: { dataDir?: string } = {}) =>
    startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory, ...more });

  type MessageEvent = Extract<AppEvent, { event: 'message' }>;
  const waits = (one: TestClient, message: string) =>
    one.until('the text waits', () =>
      one.events.find(
        (event): event is MessageEvent => event.event === 'message' && event.message === message && event.waitsFor === 'person',
      ),
    );

  it('waits, outlives a restart of its sender, and arrives in order and once at the first sign of life', async () => {
    const alice = await client('alice');
    const { message, conversation } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'One' });
    const waiting = await waits(alice, message);
    expect(waiting).toMatchObject({ state: 'queued', error: { meaning: 'away' } });
    expect(waiting.expiresAt).toBeGreaterThan(Date.now());
    const second = await alice.call('sendText', { conversation, text: 'Two' });
    const other = await alice.call('sendText', { to: 'sip:carol@lab.test', text: 'To Carol' });
    await waits(alice, second.message);
    await waits(alice, other.message);
    await alice.close();

    const again = await client('alice', { dataDir: alice.dataDir });
    const bob = await client('bob');
    await bob.call('sendText', { to: 'sip:alice@lab.test', text: 'I am back' });
    await received(again, 'I am back');
    await received(bob, 'Two');
    await messageState(again, second.message, 'delivered');
    const texts = bob.events.flatMap((event) =>
      event.event === 'message' && event.direction === 'in' && event.state === 'received' ? [event.text] : [],
    );
    expect([...new Set(texts)]).toEqual(['One', 'Two']);
    expect((await bob.call('messages', { conversation: (await bob.call('conversations', {}))[0]?.conversation ?? '' })).length).toBe(3);
    const states = (await again.call('conversations', {})).find((one) => one.people[0]?.address === 'sip:carol@lab.test')?.last;
    expect(states).toMatchObject({ state: 'queued', waitsFor: 'person' });
    for (const one of [alice, again])
      expect(one.events.filter((event) => event.event === 'message' && event.state === 'failed')).toEqual([]);
  });
});

describe.each([...withFunctions])('somebody who is away and is added, at $name', ({ start }) => {
  let network: { uris: { tcp: string }; close(): Promise<void> };
  beforeAll(async () => {
    network = await start();
  });
  afterAll(() => network.close());

  const client = (name: string) => startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory });
  const groupOf = (one: TestClient) =>
    one.until('it is in the group', async () =>
      (await one.call('conversations', {})).find(({ kind, session }) => kind === 'group' && session === 'established'),
    );

  it('is a member who has not come yet, finds the group when she comes, and has the texts from then on', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    const { conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
    await received(bob, 'Hello');
    const { conversation: group } = await alice.call('addPeople', { conversation, people: ['sip:carol@lab.test'] });
    await alice.until('Carol is awaited', async () =>
      (await alice.call('participants', { conversation: group })).find(
        (one) => one.awaited === true && one.address === 'sip:carol@lab.test',
      ),
    );
    await groupOf(bob);
    const carol = await client('carol');
    await carol.call('sendText', { to: alice.address, text: 'I am back' });
    await received(alice, 'I am back');
    await groupOf(carol);
    await alice.call('sendText', { conversation: group, text: 'Hello Carol' });
    await Promise.all([bob, carol].map((one) => received(one, 'Hello Carol')));
    const awaited = (await alice.call('participants', { conversation: group })).filter((one) => one.awaited === true);
    expect(awaited).toEqual([]);
  });

  it('may be everybody: the group waits with its text, and begins when one of them comes', async () => {
    const alice = await client('alice');
    const { conversation } = await alice.call('openConversation', { to: 'sip:bob@lab.test' });
    const { conversation: group } = await alice.call('addPeople', { conversation, people: ['sip:carol@lab.test'], subject: 'Lunch' });
    const { message } = await alice.call('sendText', { conversation: group, text: 'At noon?' });
    const bob = await client('bob');
    await bob.call('sendText', { to: alice.address, text: 'I am back' });
    await received(bob, 'At noon?');
    await messageState(alice, message, 'sent');
    expect(await groupOf(bob)).toMatchObject({ subject: 'Lunch' });
  });
});
