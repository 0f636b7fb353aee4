/**
 * Joins the records of several writers: a message that one sent and another received is one hop. Pure. The order of one writer's records is
 * certain; its clock is only a label.
 */
import type { WireRecord } from '../../protocol/wire-record';

/** The lane of an address without a trace here. */
export const ELSEWHERE = 'elsewhere';

export interface Hop {
  from: string;
  to: string;
  /** The sender's record and the receiver's; null when that side's trace has none. */
  sent: WireRecord | null;
  received: WireRecord | null;
  /** How often the same bytes crossed the same connection; more than once means retransmission. */
  count: number;
}

/** One hop for each message that crossed between two lanes, with retransmissions folded, in no particular order. */
export function hopsOf(records: readonly WireRecord[]): Hop[] {
  const owners = new Map<string, string>();
  for (const { local, lane } of records) owners.set(local, lane);
  const hops = new Map<string, Hop & { outs: number; ins: number }>();
  for (const record of records) {
    const isSent = record.direction === 'out';
    const [source, target] = isSent ? [record.local, record.remote] : [record.remote, record.local];
    const octets = Buffer.from(record.bytes.buffer, record.bytes.byteOffset, record.bytes.byteLength).toString('latin1');
    // RFC 5626 section 4.4.1: the pings and pongs of a flow carry no meaning.
    if (octets.trim() === '') continue;
    const key = `${source} ${target} ${octets}`;
    const other = (address: string) => owners.get(address) ?? ELSEWHERE;
    const hop = hops.get(key) ?? {
      from: isSent ? record.lane : other(source),
      to: isSent ? other(target) : record.lane,
      ...{ sent: null, received: null, count: 0, outs: 0, ins: 0 },
    };
    if (isSent) {
      hop.sent ??= record;
      hop.outs += 1;
    } else {
      hop.received ??= record;
      hop.ins += 1;
    }
    hop.count = Math.max(hop.outs, hop.ins);
    hops.set(key, hop);
  }
  return [...hops.values()].map(({ from, to, sent, received, count }) => ({ from, to, sent, received, count }));
}

/**
 * Sorts hops into an order in which they can have happened: within a lane as written, a sending before its receiving, and otherwise by
 * time. `timeOf` gives a hop's time on the common clock. When the writers contradict one another, time decides.
 */
export function inOrder(hops: readonly Hop[], records: readonly WireRecord[], timeOf: (hop: Hop) => number): Hop[] {
  const hopOf = new Map<WireRecord, Hop>();
  for (const hop of hops) for (const record of [hop.sent, hop.received]) if (record !== null) hopOf.set(record, hop);
  const queues = new Map<string, Hop[]>();
  for (const record of records) {
    const hop = hopOf.get(record);
    if (hop === undefined) continue;
    const queue = queues.get(record.lane);
    if (queue === undefined) queues.set(record.lane, [hop]);
    else queue.push(hop);
  }
  const places = new Map([...queues.keys()].map((lane) => [lane, 0]));
  const done = new Set<Hop>();
  const headOf = (lane: string): Hop | undefined => {
    const queue = queues.get(lane) ?? [];
    let place = places.get(lane) ?? 0;
    for (let hop = queue[place]; hop !== undefined && done.has(hop); hop = queue[place]) place += 1;
    places.set(lane, place);
    return queue[place];
  };
  const lanesOf = ({ sent, received }: Hop) => [sent?.lane, received?.lane].flatMap((lane) => lane ?? []);
  const ordered: Hop[] = [];
  while (ordered.length < hops.length) {
    const heads = [...queues.keys()].flatMap((lane) => headOf(lane) ?? []).sort((one, other) => timeOf(one) - timeOf(other));
    const ready = heads.find((hop) => lanesOf(hop).every((lane) => headOf(lane) === hop)) ?? heads[0];
    if (ready === undefined) break;
    done.add(ready);
    ordered.push(ready);
  }
  return ordered;
}
