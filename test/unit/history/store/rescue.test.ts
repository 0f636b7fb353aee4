import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { MessageRecord } from '../../../../main/history/records';
import { copyBefore, migrate, migrations } from '../../../../main/history/store/migrations';
import { rescueHistory } from '../../../../main/history/store/rescue';
import type { AppError } from '../../../../preload/contract/errors';
import { openOneHistory } from '../../../support/doubles/one-history';

const key = '7e'.repeat(32);
const pageSize = 4096;
const messagesWritten = 300;
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-rescue-'));
  file = join(folder, 'history.db');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (path = file) => openOneHistory({ file: path, key, log: silentLogger });
const openRaw = (path = file) => new Libsql(path, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
const people = { alice: { address: 'sip:alice@lab.test', name: 'Alice' }, bob: { address: 'sip:bob@lab.test', name: 'Bob' } };
const textOf = (index: number) => `message ${index}: ${'words that fill the page '.repeat(8)}`;

function fill(): void {
  const history = open();
  history.transaction(() => {
    for (const [index, id] of (['alice', 'bob'] as const).entries()) {
      history.addConversation({
        id,
        kind: 'oneToOne',
        peer: people[id].address,
        subject: null,
        people: [people[id]],
        conversationId: id,
        contributionId: null,
        focus: null,
        continues: null,
        continuedBy: null,
        joined: true,
        createdAt: 1,
        activityAt: index,
      });
    }
    for (let index = 0; index < messagesWritten; index += 1) {
      const id = index % 3 === 0 ? 'alice' : 'bob';
      history.addMessage({
        id: `m${index}`,
        conversation: id,
        direction: 'in',
        from: people[id].address,
        fromName: people[id].name,
        fromDevice: null,
        content: { kind: 'text', text: textOf(index) },
        state: 'displayed',
        sentAt: 1000 + index,
        receivedAt: 1000 + index,
        error: null,
        wantsDelivered: false,
        wantsDisplayed: false,
      });
    }
  });
  history.dispose();
}

interface Saved {
  source: string;
  people: string[];
  messages: Map<string, MessageRecord[]>;
}

function rescue(): Saved {
  const rescued = rescueHistory({ file, key, log: silentLogger });
  const messages = new Map(rescued.conversations.map(({ record }) => [record.id, [...rescued.messages(record.id)]]));
  for (const { record, messages: count } of rescued.conversations) expect(messages.get(record.id)).toHaveLength(count);
  const names = rescued.conversations.flatMap(({ record }) => record.people.map((one) => one.name));
  const { source } = rescued;
  rescued.dispose();
  return { source, people: names.sort(), messages };
}

const readableOf = (saved: Saved) => [...saved.messages.values()].flat().filter((message) => message.isDamaged !== true);

describe('a history that is damaged', () => {
  it('is readable whichever page is destroyed: messages reported as intact are unchanged, and nothing is written to the file', () => {
    fill();
    const whole = readFileSync(file);
    let worst = messagesWritten;
    let hopeless = 0;
    for (let page = 3; page * pageSize < whole.length; page += 8) {
      const bytes = Buffer.from(whole);
      bytes.fill(0x55, page * pageSize, page * pageSize + 64);
      writeFileSync(file, bytes);
      const saved = rescue();
      for (const message of readableOf(saved)) {
        expect(message.content.text, `page ${page}`).toBe(textOf(Number(message.id.slice(1))));
        expect(message.conversation).toBe(Number(message.id.slice(1)) % 3 === 0 ? 'alice' : 'bob');
      }
      const total = [...saved.messages.values()].flat().length;
      // A page of the schema itself takes everything along: then it says so.
      if (saved.source === 'nothing') hopeless += 1;
      else worst = Math.min(worst, total);
      if (total > 0) expect(saved.people, `page ${page}`).toEqual(['Alice', 'Bob']);
      expect(readFileSync(file).equals(bytes), `page ${page}`).toBe(true);
    }
    expect({ worst, hopeless }).toEqual({ worst: messagesWritten, hopeless: 1 });
  }, 60_000);

  it('marks changed messages, and names a conversation with a lost record after its senders', () => {
    fill();
    const database = openRaw();
    database.exec(`UPDATE messages SET text = 'never said' WHERE id = 'm0'`);
    database.exec(`UPDATE conversations SET people = '[{' WHERE id = 'bob'`);
    database.close();
    const opening = (): AppError | null => {
      try {
        open().dispose();
        return null;
      } catch (error) {
        return error as AppError;
      }
    };
    expect(opening()?.code).toBe('storage/unreadable');
    const saved = rescue();
    expect(saved.people).toEqual(['Alice', 'Bob']);
    expect(saved.messages.get('alice')?.[0]).toMatchObject({ id: 'm0', content: { text: '' }, isDamaged: true });
    expect(readableOf(saved)).toHaveLength(messagesWritten - 1);
  });

  it('whose beginning is destroyed is read from the newest copy that can be, also of a version without seals', () => {
    const old = openRaw();
    migrate({ database: old, file, key, log: silentLogger }, migrations.slice(0, 1));
    old.exec(`INSERT INTO conversations VALUES ('c', 'oneToOne', 'sip:bob@lab.test', NULL, '[{"address":"sip:bob@lab.test","name":"Bob"}]',
      'c', NULL, NULL, NULL, NULL, 1, 1, 1)`);
    old.exec(
      `INSERT INTO messages VALUES (1, 'm', 'c', 'in', 'sip:bob@lab.test', 'Bob', NULL, 'from long ago', 'displayed', 1, 1, NULL, 0, 0)`,
    );
    old.close();
    open().dispose();
    for (const path of [file, ...migrations.slice(2).map((_, index) => copyBefore(file, index + 2))])
      writeFileSync(path, Buffer.alloc(8192, 7));
    const saved = rescue();
    expect(saved.source).toBe('copy');
    expect(saved.messages.get('c')).toMatchObject([{ content: { text: 'from long ago' } }]);
    writeFileSync(copyBefore(file, 1), '');
    expect(rescue()).toMatchObject({ source: 'nothing', people: [] });
  });

  it('tells, once, when SQLite notices while it is in use', () => {
    fill();
    const bytes = readFileSync(file);
    const told: string[] = [];
    const history = openOneHistory({ file, key, log: silentLogger, foundDamaged: (error) => told.push(error.code) });
    expect(told).toEqual([]);
    history.dispose();
    for (let page = 21; page * pageSize < bytes.length; page += 1) bytes.fill(0x55, page * pageSize, page * pageSize + 64);
    writeFileSync(file, bytes);
    expect(() => {
      const again = openOneHistory({ file, key, log: silentLogger, foundDamaged: (error) => told.push(error.code) });
      for (const each of again.conversations()) for (const _ of [1, 2]) expect(() => again.messages(each.id, { limit: 500 })).toThrow();
    }).toThrow('storage/unreadable');
    expect(told).toEqual(['storage/unreadable']);
  });

  it('is read in pages, backwards from the end, each message in its place whether it can be read or not', () => {
    fill();
    const database = openRaw();
    database.exec(`UPDATE messages SET text = 'never said' WHERE id = 'm292'`);
    database.close();
    const rescued = rescueHistory({ file, key, log: silentLogger });
    const every = [...rescued.messages('bob')].map(({ id }) => id);
    const pages: string[][] = [];
    for (let before: string | undefined; ; before = pages[0]?.[0]) {
      const page = rescued.page('bob', before, 30);
      if (page.length === 0) break;
      pages.unshift(page.map(({ id }) => id));
    }
    expect(pages.flat()).toEqual(every);
    expect(rescued.page('bob', undefined, 30).filter((message) => message.isDamaged === true)).toMatchObject([
      { id: 'm292', content: { text: '' } },
    ]);
    expect(rescued.page('bob', 'never given', 30)).toEqual([]);
    expect(rescued.page('nobody', undefined, 30)).toEqual([]);
    rescued.dispose();
  });
});
