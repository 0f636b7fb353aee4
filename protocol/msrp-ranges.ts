/**
 * Which octets of a message have come, or have been reported (RFC 4975 sections 5.1 and 7.1.2): ranges in any order, overlapping, repeated.
 * Ranges that touch become one, so a message in order or in reverse is a single range. One range costs a binary search.
 */
export type OctetRange = readonly [first: number, last: number];

interface Range {
  first: number;
  last: number;
}

export class OctetRanges {
  /** Disjoint, never touching, in ascending order. */
  readonly #ranges: Range[] = [];
  #steps = 0;

  /** How many ranges there are, with a gap between each two. */
  get count(): number {
    return this.#ranges.length;
  }

  /** Ranges looked at so far: what the work of all calls grows with. */
  get steps(): number {
    return this.#steps;
  }

  /** The first octet, counted from 1, that is missing. */
  get next(): number {
    const first = this.#ranges[0];
    return first === undefined || first.first > 1 ? 1 : first.last + 1;
  }

  /** Whether every octet from 1 to `total` is there. */
  covers(total: number): boolean {
    return this.next > total;
  }

  /** Adds the octets from `first` to `last`, both among them; returns the parts of it that were missing, in order. */
  add(first: number, last: number): OctetRange[] {
    if (last < first) return [];
    const ranges = this.#ranges;
    const at = this.#firstReaching(first - 1);
    const gaps: OctetRange[] = [];
    let [from, to, missing, end] = [first, last, first, at];
    for (; end < ranges.length; end += 1) {
      const range = ranges[end];
      this.#steps += 1;
      if (range === undefined || range.first > last + 1) break;
      if (range.first > missing) gaps.push([missing, Math.min(last, range.first - 1)]);
      missing = Math.max(missing, range.last + 1);
      from = Math.min(from, range.first);
      to = Math.max(to, range.last);
    }
    if (missing <= last) gaps.push([missing, last]);
    const known = ranges[at];
    if (end === at + 1 && known !== undefined) {
      known.first = from;
      known.last = to;
    } else ranges.splice(at, end - at, { first: from, last: to });
    return gaps;
  }

  /** The place of the first range that ends at or behind `octet`. */
  #firstReaching(octet: number): number {
    // What comes in order touches the last range.
    const newest = this.#ranges.length - 1;
    if (newest >= 0 && (this.#ranges[newest]?.first ?? 0) <= octet) return (this.#ranges[newest]?.last ?? 0) >= octet ? newest : newest + 1;
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      this.#steps += 1;
      if ((this.#ranges[middle]?.last ?? 0) < octet) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
