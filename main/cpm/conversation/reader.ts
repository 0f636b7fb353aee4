/**
 * The conversations as the window and scripts see them: the list, pages of messages, and what they are told when one of them changes. It joins what
 * the history keeps with what is only in memory, such as the state of a session.
 */
import type { ConversationValue, MessageValue, SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { Change, ConversationRecord, MessageRecord, Overview, ToldMessage } from '../../history/records';
import type { CpmContext } from './context';
import { conversationValue, isHidden, messageValue, orderedAt } from './values';

/** How many messages `messages` returns when nobody says. */
export const defaultPage = 50;
/** LAB: behind so many messages of blocked people in a row, a group shows no last message. */
const MAX_HIDDEN_IN_A_ROW = 100;

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
  encrypted: ConversationValue['encrypted'];
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
    return this.#context.history.overviews().flatMap((overview) => (overview.marks.isHidden ? [] : [this.#value(overview)]));
  }

  /** @throws AppError `conversation/unknown` */
  value(conversation: string): ConversationValue {
    const overview = this.#context.history.overview(conversation);
    if (overview === null) throw new AppError('conversation/unknown', { cause: conversation });
    return this.#value(overview);
  }

  /** @throws AppError `conversation/unknown`, `ipc/refused` */
  messages(conversation: string, place: PagePlace, limit: number): MessageValue[] {
    this.record(conversation);
    return this.#page(conversation, place, limit).map((record) => this.#message(record));
  }

  /** Oldest first. */
  async *everyMessage(conversation: string): AsyncGenerator<MessageValue> {
    for await (const { message, receipts } of this.#context.history.reader.transcript(conversation))
      yield messageValue(message, receipts, this.#context.people);
  }

  /** Tells the drivers of a committed transaction: its messages first, then each conversation that they or it have changed, in one read each. */
  tell(changes: readonly Change[]): void {
    const { history, announce } = this.#context;
    const overviews = new Map<string, Overview | null>();
    const overviewOf = (id: string) => {
      if (!overviews.has(id)) overviews.set(id, history.overview(id));
      return overviews.get(id) ?? null;
    };
    for (const change of changes) {
      if (change.what === 'conversation') {
        if (change.how === 'emptied') announce({ event: 'conversationRemoved', conversation: change.id });
        overviewOf(change.id);
        continue;
      }
      const { id, direction, conversation } = change;
      const last = overviewOf(conversation)?.last ?? null;
      if (change.how === 'removed') announce({ event: 'messageRemoved', message: id, direction, conversation });
      else {
        const isLast = last?.message.id === id && last.message.direction === direction;
        const told = isLast ? last : history.toldMessage(id, direction);
        if (told !== null) announce({ event: 'message', ...messageValue(told.message, told.receipts, this.#context.people) });
      }
    }
    for (const overview of overviews.values()) this.#announce(overview);
  }

  /** Tells a conversation as it now stands, when something of it changed that is not on disk. */
  announceConversation(id: string): void {
    this.#announce(this.#context.history.overview(id));
  }

  /** Tells every conversation, because people in any of them may be shown otherwise than before. */
  announceAll(): void {
    for (const overview of this.#context.history.overviews()) this.#announce(overview);
  }

  #announce(overview: Overview | null): void {
    if (overview !== null && !overview.marks.isHidden) this.#context.announce({ event: 'conversation', ...this.#value(overview) });
  }

  #value({ record, marks, unread, privateDrafts, iconName, last: newest }: Overview): ConversationValue {
    const last = newest !== null && isHidden(this.#context, newest.message) ? this.#lastShown(record.id) : newest;
    const parts = {
      unread,
      privateDrafts,
      icon: iconName,
      marks,
      last: last === null ? null : messageValue(last.message, last.receipts, this.#context.people),
      ...this.#live(record),
    };
    return conversationValue(record, parts, this.#context.people);
  }

  /** The newest message that nobody blocked has written, among the last ones. */
  #lastShown(conversation: string): ToldMessage | null {
    const { history } = this.#context;
    const shown = history.messages(conversation, { limit: MAX_HIDDEN_IN_A_ROW }).findLast((one) => !isHidden(this.#context, one));
    return shown === undefined ? null : history.toldMessage(shown.id, shown.direction);
  }

  #message(record: MessageRecord): MessageValue {
    return messageValue(record, record.direction === 'out' ? this.#context.history.receipts(record.id) : [], this.#context.people);
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
