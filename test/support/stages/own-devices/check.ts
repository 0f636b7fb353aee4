/** What must hold in the end, and on every disk at any time: the invariants of docs/OWN-DEVICES.md, 11, in the model's own terms. */
import type { MessageEvent } from '../../../../main/own/events';
import type { ElementKind } from '../../../../main/own/store';
import { type Device, holds, type Person, type World } from './world';

const kinds: readonly ElementKind[] = ['msg', 'st', 'rcpt', 'read', 'del', 'reg', 'fork', 'other'];
const ALL = 1_000_000;

/** One name, prefix, durable, numbers: what is true of a single disk, whatever happened. */
export function diskProblems(device: Device): string[] {
  const { store } = device;
  const head = store.head();
  if (head === null) return [];
  const problems: string[] = [];
  const say = (text: string) => problems.push(`${device.person.name}'s ${device.name}: ${text}`);
  for (const [writer, [last]] of Object.entries(head.vector)) {
    const floor = head.floor[writer] ?? 0;
    const rows = store.rows(writer, floor, ALL).filter(({ n }) => n <= last);
    if (rows.length !== Math.max(0, last - floor)) say(`has ${rows.length} events of ${writer} between ${floor} and ${last} (invariant 4)`);
    for (const { n, ev } of rows) {
      if (ev === null) say(`has no event ${n} of ${writer} above its floor ${floor} (invariant 4)`);
      else if (!hasEffect(device, ev)) say(`has event ${n} of ${writer} without its effect: ${JSON.stringify(ev)} (invariant 3)`);
    }
  }
  const ids = messages(device).map(({ c, d, f, id }) => [c, d, f, id].join(' '));
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) say(`shows ${id} twice (invariant 1)`);
  for (const { key } of store.owed()) if (store.element('msg', key) !== undefined) say(`owes ${key}, which it has (invariant 1)`);
  for (const kind of ['msg', 'read', 'st'] as const)
    for (const key of store.keys('del', '', '', ALL))
      if (store.element(kind, key) !== undefined) say(`keeps ${kind} of the deleted ${key} (9)`);
  const texts = Object.keys(head.vector).flatMap((writer) => store.rows(writer, 0, ALL).map(({ ev }) => ev));
  for (const ev of texts)
    if (ev?.e === 'msg' && store.element('del', String(ev.k)) !== undefined)
      say(`keeps the text of the deleted ${String(ev.k)} in its log (9)`);
  if (Object.keys(head.vector).length > 64) say(`has ${Object.keys(head.vector).length} writers (invariant 15)`);
  return problems;
}

function hasEffect({ store }: Device, event: Readonly<Record<string, unknown>>): boolean {
  const isDeleted = (key: string) => store.element('del', key) !== undefined;
  const keys = Array.isArray(event.k) ? (event.k as string[]) : [];
  switch (event.e) {
    case 'msg':
      return store.element('msg', String(event.k)) !== undefined || isDeleted(String(event.k));
    case 'read':
      return keys.every((key) => store.element('read', key) !== undefined || isDeleted(key));
    case 'del':
      return keys.every(isDeleted);
    case 'reg': {
      const here = store.element('reg', String(event.name)) as { ver: [number, number, string] } | undefined;
      return here !== undefined && here.ver[0] >= (event.ver as [number])[0];
    }
    case 'rcpt':
      return keys.every((key) => isDeleted(key) || store.keys('rcpt', `${key}\0${String(event.x)}`, '', 1).length > 0);
    default:
      return true;
  }
}

function messages({ store }: Device): MessageEvent[] {
  return store.keys('msg', '', '', ALL).map((key) => store.element('msg', key) as MessageEvent);
}

/** Everything that a device holds, as one comparable value. */
function contentOf({ store }: Device): Record<string, unknown> {
  return Object.fromEntries(
    kinds.map((kind) => [kind, Object.fromEntries(store.keys(kind, '', '', ALL).map((key) => [key, store.element(kind, key)]))]),
  );
}

/** Equal, order, delete wins, nothing lost, read is exact: what is true of all devices of a person once they are level. */
export function personProblems(world: World, person: Person): string[] {
  const devices = person.devices.filter(({ isCounted }) => isCounted);
  const [first, ...others] = devices;
  if (first === undefined) return [];
  const problems = devices.flatMap(diskProblems);
  const say = (text: string) => problems.push(`${person.name}: ${text}`);
  for (const device of devices) if (device.store.owed().length > 0) say(`${device.name} has not told of a message yet (11)`);
  for (const other of others) {
    const [one, two] = [first.store.head(), other.store.head()];
    const differing = kinds.filter((kind) => JSON.stringify(contentOf(first)[kind]) !== JSON.stringify(contentOf(other)[kind]));
    const names = `${first.name} and ${other.name}`;
    if (JSON.stringify(sorted(one?.vector)) !== JSON.stringify(sorted(two?.vector)))
      say(`${names} have not the same events: ${JSON.stringify(sorted(one?.vector))} and ${JSON.stringify(sorted(two?.vector))} (7)`);
    if (differing.length > 0) say(`${names} differ in ${differing.map((kind) => difference(kind, first, other)).join('; ')} (invariant 7)`);
    if (one?.digest !== two?.digest) say(`${names} have other digests (7)`);
    if (world.shown(first).join() !== world.shown(other).join())
      say(`${names} show another order: ${world.shown(first)} and ${world.shown(other)} (7)`);
  }
  for (const fact of person.facts)
    for (const device of devices)
      if (!holds(person, device.store, fact)) say(`"${fact}" was acknowledged, and ${device.name} does not know it (11)`);
  const shown = new Set(world.shown(first));
  for (const fact of person.facts)
    if (fact.startsWith('deleted ') && shown.has(fact.slice(8))) say(`${fact.slice(8)} was deleted and is shown (invariant 9)`);
  const known = new Set(world.said.map(({ id }) => id));
  for (const id of shown) if (!known.has(id) && !world.attempted.has(id)) say(`nobody said ${id}`);
  const read = new Set([...world.displayedKeys].map((name) => name));
  for (const key of first.store.keys('read', '', '', ALL))
    if (!read.has(`${person.name} ${key}`)) say(`${key} counts as read, and nobody read it (12)`);
  for (const device of person.devices) {
    const sent = world.said.filter(({ from, id }) => from === device && shown.has(id)).map(({ id }) => id);
    const order = world.shown(first).filter((id) => sent.includes(id));
    if (!device.hasBeenRestored && order.join() !== sent.join())
      say(`what ${device.name} sent is shown in another turn: ${order} (invariant 8)`);
  }
  return problems;
}

function difference(kind: ElementKind, one: Device, other: Device): string {
  const keys = new Set([...one.store.keys(kind, '', '', ALL), ...other.store.keys(kind, '', '', ALL)]);
  const [key = ''] = [...keys].filter(
    (name) => JSON.stringify(one.store.element(kind, name)) !== JSON.stringify(other.store.element(kind, name)),
  );
  return `${kind} ${key}: ${JSON.stringify(one.store.element(kind, key))} and ${JSON.stringify(other.store.element(kind, key))}`;
}

function sorted(vector: object | undefined): [string, unknown][] {
  return Object.entries(vector ?? {})
    .filter(([, mark]) => (mark as [number])[0] > 0)
    .sort(([one], [other]) => (one < other ? -1 : 1));
}
