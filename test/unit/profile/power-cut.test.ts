import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../base/log';
import { Connection } from '../../../main/history/store/connection';
import { LogMark, markFile, readMark } from '../../../main/history/store/log-mark';
import { LogSync } from '../../../main/history/store/log-sync';
import { openTwice, type WholeStore } from '../../../main/profile/durable-json';
import { changed, writeWhole } from '../../../main/profile/kept-twice';
import { createFileSecretBox, secretKeyFile } from '../../../main/profile/settings';
import { conversationRecord } from '../../support/doubles/history-records';
import { openOneHistory } from '../../support/doubles/one-history';
import { forget, left, opened, settle } from '../../support/doubles/power-cut';
import { settled } from '../../support/doubles/virtual-clock';

vi.mock('node:fs', async (original) => (await import('../../support/doubles/power-cut')).recorded(await original<typeof fs>()));

const key = 'ab'.repeat(32);
let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'chorus-power-'));
  forget();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('after a power cut', () => {
  it('a key that was made is there with its copy, both made exclusively and for their owner alone', () => {
    const file = secretKeyFile(folder);
    createFileSecretBox(file);
    const text = fs.readFileSync(file, 'utf8');
    expect([left(file), left(`${file}.copy`)]).toEqual([text, text]);
    expect(opened.map(({ flags, mode }) => [flags, mode])).toEqual(opened.map(() => ['wx', 0o600]));
    expect(opened).toHaveLength(2);
  });

  it('a file that was replaced is the earlier one or the new one, and the new one once the call has returned', () => {
    const file = join(folder, 'some.json');
    fs.writeFileSync(file, 'earlier');
    settle(fs, folder);
    writeWhole(file, 'new');
    expect(left(file)).toBe('new');
    expect(opened.at(-1)).toEqual({ path: `${file}.draft`, flags: 'wx', mode: 0o600 });
  });

  it('a change of any JSON file has its name on the disk', () => {
    const stores = (name: string): WholeStore => {
      const path = join(folder, `${name}.json`);
      // As conf does: whole, synced, renamed, but not the folder.
      return {
        path,
        get: () => undefined,
        get store() {
          return {};
        },
        set store(values: Record<string, unknown>) {
          const descriptor = fs.openSync(`${path}.tmp`, 'w', 0o600);
          fs.writeSync(descriptor, JSON.stringify(values));
          fs.fsyncSync(descriptor);
          fs.closeSync(descriptor);
          fs.renameSync(`${path}.tmp`, path);
        },
      };
    };
    const open = openTwice(folder, ['settings'], stores);
    for (const name of ['settings', 'identity']) {
      open(name).set('value', name);
      expect(left(join(folder, `${name}.json`)), name).toContain(`"value":"${name}"`);
    }
    expect(left(join(folder, 'settings.json.copy'))).toBe(left(join(folder, 'settings.json')));
  });

  it('a change counts even where its copy cannot be written', () => {
    const file = join(folder, 'settings.json');
    fs.writeFileSync(file, 'new');
    fs.mkdirSync(`${file}.copy.draft`);
    forget();
    expect(() => changed(file)).not.toThrow();
    expect(left(file)).not.toBeNull();
  });

  it('the mark of a new history is there, made exclusively', () => {
    const file = join(folder, 'history.db');
    const mark = new LogMark(file, key, { commits: 7, messages: 3 });
    mark.close();
    expect(left(markFile(file))).toBe(fs.readFileSync(markFile(file), 'utf8'));
    expect(opened).toEqual([{ path: markFile(file), flags: 'wx+', mode: 0o600 }]);
    expect(readMark(file, key)).toEqual({ commits: 7, messages: 3 });
  });

  it('the log of the history has its name, before anybody is told that something is on the disk', async () => {
    const file = join(folder, 'history.db-wal');
    fs.writeFileSync(file, '');
    const log = new LogSync({ file, sync: (_descriptor, done) => done(null), checkpoint: () => undefined });
    expect(left(file)).toBeNull();
    log.changed();
    const onDisk = log.onDisk();
    await settled();
    await onDisk;
    expect(left(file)).not.toBeNull();
    log.close(null);
  });
});

describe('what SQLite is told about syncing', () => {
  it('is FULL, and NORMAL for what is synced later, also after one that failed', () => {
    const file = join(folder, 'history.db');
    openOneHistory({ file, key, log: silentLogger }).dispose();
    const connection = new Connection({ file, key, prepare: (database) => void database.exec('PRAGMA journal_mode = WAL') });
    const says = (pragma: string) => Object.values(connection.one(`PRAGMA ${pragma}`, {}, (row) => row) ?? {})[0];
    const synchronous = () => says('synchronous');
    const [normal, full] = [1, 2];
    expect([synchronous(), String(says('journal_mode'))]).toEqual([full, 'wal']);
    expect(connection.transaction(synchronous)).toBe(full);
    expect(connection.soon(synchronous)).toBe(normal);
    // The open group is committed first, on its own.
    expect(connection.transaction(synchronous)).toBe(full);
    expect(connection.transaction(() => connection.soon(synchronous))).toBe(full);
    expect(() =>
      connection.soon(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(connection.transaction(synchronous)).toBe(full);
    connection.close();
  });

  it('makes the history and its log for their owner alone', () => {
    const file = join(folder, 'history.db');
    const history = openOneHistory({ file, key, log: silentLogger });
    history.addConversation(conversationRecord('c'));
    for (const name of fs.readdirSync(folder)) expect(fs.statSync(join(folder, name)).mode & 0o077, name).toBe(0);
    history.dispose();
  });
});
