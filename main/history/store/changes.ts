/**
 * The one stream of what has changed in the history. Every write notes its change; a transaction gathers them, forgets those of a part that failed,
 * and tells the rest once each: first inside the transaction, to whoever must write something that stands or falls with it (a copy for another own
 * device), then after the commit, to whoever tells the drivers. What was rolled back is never told. Each account hears its own changes alone.
 */
import type { Disposable } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import type { Change } from '../records';
import type { Connection } from './connection';
import { toldAtOnce } from './log-sync';

/** Called before the commit. What it throws undoes the whole transaction. */
export type InsideListener = (changes: readonly Change[]) => void;

/** The stream as one account writes and hears it. */
export interface AccountChanges {
  /** What a transaction has changed of this account, each message and conversation once, after the commit. */
  readonly onChange: Pick<Emitter<readonly Change[]>, 'on'>;
  /** Calls `listener` inside each transaction, as its last work. Changes that it makes itself are told after the commit alone. */
  inside(listener: InsideListener): Disposable;
  /** Runs `work` wholly or not at all, and tells what it has changed. One inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T;
  /** Like `transaction`, by `Connection.soon`. What it has changed is told when it is on disk, with everything that is by then. */
  soon<T>(work: () => T): T;
  /** Runs a single write, which is a transaction of its own where none is open. */
  write<T>(work: () => T): T;
  /** To be called from within `transaction` or `write`. */
  note(change: Change): void;
  /** Calls `listener` with each note, at once. */
  onNote(listener: (change: Change) => void): void;
}

/** A change, and the key of the account that it is of. */
type Noted = Change & { account: number };

/** What one `soon` has changed. */
interface Later {
  /** Its number, see `Connection.progress`. */
  number: number;
  changes: readonly Noted[];
  isCommitted: boolean;
}

/** Called before the commit, with the changes of every account. */
type InsideOfAll = (changes: readonly Noted[]) => void;

export class Changes {
  readonly #onChange = new Emitter<readonly Noted[]>();
  readonly #connection: Connection;
  readonly #inside = new Set<InsideOfAll>();
  /** What each open transaction has changed so far; the outermost one first. */
  readonly #open: Noted[][] = [];
  /** Written by `soon`, and told when it is on disk: many of them together, each message and conversation once. */
  #untold: Later[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onSettled(() => {
      for (const later of this.#untold) later.isCommitted = true;
    });
    connection.onUndone((isWhole) => {
      if (isWhole) this.#takeBack();
    });
  }

  of(account: number): AccountChanges {
    const hear = (listener: InsideListener) => (all: readonly Noted[]) => {
      const own = all.filter((change) => change.account === account).map(({ account: _, ...change }) => change);
      if (own.length > 0) listener(own);
    };
    const noted: ((change: Change) => void)[] = [];
    return {
      onChange: { on: (listener) => this.#onChange.on(hear(listener)) },
      inside: (listener) => {
        const heard = hear(listener);
        this.#inside.add(heard);
        return { dispose: () => void this.#inside.delete(heard) };
      },
      transaction: (work) => this.#transaction(work),
      soon: (work) => this.#soon(work),
      write: (work) => this.#write(work),
      note: (change) => {
        this.#open[this.#open.length - 1]?.push({ ...change, account });
        for (const listener of noted) listener(change);
      },
      onNote: (listener) => void noted.push(listener),
    };
  }

  /** What is untold is told no more. */
  dispose(): void {
    this.#untold = [];
  }

  #transaction<T>(work: () => T): T {
    return this.#gather((gathered) => this.#connection.transaction(() => this.#heardInside(work, gathered)));
  }

  #soon<T>(work: () => T): T {
    if (this.#open.length > 0) return this.#transaction(work);
    const value = this.#gather((gathered) => this.#connection.soon(() => this.#heardInside(work, gathered)), 'later');
    const { number } = this.#untold.at(-1) ?? { number: 0 };
    if (number !== this.#connection.progress.written) return value;
    // Where the disk fails, it is committed all the same, and stands in the next reading.
    const tell = () => this.#tellLater(number);
    const onDisk = this.#connection.onDisk();
    if (onDisk === null) tell();
    else void onDisk.then(tell, tell);
    return value;
  }

  #later(changes: readonly Noted[]): void {
    if (changes.length > 0) this.#untold.push({ number: this.#connection.progress.written, changes, isCommitted: false });
  }

  #heardInside<T>(work: () => T, gathered: readonly Noted[]): T {
    const value = work();
    if (this.#open.length === 1) {
      const told = coalesced(gathered);
      if (told.length > 0) for (const listener of this.#inside) listener(told);
    }
    return value;
  }

  /** Nothing overtakes what was committed before it. */
  #tell(changes: readonly Noted[]): void {
    this.#emit([...this.#taken(() => true), ...changes]);
  }

  /** `soon` number `number` is on disk, and was not told with an earlier one. */
  #tellLater(number: number): void {
    const last = Math.max(number, this.#connection.progress.durable);
    const isDue = this.#untold.some((later) => later.number <= number);
    if (isDue) this.#emit(this.#taken((later) => later.number <= last, toldAtOnce));
  }

  /** Takes what is committed out of what was not told yet. */
  #taken(isWanted: (later: Later) => boolean, limit = Number.POSITIVE_INFINITY): Noted[] {
    const taken = this.#untold.filter((later) => later.isCommitted && isWanted(later)).slice(0, limit);
    this.#untold = this.#untold.filter((later) => !taken.includes(later));
    return taken.flatMap((later) => later.changes);
  }

  #emit(changes: readonly Noted[]): void {
    const told = coalesced(changes);
    if (told.length > 0) this.#onChange.emit(told);
  }

  /** What was read in between may have been told with something else: the conversations are told as they are now. */
  #takeBack(): void {
    for (const later of this.#untold) {
      if (later.isCommitted) continue;
      later.isCommitted = true;
      // All at once, when the first of those who wait is told.
      later.number = 0;
      later.changes = later.changes.map((change) => ({
        ...{ what: 'conversation', how: 'changed', account: change.account },
        id: change.what === 'conversation' ? change.id : change.conversation,
      }));
    }
  }

  #write<T>(work: () => T): T {
    if (this.#open.length > 0) return work();
    return this.#inside.size > 0 ? this.#transaction(work) : this.#gather(work);
  }

  #gather<T>(work: (gathered: Noted[]) => T, telling: 'now' | 'later' = 'now'): T {
    const gathered: Noted[] = [];
    this.#open.push(gathered);
    try {
      const value = work(gathered);
      this.#open.pop();
      const outer = this.#open[this.#open.length - 1];
      if (outer !== undefined) outer.push(...gathered);
      else if (telling === 'later') this.#later(gathered);
      else if (gathered.length > 0) this.#tell(gathered);
      return value;
    } catch (error) {
      this.#open.length = this.#open.indexOf(gathered);
      throw error;
    }
  }
}

/** Each message and each conversation once, in the order in which they were first touched, by what has become of it in the end. */
export function coalesced<C extends Change & { account?: number }>(changes: readonly C[]): C[] {
  const byKey = new Map<string, C>();
  for (const change of changes) {
    // Two accounts may have the same message.
    const own = `${change.account ?? ''} ${change.id}`;
    const key = change.what === 'message' ? `message ${change.direction} ${own}` : `conversation ${own}`;
    const before = byKey.get(key);
    if (before === undefined) byKey.set(key, change);
    else if (before.how === 'added' && change.how === 'removed') byKey.delete(key);
    else if (before.how !== 'added' && !(before.how === 'emptied' && change.how === 'changed')) byKey.set(key, change);
  }
  return [...byKey.values()];
}
