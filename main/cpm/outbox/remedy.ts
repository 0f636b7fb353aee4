/** What an error means for the job that met it: wait for the registration, try again after a pause, or give up. Pure. */
import type { AppError } from '../../../preload/contract/errors';
import { readRefusal } from '../conversation/refusals';

/** LAB: attempts at one job before it has failed. */
export const maxAttempts = 6;
/** LAB: the pause after the first failed attempt; each further one is twice as long, up to `longestPauseMs`. */
export const firstPauseMs = 1_000;
export const longestPauseMs = 60_000;
/** LAB: a Retry-After (RFC 3261 section 20.33) is honoured up to here; nobody's clock error may hold a lane for days. */
export const longestRetryAfterMs = 60 * 60_000;
/** LAB: the longest pause between attempts at a receipt, and how long after its event it is still worth sending. */
const longestReceiptPauseMs = 15 * 60_000;
export const receiptLifeMs = 7 * 24 * 60 * 60_000;

/** `wait`: the registration will wake the lane; it is no attempt. */
export type Remedy = 'wait' | 'again' | 'fail';

/** For a text. `hasWaited`: it has waited for its own network so long that the other person's device may be on the way back, too. */
export function remedyFor(error: AppError, attempts: number, isRegistered: boolean, hasWaited = false): Remedy {
  switch (error.code) {
    case 'sip/not-registered':
      return 'wait';
    case 'net/unreachable':
      // Without a registration its return wakes the lane; with one it is the peer's media that cannot be reached.
      if (!isRegistered) return 'wait';
      return attempts < maxAttempts ? 'again' : 'fail';
    case 'msrp/relay':
      // What was set to go through the relay waits until it is back, as it would for the network itself, and never goes past it.
      return error.retry === 'auto' ? 'again' : 'fail';
    case 'msrp/rejected':
      // Where the answer says nothing against the text itself, it goes once more, over a new session where needed.
      return error.retry === 'auto' && attempts < maxAttempts ? 'again' : 'fail';
    case 'net/timeout':
    case 'msrp/closed':
    case 'storage/full':
    case 'storage/failed':
      return attempts < maxAttempts ? 'again' : 'fail';
    case 'sip/rejected':
      // 486 once more: two people who invite each other at the same time both hear it.
      if (error.detail.status === 486) return attempts < 2 ? 'again' : 'fail';
      if (error.detail.status === 480 && hasWaited) return attempts < maxAttempts ? 'again' : 'fail';
      return readRefusal(error.detail).remedy === 'again' && attempts < maxAttempts ? 'again' : 'fail';
    default:
      return 'fail';
  }
}

/** For a receipt that is `ageMs` old. Nobody presses Retry for it, so it waits until its reader can be reached. */
export function receiptRemedy(error: AppError, ageMs: number, isRegistered: boolean): Remedy {
  if (error.code === 'sip/not-registered' || (error.code === 'net/unreachable' && !isRegistered)) return 'wait';
  const refusedForGood = error.code === 'sip/rejected' && !['again', 'later'].includes(readRefusal(error.detail).remedy);
  if (refusedForGood || error.code === 'conversation/no-session' || error.code === 'internal') return 'fail';
  return ageMs < receiptLifeMs ? 'again' : 'fail';
}

/** How long until the next attempt, ms, after `attempts` that failed. `chance` is 0 to 1: it spreads what failed together. */
export function pauseMs(kind: 'message' | 'receipt', attempts: number, error: AppError, chance: number): number {
  const longestMs = kind === 'receipt' ? longestReceiptPauseMs : longestPauseMs;
  const backoffMs = Math.round(Math.min(longestMs, firstPauseMs * 2 ** attempts) * (0.75 + chance / 2));
  return Math.max(backoffMs, Math.min(error.detail.retryAfterMs ?? 0, longestRetryAfterMs));
}
