/** Groups whose members are behind an MSRP relay that nobody here has written: Kamailio's. Signalling and switch are the embedded network's. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { type Network, startNetwork } from '../../network/network';
import type { MediaTls } from '../../preload/contract';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';

let lab: LabAuthority;
let network: Network;
let relay: Kamailio;
beforeAll(async () => {
  lab = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
  [network, relay] = await Promise.all([
    startNetwork({ mediaAuthorities: [lab.ca] }),
    startKamailio({ relay: {}, transports: ['tls'], certificate: lab.key }),
  ]);
});
afterAll(() => Promise.all([network?.close(), relay?.stop(), lab?.dispose()]));
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

type Behind = string | null;
const client = (name: string, through: Behind, mediaTls: MediaTls = 'auto') =>
  startClient({
    name,
    address: `sip:${name}@lab.test`,
    proxy: network.uris.tcp,
    factory: network.factory,
    ca: [lab.ca],
    mediaTls,
    ...(through === null ? {} : { msrpRelay: through }),
  });

const groupOf = async (one: TestClient) => (await one.call('conversations', {})).find((each) => each.kind === 'group');
const inGroup = (one: TestClient) =>
  one.until(
    'it is in the group',
    async () => {
      const group = await groupOf(one);
      return group?.joined === true && group.session === 'established' ? group.conversation : null;
    },
    20_000,
  );
const texts = async (one: TestClient) =>
  (await one.call('messages', { conversation: (await groupOf(one))?.conversation ?? '' })).map(({ text }) => text);
const say = async (one: TestClient, text: string) =>
  (await one.call('sendText', { conversation: (await groupOf(one))?.conversation ?? '', text })).message;
/** The receipts of all these people have come. */
const heardBy = (one: TestClient, message: string, people: TestClient[], limitMs = 20_000) =>
  one.until(
    'everybody has received it',
    async () => {
      const conversation = (await groupOf(one))?.conversation ?? '';
      const found = (await one.call('messages', { conversation })).find((each) => each.message === message);
      const told = new Set(found?.receipts.filter(({ disposition }) => disposition === 'delivered').map(({ address }) => address));
      return people.every(({ address }) => told.has(address)) ? true : null;
    },
    limitMs,
  );

/** Alice makes it of her chat with Bob. */
async function group(alices: Behind, bobs: Behind, carols: Behind, mediaTls: MediaTls = 'auto') {
  const [alice, bob, carol] = await Promise.all([
    client('alice', alices, mediaTls),
    client('bob', bobs, mediaTls),
    client('carol', carols, mediaTls),
  ]);
  const { message, conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello Bob' });
  await alice.until('the 1-1 stands', () =>
    alice.events.find((event) => event.event === 'message' && event.message === message && event.state === 'delivered'),
  );
  await alice.call('addPeople', { conversation, people: [carol.address], subject: 'Lunch' });
  await Promise.all([inGroup(alice), inGroup(bob), inGroup(carol)]);
  return { alice, bob, carol };
}

const media = (one: TestClient) => one.wire.filter((record) => record.protocol === 'msrp');
const portsOf = (one: TestClient) => new Set(media(one).map((record) => Number(record.remote.split(':').at(-1))));
const transportsOf = (one: TestClient) => new Set(media(one).map((record) => record.transport));

describe('a group through a relay', () => {
  it.each([
    ['all are behind it', true, true, true],
    ['who makes it is behind it', true, false, false],
  ])('where %s, texts, receipts and names go both ways, and behind it nobody connects to anything else', async (_who, a, b, c) => {
    const through = (is: boolean) => (is ? relay.relayUri : null);
    const { alice, bob, carol } = await group(through(a), through(b), through(c));
    await heardBy(alice, await say(alice, 'from Alice'), [bob, carol]);
    await heardBy(bob, await say(bob, 'from Bob'), [alice, carol]);
    await heardBy(carol, await say(carol, 'Grüße 🎉'.repeat(1_000)), [alice, bob]);
    for (const one of [alice, bob, carol]) expect(await texts(one)).toEqual(['from Alice', 'from Bob', 'Grüße 🎉'.repeat(1_000)]);
    const conversation = (await groupOf(bob))?.conversation ?? '';
    await bob.call('setNickname', { conversation, nickname: 'The Builder' });
    for (const [one, isBehind] of [
      [alice, a],
      [bob, b],
      [carol, c],
    ] as const)
      if (isBehind) expect([...portsOf(one)]).toEqual([relay.port]);
  });

  it('over TLS: the switch believes the relay by its authority', async () => {
    const { alice, bob, carol } = await group(null, relay.secureRelayUri, relay.secureRelayUri, 'always');
    await heardBy(alice, await say(alice, 'from Alice'), [bob, carol]);
    await heardBy(bob, await say(bob, 'from Bob'), [alice, carol]);
    for (const one of [alice, bob, carol]) {
      expect(await texts(one)).toEqual(['from Alice', 'from Bob']);
      expect(transportsOf(one)).toEqual(new Set(['tls']));
    }
  });

  it('the relay of a member dies in the middle and comes back: nothing is lost, doubled or out of order', async () => {
    let own = await startKamailio({ relay: {} });
    try {
      const { alice, bob, carol } = await group(null, own.relayUri, null);
      await heardBy(alice, await say(alice, 'one'), [bob, carol]);
      own.kill();
      await own.exited;
      const two = await say(alice, 'two');
      await heardBy(alice, two, [carol]);
      const three = await say(carol, 'three');
      await heardBy(carol, three, [alice]);
      expect(await texts(bob)).not.toContain('two');
      await bob.until('Bob knows that his relay is away', async () =>
        (await bob.call('snapshot', {})).account?.relay?.state === 'unreachable' ? true : null,
      );
      own = await startKamailio({ relay: {}, port: own.port });
      // Bob comes back by himself, although he writes nothing and nobody calls him.
      await heardBy(alice, two, [bob, carol], 40_000);
      await heardBy(carol, three, [alice, bob], 40_000);
      await heardBy(bob, await say(bob, 'four'), [alice, carol], 40_000);
      for (const one of [alice, bob, carol]) expect(await texts(one)).toEqual(['one', 'two', 'three', 'four']);
    } finally {
      await own.stop();
    }
  });
});
