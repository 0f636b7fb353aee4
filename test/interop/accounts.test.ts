import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { AppEvent } from '../../preload/contract';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

/** Two accounts in one process and one profile, both at the embedded network, and what tells them apart. */
const [alice, bob, carol, dave] = ['sip:alice@lab.test', 'sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test'];
let network: Network;
beforeEach(async () => {
  printLadderOnFailure();
  network = await startNetwork();
});
afterEach(async () => {
  await closeClients();
  await network.close();
});

type MessageEvent = Extract<AppEvent, { event: 'message' }>;

const device = (name: string, address: string, more: { dataDir?: string; stored?: boolean } = {}) =>
  startClient({ name, address, proxy: network.uris.tcp, factory: network.factory, ...more });

const signIn = (client: TestClient, address: string, add?: boolean, password = 'secret') => {
  const options = { factory: network.factory };
  return client.tryCall('signIn', { address, password, server: network.uris.tcp, deviceName: 'Laptop', options, add });
};

/** A client of alice with carol as its second account. */
async function both(): Promise<TestClient> {
  const client = await device('both', alice);
  expect(await signIn(client, carol, true)).toMatchObject({ ok: true, value: { aor: carol } });
  return client;
}

const states = async (client: TestClient) =>
  (await client.call('snapshot', {})).accounts.map(({ account, registration }) => [account.aor, registration.state]);

const heard = (client: TestClient, text: string) =>
  client.events.filter((event): event is MessageEvent => event.event === 'message' && event.text === text);

const received = (client: TestClient, account: string, text: string) =>
  client.until(`${account} has "${text}"`, () => heard(client, text).find((one) => one.direction === 'in' && one.account === account));

const chatsOf = async (client: TestClient, account: string) =>
  (await client.call('conversations', { account })).map(({ conversation, people }) => [conversation, ...people.map((one) => one.address)]);

describe('two accounts in one client', () => {
  it('R18: are registered as one device, each over a connection of its own, and are listed one after the other', async () => {
    const client = await both();
    expect(await states(client)).toEqual([
      [alice, 'registered'],
      [carol, 'registered'],
    ]);
    const first = await client.call('identity', { account: alice });
    const second = await client.call('identity', { account: 'sip:carol@lab.test' });
    expect([first.aor, second.aor]).toEqual([alice, carol]);
    expect(second.instanceId).toBe(first.instanceId);
    const registers = sipRequests(client, 'out', 'REGISTER');
    const contactOf = (address: string) => headerValues(registers.find((one) => one.includes(`<${address}>`)) ?? '', 'Contact')[0] ?? '';
    const hostOf = (contact: string) => /@([^;>]+)/.exec(contact)?.[1];
    expect(hostOf(contactOf(alice))).toMatch(/:\d+$/);
    expect(hostOf(contactOf(carol))).not.toBe(hostOf(contactOf(alice)));
    const { account, registration, accounts } = await client.call('snapshot', {});
    expect([account?.aor, registration.state, accounts.length]).toEqual([alice, 'registered', 2]);
    expect((await client.call('devices', { account: carol })).map(({ self, instanceId }) => [self, instanceId])).toEqual([
      [true, first.instanceId],
    ]);
    const told = client.events.filter((event) => event.event === 'registration' || event.event === 'devices');
    expect(new Set(told.map((event) => event.account))).toEqual(new Set([alice, carol]));
  });

  it('write and are written to, each in its own 1-1 with the same person; whoever names no account is told to', async () => {
    const client = await both();
    const friend = await device('bob', bob);
    const asAlice = await client.call('sendText', { account: alice, to: bob, text: 'from Alice' });
    const asCarol = await client.call('sendText', { account: carol, to: bob, text: 'from Carol' });
    expect(asCarol.conversation).not.toBe(asAlice.conversation);
    const [toAlice, toCarol] = [await received(friend, bob, 'from Alice'), await received(friend, bob, 'from Carol')];
    expect([toAlice.from, toCarol.from]).toEqual([alice, carol]);
    await friend.call('sendText', { conversation: toAlice.conversation, text: 'dear Alice' });
    await friend.call('sendText', { conversation: toCarol.conversation, text: 'dear Carol' });
    expect((await received(client, alice, 'dear Alice')).conversation).toBe(asAlice.conversation);
    expect((await received(client, carol, 'dear Carol')).conversation).toBe(asCarol.conversation);
    // A call about a conversation says by that which account is meant.
    await client.call('sendText', { conversation: asCarol.conversation, text: 'again from Carol' });
    expect((await received(friend, bob, 'again from Carol')).from).toBe(carol);
    expect(await chatsOf(client, alice)).toEqual([[asAlice.conversation, bob]]);
    expect(await chatsOf(client, carol)).toEqual([[asCarol.conversation, bob]]);
    const found = async (account: string) => (await client.call('search', { account, text: 'dear' })).map(({ snippet }) => snippet);
    expect([await found(alice), await found(carol)]).toEqual([['dear Alice'], ['dear Carol']]);
    const tellers = client.events.filter((event) => event.event === 'conversation' && event.conversation === asCarol.conversation);
    expect(new Set(tellers.map((event) => ('account' in event ? event.account : null)))).toEqual(new Set([carol]));
    for (const refused of [
      await client.tryCall('sendText', { to: bob, text: 'from whom?' }),
      await client.tryCall('conversations', {}),
      await client.tryCall('unregister', {}),
    ])
      expect(refused).toMatchObject({ ok: false, error: { code: 'ipc/refused', cause: expect.stringContaining('`account`') } });
    expect(await client.tryCall('identity', { account: dave })).toMatchObject({ ok: false, error: { code: 'account/none' } });
    const other = await client.tryCall('sendText', { account: alice, conversation: asCarol.conversation, text: 'x' });
    expect(other).toMatchObject({ ok: false, error: { code: 'conversation/unknown' } });
    expect(heard(friend, 'from whom?')).toEqual([]);
  });

  it('write to one another', async () => {
    const client = await both();
    const sent = await client.call('sendText', { account: alice, to: carol, text: 'to myself' });
    const came = await received(client, carol, 'to myself');
    expect([came.message, came.from]).toEqual([sent.message, alice]);
    expect(came.conversation).not.toBe(sent.conversation);
    await client.until('Alice has the receipt', () =>
      heard(client, 'to myself').find((one) => one.direction === 'out' && one.account === alice && one.state === 'delivered'),
    );
  });

  it('are in one group, where each has every message; one deletes its own and the other keeps its own', async () => {
    const client = await both();
    const friend = await device('bob', bob);
    const { conversation } = await friend.call('sendText', { to: alice, text: 'hello' });
    await received(client, alice, 'hello');
    const group = await friend.call('addPeople', { conversation, people: [carol] });
    await friend.until('both are in', async () => {
      const inside = await friend.call('participants', group);
      return [alice, carol].every((address) => inside.some((one) => one.address === address && one.state === 'connected')) || null;
    });
    await friend.call('sendText', { ...group, text: 'to you two' });
    const [a, c] = [await received(client, alice, 'to you two'), await received(client, carol, 'to you two')];
    expect(a.message).toBe(c.message);
    expect(a.conversation).not.toBe(c.conversation);
    const one = { message: a.message, direction: 'in' } as const;
    expect(await client.tryCall('deleteMessage', one)).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    await client.call('deleteMessage', { ...one, account: carol });
    const left = async (id: string) => (await client.call('messages', { conversation: id })).map(({ text }) => text);
    expect(await left(a.conversation)).toContain('to you two');
    expect(await left(c.conversation)).not.toContain('to you two');
    expect(client.events.filter((event) => event.event === 'messageRemoved')).toMatchObject([{ account: carol, message: a.message }]);
  });

  it('sign in one by one: no second one without `add`, none twice, and one that is refused leaves nothing', async () => {
    const client = await device('both', alice);
    expect(await signIn(client, carol)).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    expect(await signIn(client, alice, true)).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    expect(await signIn(client, carol, true, 'wrong')).toMatchObject({ ok: false, error: { code: 'account/bad-credentials' } });
    expect(await states(client)).toEqual([[alice, 'registered']]);
    expect(await signIn(client, carol, true)).toMatchObject({ ok: true });
    expect(await signIn(client, carol, true)).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    const stored = readFileSync(join(client.dataDir, 'settings.json'), 'utf8');
    expect(stored).toContain(carol);
    expect(stored).not.toContain('"secret"');
  });

  it('one signs out and the other goes on; it signs in again, and a restart brings back both with what they said', async () => {
    const first = await device('both', alice, { stored: true });
    for (const address of [alice, carol]) expect(await signIn(first, address, true)).toMatchObject({ ok: true });
    const friend = await device('bob', bob);
    await first.call('unregister', { account: alice });
    expect(await states(first)).toEqual([
      [alice, 'offline'],
      [carol, 'registered'],
    ]);
    const sent = await first.call('sendText', { account: carol, to: bob, text: 'still here' });
    expect((await received(friend, bob, 'still here')).from).toBe(carol);
    expect(network.bindings(alice)).toEqual([]);
    await first.call('register', { account: alice });
    await first.call('signOutEverywhere', { account: carol });
    expect(await states(first)).toEqual([
      [alice, 'registered'],
      [carol, 'offline'],
    ]);
    expect(await signIn(first, carol)).toMatchObject({ ok: true });
    const asked = await first.call('sendText', { account: alice, to: bob, text: 'back again' });
    await received(friend, bob, 'back again');
    const { instanceId } = await first.call('identity', { account: alice });
    await first.close();

    const again = await device('both', alice, { stored: true, dataDir: first.dataDir });
    await again.until('both are back', async () => (await states(again)).every(([, state]) => state === 'registered') || null);
    expect((await states(again)).map(([aor]) => aor)).toEqual([alice, carol]);
    expect((await again.call('identity', { account: carol })).instanceId).toBe(instanceId);
    expect(await chatsOf(again, carol)).toEqual([[sent.conversation, bob]]);
    expect(await chatsOf(again, alice)).toEqual([[asked.conversation, bob]]);
    await friend.call('sendText', { to: carol, text: 'welcome back' });
    expect((await received(again, carol, 'welcome back')).conversation).toBe(sent.conversation);
  });

  it('come back beside the account that the command is started with', async () => {
    const first = await both();
    await first.close();
    const again = await device('both', alice, { dataDir: first.dataDir });
    await again.until('both are back', async () => {
      const now = await states(again);
      return (now.length === 2 && now.every(([, state]) => state === 'registered')) || null;
    });
  });
});
