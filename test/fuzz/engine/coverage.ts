/** What the counters tell that `npm run fuzz` puts into the code (istanbul-lib-instrument): which branches and functions ran, and how often. */
import type { Coverage } from './campaign';

interface FileCounters {
  b: Record<string, number[]>;
  f: Record<string, number>;
}

declare global {
  var __coverage__: Record<string, FileCounters> | undefined;
}

/** How often a branch ran, roughly: a loop that goes round once more is no news each time. */
function roughly(count: number): number {
  return count < 4 ? 1 << (count - 1) : count < 16 ? 8 : count < 128 ? 16 : 32;
}

export class CounterCoverage implements Coverage {
  readonly #seen = new Map<FileCounters, { b: Map<string, number[]>; f: Map<string, number> }>();

  /** `isPlain`: only whether a place ran counts, not how often. */
  constructor(private readonly isPlain = false) {}

  /** How many branches and functions have run. */
  get reached(): number {
    let count = 0;
    for (const { b, f } of this.#seen.values()) {
      count += f.size;
      for (const sides of b.values()) count += sides.filter((seen) => seen > 0).length;
    }
    return count;
  }

  reachedNew(): boolean {
    let isNew = false;
    for (const counters of Object.values(globalThis.__coverage__ ?? {})) if (this.#fileReachedNew(counters)) isNew = true;
    return isNew;
  }

  /** Looks at the counters of one file, and sets them back. */
  #fileReachedNew(counters: FileCounters): boolean {
    let isNew = false;
    let seen = this.#seen.get(counters);
    if (seen === undefined) {
      seen = { b: new Map(), f: new Map() };
      this.#seen.set(counters, seen);
    }
    for (const id in counters.f) {
      const count = counters.f[id] ?? 0;
      if (count === 0) continue;
      counters.f[id] = 0;
      if (!seen.f.has(id)) isNew = true;
      seen.f.set(id, 1);
    }
    for (const id in counters.b) {
      const sides = counters.b[id] ?? [];
      for (let side = 0; side < sides.length; side += 1) {
        const count = sides[side] ?? 0;
        if (count === 0) continue;
        sides[side] = 0;
        const bit = this.isPlain ? 1 : roughly(count);
        let before = seen.b.get(id);
        if (before === undefined) {
          before = sides.map(() => 0);
          seen.b.set(id, before);
        }
        if (((before[side] ?? 0) & bit) !== 0) continue;
        before[side] = (before[side] ?? 0) | bit;
        isNew = true;
      }
    }
    return isNew;
  }
}
