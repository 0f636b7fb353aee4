/**
 * The conversations as the window and scripts see them: the list, pages of messages, and what is told when one of them changes. It joins what history keeps with
 * what of a conversation lives at the moment.
 */
import type { ConversationValue, MessageValue, SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { ConversationRecord, Direction, MessageRecord } from '../../history/records';
import type { CpmContext } from './context';
import { conversationValue, messageValue, orderedAt } from './values';

/** How many messages `messages` returns when nobody says. */
export const defaultPage = 50;

/** Which page of a conversation is meant: at most one message names it, none means the last page. */
export interface PagePlace {
  before?: string | undefined;
  after?: string | undefined;
  around?: string | undefined;
}

/** What is not on disk: the session of a conversation and what is known by it. */
export interface LiveParts {
  session: SessionState;
  pending: ConversationValue['pending'];
  peerDevice: ConversationValue['peerDevice'];
}

export class ConversationReader {
  readonly #context: CpmContext;
  readonly #live: (record: ConversationRecord) => LiveParts;

  constructor(context: CpmContext, live: (record: ConversationRecord) => LiveParts) {
    this.#context = context;
    this.#live = live;
  }

  /** @throws AppError `conversation/unknown` */
  record(conversation: string): ConversationRecord {
    const record = this.#context.history.conversation(conversation);
    if (record === null) throw new AppError('conversation/unknown', { cause: conversation });
    return record;
  }

  all(): ConversationValue[] {
    const { history } = this.#context;
    return history.conversations().flatMap((record) => {
      const marks = history.marks(record.id);
      return marks.isHidden ? [] : [this.value(record, marks)];
    });
  }

  value(record: ConversationRecord, marks = this.#context.history.marks(record.id)): ConversationValue {
    const { history } = this.#context;
    const last = history.lastMessage(record.id);
    const isGroup = record.kind === 'group';
    return conversationValue(record, {
      unread: history.unread(record.id),
      privateDrafts: isGroup ? history.privateDrafts(record.id) : [],
      icon: isGroup ? history.iconName(record.id) : null,
      marks,
      last: last === null ? null : this.#message(last),
      ...this.#live(record),
    });
  }

  /** @throws AppError `conversation/unknown`, `ipc/refused` */
  messages(conversation: string, place: PagePlace, limit: number): MessageValue[] {
    this.record(conversation);
    return this.#page(conversation, place, limit).map((record) => this.#message(record));
  }

  /** Oldest first. */
  async *everyMessage(conversation: string): AsyncGenerator<MessageValue> {
    for await (const { message, receipts } of this.#context.history.reader.transcript(conversation)) yield messageValue(message, receipts);
  }

  announceConversation(id: string): void {
    const record = this.#context.history.conversation(id);
    const marks = this.#context.history.marks(id);
    if (record === null || marks.isHidden) return;
    this.#context.announce({ event: 'conversation', ...this.value(record, marks) });
  }

  announceMessage(id: string, direction?: Direction): void {
    const record = this.#context.history.message(id, direction);
    if (record === null) return;
    this.#context.announce({ event: 'message', ...this.#message(record) });
    this.announceConversation(record.conversation);
  }

  #message(record: MessageRecord): MessageValue {
    return messageValue(record, record.direction === 'out' ? this.#context.history.receipts(record.id) : []);
  }

  #page(conversation: string, place: PagePlace, limit: number): MessageRecord[] {
    const { history } = this.#context;
    const { before, after, around } = place;
    if ([before, after, around].filter((id) => id !== undefined).length > 1)
      throw new AppError('ipc/refused', { cause: 'name one of `before`, `after` and `around`' });
    if (after !== undefined) return history.messagesAfter(conversation, { after, limit });
    if (around === undefined) return history.messages(conversation, { before, limit });
    // A message to oneself is there twice.
    const middle = [history.message(around, 'out'), history.message(around, 'in')].filter((one) => one?.conversation === conversation);
    const known = middle.filter((one) => one !== null).sort((a, b) => orderedAt(a) - orderedAt(b));
    if (known.length === 0) return [];
    const older = history.messages(conversation, { before: around, limit: Math.floor((limit - known.length) / 2) });
    const newer = history.messagesAfter(conversation, { after: around, limit: limit - known.length - older.length });
    return [...older, ...known, ...newer];
  }
}
