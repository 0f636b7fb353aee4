/**
 * Slows down who guesses passwords. Wrong ones are counted for a user name from one source, for the source, and for the user name; over the
 * allowance each further one doubles the time in which no password is looked at. Only the pair is held off for long: nobody can shut a person
 * out by guessing from somewhere else.
 */
import type { Timekeeper } from '../../base/clock';

/** LAB: wrong passwords that cost no time, and the longest wait after more, milliseconds. */
export const WRONG_PASSWORDS = {
  pair: { free: 5, longestMs: 60_000 },
  source: { free: 50, longestMs: 2_000 },
  user: { free: 50, longestMs: 2_000 },
} as const;
/** LAB: the first wait, milliseconds. */
export const FIRST_WAIT_MS = 1_000;
/** LAB: wrong passwords are forgotten when none has come for this long, milliseconds. */
export const FORGOTTEN_AFTER_MS = 900_000;
/** LAB: counts that are kept; the oldest are forgotten. */
export const MAX_COUNTS = 10_000;

interface Count {
  wrong: number;
  last: number;
  waitUntil: number;
}

type Kind = keyof typeof WRONG_PASSWORDS;

export class WrongPasswords {
  readonly #counts = new Map<string, Count>();

  constructor(private readonly clock: Timekeeper) {}

  /** How long no password of this user is looked at from there, milliseconds; 0 to look at once. */
  waitFor(user: string, source: string): number {
    const now = this.clock.now();
    return Math.max(0, ...keysOf(user, source).map(([, key]) => (this.#counts.get(key)?.waitUntil ?? now) - now));
  }

  wrong(user: string, source: string): void {
    const now = this.clock.now();
    for (const [kind, key] of keysOf(user, source)) {
      const old = this.#counts.get(key);
      const wrong = old === undefined || now - old.last > FORGOTTEN_AFTER_MS ? 1 : old.wrong + 1;
      const { free, longestMs } = WRONG_PASSWORDS[kind];
      const wait = wrong < free ? 0 : Math.min(longestMs, FIRST_WAIT_MS * 2 ** Math.min(wrong - free, 16));
      this.#counts.delete(key);
      this.#counts.set(key, { wrong, last: now, waitUntil: now + wait });
    }
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= MAX_COUNTS) break;
      this.#counts.delete(oldest);
    }
  }

  /** The right password has come: the user is at that source. */
  right(user: string, source: string): void {
    for (const [kind, key] of keysOf(user, source)) if (kind === 'pair') this.#counts.delete(key);
  }
}

function keysOf(user: string, source: string): [Kind, string][] {
  return [
    ['pair', JSON.stringify([user, source])],
    ['source', JSON.stringify([null, source])],
    ['user', JSON.stringify([user, null])],
  ];
}
