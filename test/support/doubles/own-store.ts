import type { RawEvent } from '../../../main/own/events';
import type { ElementKind, Head, OwnStore, Place, Row } from '../../../main/own/store';
import type { Vector } from '../../../main/own/vector';

/** Thrown where the power goes, and at every later use until the device starts again. */
export class PowerLost extends Error {}

interface Content {
  head: Head | null;
  rows: Map<string, Map<number, Row>>;
  elements: Map<ElementKind, Map<string, unknown>>;
  owed: Map<string, RawEvent>;
  told: Map<string, Vector>;
}

/** A disk in memory: transactions are all or nothing, and the power may go at any step. */
export class MemoryOwnStore implements OwnStore {
  #content: Content = { head: null, rows: new Map(), elements: new Map(), owed: new Map(), told: new Map() };
  #undo: (() => void)[] | null = null;
  #stepsLeft = Number.POSITIVE_INFINITY;
  #isDead = false;
  readonly #sorted = new Map<ElementKind, string[]>();
  #places: Place[] | null = null;

  /** Called when the power goes. */
  onDeath: () => void = () => undefined;

  /** The power goes at the step after so many; a commit is a step before it and one after it. */
  dieAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  wake(): void {
    this.#isDead = false;
    this.#stepsLeft = Number.POSITIVE_INFINITY;
  }

  /** Looks at what is on the disk, also while the power is off. */
  inspect<T>(work: (store: this) => T): T {
    const before = this.#isDead;
    this.#isDead = false;
    try {
      return work(this);
    } finally {
      this.#isDead = before;
    }
  }

  /** A copy of the disk, as a backup or a clone has it. */
  copy(): MemoryOwnStore {
    const other = new MemoryOwnStore();
    other.#content = structuredClone(this.#content);
    return other;
  }

  transaction<T>(work: () => T): T {
    this.#alive();
    if (this.#undo !== null) return work();
    this.#undo = [];
    try {
      const result = work();
      if (this.#undo.length > 0) this.#step();
      this.#undo = null;
      this.#step();
      return result;
    } catch (error) {
      for (const undo of (this.#undo ?? []).reverse()) undo();
      this.#undo = null;
      throw error;
    }
  }

  head = () => this.#read(this.#content.head);

  setHead(head: Head): void {
    const before = this.#content.head;
    this.#write(() => {
      this.#content.head = before;
    });
    this.#content.head = head;
  }

  row = (writer: string, n: number) => this.#read(this.#content.rows.get(writer)?.get(n) ?? null);

  rows(writer: string, after: number, limit: number): Row[] {
    const log = this.#read(this.#content.rows.get(writer));
    if (log === undefined) return [];
    return [...log.values()]
      .filter(({ n }) => n > after)
      .sort((one, other) => one.n - other.n)
      .slice(0, limit);
  }

  putRow(writer: string, row: Row): void {
    this.#set(this.#log(writer), row.n, row);
  }

  dropRows(writer: string, after: number): void {
    for (const { n } of this.rows(writer, after, Number.MAX_SAFE_INTEGER)) this.#delete(this.#log(writer), n);
  }

  placesOf(key: string): { writer: string; row: Row }[] {
    this.#alive();
    return [...this.#content.rows].flatMap(([writer, log]) =>
      [...log.values()].filter(({ ev }) => ev?.e === 'msg' && ev.k === key).map((row) => ({ writer, row })),
    );
  }

  element = (kind: ElementKind, key: string) => this.#read(this.#content.elements.get(kind)?.get(key));

  putElement(kind: ElementKind, key: string, value: unknown): void {
    this.#set(this.#elements(kind), key, value);
    this.#changed(kind);
  }

  dropElement(kind: ElementKind, key: string): void {
    this.#delete(this.#elements(kind), key);
    this.#changed(kind);
  }

  keys(kind: ElementKind, prefix: string, after: string, limit: number): string[] {
    this.#alive();
    let sorted = this.#sorted.get(kind);
    if (sorted === undefined) {
      sorted = [...this.#elements(kind).keys()].sort();
      this.#sorted.set(kind, sorted);
    }
    return sorted.filter((key) => key > after && key.startsWith(prefix)).slice(0, limit);
  }

  messagesBefore(place: Place | null, limit: number): Place[] {
    this.#alive();
    this.#places ??= [...this.#elements('msg')]
      .map(([k, value]): Place => [(value as { po: number }).po, k])
      .sort((one, other) => other[0] - one[0] || (one[1] < other[1] ? 1 : -1));
    const isBefore = ([po, k]: Place) => place === null || po < place[0] || (po === place[0] && k < place[1]);
    return this.#places.filter(isBefore).slice(0, limit);
  }

  messageCount(since: number | null): number {
    this.#alive();
    return [...this.#elements('msg').values()].filter((value) => since === null || (value as { po: number }).po >= since).length;
  }

  owed = () => this.#read([...this.#content.owed].map(([key, event]) => ({ key, event })));

  setOwed(key: string, event: RawEvent | null): void {
    if (event !== null) this.#set(this.#content.owed, key, event);
    else if (this.#content.owed.has(key)) this.#delete(this.#content.owed, key);
  }

  told = (instance: string) => this.#read(this.#content.told.get(instance) ?? null);

  setTold(instance: string, vector: Vector): void {
    this.#set(this.#content.told, instance, vector);
  }

  // The parts.

  #log(writer: string): Map<number, Row> {
    return obtain(this.#content.rows, writer, () => new Map());
  }

  #elements(kind: ElementKind): Map<string, unknown> {
    return obtain(this.#content.elements, kind, () => new Map());
  }

  #changed(kind: ElementKind): void {
    this.#sorted.delete(kind);
    if (kind === 'msg') this.#places = null;
  }

  #set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key);
    const before = map.get(key) as V;
    this.#write(() => {
      if (had) map.set(key, before);
      else map.delete(key);
      this.#sorted.clear();
      this.#places = null;
    });
    map.set(key, value);
  }

  #delete<K, V>(map: Map<K, V>, key: K): void {
    if (!map.has(key)) return;
    const before = map.get(key) as V;
    this.#write(() => {
      map.set(key, before);
      this.#sorted.clear();
      this.#places = null;
    });
    map.delete(key);
  }

  #write(undo: () => void): void {
    if (this.#undo === null) throw new Error('A write outside of a transaction');
    this.#step();
    this.#undo.push(undo);
  }

  #read<T>(value: T): T {
    this.#alive();
    return value;
  }

  #step(): void {
    this.#alive();
    this.#stepsLeft -= 1;
    if (this.#stepsLeft >= 0) return;
    this.#isDead = true;
    this.onDeath();
    throw new PowerLost('The power went');
  }

  #alive(): void {
    if (this.#isDead) throw new PowerLost('The power is off');
  }
}

function obtain<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const here = map.get(key);
  if (here !== undefined) return here;
  const made = make();
  map.set(key, made);
  return made;
}
