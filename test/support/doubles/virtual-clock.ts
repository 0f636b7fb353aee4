import type { Clock } from '../../../base/clock';
import { type Disposable, disposable } from '../../../base/disposable';
import { seededRandom } from './seeded-random';

/** A clock that only moves when told, and randomness that repeats: the same seed gives the same run. */
export class VirtualClock implements Clock {
  #now: number;
  readonly #chance: () => number;
  #order = 0;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();

  constructor(options: { now?: number; seed?: number } = {}) {
    this.#now = options.now ?? 1_700_000_000_000;
    this.#chance = seededRandom(options.seed ?? 1);
  }

  /** Whole milliseconds, like a real clock; timers may fall due between two of them. */
  now(): number {
    return Math.floor(this.#now);
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    this.#order += 1;
    const id = this.#order;
    this.#timers.set(id, { at: this.#now + Math.max(0, delayMs), callback });
    return disposable(() => this.#timers.delete(id));
  }

  random(): number {
    return this.#chance();
  }

  uuid(): string {
    const digit = (bits: number, set: number) => ((Math.floor(this.random() * bits) & (bits - 1)) | set).toString(16);
    const digits = (count: number) => Array.from({ length: count }, () => digit(16, 0)).join('');
    return `${digits(8)}-${digits(4)}-4${digits(3)}-${digit(4, 8)}${digits(3)}-${digits(12)}`;
  }

  /** The number of waiting timers. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the wall clock without running timers, as while a computer sleeps. */
  sleep(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers.values()) timer.at += ms;
  }

  /** Moves time on. Every timer runs at its due time, with everything that it causes, before the next one. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await settled();
    for (;;) {
      let next: [number, { at: number; callback: () => void }] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].at <= target && (next === undefined || entry[1].at < next[1].at)) next = entry;
      }
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].callback();
      await settled();
    }
    this.#now = target;
  }
}

/** Lets everything happen that needs no time: promises, ticks, and in-memory streams. */
export async function settled(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Until disposed, all calls of `setTimeout` and `setInterval` in this process use this clock, because sip.js takes its time from them. */
export function takeOverTimers(clock: Pick<Clock, 'setTimer'>): Disposable {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  type Callback = (...values: unknown[]) => void;
  const once = (callback: Callback, ms = 0, ...values: unknown[]) => clock.setTimer(ms, () => callback(...values));
  const again = (callback: Callback, ms = 0, ...values: unknown[]) => {
    let timer = disposable(() => undefined);
    const turn = () => {
      timer = clock.setTimer(Math.max(1, ms), () => {
        turn();
        callback(...values);
      });
    };
    turn();
    return disposable(() => timer.dispose());
  };
  const stop = (timer: Disposable | undefined) => timer?.dispose();
  Object.assign(globalThis, { setTimeout: once, clearTimeout: stop, setInterval: again, clearInterval: stop });
  return disposable(() => Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval }));
}
