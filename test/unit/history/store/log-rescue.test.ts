import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { History } from '../../../../main/history/history';
import { markFile, progressOf, readMark } from '../../../../main/history/store/log-mark';
import { checkLog, type LogLoss, mendedLog } from '../../../../main/history/store/log-rescue';
import { openDatabase } from '../../../../main/history/store/open-file';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { openOneHistory } from '../../../support/doubles/one-history';
import { quickDisk } from '../../../support/doubles/quick-disk';
import { seededRandom } from '../../../support/doubles/seeded-random';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

const key = 'ab'.repeat(32);
/** Acknowledged messages that lie in the log alone. */
const count = 30;
const pageBytes = 4096;
const frameBytes = 24 + pageBytes;
let folder: string;
let file: string;
let lost: LogLoss[];

const open = (of = file) => openOneHistory({ file: of, key, log: silentLogger, sync: quickDisk, foundLost: (loss) => lost.push(loss) });
const text = (index: number) => `text of m${index} ${'and more '.repeat(index * 7)}`;

/** What a killed process leaves: the messages before were folded in, these are in the log. */
function killedProfile(): void {
  const living = join(folder, 'living.db');
  const first = open(living);
  first.addConversation(conversationRecord('c'));
  first.addMessage(messageRecord('before', { sentAt: 1 }));
  first.dispose();
  const history = open(living);
  for (let index = 0; index < count; index += 1) history.addMessage(messageRecord(`m${index}`, { sentAt: 100 + index, text: text(index) }));
  for (const end of ['', '-wal', '-mark']) copyFileSync(living + end, file + end);
  history.dispose();
}

const shown = (history: History) =>
  history.messages('c', { limit: 100 }).map(({ id, isDamaged, content }) => ({ id, isDamaged, text: content.text }));

function flip(path: string, at: number, bit = 0): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(path, bytes);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-log-'));
  file = join(folder, 'history.db');
  lost = [];
  killedProfile();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a history whose write-ahead log', () => {
  it('is whole opens without a word, with every message', () => {
    const history = open();
    expect([shown(history).length, lost]).toEqual([count + 1, []]);
    history.dispose();
    expect(readdirSync(folder).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  it('is missing says how much is lost, once', () => {
    rmSync(`${file}-wal`);
    const history = open();
    expect(shown(history).map(({ id }) => id)).toEqual(['before']);
    expect(lost).toEqual([{ commits: count, messages: count, saved: 0, keptAs: null }]);
    history.dispose();
    open().dispose();
    expect(lost).toHaveLength(1);
  });

  it('was cut off says how much is lost, and keeps the log', () => {
    const size = statSync(`${file}-wal`).size;
    truncateSync(`${file}-wal`, Math.floor(size / 2));
    const history = open();
    const here = shown(history).length - 1;
    expect(here).toBeLessThan(count);
    expect(lost).toMatchObject([{ messages: count - here }]);
    expect(existsSync(lost[0]?.keptAs ?? '')).toBe(true);
    history.dispose();
  });

  it('has a flipped bit gives back what lies behind it; no message is lost in silence or says what nobody wrote', () => {
    const random = seededRandom(15);
    const whole = readFileSync(`${file}-wal`);
    const database = readFileSync(file);
    const mark = readFileSync(markFile(file));
    const places = [0, 3, 9, 17, 20, 25, 32, 33, 36, 41, 49, ...Array.from({ length: 40 }, () => Math.floor(random() * whole.length))];
    let saved = 0;
    for (const at of places) {
      for (const name of readdirSync(folder)) if (name.startsWith('history.db')) rmSync(join(folder, name));
      writeFileSync(file, database);
      writeFileSync(`${file}-wal`, whole);
      writeFileSync(markFile(file), mark);
      flip(`${file}-wal`, at, Math.floor(random() * 8));
      lost = [];
      const history = open();
      const here = shown(history);
      history.dispose();
      for (const message of here.filter(({ isDamaged, id }) => isDamaged !== true && id !== 'before'))
        expect(message.text, `byte ${at}`).toBe(text(Number(message.id.slice(1))));
      const missing = count + 1 - here.length;
      if (missing > 0) expect(lost[0]?.messages, `byte ${at}`).toBe(missing);
      if (lost.length > 0 && missing === 0) saved += 1;
    }
    // SQLite alone loses what lies behind the flipped bit.
    expect(saved).toBeGreaterThan(places.length / 2);
  }, 120_000);

  it('is lost together with its mark, or with another’s mark, opens as SQLite sees it', () => {
    rmSync(`${file}-wal`);
    rmSync(markFile(file));
    open().dispose();
    writeFileSync(markFile(file), 'x'.repeat(1024));
    open().dispose();
    expect(lost).toEqual([]);
    expect(readMark(file, key)?.messages).toBe(1);
    expect(readMark(file, 'cd'.repeat(32))).toBeNull();
  });

  it('was replaced together with the database by an older state says so', () => {
    const older = readFileSync(file);
    open().dispose();
    writeFileSync(file, older);
    open().dispose();
    expect(lost).toMatchObject([{ messages: count }]);
  });
});

describe('the mark of a history', () => {
  it('survives a torn write of one slot', () => {
    const promised = readMark(file, key);
    expect(promised?.messages).toBe(count + 1);
    for (const slot of [0, 512]) {
      const before = readFileSync(markFile(file));
      flip(markFile(file), slot + 2);
      expect(readMark(file, key)?.messages, `slot ${slot}`).toBeGreaterThanOrEqual(count);
      writeFileSync(markFile(file), before);
    }
    flip(markFile(file), 2);
    flip(markFile(file), 514);
    expect(readMark(file, key)).toBeNull();
  });

  it('follows the sync: it never promises what is not on the disk yet', async () => {
    const syncs: ((error: Error | null) => void)[] = [];
    const other = join(folder, 'other.db');
    const history = openOneHistory({ file: other, key, log: silentLogger, sync: (_descriptor, done) => void syncs.push(done) });
    history.addConversation(conversationRecord('c'));
    const messages = () => readMark(other, key)?.messages;
    expect(messages()).toBe(0);
    history.soon(() => history.addMessage(messageRecord('m1')));
    const onDisk = history.onDisk();
    let marked: number | undefined;
    void onDisk?.then(() => {
      marked = messages();
    });
    await settled();
    history.soon(() => history.addMessage(messageRecord('m2')));
    expect(messages()).toBe(0);
    syncs[0]?.(null);
    await settled();
    expect(marked).toBe(1);
    syncs[1]?.(Object.assign(new Error('broken'), { code: 'EIO' }));
    await settled();
    expect(messages()).toBe(1);
    history.transaction(() => history.addMessage(messageRecord('m3')));
    expect(messages()).toBe(3);
    history.dispose();
  });

  it('counts a change that stands alone, and none that changed nothing', () => {
    const history = open();
    const commits = () => readMark(file, key)?.commits ?? 0;
    const before = commits();
    history.addMessage(messageRecord('alone'));
    expect(commits()).toBe(before + 1);
    history.addMessage(messageRecord('alone'));
    history.transaction(() => undefined);
    expect(commits()).toBe(before + 1);
    expect(() =>
      history.transaction(() => {
        history.addMessage(messageRecord('undone'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(commits()).toBe(before + 1);
    history.dispose();
  });
});

describe('a history in which nothing happens for a second', () => {
  it('folds its log in, so that damage to the log loses nothing', async () => {
    const clock = new VirtualClock();
    const idle = join(folder, 'idle.db');
    const history = openOneHistory({ file: idle, key, log: silentLogger, sync: quickDisk, clock });
    history.addConversation(conversationRecord('c'));
    history.addMessage(messageRecord('m1'));
    const inFile = (): number => {
      const alone = join(folder, 'alone.db');
      copyFileSync(idle, alone);
      const database = openDatabase(alone, key);
      const { messages } = progressOf(database);
      database.close();
      return messages;
    };
    await clock.advance(900);
    history.addMessage(messageRecord('m2'));
    await clock.advance(900);
    expect(inFile()).toBe(0);
    await clock.advance(200);
    expect(inFile()).toBe(2);
    history.dispose();
  });
});

describe('a log that is mended', () => {
  it('is as it was where it was whole', () => {
    const log = readFileSync(`${file}-wal`);
    const mended = mendedLog(log, pageBytes);
    expect(mended?.equals(log.subarray(0, mended.length))).toBe(true);
    expect(mended?.length).toBeGreaterThan(count * frameBytes);
  });

  it('is none where there is no frame', () => {
    expect(mendedLog(Buffer.alloc(32), pageBytes)).toBeNull();
    expect(mendedLog(Buffer.alloc(0), pageBytes)).toBeNull();
    expect(checkLog({ file: join(folder, 'none.db'), key, log: silentLogger })).toBeNull();
  });
});
