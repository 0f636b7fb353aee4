import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/log';
import { type Network, startNetwork } from '../../network/network';
import type { MessageValue } from '../../preload/contract';
import { messageRecord } from '../support/doubles/history-records';
import { keychain } from '../support/doubles/keychain';
import { openOneHistory } from '../support/doubles/one-history';
import { ensureBuilt } from '../support/stages/built';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { chorus, endCommands, newFolder, printCommandsOnFailure } from '../support/stages/command';

/** A history that is damaged, at the start and while it is in use: nothing is lost without a word, and nothing is taken that could not be kept. */
const alice = 'sip:alice@lab.test';
const secrets = keychain('home');
const written = 200;
let network: Network;

beforeAll(() => ensureBuilt('command'));
beforeEach(async () => {
  printLadderOnFailure();
  printCommandsOnFailure();
  network = await startNetwork();
});
afterEach(async () => {
  await closeClients();
  await endCommands();
  await network.close();
});

const profile = (dataDir?: string): Promise<TestClient> => {
  const kept = dataDir === undefined ? {} : { dataDir };
  return startClient({
    name: 'alice',
    address: alice,
    stored: true,
    proxy: network.uris.tcp,
    factory: network.factory,
    secrets: () => secrets,
    ...kept,
  });
};
const registered = (client: TestClient) =>
  client.until('it is registered', async () => ((await client.call('snapshot', {})).registration.state === 'registered' ? true : null));
const rescueOf = async (client: TestClient) => (await client.call('snapshot', {})).rescue;

/** A device of alice with a long chat with bob, closed. */
async function livedProfile(): Promise<{ dataDir: string; instanceId: string; file: string; key: string; conversation: string }> {
  const client = await profile();
  const signedIn = { address: alice, password: 'secret', server: network.uris.tcp, deviceName: 'Laptop' };
  const { instanceId } = await client.call('signIn', signedIn);
  const { conversation } = await client.call('openConversation', { to: 'sip:bob@lab.test' });
  await client.close();
  const { dataDir } = client;
  const file = join(dataDir, 'history.db');
  const settings = JSON.parse(readFileSync(join(dataDir, 'settings.json'), 'utf8')) as { historyKey: { protected: string } };
  const key = secrets.reveal(settings.historyKey.protected);
  const history = openOneHistory({ file, key, log: silentLogger }, alice);
  history.transaction(() => {
    for (let index = 0; index < written; index += 1)
      history.addMessage({
        id: `m${index}`,
        conversation,
        direction: 'in',
        from: 'sip:bob@lab.test',
        fromName: 'Bob',
        fromDevice: null,
        content: { kind: 'text', text: `message ${index}: ${'words that fill the page '.repeat(8)}` },
        state: 'displayed',
        sentAt: 1_700_000_000_000 + index,
        receivedAt: 1_700_000_000_000 + index,
        error: null,
        wantsDelivered: false,
        wantsDisplayed: false,
      });
  });
  // What is in the index for search is not read again at the start.
  while (history.fillIndex());
  history.dispose();
  return { dataDir, instanceId, file, key, conversation };
}

async function exported(client: TestClient, conversation: string): Promise<MessageValue[]> {
  const path = join(newFolder('export'), 'chat.json');
  const { messages } = await client.call('exportConversation', { conversation, format: 'json', path });
  const file = JSON.parse(readFileSync(path, 'utf8')) as { people: { name: string }[]; messages: MessageValue[] };
  expect(file.people.map((one) => one.name)).toEqual(['bob']);
  expect(file.messages).toHaveLength(messages);
  return file.messages;
}

describe('a damaged history', () => {
  it('R18: found at the start, it prevents any registration, is saved chat by chat and set aside as a whole; then the same device continues', async () => {
    const { dataDir, instanceId, file, key, conversation } = await livedProfile();
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    database.exec(
      `UPDATE conversations SET activity_at = activity_at, people = people || '['; UPDATE messages SET text = 'never said' WHERE id = 'm7'`,
    );
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    const before = readFileSync(file);
    const client = await profile(dataDir);
    expect(await rescueOf(client)).toMatchObject({
      source: 'history',
      error: { code: 'storage/damaged' },
      conversations: [{ messages: written }],
    });
    expect(network.bindings(alice)).toEqual([]);
    expect(await client.tryCall('sendText', { to: 'sip:bob@lab.test', text: 'x' })).toMatchObject({
      ok: false,
      error: { code: 'storage/damaged' },
    });
    const last = await client.call('messages', { conversation, limit: 4 });
    expect(last.map((one) => one.message)).toEqual([4, 3, 2, 1].map((fromEnd) => `m${written - fromEnd}`));
    const start = await client.call('messages', { conversation, before: last[0]?.message, limit: 500 });
    expect(start.map((one) => one.message)).toEqual(Array.from({ length: written - 4 }, (_, index) => `m${index}`));
    expect(start[7]).toMatchObject({ damaged: true, text: '' });
    expect(await client.tryCall('messages', { conversation: 'another' })).toMatchObject({
      ok: false,
      error: { code: 'conversation/unknown' },
    });
    const path = join(newFolder('export'), 'chat.json');
    await client.call('exportConversation', { conversation, format: 'json', path });
    const { messages } = JSON.parse(readFileSync(path, 'utf8')) as { messages: MessageValue[] };
    expect(messages.map((one) => one.message)).toEqual(Array.from({ length: written }, (_, index) => `m${index}`));
    expect(messages.filter((one) => one.damaged === true).map((one) => [one.message, one.text])).toEqual([['m7', '']]);
    const { keptAs } = await client.call('beginHistory', {});
    expect(readFileSync(keptAs).equals(before)).toBe(true);
    await registered(client);
    expect(await client.call('identity', {})).toMatchObject({ instanceId });
    expect(await client.tryCall('beginHistory', {})).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    await client.close();
    const after = await profile(dataDir);
    expect(await rescueOf(after)).toBeNull();
    await registered(after);
  });

  it('that has lost its write-ahead log says how many messages are missing, and goes on', async () => {
    const { dataDir, file, key, conversation } = await livedProfile();
    const living = openOneHistory({ file, key, log: silentLogger }, alice);
    for (const id of ['late1', 'late2', 'late3'])
      living.addMessage(messageRecord(id, { conversation, sentAt: 1_800_000_000_000, state: 'displayed' }));
    const left = ['', '-mark'].map((end) => [end, readFileSync(file + end)] as const);
    living.dispose();
    for (const [end, bytes] of left) writeFileSync(file + end, bytes);
    const client = await profile(dataDir);
    await registered(client);
    const { warnings, rescue } = await client.call('snapshot', {});
    expect(rescue).toBeNull();
    expect(warnings.find(({ code }) => code === 'history-lost')?.text).toContain('up to 3 messages');
    await client.close();
  });

  it('found while it is in use, takes this device from the network at once; what is destroyed is marked in what is saved', async () => {
    const { dataDir, file, key, conversation } = await livedProfile();
    const whole = readFileSync(file);
    // The page with the oldest messages: the start does not look at it.
    const destroy = (page: number) => {
      const bytes = Buffer.from(whole);
      bytes.fill(0x55, page * 4096, page * 4096 + 64);
      writeFileSync(file, bytes);
    };
    const hurtsOldest = (page: number): boolean => {
      destroy(page);
      let history: ReturnType<typeof openOneHistory> | null = null;
      try {
        history = openOneHistory({ file, key, log: silentLogger });
      } catch {
        return false;
      }
      try {
        history.walk(conversation, null, 5);
        return false;
      } catch {
        return true;
      } finally {
        history.dispose();
      }
    };
    const pages = Array.from({ length: whole.length / 4096 - 1 }, (_, index) => index + 1);
    const page = pages.find(hurtsOldest) ?? 0;
    expect(page).toBeGreaterThan(0);
    destroy(page);
    const client = await profile(dataDir);
    await registered(client);
    expect(await client.tryCall('messages', { conversation, around: 'm3' })).toMatchObject({
      ok: false,
      error: { code: 'storage/unreadable' },
    });
    await client.until('it says so', () => (client.events.some((one) => one.event === 'rescue') ? true : null));
    await expect.poll(() => network.bindings(alice), { timeout: 8_000 }).toEqual([]);
    const saved = await exported(client, conversation);
    const lost = saved.filter((one) => one.damaged === true);
    expect(saved).toHaveLength(written);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(40);
    for (const one of saved.filter((each) => each.damaged !== true)) expect(one.text).toContain(`message ${one.message.slice(1)}:`);
    await client.call('beginHistory', {});
    await registered(client);
  });

  it('of the command: a line says so, the calls that help are answered, the others refused; a file that is gone is no fresh start', async () => {
    const data = newFolder('damaged');
    const start = () =>
      chorus('alice', ['client', '--aor', alice, '--proxy', network.uris.tcp, '--data', data], { CHORUS_PASSWORD: 'secret' });
    const first = start();
    await first.event('registration', { state: 'registered' });
    await first.ask('quit');
    await first.exited;
    const file = join(data, 'history.db');
    writeFileSync(file, '');
    const client = start();
    expect(await client.event('rescue')).toMatchObject({
      rescue: {
        source: 'nothing',
        conversations: [],
        error: { code: 'storage/damaged', cause: 'history.db is gone', text: expect.stringContaining('beginHistory') },
      },
    });
    expect(client.stderr).toContain('chorus: The history is damaged');
    expect(await client.refusal('sendText', { to: 'sip:bob@lab.test', text: 'x' })).toMatchObject({ code: 'storage/damaged' });
    expect(await client.refusal('exportConversation', { conversation: 'c', format: 'json', path: join(data, 'x.json') })).toMatchObject({
      code: 'conversation/unknown',
    });
    expect(network.bindings(alice)).toEqual([]);
    await client.ask('beginHistory');
    await client.event('registration', { state: 'registered' });
    await client.ask('sendText', { to: 'sip:bob@lab.test', text: 'on we go' });
    expect(readdirSync(data).filter((name) => /^history-damaged-\d+\.db$/.test(name))).toHaveLength(1);
  });
});
