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
import type { ConversationMarks, ConversationRecord, Hit, MessageContent, MessageRecord, PersonRecord } from '../../history/records';
import type { CpmContext } from './context';
import type { People } from './people';

/** Characters that are kept of an address which cannot be read. */
const MAX_ADDRESS_CHARACTERS = 1_000;

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

/** Whether somebody blocked has written this in a group: it is shown on request alone. In a 1-1, what came before the block stays to be read. */
export function isHidden(
  { history, isBlocked }: Pick<CpmContext, 'history' | 'isBlocked'>,
  { conversation, direction, from }: Pick<MessageRecord, 'conversation' | 'direction' | 'from'>,
): boolean {
  return direction === 'in' && isBlocked(from) && history.conversation(conversation)?.kind === 'group';
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
  encrypted: ConversationValue['encrypted'];
}

/** @param people who may be mistaken for whom */
export function conversationValue(record: ConversationRecord, parts: ConversationParts, people: Pick<People, 'shown'>): ConversationValue {
  return {
    conversation: record.id,
    kind: record.kind,
    subject: record.subject,
    people: record.people.map(({ address, name }) => people.shown({ address, name })),
    unread: parts.unread,
    markedUnread: parts.marks.markedUnread,
    draft: parts.marks.draft,
    privateDrafts: parts.privateDrafts,
    last: parts.last,
    session: parts.session,
    pending: parts.pending,
    peerDevice: parts.peerDevice,
    encrypted: parts.encrypted,
    continues: record.continues,
    continuedBy: record.continuedBy,
    joined: record.joined,
    icon: parts.icon,
    anonymous: record.hides ?? null,
    writesAs: record.writesAs ?? null,
    ...(record.replyTo === undefined ? {} : { repliesTo: record.replyTo }),
    ...(record.pseudonym === undefined ? {} : { pseudonym: record.pseudonym }),
    createdAt: record.createdAt,
  };
}

/** The own address and name that a conversation's requests are sent under; empty for the network's default address and the usual name. */
export function identityOf(
  { hides, writesAs, pseudonym }: Pick<ConversationRecord, 'hides' | 'writesAs' | 'pseudonym'>,
  account: { writesAs(): string | null },
): { identity?: string; pseudonym?: string } {
  const identity = writesAs ?? account.writesAs();
  if (hides === 'self') return {};
  return { ...(identity === null ? {} : { identity }), ...(pseudonym === undefined ? {} : { pseudonym }) };
}

/** When a message was written, as far as is known, by this computer's clock. Messages stand in this order. */
export function orderedAt({ sentAt, movedBy = 0 }: Pick<MessageRecord, 'sentAt' | 'movedBy'>): number {
  return sentAt + movedBy;
}

function mistakable({ direction, from, fromName }: MessageRecord, people?: Pick<People, 'isMistakable'>): { showAddress?: true } {
  return direction === 'in' && people?.isMistakable(from, fromName) === true ? { showAddress: true } : {};
}

/** @param people who may be mistaken for whom; left out where no account runs */
export function messageValue(
  record: MessageRecord,
  receipts: MessageValue['receipts'],
  people?: Pick<People, 'isMistakable'>,
): MessageValue {
  return {
    message: record.id,
    conversation: record.conversation,
    direction: record.direction,
    from: record.from,
    fromName: record.fromName,
    ...mistakable(record, people),
    fromDevice: record.fromDevice,
    text: record.content.text,
    content: contentValue(record.content),
    state: record.state,
    sentAt: orderedAt(record),
    ...(orderedAt(record) === record.sentAt ? {} : { datedAt: record.sentAt }),
    receivedAt: record.receivedAt,
    receipts,
    error: record.error,
    ...waitingValue(record),
    ...(record.onlyWith === undefined ? {} : { onlyWith: record.onlyWith }),
    ...(record.standalone === undefined ? {} : { standalone: record.standalone }),
    ...(record.replyTo === undefined ? {} : { replyTo: record.replyTo }),
    ...(record.isDamaged === true ? { damaged: true } : {}),
  };
}

function contentValue(content: MessageContent): MessageValue['content'] {
  if (content.kind === 'text') return content;
  const { digest: _, ...shown } = content;
  return shown;
}

/** What a message waits for. One that was being sent when the program ended waits, too. */
function waitingValue({ state, error }: MessageRecord): Pick<MessageValue, 'waitsFor' | 'expiresAt'> {
  if (error === null || (state !== 'queued' && state !== 'sending')) return {};
  if (error.waits !== undefined) return { waitsFor: error.waits.for, expiresAt: error.waits.until };
  return error.code === 'msrp/relay' ? { waitsFor: 'relay' } : {};
}

export function searchHitValue({ message, snippet }: Hit, people: Pick<People, 'isMistakable'>): SearchHitValue {
  return {
    message: message.id,
    conversation: message.conversation,
    direction: message.direction,
    from: message.from,
    fromName: message.fromName,
    ...mistakable(message, people),
    ...(message.onlyWith === undefined ? {} : { onlyWith: message.onlyWith }),
    sentAt: orderedAt(message),
    snippet: snippet.text,
    marks: snippet.marks,
  };
}

/**
 * A person by address, with the best name at hand: the one that this account knows them by, else what was said now, else what was said before, else the
 * user part of the address. A user part is no name, so what is said takes its place.
 */
export function person(address: string, said: string | null, known: readonly PersonRecord[] = []): PersonRecord {
  // What is no address, from a document of a focus for example, is shown as well.
  const key = correspondentKey(address) ?? shownName(address, MAX_ADDRESS_CHARACTERS);
  const before = known.filter((candidate) => candidate.address === key);
  const fromAddress = nameFromAddress(key);
  const sure = before.find(({ knownSince, name }) => knownSince !== undefined && name !== fromAddress);
  return { address: key, name: sure?.name || shownName(said ?? '') || before[0]?.name || fromAddress };
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
