/** Real clients whose sessions go through an MSRP relay that nobody here has written: Kamailio's. The signalling is the embedded network's. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import { type Kamailio, type KamailioOptions, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

let network: Network;
let relay: Kamailio;
beforeAll(async () => {
  [network, relay] = await Promise.all([startNetwork({}), startKamailio({ relay: {} })]);
});
afterAll(() => Promise.all([network?.close(), relay?.stop()]));
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const client = (name: string, through: Kamailio | null, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
  startClient({
    name,
    address: `sip:${name}@lab.test`,
    proxy: network.uris.tcp,
    factory: network.factory,
    ...(through?.relayUri ? { msrpRelay: through.relayUri } : {}),
    ...more,
  });

/** Writes, and waits until the other side has it and has said so. */
async function say(from: TestClient, to: TestClient, text: string, limitMs?: number): Promise<void> {
  const { message } = await from.call('sendText', { to: to.address, text });
  await delivered(from, message, limitMs);
}

const delivered = (from: TestClient, message: string, limitMs?: number) =>
  from.until(
    'its message is delivered',
    () => from.events.find((event) => event.event === 'message' && event.message === message && event.state === 'delivered'),
    limitMs,
  );

const textsAt = async (one: TestClient) => {
  const [conversation] = await one.call('conversations', {});
  const messages = await one.call('messages', { conversation: conversation?.conversation ?? '', limit: 50 });
  return messages.map(({ text }) => text);
};

const decoder = new TextDecoder();
const media = (one: TestClient) => one.wire.filter((record) => record.protocol === 'msrp');
/** The ports that a client's MSRP went to or came from. */
const peers = (one: TestClient) => new Set(media(one).map((record) => Number(record.remote.split(':').at(-1))));
const answersToAuth = (one: TestClient) =>
  media(one)
    .map((record) => decoder.decode(record.bytes))
    .filter((text) => /^MSRP \S+ (401|200 OK[\s\S]*Use-Path:)/.test(text))
    .map((text) => text.split(' ')[2]);

describe('chats through a relay', () => {
  it('both behind it: each authenticates by Digest, names the relay first in its path, and connects to nothing else', async () => {
    const [alice, bob] = [await client('alice', relay), await client('bob', relay)];
    await say(alice, bob, 'one');
    await say(bob, alice, 'two');
    await say(alice, bob, 'Grüße 🎉'.repeat(2_000));
    expect(await textsAt(bob)).toEqual(['one', 'two', 'Grüße 🎉'.repeat(2_000)]);
    for (const one of [alice, bob]) {
      expect(peers(one)).toEqual(new Set([relay.port]));
      expect(answersToAuth(one)).toEqual(['401', '200']);
    }
    const [invite = ''] = sipRequests(alice, 'out', 'INVITE');
    expect(invite).toMatch(new RegExp(`m=message ${relay.port} TCP/MSRP`));
    expect(invite).toMatch(new RegExp(`a=path:msrp://127.0.0.1:${relay.port}/\\S+;tcp msrp://127.0.0.1:\\d+/[0-9a-f]{32};tcp\\r\\n`));
    expect(invite).not.toContain('msrp-cema');
  });

  it.each([
    ['who begins', true],
    ['who is asked', false],
  ])('only the one %s is behind it', async (_who, begins) => {
    const [alice, bob] = [await client('alice', begins ? relay : null), await client('bob', begins ? null : relay)];
    await say(alice, bob, 'one');
    await say(bob, alice, 'two');
    await say(alice, bob, 'three');
    expect(await textsAt(alice)).toEqual(['one', 'two', 'three']);
    const [behind, direct] = begins ? [alice, bob] : [bob, alice];
    expect(peers(behind)).toEqual(new Set([relay.port]));
    expect(
      media(direct)
        .map((record) => decoder.decode(record.bytes))
        .some((text) => text.includes(`:${relay.port}/`)),
    ).toBe(true);
  });

  it.each([
    ['who hides', true],
    ['the other one', false],
  ])(
    'R49: an anonymous chat in which %s is behind a relay runs through the network and the relay, and a text counts as arrived when the other side has it',
    async (_who, hides) => {
      const [alice, bob] = [await client('alice', hides ? relay : null), await client('bob', hides ? null : relay)];
      const first = await alice.call('sendText', { to: bob.address, text: 'one', anonymous: true });
      await delivered(alice, first.message);
      const [conversation] = await bob.call('conversations', {});
      await delivered(bob, (await bob.call('sendText', { conversation: conversation?.conversation ?? '', text: 'two' })).message);
      await delivered(alice, (await alice.call('sendText', { conversation: first.conversation, text: 'three' })).message);
      expect(await textsAt(bob)).toEqual(['one', 'two', 'three']);
      const direct = hides ? bob : alice;
      const sends = media(direct)
        .filter(({ direction }) => direction === 'out')
        .map((record) => decoder.decode(record.bytes))
        .filter((text) => / SEND\r\n[\s\S]*Content-Type: message\/cpim/.test(text));
      expect(sends.length).toBeGreaterThan(0);
      for (const text of sends) expect(text).toContain('Success-Report: yes');
      expect(sends.join()).not.toContain(`:${relay.port}/`);
    },
  );

  it('the relay dies in the middle and comes back: nothing goes past it, nothing is lost, doubled or out of order', async () => {
    let own = await startKamailio({ relay: {} });
    const options: KamailioOptions = { relay: {}, port: own.port };
    try {
      const [alice, bob] = [await client('alice', own), await client('bob', null)];
      await say(alice, bob, 'one');
      await own.stop();
      const waiting = [
        await alice.call('sendText', { to: bob.address, text: 'two' }),
        await alice.call('sendText', { to: bob.address, text: 'three' }),
      ];
      // Its media cannot come back without the relay: the session is given up, and what waits stays queued.
      await alice.until('it has ended the session', () => sipRequests(alice, 'out', 'BYE')[0]);
      expect(await textsAt(bob)).toEqual(['one']);
      own = await startKamailio(options);
      for (const { message } of waiting) await delivered(alice, message, 30_000);
      await say(bob, alice, 'four');
      expect(await textsAt(bob)).toEqual(['one', 'two', 'three', 'four']);
      expect(await textsAt(alice)).toEqual(['one', 'two', 'three', 'four']);
      expect(peers(alice)).toEqual(new Set([own.port]));
    } finally {
      await own.stop();
    }
  });

  it('is set and taken away while a chat is open: it goes the new way from the next text on; a relay that refuses changes nothing', async () => {
    const others = await startKamailio({ relay: {}, users: [{ name: 'alice', password: 'another' }] });
    try {
      const [alice, bob] = [await client('alice', null), await client('bob', null)];
      await say(alice, bob, 'direct');
      const refused = await alice.tryCall('setMedia', { msrpRelay: others.relayUri ?? '' });
      expect(refused).toMatchObject({ ok: false, error: { code: 'msrp/relay', status: 401 } });
      await say(alice, bob, 'still direct');
      expect(sipRequests(alice, 'out', 'INVITE')).toHaveLength(1);
      expect(await alice.call('setMedia', { msrpRelay: relay.relayUri ?? '' })).toMatchObject({ msrpRelay: relay.relayUri });
      await say(alice, bob, 'through it');
      await say(bob, alice, 'and back');
      expect(sipRequests(alice, 'out', 'INVITE')[1]).toMatch(new RegExp(`m=message ${relay.port} TCP/MSRP`));
      expect(await alice.call('setMedia', { msrpRelay: '' })).toEqual({ msrpRelay: null, mediaTls: 'auto' });
      await say(alice, bob, 'direct again');
      expect(sipRequests(alice, 'out', 'INVITE')[2]).not.toContain(`:${relay.port}/`);
      const all = ['direct', 'still direct', 'through it', 'and back', 'direct again'];
      expect([await textsAt(alice), await textsAt(bob)]).toEqual([all, all]);
    } finally {
      await others.stop();
    }
  });

  it('a path that the relay gives for seconds alone is followed by the next, in the same dialog', async () => {
    const brief = await startKamailio({ relay: { pathSeconds: 3 } });
    try {
      const [alice, bob] = [await client('alice', brief), await client('bob', null)];
      await say(alice, bob, 'one');
      // The second one came instead of a refresh, the third by the session's new description.
      await vi.waitFor(() => expect(sipRequests(alice, 'out', 'INVITE').length).toBeGreaterThan(1), { timeout: 15_000, interval: 100 });
      await say(alice, bob, 'two');
      await say(bob, alice, 'three');
      expect(await textsAt(bob)).toEqual(['one', 'two', 'three']);
      expect(answersToAuth(alice).slice(0, 3)).toEqual(['401', '200', '200']);
      expect(new Set(sipRequests(alice, 'out', 'INVITE').map((text) => /Call-ID: (\S+)/.exec(text)?.[1])).size).toBe(1);
    } finally {
      await brief.stop();
    }
  });

  it('a relay that refuses the password: the message is failed and says so, and no invitation has left', async () => {
    const others = await startKamailio({ relay: {}, users: [{ name: 'alice', password: 'another' }] });
    try {
      const [alice, bob] = [await client('alice', others), await client('bob', null)];
      const { message } = await alice.call('sendText', { to: bob.address, text: 'one' });
      const failed = await alice.until('its message is failed', () =>
        alice.events.find((event) => event.event === 'message' && event.message === message && event.state === 'failed'),
      );
      expect(failed).toMatchObject({ error: { code: 'msrp/relay', status: 401, retry: 'user' } });
      expect(sipRequests(alice, 'out', 'INVITE')).toEqual([]);
    } finally {
      await others.stop();
    }
  });
});

describe('chats through a relay over TLS', () => {
  let lab: LabAuthority;
  let secure: Kamailio;
  beforeAll(async () => {
    lab = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
    secure = await startKamailio({ relay: {}, transports: ['tls'], certificate: lab.key });
  });
  afterAll(() => Promise.all([lab?.dispose(), secure?.stop()]));

  const trusting = (name: string, relayUri: string | null, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
    client(name, null, { ca: [lab.ca], ...(relayUri === null ? {} : { msrpRelay: relayUri }), ...more });
  const failed = async (one: TestClient, to: TestClient) => {
    const { message } = await one.call('sendText', { to: to.address, text: 'one' });
    return one.until('its message is failed', () =>
      one.events.find((event) => event.event === 'message' && event.message === message && event.state === 'failed'),
    );
  };
  const relayOf = async (one: TestClient) => (await one.call('snapshot', {})).account?.relay;
  const transports = (one: TestClient) => new Set(media(one).map((record) => record.transport));

  it('both behind it: AUTH and every word over TLS, with paths of msrps: alone', async () => {
    const [alice, bob] = [await trusting('alice', secure.secureRelayUri), await trusting('bob', secure.secureRelayUri)];
    await say(alice, bob, 'one');
    await say(bob, alice, 'two');
    await say(alice, bob, 'Grüße 🎉'.repeat(2_000));
    expect(await textsAt(bob)).toEqual(['one', 'two', 'Grüße 🎉'.repeat(2_000)]);
    for (const one of [alice, bob]) {
      expect(transports(one)).toEqual(new Set(['tls']));
      expect(answersToAuth(one)).toEqual(['401', '200']);
      expect(
        media(one)
          .map((record) => decoder.decode(record.bytes))
          .filter((text) => text.includes('msrp://')),
      ).toEqual([]);
    }
    const [invite = ''] = sipRequests(alice, 'out', 'INVITE');
    expect(invite).toMatch(/m=message \d+ TCP\/TLS\/MSRP/);
    expect(invite).toMatch(/a=path:msrps:\/\/127\.0\.0\.1:\d+\/\S+;tcp msrps:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32};tcp\r\n/);
  });

  it.each([
    ['who begins', true],
    ['who is asked', false],
  ])('only the one %s is behind it: the other side calls it or is called by it over TLS', async (_who, begins) => {
    const [alice, bob] = [
      await trusting('alice', begins ? secure.secureRelayUri : null, { mediaTls: 'always' }),
      await trusting('bob', begins ? null : secure.secureRelayUri),
    ];
    await say(alice, bob, 'one');
    await say(bob, alice, 'two');
    await say(alice, bob, 'three');
    expect(await textsAt(alice)).toEqual(['one', 'two', 'three']);
    for (const one of [alice, bob]) expect(transports(one)).toEqual(new Set(['tls']));
  });

  it.each([
    ['is vouched for by nobody whom the client trusts', '127.0.0.1', false],
    ['is made out to another name', '127.0.0.2', true],
  ])('a relay whose certificate %s gets neither name nor password, and nothing goes past it', async (_what, address, trusts) => {
    const another = await createLabAuthority({ domain: 'other.test', address });
    const impostor = await startKamailio({ relay: {}, transports: ['tls'], certificate: another.key });
    try {
      const ca = [trusts ? another.ca : lab.ca];
      const [alice, bob] = [await trusting('alice', impostor.secureRelayUri, { ca }), await trusting('bob', null)];
      expect(await failed(alice, bob)).toMatchObject({ error: { code: 'msrp/relay', relay: 'untrusted', retry: 'user' } });
      expect(await relayOf(alice)).toMatchObject({ state: 'refused', error: { relay: 'untrusted' } });
      expect(media(alice)).toEqual([]);
      expect(sipRequests(alice, 'out', 'INVITE')).toEqual([]);
    } finally {
      await Promise.all([impostor.stop(), another.dispose()]);
    }
  });

  it.each([
    ['with TLS calls one behind a relay without', true],
    ['without TLS calls one behind a relay with it', false],
  ])('one behind a relay %s: there is no session, and it says so; a text goes by signalling alone', async (_what, secures) => {
    const [alice, bob] = [
      await trusting('alice', secures ? secure.secureRelayUri : relay.relayUri),
      await trusting('bob', secures ? relay.relayUri : secure.secureRelayUri),
    ];
    expect(await alice.tryCall('openSession', { to: bob.address })).toMatchObject({
      ok: false,
      error: { code: 'sip/rejected', status: 488 },
    });
    await say(alice, bob, 'one');
    expect(await textsAt(bob)).toEqual(['one']);
    expect(media(bob)).toEqual([]);
    const words = media(alice).map((record) => decoder.decode(record.bytes));
    expect(words.filter((text) => text.includes(' SEND'))).toEqual([]);
  });
});
