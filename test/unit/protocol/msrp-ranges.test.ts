import { describe, expect, it } from 'vitest';
import { OctetRanges } from '../../../protocol/msrp-ranges';

/** The ranges of `count` chunks of ten octets, in an order of the test's choice. */
function filled(count: number, order: (index: number) => number): OctetRanges {
  const ranges = new OctetRanges();
  for (let index = 0; index < count; index += 1) {
    const at = order(index);
    ranges.add(at * 10 + 1, at * 10 + 10);
  }
  return ranges;
}

describe('ranges of octets', () => {
  it('tell which octets were missing, in whatever order they come', () => {
    const ranges = new OctetRanges();
    expect(ranges.add(5, 8)).toEqual([[5, 8]]);
    expect(ranges.add(1, 2)).toEqual([[1, 2]]);
    expect([ranges.next, ranges.count, ranges.covers(2), ranges.covers(3)]).toEqual([3, 2, true, false]);
    expect(ranges.add(2, 12)).toEqual([
      [3, 4],
      [9, 12],
    ]);
    expect(ranges.add(4, 9)).toEqual([]);
    expect(ranges.add(7, 6)).toEqual([]);
    expect([ranges.next, ranges.count, ranges.covers(12), ranges.covers(13)]).toEqual([13, 1, true, false]);
  });

  it('agree with a plain set of octets', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed % below;
    };
    for (let round = 0; round < 200; round += 1) {
      const ranges = new OctetRanges();
      const octets = new Set<number>();
      for (let index = 0; index < 30; index += 1) {
        const first = 1 + random(80);
        const last = first + random(9) - 1;
        const fresh: number[] = [];
        for (let octet = first; octet <= last; octet += 1) if (!octets.has(octet)) fresh.push(octet);
        for (const octet of fresh) octets.add(octet);
        expect(ranges.add(first, last).flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at))).toEqual(fresh);
        let next = 1;
        while (octets.has(next)) next += 1;
        expect(ranges.next).toBe(next);
      }
    }
  });

  it.each([
    ['in order', (index: number) => index],
    ['in reverse', (index: number) => 100_000 - index],
    ['every second first', (index: number) => (index < 8000 ? 2 * index : 2 * (index - 8000) + 1)],
    ['scattered', (index: number) => (index * 7919) % 16_384],
  ])('take work in proportion to their number: %s', (_order, order) => {
    for (const count of [4000, 8000, 16_000]) expect(filled(count, order).steps, `${count}`).toBeLessThan(count * 20);
    if (_order === 'in order' || _order === 'in reverse')
      expect(filled(16_000, order).steps).toBeLessThanOrEqual(2 * filled(8000, order).steps + 8);
  });
});
