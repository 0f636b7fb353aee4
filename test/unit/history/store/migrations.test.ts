import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { newConversation } from '../../../../main/cpm/conversation/record';
import type { ConversationRecord } from '../../../../main/history/records';
import { contents, copyBefore, migrate, migrations, verifyCopy } from '../../../../main/history/store/migrations';
import { openOneHistory } from '../../../support/doubles/one-history';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

const key = 'ab'.repeat(32);
let folder: string;
let file: string;

const openRaw = (path = file) => new Libsql(path, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
const versionOf = (database: Libsql.Database) => database.prepare('SELECT user_version AS v FROM pragma_user_version').all()[0];

const first = 'CREATE TABLE words (word TEXT PRIMARY KEY) STRICT';
const second = `ALTER TABLE words ADD COLUMN length INTEGER; UPDATE words SET length = length(word)`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-migrations-'));
  file = join(folder, 'history.db');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeVersion1(): void {
  const database = openRaw();
  migrate({ database, file, key, log: silentLogger }, [first]);
  database.exec(`INSERT INTO words VALUES ('remember')`);
  database.close();
}

function addWords(database: Libsql.Database): void {
  database.exec('BEGIN');
  for (let index = 0; index < 2000; index += 1) database.exec(`INSERT INTO words VALUES ('word ${index}')`);
  database.exec('COMMIT');
}

describe('migrations', () => {
  it('bring a new file to the newest version without a copy', () => {
    const database = openRaw();
    migrate({ database, file, key, log: silentLogger }, [first, 'CREATE TABLE more (a TEXT) STRICT']);
    expect(versionOf(database)).toEqual({ v: 2 });
    database.close();
    expect(existsSync(copyBefore(file, 1))).toBe(false);
  });

  it('run only what a file has not seen, after an encrypted copy of it for this user alone', () => {
    makeVersion1();
    const database = openRaw();
    migrate({ database, file, key, log: silentLogger }, [first, second]);
    expect(database.prepare('SELECT * FROM words').all()).toEqual([{ word: 'remember', length: 8 }]);
    database.close();
    const path = copyBefore(file, 1);
    expect(readFileSync(path).includes('remember')).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const copy = openRaw(path);
    expect(versionOf(copy)).toEqual({ v: 1 });
    expect(copy.prepare('SELECT * FROM words').all()).toEqual([{ word: 'remember' }]);
    copy.close();
  });

  it('that fail leave the version and the data as they were, and work at the next attempt', () => {
    makeVersion1();
    const database = openRaw();
    expect(() => migrate({ database, file, key, log: silentLogger }, [first, `DELETE FROM words; NONSENSE`])).toThrow();
    expect(versionOf(database)).toEqual({ v: 1 });
    expect(database.prepare('SELECT * FROM words').all()).toHaveLength(1);
    writeFileSync(`${copyBefore(file, 1)}.draft`, 'left by a process that was killed');
    migrate({ database, file, key, log: silentLogger }, [first, second]);
    expect(versionOf(database)).toEqual({ v: 2 });
    expect(existsSync(`${copyBefore(file, 1)}.draft`)).toBe(false);
    database.close();
  });

  it('do not begin when the copy cannot be made whole: the file is as it was', () => {
    makeVersion1();
    const database = openRaw();
    addWords(database);
    database.close();
    const bytes = readFileSync(file);
    bytes.fill(0x55, 3 * 4096, 3 * 4096 + 512);
    writeFileSync(file, bytes);
    const damaged = openRaw();
    expect(() => migrate({ database: damaged, file, key, log: silentLogger }, [first, second])).toThrow('storage/unreadable');
    damaged.close();
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(existsSync(copyBefore(file, 1))).toBe(false);
  });

  it('take no copy for one that is empty, lacks a row, is locked with another key, or is damaged', () => {
    makeVersion1();
    const database = openRaw();
    addWords(database);
    const expected = contents(database);
    expect(expected).toBe('version 1, words 2001');
    const copy = `${file}.copy`;
    const fresh = () => {
      rmSync(copy, { force: true });
      database.prepare('VACUUM INTO ?').run(copy);
    };
    const refusal = () => expect(() => verifyCopy(copy, key, expected));
    fresh();
    verifyCopy(copy, key, expected);
    const whole = readFileSync(copy);
    const shorter = openRaw(copy);
    shorter.exec(`DELETE FROM words WHERE word = 'word 7'`);
    shorter.close();
    refusal().toThrow('it holds version 1, words 2000, not version 1, words 2001');
    writeFileSync(copy, '');
    refusal().toThrow('storage/unreadable');
    fresh();
    expect(() => verifyCopy(copy, 'cd'.repeat(32), expected)).toThrow('storage/unreadable');
    whole.fill(0x55, 3 * 4096, 3 * 4096 + 512);
    writeFileSync(copy, whole);
    refusal().toThrow('storage/unreadable');
    database.close();
  });

  it('12: make those known to whom this account has written, and nobody who has only written to it', () => {
    const history = openOneHistory({ file, key, log: silentLogger });
    const clock = new VirtualClock();
    const begin = (name: string, more: Partial<ConversationRecord> = {}) => {
      const people = [{ address: `sip:${name}@lab.test`, name }];
      history.addConversation({ ...newConversation(clock, { kind: 'oneToOne', people, peer: `sip:${name}@lab.test`, id: name }), ...more });
    };
    const say = (conversation: string, direction: 'in' | 'out') =>
      history.addMessage({
        ...{ id: `${conversation} ${direction}`, conversation, direction, from: 'sip:x@lab.test', fromName: 'X', fromDevice: null },
        ...{ content: { kind: 'text', text: 'hi' }, state: direction === 'in' ? 'received' : 'sent', sentAt: 1, receivedAt: 1 },
        ...{ error: null, wantsDelivered: false, wantsDisplayed: false },
      });
    begin('answered');
    begin('stranger');
    begin('hidden', { hides: 'self' });
    begin('group', { kind: 'group', peer: null });
    for (const one of ['answered', 'stranger', 'hidden', 'group']) say(one, 'in');
    for (const one of ['answered', 'hidden', 'group']) say(one, 'out');
    history.dispose();
    const database = openRaw();
    database.exec(migrations[11] ?? '');
    database.close();
    const raised = openOneHistory({ file, key, log: silentLogger });
    expect(
      raised.conversations().flatMap(({ id, people }) => (people[0]?.knownSince === undefined ? [] : [[id, people[0].knownSince]])),
    ).toEqual([['answered', clock.now()]]);
    raised.dispose();
  });

  it('refuse a file that a newer program has written', () => {
    openOneHistory({ file, key, log: silentLogger }).dispose();
    const database = openRaw();
    expect(versionOf(database)).toEqual({ v: migrations.length });
    database.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    database.close();
    expect(() => openOneHistory({ file, key, log: silentLogger })).toThrow('storage/newer');
  });
});
