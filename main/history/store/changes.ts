/**
 * The one stream of what has changed in the history. Every write notes its change; a transaction gathers them, forgets those of a part that failed,
 * and tells the rest once each: first inside the transaction, to whoever must write something that stands or falls with it (a copy for another own
 * device), then after the commit, to whoever tells the drivers. What was rolled back is never told.
 */
import { Emitter } from '../../../base/emitter';
import type { Change } from '../records';
import type { Connection } from './connection';

/** Called before the commit. What it throws undoes the whole transaction. */
export type InsideListener = (changes: readonly Change[]) => void;

export class Changes {
  /** What a transaction has changed, each message and conversation once, after the commit. */
  readonly onChange = new Emitter<readonly Change[]>();
  readonly #connection: Connection;
  readonly #inside = new Set<InsideListener>();
  /** What each open transaction has changed so far; the outermost one first. */
  readonly #open: Change[][] = [];
  /** Committed by `soon`, and told when it is on disk: many of them together, each message and conversation once. */
  #untold: Change[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Calls `listener` inside each transaction, as its last work. Changes that it makes itself are told after the commit alone. */
  inside(listener: InsideListener): { dispose(): void } {
    this.#inside.add(listener);
    return { dispose: () => void this.#inside.delete(listener) };
  }

  /** Runs `work` wholly or not at all, and tells what it has changed. One inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T {
    return this.#gather((gathered) => this.#connection.transaction(() => this.#heardInside(work, gathered)));
  }

  /** Like `transaction`, by `Connection.soon`. What it has changed is told when it is on disk, with everything that is by then. */
  soon<T>(work: () => T): T {
    if (this.#open.length > 0) return this.transaction(work);
    const value = this.#gather((gathered) => this.#connection.soon(() => this.#heardInside(work, gathered)), 'later');
    if (this.#untold.length > 0) {
      const tell = () => this.#tell([]);
      // Where the disk fails, it is committed all the same, and stands in the next reading.
      const onDisk = this.#connection.onDisk();
      if (onDisk === null) tell();
      else void onDisk.then(tell, tell);
    }
    return value;
  }

  /** What is untold is told no more. */
  dispose(): void {
    this.#untold = [];
  }

  #heardInside<T>(work: () => T, gathered: readonly Change[]): T {
    const value = work();
    if (this.#open.length === 1) {
      const told = coalesced(gathered);
      if (told.length > 0) for (const listener of this.#inside) listener(told);
    }
    return value;
  }

  /** Nothing overtakes what was committed before it. */
  #tell(changes: readonly Change[]): void {
    const told = coalesced([...this.#untold, ...changes]);
    this.#untold = [];
    if (told.length > 0) this.onChange.emit(told);
  }

  /** Runs a single write, which is a transaction of its own where none is open. */
  write<T>(work: () => T): T {
    if (this.#open.length > 0) return work();
    return this.#inside.size > 0 ? this.transaction(work) : this.#gather(work);
  }

  /** To be called from within `transaction` or `write`. */
  note(change: Change): void {
    this.#open[this.#open.length - 1]?.push(change);
  }

  #gather<T>(work: (gathered: Change[]) => T, telling: 'now' | 'later' = 'now'): T {
    const gathered: Change[] = [];
    this.#open.push(gathered);
    try {
      const value = work(gathered);
      this.#open.pop();
      const outer = this.#open[this.#open.length - 1];
      if (outer !== undefined) outer.push(...gathered);
      else if (telling === 'later') this.#untold.push(...gathered);
      else if (gathered.length > 0) this.#tell(gathered);
      return value;
    } catch (error) {
      this.#open.length = this.#open.indexOf(gathered);
      throw error;
    }
  }
}

/** Each message and each conversation once, in the order in which they were first touched, by what has become of it in the end. */
export function coalesced(changes: readonly Change[]): Change[] {
  const byKey = new Map<string, Change>();
  for (const change of changes) {
    const key = change.what === 'message' ? `message ${change.direction} ${change.id}` : `conversation ${change.id}`;
    const before = byKey.get(key);
    if (before === undefined) byKey.set(key, change);
    else if (before.how === 'added' && change.how === 'removed') byKey.delete(key);
    else if (before.how !== 'added' && !(before.how === 'emptied' && change.how === 'changed')) byKey.set(key, change);
  }
  return [...byKey.values()];
}
