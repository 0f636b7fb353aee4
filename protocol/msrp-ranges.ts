/**
 * Which octets of a message have arrived or been reported (RFC 4975 sections 5.1 and 7.1.2). Ranges may come in any order, overlap and
 * repeat. Adjacent ranges are merged, so a message in order or in reverse order is a single range. Adding a range costs one binary search.
 */
export type OctetRange = readonly [first: number, last: number];

interface Range {
  first: number;
  last: number;
}

export class OctetRanges {
  /** Disjoint, not adjacent, in ascending order. */
  readonly #ranges: Range[] = [];
  #steps = 0;

  /** The number of ranges; there is a gap between each two. */
  get count(): number {
    return this.#ranges.length;
  }

  /** The number of ranges examined so far, a measure of the total work. */
  get steps(): number {
    return this.#steps;
  }

  /** The first missing octet, counted from 1. */
  get next(): number {
    const first = this.#ranges[0];
    return first === undefined || first.first > 1 ? 1 : first.last + 1;
  }

  /** The last octet that is there, counted from 1; 0 when there is none. */
  get last(): number {
    return this.#ranges.at(-1)?.last ?? 0;
  }

  /** Whether every octet from 1 to `total` is there. */
  covers(total: number): boolean {
    return this.next > total;
  }

  /** Adds the octets from `first` to `last`, both inclusive. Returns the parts that were missing, in order. */
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

  /** The index of the first range that ends at or after `octet`. */
  #firstReaching(octet: number): number {
    // Octets in order extend the last range.
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
