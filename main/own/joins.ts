/**
 * What an event does to the state. Every kind joins: whatever the order, however often, by whatever path, the same set of events gives the
 * same state (docs/OWN-DEVICES.md, 3). A deleted key beats everything, for ever.
 */
import { type KnownEvent, knownEvent, type MessageEvent, type RawEvent, type ReceiptEvent, type RegisterVersion } from './events';
import { canonical, elementHash, strangeName } from './names';
import type { ElementKind, OwnStore } from './store';

/** An element of the state that an event has changed. */
export interface Change {
  kind: ElementKind;
  key: string;
}

export function isDeleted(store: OwnStore, key: string): boolean {
  return store.element('del', key) !== undefined;
}

/** Brings one event into the state. Its effect, and nothing else, is what comes back: empty when the state had it already. */
export function join(store: OwnStore, raw: RawEvent): Change[] {
  const event = knownEvent(raw);
  if (event === null) return joinStrange(store, raw);
  return joiners[event.e](store, event as never);
}

/** An event of a kind that this version does not know; its name is its content. */
function joinStrange(store: OwnStore, raw: RawEvent): Change[] {
  const name = strangeName(raw);
  return store.element('other', name) === undefined ? put(store, 'other', name, raw) : [];
}

type Joiners = { [E in KnownEvent['e']]: (store: OwnStore, event: Extract<KnownEvent, { e: E }>) => Change[] };

const joiners: Joiners = {
  msg(store, event) {
    if (isDeleted(store, event.k)) return [];
    const here = store.element('msg', event.k) as MessageEvent | undefined;
    return here !== undefined && compareMessages(here, event) <= 0 ? [] : put(store, 'msg', event.k, event);
  },
  st(store, event) {
    if (isDeleted(store, event.k)) return [];
    const here = store.element('st', event.k) as { ver: number; st: string } | undefined;
    const isOlder = here !== undefined && (here.ver > event.ver || (here.ver === event.ver && canonical(here) >= canonical(event)));
    return isOlder ? [] : put(store, 'st', event.k, event);
  },
  rcpt: (store, event) =>
    event.k.flatMap((key) => {
      if (isDeleted(store, key)) return [];
      const name = receiptKey(key, event);
      const here = store.element('rcpt', name) as number | undefined;
      return here !== undefined && here <= event.at ? [] : put(store, 'rcpt', name, event.at);
    }),
  read: (store, event) =>
    event.k.flatMap((key) => (isDeleted(store, key) || store.element('read', key) !== undefined ? [] : put(store, 'read', key, 1))),
  del: (store, event) =>
    event.k.flatMap((key) => {
      if (isDeleted(store, key)) return [];
      for (const kind of ['msg', 'st', 'read'] as const) drop(store, kind, key);
      for (const receipt of receiptKeys(store, key)) drop(store, 'rcpt', receipt);
      return put(store, 'del', key, 1);
    }),
  reg(store, event) {
    const here = store.element('reg', event.name) as RegisterElement | undefined;
    const value: RegisterElement = { val: event.val, ver: event.ver };
    if (here !== undefined && compareRegisters(here, value) >= 0) return [];
    return put(store, 'reg', event.name, value);
  },
  fork(store, event) {
    const here = store.element('fork', event.w) as { n: number } | undefined;
    return here !== undefined && here.n <= event.n ? [] : put(store, 'fork', event.w, { n: event.n, h: event.h });
  },
  base: () => [],
};

export interface RegisterElement {
  val: unknown;
  ver: RegisterVersion;
}

/** Versions first: the count of changes seen, then the clock, then the writer. One writer may repeat a version after a restore: then the value. */
function compareRegisters(one: RegisterElement, other: RegisterElement): number {
  for (const at of [0, 1, 2] as const) {
    const [mine, theirs] = [one.ver[at], other.ver[at]];
    if (mine !== theirs) return mine < theirs ? -1 : 1;
  }
  const [mine, theirs] = [canonical(one.val ?? null), canonical(other.val ?? null)];
  return mine === theirs ? 0 : mine < theirs ? -1 : 1;
}

/**
 * Where a message stands is said by the device that sent it; of several that took it from the network, by the one with the smallest instance ID.
 */
function compareMessages(one: MessageEvent, other: MessageEvent): number {
  const [first = '', second = ''] = [one.pb, other.pb];
  if (first !== second) return first < second ? -1 : 1;
  if (one.po !== other.po) return one.po - other.po;
  const [mine, theirs] = [canonical(one), canonical(other)];
  return mine === theirs ? 0 : mine < theirs ? -1 : 1;
}

/** The name of a receipt among the elements of the state. */
export function receiptKey(key: string, { x, a, dev = '' }: Pick<ReceiptEvent, 'x' | 'a'> & { dev?: string | undefined }): string {
  return [key, x, a, dev].join('\0');
}

/** What the name of a receipt says. */
export function receiptOf(name: string): { key: string; x: ReceiptEvent['x']; a: string; dev: string } {
  const [key = '', x = '', a = '', dev = ''] = name.split('\0');
  return { key, x: x as ReceiptEvent['x'], a, dev };
}

/** LAB: the most receipts of one message that are kept in view: a large group, several devices each. */
export const MAX_RECEIPTS = 4_096;

/** Names of the receipts of a message. */
export function receiptKeys(store: OwnStore, key: string): string[] {
  return store.keys('rcpt', `${key}\0`, '', MAX_RECEIPTS);
}

/** Puts an element of the state together as the event that makes it; of a receipt, by the name from `receiptKeys`. */
export function eventOf(store: OwnStore, kind: ElementKind, key: string): RawEvent {
  const value = store.element(kind, key);
  if (kind === 'read' || kind === 'del') return { e: kind, k: [key] };
  if (kind === 'reg') return { e: 'reg', name: key, ...(value as RegisterElement) };
  if (kind === 'fork') return { e: 'fork', w: key, ...(value as { n: number; h: string }) };
  if (kind !== 'rcpt') return value as RawEvent;
  const { key: k, x, a, dev } = receiptOf(key);
  return { e: 'rcpt', k: [k], x, a, at: value as number, ...(dev === '' ? {} : { dev }) };
}

function put(store: OwnStore, kind: ElementKind, key: string, value: unknown): Change[] {
  const before = store.element(kind, key);
  mix(store, before === undefined ? 0n : elementHash(kind, key, before), elementHash(kind, key, value));
  store.putElement(kind, key, value);
  return [{ kind, key }];
}

function drop(store: OwnStore, kind: ElementKind, key: string): void {
  const before = store.element(kind, key);
  if (before === undefined) return;
  mix(store, elementHash(kind, key, before), 0n);
  store.dropElement(kind, key);
}

function mix(store: OwnStore, before: bigint, after: bigint): void {
  const head = store.head();
  if (head === null) throw new Error('The log has not begun');
  store.setHead({ ...head, digest: (BigInt(`0x${head.digest}`) ^ before ^ after).toString(16) });
}
