/** What this device lacks and cannot fill at present, with the devices that may have it. A gap is closed by data alone. */
import type { OwnLog } from './log';
import { markOf, type Vector } from './vector';

export interface Gap {
  /** Messages from before this time may be missing, ms; null: from any time. */
  before: number | null;
  /** Instance IDs. */
  mayHave: string[];
}

export interface OtherDevice {
  instance: string;
  /** What it had when it last told; null: it never did. */
  told: Vector | null;
  /** What is missing from it is on its way. */
  isThere: boolean;
}

export function gapsOf(log: OwnLog, others: readonly OtherDevice[]): Gap[] {
  const gaps: Gap[] = [];
  const { since } = log.head;
  if (since !== undefined) gaps.push({ before: since, mayHave: others.map(({ instance }) => instance) });
  const further = others.filter(({ told, isThere }) => !isThere && told !== null && hasMore(log, told));
  if (further.length > 0) gaps.push({ before: null, mayHave: further.map(({ instance }) => instance) });
  return gaps;
}

function hasMore(log: OwnLog, told: Vector): boolean {
  return Object.entries(told).some(([writer, [n]]) => markOf(log.vector, writer)[0] < Math.min(n, log.limit(writer)));
}
