/**
 * Brings SQLite's write-ahead log to the disk in the background, once for everything that was committed meanwhile (decision 24).
 *
 *   [clean] --changed--> [due] --end of the turn--> [syncing] --done--> [clean]
 *                                                    |    ^ |
 *                                         changed ---+----+ +--failed--> [doubtful] --a checkpoint brings all to the disk--> [clean]
 *
 * After a failed fsync the system may call pages clean that never reached the disk, so a second fsync proves nothing. A checkpoint writes
 * the pages once more, into the database itself, and syncs that.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from './synced-names';

/** Syncs an open file; calls back with why it could not. */
export type SyncFile = (descriptor: number, done: (error: Error | null) => void) => void;

export interface LogSyncOptions {
  /** The log's file. */
  file: string;
  /** By a thread of the system's pool when absent. */
  sync?: SyncFile | undefined;
  /** Called when a sync begins; its answer is called once that has brought to the disk what was committed by then, before anybody is told. */
  covering?: () => () => void;
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
  /** To be called when the sync that is under way has ended well. */
  #covered: () => void = () => undefined;
  #descriptor: number | null = null;
  /** Something was committed that no sync has begun to cover. */
  #isDue = false;
  #isSyncing = false;
  #isDoubtful = false;
  #isClosed = false;
  /** Those whom the sync that is under way will tell, and those whom the next one will. */
  #told: Waiter[] = [];
  #next: Waiter[] = [];

  constructor({ file, sync = fdatasync, covering = () => () => undefined, checkpoint }: LogSyncOptions) {
    this.#file = file;
    this.#sync = sync;
    this.#covering = covering;
    this.#checkpoint = checkpoint;
  }

  /** Something was committed that is not on the disk yet. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    if (!this.#isSyncing) setImmediate(() => this.#start());
  }

  /** Resolves when everything committed so far is on the disk; rejects where it did not get there. Null: it is there. */
  onDisk(): Promise<void> | null {
    if (this.#isDoubtful && !this.#isSyncing) this.changed();
    const list = this.#isDue ? this.#next : this.#isSyncing ? this.#told : null;
    return list === null ? null : new Promise((resolve, reject) => list.push({ resolve, reject }));
  }

  /** The database was closed: that has brought everything to the disk, or failed with `failure`. */
  close(failure: unknown): void {
    this.#isClosed = true;
    settle(this.#next.splice(0), failure);
    if (!this.#isSyncing) this.#letGo();
  }

  #start(): void {
    if (this.#isClosed || this.#isSyncing) return;
    this.#told = this.#next.splice(0);
    this.#isDue = false;
    this.#isSyncing = true;
    this.#covered = this.#covering();
    try {
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
    else if (this.#isDue) this.#start();
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

function settle(waiting: readonly Waiter[], error: unknown): void {
  for (const { resolve, reject } of waiting) error === null ? resolve() : reject(error);
}
