/** From a thread to the rows on the screen: day dividers, "came late", groups of bubbles, and the cards that lie between them. Pure. */
import type { MessageValue } from '../../preload/contract';
import { sameDay, sameMinute } from '../words/clock';

/** A pause longer than this starts a new group, also of one sender. */
export const groupPauseMs = 5 * 60_000;
/** A message that took longer than this to get here is marked: its place among the others may surprise. */
export const lateAfterMs = 2 * 60_000;

export type Row =
  | { row: 'start'; key: string }
  | { row: 'day'; key: string; at: number }
  | { row: 'late'; key: string; sentAt: number; receivedAt: number }
  | {
      row: 'message';
      key: string;
      message: MessageValue;
      /** First and last of its group. */
      first: boolean;
      last: boolean;
      /** Whether time and state stand in this bubble, or in the next one for both. */
      meta: boolean;
    }
  | { row: 'continued'; key: string }
  | { row: 'end'; key: string };

export interface TimelineOptions {
  messages: readonly MessageValue[];
  /** True when the conversation's beginning is here: only then its opening cards are shown. */
  complete: boolean;
  /** When the conversation went on elsewhere, in a 1-1 that a group replaced; null if it did not. */
  continuedAt: number | null;
}

export function buildTimeline({ messages, complete, continuedAt }: TimelineOptions): Row[] {
  const rows: Row[] = complete ? [{ row: 'start', key: 'start' }] : [];
  let isContinuationShown = continuedAt === null;
  messages.forEach((message, index) => {
    if (!isContinuationShown && continuedAt !== null && message.sentAt > continuedAt) {
      rows.push({ row: 'continued', key: 'continued' });
      isContinuationShown = true;
    }
    const before = messages[index - 1];
    const after = messages[index + 1];
    if (before === undefined || !sameDay(before.sentAt, message.sentAt)) {
      rows.push({ row: 'day', key: `day ${new Date(message.sentAt).toDateString()}`, at: message.sentAt });
    }
    if (isLate(message) && !(before !== undefined && isLate(before) && isTogether(before, message, continuedAt))) {
      rows.push({ row: 'late', key: `late ${message.message}`, sentAt: message.sentAt, receivedAt: message.receivedAt ?? message.sentAt });
    }
    const last = after === undefined || !isTogether(message, after, continuedAt);
    rows.push({
      row: 'message',
      key: `${message.direction} ${message.message}`,
      message,
      first: before === undefined || !isTogether(before, message, continuedAt),
      last,
      meta: last || after === undefined || !sharesMeta(message, after),
    });
  });
  if (!isContinuationShown) rows.push({ row: 'continued', key: 'continued' });
  rows.push({ row: 'end', key: 'end' });
  return rows;
}

function isLate(message: MessageValue): boolean {
  return message.direction === 'in' && message.receivedAt !== null && message.receivedAt - message.sentAt > lateAfterMs;
}

/** Whether two neighbours stand in one group: one sender, one device, for the same people, one day, no long pause, nothing between them. */
function isTogether(a: MessageValue, b: MessageValue, continuedAt: number | null): boolean {
  return (
    a.direction === b.direction &&
    a.from === b.from &&
    a.fromDevice === b.fromDevice &&
    a.onlyWith === b.onlyWith &&
    b.sentAt - a.sentAt <= groupPauseMs &&
    sameDay(a.sentAt, b.sentAt) &&
    isLate(a) === isLate(b) &&
    !(continuedAt !== null && a.sentAt <= continuedAt && b.sentAt > continuedAt)
  );
}

function sharesMeta(a: MessageValue, b: MessageValue): boolean {
  return a.state === b.state && a.state !== 'failed' && sameMinute(a.sentAt, b.sentAt);
}
