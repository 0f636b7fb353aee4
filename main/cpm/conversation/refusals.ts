/**
 * What refusals mean, in both directions.
 *
 * The first table gives the status with which an invitation is refused here, by cause (RFC 3261 section 21). A 6xx stops the ringing of every device
 * of a person, so only one cause uses it, which the person chooses; every other cause speaks for this device. What is refused before the CPM layer sees it is in
 * `sip/normalize.ts`: 404 for somebody else, 486 for another device, 415, 416, 420 and 482.
 */
import { AppError, type RefusalMeaning } from '../../../preload/contract/errors';

export const refusals = {
  /** The person declines here; other devices go on ringing. */
  declined: 486,
  /** The person declines everywhere. */
  declinedEverywhere: 603,
  /** Somebody whom the person has blocked. LAB: they learn no more than that this device is busy. */
  blocked: 486,
  /** As many sessions as this device holds. */
  noSlot: 486,
  /** The account signs out here; other devices go on ringing. */
  signedOut: 480,
  /** The own invitation to the same person lives on. */
  glare: 486,
  /** A newer invitation of the same person has replaced this one. */
  superseded: 486,
  /** No session description: it asks for an offer, which this client does not make in an answer. */
  noOffer: 606,
  /** A session description that cannot be read, or holds no MSRP. */
  badOffer: 488,
  /** A service that is switched off here, or a group invitation to an anonymous side. */
  notOffered: 488,
  /** A large message without a Contribution-ID, which names it. */
  unnamed: 400,
  /** A first message that cannot be read. */
  unreadable: 400,
} as const;

/**
 * The meaning of the other side's refusal for the refused text or receipt (RFC 3261 section 21, RFC 5079 section 5):
 *
 *   again   the same request may be taken a moment later
 *   away    no device of the person is there: texts and receipts wait
 *   later   the person does not want it now: a text goes back to its author, a receipt waits
 *   pager   no session of this kind is taken: a text goes as a pager message instead
 *   stop    it would be refused again
 */
export interface Refusal {
  meaning: RefusalMeaning | null;
  remedy: 'again' | 'away' | 'later' | 'pager' | 'stop';
}

const byStatus: Readonly<Record<number, Refusal>> = {
  403: { meaning: 'forbidden', remedy: 'stop' },
  404: { meaning: 'unknown-person', remedy: 'stop' },
  405: { meaning: 'no-session', remedy: 'pager' },
  408: { meaning: 'away', remedy: 'away' },
  410: { meaning: 'unknown-person', remedy: 'stop' },
  413: { meaning: 'too-large', remedy: 'stop' },
  415: { meaning: 'no-session', remedy: 'pager' },
  416: { meaning: 'no-way', remedy: 'stop' },
  420: { meaning: 'incompatible', remedy: 'stop' },
  421: { meaning: 'incompatible', remedy: 'stop' },
  430: { meaning: 'away', remedy: 'away' },
  433: { meaning: 'not-anonymous', remedy: 'stop' },
  480: { meaning: 'away', remedy: 'away' },
  486: { meaning: 'busy', remedy: 'later' },
  487: { meaning: null, remedy: 'later' },
  488: { meaning: 'no-session', remedy: 'pager' },
  491: { meaning: null, remedy: 'again' },
  500: { meaning: null, remedy: 'again' },
  503: { meaning: null, remedy: 'again' },
  504: { meaning: null, remedy: 'again' },
  600: { meaning: 'busy', remedy: 'later' },
  603: { meaning: 'declined', remedy: 'later' },
  604: { meaning: 'unknown-person', remedy: 'stop' },
  606: { meaning: 'no-session', remedy: 'pager' },
};

/** CPM servers begin the text of a Warning with a number: `Warning: 399 pf.lab.test "133 Size exceeded"`. */
const byWarning: Readonly<Record<string, RefusalMeaning>> = { 127: 'not-authorised', 133: 'too-large' };

/**
 * Reads a final answer of 300 or more. A status that is not listed stops: nobody knows when it would not come again. A 404 with Retry-After is about
 * this moment, not about the address (RFC 3261 section 20.33).
 */
export function readRefusal({ status, warning, retryAfterMs }: { status?: number; warning?: string; retryAfterMs?: number }): Refusal {
  if (status === 404 && retryAfterMs !== undefined) return { meaning: 'away', remedy: 'away' };
  const number = /(?:^|,)\s*\d{3} \S+ "(\d{3})\b/.exec(warning ?? '')?.[1];
  const said = status === 403 && number !== undefined ? byWarning[number] : undefined;
  return said === undefined ? (byStatus[status ?? 0] ?? { meaning: null, remedy: 'stop' }) : { meaning: said, remedy: 'stop' };
}

/** The same error, a refusal with its meaning. `isPrivate`: it answers a message to one member of a group. `isHidden`: it answers a request to a temporary GRUU, which holds as long as its registration. */
export function understood(error: unknown, { isHidden = false, isPrivate = false } = {}): unknown {
  if (isPrivate && error instanceof AppError && error.code === 'msrp/rejected' && error.detail.status === 404)
    return new AppError(error.code, { ...error.detail, meaning: 'not-in-group' }, error.retry);
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return error;
  const { meaning } = readRefusal(error.detail);
  if (meaning === null) return error;
  const isGone = isHidden && meaning === 'unknown-person';
  return new AppError(error.code, { ...error.detail, meaning: isGone ? 'hidden-gone' : meaning }, error.retry);
}
