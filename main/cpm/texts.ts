/** What a person writes and reads: texts on their way out, the hint that they type, and the messages that they have seen. */
import { drop } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { encodeIsComposing } from '../../protocol/is-composing';
import type { ConversationRecord } from '../history/records';
import type { Chats } from './chats';
import { forOneAnyway } from './chats';
import type { CpmContext } from './conversation/context';
import { ambiguousId, composingType, cpimType, type ReceiptPayload, wrappedComposing } from './conversation/envelope';
import { notInGroup, type Targets } from './conversation/targets';
import type { Courier } from './courier';
import type { Groups } from './group/groups';
import type { IncomingRequests } from './incoming';
import type { OneToOneSessions } from './one-to-one/sessions';
import { jobDraft, receiptLane } from './outbox/job';
import type { Outbox } from './outbox/outbox';

/** LAB: after how many seconds a composing state must be told again (RFC 3994 section 3.2). */
const composingRefreshSeconds = 60;

/** Where a text goes: to an address, or into a conversation. */
export interface TextTarget {
  to?: string | undefined;
  conversation?: string | undefined;
  anonymous?: boolean | undefined;
  /** Where the answer shall go instead of to this account. */
  replyTo?: string | undefined;
}

export class Texts {
  readonly #context: CpmContext;
  readonly #parts: TextParts;

  constructor(context: CpmContext, parts: TextParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * Queues a text; it is on disk when this returns. `onlyWith`: for that member of the group alone.
   * @throws AppError `ipc/refused`, `account/bad-address`, `conversation/*`, `privacy/*`, `storage/*`
   */
  send(target: TextTarget, text: string, mode: 'session' | 'pager', onlyWith?: string): { message: string; conversation: string } {
    const { targets, outbox } = this.#parts;
    const record = this.#conversationFor(target);
    if (target.anonymous !== undefined && target.anonymous !== (record.hides === 'self'))
      throw new AppError('ipc/refused', { cause: 'a conversation is anonymous or not, from its beginning on' });
    if (record.kind === 'oneToOne') targets.mustNotBeBlocked([record.peer ?? '']);
    if (record.hides === 'self') targets.mustHaveTemporaryAddress();
    if (record.kind === 'group' && !record.joined) throw notInGroup();
    if (record.kind === 'group' && mode === 'pager') throw new AppError('ipc/refused', { cause: 'a pager message goes to one person' });
    const replyTo = target.replyTo === undefined ? {} : { replyTo: this.#answersAt(record, target.replyTo, mode) };
    this.#context.people.meet(record, this.#context.clock.now());
    const more = { ...(onlyWith === undefined ? {} : { onlyWith: this.#member(record, onlyWith) }), ...replyTo };
    const message = outbox.queueText(record, text, mode, more);
    return { message: message.id, conversation: record.id };
  }

  /**
   * Queues one text for several people, each of whom gets it in their own 1-1, and learns of nobody else. All or none are on disk when this returns.
   * @throws AppError `ipc/refused`, `account/bad-address`, `conversation/blocked`, `storage/*`
   */
  sendSeparately(people: readonly string[], text: string): { to: string; message: string; conversation: string }[] {
    const { targets, outbox, chats } = this.#parts;
    const { isSelf, history, clock } = this.#context;
    const addresses = [...new Set(people.map((one) => targets.address(one)))].filter((address) => !isSelf(address));
    if (addresses.length === 0) throw new AppError('ipc/refused', { cause: 'nobody else is named' });
    targets.mustNotBeBlocked(addresses);
    const messageId = clock.uuid();
    return history.transaction(() =>
      addresses.map((to) => {
        const record = chats.to(to, false);
        this.#context.people.meet(record, clock.now());
        // The copies share a Message-ID: the first has it as it is.
        const id = to === addresses[0] ? messageId : ambiguousId(messageId, to);
        return { to, message: outbox.queueText(record, text, 'list', { id }).id, conversation: record.id };
      }),
    );
  }

  /** Tells the others that the person is typing, or has stopped. Nothing is kept and nothing fails: it is only a hint. */
  composing(conversation: string, active: boolean, onlyWith?: string): void {
    const { targets, oneToOne, groups, incoming, courier } = this.#parts;
    const record = targets.conversation(conversation);
    // What is typed here goes to somebody else.
    if (record.replyTo !== undefined) return;
    if (active) oneToOne.waiting.attend(conversation, 'reply');
    const session = record.kind === 'group' ? groups.sessions.current(conversation) : oneToOne.current(conversation);
    if (!this.#context.preferences().composing) return;
    const isLive = session !== null && session.state === 'established';
    if (!isLive && !incoming.composingByPager.has(conversation)) return;
    const ways = isLive ? session.waysOf(composingType) : { bare: false, wrapped: true };
    // In a group it must say whose it is. A hint that comes late, or is refused, is worse than none.
    const isBare = ways.bare && record.kind === 'oneToOne';
    if ((!isBare && !ways.wrapped) || (isLive && session.isHeld)) return;
    const body = encodeIsComposing({
      state: active ? 'active' : 'idle',
      refreshSeconds: active ? composingRefreshSeconds : null,
      contentType: 'text/plain',
    });
    const whom =
      record.kind === 'oneToOne' ? record.peer : onlyWith === undefined ? (session?.focus ?? record.focus) : this.#member(record, onlyWith);
    const wrapped = () => wrappedComposing(record.writesAs ?? this.#context.self, whom ?? '', this.#context.clock.now(), body);
    const overtakes = { overtakes: true };
    const sent = !isLive
      ? courier.sendPager(record, record.peer ?? '', wrapped())
      : isBare
        ? session.send(composingType, body, overtakes)
        : session.send(cpimType, wrapped(), overtakes);
    drop(sent, { ...this.#context.log, error: this.#context.log.debug }, 'a composing state');
  }

  /** Marks the messages that the person has really seen, and queues the display notifications that their senders asked for. */
  markDisplayed(conversation: string, upTo: string): void {
    const { history, clock } = this.#context;
    const { targets, oneToOne, outbox } = this.#parts;
    const { id } = targets.conversation(conversation);
    oneToOne.waiting.attend(id, 'open');
    const now = clock.now();
    const lane = receiptLane(id);
    const answers = this.#context.preferences().receipts.displayed;
    const seen = history.transaction(() =>
      history.undisplayed(id, upTo).map((message) => {
        history.setMessageState(message.id, 'displayed', null, 'in');
        if (answers && message.wantsDisplayed && message.isDamaged !== true) {
          const { from: to, fromDevice: toDevice, sentAt } = message;
          const payload: ReceiptPayload = { to, toInstance: null, toDevice, disposition: 'displayed', at: now, sentAt };
          history.addJob(jobDraft({ kind: 'receipt', message: message.id, receipt: payload }, { lane, nextAt: now }));
        }
        return message.id;
      }),
    );
    if (seen.length > 0) outbox.wake(lane);
  }

  #conversationFor({ to, conversation, anonymous }: TextTarget): ConversationRecord {
    if ((to === undefined) === (conversation === undefined))
      throw new AppError('ipc/refused', { cause: 'name either `to` or `conversation`' });
    if (conversation === undefined) return this.#parts.chats.to(to ?? '', anonymous === true);
    const record = this.#parts.targets.conversation(conversation);
    // The answer goes where the other side asks for it, which the person has read above the field.
    return record.replyTo === undefined ? record : this.#parts.chats.to(record.replyTo, false);
  }

  /** @throws AppError `ipc/refused`, `account/bad-address` */
  #answersAt({ kind, hides }: ConversationRecord, replyTo: string, mode: 'session' | 'pager'): string {
    if (mode !== 'pager' || kind === 'group' || hides !== undefined)
      throw new AppError('ipc/refused', { cause: 'only a message by itself, and not an anonymous one, asks for answers elsewhere' });
    return this.#parts.targets.address(replyTo);
  }

  /** The one member of a group whom a message is for. @throws AppError `ipc/refused`, `conversation/blocked` */
  #member(record: ConversationRecord, address: string): string {
    const { targets, groups } = this.#parts;
    const key = targets.address(address);
    targets.group(record.id, forOneAnyway);
    if (!groups.rosters.participants(record.id).some((one) => one.address === key && !one.self))
      throw new AppError('ipc/refused', { cause: `${key} is not in this group` });
    targets.mustNotBeBlocked([key]);
    return key;
  }
}

export interface TextParts {
  readonly chats: Chats;
  readonly targets: Targets;
  readonly oneToOne: OneToOneSessions;
  readonly groups: Groups;
  readonly courier: Courier;
  readonly outbox: Outbox;
  readonly incoming: IncomingRequests;
}
