/**
 * How long a text waits for somebody who is away. Pure.
 *
 *   refused because nobody is there -> waits --sign of life, its pause over, "send now"--> attempt -> left | waits longer
 *                                        +---`until` is over, and one last attempt has failed--> expired
 *
 * The mark stands in the message, so a restart finds it. One attempt, of the first text in the lane, probes for all behind it.
 */
import type { ErrorValue, WaitsValue } from '../../../preload/contract/errors';
import { longestRetryAfterMs } from './remedy';

/** LAB: the pause after the first attempt that found nobody; each further one is twice as long, up to `longestPatientPauseMs`. */
export const firstPatientPauseMs = 60_000;
export const longestPatientPauseMs = 60 * 60_000;
/** LAB: for this long after a sign of life, the person who gave it is taken to be on the way back: attempts that fail are repeated soon. */
export const signOfLifeMs = 30_000;
export const dayMs = 24 * 60 * 60_000;

/** The mark of a text that waits; where it waited before, since then. A clock that was set back makes no text wait longer than `waitDays`. */
export function waits(before: WaitsValue | undefined, whom: WaitsValue['for'], now: number, waitDays: number): WaitsValue {
  const since = Math.min(before?.since ?? now, now);
  return { for: whom, since, until: since + waitDays * dayMs };
}

/** What an error says with the mark of a text that waits. */
export function withWaits(error: ErrorValue, mark: WaitsValue): ErrorValue {
  return { ...error, waits: mark };
}

/**
 * When the next attempt is due, after `attempts` that found nobody. The last one is at `until`. `chance` is 0 to 1: it spreads what
 * failed together.
 */
export function nextProbeAt(
  now: number,
  { attempts, chance, until, retryAfterMs = 0 }: { attempts: number; chance: number; until: number; retryAfterMs?: number | undefined },
): number {
  const pauseMs = Math.min(longestPatientPauseMs, firstPatientPauseMs * 2 ** attempts) * (0.75 + chance / 2);
  // The lane takes a longer pause for a clock that was set back.
  const waitMs = Math.min(longestRetryAfterMs, Math.max(Math.round(pauseMs), retryAfterMs));
  return Math.min(now + waitMs, Math.max(now, until));
}
