/**
 * When a message was written, by this computer's clock. Each device dates what it sends by its own clock, which may be wrong. The error is measured,
 * and a message stands at its corrected DateTime. Pure: what is known of a clock is a value, kept in the history.
 *
 * The correction of a clock is what must be added to it. Two measurements bound it. A message that was held up on its way can loosen a bound, but never
 * makes a right clock look wrong:
 *
 *   at most   arrival - what the clock showed when the message left: nothing arrives before it leaves. The proof that a clock is ahead.
 *   at least  what this clock showed when a text left - what theirs showed when it was there, by its receipt: the proof that a clock is behind.
 *
 * Without a receipt nothing proves that a clock is behind, but a steady lag in a session does: where texts arrive as far apart as they are dated, they did not
 * wait in an outbox, which lets all go at once, and a session that stands brings them within moments. What they lag, the clock is behind.
 *
 * A clock is taken for right as far as nothing proves it wrong: the correction is the one closest to that of a right clock between the two. That is zero,
 * or, where this computer's own clock is wrong, what it is ahead. The registrar's Date says so, which may be wrong itself: it is believed of those whose
 * texts lag by just as much. Where the bounds contradict one
 * another the clock was set, and the newer one holds. A clock that is set back shows less than before: then, too, what was known is void. Only while
 * that would be seen, a proof of being ahead by X, that is for X, is believed.
 */
import type { PersonValue } from '../../../preload/contract';
import type { CpimMessage } from '../../../protocol/cpim';
import type { ConversationRecord, PeerClock } from '../../history/records';
import { deviceNamedBy } from '../conversation/envelope';
import type { Arrival } from './door';

/** LAB: a clock that is less wrong than this is not corrected; DateTime need not be finer than a second (RFC 3339). */
export const correctedFromMs = 2_000;
/** LAB: a clock that is more wrong than this tells no time: what it dates stands where it came. */
export const longestCorrectionMs = 24 * 60 * 60_000;
/** LAB: a message that claims to have been under way for longer was dated by a clock that tells no time. */
export const longestDelayMs = 30 * 24 * 60 * 60_000;

/** LAB: how long a text may take in an established session; one that lags further was held up, or dated by a clock that is behind. */
export const longestTransitMs = 10_000;
/** LAB: two texts this far apart, by arrival and by date alike, did not leave an outbox together. */
const steadyForMs = 3 * correctedFromMs;

export const unknownClock: PeerClock = { atLeast: null, atMost: null, measuredAt: 0, shown: null, dated: null, placed: null };

/** How a text came. Epoch milliseconds; `now` is the arrival, by this computer's clock. */
export interface DatedText {
  /** Null where it says nothing that can be read. */
  dateTime: number | null;
  /** What the sender's clock showed when the text left, where it says so: a text that waited in its outbox is dated earlier. */
  leftAt: number | null;
  now: number;
  /** Where the newest message of the conversation stands; null in an empty one. */
  newest: number | null;
  /** By how much this computer's own clock is known to be ahead. */
  ownAhead: number;
  /** Whether it came over a session that stood: not inside an invitation, nor as a pager message or by way of a group, which may hold it. */
  inSession: boolean;
}

/** Whose clock dates what arrives. An anonymous peer's is never joined to what is known of anybody. */
export function clockKey(arrival: Arrival, conversation: ConversationRecord, sender: PersonValue, envelope: CpimMessage): string {
  const device = arrival.senderInstance ?? arrival.senderGruu ?? deviceNamedBy(envelope) ?? arrival.senderDevice ?? '';
  return `${conversation.hides === 'peer' ? conversation.id : sender.address} ${device}`;
}

/** The correction of a clock, ms to be added to what it shows; 0 as long as it may be right. */
export function correctionOf(clock: PeerClock, ownAhead: number): number {
  const right = clock.atMost !== null && Math.abs(clock.atMost - ownAhead) <= longestTransitMs ? ownAhead : 0;
  const closest = Math.min(Math.max(right, clock.atLeast ?? right), clock.atMost ?? Number.POSITIVE_INFINITY);
  return Math.abs(closest) < correctedFromMs ? 0 : closest;
}

/** Where a text stands, and what is then known of its sender's clock. */
export function placeText(before: PeerClock, text: DatedText): { clock: PeerClock; orderedAt: number } {
  const { dateTime } = text;
  if (dateTime === null) return { clock: before, orderedAt: Math.max(text.now, text.newest ?? 0) };
  return placeDated(before, { ...text, dateTime });
}

type Dated = DatedText & { dateTime: number };

function placeDated(before: PeerClock, text: Dated): { clock: PeerClock; orderedAt: number } {
  const shown = text.leftAt ?? text.dateTime;
  const wasSetBack = before.shown !== null && shown < before.shown - correctedFromMs;
  const since = wasSetBack ? { ...unknownClock, placed: before.placed } : before;
  const clock = provenBehind(since, measured(since, text.now - shown, text.now), text.now - shown, text);
  const tellsTime = Math.abs(correctionOf(clock, text.ownAhead)) <= longestCorrectionMs && text.now - text.dateTime <= longestDelayMs;
  if (!tellsTime) return { clock: { ...clock, shown }, orderedAt: Math.max(text.now, text.newest ?? 0) };
  const orderedAt = inSendersOrder(clock, text, byThisClock(text.dateTime + correctionOf(clock, text.ownAhead), text), wasSetBack);
  const isNewest = clock.dated === null || text.dateTime >= clock.dated;
  const last = isNewest ? { dated: text.dateTime, placed: orderedAt } : {};
  return { clock: { ...clock, shown: Math.max(shown, clock.shown ?? shown), ...last }, orderedAt };
}

/**
 * What a receipt tells of a clock: it showed `at` when a text was there that had left at `sentAt` by this one. Returned with it: when that was by this
 * computer's clock.
 */
export function measureReceipt(
  before: PeerClock,
  receipt: { sentAt: number; at: number; now: number; ownAhead: number },
): { clock: PeerClock; at: number } {
  const clock = boundByReceipt(before, receipt);
  const correction = correctionOf(clock, receipt.ownAhead);
  const at = Math.abs(correction) > longestCorrectionMs ? receipt.now : receipt.at + correction;
  return { clock, at: Math.min(at, receipt.now) };
}

function boundByReceipt(before: PeerClock, { sentAt, at, now }: { sentAt: number; at: number; now: number }): PeerClock {
  const clock = measured(before, now - at, now);
  const atLeast = sentAt - at;
  // Dated in the future: this computer's clock was set back since.
  if (sentAt > now) return clock;
  // It was set back: no text before is dated by the same clock.
  if (clock.atMost !== null && atLeast > clock.atMost + correctedFromMs) return { ...unknownClock, placed: before.placed, atLeast };
  const closer = Math.min(Math.max(atLeast, clock.atLeast ?? atLeast), clock.atMost ?? atLeast);
  return { ...clock, atLeast: closer };
}

function measured(clock: PeerClock, atMost: number, now: number): PeerClock {
  const age = now - clock.measuredAt;
  const isVoid = clock.atMost === null || age < 0 || age >= Math.abs(clock.atMost) - correctedFromMs;
  if (!isVoid && atMost > (clock.atMost ?? 0)) return clock;
  const contradicts = clock.atLeast !== null && atMost < clock.atLeast - correctedFromMs;
  const atLeast = contradicts || clock.atLeast === null ? null : Math.min(clock.atLeast, atMost);
  return { ...clock, atLeast, atMost, measuredAt: now };
}

/** What a text proves that lags as far as the one by which `atMost` was measured, some time before. */
function provenBehind(before: PeerClock, clock: PeerClock, lag: number, { now, ownAhead, inSession }: DatedText): PeerClock {
  const { atMost, measuredAt } = before;
  if (!inSession || atMost === null || clock.atMost === null || lag - ownAhead < longestTransitMs) return clock;
  const isSteady = Math.abs(lag - atMost) < correctedFromMs && now - measuredAt >= steadyForMs;
  return isSteady ? { ...clock, atLeast: Math.max(clock.atLeast ?? clock.atMost, Math.min(lag, clock.atMost)) } : clock;
}

/**
 * Nothing stands in the future. Should this computer's clock have been set back, the conversation already ends in its future: what is new goes on from
 * there, and what was under way for long stands as far before it as it would.
 */
function byThisClock(at: number, { now, newest }: DatedText): number {
  const place = at > now + correctedFromMs ? now : at;
  const ahead = (newest ?? now) - now;
  if (ahead <= correctedFromMs) return place;
  return now - place <= correctedFromMs ? now + ahead : place + ahead;
}

/** Texts of one device stand in the order in which it has dated them, whatever is learned of its clock between two of them. */
function inSendersOrder(clock: PeerClock, { dateTime, leftAt }: Dated, place: number, wasSetBack: boolean): number {
  if (clock.placed === null) return place;
  // Without knowing when it left, a text dated before others may as well be one that was held up.
  if (wasSetBack) return leftAt === null ? place : Math.max(place, clock.placed);
  if (clock.dated === null || dateTime >= clock.dated) return Math.max(place, clock.placed);
  return Math.min(place, clock.placed - 1);
}
