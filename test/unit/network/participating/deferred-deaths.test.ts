/**
 * The function dies as by `kill -9`, just before or just after each step on disk, and another process takes over its file. Devices and
 * senders behave as real ones: a sender without an answer sends again, a device knows what it has by its Message-ID.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StateDatabase } from '../../../../network/state/database';
import { ALICE, ALICES_PC, BOB, BOBS_DESK, BOBS_TABLET, DeferredLab, pager, receipt } from '../../../support/doubles/deferred-lab';
import { settle, VirtualClock } from '../../../support/doubles/network-doubles';

class Died extends Error {}

let folder = '';
let generation = 0;
/** The process dies at this transaction (from 0), at this moment; null: never. */
let death: { at: number; moment: 'before' | 'after' } | null = null;
let steps = 0;
let isDead = false;

const file = () => join(folder, `state-${generation}.db`);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deferred-'));
  generation = 0;
  steps = 0;
  death = null;
  isDead = false;
  const real = StateDatabase.prototype.transaction;
  const realRun = StateDatabase.prototype.run;
  let depth = 0;
  const step = <T>(work: () => T): T => {
    if (isDead) throw new Died();
    if (depth > 0) return work();
    const isLast = death !== null && steps === death.at;
    steps += 1;
    if (isLast && death?.moment === 'before') die();
    depth += 1;
    let result: T;
    try {
      result = work();
    } finally {
      depth -= 1;
    }
    if (isLast) die();
    return result;
  };
  vi.spyOn(StateDatabase.prototype, 'transaction').mockImplementation(function (this: StateDatabase, work) {
    return step(() => real.call(this, work));
  });
  vi.spyOn(StateDatabase.prototype, 'run').mockImplementation(function (this: StateDatabase, sql, ...values) {
    return step(() => realRun.call(this, sql, ...values));
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** What is on disk at this moment is all that the next process has. */
function die(): never {
  isDead = true;
  const relic = join(folder, `state-${generation + 1}.db`);
  for (const end of ['', '-wal']) if (existsSync(file() + end)) copyFileSync(file() + end, relic + end);
  throw new Died();
}

/**
 * Alice sends three texts to Bob, who has two devices; both come later, one after the other, or (`expires`) only after the time of the texts.
 * Returns what each device has at the end, and how many receipts Alice has.
 */
async function story(expires = false): Promise<{ has: Map<string, string[]>; delivered: number; failed: number; deaths: number }> {
  const clock = new VirtualClock();
  const has = new Map<string, string[]>([
    [BOBS_DESK, []],
    [BOBS_TABLET, []],
  ]);
  let delivered = 0;
  let failed = 0;
  let deaths = 0;
  const there = new Map<string, string[]>();
  let lab = await start();

  async function start(): Promise<DeferredLab> {
    const made = new DeferredLab({ clock, file: file() });
    made.answer = (request) => {
      const instance = /gr=(.+)$/.exec(request.uri)?.[1] ?? '';
      // What a dead process had sent and what comes back to it is nothing to anybody.
      if (isDead) return 408;
      if (!(there.get(/^(sip:[^;]+)/.exec(request.uri)?.[1] ?? '') ?? []).includes(instance)) return null;
      const text = request.text.split('\r\n\r\n').at(-1) ?? '';
      if (text.includes('<delivered')) delivered += 1;
      else if (text.includes('<failed')) failed += 1;
      else if (!has.get(instance)?.includes(text)) has.get(instance)?.push(text);
      return 200;
    };
    for (const [address, instances] of there) await made.devices(address, ...instances);
    return made;
  }

  /** Does something until it succeeds: when the process dies meanwhile, the next one takes over. */
  async function whatever<T>(act: () => Promise<T>, isDone: (result: T) => boolean): Promise<T> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const result = await act();
      await settle();
      // An answer that left before the process died counts: its sender sends no more.
      const isAnswered = isDone(result);
      if (isDead) {
        deaths += 1;
        generation += 1;
        isDead = false;
        death = null;
        lab = await start();
      }
      if (isAnswered) return result;
    }
    throw new Error('it never succeeded');
  }
  const devices = async (address: string, ...instances: string[]) => {
    there.set(address, instances);
    await whatever(
      () => lab.devices(address, ...instances),
      () => true,
    );
  };

  await devices(BOB, BOBS_DESK, BOBS_TABLET);
  await devices(BOB);
  for (const text of ['one', 'two', 'three'])
    await whatever(
      () => lab.send(expires ? pager(text).append('Expires', '60') : pager(text)),
      ({ status }) => status === 202,
    );
  if (expires) {
    await whatever(
      async () => clock.advance(60_000),
      () => true,
    );
    await devices(ALICE, ALICES_PC);
    await devices(BOB, BOBS_DESK, BOBS_TABLET);
    return { has, delivered, failed, deaths };
  }
  await devices(BOB, BOBS_DESK);
  await devices(ALICE, ALICES_PC);
  for (const text of ['one', 'two', 'three'])
    await whatever(
      () => lab.send(receipt(`id-${text}`), 'orig'),
      ({ status }) => status === 200,
    );
  await devices(BOB);
  await devices(BOB, BOBS_TABLET);
  return { has, delivered, failed, deaths };
}

describe('R87: a Participating Function that dies', () => {
  const all = ['one', 'two', 'three'];

  it('at any step on disk, before or after it: every device has every text, in order, and Alice hears of each', async () => {
    const calm = await story();
    expect(calm).toEqual({
      has: new Map([
        [BOBS_DESK, all],
        [BOBS_TABLET, all],
      ]),
      delivered: 3,
      failed: 0,
      deaths: 0,
    });
    const total = steps;
    expect(total).toBeGreaterThan(12);
    for (let at = 0; at < total; at += 1)
      for (const moment of ['before', 'after'] as const) {
        generation += 2;
        [steps, death, isDead] = [0, { at, moment }, false];
        const { has, delivered, deaths } = await story();
        // A receipt that had gone through when the process died may come a second time.
        expect([at, moment, deaths, [...has.values()], delivered === 3 || delivered === 4]).toEqual([at, moment, 1, [all, all], true]);
      }
  }, 120_000);

  it('at any step on disk while messages expire: Alice hears of each that it failed, and no device gets one of them', async () => {
    const nothing = new Map([
      [BOBS_DESK, []],
      [BOBS_TABLET, []],
    ]);
    expect(await story(true)).toEqual({ has: nothing, delivered: 0, failed: 3, deaths: 0 });
    const total = steps;
    for (let at = 0; at < total; at += 1)
      for (const moment of ['before', 'after'] as const) {
        generation += 2;
        [steps, death, isDead] = [0, { at, moment }, false];
        const { has, failed, deaths } = await story(true);
        // A report that Alice had answered for when the process died may come a second time.
        expect([at, moment, deaths, has, failed === 3 || failed === 4]).toEqual([at, moment, 1, nothing, true]);
      }
  }, 120_000);
});
