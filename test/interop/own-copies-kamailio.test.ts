/** One conversation on all devices of a person, at a real Kamailio without any function of CPM: nobody forks, copies or keeps anything there. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import type { MessageValue } from '../../preload/contract';
import { type ClientOptions, closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';

const ALICE = 'sip:alice@lab.test';
const BOB = 'sip:bob@lab.test';
const CAROL = 'sip:carol@lab.test';
const ownKey = 'a1'.repeat(32);

let kamailio: Kamailio;
beforeAll(async () => {
  kamailio = await startKamailio();
});
afterEach(closeClients);
afterAll(() => kamailio?.stop());

const start = (name: string, address: string, more: Partial<ClientOptions> = {}): Promise<TestClient> =>
  startClient({ name, address, proxy: kamailio.uri, factory: 'sip:conference-factory@lab.test', ...more });

async function messages(client: TestClient): Promise<MessageValue[]> {
  const conversations = await client.call('conversations', {});
  return (await Promise.all(conversations.map(({ conversation }) => client.call('messages', { conversation })))).flat();
}

const shows = (client: TestClient, ...texts: string[]) =>
  client.until(`it shows ${texts.join(', ')}`, async () => {
    const shown = (await messages(client)).map(({ text }) => text);
    return shown.join() === texts.join() ? true : null;
  });

const chatOf = async (client: TestClient): Promise<string> => (await client.call('conversations', {}))[0]?.conversation ?? '';

describe('the devices of one person at a core that knows nothing of CPM', () => {
  it('show the same, however one of them was off', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const bob = await start('bob', BOB);
    const { conversation } = await bob.call('openConversation', { to: ALICE });
    await bob.call('sendText', { conversation, text: 'one' });
    await shows(laptop, 'one');
    const chat = await chatOf(laptop);
    await laptop.call('sendText', { conversation: chat, text: 'two' });
    await shows(bob, 'one', 'two');

    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await shows(tablet, 'one', 'two');
    // The session is with the laptop: this reaches the tablet by the laptop alone.
    await bob.call('sendText', { conversation, text: 'three' });
    await shows(tablet, 'one', 'two', 'three');
    const [, , third] = await messages(tablet);
    await tablet.call('markDisplayed', { conversation: await chatOf(tablet), upTo: third?.message ?? '' });
    for (const client of [laptop, tablet])
      await client.until('nothing is unread', async () => ((await client.call('conversations', {}))[0]?.unread === 0 ? true : null));
    await tablet.call('block', { address: 'sip:eve@lab.test' });
    await laptop.until('Eve is blocked there, too', () =>
      laptop.events.some((event) => event.event === 'blocked' && event.blocked.includes('sip:eve@lab.test')) ? true : null,
    );
  });

  it('say together that a text waits for somebody, and until when; the one that has written it sends it', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await laptop.until('it sees the tablet', async () => ((await laptop.call('devices', {})).length === 2 ? true : null));
    const { message } = await laptop.call('sendText', { to: CAROL, text: 'are you there?' });
    const waiting = (client: TestClient) =>
      client.until('the text waits for Carol', async () => {
        const [one] = await messages(client);
        return one?.state === 'queued' && one.waitsFor === 'person' ? one : null;
      });
    expect((await waiting(tablet)).expiresAt).toBe((await waiting(laptop)).expiresAt);
    expect(await tablet.tryCall('retry', { message })).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    const carol = await start('carol', CAROL);
    await laptop.call('retry', { message });
    await shows(carol, 'are you there?');
    for (const client of [laptop, tablet])
      await client.until('it is delivered', async () => ((await messages(client))[0]?.state === 'delivered' ? true : null));
    expect(await messages(carol)).toHaveLength(1);
  });
});
