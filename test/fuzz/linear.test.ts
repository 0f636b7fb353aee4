/**
 * The work grows with the length of an input, and not with its square. Measured is the time of this
 * process on the processor, which other programs do not lengthen, and a bound that only a growth by the square passes.
 */
import { describe, expect, it } from 'vitest';
import type { Target } from './engine/target';
import { targets } from './targets';

/** Above every limit of a head, a document and a line. */
const LONG_BYTES = 256 * 1024;
/** Honest work takes a third of a second at most, and a head that is searched again for each piece took three and a half. */
const MOST_MS = 2_000;

function filled({ before = '', piece, after = '' }: NonNullable<Target['long']>[number]): Buffer {
  const times = Math.floor((LONG_BYTES - before.length - after.length) / Buffer.byteLength(piece));
  return Buffer.from(before + piece.repeat(times) + after);
}

/** Milliseconds of the processor. */
function cost(work: () => void): number {
  const since = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
}

const cases = targets.flatMap((target) =>
  (target.long ?? []).map((long) => [target.name, JSON.stringify(long), target, filled(long)] as const),
);

describe('the work for a long input', () => {
  it.each(cases)('%s: %s', (_, __, target, input) => {
    expect(cost(() => target.take(input))).toBeLessThan(MOST_MS);
  });
});
