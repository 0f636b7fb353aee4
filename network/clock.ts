/**
 * Time of the network's stack, so that its tests run in virtual time. The shape is the one the client's side uses too; the network
 * keeps a definition of its own because it imports nothing of the client but the codecs.
 */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs `callback` once after `delayMs`, 24 days at most; disposing before then cancels it. */
  setTimer(delayMs: number, callback: () => void): { dispose(): void };
}

/** Node runs a timer that is longer at once, and a peer may well name a time that long. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS));
    timer.unref();
    return { dispose: () => clearTimeout(timer) };
  },
};

/** Where a role of the network tells what it did. */
export type NetworkLog = (level: 'debug' | 'info' | 'warn' | 'error', text: string, fields?: Record<string, unknown>) => void;
