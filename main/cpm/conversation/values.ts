/**
 * Conversations and the life of one message, as pure rules: one rank table serves the history, the outbox, the inbox and every view.
 *
 *   out:  queued -> sending -> sent -> delivered -> displayed
 *           ^         |  \_______________________________^     (an IMDN may overtake the answer to the SEND)
 *           |         v
 *           +---- failed                                       (retry puts it back into the queue)
 *   in:   received -> displayed
 *
 * A step that the table does not list is ignored: a late "delivered" after "displayed" changes nothing (RFC 5438 section 7.1.1.3 lets them cross).
 */
import type { ConversationValue, MessageState, MessageValue, PersonValue, SearchHitValue, SessionState } from '../../../preload/contract';
import { shownName } from '../../../protocol/shown-name';
import { correspondentKey, parseUri } from '../../../protocol/uri';
import type { ConversationMarks, ConversationRecord, Hit, MessageRecord } from '../../history/records';

const nextStates: Record<MessageState, readonly MessageState[]> = {
  queued: ['sending', 'failed', 'sent', 'delivered', 'displayed'],
  sending: ['queued', 'sent', 'delivered', 'displayed', 'failed'],
  sent: ['delivered', 'displayed', 'failed'],
  delivered: ['displayed'],
  displayed: [],
  failed: ['queued', 'sent', 'delivered', 'displayed'],
  received: ['displayed'],
};

/** Whether a message may go from one state to the other. */
export function mayBecome(from: MessageState, to: MessageState): boolean {
  return nextStates[from].includes(to);
}

/** The parts of a conversation's value that are not in its record. */
export interface ConversationParts {
  unread: number;
  icon: string | null;
  privateDrafts: ConversationValue['privateDrafts'];
  marks: Pick<ConversationMarks, 'draft' | 'markedUnread'>;
  last: MessageValue | null;
  session: SessionState;
  pending: ConversationValue['pending'];
  peerDevice: ConversationValue['peerDevice'];
}

export function conversationValue(record: ConversationRecord, parts: ConversationParts): ConversationValue {
  return {
    conversation: record.id,
    kind: record.kind,
    subject: record.subject,
    people: record.people,
    unread: parts.unread,
    markedUnread: parts.marks.markedUnread,
    draft: parts.marks.draft,
    privateDrafts: parts.privateDrafts,
    last: parts.last,
    session: parts.session,
    pending: parts.pending,
    peerDevice: parts.peerDevice,
    continues: record.continues,
    continuedBy: record.continuedBy,
    joined: record.joined,
    icon: parts.icon,
    anonymous: record.hides ?? null,
    writesAs: record.writesAs ?? null,
    createdAt: record.createdAt,
  };
}

/** The own address that a conversation's requests are sent from; empty for the network's default address. */
export function identityOf(
  conversation: Pick<ConversationRecord, 'hides' | 'writesAs'>,
  account: { writesAs(): string | null },
): { identity?: string } {
  const identity = conversation.writesAs ?? account.writesAs();
  return identity === null || conversation.hides === 'self' ? {} : { identity };
}

/** When a message was written, as far as is known, by this computer's clock. Messages stand in this order. */
export function orderedAt({ sentAt, movedBy = 0 }: Pick<MessageRecord, 'sentAt' | 'movedBy'>): number {
  return sentAt + movedBy;
}

export function messageValue(record: MessageRecord, receipts: MessageValue['receipts']): MessageValue {
  return {
    message: record.id,
    conversation: record.conversation,
    direction: record.direction,
    from: record.from,
    fromName: record.fromName,
    fromDevice: record.fromDevice,
    text: record.content.text,
    content: record.content,
    state: record.state,
    sentAt: orderedAt(record),
    ...(orderedAt(record) === record.sentAt ? {} : { datedAt: record.sentAt }),
    receivedAt: record.receivedAt,
    receipts,
    error: record.error,
    ...waitingValue(record),
    ...(record.onlyWith === undefined ? {} : { onlyWith: record.onlyWith }),
    ...(record.isDamaged === true ? { damaged: true } : {}),
  };
}

/** What a message waits for. One that was being sent when the program ended waits, too. */
function waitingValue({ state, error }: MessageRecord): Pick<MessageValue, 'waitsFor' | 'expiresAt'> {
  if (error === null || (state !== 'queued' && state !== 'sending')) return {};
  if (error.waits !== undefined) return { waitsFor: error.waits.for, expiresAt: error.waits.until };
  return error.code === 'msrp/relay' ? { waitsFor: 'relay' } : {};
}

export function searchHitValue({ message, snippet }: Hit): SearchHitValue {
  return {
    message: message.id,
    conversation: message.conversation,
    direction: message.direction,
    from: message.from,
    fromName: message.fromName,
    ...(message.onlyWith === undefined ? {} : { onlyWith: message.onlyWith }),
    sentAt: orderedAt(message),
    snippet: snippet.text,
    marks: snippet.marks,
  };
}

/** A person by address, with the best name at hand: what the network said, else what we knew, else the user part of the address. */
export function person(address: string, said: string | null, known: readonly PersonValue[] = []): PersonValue {
  const key = correspondentKey(address) ?? address;
  const name = shownName(said ?? '') || known.find((candidate) => candidate.address === key)?.name || nameFromAddress(key);
  return { address: key, name };
}

function nameFromAddress(address: string): string {
  const uri = parseUri(address);
  if (!uri.ok) return address;
  if (uri.value.scheme === 'tel') return uri.value.number;
  if (uri.value.scheme === 'other') return address.replace(/^mailto:/, '');
  return shownName(uri.value.user ?? '') || uri.value.host;
}

/**
 * How far a message to several people has come: as far as the slowest of them. One person's receipt moves it in a 1-1.
 * `failed` receipts count as nothing here: the person is named in the message's receipts.
 */
export function stateByReceipts(people: readonly PersonValue[], receipts: MessageValue['receipts']): 'delivered' | 'displayed' | null {
  if (people.length === 0) return null;
  const reached = (address: string, dispositions: readonly string[]) =>
    receipts.some((receipt) => receipt.address === address && dispositions.includes(receipt.disposition));
  if (people.every((one) => reached(one.address, ['displayed']))) return 'displayed';
  if (people.every((one) => reached(one.address, ['delivered', 'displayed']))) return 'delivered';
  return null;
}
