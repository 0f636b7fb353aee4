/** What an error means for the job that met it: wait for the registration, try again after a pause, or give up. Pure. */
import type { AppError } from '../../../preload/contract/errors';
import { type Refusal, readRefusal } from '../conversation/refusals';

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

/** `wait`: the registration will wake the lane; it is no attempt. `await`: nobody is there; the text waits until somebody is. */
export type Remedy = 'wait' | 'again' | 'await' | 'fail';

export interface Circumstances {
  /** How many attempts have failed, this one included. */
  attempts: number;
  isRegistered: boolean;
  /** The text waits already for somebody who is away. */
  isWaiting?: boolean;
  /** The other device may be on its way back this very moment. */
  mayComeBack?: boolean;
}

/** For a text. It fails only where a person has to decide, or where this device's own disk or program is at fault. */
export function remedyFor(error: AppError, { attempts, isRegistered, isWaiting = false, mayComeBack = false }: Circumstances): Remedy {
  const mayRepeat = attempts < maxAttempts;
  const passing = mayRepeat && (mayComeBack || !isWaiting) ? 'again' : 'await';
  switch (error.code) {
    case 'sip/not-registered':
      return 'wait';
    case 'net/unreachable':
      // Without a registration its return wakes the lane; with one it is the peer's media that cannot be reached.
      return isRegistered ? passing : 'wait';
    case 'msrp/relay':
      // What was set to go through the relay waits until it is back, as it would for the network itself, and never goes past it.
      return error.retry === 'auto' ? 'again' : 'fail';
    case 'msrp/rejected':
      // Where the answer says nothing against the text itself, it goes once more, over a new session where needed.
      return error.retry === 'auto' ? passing : 'fail';
    case 'net/timeout':
    case 'msrp/closed':
      return passing;
    case 'storage/full':
    case 'storage/failed':
      return mayRepeat ? 'again' : 'fail';
    case 'group/nobody-joined':
      return readRefusal(error.detail).remedy === 'away' ? 'await' : 'fail';
    case 'sip/rejected':
      // 486 once more: two people who invite each other at the same time both hear it. So does a text that has waited for somebody who is coming back and
      // writes at the same moment, however often nobody was there before.
      if (error.detail.status === 486) return attempts < 2 || (isWaiting && mayComeBack && mayRepeat) ? 'again' : 'fail';
      return remedyForRefusal(readRefusal(error.detail).remedy, passing, mayComeBack);
    default:
      return 'fail';
  }
}

function remedyForRefusal(remedy: Refusal['remedy'], passing: Remedy, mayComeBack: boolean): Remedy {
  if (remedy === 'away') return mayComeBack ? passing : 'await';
  return remedy === 'again' ? passing : 'fail';
}

/** For a receipt that is `ageMs` old. Nobody presses Retry for it, so it waits until its reader can be reached. */
export function receiptRemedy(error: AppError, ageMs: number, isRegistered: boolean): Remedy {
  if (error.code === 'sip/not-registered' || (error.code === 'net/unreachable' && !isRegistered)) return 'wait';
  const refusedForGood = error.code === 'sip/rejected' && !['again', 'away', 'later'].includes(readRefusal(error.detail).remedy);
  if (refusedForGood || error.code === 'conversation/no-session' || error.code === 'internal') return 'fail';
  return ageMs < receiptLifeMs ? 'again' : 'fail';
}

/** How long until the next attempt, ms, after `attempts` that failed. `chance` is 0 to 1: it spreads what failed together. */
export function pauseMs(kind: 'message' | 'receipt', attempts: number, error: AppError, chance: number): number {
  const longestMs = kind === 'receipt' ? longestReceiptPauseMs : longestPauseMs;
  const backoffMs = Math.round(Math.min(longestMs, firstPauseMs * 2 ** attempts) * (0.75 + chance / 2));
  return Math.max(backoffMs, Math.min(error.detail.retryAfterMs ?? 0, longestRetryAfterMs));
}
