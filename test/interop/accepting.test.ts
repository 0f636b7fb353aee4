/** When real clients answer an invitation, and whom they do not answer at all. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';

let network: Network;
beforeAll(async () => {
  network = await startNetwork({});
});
afterAll(() => network.close());
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const start = (name: string, accept: 'auto' | 'open' | 'reply' | 'ask' = 'auto', tellsReceipts = true) =>
  startClient({
    name,
    address: `sip:${name}@lab.test`,
    proxy: network.uris.tcp,
    factory: network.factory,
    preferences: { accept, receipts: { delivered: tellsReceipts, displayed: tellsReceipts } },
  });

const reaches = (client: TestClient, message: string, states: readonly string[]) =>
  client.until(`the message is ${states.join(' or ')}`, () =>
    client.events.some((event) => event.event === 'message' && event.message === message && states.includes(event.state)) ? true : null,
  );

const received = (client: TestClient, text: string) =>
  client.until(`"${text}" has arrived`, () => client.events.find((event) => event.event === 'message' && event.text === text) ?? null);

const sessionOf = async (client: TestClient) => (await client.call('conversations', {}))[0]?.session;

const pendingOf = async (client: TestClient) => (await client.call('conversations', {}))[0]?.pending;

describe('an invitation that waits for the reply', () => {
  it('has its texts delivered before, rings on, and is answered by the text that replies', async () => {
    const [alice, bob] = [await start('alice'), await start('bob', 'reply')];
    const { message } = await alice.call('sendText', { to: bob.address, text: 'are you there?' });
    await received(bob, 'are you there?');
    await reaches(alice, message, ['delivered']);
    expect([await sessionOf(alice), await sessionOf(bob)]).toEqual(['pending', 'pending']);
    const second = await alice.call('sendText', { to: bob.address, text: 'it is about tonight' });
    await received(bob, 'it is about tonight');
    await reaches(alice, second.message, ['delivered']);
    expect([await pendingOf(alice), await pendingOf(bob)]).toEqual(['ringing', 'reply']);
    await bob.call('sendText', { to: alice.address, text: 'I am' });
    await received(alice, 'I am');
    await alice.until('the session stands', async () => ((await sessionOf(alice)) === 'established' ? true : null));
  });
});

describe('invitations that nobody answers yet', () => {
  it('hold up no text, whether receipts are asked for or told, and whatever they wait for: all come once, in order, then over the session', async () => {
    const senders = [await start('alice', 'auto', false), await start('dave')];
    const others = [await start('bob', 'reply', false), await start('carol', 'ask')];
    const pairs = senders.flatMap((sender) => others.map((other) => ({ sender, other })));
    const textsOf = ({ sender, other }: (typeof pairs)[number]) =>
      ['are you there?', 'it is about tonight', 'call me'].map((text) => `${text} ${sender.name} to ${other.name}`);
    await Promise.all(
      pairs.map(async (pair) => {
        const { sender, other } = pair;
        const texts = textsOf(pair);
        for (const text of texts) await sender.call('sendText', { to: other.address, text });
        const last = await received(other, texts.at(-1) ?? '');
        const { conversation } = last as { conversation: string };
        const kept = await other.call('messages', { conversation });
        expect(kept.map((message) => message.text)).toEqual(texts);
        const [chat] = (await sender.call('conversations', {})).filter((one) => one.people[0]?.address === other.address);
        expect(chat?.pending).toBe('ringing');
        const own = async () => (await sender.call('messages', { conversation: chat?.conversation ?? '' })).map(({ state }) => state);
        await sender.until('all have left', async () =>
          (await own()).every((state) => ['sent', 'delivered'].includes(state)) ? true : null,
        );
        // A reply answers each of them, whatever it waited for.
        await other.call('sendText', { to: sender.address, text: `here I am, ${pair.sender.name}` });
        await received(sender, `here I am, ${pair.sender.name}`);
        await sender.call('sendText', { to: other.address, text: `good ${texts[0]}` });
        await received(other, `good ${texts[0]}`);
        const all = await other.call('messages', { conversation });
        expect(all.map((message) => message.text)).toEqual([...texts, `here I am, ${pair.sender.name}`, `good ${texts[0]}`]);
      }),
    );
    // One invitation for each of them: the one that carried the first text.
    for (const sender of senders) {
      const requests = sender.wire.filter(({ direction }) => direction === 'out').map(({ bytes }) => new TextDecoder().decode(bytes));
      const invites = requests.filter((request) => request.startsWith('INVITE '));
      expect(new Set(invites.map((request) => /^Call-ID: (.*)\r$/im.exec(request)?.[1])).size).toBe(others.length);
    }
  });
});

describe('somebody who is blocked', () => {
  it('gets 486 and leaves no trace, until they are unblocked', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    expect(await bob.call('block', { address: ' alice@LAB.test' })).toEqual({ blocked: [alice.address] });
    const { message } = await alice.call('sendText', { to: bob.address, text: 'hello?', mode: 'pager' });
    const failed = await alice.until('it is refused', () =>
      alice.events.find((event) => event.event === 'message' && event.message === message && event.state === 'failed'),
    );
    expect(failed).toMatchObject({ error: { code: 'sip/rejected', status: 486 } });
    expect(await bob.call('conversations', {})).toEqual([]);
    expect(await bob.tryCall('sendText', { to: alice.address, text: 'no' })).toMatchObject({ error: { code: 'conversation/blocked' } });
    expect(await bob.tryCall('block', { address: bob.address })).toMatchObject({ error: { code: 'account/bad-address' } });
    expect((await bob.call('snapshot', {})).blocked).toEqual([alice.address]);
    expect(await bob.call('unblock', { address: alice.address })).toEqual({ blocked: [] });
    const again = await alice.call('sendText', { to: bob.address, text: 'and now?' });
    await received(bob, 'and now?');
    await reaches(alice, again.message, ['delivered', 'displayed']);
  });
});
