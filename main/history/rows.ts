/** How rows of the history become records, and what may be bound to a statement. */
import type { ErrorValue, MessageState, PersonValue } from '../../preload/contract';
import { AppError } from '../errors';
import type { ConversationRecord, Direction, JobRecord, MessageRecord } from './history';

/** What may be bound to a parameter; see `bindable`. */
export type Bound = string | number | null;
export type Row = Record<string, string | number | null>;

/**
 * U+0000 ends a text for the driver, so what followed it would be lost silently; U+FFFD keeps the rest. A boolean would end the
 * whole process, and an undefined become NULL: both are refused even where the types were bypassed.
 */
export function bindable(values: Record<string, Bound>): Record<string, Bound> {
  const bound: Record<string, Bound> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && typeof value !== 'string' && typeof value !== 'number') {
      throw new AppError('storage/failed', { cause: `${name} is of type ${typeof value}` });
    }
    bound[name] = typeof value === 'string' && value.includes('\u0000') ? value.replaceAll('\u0000', '\ufffd') : value;
  }
  return bound;
}

function textOrNull(value: Row[string] | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function conversationOf(row: Row): ConversationRecord {
  return {
    id: String(row.id),
    kind: row.kind as ConversationRecord['kind'],
    peer: textOrNull(row.peer),
    subject: textOrNull(row.subject),
    people: JSON.parse(String(row.people)) as PersonValue[],
    conversationId: String(row.conversation_id),
    contributionId: textOrNull(row.contribution_id),
    focus: textOrNull(row.focus),
    continues: textOrNull(row.continues),
    continuedBy: textOrNull(row.continued_by),
    joined: row.joined === 1,
    createdAt: Number(row.created_at),
    activityAt: Number(row.activity_at),
  };
}

export function messageOf(row: Row): MessageRecord {
  return {
    id: String(row.id),
    conversation: String(row.conversation),
    direction: row.direction as Direction,
    from: String(row.sender),
    fromName: String(row.sender_name),
    fromDevice: textOrNull(row.sender_device),
    text: String(row.text),
    state: row.state as MessageState,
    sentAt: Number(row.sent_at),
    receivedAt: row.received_at === null || row.received_at === undefined ? null : Number(row.received_at),
    error: row.error === null || row.error === undefined ? null : (JSON.parse(String(row.error)) as ErrorValue),
    wantsDelivered: row.wants_delivered === 1,
    wantsDisplayed: row.wants_displayed === 1,
  };
}

export function jobOf(row: Row): JobRecord {
  return {
    id: Number(row.id),
    lane: String(row.lane),
    kind: row.kind as JobRecord['kind'],
    message: String(row.message),
    payload: String(row.payload),
    attempts: Number(row.attempts),
    nextAt: Number(row.next_at),
  };
}
