/**
 * What arrives: CPIM in, one committed message (or receipt, or composing state) out.
 *
 * The promise of `receive` is the network's acknowledgement: it resolves only when the message and the delivery notification that it asks
 * for are on disk, in one transaction. The same message may come any number of times, by any path; it is kept once (imdn.Message-ID and direction).
 */
import type { PersonValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { type CpimMessage, IMDN_NAMESPACE, parseCpim } from '../../../protocol/cpim';
import { type Imdn, parseImdn } from '../../../protocol/imdn';
import { parseIsComposing } from '../../../protocol/is-composing';
import { parseContentType } from '../../../protocol/multipart';
import { correspondentKey } from '../../../protocol/uri';
import type { ConversationRecord, Direction, MessageRecord } from '../../history/records';
import type { IncomingPager } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import {
  ambiguousId,
  composingType,
  cpimType,
  deviceNamedBy,
  gruuNamedBy,
  imdnType,
  leftAtBy,
  type ReceiptPayload,
} from '../conversation/envelope';
import { mayBecome, orderedAt, person, stateByReceipts } from '../conversation/values';
import { jobDraft, receiptLane } from '../outbox/job';
import { measureReceipt, placeText, unknownClock } from './clocks';

/** The longest text taken into the history, in UTF-16 code units; a longer one is refused with 413. */
export const maxIncomingTextLength = 200_000;
/** LAB: different texts of one length that one sender has dated alike and not named, which are still told apart from their repetitions. */
export const maxTwins = 20;
/** LAB: how long a composing state without a refresh time holds (RFC 3994 section 3.3 asks for a default). */
export const defaultComposingMs = 120_000;

/** Where content came from. */
export interface Arrival {
  conversation: string;
  /** The asserted identity of a 1-1's other side; null in a group, where the Controlling Function vouches for the CPIM From. */
  sender: PersonValue | null;
  senderInstance: string | null;
  senderDevice: string | null;
  /** Came over a 1-1 session that stood. */
  inSession?: boolean;
}

export class Inbox {
  readonly #context: CpmContext;
  readonly #receiptQueued: (lane: string) => void;
  /** The other side of a conversation is there. */
  readonly heardFrom: (conversation: string) => void;
  readonly #reached: (message: string) => void;
  readonly #composing = new Map<string, { dispose(): void }>();

  constructor(
    context: CpmContext,
    outbox: { receiptQueued(lane: string): void; heardFrom(conversation: string): void; reached(message: string): void },
  ) {
    this.#context = context;
    this.#reached = outbox.reached;
    this.#receiptQueued = outbox.receiptQueued;
    this.heardFrom = outbox.heardFrom;
  }

  /** Takes one piece of content of a session. @throws AppError when it could not be kept; the caller then refuses it to the network. */
  async receive(arrival: Arrival, contentType: string, body: Uint8Array): Promise<void> {
    if (parseContentType(contentType).type === composingType) this.#receiveComposing(arrival, arrival.sender, body);
    else this.#open(arrival, readEnvelope(contentType, body));
    this.heardFrom(arrival.conversation);
  }

  /** Takes what `readPager` has read. @throws AppError as `receive` */
  async receivePager(arrival: Arrival, envelope: CpimMessage): Promise<void> {
    this.#open(arrival, envelope);
    this.heardFrom(arrival.conversation);
  }

  #open(arrival: Arrival, envelope: CpimMessage): void {
    const conversation = this.#context.history.conversation(arrival.conversation);
    if (conversation === null) throw new AppError('conversation/unknown', { cause: arrival.conversation });
    const sender = arrival.sender ?? person(envelope.from ?? 'sip:anonymous@anonymous.invalid', null, conversation.people);
    switch (parseContentType(envelope.contentType).type) {
      case 'text/plain':
        this.#receiveText(arrival, conversation, sender, envelope);
        break;
      case imdnType:
        this.#receiveReceipt(arrival, conversation, sender, envelope);
        break;
      case composingType:
        this.#receiveComposing(arrival, sender, envelope.body);
        break;
      default:
        // Unknown inner types are dropped, never shown as bytes.
        this.#context.log.info('a message of an unknown type was left out', { contentType: envelope.contentType });
    }
  }

  #receiveText(arrival: Arrival, conversation: ConversationRecord, sender: PersonValue, envelope: CpimMessage): void {
    const { history, clock, isSelf } = this.#context;
    const text = decodeText(envelope);
    if (text.length > maxIncomingTextLength) throw new AppError('msrp/rejected', { status: 413, reason: 'Message too large' });
    const own = isSelf(sender.address);
    const now = clock.now();
    const direction = own ? 'out' : 'in';
    const record: MessageRecord = {
      id:
        envelope.messageId === null
          ? this.#nameFor(sender, envelope.dateTime, text, direction)
          : this.#idFor(conversation, sender, envelope.messageId, direction),
      conversation: conversation.id,
      direction,
      from: sender.address,
      fromName: own ? this.#context.selfName : sender.name,
      fromDevice: arrival.senderDevice ?? deviceNamedBy(envelope),
      text,
      ...onlyWith(conversation, envelope, sender.address, isSelf),
      state: own ? 'sent' : 'received',
      sentAt: envelope.dateTime ?? now,
      receivedAt: now,
      error: null,
      ...this.#wants(conversation, envelope),
    };
    const gruu = arrival.senderInstance === null && conversation.hides === undefined ? gruuNamedBy(envelope, sender.address) : null;
    const lane = receiptLane(conversation.id, arrival.senderInstance ?? gruu);
    const answersDelivery = !own && record.wantsDelivered && this.#context.preferences().receipts.delivered;
    const added = history.transaction(() => {
      if (!this.#add(record, clockKey(arrival, conversation, sender, envelope), leftAtBy(envelope), arrival.inSession === true))
        return false;
      history.updateConversation(conversation.id, { activityAt: now });
      if (answersDelivery) {
        const payload: ReceiptPayload = {
          to: sender.address,
          toInstance: arrival.senderInstance,
          ...(gruu === null ? {} : { toGruu: gruu }),
          disposition: 'delivered',
          at: now,
          sentAt: record.sentAt,
        };
        history.addJob(jobDraft({ kind: 'receipt', message: record.id, receipt: payload }, { lane, nextAt: now }));
      }
      return true;
    });
    if (!added) return;
    this.#stopComposing(conversation.id, sender.address);
    if (answersDelivery) this.#receiptQueued(lane);
  }

  /**
   * Which receipts are owed for a text: those that it asks for. LAB: where the person wants it, both for one that can be named in a receipt and
   * asks for nothing at all, since a network may have stripped the request; not to or from one who hides.
   */
  #wants({ hides }: ConversationRecord, envelope: CpimMessage): Pick<MessageRecord, 'wantsDelivered' | 'wantsDisplayed'> {
    const imdn = (wanted: string) =>
      envelope.headers.some(({ namespace, name }) => namespace === IMDN_NAMESPACE && name.toLowerCase() === wanted);
    const isUnasked = imdn('message-id') && !imdn('disposition-notification') && hides === undefined;
    const anyway = isUnasked && this.#context.preferences().receipts.unasked === true;
    return {
      wantsDelivered: anyway || envelope.dispositions.includes('positive-delivery'),
      wantsDisplayed: anyway || envelope.dispositions.includes('display'),
    };
  }

  /** Adds a text where its sender's clock, corrected, puts it. False: it is there already, and says nothing of a clock. */
  #add(record: MessageRecord, device: string, leftAt: number | null, inSession: boolean): boolean {
    const { history, clock } = this.#context;
    const last = history.lastMessage(record.conversation);
    const newest = last === null ? null : orderedAt(last);
    const placed = placeText(history.clockOf(device) ?? unknownClock, {
      dateTime: record.sentAt,
      leftAt,
      now: clock.now(),
      newest,
      ownAhead: this.#context.clockAhead(),
      inSession,
    });
    if (!history.addMessage({ ...record, movedBy: placed.orderedAt - record.sentAt })) return false;
    history.putClock(device, placed.clock);
    return true;
  }

  /**
   * A Message-ID is its sender's word: should somebody else have used it before, by chance or to have this text taken for a repetition, the text is
   * kept under an id of its own. `wireId` tells what receipts call it.
   */
  #idFor(conversation: ConversationRecord, sender: PersonValue, messageId: string, direction: Direction): string {
    const known = this.#context.history.message(messageId, direction);
    const isHidden = conversation.hides === 'peer';
    // Of people who hide each is known by the conversation alone.
    const isOfSame = known?.from === sender.address && (!isHidden || known.conversation === conversation.id);
    return known === null || known.isDamaged === true || isOfSame
      ? messageId
      : ambiguousId(messageId, isHidden ? conversation.id : sender.address);
  }

  /**
   * The id of a text whose sender gave it none: the same again for the same sender, DateTime and words. Without a DateTime nothing tells a
   * repetition from a second "ok", and one too many does less harm than one too few.
   */
  #nameFor(sender: PersonValue, dateTime: number | null, text: string, direction: Direction): string {
    const { history, clock } = this.#context;
    for (let twin = 0; dateTime !== null && twin < maxTwins; twin += 1) {
      const id = `${sender.address}|${dateTime}|${text.length}|${twin}`;
      const known = history.message(id, direction);
      if (known === null || known.text === text) return id;
    }
    return clock.uuid();
  }

  #receiveReceipt(arrival: Arrival, conversation: ConversationRecord, sender: PersonValue, envelope: CpimMessage): void {
    const { history, clock } = this.#context;
    const now = clock.now();
    const { kind, status, messageId } = readReceipt(envelope);
    const disposition =
      kind === 'display' && status === 'displayed' ? 'displayed' : kind === 'delivery' && status === 'delivered' ? 'delivered' : 'failed';
    if (kind === 'processing' || (disposition === 'failed' && kind !== 'delivery')) return;
    const message = history.message(messageId);
    if (message === null || message.direction !== 'out') {
      this.#context.log.debug('a receipt for a message that is not here', { messageId });
      return;
    }
    const home = history.conversation(message.conversation) ?? conversation;
    if (!mayTellOf(message, home, arrival, sender.address)) {
      this.#context.log.info('a receipt of somebody who was not to have the message was left out', { messageId });
      return;
    }
    const device = arrival.senderDevice ?? deviceNamedBy(envelope);
    const changed = history.transaction(() => {
      const key = clockKey(arrival, conversation, sender, envelope);
      const known = history.clockOf(key) ?? unknownClock;
      const dated =
        envelope.dateTime === null
          ? null
          : measureReceipt(known, { sentAt: message.sentAt, at: envelope.dateTime, now, ownAhead: this.#context.clockAhead() });
      if (!history.addReceipt({ message: messageId, address: sender.address, device, disposition, at: dated?.at ?? now })) return false;
      // One that tells of a failure may come from elsewhere.
      if (dated !== null && disposition !== 'failed') history.putClock(key, dated.clock);
      const others = message.onlyWith === undefined ? home.people.filter((one) => !this.#context.isSelf(one.address)) : [];
      const toOne = message.onlyWith ?? home.peer;
      const reached = stateByReceipts(others.length === 0 ? [sender] : others, history.receipts(messageId));
      if (reached !== null && mayBecome(message.state, reached)) history.setMessageState(messageId, reached, null);
      // Only the one it was sent to can say that it did not arrive.
      else if (disposition === 'failed' && (toOne === sender.address || home.hides === 'peer') && mayBecome(message.state, 'failed')) {
        history.setMessageState(messageId, 'failed', new AppError('message/undelivered', { reason: status }, 'user').toValue());
      }
      return true;
    });
    if (!changed) return;
    const state = history.message(messageId)?.state;
    if (state === 'delivered' || state === 'displayed') this.#reached(messageId);
  }

  /**
   * The group whose message a receipt is about; null when there is none here.
   * @throws AppError `sip/malformed`
   */
  groupReportedOn(envelope: CpimMessage): ConversationRecord | null {
    const { history } = this.#context;
    const message = history.message(readReceipt(envelope).messageId, 'out');
    const home = message === null ? null : history.conversation(message.conversation);
    return home?.kind === 'group' ? home : null;
  }

  #receiveComposing(arrival: Arrival, sender: PersonValue | null, body: Uint8Array): void {
    if (sender === null || this.#context.isSelf(sender.address)) return;
    const composing = parseIsComposing(body);
    if (!composing.ok) {
      this.#context.log.info('an unreadable composing state was left out', { reason: composing.reason });
      return;
    }
    this.#stopComposing(arrival.conversation, sender.address);
    if (composing.value.state !== 'active') return;
    const holdsMs = composing.value.refreshSeconds === null ? defaultComposingMs : composing.value.refreshSeconds * 1000;
    const key = composingKey(arrival.conversation, sender.address);
    const timer = this.#context.clock.setTimer(Math.min(holdsMs, defaultComposingMs), () =>
      this.#stopComposing(arrival.conversation, sender.address),
    );
    this.#composing.set(key, timer);
    this.#context.announce({ event: 'composing', conversation: arrival.conversation, from: sender.address, active: true });
  }

  #stopComposing(conversation: string, from: string): void {
    const key = composingKey(conversation, from);
    const timer = this.#composing.get(key);
    if (timer === undefined) return;
    timer.dispose();
    this.#composing.delete(key);
    this.#context.announce({ event: 'composing', conversation, from, active: false });
  }

  dispose(): void {
    for (const timer of this.#composing.values()) timer.dispose();
    this.#composing.clear();
  }
}

/**
 * The envelope of content that is no bare composing state.
 * @throws AppError `sip/malformed`; `sip/rejected` with 415 (RFC 3428 section 7, RFC 4975 section 10.4): who hears "received" believes it
 */
export function readEnvelope(contentType: string, body: Uint8Array): CpimMessage {
  if (parseContentType(contentType).type !== cpimType)
    throw new AppError('sip/rejected', { status: 415, reason: 'Unsupported Media Type', cause: contentType });
  const envelope = parseCpim(body);
  if (!envelope.ok) throw new AppError('sip/malformed', { status: 400, reason: 'Bad Request', cause: `CPIM: ${envelope.reason}` });
  return envelope.value;
}

function readReceipt(envelope: CpimMessage): Imdn {
  const imdn = parseImdn(envelope.body);
  if (!imdn.ok) throw new AppError('sip/malformed', { status: 400, reason: 'Bad Request', cause: `IMDN: ${imdn.reason}` });
  return imdn.value;
}

/**
 * Whether somebody can have had a message, and so can tell what became of it: nobody else's receipt counts. Of one who hides nothing but the
 * conversation is known; in a group whose roster has not come yet the Controlling Function vouches.
 */
function mayTellOf({ onlyWith }: MessageRecord, home: ConversationRecord, arrival: Arrival, address: string): boolean {
  if (onlyWith !== undefined) return onlyWith === address;
  if (home.hides === 'peer' || (home.kind === 'group' && arrival.sender === null)) return arrival.conversation === home.id;
  return home.peer === address || home.people.some((one) => one.address === address);
}

/**
 * The envelope of a pager message. LAB: a bare text or composing state comes from a client that knows no CPIM: it has no ID of its own, asks for no
 * receipt, and is known again by its request.
 * @throws AppError as `readEnvelope`
 */
export function readPager({ remote, requestId, contentType, body }: IncomingPager): CpimMessage {
  const { type } = parseContentType(contentType);
  if (type !== 'text/plain' && type !== composingType) return readEnvelope(contentType, body);
  return {
    from: null,
    fromName: null,
    to: [],
    dateTime: null,
    subject: null,
    messageId: `${remote.address} ${requestId}`,
    dispositions: [],
    headers: [],
    contentType,
    contentHeaders: new Map(),
    body,
  };
}

/** Whose clock dates what arrives. Of one who hides nothing is joined to what is known of anybody. */
function clockKey(arrival: Arrival, conversation: ConversationRecord, sender: PersonValue, envelope: CpimMessage): string {
  const device = arrival.senderInstance ?? deviceNamedBy(envelope) ?? arrival.senderDevice ?? '';
  return `${conversation.hides === 'peer' ? conversation.id : sender.address} ${device}`;
}

/** UTF-8 where nothing is said, or where what is said is known to nobody (RFC 3862 section 2.5: UTF-8 is every client's). */
function decodeText({ contentType, body }: CpimMessage): string {
  const charset = parseContentType(contentType).params.get('charset') ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    return new TextDecoder().decode(body);
  }
}

/**
 * LAB: a message of a group whose CPIM To names this account instead of the focus is from its sender to this account alone; one of an own device that
 * names somebody else is for that one alone. The Controlling Function vouches for who has it; of one that names several people nothing is claimed.
 */
function onlyWith(
  { kind, focus }: ConversationRecord,
  { to }: CpimMessage,
  sender: string,
  isSelf: (address: string) => boolean,
): { onlyWith?: string } {
  const named = to.flatMap((address) => correspondentKey(address) ?? []);
  const [one] = named;
  if (kind !== 'group' || one === undefined || named.length > 1 || (focus !== null && one === correspondentKey(focus))) return {};
  if (!isSelf(sender)) return isSelf(one) ? { onlyWith: sender } : {};
  return { onlyWith: one };
}

/** The SIP status for content that could not be taken. */
export function refusalStatus(error: unknown): number {
  const status = error instanceof AppError ? error.detail.status : undefined;
  return status !== undefined && [400, 413, 415].includes(status) ? status : 500;
}

function composingKey(conversation: string, from: string): string {
  return `${conversation} ${from}`;
}
