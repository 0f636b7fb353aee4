/** A new device of one person, from the six digits to the chats; and how one leaves. At the embedded network, without any help of its functions. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { HistoryChoice, MessageValue, OwnDevicesValue, PairingValue } from '../../preload/contract';
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

let network: Network;
// One for each story: a network keeps what a device that has gone did not take.
beforeEach(async () => {
  network = await startNetwork();
});
afterEach(async () => {
  await closeClients();
  await network.close();
});

const start = (name: string, address: string, more: Partial<ClientOptions> = {}): Promise<TestClient> =>
  startClient({ name, address, proxy: network.uris.tcp, factory: network.factory, ...more });

async function texts(client: TestClient): Promise<string[]> {
  const conversations = await client.call('conversations', {});
  const all = await Promise.all(conversations.map(({ conversation }) => client.call('messages', { conversation, limit: 500 })));
  return all.flat().map(({ text }: MessageValue) => text);
}

const shows = (client: TestClient, ...wanted: string[]) =>
  client.until(`it shows ${wanted.join(', ')}`, async () => ((await texts(client)).join() === wanted.join() ? true : null));

const own = (client: TestClient): Promise<OwnDevicesValue> => client.call('ownDevices', {});

const pairing = (client: TestClient, state: PairingValue['state']): Promise<PairingValue> =>
  client.until(`its pairing is ${state}`, async () => {
    const value = (await own(client)).pairing;
    return value?.state === state ? value : null;
  });

const seesDevices = (client: TestClient, count: number) =>
  client.until(`it sees ${count} devices`, async () => ((await client.call('devices', {})).length === count ? true : null));

/** The person goes from one device to the other. */
async function pair(newer: TestClient, older: TestClient, history: HistoryChoice = 'all'): Promise<void> {
  const { instanceId } = await older.call('identity', {});
  await newer.until('it sees the older one', async () =>
    (await newer.call('devices', {})).some((device) => device.instanceId === instanceId) ? true : null,
  );
  await newer.call('startPairing', { instanceId });
  const { code } = await pairing(newer, 'code');
  await pairing(older, 'code');
  await older.call('typePairingCode', { code: `${code?.slice(0, 3)} ${code?.slice(3)}` });
  await pairing(newer, 'confirm');
  expect((await own(older)).pairing?.state).toBe('paired');
  await newer.call('confirmPairing', { history });
}

async function chat(laptop: TestClient, bob: TestClient, ...lines: string[]): Promise<void> {
  const { conversation } = await bob.call('openConversation', { to: ALICE });
  for (const text of lines) await bob.call('sendText', { conversation, text });
  await shows(laptop, ...lines);
  // Else the network keeps them for the next story: what is shown may not be acknowledged yet.
  await bob.until('all of them are delivered', async () => {
    const states = (await bob.call('messages', { conversation, limit: 500 })).map(({ state }) => state);
    return states.slice(-lines.length).every((state) => state === 'delivered' || state === 'displayed') ? true : null;
  });
}

describe('a new device', () => {
  it('shows six digits, and has everything once they are typed on an older one and confirmed: chats from before, and all that follows', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one', 'two', 'three');
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    expect(await texts(tablet)).toEqual([]);
    await seesDevices(tablet, 2);

    await tablet.call('startPairing', {});
    const shown = await pairing(tablet, 'code');
    expect(shown.code).toMatch(/^\d{6}$/);
    expect(await pairing(laptop, 'code')).toMatchObject({ side: 'older', name: 'Tablet', code: null });
    await laptop.call('typePairingCode', { code: shown.code ?? '' });
    await pairing(tablet, 'confirm');
    expect(await texts(tablet)).toEqual([]);
    await tablet.call('confirmPairing', { history: 'all' });
    await shows(tablet, 'one', 'two', 'three');
    for (const client of [laptop, tablet]) expect((await own(client)).paired).toBe(true);
    // Nothing of it stood on the wire in clear.
    for (const text of sipRequests(tablet, 'in', 'MESSAGE')) expect(text).not.toContain('three');

    const [conversation] = await tablet.call('conversations', {});
    await tablet.call('sendText', { conversation: conversation?.conversation, text: 'four' });
    await shows(laptop, 'one', 'two', 'three', 'four');
    await laptop.until('both say that the chats are over', async () =>
      (await own(laptop)).filling.every(({ state }) => state === 'done') ? true : null,
    );
  });

  it('gets nothing where other digits are typed: one wrong code ends it on both, and the next try has new ones', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await seesDevices(tablet, 2);
    await tablet.call('startPairing', {});
    const { code } = await pairing(tablet, 'code');
    await pairing(laptop, 'code');
    const wrong = await laptop.tryCall('typePairingCode', { code: code === '000000' ? '000001' : '000000' });
    expect(wrong).toMatchObject({ ok: false, error: { code: 'device/wrong-code' } });
    expect(await pairing(tablet, 'over')).toMatchObject({ why: 'wrong', code: null });
    expect(await laptop.tryCall('typePairingCode', { code: code ?? '' })).toMatchObject({ ok: false, error: { code: 'device/unknown' } });
    expect(await own(laptop)).toMatchObject({ paired: false, pairing: { state: 'over', why: 'wrong' } });
    await pair(tablet, laptop);
  });

  it('can be refused on either side, and the older one lets no more than three in within ten minutes', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await seesDevices(tablet, 2);
    for (const [one, other] of [
      [tablet, laptop],
      [laptop, tablet],
      [tablet, laptop],
    ] as const) {
      await tablet.call('startPairing', {});
      await pairing(tablet, 'code');
      await pairing(laptop, 'code');
      await one.call('cancelPairing', {});
      expect(await pairing(other, 'over')).toMatchObject({ why: 'cancelled' });
      expect((await own(one)).pairing).toBeNull();
      await other.call('cancelPairing', {});
    }
    await tablet.call('startPairing', {});
    expect(await pairing(tablet, 'over')).toMatchObject({ why: 'resting' });
  });

  it('that says that the older one does not show "paired" takes nothing, and is out there', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await seesDevices(tablet, 2);
    await tablet.call('startPairing', {});
    const { code } = await pairing(tablet, 'code');
    await pairing(laptop, 'code');
    await laptop.call('typePairingCode', { code: code ?? '' });
    await pairing(tablet, 'confirm');
    await tablet.call('cancelPairing', {});
    expect(await pairing(laptop, 'over')).toMatchObject({ why: 'cancelled' });
    const { instanceId } = await laptop.call('identity', {});
    expect((await own(laptop)).with).toEqual([instanceId]);
    expect((await own(tablet)).paired).toBe(false);
  });

  it('that wants nothing from before shows what is written from then on, and fetches the rest when it is asked to', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one', 'two');
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await pair(tablet, laptop, 'none');
    await bob.call('sendText', { to: ALICE, text: 'three' });
    await shows(tablet, 'three');
    await tablet.call('fetchHistory', { history: 'all' });
    await shows(tablet, 'one', 'two', 'three');
  });

  it('pairs a third one, and both hold what the first has', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one');
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await pair(tablet, laptop);
    await shows(tablet, 'one');
    const phone = await start('alice-phone', ALICE, { deviceName: 'Phone' });
    await seesDevices(tablet, 3);
    await pair(phone, tablet);
    await shows(phone, 'one');
    await phone.call('sendText', { to: BOB, text: 'two' });
    for (const client of [laptop, tablet]) await shows(client, 'one', 'two');
  });
});

describe('a device that leaves', () => {
  it('signs out and keeps its chats, without the keys: what follows does not reach it', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one');
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await pair(tablet, laptop);
    await shows(tablet, 'one');
    const { instanceId } = await tablet.call('identity', {});
    await tablet.call('signOut', { chats: 'keep' });
    expect(await own(tablet)).toMatchObject({ paired: false });
    expect(await texts(tablet)).toEqual(['one']);
    await laptop.until('it is out of the list', async () => ((await own(laptop)).with.includes(instanceId) ? null : true));
    await laptop.call('sendText', { to: BOB, text: 'two' });
    await shows(bob, 'one', 'two');
    expect(await texts(tablet)).toEqual(['one']);
  });

  it('erases its chats, its keys and its account, and keeps its instance ID', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'a secret');
    const { instanceId } = await laptop.call('identity', {});
    await laptop.call('signOut', { chats: 'erase' });
    expect(await laptop.tryCall('conversations', {})).toMatchObject({ ok: false, error: { code: 'account/none' } });
    const identity = readFileSync(join(laptop.dataDir, 'identity.json'), 'utf8');
    expect(identity).toContain(instanceId.slice('urn:uuid:'.length));
    expect(readdirSync(laptop.dataDir).filter((name) => /^history-/.test(name))).toEqual([]);
    expect(JSON.parse(readFileSync(join(laptop.dataDir, 'settings.json'), 'utf8'))).toMatchObject({ accounts: [], ownKeys: {} });
    const { dataDir } = laptop;
    await laptop.close();
    const again = await start('alice-laptop', ALICE, { dataDir });
    expect(await texts(again)).toEqual([]);
    expect((await again.call('identity', {})).instanceId).toBe(instanceId);
  });

  it('erases one of several accounts alone', async () => {
    const CAROL = 'sip:carol@lab.test';
    const bob = await start('bob', BOB);
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const options = { factory: network.factory };
    await laptop.call('signIn', { address: CAROL, password: 'secret', server: network.uris.tcp, deviceName: 'Laptop', options, add: true });
    for (const account of [ALICE, CAROL]) await laptop.call('sendText', { account, to: BOB, text: `from ${account}` });
    // The network keeps nothing for the next story.
    await bob.until('it has both', async () => ((await texts(bob)).length === 2 ? true : null));
    await laptop.call('signOut', { account: CAROL, chats: 'erase' });
    await laptop.until('the other one is back', async () => {
      const { accounts } = await laptop.call('snapshot', {});
      return accounts.length === 1 && accounts[0]?.registration.state === 'registered' ? true : null;
    });
    expect(await texts(laptop)).toEqual([`from ${ALICE}`]);
    expect(JSON.parse(readFileSync(join(laptop.dataDir, 'settings.json'), 'utf8'))).toMatchObject({ accounts: [] });
  });

  it('goes on erasing at the next start where the process ended in the middle, and says who wanted it', async () => {
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'a secret');
    const { dataDir } = laptop;
    await laptop.close();
    const file = join(dataDir, 'settings.json');
    const erasure = { aor: ALICE, by: 'Tablet', at: 1, isDone: false };
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), erasure }));
    const again = await start('alice-laptop', ALICE, { dataDir });
    expect(await texts(again)).toEqual([]);
    expect((await again.call('snapshot', {})).erased).toEqual({ account: ALICE, by: 'Tablet', at: 1 });
  });

  it('is removed by another with its chats: it is asked, has gone, and has another key to do without', async () => {
    printLadderOnFailure();
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one');
    const tablet = await start('alice-tablet', ALICE, { deviceName: 'Tablet' });
    await pair(tablet, laptop);
    await shows(tablet, 'one');
    const phone = await start('alice-phone', ALICE, { deviceName: 'Phone' });
    await seesDevices(laptop, 3);
    await pair(phone, laptop);
    await shows(phone, 'one');
    const { instanceId } = await tablet.call('identity', {});
    const removal = await laptop.call('removeDevice', { instanceId, erase: true });
    expect(removal).toMatchObject({ name: 'Tablet', erase: true });
    // It may have left before its agreement is read here.
    expect(['asked', 'gone']).toContain(removal.state);
    await tablet.until('its chats are gone', async () => {
      const { erased, account } = await tablet.call('snapshot', {});
      return erased !== null && account === null ? erased : null;
    });
    expect((await tablet.call('snapshot', {})).erased).toMatchObject({ account: ALICE, by: 'Laptop' });
    await laptop.until('it has gone', async () => ((await own(laptop)).removals[0]?.state === 'gone' ? true : null));
    // The two that stay have a new key, and go on.
    await laptop.call('sendText', { to: BOB, text: 'two' });
    await shows(phone, 'one', 'two');
    await phone.call('sendText', { to: BOB, text: 'three' });
    await shows(laptop, 'one', 'two', 'three');
  });

  it('that was not on when it was removed is told when it comes, and can write nothing before', async () => {
    printLadderOnFailure();
    const dataDir = mkdtempSync(join(tmpdir(), 'chorus-tablet-'));
    const laptop = await start('alice-laptop', ALICE, { deviceName: 'Laptop' });
    const bob = await start('bob', BOB);
    await chat(laptop, bob, 'one');
    const startTablet = () => start('alice-tablet', ALICE, { deviceName: 'Tablet', dataDir });
    const tablet = await startTablet();
    await pair(tablet, laptop);
    await shows(tablet, 'one');
    const { instanceId } = await tablet.call('identity', {});
    await tablet.call('unregister', {});
    await laptop.until('it is off', async () =>
      (await laptop.call('devices', {})).some((device) => device.instanceId === instanceId && device.state === 'active') ? null : true,
    );
    expect(await laptop.call('removeDevice', { instanceId, erase: true })).toMatchObject({ state: 'away' });
    const [message] = await tablet.call('messages', { conversation: (await tablet.call('conversations', {}))[0]?.conversation ?? '' });
    await tablet.call('deleteMessage', { message: message?.message ?? '', direction: 'in' });
    await tablet.call('register', {});
    await tablet.until('its chats are gone', async () => ((await tablet.call('snapshot', {})).erased === null ? null : true));
    expect(await texts(laptop)).toEqual(['one']);
  });
});
