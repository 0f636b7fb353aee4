/**
 * The ladder of a story: who said what to whom, in the order in which it happened, from the traces of all who took part. Lanes are devices
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

/** One message on its way from one lane to another. */
export interface Row extends Saying {
  /** When it was sent, or else received, on the common clock: epoch milliseconds. */
  at: number;
  /** Lanes; `elsewhere` for an address that wrote no trace. */
  from: string;
  to: string;
  protocol: 'sip' | 'msrp';
  /** The start line. */
  packet: string;
  /** The message as its sender wrote it down, or else its receiver. */
  record: WireRecord;
  /** How often it was sent. */
  count: number;
  /**
   * `both`: sender and receiver wrote it down. `sender`, `receiver`: only one of them keeps a trace. `lost`: the receiver keeps one, wrote
   * down later messages, and never this one.
   */
  seen: 'both' | 'sender' | 'receiver' | 'lost';
}

/** @param records of every writer, each one's in the order in which it wrote them; the writers may be mixed in any way. */
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

/** Lanes in the order in which a reader expects them: devices as they appear, then the functions along the path, then what wrote no trace. */
export function lanesOf(rows: readonly Row[]): string[] {
  const roles = new Map(rows.map(({ record }) => [record.lane, record.role]));
  const path = ['client', 'core', 'pf', 'cf', 'isf'];
  const rank = (lane: string) => (lane === ELSEWHERE ? path.length : path.indexOf(roles.get(lane) ?? 'client'));
  return [...new Set(rows.flatMap(({ from, to }) => [from, to]))].sort((one, other) => rank(one) - rank(other));
}
