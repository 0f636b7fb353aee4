import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { Change } from '../../../../main/history/records';
import { LogSync, patienceMs, toldAtOnce } from '../../../../main/history/store/log-sync';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

let folder: string;
/** The syncs that the disk was asked for, each ended by the test. */
let syncs: ((error: Error | null) => void)[];
const sync = (_descriptor: number, done: (error: Error | null) => void) => void syncs.push(done);
const broken = Object.assign(new Error('the disk is broken'), { code: 'EIO' });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-sync-'));
  syncs = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What has become of a promise. */
function watch(promise: Promise<void> | null): { state: string } {
  const watched = { state: promise === null ? 'nothing to wait for' : 'waits' };
  promise?.then(
    () => {
      watched.state = 'on disk';
    },
    (error: unknown) => {
      watched.state = String(error instanceof Error ? error.message : error);
    },
  );
  return watched;
}

describe('a log that is synced in the background', () => {
  let checkpoints: number;
  let checkpointFails: Error | null;
  let log: LogSync;

  beforeEach(() => {
    const file = join(folder, 'history.db-wal');
    writeFileSync(file, '');
    checkpoints = 0;
    checkpointFails = null;
    log = new LogSync({
      file,
      sync,
      checkpoint: () => {
        checkpoints += 1;
        if (checkpointFails !== null) throw checkpointFails;
      },
    });
  });
  afterEach(async () => {
    for (const done of syncs.splice(0)) done(null);
    log.close(null);
    await settled();
  });

  it('has nothing to wait for before anything has changed, and after it was synced', async () => {
    expect(log.onDisk()).toBeNull();
    log.changed();
    await settled();
    syncs[0]?.(null);
    expect(log.onDisk()).toBeNull();
    expect(syncs).toHaveLength(1);
  });

  it('covers everything of one turn with one sync', async () => {
    const waiting = Array.from({ length: 5 }, () => {
      log.changed();
      return watch(log.onDisk());
    });
    await settled();
    expect(syncs).toHaveLength(1);
    expect(waiting.map(({ state }) => state)).toEqual(Array(5).fill('waits'));
    syncs[0]?.(null);
    await settled();
    expect(waiting.map(({ state }) => state)).toEqual(Array(5).fill('on disk'));
  });

  it('tells few of those who wait in one turn, and all of them in the end', async () => {
    const waiting = Array.from({ length: toldAtOnce * 2 + 1 }, () => {
      log.changed();
      return watch(log.onDisk());
    });
    await settled();
    syncs[0]?.(null);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    expect(waiting.map(({ state }) => state)).toEqual([...Array(toldAtOnce).fill('on disk'), ...Array(toldAtOnce + 1).fill('waits')]);
    await settled();
    expect(waiting.map(({ state }) => state)).toEqual(Array(waiting.length).fill('on disk'));
  });

  it('lets what nobody waits for wait a moment for the sync of something else', async () => {
    const clock = new VirtualClock();
    const file = join(folder, 'patient-wal');
    writeFileSync(file, '');
    const patient = new LogSync({ file, sync, clock, checkpoint: () => undefined });
    patient.changed();
    await settled();
    expect(syncs).toHaveLength(0);
    const waiting = watch(patient.onDisk());
    await settled();
    syncs[0]?.(null);
    await settled();
    expect([waiting.state, syncs.length]).toEqual(['on disk', 1]);
    patient.changed();
    await clock.advance(patienceMs);
    await settled();
    expect(syncs).toHaveLength(2);
    syncs[1]?.(null);
    await settled();
    await clock.advance(patienceMs * 10);
    expect(syncs).toHaveLength(2);
    patient.close(null);
  });

  it('covers what is committed during a sync with the next one, and what was committed before with the running one', async () => {
    log.changed();
    await settled();
    const before = watch(log.onDisk());
    log.changed();
    const during = watch(log.onDisk());
    syncs[0]?.(null);
    await settled();
    expect([before.state, during.state, syncs.length]).toEqual(['on disk', 'waits', 2]);
    syncs[1]?.(null);
    await settled();
    expect(during.state).toBe('on disk');
  });

  it('fails everybody whom a failed sync was to cover, and trusts no further sync until a checkpoint has brought all to the disk', async () => {
    log.changed();
    const one = watch(log.onDisk());
    const other = watch(log.onDisk());
    await settled();
    checkpointFails = new Error('still broken');
    syncs[0]?.(broken);
    await settled();
    expect([one.state, other.state]).toEqual(['the disk is broken', 'the disk is broken']);
    const again = watch(log.onDisk());
    await settled();
    expect([again.state, checkpoints, syncs.length]).toEqual(['still broken', 1, 1]);
    checkpointFails = null;
    const last = watch(log.onDisk());
    await settled();
    expect([last.state, checkpoints, syncs.length]).toEqual(['on disk', 2, 1]);
    expect(log.onDisk()).toBeNull();
  });

  it('tells those who wait how the closing of the database went', async () => {
    log.changed();
    const well = watch(log.onDisk());
    log.close(null);
    await settled();
    expect([well.state, syncs.length]).toEqual(['on disk', 0]);
  });

  it('fails where its file cannot be opened', async () => {
    const lost = new LogSync({ file: join(folder, 'none'), sync, checkpoint: () => undefined });
    lost.changed();
    const waiting = watch(lost.onDisk());
    await settled();
    expect(waiting.state).toContain('ENOENT');
    lost.close(null);
  });
});

describe('a history that does not wait for the disk', () => {
  let history: OneHistory;
  let told: (readonly Change[])[];

  beforeEach(() => {
    history = openOneHistory({ file: join(folder, 'history.db'), key: 'ab'.repeat(32), log: silentLogger, sync });
    history.addConversation(conversationRecord('c'));
    told = [];
    history.onChange.on((changes) => told.push(changes));
  });
  afterEach(async () => {
    for (const done of syncs.splice(0)) done(null);
    await history.close();
  });
  const ids = () => told.map((changes) => changes.map(({ id }) => id));

  it('can be read at once, and reports changes of one commit together once they are on disk', async () => {
    for (const id of ['m1', 'm2']) history.soon(() => history.addMessage(messageRecord(id)));
    const waiting = watch(history.onDisk());
    expect(history.message('m2')?.id).toBe('m2');
    await settled();
    expect([waiting.state, ids()]).toEqual(['waits', []]);
    syncs[0]?.(null);
    await settled();
    expect([waiting.state, ids()]).toEqual(['on disk', [['m1', 'm2']]]);
    expect(history.onDisk()).toBeNull();
  });

  it('is undone alone where its own work fails', async () => {
    history.soon(() => history.addMessage(messageRecord('m1')));
    expect(() =>
      history.soon(() => {
        history.addMessage(messageRecord('m2'));
        throw new Error('no');
      }),
    ).toThrow('no');
    await settled();
    syncs[0]?.(null);
    await settled();
    expect([history.message('m2'), ids()]).toEqual([null, [['m1']]]);
  });

  it('reports changes in the order of their commits', async () => {
    history.soon(() => history.addMessage(messageRecord('m1')));
    history.transaction(() => history.addMessage(messageRecord('m2')));
    expect(ids()).toEqual([['m1', 'm2']]);
    await settled();
    syncs[0]?.(null);
    await settled();
    expect(ids()).toEqual([['m1', 'm2']]);
  });

  it('is as durable as the transaction that it is a part of', async () => {
    history.transaction(() => history.soon(() => history.addMessage(messageRecord('m1'))));
    expect(history.onDisk()).toBeNull();
    await settled();
    expect(syncs).toEqual([]);
  });

  it('says with an error of its own that the disk has failed, and acknowledges once a checkpoint has put it right', async () => {
    history.soon(() => history.addMessage(messageRecord('m1')));
    const waiting = watch(history.onDisk());
    await settled();
    syncs[0]?.(broken);
    await settled();
    expect(waiting.state).toMatch(/^storage\/(failed|full)/);
    // The peer sends it again: it is here, and now also on the disk.
    expect(history.soon(() => history.addMessage(messageRecord('m1')))).toBe(false);
    const again = watch(history.onDisk());
    await settled();
    expect([again.state, syncs.length]).toEqual(['on disk', 1]);
  });
});
