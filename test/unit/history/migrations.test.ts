import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../main/base';
import { openHistory } from '../../../main/history/history';
import { copyBefore, migrate, migrations } from '../../../main/history/migrations';

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
  migrate(database, file, silentLogger, [first]);
  database.exec(`INSERT INTO words VALUES ('remember')`);
  database.close();
}

describe('migrations', () => {
  it('bring a new file to the newest version without a copy', () => {
    const database = openRaw();
    migrate(database, file, silentLogger, [first, 'CREATE TABLE more (a TEXT) STRICT']);
    expect(versionOf(database)).toEqual({ v: 2 });
    database.close();
  });

  it('run only what a file has not seen, after an encrypted copy of it for this user alone', () => {
    makeVersion1();
    const database = openRaw();
    migrate(database, file, silentLogger, [first, second]);
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
    expect(() => migrate(database, file, silentLogger, [first, `DELETE FROM words; NONSENSE`])).toThrow();
    expect(versionOf(database)).toEqual({ v: 1 });
    expect(database.prepare('SELECT * FROM words').all()).toHaveLength(1);
    writeFileSync(`${copyBefore(file, 1)}.draft`, 'left by a process that was killed');
    migrate(database, file, silentLogger, [first, second]);
    expect(versionOf(database)).toEqual({ v: 2 });
    expect(existsSync(`${copyBefore(file, 1)}.draft`)).toBe(false);
    database.close();
  });

  it('refuse a file that a newer program has written', () => {
    openHistory({ file, key, log: silentLogger }).dispose();
    const database = openRaw();
    expect(versionOf(database)).toEqual({ v: migrations.length });
    database.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    database.close();
    expect(() => openHistory({ file, key, log: silentLogger })).toThrow('storage/unreadable');
  });
});
