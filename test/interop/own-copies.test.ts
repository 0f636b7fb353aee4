/** One conversation on all devices of a person, at the embedded network: own copies, without any help of the network's functions. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { MessageValue } from '../../preload/contract';
import {
  type ClientOptions,
  closeClients,
  printLadderOnFailure,
  sipRequests,
  startClient,
  type TestClient,
} from '../support/stages/clients';

const ALICE = 'sip:alice@lab.test';
const BOB = 'sip:bob@lab.test';
const CAROL = 'sip:carol@lab.test';
const ownKey = 'a1'.repeat(32);

let network: Network;
beforeAll(async () => {
  network = await startNetwork();
});
afterEach(closeClients);
afterAll(() => network.close());

const start = (name: string, address: string, more: Partial<ClientOptions> = {}): Promise<TestClient> =>
  startClient({ name, address, proxy: network.uris.tcp, factory: network.factory, ...more });

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

describe('the devices of one person, paired', () => {
  it('show the same: three lines of Bob, an answer from one device, what is read, what is deleted, and nothing twice', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    const bob = await start('bob', BOB);
    const { conversation } = await bob.call('openConversation', { to: ALICE });
    for (const text of ['one', 'two', 'three']) await bob.call('sendText', { conversation, text });
    await shows(laptop, 'one', 'two', 'three');
    await shows(tablet, 'one', 'two', 'three');

    const chat = await chatOf(laptop);
    await laptop.call('sendText', { conversation: chat, text: 'four' });
    await shows(tablet, 'one', 'two', 'three', 'four');
    await shows(bob, 'one', 'two', 'three', 'four');

    const [first] = await messages(laptop);
    await laptop.call('markDisplayed', { conversation: chat, upTo: (await messages(laptop))[2]?.message ?? '' });
    await tablet.until('the three lines are read', async () =>
      (await messages(tablet)).filter(({ direction, state }) => direction === 'in' && state === 'displayed').length === 3 ? true : null,
    );
    await tablet.call('deleteMessage', { message: first?.message ?? '', direction: 'in' });
    await shows(laptop, 'two', 'three', 'four');
  });

  it('bring a device that was off, and one that is new, up to what the others have', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const bob = await start('bob', BOB);
    const { conversation } = await bob.call('openConversation', { to: ALICE });
    await bob.call('sendText', { conversation, text: 'while the tablet is off' });
    await shows(laptop, 'while the tablet is off');
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await shows(tablet, 'while the tablet is off');
  });

  it('give nothing to a device that has the password and not the key', async () => {
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const stranger = await start('alice-stranger', ALICE, { ownKey: 'b2'.repeat(32) });
    const bob = await start('bob', BOB);
    const { conversation } = await laptop.call('openConversation', { to: BOB });
    await laptop.call('sendText', { conversation, text: 'for Bob alone' });
    await shows(bob, 'for Bob alone');
    await laptop.until('it has told its other device', () =>
      sipRequests(laptop, 'out', 'MESSAGE').some((text) => text.includes('own-devices')) ? true : null,
    );
    expect(await messages(stranger)).toEqual([]);
    for (const tick of sipRequests(stranger, 'in', 'MESSAGE')) expect(tick).not.toContain('for Bob');
  });

  it('leave a test message on the one device that it was for', async () => {
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    const bob = await start('bob', BOB);
    const { instanceId } = await tablet.call('identity', {});
    await laptop.until('it sees the tablet', async () => ((await laptop.call('devices', {})).length === 2 ? true : null));
    await laptop.call('testDevice', { instanceId, text: 'only for the tablet' });
    await shows(tablet, 'only for the tablet');
    await tablet.call('markDisplayed', { conversation: await chatOf(tablet), upTo: (await messages(tablet))[0]?.message ?? '' });
    // What is told later arrives later, so the test message would be there by then.
    await tablet.call('sendText', { to: BOB, text: 'for everybody' });
    await shows(bob, 'for everybody');
    await shows(laptop, 'for everybody');
  });

  it('bring a group and its texts to a device that was off, and show how far a text is on its way', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const bob = await start('bob', BOB);
    const carol = await start('carol', CAROL);
    const { conversation: oneToOne } = await laptop.call('openConversation', { to: BOB });
    const { conversation } = await laptop.call('addPeople', { conversation: oneToOne, people: [CAROL], subject: 'Garden' });
    const groupOf = (client: TestClient) =>
      client.until('it has the group', async () => (await client.call('conversations', {})).find(({ kind }) => kind === 'group') ?? null);
    const bobs = await groupOf(bob);
    await groupOf(carol);
    await bob.call('sendText', { conversation: bobs.conversation, text: 'when do we meet?' });
    await shows(laptop, 'when do we meet?');
    await laptop.call('sendText', { conversation, text: 'at noon' });
    await shows(bob, 'when do we meet?', 'at noon');

    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await shows(tablet, 'when do we meet?', 'at noon');
    expect(await groupOf(tablet)).toMatchObject({ subject: 'Garden', joined: true });
    await tablet.until('the text is delivered', async () =>
      (await messages(tablet)).find(({ text }) => text === 'at noon')?.state === 'delivered' ? true : null,
    );
    // It comes into the session of the group, too, and nothing is there twice for it.
    await tablet.until('it is in the group', async () => ((await groupOf(tablet)).session === 'established' ? true : null));
    await bob.call('sendText', { conversation: bobs.conversation, text: 'see you' });
    await shows(tablet, 'when do we meet?', 'at noon', 'see you');
    await shows(laptop, 'when do we meet?', 'at noon', 'see you');
    await laptop.call('leave', { conversation });
    await tablet.until('it has left, too', async () => ((await groupOf(tablet)).joined ? null : true));
  });

  it('hold blocks, drafts and marks together', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await laptop.until('it sees the tablet', async () => ((await laptop.call('devices', {})).length === 2 ? true : null));
    await laptop.call('block', { address: 'sip:eve@lab.test' });
    const blockedOn = (client: TestClient) => client.events.findLast((event) => event.event === 'blocked')?.blocked ?? [];
    await tablet.until('Eve is blocked there, too', () => (blockedOn(tablet).includes('sip:eve@lab.test') ? true : null));
    await tablet.call('unblock', { address: 'sip:eve@lab.test' });
    await laptop.until('and unblocked', () => (blockedOn(laptop).length === 0 ? true : null));

    const { conversation } = await laptop.call('openConversation', { to: BOB });
    await laptop.call('sendText', { conversation, text: 'hello' });
    await shows(tablet, 'hello');
    await laptop.call('setDraft', { conversation, text: 'I will call' });
    await tablet.until('the draft is there', async () =>
      (await tablet.call('conversations', {}))[0]?.draft === 'I will call' ? true : null,
    );
    await tablet.call('markUnread', { conversation: await chatOf(tablet), unread: true });
    await laptop.until('it is marked there, too', async () => ((await laptop.call('conversations', {}))[0]?.markedUnread ? true : null));
  });
});

describe('a device with a key that was given', () => {
  it('stays one of them when it signs out and in again', async () => {
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    await tablet.call('signOut', { chats: 'keep' });
    await laptop.call('sendText', { to: BOB, text: 'meanwhile' });
    await tablet.call('register', {});
    await shows(tablet, 'meanwhile');
  });

  it('that was removed by another takes no part until it is paired again', async () => {
    const laptop = await start('alice-laptop', ALICE, { ownKey });
    const tablet = await start('alice-tablet', ALICE, { ownKey });
    const { instanceId } = await tablet.call('identity', {});
    for (const client of [laptop, tablet])
      await client.until('it knows both', async () => ((await client.call('ownDevices', {})).with.length === 2 ? true : null));
    await laptop.call('removeDevice', { instanceId, erase: false });
    await tablet.until('it is out', async () => ((await tablet.call('ownDevices', {})).paired ? null : true));
    await tablet.until('it is signed out', async () =>
      (await tablet.call('snapshot', {})).registration.state === 'offline' ? true : null,
    );
    await tablet.call('register', {});
    await tablet.until('it is back', async () => ((await tablet.call('devices', {})).length === 2 ? true : null));
    await laptop.call('sendText', { to: BOB, text: 'not for the tablet' });
    await tablet.call('startPairing', {});
    const code = await tablet.until('it shows digits', async () => (await tablet.call('ownDevices', {})).pairing?.code ?? null);
    expect(await messages(tablet)).toEqual([]);
    await laptop.until('it asks for them', async () => ((await laptop.call('ownDevices', {})).pairing?.state === 'code' ? true : null));
    await laptop.call('typePairingCode', { code });
    await tablet.until('it asks for the last look', async () =>
      (await tablet.call('ownDevices', {})).pairing?.state === 'confirm' ? true : null,
    );
    await tablet.call('confirmPairing', { history: 'all' });
    await shows(tablet, 'not for the tablet');
  });
});
