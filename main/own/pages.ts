/**
 * What one sibling asks another for, and the answers (docs/OWN-DEVICES.md, 5). The side that answers keeps nothing between two questions, so a
 * pull that was cut off goes on at any other sibling.
 */
import * as v from 'valibot';
import { MAX_KEYS_PER_EVENT, type RawEvent, rawEvent } from './events';
import { eventOf, MAX_RECEIPTS, receiptKeys } from './joins';
import type { Entry, HashRun, OwnLog } from './log';
import type { ElementKind, OwnStore, Place } from './store';
import { MAX_WRITERS, markOf, markSchema, type Vector, vectorSchema } from './vector';

/** LAB: the most events in a page, and the most characters of them. The first event of a page may be longer by itself. */
const MAX_PAGE_EVENTS = 500;
const MAX_PAGE_CHARS = 64 * 1024;

/** A message in a page of a state brings all of its receipts, however many they are. */
const MAX_STATE_EVENTS = MAX_PAGE_EVENTS + MAX_RECEIPTS;

export interface PageLimits {
  events: number;
  chars: number;
}

const writers = v.pipe(v.array(v.string()), v.maxLength(MAX_WRITERS));
const ends = v.record(v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const event = v.custom<RawEvent>((value) => rawEvent(value) !== null);
const row = v.tuple([v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(1)), v.string(), event]);
const run = v.tuple([v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(1)), v.array(v.pipe(v.string(), v.maxLength(16)))]);

const request = v.union([
  v.object({ want: vectorSchema, ends }),
  v.object({
    full: v.string(),
    want: vectorSchema,
    since: v.optional(v.pipe(v.number(), v.safeInteger())),
    got: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
    of: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  }),
  v.object({ hashes: writers }),
]);
const reply = v.union([
  v.object({ vec: vectorSchema, differs: writers }),
  v.object({ vec: vectorSchema, below: v.literal(true) }),
  v.object({ vec: vectorSchema, rows: v.pipe(v.array(row), v.maxLength(MAX_PAGE_EVENTS)), more: v.boolean() }),
  v.object({
    vec: vectorSchema,
    state: v.pipe(v.array(event), v.maxLength(MAX_STATE_EVENTS)),
    runs: v.pipe(v.array(run), v.maxLength(MAX_WRITERS)),
    next: v.nullable(v.string()),
    of: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
    since: v.optional(v.pipe(v.number(), v.safeInteger())),
  }),
  v.object({ hashes: v.record(v.string(), v.pipe(v.array(markSchema), v.maxLength(MAX_WRITERS))) }),
]);

export type Request =
  | { want: Vector; ends: Readonly<Record<string, number>> }
  /** `since`: no messages from before it are wanted, ms. `got`, `of`: how many have come of how many, for the one who is asked to show. */
  | { full: string; want: Vector; since?: number | undefined; got?: number | undefined; of?: number | undefined }
  | { hashes: readonly string[] };
export type Reply = v.InferOutput<typeof reply>;

/** Null: not a question of this version. */
export function readRequest(value: unknown): Request | null {
  const read = v.safeParse(request, value);
  return read.success ? (read.output as Request) : null;
}

/** Null: not an answer of this version. */
export function readReply(value: unknown): Reply | null {
  const read = v.safeParse(reply, value);
  return read.success ? read.output : null;
}

export function answer(log: OwnLog, request: Request, limits: PageLimits = { events: MAX_PAGE_EVENTS, chars: MAX_PAGE_CHARS }): Reply {
  if ('hashes' in request)
    return { hashes: Object.fromEntries(request.hashes.map((writer) => [writer, [...log.samples(writer)]])) } as Reply;
  const vec = log.vector;
  if ('full' in request) {
    const since = Math.max(request.since ?? Number.NEGATIVE_INFINITY, log.head.since ?? Number.NEGATIVE_INFINITY);
    const from = Number.isFinite(since) ? since : null;
    const first = request.full === '' ? { of: log.store.messageCount(from), ...(from === null ? {} : { since: from }) } : {};
    return { vec, ...statePage(log, request.full, request.want, limits, from), ...first } as Reply;
  }
  const differs = log.differing(request.want);
  if (differs.length > 0) return { vec, differs } as Reply;
  if (log.isBelowFloor(request.want, request.ends)) return { vec, below: true } as Reply;
  return { vec, ...logPage(log, request.want, request.ends, limits) } as Reply;
}

/** Events that `want` lacks, writer by writer in order, as many as fit. */
function logPage(log: OwnLog, want: Vector, ends: Readonly<Record<string, number>>, limits: PageLimits) {
  const rows: [string, number, string, RawEvent][] = [];
  let chars = 0;
  for (const [writer, [last]] of Object.entries(log.vector)) {
    const end = Math.min(last, ends[writer] ?? last);
    let after = markOf(want, writer)[0];
    while (after < end) {
      const next = log.store.rows(writer, after, limits.events - rows.length + 1);
      for (const { n, h, ev } of next) {
        if (n > end || ev === null) break;
        chars += JSON.stringify(ev).length;
        if (rows.length > 0 && (rows.length >= limits.events || chars > limits.chars)) return { rows, more: true };
        rows.push([writer, n, h, ev]);
        after = n;
      }
      if (next.length === 0 || after < (next.at(-1)?.n ?? 0)) break;
    }
  }
  return { rows, more: false };
}

/** A page of events as one list for each writer. */
export function entriesOf(rows: readonly (readonly [string, number, string, RawEvent])[]): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>();
  for (const [writer, n, h, ev] of rows) {
    const list = found.get(writer) ?? [];
    list.push({ n, h, ev });
    found.set(writer, list);
  }
  return found;
}

/** What of a state comes first: registers and deletions, and what is known of messages that are not here. Then the messages, the newest first. */
const beforeMessages: readonly ElementKind[] = ['fork', 'reg', 'other', 'del', 'read', 'st', 'rcpt'];

/** A page of the whole state, as events without numbers. `cursor`: empty for the first page. */
function statePage(log: OwnLog, cursor: string, want: Vector, limits: PageLimits, since: number | null) {
  const { store } = log;
  const state: RawEvent[] = [];
  let chars = 0;
  const page = (next: unknown) => ({ state, runs: [] as HashRun[], next: next === null ? null : JSON.stringify(next) });
  const isFull = () => state.length >= limits.events || chars >= limits.chars;
  const add = (events: readonly RawEvent[]) => {
    for (const event of events) chars += JSON.stringify(event).length;
    state.push(...events);
  };
  const [from, after, at, number] = readCursor(cursor);
  if (from > beforeMessages.length) return { state, ...hashPage(log, want, after, number, limits) };
  for (const kind of beforeMessages.slice(from)) {
    let last = kind === beforeMessages[from] ? after : '';
    for (;;) {
      const keys = store.keys(kind, '', last, kind === 'del' ? MAX_KEYS_PER_EVENT : 64);
      if (keys.length === 0) break;
      if (kind === 'del') add([{ e: 'del', k: keys }]);
      for (const key of keys) {
        if (isFull() && kind !== 'del') return page([beforeMessages.indexOf(kind), last]);
        if (kind !== 'del' && !belongsToMessage(store, kind, key)) add([eventOf(store, kind, key)]);
        last = key;
      }
      if (isFull()) return page([beforeMessages.indexOf(kind), last]);
    }
  }
  let place: Place | null = at;
  for (;;) {
    const next = store.messagesBefore(place, 64).filter(([po]) => since === null || po >= since);
    if (next.length === 0) return page([beforeMessages.length + 1, '', 0]);
    for (const here of next) {
      const about = aboutMessage(store, here[1]);
      // A message and what is known of it are never parted, lest a device shows as unread what was read.
      if (state.length > 0 && (isFull() || state.length + about.length > limits.events)) return page([beforeMessages.length, place]);
      add(about);
      place = here;
    }
  }
}

function belongsToMessage(store: OwnStore, kind: ElementKind, key: string): boolean {
  if (kind !== 'read' && kind !== 'st' && kind !== 'rcpt') return false;
  return store.element('msg', key.split('\0')[0] ?? '') !== undefined;
}

function aboutMessage(store: OwnStore, key: string): RawEvent[] {
  const of = (kind: 'read' | 'st') => (store.element(kind, key) === undefined ? [] : [eventOf(store, kind, key)]);
  const receipts = receiptKeys(store, key);
  return [eventOf(store, 'msg', key), ...of('read'), ...of('st'), ...receipts.map((name) => eventOf(store, 'rcpt', name))];
}

/** Hashes of what `want` lacks, at last: with them the device that copies a state can compare logs as if it had seen every event. */
function hashPage(log: OwnLog, want: Vector, writer: string, after: number, limits: PageLimits): { runs: HashRun[]; next: string | null } {
  const runs: HashRun[] = [];
  let count = 0;
  for (const [one, [last]] of Object.entries(log.vector).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (one < writer) continue;
    const from = Math.max(markOf(want, one)[0], one === writer ? after : 0);
    const rows = log.store.rows(one, from, limits.events - count).filter(({ n }) => n <= last);
    if (rows.length > 0) runs.push([one, from + 1, rows.map(({ h }) => h)]);
    count += rows.length;
    const end = rows.at(-1)?.n ?? last;
    if (count >= limits.events && end < last) return { runs, next: JSON.stringify([beforeMessages.length + 1, one, end]) };
  }
  return { runs, next: null };
}

const place = v.nullable(v.tuple([v.number(), v.string()]));
const cursors = v.union([
  v.strictTuple([v.number(), v.string()]),
  v.strictTuple([v.literal(beforeMessages.length), place]),
  v.strictTuple([v.literal(beforeMessages.length + 1), v.string(), v.number()]),
]);

/** A cursor that nobody made here begins at the beginning. */
function readCursor(cursor: string): [from: number, after: string, at: Place | null, number: number] {
  try {
    const read = v.safeParse(cursors, JSON.parse(cursor));
    if (!read.success) return [0, '', null, 0];
    const [from, after, number = 0] = read.output;
    return typeof after === 'string' ? [from, after, null, number] : [beforeMessages.length, '', after, 0];
  } catch {
    return [0, '', null, 0];
  }
}
