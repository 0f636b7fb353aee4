/**
 * Brings SQLite's write-ahead log to the disk in the background, once for everything that was committed meanwhile (decision 24).
 *
 *   [clean] --changed--> [due] --somebody waits: end of the turn; nobody: a moment later--> [syncing] --done--> [clean]
 *                                                    |    ^ |
 *                                         changed ---+----+ +--failed--> [doubtful] --a checkpoint brings all to the disk--> [clean]
 *
 * After a failed fsync the system may call pages clean that never reached the disk, so a second fsync proves nothing. A checkpoint writes
 * the pages once more, into the database itself, and syncs that.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Timekeeper } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { syncFolder } from './synced-names';

/** LAB: how long what nobody waits for, such as that a job is done, may wait for the sync of something else. */
export const patienceMs = 50;

/** How many of those who wait are told in one turn of the event loop: each of them answers somebody, which takes a while. */
export const toldAtOnce = 4;

/** Syncs an open file; calls back with why it could not. */
export type SyncFile = (descriptor: number, done: (error: Error | null) => void) => void;

export interface LogSyncOptions {
  /** The log's file. */
  file: string;
  /** By a thread of the system's pool when absent. */
  sync?: SyncFile | undefined;
  /** Called when a sync begins; commits what was written. Its answer is called once that is on the disk, before anybody is told. */
  covering?: () => () => void;
  /** Measures `patienceMs`; absent: nothing waits longer than for the end of the turn. */
  clock?: Timekeeper | undefined;
  /** Brings everything that is in the log into the database, and that to the disk; throws where it cannot. */
  checkpoint: () => void;
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

export class LogSync {
  readonly #file: string;
  readonly #sync: SyncFile;
  readonly #covering: () => () => void;
  readonly #checkpoint: () => void;
  readonly #clock: Timekeeper | undefined;
  /** To be called when the sync that is under way has ended well. */
  #covered: () => void = () => undefined;
  #descriptor: number | null = null;
  /** Something was written that no sync has begun to cover. */
  #isDue = false;
  #isSyncing = false;
  /** The next sync begins with the next turn. */
  #isNear = false;
  #patience: Disposable | null = null;
  #isDoubtful = false;
  #isClosed = false;
  /** Those whom the sync that is under way will tell, and those whom the next one will. */
  #told: Waiter[] = [];
  #next: Waiter[] = [];

  constructor({ file, sync = fdatasync, covering = () => () => undefined, clock, checkpoint }: LogSyncOptions) {
    this.#file = file;
    this.#sync = sync;
    this.#covering = covering;
    this.#checkpoint = checkpoint;
    this.#clock = clock;
  }

  /** Something was written that is not on the disk yet. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    if (this.#clock === undefined) this.#near();
    else this.#patience ??= this.#clock.setTimer(patienceMs, () => this.#near());
  }

  /** Resolves when everything written so far is on the disk; rejects where it did not get there. Null: it is there. */
  onDisk(): Promise<void> | null {
    if (this.#isDoubtful && !this.#isSyncing) this.changed();
    if (this.#isDue) this.#near();
    const list = this.#isDue ? this.#next : this.#isSyncing ? this.#told : null;
    return list === null ? null : new Promise((resolve, reject) => list.push({ resolve, reject }));
  }

  #near(): void {
    if (this.#isNear) return;
    this.#isNear = true;
    if (!this.#isSyncing) setImmediate(() => this.#start());
  }

  /** A sync has failed, and no checkpoint has made up for it. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** After a sync that has failed, brings everything to the disk by a checkpoint. False: it is not there. */
  makeSure(): boolean {
    if (!this.#isDoubtful) return true;
    try {
      this.#checkpoint();
      this.#isDoubtful = false;
    } catch {
      return false;
    }
    return true;
  }

  /** The database was closed: that has brought everything to the disk, or failed with `failure`. */
  close(failure: unknown): void {
    this.#isClosed = true;
    this.#patience?.dispose();
    settle(this.#next.splice(0), failure);
    if (!this.#isSyncing) this.#letGo();
  }

  /** A commit has failed, and what it held is undone: whoever waits hears why. */
  failed(error: unknown): void {
    settle(this.#next.splice(0), error);
  }

  #start(): void {
    if (this.#isClosed || this.#isSyncing) return;
    this.#patience?.dispose();
    this.#patience = null;
    this.#isNear = false;
    this.#isSyncing = true;
    try {
      this.#covered = this.#covering();
      this.#told = this.#next.splice(0);
      this.#isDue = false;
      if (this.#isDoubtful) {
        this.#checkpoint();
        this.#isDoubtful = false;
        this.#done(null);
      } else this.#sync(this.#open(), (error) => this.#done(error));
    } catch (error) {
      this.#done(error);
    }
  }

  #done(error: unknown): void {
    this.#isSyncing = false;
    if (error !== null) this.#isDoubtful = true;
    else if (!this.#isClosed) this.#covered();
    settle(this.#told.splice(0), error);
    if (this.#isClosed) this.#letGo();
    else if (this.#isNear) this.#start();
  }

  #open(): number {
    if (this.#descriptor !== null) return this.#descriptor;
    const descriptor = openSync(this.#file, 'r+');
    this.#descriptor = descriptor;
    // The log was made when the database was opened, and its name must outlive a power cut, too.
    syncFolder(dirname(this.#file));
    return descriptor;
  }

  #letGo(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** In their order. */
function settle(waiting: readonly Waiter[], error: unknown): void {
  for (const { resolve, reject } of waiting.slice(0, toldAtOnce)) error === null ? resolve() : reject(error);
  if (waiting.length > toldAtOnce) setImmediate(() => settle(waiting.slice(toldAtOnce), error));
}
