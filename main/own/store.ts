/** What the own copies keep on disk. The product's is a few tables of the history, the model's a map that can lose power at every step. */
import type { RawEvent } from './events';
import type { Mark, Vector } from './vector';

/** One number of a writer's log. A pruned event leaves its hash behind, and a copied state brings all hashes: by them forks are found. */
export interface Row {
  readonly n: number;
  readonly h: string;
  readonly ev: RawEvent | null;
  /** When it was written down here, ms. */
  readonly at: number;
}

/** The kinds of element of which the state consists. */
export type ElementKind = 'msg' | 'st' | 'rcpt' | 'read' | 'del' | 'reg' | 'fork' | 'other';

/** Where a message stands: shown order is by position, then by key. */
export type Place = readonly [po: number, k: string];

/** A copy of a whole state that is on its way here. */
export interface Filling {
  /** The sender's vector before the first page. */
  readonly start: Vector;
  /** `start`, moved on by the ticks that came meanwhile. When the last page has come it becomes the vector. */
  readonly cut: Vector;
  /** Where the next page begins; opaque. */
  readonly cursor: string;
  /** How many messages have come, and how many there are in all, as the sender counted them before the first page. */
  readonly got?: number;
  readonly of?: number;
}

/** The few values that change with nearly every event, written as one. */
export interface Head {
  /** The name this device writes under. */
  readonly writer: string;
  readonly vector: Vector;
  /** Per writer: the events up to this number are not in the log here any more; whoever lacks them needs the whole state. */
  readonly floor: Readonly<Record<string, number>>;
  /** Writers that end: by a fork, at the number before it; by the removal of their device. */
  readonly forked: Readonly<Record<string, Mark>>;
  readonly removed: Readonly<Record<string, number>>;
  readonly filling: Filling | null;
  /** This device is new, or wants more than it has: it copies the state of a sibling before it takes single events. */
  readonly wantsState?: boolean;
  /** Messages from before this time, ms, were not copied here: the person wanted no more, or the sibling had no more. */
  readonly since?: number;
  /** How far the history from before the log is in the state; absent: not looked at. */
  readonly older?: 'begun' | 'done';
  /** Exclusive or of the hashes of all elements, hexadecimal. */
  readonly digest: string;
}

export interface OwnStore {
  /** All or nothing; inside another one, part of that. */
  transaction<T>(work: () => T): T;

  /** Null until the first `setHead`. */
  head(): Head | null;
  setHead(head: Head): void;

  row(writer: string, n: number): Row | null;
  /** Rows with a number above `after`, in order. */
  rows(writer: string, after: number, limit: number): Row[];
  putRow(writer: string, row: Row): void;
  dropRows(writer: string, after: number): void;
  /** The rows whose event is the `msg` of this key. */
  placesOf(key: string): { writer: string; row: Row }[];

  element(kind: ElementKind, key: string): unknown;
  putElement(kind: ElementKind, key: string, value: unknown): void;
  dropElement(kind: ElementKind, key: string): void;
  /** Keys of a kind that begin with `prefix` and stand above `after`, in order. */
  keys(kind: ElementKind, prefix: string, after: string, limit: number): string[];
  /** Keys of messages that stand before a place, or the last ones, the newest first. */
  messagesBefore(place: Place | null, limit: number): Place[];
  /** How many messages stand at a time or after it; null: how many there are. */
  messageCount(since: number | null): number;

  /** Messages that came from the network and whose `msg` no device has written yet. */
  owed(): { key: string; event: RawEvent }[];
  setOwed(key: string, event: RawEvent | null): void;

  /** What a listed device had when it last told, by its instance ID. */
  told(instance: string): Vector | null;
  setTold(instance: string, vector: Vector): void;
}
