import type { Timekeeper } from '../../../../base/clock';
import { type Disposable, disposable } from '../../../../base/disposable';

interface Timer {
  at: number;
  order: number;
  callback: (() => void) | null;
}

/** Virtual time for long stories with many timers: a heap, and promises that are waited for without the event loop. */
export class QuickClock implements Timekeeper {
  #now = 1_700_000_000_000;
  #order = 0;
  readonly #heap: Timer[] = [];

  now = () => this.#now;

  setTimer(delayMs: number, callback: () => void): Disposable {
    this.#order += 1;
    const timer: Timer = { at: this.#now + Math.max(0, Math.ceil(delayMs)), order: this.#order, callback };
    this.#push(timer);
    return disposable(() => {
      timer.callback = null;
    });
  }

  /** Runs every timer that falls due within `ms`, and what each sets off before the next. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await turn();
    for (let next = this.#heap[0]; next !== undefined && next.at <= target; next = this.#heap[0]) {
      this.#pop();
      if (next.callback === null) continue;
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await turn();
    }
    this.#now = target;
  }

  /** Time passes and nothing runs. Timers that fell due run at the next `advance`. */
  skip(ms: number): void {
    this.#now += ms;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    heap.push(timer);
    for (let at = heap.length - 1; at > 0; ) {
      const up = (at - 1) >> 1;
      if (!isBefore(heap[at], heap[up])) break;
      swap(heap, at, up);
      at = up;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    swap(heap, 0, heap.length - 1);
    heap.pop();
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const least = isBefore(heap[right], heap[left]) ? right : left;
      if (!isBefore(heap[least], heap[at])) break;
      swap(heap, at, least);
      at = least;
    }
  }
}

function isBefore(one: Timer | undefined, other: Timer | undefined): boolean {
  if (one === undefined) return false;
  return other === undefined || one.at < other.at || (one.at === other.at && one.order < other.order);
}

function swap(heap: Timer[], one: number, other: number): void {
  [heap[one], heap[other]] = [heap[other] as Timer, heap[one] as Timer];
}

/** Steps of promises that may follow one another between two timers; what takes more goes on after the next one. */
const STEPS = 32;
/** So often the event loop itself comes around, which costs far more than the promises. */
const TURNS_A_LOOP = 512;
let turns = 0;

/** Promises that wait for no timer run to their end. */
async function turn(): Promise<void> {
  turns += 1;
  if (turns % TURNS_A_LOOP === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let step = 0; step < STEPS; step += 1) await null;
}
