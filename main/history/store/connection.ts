/**
 * One encrypted SQLite file, open: statements, transactions, and the one place where SQLite's and the file system's errors become ours.
 * What is said in SQL stands with whoever says it. One connection writes; others, of other threads, only read, and see what it has committed.
 */
import { chmodSync, closeSync, openSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import Libsql from 'libsql';
import type { Timekeeper } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { AppError } from '../../../preload/contract/errors';
import { beginCounting, countCommit, LogMark, messagesAdded, type Progress, progressOf } from './log-mark';
import { LogSync, type SyncFile } from './log-sync';
import { type Bound, bindable, type RawRow, type Row, readable } from './rows';

/** The least a key must have: 128 bits. An empty key would silently mean an unencrypted file. */
const minimumKeyDigits = 32;
/** How much of the file is kept decrypted in memory. */
const cacheKibibytes = 16_384;
/** How long a write waits for another process that holds the file, such as a backup program. */
const busyTimeoutMs = 2000;

/** After so long without a commit the log is folded into the database, where damage to the log can do no harm. */
const idleMs = 1000;

/** The bare database of a file that is there. `key` is hex. What the driver throws passes through. */
export function openDatabase(file: string, key: string): Libsql.Database {
  return new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
}

export type { SyncFile };

export interface ConnectionOptions {
  file: string;
  /** Hex. */
  key: string;
  /** Runs before anything else may; what it throws closes the file. Absent: the file is only read, and must be there. */
  prepare?: (database: Libsql.Database) => void;
  /** Told once, when SQLite finds that the file is not in order. */
  foundDamaged?: (error: AppError) => void;
  /** Asked about what a statement has thrown: whether it has put that right, so that the statement may run again. */
  mend?: (database: Libsql.Database, error: unknown, sql: string) => boolean;
  /** How the log of what `soon` commits is synced: in the background, by the system, when absent. */
  sync?: SyncFile | undefined;
  /** Measures the idle second after which the log is folded in; absent: it is folded in when it has grown, and at the end. */
  clock?: Timekeeper | undefined;
}

/** Every method throws AppError `storage/full`, `storage/unreadable` or `storage/failed`, and has then changed nothing. */
export class Connection {
  readonly #file: string;
  readonly #database: Libsql.Database;
  readonly #statements = new Map<string, Libsql.Statement>();
  readonly #reads: boolean;
  readonly #foundDamaged: (error: AppError) => void;
  readonly #mend: NonNullable<ConnectionOptions['mend']>;
  readonly #log: LogSync;
  readonly #clock: Timekeeper | undefined;
  /** Null where the file is only read. */
  readonly #mark: LogMark | null;
  /** Transactions that have changed something, committed. */
  #commits = 0;
  /** The open transaction has changed something. */
  #hasChanged = false;
  #idle: Disposable | null = null;
  #lastCommit = 0;
  #isDamaged = false;
  #depth = 0;
  #closed = false;

  /** Opens the file; to write, it is made when it is not there. */
  constructor({ file, key, prepare, foundDamaged = () => undefined, mend = () => false, sync, clock }: ConnectionOptions) {
    this.#file = file;
    this.#mend = mend;
    this.#reads = prepare === undefined;
    this.#foundDamaged = foundDamaged;
    if (key.length < minimumKeyDigits || !/^[0-9a-f]+$/i.test(key)) {
      throw new AppError('storage/unreadable', { cause: 'the key of the history is missing or is no hex text' }, 'user');
    }
    this.#clock = clock;
    this.#log = new LogSync({ file: `${file}-wal`, sync, covering: () => this.#covering(), checkpoint: () => this.#checkpoint() });
    this.#database = this.#translated(() => (prepare === undefined ? openToRead(file, key) : openToWrite(file, key, prepare)));
    this.#mark = this.#reads ? null : this.#beginMark(key);
  }

  #beginMark(key: string): LogMark {
    try {
      return this.#translated(() => {
        beginCounting(this.#database);
        // What an earlier process has left in the log may never have been synced, and the mark must not promise more than the disk holds.
        this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
        const progress = progressOf(this.#database);
        this.#commits = progress.commits;
        return new LogMark(this.#file, key, progress);
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Runs `work`, which must not be asynchronous, wholly or not at all. One inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T {
    const isOutermost = this.#depth === 0;
    const before = this.#commits;
    const value = this.#transaction(work);
    // COMMIT has synced the log.
    if (isOutermost && this.#commits !== before) this.#mark?.keep(this.#progress());
    return value;
  }

  #transaction<T>(work: () => T): T {
    const name = `level_${this.#depth}`;
    const outermost = this.#depth === 0;
    this.#execute(outermost ? 'BEGIN IMMEDIATE' : `SAVEPOINT ${name}`);
    this.#depth += 1;
    if (outermost) this.#hasChanged = false;
    try {
      const value = work();
      if (value instanceof Promise) throw new AppError('internal', { cause: 'asynchronous work in a transaction' });
      const isCounted = outermost && this.#hasChanged;
      if (isCounted) this.#translated(() => this.#statement(countCommit).run());
      this.#execute(outermost ? 'COMMIT' : `RELEASE ${name}`);
      if (isCounted) this.#committed();
      return value;
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back by itself; then there is nothing left to undo.
      if (this.#database.inTransaction) this.#database.exec(outermost ? 'ROLLBACK' : `ROLLBACK TO ${name}; RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  /**
   * Like `transaction`, but does not wait for the disk: it is committed when this returns, and survives the death of this process; a power cut it
   * survives once `onDisk` has resolved. Part of a `transaction` around it, it is as durable as that.
   */
  soon<T>(work: () => T): T {
    if (this.#depth > 0) return this.transaction(work);
    this.#execute('PRAGMA synchronous = NORMAL');
    try {
      return this.#transaction(work);
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL');
      this.#log.changed();
    }
  }

  /** Resolves when everything committed so far would survive a power cut; null: it would now. @throws AppError `storage/*` */
  onDisk(): Promise<void> | null {
    const arrival = this.#log.onDisk();
    return (
      arrival?.catch((error: unknown) => {
        throw translate(error, this.#file);
      }) ?? null
    );
  }

  /** How far the history has come, committed. */
  #progress(): Progress {
    const [row] = this.#statement(messagesAdded).all() as { seq: number }[];
    return { commits: this.#commits, messages: row?.seq ?? 0 };
  }

  #committed(): void {
    this.#commits += 1;
    if (this.#clock === undefined) return;
    this.#lastCommit = this.#clock.now();
    this.#idle ??= this.#clock.setTimer(idleMs, () => this.#foldWhenIdle());
  }

  #foldWhenIdle(): void {
    this.#idle = null;
    if (this.#closed || this.#clock === undefined) return;
    const rest = this.#lastCommit + idleMs - this.#clock.now();
    if (rest > 0) {
      this.#idle = this.#clock.setTimer(rest, () => this.#foldWhenIdle());
      return;
    }
    try {
      this.#translated(() => this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)'));
    } catch {
      // It stays in the log, which says so itself where it must: at the next commit.
    }
  }

  /** A sync of the log begins: the answer is called when everything committed by now is on the disk. */
  #covering(): () => void {
    const progress = this.#progress();
    return () => this.#mark?.keep(progress);
  }

  #checkpoint(): void {
    this.#translated(() => {
      const [result] = this.#database.prepare('PRAGMA wal_checkpoint(FULL)').all() as { busy: number }[];
      if (result?.busy !== 0) throw new Error('a reader keeps the log from being folded in');
    });
  }

  /** True when a row changed. */
  run(sql: string, values: Record<string, Bound>): boolean {
    return this.#changing(sql, () => this.#statement(sql).run(bindable(values)).changes > 0, Boolean);
  }

  one<T>(sql: string, values: Record<string, Bound>, decode: (row: Row) => T): T | null {
    return this.all(sql, values, decode)[0] ?? null;
  }

  all<T>(sql: string, values: Record<string, Bound>, decode: (row: Row) => T): T[] {
    return this.raw(sql, values, (row) => decode(readable(row)));
  }

  /** The rows as the driver gives them. */
  raw<T>(sql: string, values: Record<string, Bound>, decode: (row: RawRow) => T): T[] {
    const read = () => (this.#statement(sql).all(bindable(values)) as RawRow[]).map(decode);
    return /^\s*(?:SELECT|WITH|PRAGMA)\b/i.test(sql) ? this.#mended(sql, read) : this.#changing(sql, read, (rows) => rows.length > 0);
  }

  /** A change that stands alone is a transaction of its own, so that it is counted. */
  #changing<T>(sql: string, work: () => T, hasChanged: (value: T) => boolean): T {
    const noted = () => {
      const value = work();
      if (hasChanged(value)) this.#hasChanged = true;
      return value;
    };
    return this.#mended(sql, () => (this.#depth === 0 ? this.transaction(noted) : noted()));
  }

  /** Closes the file; who writes folds the write-ahead log into it before. Returns why the folding failed, or null. May be called twice. */
  close(): unknown {
    if (this.#closed) return null;
    this.#closed = true;
    let failure: unknown = null;
    try {
      if (!this.#reads) this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      failure = error;
    }
    this.#idle?.dispose();
    if (failure === null && !this.#reads) this.#keepLast();
    this.#statements.clear();
    this.#database.close();
    this.#log.close(failure);
    this.#mark?.close();
    return failure;
  }

  #keepLast(): void {
    try {
      this.#mark?.keep(this.#progress());
    } catch {
      // The mark stays behind, which is no false one.
    }
  }

  #execute(sql: string): void {
    this.#translated(() => this.#database.exec(sql));
  }

  #statement(sql: string): Libsql.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  #mended<T>(sql: string, work: () => T): T {
    return this.#translated(() => {
      try {
        return work();
      } catch (error) {
        if (!this.#mend(this.#database, error, sql)) throw error;
        // What was prepared before knows tables that are there no more.
        this.#statements.clear();
        return work();
      }
    });
  }

  #translated<T>(work: () => T): T {
    if (this.#closed) throw new AppError('storage/failed', { cause: 'the history is closed' });
    if (this.#depth > 0 && !this.#database.inTransaction) {
      throw new AppError('storage/failed', { cause: 'the transaction was undone by an earlier failure' }, 'auto');
    }
    try {
      return work();
    } catch (error) {
      const translated = translate(error, this.#file);
      if (!this.#isDamaged && isDamage(error)) {
        this.#isDamaged = true;
        this.#foundDamaged(translated);
      }
      throw translated;
    }
  }
}

function openToWrite(file: string, key: string, prepare: (database: Libsql.Database) => void): Libsql.Database {
  // Made first, so that the file and the -wal and -shm files that inherit its mode belong to this user alone.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  return opened(file, key, (database) => {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    prepare(database);
  });
}

function openToRead(file: string, key: string): Libsql.Database {
  // The driver would make a file that is not there.
  closeSync(openSync(file, 'r'));
  return opened(file, key, (database) => database.exec('PRAGMA query_only = ON'));
}

function opened(file: string, key: string, prepare: (database: Libsql.Database) => void): Libsql.Database {
  const database = openDatabase(file, key);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    database.exec(`PRAGMA cache_size = -${cacheKibibytes}`);
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A damaged index for search (SQLITE_CORRUPT_VTAB) is no damage to what was said. */
function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CORRUPT(?!_VTAB)|NOTADB)/.test(code);
}

function translate(error: unknown, file: string): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const cause = `${basename(file)}: ${error instanceof Error ? `${code} ${error.message}`.trim() : String(error)}`;
  const full = /^(SQLITE_FULL|ENOSPC|EDQUOT)/.test(code) || (code.startsWith('SQLITE_IOERR') && !hasRoom(file));
  if (full) return new AppError('storage/full', { cause }, 'user');
  const unreadable = /^(SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|PERM|AUTH|FORMAT)|EACCES|EPERM|EROFS|EISDIR|ENOTDIR|ENOENT)/.test(code);
  // The driver gives no code when it cannot open; JSON that does not parse is a column that was damaged.
  const damaged = (code === '' && cause.includes('ConnectionFailed')) || error instanceof SyntaxError;
  if (unreadable || damaged) return new AppError('storage/unreadable', { cause }, 'user');
  return new AppError('storage/failed', { cause }, 'auto');
}

/** A write into the memory-mapped -shm file reports a full disk only as an I/O error. */
function hasRoom(file: string): boolean {
  try {
    return statfsSync(dirname(file)).bavail > 0;
  } catch {
    return true; // unknown; the original error then speaks for itself
  }
}
