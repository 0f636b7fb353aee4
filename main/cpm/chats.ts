/** What a person does with a chat, other than writing in it: open it, read it, keep a draft, delete it, end it. */
import { drop } from '../../base/log';
import type { ConversationValue, MessageValue, ParticipantValue, SessionState } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { shownName } from '../../protocol/shown-name';
import type { ConversationRecord, Direction, FileContent } from '../history/records';
import type { CpmContext } from './conversation/context';
import type { ConversationReader, PagePlace } from './conversation/reader';
import { understood } from './conversation/refusals';
import type { Targets } from './conversation/targets';
import type { Groups } from './group/groups';
import type { OneToOneConversations } from './one-to-one/conversations';
import type { OneToOneSessions } from './one-to-one/sessions';
import type { Outbox } from './outbox/outbox';

export class Chats {
  readonly #context: CpmContext;
  readonly #parts: ChatParts;

  constructor(context: CpmContext, parts: ChatParts) {
    this.#context = context;
    this.#parts = parts;
  }

  all(): ConversationValue[] {
    return this.#parts.reader.all();
  }

  /** @throws AppError `conversation/unknown` */
  one(conversation: string): ConversationValue {
    return this.#parts.reader.value(conversation);
  }

  /** @throws AppError `conversation/unknown`, `ipc/refused` */
  messages(conversation: string, place: PagePlace, limit: number): MessageValue[] {
    return this.#parts.reader.messages(conversation, place, limit);
  }

  /** Every message of a conversation, oldest first. */
  everyMessage(conversation: string): AsyncGenerator<MessageValue> {
    return this.#parts.reader.everyMessage(conversation);
  }

  /** The 1-1 with an address, made where there is none. `anonymous`: the one in which the account does not say who it is. */
  to(address: string, anonymous: boolean): ConversationRecord {
    const { targets, conversations } = this.#parts;
    if (!anonymous) return conversations.with(targets.address(address));
    targets.mustHaveTemporaryAddress();
    return conversations.anonymousWith(targets.address(address));
  }

  /** The person opens the chat with an address. Resolves to the conversation. */
  open(to: string, anonymous = false): string {
    const { id } = this.to(to, anonymous);
    this.#parts.oneToOne.waiting.attend(id, 'open');
    this.#context.history.setMarks(id, { isHidden: false });
    return id;
  }

  /** Opens a session without a text. @throws AppError `sip/*`, `net/*`, `msrp/*` */
  async openSession(to: string): Promise<{ conversation: string; state: SessionState }> {
    const { oneToOne } = this.#parts;
    const record = this.to(to, false);
    await oneToOne.open(record, null).session.opened.catch((error: unknown) => {
      throw understood(error);
    });
    return { conversation: record.id, state: oneToOne.state(record.id) };
  }

  /** @throws AppError `conversation/unknown`, `ipc/refused` */
  async closeSession(conversation: string): Promise<{ conversation: string; state: SessionState }> {
    const { targets, oneToOne } = this.#parts;
    if (targets.conversation(conversation).kind === 'group') throw new AppError('ipc/refused', { cause: 'a group is left, not closed' });
    await oneToOne.close(conversation);
    return { conversation, state: oneToOne.state(conversation) };
  }

  /** Leaves a group for good, or ends the session of a 1-1. */
  async leave(conversation: string): Promise<void> {
    const { targets, oneToOne, groups } = this.#parts;
    const record = targets.conversation(conversation);
    if (record.kind === 'group') await groups.sessions.leave(record);
    else await oneToOne.close(conversation);
  }

  /** @throws AppError `conversation/unknown`, `ipc/refused` */
  participants(conversation: string): ParticipantValue[] {
    const { id } = this.#parts.targets.group(conversation, 'a 1-1 conversation has no participants list');
    return this.#parts.groups.rosters.participants(id);
  }

  groupIcon(conversation: string): string | null {
    return this.#context.history.icon(this.#parts.targets.conversation(conversation).id);
  }

  /** Sends from another of the account's own addresses in this conversation; null: from the usual one. A session that stands keeps its own. */
  writeAs(conversation: string, address: string | null): void {
    const record = this.#parts.targets.conversation(conversation);
    if (record.hides === 'self' || record.kind === 'group')
      throw new AppError('ipc/refused', { cause: 'only a 1-1 in which one says who one is can be written as another address' });
    this.#context.history.updateConversation(conversation, { writesAs: address });
  }

  /** Answers in this chat go to its other side after all, not to where the last message asks for them. */
  answerHere(conversation: string): void {
    this.#context.history.updateConversation(this.#parts.targets.conversation(conversation).id, { replyTo: null });
  }

  /** The name that the others see in this chat from the next request on; null: the usual one. @throws AppError `conversation/unknown`, `ipc/refused` */
  setPseudonym(conversation: string, name: string | null): void {
    const record = this.#parts.targets.conversation(conversation);
    const pseudonym = name === null ? null : shownName(name);
    if (record.hides === 'self' || pseudonym === '')
      throw new AppError('ipc/refused', { cause: 'no name can be shown here, or this is none' });
    this.#context.history.updateConversation(record.id, { pseudonym });
    // A dialog keeps the name in its From: the next text begins another one.
    if (record.kind === 'oneToOne') drop(this.#parts.oneToOne.close(record.id), this.#context.log, 'ending a session under another name');
  }

  /** `onlyWith`: the draft of a message for that member of the group alone. */
  setDraft(conversation: string, text: string, onlyWith?: string): void {
    const { history } = this.#context;
    const { targets } = this.#parts;
    const { id } = targets.conversation(conversation);
    if (onlyWith !== undefined) {
      targets.group(id, forOneAnyway);
      const address = targets.address(onlyWith);
      const known = history.privateDrafts(id).find((one) => one.address === address)?.text ?? '';
      if (known === text) return;
      history.setPrivateDraft(id, address, text);
    } else if (history.marks(id).draft === text) return;
    else history.setMarks(id, { draft: text });
  }

  markUnread(conversation: string, unread: boolean): void {
    const { id } = this.#parts.targets.conversation(conversation);
    this.#context.history.setMarks(id, { markedUnread: unread });
  }

  /** What a message holds that Chorus cannot show. @throws AppError `conversation/unknown`, `storage/failed` */
  file(id: string, direction: Direction): { content: FileContent; octets: Uint8Array } {
    const { history } = this.#context;
    const message = history.message(id, direction);
    if (message === null || message.content.kind !== 'file') throw new AppError('conversation/unknown', { cause: `no file in ${id}` });
    const octets = history.fileOf(message);
    if (octets === null) throw new AppError('storage/failed', { cause: 'the file is not as it came' });
    return { content: message.content, octets };
  }

  /** @throws AppError `conversation/unknown` */
  deleteMessage(id: string, direction: Direction): void {
    const { history } = this.#context;
    const message = history.message(id, direction);
    if (message === null) throw new AppError('conversation/unknown', { cause: `no message ${id}` });
    history.removeMessage(id, direction);
    this.#parts.outbox.wake(message.conversation);
  }

  /** Its sessions go on, and a group is not left: the next message brings the conversation back. */
  delete(conversation: string): void {
    this.#context.history.emptyConversation(this.#parts.targets.conversation(conversation).id);
  }
}

export interface ChatParts {
  readonly reader: ConversationReader;
  readonly targets: Targets;
  readonly conversations: OneToOneConversations;
  readonly oneToOne: OneToOneSessions;
  readonly groups: Groups;
  readonly outbox: Outbox;
}

/** Why a text, a draft or a composing state for one member makes no sense outside a group. */
export const forOneAnyway = 'what is written in a 1-1 is for one person anyway';
