import { type Disposable, disposable } from './disposable';

/** The time of day and timers. All times are epoch milliseconds. */
export interface Timekeeper {
  now(): number;
  /** Runs `callback` once after `delayMs`, at most `longestTimerMs`. Disposing earlier cancels it. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

/** Time and randomness; tests replace them with virtual time and a seed. */
export interface Clock extends Timekeeper {
  /** A number in [0, 1). */
  random(): number;
  /** A random UUID, version 4, lower case. */
  uuid(): string;
}

/** Node fires a longer timer at once, and a peer may well name a time that long. */
export const longestTimerMs = 2 ** 31 - 1;

function startTimer(delayMs: number, callback: () => void) {
  return setTimeout(callback, Math.min(delayMs, longestTimerMs));
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = startTimer(delayMs, callback);
    return disposable(() => clearTimeout(timer));
  },
  random: () => Math.random(),
  uuid: () => globalThis.crypto.randomUUID(),
};

/** A timekeeper whose timers do not keep the process alive. */
export const backgroundClock: Timekeeper = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = startTimer(delayMs, callback);
    timer.unref();
    return disposable(() => clearTimeout(timer));
  },
};

/** Resolves after `delayMs` of `clock`'s time. */
export function delay(clock: Timekeeper, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}
