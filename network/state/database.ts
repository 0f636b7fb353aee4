/**
 * A database of a function: a file, or memory. A call that has returned is on disk (WAL, synchronous=FULL). Functions and instances of a
 * function may share one file, each with tables of its own.
 */
import Libsql from 'libsql';

/** How long a write waits for another process' write, ms. */
const BUSY_TIMEOUT_MS = 2000;

export type SqlValue = string | number | Buffer | null;

export class StateDatabase {
  readonly #database: Libsql.Database;
  readonly #prepared = new Map<string, Libsql.Statement>();
  #isOpen = true;

  /**
   * Opens `file`, or memory when it is null, and runs `schema`. `what` names the things that are kept, for the error.
   * @throws Error with one sentence that names the file when it cannot be used
   */
  constructor(file: string | null, what: string, ...schema: readonly string[]) {
    try {
      this.#database = new Libsql(file ?? ':memory:', { timeout: BUSY_TIMEOUT_MS });
      if (file !== null) this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      for (const sql of schema) this.#database.exec(sql);
    } catch (error) {
      throw new Error(`${what} cannot be kept in ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  run(sql: string, ...values: SqlValue[]): void {
    this.#statement(sql).run(...values);
  }

  /** The first row; null when there is none. The caller knows the columns that it asks for. */
  row<T>(sql: string, ...values: SqlValue[]): T | null {
    return (this.#statement(sql).get(...values) as T | undefined) ?? null;
  }

  rows<T>(sql: string, ...values: SqlValue[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  get lastId(): number {
    return Number(this.row<{ id: number }>('SELECT last_insert_rowid() AS id')?.id);
  }

  /** Everything that `work` writes is on disk when this returns, or nothing of it when this throws. */
  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#prepared.clear();
    this.#database.close();
  }

  #statement(sql: string): Libsql.Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
