import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { indexBatch } from '../../../../main/history/search/search-index';
import type { AppError } from '../../../../preload/contract/errors';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';

const key = '3c'.repeat(32);
const pageSize = 4096;
const written = indexBatch + 50;
let folder: string;
let file: string;
let found: AppError[];
let history: OneHistory;

const open = () => openOneHistory({ file, key, log: silentLogger, foundDamaged: (error) => found.push(error) });

function raw(work: (database: Libsql.Database) => void): void {
  history.dispose();
  const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
  work(database);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  history = open();
}

const say = (id: string, text: string) => history.addMessage(messageRecord(id, { text }));

const find = (typed: string) => history.search(typed, 1000).map((hit) => hit.message.id);
const fill = () => {
  let steps = 0;
  while (history.fillIndex()) steps += 1;
  return steps;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-index-'));
  file = join(folder, 'history.db');
  found = [];
  history = open();
  history.addConversation(conversationRecord('c'));
  history.transaction(() => {
    for (let index = 0; index < written; index += 1) say(`m${index}`, `needle number${index} ${'and other words '.repeat(4)}`);
  });
});

afterEach(() => {
  history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const expectWhole = () => {
  fill();
  expect(find('needle')).toHaveLength(written);
  expect(find('number7')).toContain('m7');
  expect(found).toEqual([]);
};

describe('the words of new messages', () => {
  /** Messages whose words are in the index. */
  const indexed = (): number => {
    let upTo = 0;
    raw((database) => {
      upTo = (database.prepare('SELECT up_to FROM indexed').all() as { up_to: number }[])[0]?.up_to ?? 0;
    });
    return upTo;
  };

  it('go into the index many together, and are found before they are there', () => {
    expect(fill()).toBeGreaterThan(1);
    expect(indexed()).toBe(written);
    say('new', 'needle');
    expect(indexed()).toBe(written);
    expect(find('needle')[0]).toBe('new');
    history.transaction(() => undefined);
    expect(indexed()).toBe(written + 1);
    expect(history.fillIndex()).toBe(false);
  });

  it('are left out by a message that was deleted before they got there', () => {
    fill();
    say('gone', 'thimble');
    history.removeMessage('gone', 'in');
    say('stays', 'thimble');
    expect(find('thimble')).toEqual(['stays']);
    history.removeMessage('stays', 'in');
    expect(find('thimble')).toEqual([]);
  });
});

describe('an index for search that is damaged', () => {
  const damages: [string, string][] = [
    ['gone', 'DROP TABLE message_words'],
    ['without its content', 'DELETE FROM message_words_data'],
    ['with content that makes no sense', "UPDATE message_words_data SET block = x'ffffffffffffffff'"],
    ['without its configuration', 'DROP TABLE message_words_config'],
    ['without the table of its pages', 'DROP TABLE message_words_idx'],
  ];

  it.each(damages)('%s is noticed by a search and rebuilt from the messages', (_, sql) => {
    raw((database) => database.exec(sql));
    find('needle');
    expectWhole();
  });

  it.each(damages)('%s does not keep a message from being stored', (_, sql) => {
    raw((database) => database.exec(sql));
    expect(history.transaction(() => say('new', 'needle') && say('newer', 'needle'))).toBe(true);
    expect(history.message('new')?.content.text).toBe('needle');
    find('needle');
    fill();
    expect(find('needle')).toHaveLength(written + 2);
    expect(found).toEqual([]);
  });

  it.each(damages)('%s does not keep an older history from being brought up to date', (_, sql) => {
    raw((database) =>
      database.exec(`DROP VIEW searchable; ${sql}; PRAGMA user_version = 17; CREATE VIEW searchable AS SELECT seq, text, '' AS sender FROM messages;
      DROP TABLE IF EXISTS message_words_folded`),
    );
    expectWhole();
  });

  it('in a page of the file is repaired by a rebuild; the file needs no rescue', () => {
    const roots: number[] = [];
    raw((database) => {
      const rows = database
        .prepare(`SELECT rootpage FROM sqlite_schema WHERE name LIKE 'message\\_words\\_%' ESCAPE '\\' AND rootpage > 0`)
        .all();
      roots.push(...(rows as { rootpage: number }[]).map(({ rootpage }) => rootpage));
    });
    history.dispose();
    const whole = readFileSync(file);
    expect(roots.length).toBeGreaterThan(3);
    for (const root of roots) {
      const bytes = Buffer.from(whole);
      bytes.fill(0x55, (root - 1) * pageSize, root * pageSize);
      writeFileSync(file, bytes);
      history = open();
      find('needle');
      say('new', 'something else');
      expectWhole();
      history.dispose();
    }
    history = open();
  });

  it('is filled newest first; messages deleted meanwhile are not found, and after an interruption the next process continues', () => {
    raw((database) => database.exec('DROP TABLE message_words'));
    find('needle');
    expect(history.fillIndex()).toBe(true);
    expect(find('needle')).toHaveLength(indexBatch);
    expect(find('needle')).toContain(`m${written - 1}`);
    history.removeMessage('m3', 'in');
    history.removeMessage(`m${written - 1}`, 'in');
    say('meanwhile', 'needle');
    history.dispose();
    history = open();
    expect(fill()).toBeGreaterThan(0);
    expect(find('needle')).toHaveLength(written - 1);
    expect(find('number3')).not.toContain('m3');
    history.removeMessage('m4', 'in');
    expect(find('needle')).not.toContain('m4');
    expect(history.fillIndex()).toBe(false);
  });

  it('survives the next change of the schema: a copy of the whole file can be made', () => {
    history.dispose();
    const root = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const [row] = root.prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'message_words_data'`).all() as { rootpage: number }[];
    root.close();
    const bytes = readFileSync(file);
    bytes.fill(0x55, ((row?.rootpage ?? 1) - 1) * pageSize, (row?.rootpage ?? 1) * pageSize);
    writeFileSync(file, bytes);
    history = open();
    find('needle');
    fill();
    raw((database) => {
      const copy = join(folder, 'copy.db');
      database.prepare('VACUUM INTO ?').run([copy]);
      const opened = new Libsql(copy, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
      expect(opened.prepare('PRAGMA quick_check').all()).toEqual([{ quick_check: 'ok' }]);
      opened.close();
    });
    expectWhole();
  });
});

it('a damaged message is still a case for a rescue, also when it is met on the way through the index', () => {
  history.dispose();
  const whole = readFileSync(file);
  const pages = Array.from({ length: whole.length / pageSize - 1 }, (_, index) => index + 1);
  let rescues = 0;
  for (const page of pages.filter((each) => each % 7 === 0)) {
    const bytes = Buffer.from(whole);
    bytes.fill(0x55, page * pageSize, (page + 1) * pageSize);
    writeFileSync(file, bytes);
    for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
    found = [];
    try {
      history = open();
      find('needle');
      fill();
      const hits = history.search('needle', 1000);
      for (const { message } of hits) if (message.isDamaged !== true) expect(message.content.text).toContain('needle');
      if (hits.length < written) expect(found.length).toBeGreaterThan(0);
    } catch {
      rescues += 1;
    } finally {
      history.dispose();
    }
  }
  expect(rescues).toBeGreaterThan(0);
  writeFileSync(file, whole);
  history = open();
});
