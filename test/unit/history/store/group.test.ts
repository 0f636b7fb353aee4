import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { Change } from '../../../../main/history/records';
import { largestGroup } from '../../../../main/history/store/connection';
import { openDatabase } from '../../../../main/history/store/open-file';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';
import { settled } from '../../../support/doubles/virtual-clock';

const key = 'ab'.repeat(32);
let folder: string;
let file: string;
let history: OneHistory;
let told: (readonly Change[])[];
let syncs: ((error: Error | null) => void)[];
const prototype: { exec(sql: string): unknown } = Libsql.prototype;
const execute = prototype.exec;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-group-'));
  file = join(folder, 'history.db');
  syncs = [];
  history = openOneHistory({ file, key, log: silentLogger, sync: (_descriptor, done) => void syncs.push(done) });
  history.addConversation(conversationRecord('c'));
  told = [];
  history.onChange.on((changes) => told.push(changes));
});

afterEach(async () => {
  prototype.exec = execute;
  for (const done of syncs.splice(0)) done(null);
  await history.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What another connection sees: what is committed. */
function committed(): number {
  const database = openDatabase(file, key);
  const [row] = database.prepare('SELECT count(*) AS messages FROM messages').all() as { messages: number }[];
  database.close();
  return row?.messages ?? 0;
}

/** The next COMMIT fails, as on a full disk. */
function failNextCommit(): void {
  prototype.exec = function (this: Libsql.Database, sql: string) {
    if (sql !== 'COMMIT') return execute.call(this, sql);
    prototype.exec = execute;
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  };
}

const soon = (id: string) => history.soon(() => history.addMessage(messageRecord(id)));
const outcome = (promise: Promise<void> | null) => promise?.then(() => 'on disk', String) ?? 'nothing to wait for';

describe('what is written by `soon`', () => {
  it('is read at once, and committed together before the sync begins', async () => {
    for (const id of ['m1', 'm2', 'm3']) soon(id);
    expect([history.message('m3')?.id, committed(), syncs.length]).toEqual(['m3', 0, 0]);
    void history.onDisk();
    await settled();
    expect([committed(), syncs.length]).toEqual([3, 1]);
  });

  it('is committed when there is much of it, whatever the disk does', async () => {
    soon('first');
    void history.onDisk();
    await settled();
    for (let index = 0; index <= largestGroup; index += 1) soon(`m${index}`);
    expect([committed(), syncs.length]).toEqual([1 + largestGroup, 1]);
  });

  it('is committed before a transaction that does not wait', () => {
    soon('m1');
    history.transaction(() => history.addMessage(messageRecord('m2')));
    expect(committed()).toBe(2);
  });

  it('stays when a later transaction fails', () => {
    soon('m1');
    const failing = () =>
      history.transaction(() => {
        history.addMessage(messageRecord('m2'));
        throw new Error('no');
      });
    expect(failing).toThrow('no');
    expect([history.message('m1')?.id, history.message('m2'), committed()]).toEqual(['m1', null, 1]);
  });

  it('is undone together where the commit fails: everybody who waits hears it, and nothing of it is told as said', async () => {
    soon('m1');
    const first = outcome(history.onDisk());
    soon('m2');
    const second = outcome(history.onDisk());
    failNextCommit();
    await settled();
    expect(await Promise.all([first, second])).toEqual([expect.stringMatching(/storage\/full/), expect.stringMatching(/storage\/full/)]);
    expect([history.message('m1'), history.message('m2'), committed()]).toEqual([null, null, 0]);
    // Its conversation may have been told with it in between.
    expect(told).toEqual([[{ what: 'conversation', how: 'changed', id: 'c' }]]);
    for (const done of syncs.splice(0)) done(null);
    expect(soon('m1')).toBe(true);
    const again = outcome(history.onDisk());
    await settled();
    for (const done of syncs.splice(0)) done(null);
    expect(await again).toBe('on disk');
  });

  it('is forgotten with its commit by what is remembered of conversations and clocks', async () => {
    const clock = { atLeast: null, atMost: 5, measuredAt: 1, shown: null, dated: null, placed: null };
    expect([history.conversation('c')?.activityAt, history.clockOf('d')]).toEqual([conversationRecord('c').activityAt, null]);
    history.soon(() => {
      history.updateConversation('c', { activityAt: 99 });
      history.putClock('d', clock);
    });
    expect([history.conversation('c')?.activityAt, history.clockOf('d')]).toEqual([99, clock]);
    failNextCommit();
    void outcome(history.onDisk());
    await settled();
    expect([history.conversation('c')?.activityAt, history.clockOf('d')]).toEqual([conversationRecord('c').activityAt, null]);
  });

  it('need not be waited for by a job that was on disk before it', async () => {
    const before = history.addJob({ lane: 'l', kind: 'message', message: 'm', payload: '{}', nextAt: 0 });
    const added = history.soon(() => history.addJob({ lane: 'l', kind: 'message', message: 'n', payload: '{}', nextAt: 0 }));
    expect(history.onDisk(before.id)).toBeNull();
    const waits = outcome(history.onDisk(added.id));
    await settled();
    for (const done of syncs.splice(0)) done(null);
    expect([await waits, history.onDisk(added.id)]).toEqual(['on disk', null]);
  });

  it('is waited for, even by a job that was on disk before it, as long as the disk is in doubt', async () => {
    const before = history.addJob({ lane: 'l', kind: 'message', message: 'm', payload: '{}', nextAt: 0 });
    soon('m1');
    const waits = outcome(history.onDisk());
    await settled();
    for (const done of syncs.splice(0)) done(Object.assign(new Error('broken'), { code: 'EIO' }));
    await waits;
    const again = outcome(history.onDisk(before.id));
    await settled();
    expect(await again).toBe('on disk');
  });
});

describe('an account’s conversations', () => {
  it('are read from the file again after each change of them', () => {
    const name = () => history.conversation('c')?.subject;
    expect(name()).toBe(null);
    history.updateConversation('c', { subject: 'Boats' });
    expect(name()).toBe('Boats');
    expect(() =>
      history.transaction(() => {
        history.updateConversation('c', { subject: 'Trains' });
        expect(name()).toBe('Trains');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(name()).toBe('Boats');
    history.updateConversation('c', { activityAt: 77 });
    expect([history.conversation('c')?.activityAt, name()]).toEqual([77, 'Boats']);
  });
});
