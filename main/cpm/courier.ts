/**
 * Sends one job. A text goes over the session of its conversation, or inside the invitation that opens it. A receipt goes over the session if there is
 * one, and otherwise as a pager message. A text that is too long for a pager message goes by itself too where the other side takes that and no session
 * stands (OMA CPM Large Message Mode).
 *
 * An invitation may wait long for its answer, and no text must wait with it (LAB). The text inside the invitation has arrived when its receipt comes, or,
 * if the peer sends no receipts, when a device rings, since the device has the text with the invitation. Further texts go as pager messages of the same
 * conversation, in order, until somebody answers.
 */
import { delay } from '../../base/clock';
import { AppError } from '../../preload/contract/errors';
import { ICSI } from '../../protocol/feature-tags';
import type { ConversationRecord, MessageRecord } from '../history/records';
import type { OutgoingPager } from '../sip/client';
import type { CpmContext } from './conversation/context';
import {
  bareText,
  cpimType,
  imdnType,
  type Parties,
  partiesOf,
  type ReceiptPayload,
  receiptEnvelope,
  textEnvelope,
} from './conversation/envelope';
import { readRefusal, understood } from './conversation/refusals';
import { identityOf } from './conversation/values';
import type { Groups } from './group/groups';
import { takeReport } from './inbox/receipt';
import type { OneToOneSessions } from './one-to-one/sessions';
import type { TextMode } from './outbox/job';
import type { Carrier } from './outbox/outbox';
import type { CpmSession } from './session/session';
import { Abilities } from './standalone/abilities';
import { sendLarge } from './standalone/large';
import { ListMessages } from './standalone/list';

/** LAB: how long a text waits for the answer to a pending invitation before it goes as a pager message. */
export const pagerAfterMs = 3_000;

/** LAB: the longest envelope that goes as a pager message unless the person asked for one, bytes (RFC 3428 section 8); a longer one waits for the session. */
export const pagerLimitBytes = 1_300;

export class Courier implements Carrier {
  readonly #context: CpmContext;
  readonly #oneToOne: OneToOneSessions;
  readonly #groups: Groups;
  readonly #abilities: Abilities;
  readonly #lists: ListMessages;

  constructor(context: CpmContext, oneToOne: OneToOneSessions, groups: Groups) {
    this.#context = context;
    this.#oneToOne = oneToOne;
    this.#groups = groups;
    this.#abilities = new Abilities(context);
    this.#lists = new ListMessages(context);
  }

  async carryText(message: MessageRecord, conversation: ConversationRecord, mode: TextMode, atDevice: () => void): Promise<void> {
    try {
      await this.#carryText(message, conversation, mode, atDevice);
    } catch (error) {
      throw understood(error, { isHidden: conversation.hides === 'peer', isPrivate: message.onlyWith !== undefined });
    }
  }

  async #carryText(message: MessageRecord, conversation: ConversationRecord, mode: TextMode, atDevice: () => void): Promise<void> {
    // A damaged text is never sent, because it is not what the person wrote.
    if (message.isDamaged === true) throw new AppError('storage/unreadable', { cause: 'the message is damaged' }, 'never');
    const { kind, peer } = conversation;
    if (kind === 'oneToOne' && peer !== null && this.#context.isBlocked(peer)) throw new AppError('conversation/blocked', {}, 'user');
    if (kind === 'group') return this.#toGroup(message, conversation);
    const envelope = textEnvelope(message, partiesOf(conversation, message.from), this.#context.clock.now());
    const isLong = envelope.length > pagerLimitBytes;
    if (mode === 'list' && !isLong && (await this.#lists.carry(message, conversation, this.#byItself(conversation, message)))) return;
    const isAlone = mode !== 'session' || message.replyTo !== undefined;
    if (isLong && (isAlone || !this.#oneToOne.isUnderWay(conversation.id)) && (await this.#sendLarge(message, conversation))) return;
    if (isAlone && (!isLong || message.replyTo !== undefined)) return this.#sendText(message, conversation);
    await this.#inSession(message, conversation, envelope, atDevice);
  }

  /** False where the other side is not known to take large messages. */
  async #sendLarge(message: MessageRecord, conversation: ConversationRecord): Promise<boolean> {
    if (!(await this.#abilities.takesLarge(conversation))) return false;
    this.#context.history.setStandalone(message.id, 'large');
    if (await sendLarge(this.#context, conversation, message, this.#byItself(conversation, message))) return true;
    this.#abilities.refused(conversation.peer ?? '');
    this.#context.history.setStandalone(message.id, null);
    return false;
  }

  async carryReceipt(message: string, payload: ReceiptPayload, conversation: ConversationRecord): Promise<void> {
    // A blocked person gets no receipt, and none is kept for them.
    if (this.#context.isBlocked(payload.to)) return;
    const parties =
      conversation.hides === undefined
        ? { from: conversation.writesAs ?? this.#context.self, to: [payload.to] }
        : partiesOf(conversation, this.#context.self);
    const told = conversation.kind === 'group' ? this.#asDevice(conversation, parties) : parties;
    const body = receiptEnvelope({ id: this.#context.clock.uuid(), parties: told, message, payload });
    if (conversation.kind === 'group') return (await this.#groups.returning.ensure(conversation)).send(cpimType, body);
    if (await this.#sendInLiveSession(conversation.id, payload, body)) return;
    // An anonymous peer is reached at the last temporary GRUU it used.
    const target = conversation.hides === 'peer' ? (conversation.peer ?? payload.to) : (payload.toGruu ?? payload.to);
    // The receipt belongs to the device that asked for it (R8: by instance where there is no GRUU).
    await this.sendPager(conversation, target, body, payload.toInstance === null ? {} : { acceptContactInstance: payload.toInstance });
  }

  carryInvite(group: ConversationRecord, person: string): Promise<void> {
    return this.#groups.pending.invite(group, person);
  }

  async #toGroup(message: MessageRecord, conversation: ConversationRecord): Promise<void> {
    const session = await this.#groups.returning.ensure(conversation);
    // A restarted group has another focus than the one it had when the text was written.
    const focus = session.focus ?? conversation.focus;
    const parties = partiesOf({ ...conversation, focus }, message.from);
    const to = message.onlyWith === undefined ? parties.to : [message.onlyWith];
    if (!session.waysOf('text/plain').wrapped)
      throw new AppError('msrp/rejected', { status: 415, cause: 'the group takes no texts in envelopes' }, 'user');
    await session.send(cpimType, textEnvelope(message, this.#asDevice(conversation, { ...parties, to }), this.#context.clock.now()));
  }

  /** The name of a device often holds the person's own: it is left out where they go by another one. */
  #asDevice({ pseudonym }: ConversationRecord, parties: Parties): Parties {
    return pseudonym === undefined ? { ...parties, device: this.#context.deviceName() } : parties;
  }

  async #inSession(message: MessageRecord, conversation: ConversationRecord, envelope: Uint8Array, atDevice: () => void): Promise<void> {
    const { session, isNew } = this.#oneToOne.open(conversation, envelope);
    let hasRung = false;
    if (isNew) {
      session.onRinging.on(() => {
        hasRung = true;
        // If somebody answers within this time, the next texts take the session.
        this.#context.clock.setTimer(this.#patienceMs(session), () => session.isUnanswered && atDevice());
      });
    }
    try {
      if (isNew) {
        await session.answered;
        // A client that knows nothing of CPM has passed over the text in the invitation. One that has read it all the same drops it as a repetition.
        if (session.remote?.lacksCpm !== true || this.#isThere(message)) return;
        await session.opened;
      } else if (!(await this.#opens(session, envelope))) return await this.#sendText(message, conversation);
    } catch (error) {
      // The other side's invitation may have won over ours; then its session takes the message.
      const winner = this.#oneToOne.current(conversation.id);
      if (winner === null || winner === session) {
        if (!isNew || this.#isThere(message) || envelope.length > pagerLimitBytes) throw error;
        if (takesPagerInstead(error, hasRung)) return this.#sendText(message, conversation);
        // A network that keeps messages for people who are away takes it now. It is asked once; the next attempts are for the person.
        if (!isAway(error) || message.error?.waits !== undefined) throw error;
        return this.#sendText(message, conversation).catch(() => {
          throw error;
        });
      }
      await winner.opened;
      return this.#over(winner, message, conversation, envelope);
    }
    await this.#over(session, message, conversation, envelope);
  }

  /** In an envelope, as the bare text, or as a pager message, by what the other side takes. */
  #over(session: CpmSession, message: MessageRecord, conversation: ConversationRecord, envelope: Uint8Array): Promise<void> {
    const bare = bareText(message);
    const ways = session.waysOf('text/plain');
    const report = this.#mayReport(session, message)
      ? { onReport: () => takeReport(this.#context, message.id, conversation, session.remote) }
      : {};
    if (ways.wrapped) return session.send(cpimType, envelope, report);
    return ways.bare ? session.send(bare.contentType, bare.body, report) : this.#sendText(message, conversation);
  }

  /** LAB: a peer that sends no receipts (RFC 5438), as far as one can tell, is asked for MSRP's success report, which then stands for "delivered". */
  #mayReport(session: CpmSession, { wantsDelivered }: MessageRecord): boolean {
    return wantsDelivered && (session.remote?.lacksCpm === true || !session.waysOf(imdnType).wrapped);
  }

  /** Whether a receipt has said that a text has arrived. */
  #isThere({ id }: MessageRecord): boolean {
    const state = this.#context.history.message(id, 'out')?.state;
    return state === 'delivered' || state === 'displayed';
  }

  /** True when the session is open; false when it takes too long, and a pager message is the better way. @throws AppError why it did not open */
  async #opens(session: CpmSession, envelope: Uint8Array): Promise<boolean> {
    const opened = () => session.opened.then(() => true);
    const patienceMs = this.#patienceMs(session);
    if (session.state !== 'opening' || envelope.length > pagerLimitBytes) return opened();
    if (patienceMs > 0 && (await Promise.race([opened(), delay(this.#context.clock, patienceMs).then(() => false)]))) return true;
    return session.isUnanswered ? false : opened();
  }

  /** How much longer texts wait for the answer to an invitation, ms. */
  #patienceMs(session: CpmSession): number {
    return session.begunAt + pagerAfterMs - this.#context.clock.now();
  }

  /** A peer that knows no CPIM gets the bare text. */
  #sendText(message: MessageRecord, conversation: ConversationRecord): Promise<void> {
    this.#context.history.setStandalone(message.id, 'pager');
    const envelope = textEnvelope(message, this.#byItself(conversation, message), this.#context.clock.now());
    const replyTo = message.replyTo === undefined ? {} : { replyTo: message.replyTo };
    return this.sendPager(conversation, conversation.peer ?? '', envelope, { simpler: bareText(message), ...replyTo });
  }

  /** Whom the envelope of a text names that goes by itself: this device too, since the signalling may not. */
  #byItself(conversation: ConversationRecord, message: MessageRecord): Parties {
    const { gruu } = this.#context.sip;
    const parties = partiesOf(conversation, message.from);
    // The GRUU holds the address that is registered. It is left out where the conversation is written as another address, or anonymously.
    const isSame = gruu !== null && conversation.hides === undefined && parties.from === this.#context.self;
    return isSame ? { ...parties, gruu } : parties;
  }

  /** One envelope of a 1-1 as a pager message. @throws AppError */
  async sendPager(
    conversation: ConversationRecord,
    target: string,
    body: Uint8Array,
    more: Pick<OutgoingPager, 'simpler' | 'acceptContactInstance' | 'replyTo'> = {},
  ): Promise<void> {
    await this.#context.sip.sendPager({
      target,
      icsi: ICSI.msg,
      conversationId: conversation.conversationId,
      contributionId: this.#context.clock.uuid(),
      contentType: cpimType,
      body,
      ...(conversation.hides === 'self' ? { anonymous: true } : {}),
      ...identityOf(conversation, this.#context),
      ...more,
    });
  }

  /**
   * False where no 1-1 session with the device that asked takes the receipt; another device of the person would not know the message. If the session
   * loses against an invitation of the other side, the session of that invitation is tried.
   */
  async #sendInLiveSession(conversation: string, payload: ReceiptPayload, body: Uint8Array): Promise<boolean> {
    let tried: CpmSession | null = null;
    for (;;) {
      const session = this.#oneToOne.current(conversation);
      if (session === null || session === tried || session.state === 'ended') return false;
      tried = session;
      try {
        if (!(await this.#opens(session, body)) || !isWith(session.remote, payload)) return false;
        // A receipt that the session does not take, or does not take now, goes as a pager message.
        if (!session.waysOf(imdnType).wrapped || session.isHeld) return false;
        await session.send(cpimType, body, { overtakes: true });
        return true;
      } catch (error) {
        this.#context.log.debug('a session did not take a receipt', { error: String(error) });
      }
    }
  }
}

/** Whether a device is the one that asked for a receipt. A pager message says little about its device, so a property unknown of one must be unknown of the other. */
function isWith(remote: CpmSession['remote'], { toInstance, toGruu, toDevice }: ReceiptPayload): boolean {
  if (toGruu !== undefined) return toGruu === remote?.gruu;
  return toDevice === undefined ? toInstance === (remote?.instanceId ?? null) : toDevice === (remote?.deviceName ?? null);
}

function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'sip/rejected' && readRefusal(error.detail).remedy === 'away';
}

/**
 * Whether the text of a refused invitation goes as a pager message: where the peer takes no session of this kind, and (LAB) where the invitation rang
 * and was not answered, since another invitation would only ring again.
 */
function takesPagerInstead(error: unknown, hasRung: boolean): boolean {
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return false;
  return readRefusal(error.detail).remedy === 'pager' || (hasRung && [408, 480, 486].includes(error.detail.status ?? 0));
}
