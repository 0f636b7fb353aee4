/**
 * A history whose process dies at a chosen transaction, either just before the commit or just after it and before anybody learns of it; or
 * whose disk is full at that moment. The disk's state at that moment is copied, including the write-ahead log, and nothing of this process
 * reaches the disk any more.
 */
import { copyFileSync, existsSync } from 'node:fs';
import { Emitter } from '../../../base/emitter';
import type { Change, JobRecord, MessageRecord } from '../../../main/history/records';
import { AppError } from '../../../preload/contract/errors';
import type { OneHistory } from './one-history';

/** The steps that a message leaves on disk, described by their transactions. */
export const persistedSteps = [
  'a conversation is written',
  'a text is queued',
  'a text is being sent',
  'a text was sent',
  'a text waits again',
  'a text has failed',
  'a text has arrived by pager',
  'a text has arrived by session',
  'a receipt was taken',
  'a receipt was sent',
  'a receipt waits again',
  'texts were displayed',
  'what waited is hastened',
] as const;
export type PersistedStep = (typeof persistedSteps)[number];
/** Those that do not wait for the disk (`History.soon`): a power cut takes them back until they are synced. */
export const unsyncedSteps: readonly PersistedStep[] = [
  'a text is being sent',
  'a text was sent',
  'a text has arrived by pager',
  'a text has arrived by session',
  'a receipt was taken',
  'a receipt was sent',
];
/** `unsynced`: it was committed, and the power fails. */
export type Moment = 'before' | 'after' | 'unsynced';

/** What a power cut would leave of a history's file: the state of the last sync. */
export class SyncedState {
  readonly #file: string;
  #taken = 0;

  constructor(file: string) {
    this.#file = file;
    this.take();
  }

  /** Everything committed by now is synced. */
  take(): void {
    this.#taken += 1;
    copyState(this.#file, `${this.#file}.synced`);
  }

  /** A sync begins; calls back with what to do at its end. What was committed meanwhile it does not cover. */
  begin(): () => void {
    const begun = this.#taken;
    copyState(this.#file, `${this.#file}.syncing`);
    return () => {
      // A later state is synced already.
      if (this.#taken === begun) copyState(`${this.#file}.syncing`, `${this.#file}.synced`);
    };
  }

  leaveAs(relic: string): void {
    copyState(`${this.#file}.synced`, relic);
  }
}

function copyState(from: string, to: string): void {
  for (const end of ['', '-wal']) if (existsSync(from + end)) copyFileSync(from + end, to + end);
}

/** Thrown out of the call in which the process died. */
export class ProcessDied extends Error {
  constructor() {
    super('the process died');
  }
}

/** Runs a timer's callback: the death of the process in it is not an error. */
export function survive(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ProcessDied)) throw error;
  }
}

export interface MortalHistoryOptions {
  history: OneHistory;
  file: string;
  /** The file that receives the disk's state at death. */
  relic: string;
  synced: SyncedState;
  /** Asked twice at each step. */
  dies(step: PersistedStep, moment: Moment): boolean;
  /** Whether the disk is full at this step; a full disk changes nothing and reports the failure. */
  fills(step: PersistedStep): boolean;
  /** The process is dead: from here on it sends nothing to anybody. */
  onDeath(): void;
}

type Call = readonly [name: string, values: readonly unknown[], job: JobRecord['kind'] | undefined];

const writes = new Set<string>([
  'addConversation',
  'updateConversation',
  'setMarks',
  'addMessage',
  'removeMessage',
  'emptyConversation',
  'setMessageState',
  'addReceipt',
  'addJob',
  'postponeJob',
  'hastenLane',
  'removeJob',
  'setJobAside',
  'removeJobsOf',
]);

export function mortalHistory({ history, file, relic, synced, dies, fills, onDeath }: MortalHistoryOptions): OneHistory {
  let isDead = false;
  let depth = 0;
  let calls: Call[] = [];
  /** What a transaction has changed, held back until it is known whether the process outlives its commit. */
  let untold: (readonly Change[])[] = [];
  const onChange = new Emitter<readonly Change[]>();
  history.onChange.on((changes) => {
    if (depth > 0) untold.push(changes);
    else if (!isDead) onChange.emit(changes);
  });
  const die = (loses: 'power' | null = null): never => {
    isDead = true;
    if (loses === 'power') synced.leaveAs(relic);
    else copyState(file, relic);
    onDeath();
    throw new ProcessDied();
  };
  const within =
    (how: 'transaction' | 'soon') =>
    <T>(work: () => T): T => {
      if (isDead) throw new ProcessDied();
      if (depth > 0) return history.transaction(work);
      const value = gathered(how, work);
      const told = untold;
      untold = [];
      for (const changes of told) onChange.emit(changes);
      return value;
    };
  const gathered = <T>(how: 'transaction' | 'soon', work: () => T): T => {
    depth += 1;
    calls = [];
    try {
      const value = history[how](() => {
        const result = work();
        const step = stepOf(calls);
        if (step !== null && dies(step, 'before')) die();
        if (step !== null && fills(step)) throw new AppError('storage/full', { cause: 'no room' }, 'user');
        return result;
      });
      const step = stepOf(calls);
      if (how === 'soon' && step !== null && dies(step, 'unsynced')) die('power');
      if (step !== null && dies(step, 'after')) {
        // A transaction of its own commits what `soon` has written.
        if (how === 'soon') history.transaction(() => undefined);
        die();
      }
      if (how === 'transaction') synced.take();
      return value;
    } finally {
      depth -= 1;
    }
  };
  const transaction = within('transaction');
  const soon = within('soon');
  return new Proxy(history, {
    get: (target, name: keyof OneHistory) => {
      if (name === 'transaction') return transaction;
      if (name === 'onChange') return onChange;
      if (name === 'soon') return soon;
      const method = (target[name] as (...values: unknown[]) => unknown).bind(target);
      if (name === 'dispose') return method;
      return (...values: unknown[]) => {
        if (isDead) throw new ProcessDied();
        if (!writes.has(name)) return method(...values);
        if (depth === 0) return transaction(() => record(name, values, method));
        return record(name, values, method);
      };
    },
  });

  /** A transaction without changes is not a step. */
  function record(name: string, values: unknown[], method: (...values: unknown[]) => unknown): unknown {
    const job = name === 'removeJob' || name === 'postponeJob' ? history.jobs().find(({ id }) => id === values[0])?.kind : undefined;
    const result = method(...values);
    if (result !== false) calls.push([name, values, job]);
    return result;
  }
}

function stepOf(calls: readonly Call[]): PersistedStep | null {
  const call = (name: string) => calls.find(([each]) => each === name)?.[1];
  const added = call('addMessage')?.[0] as Pick<MessageRecord, 'direction' | 'content'> | undefined;
  const state = call('setMessageState')?.[1];
  const job = calls.find(([, , kind]) => kind !== undefined);
  if (added?.direction === 'out') return 'a text is queued';
  // The texts of the campaign contain how they were sent.
  if (added !== undefined)
    return added.content.text.includes(' by pager ') ? 'a text has arrived by pager' : 'a text has arrived by session';
  if (call('addReceipt') !== undefined) return 'a receipt was taken';
  if (state === 'displayed') return 'texts were displayed';
  if (state === 'sending') return 'a text is being sent';
  if (state === 'failed') return 'a text has failed';
  if (state === 'queued') return 'a text waits again';
  // Its receipt may already have arrived and reported more than "sent".
  if (job?.[2] === 'message') return 'a text was sent';
  if (job?.[2] === 'receipt') return job[0] === 'removeJob' ? 'a receipt was sent' : 'a receipt waits again';
  if (call('addConversation') !== undefined || call('updateConversation') !== undefined) return 'a conversation is written';
  if (call('hastenLane') !== undefined) return 'what waited is hastened';
  return null;
}
