/**
 * One encrypted SQLite file, open: its statements, and its transactions, alone or in groups.
 * What is said in SQL stands with whoever says it. One connection writes; others, of other threads, only read, and see what it has committed.
 */
import type Libsql from 'libsql';
import type { Timekeeper } from '../../../base/clock';
import { AppError } from '../../../preload/contract/errors';
import { type Folded, Folding, longestLogPages } from './folding';
import { beginCounting, countCommit, everAdded, LogMark, type Progress, progressOf } from './log-mark';
import { LogSync, type SyncFile } from './log-sync';
import { openToRead, openToWrite } from './open-file';
import { type Bound, bindable, type RawRow, type Row, readable } from './rows';
import { isDamage, translate } from './storage-error';

/** The least a key must have: 128 bits. An empty key would silently mean an unencrypted file. */
const minimumKeyDigits = 32;

/** How much of what is written by `soon` is committed together, at most: the commit holds up the thread for as long as it takes. */
export const largestGroup = 32;

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
  /** Folds the log in on another thread, which takes long, while this one goes on. Absent: this one does it. */
  fold?: (() => Promise<Folded>) | undefined;
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
  /** Null where the file is only read. */
  readonly #mark: LogMark | null;
  /** Transactions that have changed something, committed. */
  #commits = 0;
  /** The open transaction has changed something. */
  #hasChanged = false;
  /** Called when something that was written is undone; `isWhole`: everything that no commit holds yet. */
  readonly #undone = new Set<(isWhole: boolean) => void>();
  readonly #grouped = new Set<() => void>();
  /** How much of what `soon` has written stands in the open transaction of a group; null: none is open. */
  #group: number | null = null;
  #synchronous: 'FULL' | 'NORMAL' = 'FULL';
  /** How often `soon` has written something, and how much of that is on the disk. */
  #written = 0;
  #durable = 0;
  /** The last job of which it is known that it is on the disk. */
  #durableJobs = 0;
  readonly #folding: Folding;
  #isDamaged = false;
  #depth = 0;
  #closed = false;

  /** Opens the file; to write, it is made when it is not there. */
  constructor({ file, key, prepare, foundDamaged = () => undefined, mend = () => false, sync, clock, fold }: ConnectionOptions) {
    this.#file = file;
    this.#mend = mend;
    this.#reads = prepare === undefined;
    this.#foundDamaged = foundDamaged;
    if (key.length < minimumKeyDigits || !/^[0-9a-f]+$/i.test(key)) {
      throw new AppError('storage/unreadable', { cause: 'the key of the history is missing or is no hex text' }, 'user');
    }
    const folding = { here: () => this.fold(), elsewhere: fold, settle: () => this.settle(), clock };
    this.#folding = new Folding(folding);
    this.#log = new LogSync({ file: `${file}-wal`, sync, clock, covering: () => this.#covering(), checkpoint: () => this.#checkpoint() });
    this.#database = this.#translated(() => (prepare === undefined ? openToRead(file, key) : openToWrite(file, key, prepare)));
    this.#mark = this.#reads ? null : this.#beginMark(key, clock);
    if (fold !== undefined) this.#execute(`PRAGMA wal_autocheckpoint = ${longestLogPages}`);
  }

  #beginMark(key: string, clock: Timekeeper | undefined): LogMark {
    try {
      return this.#translated(() => {
        beginCounting(this.#database);
        // What an earlier process has left in the log may never have been synced, and the mark must not promise more than the disk holds.
        this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
        const progress = progressOf(this.#database);
        this.#commits = progress.commits;
        this.#durableJobs = this.#progress().jobs;
        return new LogMark(this.#file, key, progress, clock);
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Runs `work`, which must not be asynchronous, wholly or not at all. One inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return this.#part(work);
    this.settle();
    const before = this.#commits;
    const value = this.#wholly('FULL', work);
    // COMMIT has synced the log.
    if (this.#commits !== before) this.#reached(this.#progress(), this.#written);
    return value;
  }

  #wholly<T>(synchronous: 'FULL' | 'NORMAL', work: () => T): T {
    this.#begin(synchronous);
    this.#depth += 1;
    try {
      const value = unpromised(work);
      this.#commit();
      return value;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  /**
   * Like `transaction`, but waits neither for a commit nor for the disk: what is written in one turn of the event loop, or while the disk is busy, is
   * committed together. It survives once `onDisk` has resolved. Part of a `transaction` around it, it is as durable as that.
   */
  soon<T>(work: () => T): T {
    if (this.#depth > 0) return this.#part(work);
    if (this.#group !== null && this.#group >= largestGroup) this.settle();
    if (this.#group === null) {
      this.#begin('NORMAL');
      this.#group = 0;
    }
    this.#group += 1;
    this.#written += 1;
    this.#log.changed();
    this.#depth += 1;
    try {
      return this.#part(work);
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back by itself.
      if (!this.#database.inTransaction) this.#loseGroup(error);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  /** Commits what `soon` has written so far. Where that fails it is undone, and whoever waits for it is told by `onDisk`. */
  settle(): void {
    if (this.#group === null || this.#depth > 0) return;
    try {
      this.#commit();
    } catch (error) {
      this.#loseGroup(error);
      return;
    }
    this.#group = null;
    for (const listener of this.#grouped) listener();
  }

  #loseGroup(error: unknown): void {
    this.#group = null;
    this.#rollBack();
    this.#log.failed(error);
  }

  /** Calls `listener` when something that was written is undone; `isWhole`: everything that no commit holds yet. */
  onUndone(listener: (isWhole: boolean) => void): void {
    this.#undone.add(listener);
  }

  /** Calls `listener` each time when what `soon` has written was committed. */
  onSettled(listener: () => void): void {
    this.#grouped.add(listener);
  }

  /** A number that rises with every `soon`, and up to which of them everything is on the disk. */
  get progress(): { written: number; durable: number } {
    return { written: this.#written, durable: this.#durable };
  }

  #begin(synchronous: 'FULL' | 'NORMAL'): void {
    // It cannot be changed while a transaction is open.
    if (this.#synchronous !== synchronous) {
      this.#execute(`PRAGMA synchronous = ${synchronous}`);
      this.#synchronous = synchronous;
    }
    this.#execute('BEGIN IMMEDIATE');
    this.#hasChanged = false;
  }

  #commit(): void {
    const isCounted = this.#hasChanged;
    if (isCounted) this.#translated(() => this.#statement(countCommit).run());
    this.#execute('COMMIT');
    if (!isCounted) return;
    this.#commits += 1;
    this.#folding.committed();
  }

  #rollBack(): void {
    if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
    for (const listener of this.#undone) listener(true);
  }

  /** Where a part cannot be undone alone, the whole transaction is. */
  #undoPart(name: string): void {
    try {
      this.#database.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
    } catch {
      this.#database.exec('ROLLBACK');
    }
  }

  /** Work inside an open transaction, undone alone where it fails. */
  #part<T>(work: () => T): T {
    const name = `level_${this.#depth}`;
    const hadChanged = this.#hasChanged;
    this.#execute(`SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const value = unpromised(work);
      this.#execute(`RELEASE ${name}`);
      return value;
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back by itself; then there is nothing left to undo.
      if (this.#database.inTransaction) this.#undoPart(name);
      this.#hasChanged = hadChanged;
      for (const listener of this.#undone) listener(false);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  /**
   * Resolves when everything written so far would survive a power cut; null: it would now. `job`: only what was written with this job, and before it,
   * matters. @throws AppError `storage/*`
   */
  onDisk(job?: number): Promise<void> | null {
    if (job !== undefined && job <= this.#durableJobs && !this.#log.isDoubtful) return null;
    const arrival = this.#log.onDisk();
    return (
      arrival?.catch((error: unknown) => {
        throw translate(error, this.#file);
      }) ?? null
    );
  }

  /** How far the history has come, committed. `jobs`: the last one that was added. */
  #progress(): Progress & { jobs: number } {
    const [row] = this.#statement(everAdded).all() as { messages: number | null; jobs: number | null }[];
    return { commits: this.#commits, messages: row?.messages ?? 0, jobs: row?.jobs ?? 0 };
  }

  /** Everything up to here is on the disk. */
  #reached(progress: Progress & { jobs: number }, written: number): void {
    // Behind what may be lost, nothing can be read.
    if (!this.#log.makeSure()) return;
    this.#durable = Math.max(this.#durable, written);
    this.#durableJobs = Math.max(this.#durableJobs, progress.jobs);
    this.#mark?.keep(progress);
  }

  /** Folds the log into the database as far as nobody is in the way. */
  fold(): Folded {
    return this.#translated(() => {
      const [row] = this.#database.prepare('PRAGMA wal_checkpoint(PASSIVE)').all() as { log: number; checkpointed: number }[];
      return { pages: row?.log ?? 0, folded: row?.checkpointed ?? 0 };
    });
  }

  /** A sync of the log begins: the answer is called when everything committed by now is on the disk. */
  #covering(): () => void {
    this.settle();
    const [progress, written] = [this.#progress(), this.#written];
    return () => this.#reached(progress, written);
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

  /** Runs one statement as a transaction of its own, which is on the disk once `onDisk` has resolved. */
  runSoon(sql: string, values: Record<string, Bound>): boolean {
    this.settle();
    const work = () => {
      const isChanged = this.#statement(sql).run(bindable(values)).changes > 0;
      this.#hasChanged = isChanged;
      return isChanged;
    };
    const isChanged = this.#mended(sql, () => this.#wholly('NORMAL', work));
    if (!isChanged) return false;
    this.#written += 1;
    this.#log.changed();
    return true;
  }

  /** Adds a row; its number. */
  added(sql: string, values: Record<string, Bound>): number {
    return this.#changing(sql, () => Number(this.#statement(sql).run(bindable(values)).lastInsertRowid), Boolean);
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
    this.settle();
    this.#closed = true;
    let failure: unknown = null;
    try {
      if (!this.#reads) this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      failure = error;
    }
    this.#folding.dispose();
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

  /** Writes the file again, without what was deleted in it. Not within a transaction. */
  compact(): void {
    this.settle();
    this.#execute('VACUUM');
    this.#execute('PRAGMA wal_checkpoint(TRUNCATE)');
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
        // What was written before stays, and mending may need a transaction of its own.
        this.settle();
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

function unpromised<T>(work: () => T): T {
  const value = work();
  if (value instanceof Promise) throw new AppError('internal', { cause: 'asynchronous work in a transaction' });
  return value;
}
