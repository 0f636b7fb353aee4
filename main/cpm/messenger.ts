/**
 * The CPM side of one signed-in account: it joins inbox, outbox, 1-1 sessions and groups, and answers the calls about conversations.
 * It lives from sign-in to sign-out.
 */

import type { Disposable } from '../../base/disposable';
import { drop } from '../../base/log';
import type { ConversationValue, MessageValue, ParticipantValue, SearchHitValue, SessionState } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { encodeIsComposing } from '../../protocol/is-composing';
import { parseContentType } from '../../protocol/multipart';
import { correspondentKey } from '../../protocol/uri';
import type { ConversationRecord, Direction } from '../history/records';
import type { IncomingInvite, IncomingPager } from '../sip/client';
import type { CpmContext } from './conversation/context';
import { composingType, cpimType, imdnType, type ReceiptPayload, wrappedComposing } from './conversation/envelope';
import { ConversationReader, type LiveParts, type PagePlace } from './conversation/reader';
import { refusals, understood } from './conversation/refusals';
import { person, searchHitValue } from './conversation/values';
import { Courier } from './courier';
import { Groups } from './group/groups';
import { readableIcon } from './group/icon';
import { Inbox, readPager, refusalStatus } from './inbox/inbox';
import { Invitations } from './one-to-one/invitations';
import { OneToOneSessions, otherSide } from './one-to-one/sessions';
import { Outbox, receiptLane } from './outbox/outbox';
import { Upgrades } from './upgrade/upgrades';

/** Between two steps at filling the index for search. */
const indexPauseMs = 20;
/** LAB: after how many seconds a composing state must be told again (RFC 3994 section 3.2). */
export const composingRefreshSeconds = 60;

export class Messenger implements Disposable {
  readonly invitations: Invitations;
  readonly #context: CpmContext;
  readonly #reader: ConversationReader;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #oneToOne: OneToOneSessions;
  readonly #groups: Groups;
  readonly #upgrades: Upgrades;
  readonly #courier: Courier;
  /** LAB: the 1-1s whose other side tells by pager that they type, as no CPM client does; they are told in the same way. */
  readonly #composesByPager = new Set<string>();
  #filling: Disposable | null = null;

  /** `context.conversationChanged` and `messageChanged` are filled in here: they need what this class joins. */
  constructor(context: Omit<CpmContext, 'conversationChanged' | 'messageChanged'>) {
    this.#context = {
      ...context,
      conversationChanged: (id) => this.#reader.announceConversation(id),
      messageChanged: (id, direction) => this.#reader.announceMessage(id, direction),
    };
    this.#reader = new ConversationReader(this.#context, (record) => this.#live(record));
    this.#inbox = new Inbox(this.#context, {
      receiptQueued: (lane) => this.#outbox.wake(lane),
      heardFrom: (conversation) => this.#outbox.heardFrom(conversation),
      reached: (message) => this.#outbox.reached(message),
    });
    this.invitations = new Invitations(this.#context);
    this.#upgrades = new Upgrades(this.#context, {
      live: () => this.#oneToOne.live(),
      leave: (conversation, session) => this.#oneToOne.leave(conversation, session),
    });
    this.#oneToOne = new OneToOneSessions(this.#context, this.#inbox, this.invitations, this.#upgrades);
    this.#groups = new Groups(this.#context, this.#inbox, this.invitations, this.#upgrades);
    this.#courier = new Courier(this.#context, this.#oneToOne, this.#groups);
    this.#outbox = new Outbox(this.#context, this.#courier);
    this.#fillIndex();
  }

  // ---------------------------------------------------------------- from the network

  receiveInvite(invite: IncomingInvite): void {
    if (invite.remote.isFocus && invite.hides === true) {
      // LAB: who hides joins no group, whose focus tells everybody who is in.
      drop(invite.reject(refusals.notOffered), this.#context.log, 'refusing a group for one who hides');
      return;
    }
    const caller = invite.remote.isFocus ? (invite.headers.referredBy ?? invite.remote.address) : invite.remote.address;
    if (this.#context.isBlocked(caller)) {
      drop(invite.reject(refusals.blocked), this.#context.log, 'refusing somebody who is blocked');
      return;
    }
    const received = invite.remote.isFocus ? this.#groups.receive(invite) : this.#oneToOne.receive(invite);
    // What could not even be looked at, for a full disk say, is answered, too: whoever asks would wait for long.
    const answered = received.catch(async (error: unknown) => {
      if (invite.state === 'incoming') await invite.reject(refusalStatus(error));
      throw error;
    });
    drop(answered, { ...this.#context.log, error: this.#context.log.warn }, 'an invitation');
  }

  /** A pager message. Resolves with the SIP status; 200 only when the message is on disk. */
  async receivePager(pager: IncomingPager): Promise<number> {
    const { remote } = pager;
    if (this.#context.isBlocked(remote.address)) return refusals.blocked;
    try {
      // Before anything is kept: what cannot be read makes no conversation.
      const envelope = readPager(pager);
      const { type } = parseContentType(envelope.contentType);
      const chat = type === 'text/plain' ? this.#oneToOne.conversationOf(pager) : this.#oneToOne.knownConversationOf(pager);
      // Only a text begins a chat. A receipt may come from somebody whom one has met in a group alone.
      const conversation = chat ?? (type === imdnType ? this.#inbox.groupReportedOn(envelope) : null);
      if (conversation === null) return 200;
      if (type === composingType && conversation.hides === undefined) this.#composesByPager.add(conversation.id);
      const sender = chat === null ? person(remote.address, remote.displayName, conversation.people) : otherSide(chat, remote);
      const arrival = { conversation: conversation.id, sender, senderInstance: remote.instanceId, senderDevice: remote.deviceName };
      await this.#inbox.receivePager(arrival, envelope);
      return 200;
    } catch (error) {
      this.#context.log.warn('a pager message was refused', { error: String(error) });
      return refusalStatus(error);
    }
  }

  /** The registration has its 200: what waited may leave, and groups are come back to. */
  registered(): void {
    this.#outbox.wakeAll();
    this.#groups.rejoinAll();
  }

  /** The media relay can be used again: what has waited for it leaves. */
  relayBack(): void {
    this.#outbox.hastenAll();
    this.#groups.rejoinAll();
  }

  /** Another device of this account has come or gone. */
  devicesChanged(): void {
    this.#groups.devicesChanged();
  }

  /** Media takes another way from now on, also of what is going on. */
  mediaChanged(): void {
    this.#oneToOne.endStanding();
    this.#groups.reconnect();
    // What waited for a relay that is set no more has nothing to wait for.
    this.#outbox.hastenAll();
  }

  /** The connection to the network is gone. */
  disconnected(): void {
    this.#oneToOne.disconnected();
  }

  // ---------------------------------------------------------------- calls

  conversations(): ConversationValue[] {
    return this.#reader.all();
  }

  messages(conversation: string, place: PagePlace, limit: number): MessageValue[] {
    return this.#reader.messages(conversation, place, limit);
  }

  /** Newest first. `passing`: as somebody types, see `HistoryReader`. */
  async search(
    text: string,
    limit: number,
    { before, passing }: { before?: { message: string; direction: Direction } | undefined; passing?: boolean | undefined } = {},
  ): Promise<SearchHitValue[]> {
    const place = before === undefined ? undefined : { id: before.message, direction: before.direction };
    const hits = await this.#context.history.reader.search(text, limit, { before: place, passing: passing === true });
    this.#fillIndex();
    return hits.filter((hit) => hit.message.isDamaged !== true).map(searchHitValue);
  }

  /** An index for search that was found damaged is filled anew, little by little, so that everything else goes on. */
  #fillIndex(): void {
    if (this.#filling !== null) return;
    try {
      if (!this.#context.history.fillIndex()) return;
    } catch (error) {
      this.#context.log.error('the index for search is not filled', { error: String(error) });
      return;
    }
    this.#filling = this.#context.clock.setTimer(indexPauseMs, () => {
      this.#filling = null;
      this.#fillIndex();
    });
  }

  /** `anonymous`: the conversation in which the account does not say who it is, another one than the named one. */
  openConversation(to: string, anonymous = false): string {
    const { id } = this.#conversationTo(to, anonymous);
    this.#oneToOne.attend(id, 'open');
    this.#context.history.setMarks(id, { isHidden: false });
    this.#reader.announceConversation(id);
    return id;
  }

  sendText(
    target: { to?: string | undefined; conversation?: string | undefined; anonymous?: boolean | undefined },
    text: string,
    mode: 'session' | 'pager',
    onlyWith?: string,
  ) {
    if ((target.to === undefined) === (target.conversation === undefined))
      throw new AppError('ipc/refused', { cause: 'name either `to` or `conversation`' });
    const record =
      target.conversation !== undefined
        ? this.#record(target.conversation)
        : this.#conversationTo(target.to ?? '', target.anonymous === true);
    if (target.anonymous !== undefined && target.anonymous !== (record.hides === 'self'))
      throw new AppError('ipc/refused', { cause: 'a conversation is anonymous or not, from its beginning on' });
    if (record.kind === 'oneToOne') this.#mustNotBeBlocked([record.peer ?? '']);
    if (record.hides === 'self') this.#mustHide();
    if (record.kind === 'group' && !record.joined)
      throw new AppError('conversation/no-session', { cause: 'not in this group any more' }, 'never');
    if (record.kind === 'group' && mode === 'pager') throw new AppError('ipc/refused', { cause: 'a pager message goes to one person' });
    const message = this.#outbox.queueText(record, text, mode, onlyWith === undefined ? undefined : this.#member(record, onlyWith));
    return { message: message.id, conversation: record.id };
  }

  /** Writes a conversation as another of one's own addresses from now on; null: as usual. A session that stands goes on as it is. */
  writeAs(conversation: string, address: string | null): void {
    const record = this.#record(conversation);
    if (record.hides === 'self' || record.kind === 'group')
      throw new AppError('ipc/refused', { cause: 'only a 1-1 in which one says who one is can be written as another address' });
    const { writesAs: _, ...plain } = record;
    this.#context.history.putConversation(address === null ? plain : { ...plain, writesAs: address });
    this.#reader.announceConversation(conversation);
  }

  async openSession(to: string): Promise<{ conversation: string; state: SessionState }> {
    const record = this.#oneToOne.conversationWith(this.#address(to), null);
    await this.#oneToOne.open(record, null).session.opened.catch(rethrowUnderstood);
    return { conversation: record.id, state: this.#state(record) };
  }

  async closeSession(conversation: string): Promise<{ conversation: string; state: SessionState }> {
    const record = this.#record(conversation);
    if (record.kind === 'group') throw new AppError('ipc/refused', { cause: 'a group is left, not closed' });
    await this.#oneToOne.close(conversation);
    return { conversation, state: this.#state(record) };
  }

  async addPeople(conversation: string, people: readonly string[], subject: string | undefined): Promise<{ conversation: string }> {
    const record = this.#record(conversation);
    if (record.hides !== undefined) throw new AppError('ipc/refused', { cause: 'no group grows out of an anonymous conversation' });
    const invited = people.map((one) => this.#address(one));
    this.#mustNotBeBlocked(invited);
    if (record.kind === 'oneToOne')
      return { conversation: (await this.#groups.create(record, invited, subject?.trim() || null).catch(rethrowUnderstood)).id };
    await this.#groups.add(record, invited).catch(rethrowUnderstood);
    return { conversation };
  }

  /** Joins the group at an address of the network. @throws AppError as `Groups.joinAt` */
  async joinGroup(address: string): Promise<{ conversation: string }> {
    return { conversation: (await this.#groups.joinAt(this.#address(address))).id };
  }

  /** Puts somebody out of a group; only its administrator may. */
  async removePerson(conversation: string, address: string): Promise<void> {
    await this.#groups.remove(this.#group(conversation), this.#address(address));
  }

  async renameGroup(conversation: string, subject: string): Promise<void> {
    await this.#groups.rename(this.#group(conversation), subject.trim());
  }

  /** @throws AppError `conversation/no-session`, `net/*`, `sip/*` */
  async comeBack(conversation: string): Promise<void> {
    const record = this.#record(conversation);
    if (record.kind !== 'group') throw new AppError('ipc/refused', { cause: 'one is in a 1-1 anyway' });
    await this.#groups.comeBack(record);
  }

  /** @throws AppError as `Groups.callSelf` */
  async setNickname(conversation: string, nickname: string): Promise<void> {
    await this.#groups.callSelf(this.#group(conversation), nickname);
  }

  /** @throws AppError `group/bad-icon`, and as `renameGroup` */
  async setGroupIcon(conversation: string, icon: string | null): Promise<void> {
    await this.#groups.setIcon(this.#group(conversation), icon === null ? null : readableIcon(icon));
  }

  groupIcon(conversation: string): string | null {
    this.#record(conversation);
    return this.#context.history.icon(conversation);
  }

  #group(conversation: string): ConversationRecord {
    const record = this.#record(conversation);
    if (record.kind !== 'group') throw new AppError('ipc/refused', { cause: 'a 1-1 conversation has neither a name nor an administrator' });
    if (!record.joined) throw new AppError('conversation/no-session', { cause: 'not in this group any more' }, 'never');
    return record;
  }

  participants(conversation: string): ParticipantValue[] {
    const record = this.#record(conversation);
    if (record.kind === 'group') return this.#groups.participants(conversation);
    throw new AppError('ipc/refused', { cause: 'a 1-1 conversation has no participants list' });
  }

  async leave(conversation: string): Promise<void> {
    const record = this.#record(conversation);
    if (record.kind === 'group') await this.#groups.leave(record);
    else await this.#oneToOne.close(conversation);
  }

  /** Tells the others that the person is typing, or has stopped. Nothing is kept and nothing fails: it is only a hint. */
  composing(conversation: string, active: boolean, onlyWith?: string): void {
    const record = this.#record(conversation);
    if (active) this.#oneToOne.attend(conversation, 'reply');
    const session = record.kind === 'group' ? this.#groups.current(conversation) : this.#oneToOne.current(conversation);
    if (!this.#context.preferences().composing) return;
    const isLive = session !== null && session.state === 'established';
    if (!isLive && !this.#composesByPager.has(conversation)) return;
    const body = encodeIsComposing({
      state: active ? 'active' : 'idle',
      refreshSeconds: active ? composingRefreshSeconds : null,
      contentType: 'text/plain',
    });
    const wrapped = (to: string) => wrappedComposing(record.writesAs ?? this.#context.self, to, this.#context.clock.now(), body);
    const sent = !isLive
      ? this.#courier.sendPager(record, record.peer ?? '', wrapped(record.peer ?? ''))
      : record.kind === 'group'
        ? session.send(cpimType, wrapped(onlyWith === undefined ? (record.focus ?? '') : this.#member(record, onlyWith)), {
            overtakes: true,
          })
        : session.send(composingType, body, { overtakes: true });
    drop(sent, { ...this.#context.log, error: this.#context.log.debug }, 'a composing state');
  }

  /** Marks what the person has really seen, and queues the display notifications that the senders asked for. */
  markDisplayed(conversation: string, upTo: string): void {
    const { history, clock } = this.#context;
    const record = this.#record(conversation);
    this.#oneToOne.attend(conversation, 'open');
    const now = clock.now();
    const lane = receiptLane(record.id);
    const answers = this.#context.preferences().receipts.displayed;
    const seen = history.transaction(() =>
      history.undisplayed(conversation, upTo).map((message) => {
        history.setMessageState(message.id, 'displayed', null, 'in');
        if (answers && message.wantsDisplayed && message.isDamaged !== true) {
          const { from: to, fromDevice: toDevice, sentAt } = message;
          const payload: ReceiptPayload = { to, toInstance: null, toDevice, disposition: 'displayed', at: now, sentAt };
          history.addJob({ lane, kind: 'receipt', message: message.id, payload: JSON.stringify(payload), nextAt: now });
        }
        return message.id;
      }),
    );
    for (const id of seen) this.#reader.announceMessage(id, 'in');
    if (seen.length > 0) this.#outbox.wake(lane);
  }

  /** The person wants invitations answered in another way: it holds for those that wait, too. */
  preferencesChanged(): void {
    this.#oneToOne.preferencesChanged();
    // Only `ask` has a group wait. What is asked about stays a question, unless the person wants none.
    if (this.#context.preferences().accept === 'ask') return;
    for (const { invitation, kind } of this.invitations.list())
      if (kind === 'group') drop(this.invitations.answer(invitation, true, false), this.#context.log, 'joining a group that waited');
  }

  /** The person has blocked somebody: their session ends, and an invitation of theirs that waits is refused. */
  blocked(address: string): void {
    const refused = this.invitations.list().filter((one) => one.from.address === address);
    for (const { invitation } of refused)
      drop(this.invitations.answer(invitation, false, false), this.#context.log, 'refusing somebody who is blocked');
    const record = this.#context.history.oneToOneWith(address);
    if (record !== null) drop(this.#oneToOne.shut(record.id), this.#context.log, 'ending the session of somebody who is blocked');
  }

  retry(message: string): void {
    this.#outbox.retry(message);
  }

  discard(message: string): void {
    this.#outbox.discard(message);
  }

  skip(message: string): void {
    this.#outbox.skip(message);
  }

  /** @throws AppError `conversation/unknown` */
  deleteMessage(id: string, direction: Direction): void {
    const { history } = this.#context;
    const message = history.message(id, direction);
    if (message === null) throw new AppError('conversation/unknown', { cause: `no message ${id}` });
    history.removeMessage(id, direction);
    this.#context.announce({ event: 'messageRemoved', message: id, direction, conversation: message.conversation });
    this.#reader.announceConversation(message.conversation);
    this.#outbox.wake(message.conversation);
  }

  /** Its sessions go on, and a group is not left: whatever is said there brings it back. */
  deleteConversation(conversation: string): void {
    const { continuedBy } = this.#record(conversation);
    this.#context.history.emptyConversation(conversation);
    this.#context.announce({ event: 'conversationRemoved', conversation });
    if (continuedBy !== null) this.#reader.announceConversation(continuedBy);
  }

  /** `onlyWith`: for that member of the group alone. */
  setDraft(conversation: string, text: string, onlyWith?: string): void {
    const { history } = this.#context;
    const record = this.#record(conversation);
    if (onlyWith !== undefined) {
      if (record.kind !== 'group') throw new AppError('ipc/refused', { cause: 'what is written in a 1-1 is for one person anyway' });
      const address = this.#address(onlyWith);
      const known = history.privateDrafts(conversation).find((one) => one.address === address)?.text ?? '';
      if (known === text) return;
      history.setPrivateDraft(conversation, address, text);
    } else if (history.marks(conversation).draft === text) return;
    else history.setMarks(conversation, { draft: text });
    this.#reader.announceConversation(conversation);
  }

  markUnread(conversation: string, unread: boolean): void {
    this.#record(conversation);
    this.#context.history.setMarks(conversation, { markedUnread: unread });
    this.#reader.announceConversation(conversation);
  }

  /** Every message of a conversation, oldest first. */
  everyMessage(conversation: string): AsyncGenerator<MessageValue> {
    return this.#reader.everyMessage(conversation);
  }

  /** @throws AppError `conversation/unknown` */
  conversation(id: string): ConversationValue {
    return this.#reader.value(this.#record(id));
  }

  /** Ends every session cleanly; groups are not left. */
  async close(): Promise<void> {
    this.#outbox.dispose();
    await Promise.allSettled([this.#oneToOne.closeAll(), this.#groups.closeAll(), this.invitations.closeAll()]);
    this.dispose();
  }

  dispose(): void {
    this.#outbox.dispose();
    this.#inbox.dispose();
    this.#upgrades.dispose();
    this.#filling?.dispose();
  }

  // ---------------------------------------------------------------- who and what is meant

  #record(conversation: string): ConversationRecord {
    return this.#reader.record(conversation);
  }

  #conversationTo(to: string, anonymous: boolean): ConversationRecord {
    if (!anonymous) return this.#oneToOne.conversationWith(this.#address(to), null);
    this.#mustHide();
    return this.#oneToOne.anonymousWith(this.#address(to));
  }

  /** Whom a message in a group is for that is not for everybody. @throws AppError `ipc/refused`, `conversation/blocked` */
  #member(record: ConversationRecord, address: string): string {
    const key = this.#address(address);
    if (record.kind !== 'group') throw new AppError('ipc/refused', { cause: 'what is written in a 1-1 is for one person anyway' });
    if (!this.#groups.participants(record.id).some((one) => one.address === key && !one.self))
      throw new AppError('ipc/refused', { cause: `${key} is not in this group` });
    this.#mustNotBeBlocked([key]);
    return key;
  }

  /** @throws AppError `conversation/blocked` */
  #mustNotBeBlocked(addresses: readonly string[]): void {
    const blocked = addresses.find((address) => this.#context.isBlocked(address));
    if (blocked !== undefined) throw new AppError('conversation/blocked', { cause: blocked }, 'user');
  }

  /** Without a temporary GRUU nothing is written that would have to wait for one, or go out with the name. */
  #mustHide(): void {
    if (this.#context.isRegistered() && !this.#context.sip.canHide)
      throw new AppError('privacy/no-temporary-address', { cause: 'the registrar has given no temporary GRUU' }, 'user');
  }

  /** The key of an address a person typed; a bare name means somebody of one's own domain. */
  #address(text: string): string {
    const trimmed = text.trim();
    const domain = this.#context.self.split('@')[1] ?? '';
    const candidate = /^[^@:\s]+$/.test(trimmed)
      ? `sip:${trimmed}@${domain}`
      : /^[^@:\s]+@[^@\s]+$/.test(trimmed)
        ? `sip:${trimmed}`
        : trimmed;
    const key = correspondentKey(candidate);
    if (key === null) throw new AppError('account/bad-address', { cause: trimmed }, 'user');
    return key;
  }

  #state(record: ConversationRecord): SessionState {
    return record.kind === 'group' ? this.#groups.state(record.id) : this.#oneToOne.state(record.id);
  }

  #live(record: ConversationRecord): LiveParts {
    const session = this.#state(record);
    if (record.kind === 'group') return { session, pending: null, peerDevice: null };
    return { session, pending: this.#oneToOne.pending(record.id), peerDevice: this.#oneToOne.peerDevice(record.id) };
  }
}

function rethrowUnderstood(error: unknown): never {
  throw understood(error);
}
