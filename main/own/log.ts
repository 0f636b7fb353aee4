/**
 * The log of a device: its own events, numbered without holes, and those of its siblings, per writer without a gap. A number, its effect on
 * the state and the vector are one transaction, so a device that dies at any moment wakes up with all of them or none.
 *
 *   own writer    writes --a sibling knows more of us than we do (restored)--> writes under another name
 *                 writes --fork at n (restored and written, or cloned)-------> closed at n-1; its later events are written again
 *   any writer    open --fork n--> closed at n-1          open --its device removed at n--> closed at n
 *
 * A fork is found by the hashes. Whoever holds events from the fork on writes them again as its own; joins go by key, so nothing doubles.
 * Whoever has effects of events that its log does not hold any more cannot do that, and asks its siblings to take its whole state: it sets
 * the floor of its own log to the top (`#rebase`).
 */
import type { ForkEvent, MessageEvent, RawEvent, RegisterEvent } from './events';
import { type Change, isDeleted, join, type RegisterElement } from './joins';
import { chainHash, writerName } from './names';
import type { Filling, Head, OwnStore, Row } from './store';
import { covers, type Mark, markOf, START, type Vector } from './vector';

/** An event with its place in its writer's log. */
export interface Entry {
  n: number;
  h: string;
  ev: RawEvent;
}

export interface OwnLogDeps {
  store: OwnStore;
  instance: string;
  /** Epoch ms. It decides nothing but ties between registers that were changed without knowledge of each other. */
  now(): number;
  /** Random bytes, for the name of a writer. */
  random(bytes: number): Uint8Array;
  /** As the last work of each transaction that changed the state: what it throws undoes that transaction. */
  inside?(changes: readonly Change[], isState: boolean): void;
  /** After each transaction that changed the state. */
  changed?(changes: readonly Change[]): void;
}

/** Hashes of a writer's events that follow one another, from a number on. */
export type HashRun = readonly [writer: string, first: number, hashes: readonly string[]];

/** LAB: the most devices of one person that are listed. */
export const MAX_LISTED_DEVICES = 16;

/** The register in which a device stands. */
export interface DeviceRegister {
  name: string;
  /** The names it has written under. */
  w: string[];
  since: number;
  /** Its X25519 key, for what is meant for it alone (letter.ts). */
  pk?: string;
  /** Set when the device was removed: per writer, the last number that is still taken. */
  removed?: Record<string, number>;
  /** With `removed`: it shall leave, and its chats shall go as well where this is true; and whether it has agreed. */
  erase?: boolean;
  left?: boolean;
}

/** Per writer, the last number that is still taken. */
export type Ends = Readonly<Record<string, number>>;

export class OwnLog {
  readonly #deps: OwnLogDeps;

  constructor(deps: OwnLogDeps) {
    this.#deps = deps;
    const { store } = deps;
    store.transaction(() => {
      if (store.head() === null)
        store.setHead({ writer: this.#name(), vector: {}, floor: {}, forked: {}, removed: {}, filling: null, digest: '0' });
    });
  }

  get store(): OwnStore {
    return this.#deps.store;
  }

  get head(): Head {
    const head = this.store.head();
    if (head === null) throw new Error('The log has not begun');
    return head;
  }

  get vector(): Vector {
    return this.head.vector;
  }

  /** Writes events of this device down, with their effects. They are on disk when it returns. */
  append(events: readonly RawEvent[]): Change[] {
    return this.#change(() => this.#write(events));
  }

  /** Sets a register, with a version above every one seen. @returns false: it has that value already */
  setRegister(name: string, val: unknown): boolean {
    const here = this.register(name);
    if (here !== undefined && JSON.stringify(here.val) === JSON.stringify(val)) return false;
    const { writer } = this.head;
    this.append([{ e: 'reg', name, val, ver: [(here?.ver[0] ?? 0) + 1, this.#deps.now(), writer] }]);
    return true;
  }

  register(name: string): RegisterElement | undefined {
    return this.store.element('reg', name) as RegisterElement | undefined;
  }

  /**
   * How far events of a writer are here, for whoever brings more: the vector; while a state is being copied here, the cut, which is what that
   * copy will reach.
   */
  reached(writer: string): Mark {
    const { vector, filling } = this.head;
    const [here, coming] = [markOf(vector, writer), filling === null ? START : markOf(filling.cut, writer)];
    return coming[0] > here[0] ? coming : here;
  }

  /** The last number of a writer that is taken at all. */
  limit(writer: string): number {
    const { forked, removed } = this.head;
    return Math.min(forked[writer]?.[0] ?? Number.POSITIVE_INFINITY, removed[writer] ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Takes events, of each writer those that follow one another. What is here already is passed over; what comes after a gap, or after the
   * writer's end, is not taken, nor anything of a writer whose log here is another one.
   */
  take(lists: ReadonlyMap<string, readonly Entry[]>): void {
    this.#change(() => [...lists].flatMap(([writer, entries]) => this.#take(writer, entries)));
  }

  #take(writer: string, entries: readonly Entry[]): Change[] {
    if (entries.some(({ n, h }) => this.#contradicts(writer, n, h))) return [];
    const changes: Change[] = [];
    for (const { n, h, ev } of entries) {
      if (n !== this.reached(writer)[0] + 1 || n > this.limit(writer)) continue;
      this.#keep(writer, { n, h, ev, at: this.#deps.now() });
      changes.push(...this.#join(ev));
    }
    return changes;
  }

  /** The hash of a number, as far as it is known here. */
  hashAt(writer: string, n: number): string | null {
    if (n === 0) return '';
    const [reached, h] = this.reached(writer);
    const [prefix, hash] = markOf(this.vector, writer);
    if (n === reached) return h;
    if (n === prefix) return hash;
    return n > reached ? null : (this.store.row(writer, n)?.h ?? null);
  }

  #contradicts(writer: string, n: number, h: string): boolean {
    const here = this.hashAt(writer, n);
    return here !== null && here !== h && n <= this.limit(writer);
  }

  /** Writers whose mark in `vector` stands in a log other than ours. */
  differing(vector: Vector): string[] {
    return Object.entries(vector).flatMap(([writer, [n, h]]) => (this.#contradicts(writer, n, h) ? [writer] : []));
  }

  /** Whether something that `vector` lacks is not in the log here any more. */
  isBelowFloor(vector: Vector, ends: Ends): boolean {
    return Object.entries(this.head.floor).some(
      ([writer, floor]) => markOf(vector, writer)[0] < Math.min(floor, markOf(this.vector, writer)[0], ends[writer] ?? floor),
    );
  }

  /** Where writers end, as far as it is known here; nobody need send more of them. */
  get ends(): Ends {
    const { forked, removed } = this.head;
    return Object.fromEntries([...Object.keys(forked), ...Object.keys(removed)].map((writer) => [writer, this.limit(writer)]));
  }

  /** Hashes by which another device finds where its log and ours part: the last one, and ever further back. */
  samples(writer: string): Mark[] {
    const [last] = markOf(this.vector, writer);
    const found: Mark[] = [];
    for (let back = 0; back < last; back = Math.max(1, back * 2)) {
      const h = this.hashAt(writer, last - back);
      if (h !== null) found.push([last - back, h]);
    }
    return found;
  }

  /** Writes down where a writer's log forks: after the last number of `samples` that is the same here. */
  fork(writer: string, samples: readonly Mark[]): void {
    const common = samples.reduce<Mark>((best, [n, h]) => (n > best[0] && this.hashAt(writer, n) === h ? [n, h] : best), START);
    const ending = Math.min(markOf(this.vector, writer)[0], Math.max(0, ...samples.map(([n]) => n)), this.limit(writer));
    if (common[0] >= ending) return;
    this.append([{ e: 'fork', w: writer, n: common[0] + 1, h: common[1] } satisfies ForkEvent]);
  }

  /** A device that was removed once and is admitted again writes under another name: its old ones have ended. */
  renewWhereEnded(): void {
    if (this.limit(this.head.writer) !== Number.POSITIVE_INFINITY) this.#begin();
  }

  /** A sibling's vector has come. One that knows more of this device than this device does shows that its disk is an old copy. */
  meet(vector: Vector): void {
    const { writer } = this.head;
    if (markOf(vector, writer)[0] > markOf(this.vector, writer)[0]) this.#begin();
  }

  /** Removes events from the log that every listed device has, or that are too old; their hashes stay. @returns how many */
  prune(upTo: Readonly<Record<string, number>>): number {
    return this.store.transaction(() => {
      let removed = 0;
      for (const [writer, end] of Object.entries(upTo)) {
        const head = this.head;
        const from = head.floor[writer] ?? 0;
        const to = Math.min(end, markOf(head.vector, writer)[0]);
        if (to <= from) continue;
        for (const row of this.store.rows(writer, from, to - from)) {
          if (row.n > to) break;
          this.store.putRow(writer, { ...row, ev: null });
          removed += 1;
        }
        this.store.setHead({ ...this.head, floor: { ...head.floor, [writer]: to } });
      }
      return removed;
    });
  }

  // A whole state that comes from a sibling.

  /** Begins to copy the state of a sibling that has `start`, or goes on where a copy stopped that `start` covers. @returns the cursor */
  beginFilling(start: Vector): string {
    const { filling } = this.head;
    if (filling !== null && covers(start, filling.start)) return filling.cursor;
    this.abandon();
    const within = Object.fromEntries(Object.entries(start).filter(([writer, [n]]) => n <= this.limit(writer)));
    this.store.transaction(() => this.store.setHead({ ...this.head, filling: { start: within, cut: within, cursor: '' } }));
    return '';
  }

  /** Brings events into the state that have no numbers here: they stand in the log of the sibling that told them, and come again from there. */
  learn(events: readonly RawEvent[]): void {
    this.#change(() => events.flatMap((event) => this.#join(event)));
  }

  /** The next sibling's state is copied as a whole, the newest messages first; those from before `since` are left out, null: none. */
  wantState(since: number | null): void {
    this.abandon();
    const { since: _, ...head } = this.head;
    this.store.transaction(() => this.store.setHead({ ...head, wantsState: true, ...(since === null ? {} : { since }) }));
  }

  /** The sibling that is copied has nothing from before `since`. */
  beginsAt(since: number): void {
    if (since > (this.head.since ?? Number.NEGATIVE_INFINITY)) this.store.transaction(() => this.store.setHead({ ...this.head, since }));
  }

  /**
   * Brings what stood in the history before the log began into the state, a part at a time; null: that was all. It has no numbers, so every
   * sibling copies the state then.
   */
  takeOlder(events: readonly RawEvent[] | null): void {
    this.#change(() => {
      if (events !== null) {
        if (events.length > 0 && this.head.older === undefined) this.store.setHead({ ...this.head, older: 'begun' });
        return events.flatMap((event) => this.#join(event));
      }
      if (this.head.older === 'begun') this.#rebase();
      this.store.setHead({ ...this.head, older: 'done' });
      return [];
    });
  }

  /** This device takes no part any more. What happens from now on is not in the log, and is looked at when it takes part again. */
  leave(): void {
    this.abandon();
    const { older: _, wantsState: __, ...head } = this.head;
    this.store.transaction(() => this.store.setHead(head));
  }

  /**
   * Takes a page of a state: its events have effects and no numbers. `next`: where the next page begins; null after the last one. `of`: how many
   * messages there are in all, where the sender tells it.
   */
  takeState(events: readonly RawEvent[], hashes: readonly HashRun[], next: string | null, of?: number): void {
    this.#change(() => {
      const changes = events.flatMap((event) => this.#join(event));
      if (this.head.filling === null) return changes;
      const got = (this.head.filling.got ?? 0) + events.filter(({ e }) => e === 'msg').length;
      const filling: Filling = { ...this.head.filling, got, ...(of === undefined ? {} : { of }) };
      for (const [writer, first, run] of hashes) {
        const end = markOf(filling.start, writer)[0];
        for (const [at, h] of run.entries())
          if (first + at > markOf(this.vector, writer)[0] && first + at <= end)
            this.store.putRow(writer, { n: first + at, h, ev: null, at: 0 });
      }
      if (next === null) {
        this.#adopt(filling);
        return changes;
      }
      this.store.setHead({ ...this.head, filling: { ...filling, cursor: next } });
      return changes;
    }, true);
  }

  /** The last page is here: everything up to the cut is in the state, and the vector says so. */
  #adopt(filling: Filling): void {
    for (const [writer, cut] of Object.entries(filling.cut)) {
      const { vector, floor } = this.head;
      const start = markOf(filling.start, writer)[0];
      if (cut[0] <= markOf(vector, writer)[0] || cut[0] > this.limit(writer)) continue;
      for (const row of this.store.rows(writer, floor[writer] ?? 0, Number.MAX_SAFE_INTEGER))
        if (row.n <= start && row.ev !== null) this.store.putRow(writer, { ...row, ev: null });
      this.store.setHead({
        ...this.head,
        vector: { ...vector, [writer]: cut },
        floor: start > 0 ? { ...floor, [writer]: start } : floor,
      });
    }
    const { wantsState: _, ...head } = this.head;
    this.store.setHead({ ...head, filling: null });
  }

  /**
   * Gives a state up that was not copied to the end. The events that came meanwhile have no place in the log then, and are written again; of
   * what the pages brought there are no events here at all.
   */
  abandon(): void {
    this.#change(() => {
      const { filling } = this.head;
      if (filling === null) return [];
      const again: RawEvent[] = [];
      for (const writer of Object.keys(filling.cut)) {
        const [n] = markOf(this.vector, writer);
        again.push(...this.#held(writer, n));
        this.store.dropRows(writer, n);
      }
      this.store.setHead({ ...this.head, filling: null });
      const changes = this.#write(again);
      if (filling.cursor !== '') this.#rebase();
      return changes;
    });
  }

  #held(writer: string, after: number): RawEvent[] {
    return this.store.rows(writer, after, Number.MAX_SAFE_INTEGER).flatMap(({ ev }) => (ev === null ? [] : [ev]));
  }

  // Writing.

  #change(work: () => Change[], isState = false): Change[] {
    const changes = this.store.transaction(() => {
      const made = work();
      if (made.length > 0) this.#deps.inside?.(made, isState);
      return made;
    });
    if (changes.length > 0) this.#deps.changed?.(changes);
    return changes;
  }

  #write(events: readonly RawEvent[]): Change[] {
    const changes: Change[] = [];
    for (const event of events) {
      const { writer, vector } = this.head;
      const [last, before] = markOf(vector, writer);
      this.#keep(writer, { n: last + 1, h: chainHash(before, event), ev: event, at: this.#deps.now() });
      changes.push(...this.#join(event));
    }
    return changes;
  }

  /** One row and how far the log reaches with it. The text of a deleted message is not written down any more. */
  #keep(writer: string, row: Row): void {
    const key = row.ev?.e === 'msg' ? (row.ev as MessageEvent).k : null;
    this.store.putRow(writer, key !== null && isDeleted(this.store, key) ? { ...row, ev: { e: 'del', k: [key] } } : row);
    const head = this.head;
    const mark: Mark = [row.n, row.h];
    const { filling } = head;
    if (filling !== null && row.n > markOf(head.vector, writer)[0] + 1)
      this.store.setHead({ ...head, filling: { ...filling, cut: { ...filling.cut, [writer]: mark } } });
    else this.store.setHead({ ...head, vector: { ...head.vector, [writer]: mark } });
  }

  #join(event: RawEvent): Change[] {
    const changes = join(this.store, event);
    for (const { kind, key } of [...changes]) {
      if (kind === 'msg') this.store.setOwed(key, null);
      else if (kind === 'del') this.#forget(key);
      else if (kind === 'fork') changes.push(...this.#close(key, this.store.element('fork', key) as { n: number; h: string }));
      else if (kind === 'reg' && key.startsWith('dev|')) changes.push(...this.#removal(event as RegisterEvent));
    }
    return changes;
  }

  /** A message was deleted: its text goes out of the log as well. */
  #forget(key: string): void {
    this.store.setOwed(key, null);
    for (const { writer, row } of this.store.placesOf(key)) this.store.putRow(writer, { ...row, ev: { e: 'del', k: [key] } });
  }

  #close(writer: string, { n, h }: { n: number; h: string }): Change[] {
    const end: Mark = [n - 1, h];
    const again = this.#held(writer, end[0]);
    const head = this.head;
    const floor = head.floor[writer] ?? 0;
    const shorten = (vector: Vector): Vector => (markOf(vector, writer)[0] > end[0] ? { ...vector, [writer]: end } : vector);
    this.store.dropRows(writer, end[0]);
    const { filling } = head;
    this.store.setHead({
      ...head,
      forked: { ...head.forked, [writer]: end },
      vector: shorten(head.vector),
      floor: floor > end[0] ? { ...head.floor, [writer]: end[0] } : head.floor,
      filling: filling === null ? null : { ...filling, start: shorten(filling.start), cut: shorten(filling.cut) },
    });
    if (writer === head.writer) this.#begin();
    const changes = this.#write(again);
    if (floor > end[0]) this.#rebase();
    return changes;
  }

  /** Effects stand in the state here whose events nobody can ask for: whoever lacks what follows takes the whole state. */
  #rebase(): void {
    const { writer, floor } = this.head;
    // An event without effect, so that there is a number that nobody else can have yet.
    this.#write([{ e: 'base' }]);
    this.store.setHead({ ...this.head, floor: { ...floor, [writer]: markOf(this.vector, writer)[0] } });
  }

  /** A device was removed. Events beyond its mark that came before that was known here stay, and the mark is raised. */
  #removal({ name }: RegisterEvent): Change[] {
    const value = (this.register(name)?.val ?? {}) as DeviceRegister;
    if (typeof value.removed !== 'object' || value.removed === null) return [];
    const { removed } = value;
    const raised: Record<string, number> = { ...removed };
    for (const [writer, n] of Object.entries(removed)) raised[writer] = Math.max(n, this.reached(writer)[0]);
    const head = this.head;
    this.store.setHead({ ...head, removed: { ...head.removed, ...raised } });
    if (Object.entries(raised).every(([writer, n]) => n === removed[writer])) return [];
    const ver = [(this.register(name)?.ver[0] ?? 0) + 1, this.#deps.now(), this.head.writer];
    return this.#write([{ e: 'reg', name, val: { ...value, removed: raised }, ver }]);
  }

  #name(): string {
    return writerName(this.#deps.instance, this.#deps.random(16));
  }

  /** From now on this device writes under another name. */
  #begin(): void {
    this.store.transaction(() => this.store.setHead({ ...this.head, writer: this.#name() }));
  }
}
