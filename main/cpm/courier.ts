/**
 * The way that one job takes: a text goes over the session of its conversation, or inside the invitation that opens it; a receipt over the session
 * that there is, else as a pager message.
 *
 * An invitation may wait long for its answer, and a text must not wait with it (LAB): its own first message is known to be there by its receipt, or,
 * where nobody tells receipts, by the ringing of a device, which has it with the invitation. What is written next goes as a pager message of the same
 * conversation, in order, until somebody answers.
 */
import { delay } from '../../base/clock';
import { AppError } from '../../preload/contract/errors';
import { ICSI } from '../../protocol/feature-tags';
import type { ConversationRecord, MessageRecord } from '../history/records';
import type { OutgoingPager } from '../sip/client';
import type { CpmContext } from './conversation/context';
import { bareText, cpimType, type Parties, partiesOf, type ReceiptPayload, receiptEnvelope, textEnvelope } from './conversation/envelope';
import { readRefusal, understood } from './conversation/refusals';
import { identityOf } from './conversation/values';
import type { Groups } from './group/groups';
import type { OneToOneSessions } from './one-to-one/sessions';
import type { Carrier } from './outbox/outbox';
import type { CpmSession } from './session/session';

/** LAB: how long a text waits for the answer to an invitation that is on its way before it goes as a pager message. */
export const pagerAfterMs = 3_000;

/** LAB: the longest envelope that goes as a pager message unasked, bytes (RFC 3428 section 8); a longer one waits for the session. */
export const pagerLimitBytes = 1_300;

export class Courier implements Carrier {
  readonly #context: CpmContext;
  readonly #oneToOne: OneToOneSessions;
  readonly #groups: Groups;

  constructor(context: CpmContext, oneToOne: OneToOneSessions, groups: Groups) {
    this.#context = context;
    this.#oneToOne = oneToOne;
    this.#groups = groups;
  }

  async carryText(
    message: MessageRecord,
    conversation: ConversationRecord,
    mode: 'session' | 'pager',
    atDevice: () => void,
  ): Promise<void> {
    try {
      await this.#carryText(message, conversation, mode, atDevice);
    } catch (error) {
      throw understood(error, { isHidden: conversation.hides === 'peer', isPrivate: message.onlyWith !== undefined });
    }
  }

  async #carryText(
    message: MessageRecord,
    conversation: ConversationRecord,
    mode: 'session' | 'pager',
    atDevice: () => void,
  ): Promise<void> {
    // Never sent: it is not what the person wrote.
    if (message.isDamaged === true) throw new AppError('storage/unreadable', { cause: 'the message is damaged' }, 'never');
    const { kind, peer } = conversation;
    if (kind === 'oneToOne' && peer !== null && this.#context.isBlocked(peer)) throw new AppError('conversation/blocked', {}, 'user');
    if (kind === 'group') return this.#toGroup(message, conversation);
    const envelope = textEnvelope(message, partiesOf(conversation, message.from), this.#context.clock.now());
    if (mode === 'session') return this.#inSession(message, conversation, envelope, atDevice);
    await this.#sendText(message, conversation);
  }

  async carryReceipt(message: string, payload: ReceiptPayload, conversation: ConversationRecord): Promise<void> {
    // Somebody who is blocked learns nothing more, and nothing waits for them.
    if (this.#context.isBlocked(payload.to)) return;
    const parties =
      conversation.hides === undefined
        ? { from: conversation.writesAs ?? this.#context.self, to: [payload.to] }
        : partiesOf(conversation, this.#context.self);
    const told = conversation.kind === 'group' ? this.#asDevice(parties) : parties;
    const body = receiptEnvelope({ id: this.#context.clock.uuid(), parties: told, message, payload });
    if (conversation.kind === 'group') return (await this.#groups.ensure(conversation)).send(cpimType, body);
    if (await this.#sendInLiveSession(conversation.id, payload, body)) return;
    // Who hides is reached where they last were.
    const target = conversation.hides === 'peer' ? (conversation.peer ?? payload.to) : (payload.toGruu ?? payload.to);
    // The receipt belongs to the device that asked for it (R8: by instance where there is no GRUU).
    await this.sendPager(conversation, target, body, payload.toInstance === null ? {} : { acceptContactInstance: payload.toInstance });
  }

  async #toGroup(message: MessageRecord, conversation: ConversationRecord): Promise<void> {
    const session = await this.#groups.ensure(conversation);
    // A group that was given to the network anew has another focus than it had when the text was written.
    const focus = session.remote?.contactUri ?? conversation.focus;
    const parties = partiesOf({ ...conversation, focus }, message.from);
    const to = message.onlyWith === undefined ? parties.to : [message.onlyWith];
    await session.send(cpimType, textEnvelope(message, this.#asDevice({ ...parties, to }), this.#context.clock.now()));
  }

  #asDevice(parties: Parties): Parties {
    return { ...parties, device: this.#context.deviceName() };
  }

  async #inSession(message: MessageRecord, conversation: ConversationRecord, envelope: Uint8Array, atDevice: () => void): Promise<void> {
    const { session, isNew } = this.#oneToOne.open(conversation, envelope);
    let hasRung = false;
    if (isNew) {
      session.onRinging.on(() => {
        hasRung = true;
        // Whoever answers at once is waited for: what comes next then takes the session.
        this.#context.clock.setTimer(this.#patienceMs(session), () => session.isUnanswered && atDevice());
      });
    }
    try {
      if (isNew) return await session.answered;
      if (!(await this.#opens(session, envelope))) return await this.#sendText(message, conversation);
    } catch (error) {
      // The other side's invitation may have won over ours; then its session takes the message.
      const winner = this.#oneToOne.current(conversation.id);
      if (winner === null || winner === session) {
        const state = this.#context.history.message(message.id, 'out')?.state;
        const isThere = state === 'delivered' || state === 'displayed';
        if (!isNew || isThere || envelope.length > pagerLimitBytes || !takesPagerInstead(error, hasRung)) throw error;
        return this.#sendText(message, conversation);
      }
      await winner.opened;
      return winner.send(cpimType, envelope);
    }
    await session.send(cpimType, envelope);
  }

  /** Whether messages flow in a session soon enough for this one; false: it goes better as a pager message. @throws AppError why it did not open */
  async #opens(session: CpmSession, envelope: Uint8Array): Promise<boolean> {
    const opened = () => session.opened.then(() => true);
    const patienceMs = this.#patienceMs(session);
    if (session.state !== 'opening' || envelope.length > pagerLimitBytes) return opened();
    if (patienceMs > 0 && (await Promise.race([opened(), delay(this.#context.clock, patienceMs).then(() => false)]))) return true;
    return session.isUnanswered ? false : opened();
  }

  /** How long the answer to an invitation is still waited for before what is written goes past it. */
  #patienceMs(session: CpmSession): number {
    return session.begunAt + pagerAfterMs - this.#context.clock.now();
  }

  /** To one who knows no CPIM it goes as a bare text. */
  #sendText(message: MessageRecord, conversation: ConversationRecord): Promise<void> {
    const { gruu } = this.#context.sip;
    const parties = partiesOf(conversation, message.from);
    // It names the person as they write here; the device's GRUU names them as they are registered, and may be another name.
    const isSame = gruu !== null && conversation.hides === undefined && parties.from === this.#context.self;
    const envelope = textEnvelope(message, isSame ? { ...parties, gruu } : parties, this.#context.clock.now());
    return this.sendPager(conversation, conversation.peer ?? '', envelope, { simpler: bareText(message) });
  }

  /** One envelope of a 1-1 as a pager message. @throws AppError */
  async sendPager(
    conversation: ConversationRecord,
    target: string,
    body: Uint8Array,
    more: Pick<OutgoingPager, 'simpler' | 'acceptContactInstance'> = {},
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

  /** False when no 1-1 session with the device that asked takes it: another one of the person would not know the message. One that loses against the other side's invitation gives way to that one's session. */
  async #sendInLiveSession(conversation: string, payload: ReceiptPayload, body: Uint8Array): Promise<boolean> {
    let tried: CpmSession | null = null;
    for (;;) {
      const session = this.#oneToOne.current(conversation);
      if (session === null || session === tried || session.state === 'ended') return false;
      tried = session;
      try {
        if (!(await this.#opens(session, body)) || !isWith(session.remote, payload)) return false;
        await session.send(cpimType, body, { overtakes: true });
        return true;
      } catch (error) {
        this.#context.log.debug('a session did not take a receipt', { error: String(error) });
      }
    }
  }
}

/** Whether a device is the one that asked for a receipt. What is not known of the one must not be known of the other: a pager message says little. */
function isWith(remote: CpmSession['remote'], { toInstance, toGruu, toDevice }: ReceiptPayload): boolean {
  if (toGruu !== undefined) return toGruu === remote?.gruu;
  return toDevice === undefined ? toInstance === (remote?.instanceId ?? null) : toDevice === (remote?.deviceName ?? null);
}

/**
 * Whether the text of an invitation that was refused goes as a pager message: where no session of this kind is taken, and (LAB) where the invitation
 * has rung and nobody has answered it in the end, for then it would only ring again.
 */
function takesPagerInstead(error: unknown, hasRung: boolean): boolean {
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return false;
  return readRefusal(error.detail).remedy === 'pager' || (hasRung && error.detail.status === 486);
}
