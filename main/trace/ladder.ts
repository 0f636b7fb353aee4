/**
 * The ladder of a story: who said what to whom, in order of events, from the traces of all participants. Lanes are devices
 * and functions, never ports. Pure: the same records give the same rows.
 *
 *   records --hops.ts: sent + received = one hop, retransmissions folded--> hops
 *           --clocks.ts: how far the lanes' clocks are apart--> common time --hops.ts: in order--> words.ts: in plain words--> rows
 */
import type { WireRecord } from '../../protocol/wire-record';
import { clocksOf } from './clocks';
import { ELSEWHERE, type Hop, hopsOf, inOrder } from './hops';
import { packetOf, startLineOf } from './packet';
import { type Saying, Story } from './words';

/** One message from one lane to another. */
export interface Row extends Saying {
  /** When it was sent, or received if the sending was not recorded, on the common clock: epoch milliseconds. */
  at: number;
  /** Lanes; `elsewhere` for an address without a trace. */
  from: string;
  to: string;
  protocol: 'sip' | 'msrp';
  /** The start line. */
  packet: string;
  /** The message as recorded by its sender, or by its receiver if the sender did not record it. */
  record: WireRecord;
  /** How often it was sent. */
  count: number;
  /**
   * `both`: sender and receiver recorded it. `sender`, `receiver`: only one of them keeps a trace. `lost`: the receiver keeps a trace and
   * recorded later messages, but not this one.
   */
  seen: 'both' | 'sender' | 'receiver' | 'lost';
}

/** @param records of all writers, mixed in any way; those of one writer in the order in which it wrote them. */
export function ladderOf(records: readonly WireRecord[]): Row[] {
  const hops = hopsOf(records);
  const ahead = new Map(clocksOf(hops).map((clock) => [clock.lane, clock.ahead]));
  const common = (record: WireRecord) => record.at - (ahead.get(record.lane) ?? 0);
  const timeOf = ({ sent, received }: Hop) => {
    const record = sent ?? received;
    return record === null ? 0 : common(record);
  };
  const lastOf = new Map<string, number>();
  for (const record of records) lastOf.set(record.lane, Math.max(common(record), lastOf.get(record.lane) ?? common(record)));
  const story = new Story();
  return inOrder(hops, records, timeOf).flatMap((hop) => {
    const record = hop.sent ?? hop.received;
    if (record === null) return [];
    const packet = packetOf(record);
    const saying = packet === null ? unread : story.say(packet, `${hop.from} ${hop.to}`);
    const { from, to, count } = hop;
    const seen = seenBy(hop, timeOf(hop), lastOf.get(to));
    return [{ ...saying, at: timeOf(hop), from, to, protocol: record.protocol, packet: startLineOf(record.bytes), record, count, seen }];
  });
}

const unread: Saying = { kind: 'other', text: 'Bytes that are no message', isMinor: false };

function seenBy({ to, sent, received }: Hop, at: number, receiverWroteUntil: number | undefined): Row['seen'] {
  if (sent !== null && received !== null) return 'both';
  if (sent === null) return 'receiver';
  return to !== ELSEWHERE && receiverWroteUntil !== undefined && receiverWroteUntil > at ? 'lost' : 'sender';
}

/** Lanes in the order that a reader expects: devices as they appear, then the functions along the path, then addresses without a trace. */
export function lanesOf(rows: readonly Row[]): string[] {
  const roles = new Map(rows.map(({ record }) => [record.lane, record.role]));
  const path = ['client', 'core', 'pf', 'cf', 'isf'];
  const rank = (lane: string) => (lane === ELSEWHERE ? path.length : path.indexOf(roles.get(lane) ?? 'client'));
  return [...new Set(rows.flatMap(({ from, to }) => [from, to]))].sort((one, other) => rank(one) - rank(other));
}
