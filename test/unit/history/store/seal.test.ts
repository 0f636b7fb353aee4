import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { MessageRecord } from '../../../../main/history/records';
import { migrate, migrations, sealedVersion } from '../../../../main/history/store/migrations';
import { AppError } from '../../../../preload/contract/errors';
import { conversationRecord, type MessageChange, messageRecord } from '../../../support/doubles/history-records';
import { openOneHistory } from '../../../support/doubles/one-history';

const key = 'ef'.repeat(32);
let folder: string;
let file: string;

const open = () => openOneHistory({ file, key, log: silentLogger });
const openRaw = () => new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-seal-'));
  file = join(folder, 'history.db');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (id: string, change: MessageChange = {}) =>
  messageRecord(id, { text: `the words of ${id}, which are longer than one block of the cipher is`, ...change });

function fill(records: MessageRecord[]): void {
  const history = open();
  history.addConversation(conversationRecord('c'));
  for (const each of records) history.addMessage(each);
  history.dispose();
}

describe('the seal of a message', () => {
  it('holds for every text, through every state, after closing and opening', () => {
    const texts = ['', 'a\u0000b', 'half \ud83d pair', '\ud83d\ude00', 'e\u0301', '\r\n"\\'];
    fill(texts.map((text, index) => record(`m${index}`, { text, fromDevice: index === 0 ? null : 'Tablet', receivedAt: index || null })));
    const history = open();
    history.setMessageState('m1', 'displayed', null);
    expect(history.messages('c', { limit: 50 }).filter((each) => each.isDamaged === true)).toEqual([]);
    history.dispose();
  });

  it('is broken by a change of anything that is shown: then no text is shown at all', () => {
    const changes = [
      "text = 'pay Eve'",
      "sender = 'sip:eve@lab.test'",
      "sender_name = 'Eve'",
      'sent_at = 1',
      "direction = 'out'",
      "only_with = 'sip:eve@lab.test'",
      "seal = ''",
    ];
    for (const change of changes) {
      rmSync(file, { force: true });
      fill([record('m1'), record('m2', { text: 'untouched' })]);
      const database = openRaw();
      database.exec(`UPDATE messages SET ${change} WHERE id = 'm1'`);
      database.close();
      const history = open();
      expect(history.message('m1'), change).toMatchObject({ content: { text: '' }, isDamaged: true });
      expect(history.message('m2'), change).toEqual(record('m2', { text: 'untouched' }));
      history.dispose();
    }
  });

  it('does not fit another message', () => {
    fill([record('m1'), record('m2')]);
    const database = openRaw();
    database.exec(`UPDATE messages SET seal = (SELECT seal FROM messages WHERE id = 'm2') WHERE id = 'm1'`);
    database.close();
    const history = open();
    expect(history.message('m1')?.isDamaged).toBe(true);
    history.dispose();
  });

  it('is put on the messages of an older history', () => {
    const database = openRaw();
    migrate({ database, file, key, log: silentLogger }, migrations.slice(0, sealedVersion - 1));
    database.exec(
      `INSERT INTO conversations VALUES ('c', 'oneToOne', 'sip:bob@lab.test', NULL, '[]', 'c', NULL, NULL, NULL, NULL, 1, 1, 1)`,
    );
    database.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
      INSERT INTO messages (id, conversation, direction, sender, sender_name, text, state, sent_at, wants_delivered, wants_displayed)
      SELECT 'm' || i, 'c', 'in', 'sip:bob@lab.test', 'Bob', 'text ' || i, 'received', i, 0, 0 FROM n`);
    database.close();
    const history = open();
    for (const id of ['m1', 'm1000', 'm1001', 'm2500'])
      expect(history.message(id), id).toMatchObject({ content: { text: `text ${id.slice(1)}` } });
    expect(history.message('m2500')?.isDamaged).toBeUndefined();
    history.dispose();
  });
});

describe('a flipped byte in the file', () => {
  it('never makes a message say something that nobody wrote', () => {
    const written = new Map(Array.from({ length: 200 }, (_, index) => [`m${index}`, record(`m${index}`)]));
    fill([...written.values()]);
    const whole = readFileSync(file);
    let damaged = 0;
    let refused = 0;
    // Every 997th byte: it hits every page of the file, and every kind of place in them.
    for (let at = 100; at < whole.length; at += 997) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      for (const suffix of ['-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
      writeFileSync(file, bytes);
      try {
        const history = open();
        try {
          for (const each of history.messages('c', { limit: 500 })) {
            if (each.isDamaged === true) damaged += 1;
            else expect(each.content.text, `byte ${at}`).toBe(written.get(each.id)?.content.text);
          }
        } finally {
          history.dispose();
        }
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        refused += 1;
      }
    }
    expect(damaged).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});
