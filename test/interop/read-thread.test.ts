import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Libsql from 'libsql';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { nodeThread, ReadQueue, type Thread } from '../../main/history/reading/read-queue';
import { type HistoryReader, readerOf, readOnThread } from '../../main/history/reading/reader';
import { conversationRecord, messageRecord } from '../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../support/doubles/one-history';
import { ensureBuilt } from '../support/stages/built';

const script = fileURLToPath(new URL('../../out/read-thread.cjs', import.meta.url));
const key = '7e'.repeat(32);
let folder: string;
let file: string;
let history: OneHistory;

const open = (threadScript = script) =>
  openOneHistory({ file, key, log: silentLogger, thread: { script: threadScript, clock: systemClock } });
const say = (id: string, text: string) => history.addMessage(messageRecord(id, { text }));
const ids = async (typed: string, limit = 1000) => (await history.reader.search(typed, limit)).map((hit) => hit.message.id);
/** How many connections of this process have the history open: each has its own descriptor of the write-ahead log. */
const connections = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `${file}-wal`;
    } catch {
      return false; // it was that of the listing itself
    }
  }).length;

beforeAll(() => ensureBuilt('command'));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-thread-'));
  file = join(folder, 'history.db');
  history = open();
  history.addConversation(conversationRecord('c'));
});

afterEach(async () => {
  await history.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the thread that reads', () => {
  it('finds everything committed just before, at every commit, and nothing uncommitted', async () => {
    for (let index = 0; index < 100; index += 1) {
      say(`m${index}`, `needle number${index}`);
      const hits = await history.reader.search('needle', 1000);
      expect(hits[0]).toEqual(history.search('needle', 1)[0]);
      expect(hits).toHaveLength(index + 1);
    }
    let asked: Promise<string[]> | null = null;
    const undone = () =>
      history.transaction(() => {
        say('late', 'needle in the middle of it');
        asked = ids('middle');
        throw new Error('undone');
      });
    expect(undone).toThrow('undone');
    expect(await asked).toEqual([]);
    history.removeMessage('m50');
    expect(await ids('number50')).toEqual([]);
  });

  it('gives the same results as the history itself for words, people, dates, beginnings and further hits', async () => {
    const noon = new Date(2026, 10, 23, 12).getTime();
    for (let index = 0; index < 30; index += 1) {
      const direction = index % 3 === 0 ? 'out' : 'in';
      history.addMessage(
        messageRecord(`m${index}`, {
          direction,
          fromName: 'Róbert',
          text: `lunch at ${index}, crème brûlée`,
          sentAt: noon + index * 3_600_000,
        }),
      );
    }
    for (const typed of ['lunch', 'bru', 'robert', 'robert lun', '2026-11-23', '2026-11 creme', '"lunch at 2"', '', 'absent'])
      expect(await history.reader.search(typed, 50), typed).toEqual(history.search(typed, 50));
    const first = await history.reader.search('lunch', 12);
    const before = first[11]?.message;
    expect(await history.reader.search('lunch', 12, { before })).toEqual(history.search('lunch', 24).slice(12));
  });

  it('reads a conversation to its end with its receipts, whatever is deleted meanwhile', async () => {
    history.transaction(() => {
      for (let index = 0; index < 950; index += 1)
        history.addMessage(
          messageRecord(`m${index}`, { direction: index % 2 === 0 ? 'out' : 'in', text: `no ${index}`, sentAt: 5000 + (index >> 2) }),
        );
    });
    history.addReceipt({ message: 'm4', address: 'sip:bob@lab.test', disposition: 'displayed', at: 9 });
    const all = history.messages('c', { limit: 1000 });
    const read: string[] = [];
    const receipts: number[] = [];
    for await (const { message, receipts: told } of history.reader.transcript('c')) {
      read.push(message.id);
      receipts.push(told.length);
      // The one at which the next page would begin, and one that is yet to come.
      if (read.length === 150) for (const at of [199, 900]) history.removeMessage(all[at]?.id ?? '', all[at]?.direction);
    }
    expect(all).toHaveLength(950);
    expect(read).toEqual(all.map(({ id }) => id).filter((_, at) => at !== 900));
    expect(receipts[read.indexOf('m4')]).toBe(1);
    expect(receipts.reduce((all, one) => all + one, 0)).toBe(1);
  });

  it('leaves a missing index to the history, which rebuilds it, and continues', async () => {
    for (let index = 0; index < 20; index += 1) say(`m${index}`, 'needle');
    expect(await ids('needle')).toHaveLength(20);
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    database.exec('DROP TABLE message_words');
    database.close();
    await ids('needle');
    while (history.fillIndex());
    expect(await ids('needle')).toHaveLength(20);
    say('new', 'needle');
    expect((await ids('needle'))[0]).toBe('new');
  });

  it('that dies is followed by another one, of which it is asked again', async () => {
    say('m', 'needle');
    const threads: Thread[] = [];
    const start = nodeThread(script, { file, key });
    const queue = new ReadQueue({
      clock: systemClock,
      log: silentLogger,
      start: (events) => {
        const thread = start(events);
        threads.push(thread);
        return thread;
      },
    });
    const reader: HistoryReader = readerOf(history, { queue, account: 1, prepare: () => history.fillIndex() }, silentLogger);
    expect(await reader.search('needle', 5)).toHaveLength(1);
    const asked = reader.search('needle', 5);
    threads[0]?.terminate();
    expect(await asked).toHaveLength(1);
    expect(await reader.search('needle', 5)).toHaveLength(1);
    expect(threads.length).toBeLessThanOrEqual(2);
    await queue.close();
  });

  it('whose program is gone is a clear error, and the history goes on', async () => {
    await history.close();
    history = open(join(folder, 'absent.cjs'));
    await expect(history.reader.search('needle', 5)).rejects.toMatchObject({
      code: 'storage/failed',
      detail: { cause: expect.stringMatching(/died/) },
    });
    say('m', 'needle');
    expect(history.search('needle', 5)).toHaveLength(1);
  });

  it('lets go of the file when the history is closed, in the middle of a search, too; the key is in no file', async () => {
    history.transaction(() => {
      for (let index = 0; index < 5000; index += 1) say(`m${index}`, 'needle and other words that are often said');
    });
    // The history has begun its own thread, which folds the log in.
    while (history.fillIndex());
    await ids('needle', 1);
    const alone = connections();
    const queue = readOnThread({ file, key, script, clock: systemClock, log: silentLogger });
    const reader = readerOf(history, { queue, account: 1, prepare: () => history.fillIndex() }, silentLogger);
    expect(await reader.search('needle', 5)).toHaveLength(5);
    expect(connections()).toBe(alone + 1);
    const asked = reader.search('ne ot wo th', 200).catch((error: unknown) => error);
    await queue.close();
    expect(await asked).toMatchObject({ code: 'storage/failed' });
    expect(connections()).toBe(alone);
    await history.close();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, name));
      expect(bytes.includes(key) || bytes.includes(Buffer.from(key, 'hex')), name).toBe(false);
    }
  });
});
