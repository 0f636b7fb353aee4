/**
 * Computes how far the clocks of the lanes are apart from the messages that crossed between them. A message takes some time, never less
 * than none: if B's clock is `x` ahead of A's, every hop A -> B seems to take its true time plus x, and every hop B -> A its true time
 * minus x. So x lies between -min(B -> A) and min(A -> B). The middle is the estimate, half the width its error.
 */
import type { Hop } from './hops';

export interface LaneClock {
  lane: string;
  /** Milliseconds by which this lane's clock is ahead of the reference lane's; 0 when unknown. */
  ahead: number;
  /** The possible error of `ahead` in milliseconds. Null when messages crossed in one direction only, or when the clock jumped. */
  error: number | null;
}

/** The clock of every lane. The reference, the lane with the most neighbours, comes first. */
export function clocksOf(hops: readonly Hop[]): LaneClock[] {
  const shortest = new Map<string, Map<string, number>>();
  const lanes = new Set<string>();
  for (const { sent, received } of hops) {
    for (const record of [sent, received]) if (record !== null) lanes.add(record.lane);
    if (sent === null || received === null || sent.lane === received.lane) continue;
    const row = shortest.get(sent.lane) ?? new Map<string, number>();
    row.set(received.lane, Math.min(row.get(received.lane) ?? Number.POSITIVE_INFINITY, received.at - sent.at));
    shortest.set(sent.lane, row);
  }
  const neighbours = (lane: string) => [...lanes].filter((other) => shortest.get(lane)?.has(other) || shortest.get(other)?.has(lane));
  const open = [...lanes].sort((one, other) => neighbours(other).length - neighbours(one).length);
  const known = new Map<string, LaneClock>();
  while (known.size < lanes.size) {
    // The next lane is the one whose clock is best known relative to a known lane; without any, it is a new reference.
    const candidates = [...known.values()].flatMap((near) =>
      neighbours(near.lane)
        .filter((lane) => !known.has(lane))
        .map((lane) => placed(near, lane, shortest)),
    );
    const width = ({ error }: LaneClock) => error ?? Number.POSITIVE_INFINITY;
    const best = candidates.sort((one, other) => width(one) - width(other))[0];
    const lane = open.find((each) => !known.has(each)) ?? '';
    const clock = best ?? { lane, ahead: 0, error: 0 };
    known.set(clock.lane, clock);
  }
  return [...known.values()];
}

function placed(near: LaneClock, lane: string, shortest: ReadonlyMap<string, ReadonlyMap<string, number>>): LaneClock {
  const most = shortest.get(near.lane)?.get(lane);
  const back = shortest.get(lane)?.get(near.lane);
  const least = back === undefined ? undefined : -back;
  if (most !== undefined && least !== undefined) {
    const halfWidth = (most - least) / 2;
    // An empty interval indicates drift or a jump.
    const error = halfWidth < 0 || near.error === null ? null : near.error + halfWidth;
    return { lane, ahead: near.ahead + (most + least) / 2, error };
  }
  // With one bound only, correct as little as it allows.
  const correction = most !== undefined ? Math.min(0, most) : Math.max(0, least ?? 0);
  return { lane, ahead: near.ahead + correction, error: null };
}
