/** Decides what follows a failed REGISTER: whether to repeat it, and after which pause. */
import type { AppError } from '../../../preload/contract/errors';

/** LAB: the first pause after a failure. Each further failure doubles it up to the maximum; the actual pause is 50 to 100 % of that. */
export const RETRY_BASE_MS = 2_000;
export const RETRY_MAX_MS = 120_000;
/** LAB: the maximum while nothing can be reached. A failed connection costs little, and a network that returns is noticed within 5 s. */
export const UNREACHABLE_RETRY_MAX_MS = 4_000;

/** Statuses that a repetition cannot change: the person has to act. All others are retried. */
const LASTING = new Set([400, 401, 402, 403, 404, 405, 406, 407, 410, 413, 414, 415, 416, 420, 421, 488, 493, 494, 600, 603, 604, 606]);

/** Whether the registration stops at this error until the person acts. */
export function isLasting({ code, detail, retry }: AppError): boolean {
  return code.startsWith('account/') || (code === 'sip/rejected' && retry !== 'auto' && LASTING.has(detail.status ?? 0));
}

/** Whether another connection may help: this one gave no answer, or the edge has lost its flow (RFC 5626 section 11.1). */
export function wantsAnotherFlow({ code, detail }: AppError): boolean {
  return code === 'net/timeout' || detail.status === 430;
}

/**
 * The pause before the next attempt, in milliseconds; never shorter than the server's Retry-After.
 * @param failures how many attempts in a row have failed before this one
 * @param chance from 0 to 1
 */
export function retryDelayMs(error: AppError, failures: number, chance: number): number {
  const longest = error.code === 'net/unreachable' ? UNREACHABLE_RETRY_MAX_MS : RETRY_MAX_MS;
  const step = Math.min(RETRY_BASE_MS * 2 ** Math.min(failures, 16), longest);
  return Math.max(step * (0.5 + 0.5 * chance), error.detail.retryAfterMs ?? 0);
}
