import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { Connection } from '../../../../main/history/store/connection';
import { type Folded, foldAfterCommits, longLogPages } from '../../../../main/history/store/folding';
import { migrate } from '../../../../main/history/store/migrations';
import { settled } from '../../../support/doubles/virtual-clock';

const key = 'ab'.repeat(32);
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-fold-'));
  file = join(folder, 'history.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A connection whose log `fold` folds in, instead of a thread. */
const opened = (fold: () => Promise<Folded>) =>
  new Connection({ file, key, prepare: (database) => migrate({ database, file, key, log: silentLogger }), fold });
const insert = 'INSERT INTO jobs (lane, kind, message, payload, attempts, next_at) VALUES (:lane, :kind, :lane, :lane, 0, 0)';
const commit = (connection: Connection, times: number) => {
  for (let index = 0; index < times; index += 1) connection.added(insert, { lane: 'x'.repeat(2_000), kind: 'k' });
};

describe('a log that is folded in on another thread', () => {
  it('is folded in after so many commits, once at a time, and again after as many', async () => {
    const asked: ((folded: Folded) => void)[] = [];
    const connection = opened(() => new Promise((resolve) => asked.push(resolve)));
    commit(connection, foldAfterCommits - 1);
    expect(asked).toHaveLength(0);
    commit(connection, foldAfterCommits * 3);
    expect(asked).toHaveLength(1);
    asked[0]?.({ pages: 10, folded: 10 });
    await settled();
    commit(connection, 1);
    expect(asked).toHaveLength(2);
    asked[1]?.({ pages: 10, folded: 10 });
    connection.close();
  });

  it('begins at its start again when it has grown long, although something is written all the time', async () => {
    const answers: Folded[] = [];
    const connection = opened(async () => {
      await Promise.resolve();
      const there = new Connection({ file, key });
      const folded = there.fold();
      there.close();
      answers.push(folded);
      // Written meanwhile.
      commit(connection, 1);
      return { ...folded, pages: longLogPages };
    });
    commit(connection, foldAfterCommits);
    await settled();
    expect(answers).toHaveLength(2);
    expect(answers[0]?.pages).toBeGreaterThan(foldAfterCommits);
    commit(connection, 1);
    expect(connection.fold().pages).toBeLessThan(20);
    connection.close();
  });

  it('stays as it is where that thread fails, and is asked for again', async () => {
    let asked = 0;
    const connection = opened(async () => {
      asked += 1;
      throw new Error('the thread died');
    });
    commit(connection, foldAfterCommits);
    await settled();
    commit(connection, foldAfterCommits);
    await settled();
    expect(asked).toBe(2);
    connection.close();
  });
});
