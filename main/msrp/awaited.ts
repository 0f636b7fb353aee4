/**
 * A list of entries that wait for an answer, oldest first, all with the same time limit. One timer serves the whole list, and removing an
 * entry is cheap.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';

/** One entry of the list. */
export interface Awaited<T> {
  deadline: number;
  isOver: boolean;
  /** The neighbours in the list. */
  before: T | null;
  after: T | null;
}

export class AwaitedList<T extends Awaited<T>> {
  /** The ends of a linked list in the order of the deadlines. */
  #oldest: T | null = null;
  #newest: T | null = null;
  #timer: Disposable | null = null;

  constructor(
    private readonly clock: Clock,
    /** The time limit for each entry, in milliseconds. */
    private readonly limitMs: number,
    /** Called when an entry's time is over; the callee must remove the entry. */
    private readonly onLate: (late: T) => void,
  ) {}

  add(entry: T): void {
    entry.deadline = this.clock.now() + this.limitMs;
    entry.before = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.after = entry;
    this.#newest = entry;
    this.#watch();
  }

  /** False when the entry had already been removed. */
  remove(entry: T): boolean {
    if (entry.isOver) return false;
    entry.isOver = true;
    const { before, after } = entry;
    if (before === null) this.#oldest = after;
    else before.after = after;
    if (after === null) this.#newest = before;
    else after.before = before;
    return true;
  }

  all(): T[] {
    const all: T[] = [];
    for (let each = this.#oldest; each !== null; each = each.after) all.push(each);
    return all;
  }

  dispose(): void {
    this.#timer?.dispose();
    this.#timer = null;
  }

  /**
   * The timer runs to the deadline of an entry that was the oldest when it started; a spurious wake-up costs less than a restart at every
   * answer.
   */
  #watch(): void {
    if (this.#timer !== null || this.#oldest === null) return;
    const remaining = (entry: T) => entry.deadline - this.clock.now();
    this.#timer = this.clock.setTimer(Math.min(Math.max(0, remaining(this.#oldest)), this.limitMs), () => {
      this.#timer = null;
      const late = this.#oldest;
      // More than the limit remains if the clock was set back in the meantime.
      if (late !== null && (remaining(late) <= 0 || remaining(late) > this.limitMs)) this.onLate(late);
      this.#watch();
    });
  }
}
