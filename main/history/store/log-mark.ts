/**
 * Tells whether the write-ahead log still holds everything that was acknowledged. SQLite reads a damaged log as far as its checksums hold, and a
 * missing one as an empty one, both without a word. So every commit raises a number inside the database, and a small file beside it, the mark,
 * names the highest number that was synced. A database that opens with a lower number has lost commits.
 *
 *   commit n --> log synced up to n --> mark says n --> acknowledged      the mark never says more than the log holds, or it would cry wolf
 *
 * The mark is written before anybody is told, and synced in the background: it survives the death of the process at once, a power cut a moment
 * later. It has two slots in two sectors, written in turn, so that a torn write leaves the earlier one. The number is a row of `sqlite_sequence`:
 * every message and every job changes that page anyway, so a commit writes no page more.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'libsql';
import type { Timekeeper } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { syncFolder } from './synced-names';

/** A disk writes so many bytes wholly or not at all. */
const slotBytes = 512;
const sequence = 'chorus commits';
/** LAB: the mark is brought to the disk no more often than this. After a power cut it may say less than the log holds, which is no false mark. */
const markEveryMs = 100;

/** How far a history has come. */
export interface Progress {
  /** Transactions that changed something. */
  commits: number;
  /** Messages that were ever added. */
  messages: number;
}

export function markFile(file: string): string {
  return `${file}-mark`;
}

/** What the database says. A new one has come nowhere. */
export function progressOf(database: Database): Progress {
  const known = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'`).all();
  if (known.length === 0) return { commits: 0, messages: 0 };
  const read = database.prepare(`SELECT seq FROM sqlite_sequence WHERE name = ?`);
  const seq = (name: string) => Number((read.all([name])[0] as { seq: number } | undefined)?.seq ?? 0);
  return { commits: seq(sequence), messages: seq('messages') };
}

/** The number of commits begins; SQLite has made its table with the schema. */
export function beginCounting(database: Database): void {
  database
    .prepare(`INSERT INTO sqlite_sequence (name, seq) SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)`)
    .run([sequence, sequence]);
}

/** How many messages and jobs were ever added, which the database of a writer knows. */
export const everAdded = `SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'messages') AS messages,
  (SELECT seq FROM sqlite_sequence WHERE name = 'jobs') AS jobs`;

/** Part of every transaction that changes something. */
export const countCommit = `UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = '${sequence}'`;

/** What the mark of a history says; null where there is none that holds. */
export function readMark(file: string, key: string): Progress | null {
  let text: string;
  try {
    text = readFileSync(markFile(file), 'latin1');
  } catch {
    return null;
  }
  const slots = [text.slice(0, slotBytes), text.slice(slotBytes)].map((slot) => parseSlot(slot, sealKey(key)));
  return slots.reduce((best, slot) => (slot !== null && (best === null || slot.commits > best.commits) ? slot : best), null);
}

export class LogMark {
  readonly #key: Buffer;
  readonly #descriptor: number;
  #slot = 0;
  readonly #clock: Timekeeper | undefined;
  #pause: Disposable | null = null;
  #isUnsynced = false;
  #isSyncing = false;
  #isClosed = false;

  /** Begins the mark of a history with what it holds now. Without a clock it is synced each time. @throws what the file system throws */
  constructor(file: string, key: string, now: Progress, clock?: Timekeeper) {
    this.#clock = clock;
    this.#key = sealKey(key);
    const path = markFile(file);
    // Not truncated: until the first slot is written over, the mark says what it said.
    this.#descriptor = openOrMake(path);
    try {
      // Both slots: after a loss that was told, the higher number must go.
      this.#write(now);
      this.#write(now);
      fdatasyncSync(this.#descriptor);
      syncFolder(dirname(path));
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** Everything up to here is on the disk. Never throws: where the mark cannot be written, the earlier one is still true. */
  keep(progress: Progress): void {
    if (this.#isClosed) return;
    try {
      this.#write(progress);
    } catch {
      return;
    }
    this.#isUnsynced = true;
    this.#sync();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pause?.dispose();
    // The process may end before a sync in the background has.
    try {
      if (this.#isUnsynced || this.#isSyncing) fdatasyncSync(this.#descriptor);
    } catch {
      // The mark stays behind after a power cut, which is no false one.
    }
    if (!this.#isSyncing) this.#letGo();
  }

  /** One sync at a time, each for all that was written before it began. One that fails leaves an older mark after a power cut, no false one. */
  #sync(): void {
    if (this.#isSyncing || this.#pause !== null) return;
    this.#isSyncing = true;
    this.#isUnsynced = false;
    this.#pause =
      this.#clock?.setTimer(markEveryMs, () => {
        this.#pause = null;
        if (this.#isUnsynced) this.#sync();
      }) ?? null;
    fdatasync(this.#descriptor, () => {
      this.#isSyncing = false;
      if (this.#isClosed) this.#letGo();
      else if (this.#isUnsynced) this.#sync();
    });
  }

  #letGo(): void {
    closeSync(this.#descriptor);
  }

  #write(progress: Progress): void {
    writeSync(this.#descriptor, slotOf(progress, this.#key), this.#slot * slotBytes, 'latin1');
    this.#slot = 1 - this.#slot;
  }
}

function openOrMake(path: string): number {
  try {
    return openSync(path, 'wx+', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return openSync(path, 'r+');
  }
}

function sealKey(key: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(key, 'hex'), '', 'chorus log mark', 32));
}

function sealOf(body: string, key: Buffer): string {
  return createHmac('sha256', key).update(body).digest('base64url');
}

function slotOf({ commits, messages }: Progress, key: Buffer): string {
  const body = `${commits} ${messages}`;
  return `${body} ${sealOf(body, key)}\n`.padEnd(slotBytes - 1, ' ').concat('\n');
}

function parseSlot(slot: string, key: Buffer): Progress | null {
  const [, body, seal] = /^((?:\d{1,15}) (?:\d{1,15})) ([\w-]{43})\n/.exec(slot) ?? [];
  if (body === undefined || seal !== sealOf(body, key)) return null;
  const [commits, messages] = body.split(' ').map(Number);
  return { commits: commits ?? 0, messages: messages ?? 0 };
}
