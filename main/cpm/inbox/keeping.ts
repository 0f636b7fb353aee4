/**
 * A text, or a file that cannot be shown, becomes a message of its conversation, once, however often and by whatever path it comes (imdn.Message-ID
 * and direction), and the delivery receipt that it asks for is queued in the same transaction.
 */
import { digest } from '../../../base/digest';
import type { PersonValue } from '../../../preload/contract';
import { type CpimMessage, IMDN_NAMESPACE } from '../../../protocol/cpim';
import { correspondentKey } from '../../../protocol/uri';
import type { ConversationRecord, MessageContent, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { ambiguousId, deviceNamedBy, gruuNamedBy, leftAtBy } from '../conversation/envelope';
import { jobDraft, receiptLane } from '../outbox/job';
import { clockKey, placeText, unknownClock } from './clocks';
import type { Arrival, Incoming, Tells } from './door';

/** LAB: how many messages of one millisecond are told apart by the milliseconds after it; more stand together, in the order of their keys. */
const maxAtOneTime = 1_000;

/** What a message sets off besides itself. */
export interface MessageEffects {
  /** It was added in the transaction at hand. */
  added(record: MessageRecord, tells: Tells): void;
  /** Its sender types no more. */
  stopComposing(conversation: string, from: PersonValue): void;
  /** A receipt waits in this lane. */
  receiptQueued(lane: string): void;
}

/** `octets`: those of a file. */
export function keepMessage(
  context: CpmContext,
  effects: MessageEffects,
  incoming: Incoming,
  content: MessageContent,
  octets: Uint8Array | null = null,
): void {
  const { history, clock, isSelf } = context;
  const { arrival, conversation, sender, envelope } = incoming;
  const own = isSelf(sender.address);
  const now = clock.now();
  const direction = own ? 'out' : 'in';
  // Whichever of the own addresses it names: every own device knows it by the same key.
  const from = own ? context.self : sender.address;
  const isBlockedSender = isBlockedIn(context, conversation, { direction, from });
  const record: MessageRecord = {
    id: idOf(context, incoming, content.text, { direction, from }),
    conversation: conversation.id,
    direction,
    from,
    fromName: own ? context.selfName : sender.name,
    fromDevice: arrival.senderDevice ?? deviceNamedBy(envelope),
    content,
    ...onlyWith(conversation, envelope, sender.address, isSelf),
    ...(arrival.standalone === undefined ? {} : { standalone: arrival.standalone }),
    ...(arrival.replyTo === undefined ? {} : { replyTo: arrival.replyTo }),
    state: own ? 'sent' : isBlockedSender ? 'displayed' : 'received',
    sentAt: envelope.dateTime ?? now,
    receivedAt: now,
    error: null,
    ...wants(context, conversation, envelope),
  };
  const isAnswered =
    incoming.sendsDelivered && !own && !isBlockedSender && record.wantsDelivered && context.preferences().receipts.delivered;
  const gruu = gruuToAnswer(arrival, conversation, sender, envelope);
  const lane = receiptLane(conversation.id, arrival.senderInstance ?? gruu);
  const isAdded = history.soon(() => {
    const keeps = { activityAt: now, isBlockedSender, ...(own ? {} : { replyTo: arrival.replyTo ?? null }) };
    if (!addTo(context, record.conversation, keeps, () => add(context, incoming, record))) return false;
    if (octets !== null) history.keepFile(record, octets);
    effects.added(record, incoming.tells);
    if (!isAnswered) return true;
    const receipt = {
      to: sender.address,
      toInstance: arrival.senderInstance,
      ...(gruu === null ? {} : { toGruu: gruu }),
      disposition: 'delivered' as const,
      at: now,
      sentAt: record.sentAt,
    };
    history.addJob(jobDraft({ kind: 'receipt', message: record.id, receipt }, { lane, nextAt: now }));
    return true;
  });
  if (!isAdded) return;
  effects.stopComposing(conversation.id, sender);
  if (isAnswered) effects.receiptQueued(lane);
}

/** Somebody blocked, in a common group: what they write is kept, because it can be shown on request, and counts as read. */
export function isBlockedIn(
  { isBlocked }: Pick<CpmContext, 'isBlocked'>,
  { kind }: Pick<ConversationRecord, 'kind'>,
  { direction, from }: Pick<MessageRecord, 'direction' | 'from'>,
): boolean {
  return kind === 'group' && direction === 'in' && isBlocked(from);
}

/** Adds a message, by `add`, with what that means for its conversation. @returns false: it was not added */
export function addTo(
  { history }: Pick<CpmContext, 'history'>,
  conversation: string,
  { isBlockedSender, ...changed }: { isBlockedSender: boolean; activityAt: number; replyTo?: string | null },
  add: () => boolean,
): boolean {
  const isHidden = isBlockedSender && history.marks(conversation).isHidden;
  if (!add()) return false;
  // A deleted group does not come back because of somebody blocked, and no group moves to the top of the list.
  if (!isBlockedSender) history.updateConversation(conversation, changed);
  else if (isHidden) history.setMarks(conversation, { isHidden });
  return true;
}

/** The device that a receipt is for, where no instance names it: by the signalling, else by the text itself. An anonymous peer has no such name. */
function gruuToAnswer(arrival: Arrival, conversation: ConversationRecord, sender: PersonValue, envelope: CpimMessage): string | null {
  if (arrival.senderInstance !== null || conversation.hides === 'peer') return null;
  return arrival.senderGruu ?? (conversation.hides === undefined ? gruuNamedBy(envelope, sender.address) : null);
}

/**
 * Adds a text where its sender's clock, corrected, puts it. No two messages of a conversation stand at one time, so that texts which are dated alike, or
 * not at all, stand in the order in which they came. False: it is there already, and says nothing of a clock.
 */
function add({ history, clock, clockAhead }: CpmContext, incoming: Incoming, record: MessageRecord): boolean {
  const { arrival, conversation, sender, envelope } = incoming;
  const device = clockKey(arrival, conversation, sender, envelope);
  const newest = history.newestTime(record.conversation);
  const placed = placeText(history.clockOf(device) ?? unknownClock, {
    dateTime: envelope.dateTime,
    leftAt: leftAtBy(envelope),
    now: clock.now(),
    newest,
    ownAhead: clockAhead(),
    inSession: arrival.inSession === true,
  });
  // Behind everything there is nobody to make room for, and beside the newest one there is room behind it.
  const isBehind = newest === null || placed.orderedAt >= newest;
  const at = isBehind
    ? Math.max(placed.orderedAt, (newest ?? Number.MIN_SAFE_INTEGER) + 1)
    : history.freeTime(record.conversation, placed.orderedAt, maxAtOneTime);
  if (!history.addMessage({ ...record, movedBy: at - record.sentAt })) return false;
  const isNewestOfDevice = placed.clock.placed === placed.orderedAt;
  if (incoming.measuresClock) history.putClock(device, isNewestOfDevice ? { ...placed.clock, placed: at } : placed.clock);
  return true;
}

type Whose = Pick<MessageRecord, 'direction' | 'from'>;

function idOf(context: CpmContext, { conversation, sender, envelope }: Incoming, text: string, whose: Whose): string {
  const { messageId, dateTime } = envelope;
  if (messageId !== null) return idFor(context, conversation, messageId, whose);
  // Without a DateTime nothing tells a repetition from a second "ok", and one too many does less harm than one too few.
  return dateTime === null ? context.clock.uuid() : `${sender.address}|${dateTime}|${digest(text)}`;
}

/**
 * A Message-ID is its sender's word: should somebody else have used it before, by chance or to have this text taken for a repetition, the text is
 * kept under an id of its own. `wireId` tells what receipts call it.
 */
export function idFor(
  { history }: Pick<CpmContext, 'history'>,
  conversation: Pick<ConversationRecord, 'id' | 'hides'>,
  messageId: string,
  { direction, from }: Whose,
): string {
  const known = history.message(messageId, direction);
  const isHidden = conversation.hides === 'peer';
  // Each anonymous peer is known by the conversation alone.
  const isOfSame = known?.from === from && (!isHidden || known.conversation === conversation.id);
  return known === null || known.isDamaged === true || isOfSame ? messageId : ambiguousId(messageId, isHidden ? conversation.id : from);
}

/**
 * Which receipts are owed for a text: those that it asks for. LAB: where the person wants it, both for one that can be named in a receipt and
 * asks for nothing at all, since a network may have stripped the request; never in an anonymous conversation.
 */
function wants(
  { preferences }: CpmContext,
  { hides }: ConversationRecord,
  envelope: CpimMessage,
): Pick<MessageRecord, 'wantsDelivered' | 'wantsDisplayed'> {
  const imdn = (wanted: string) =>
    envelope.headers.some(({ namespace, name }) => namespace === IMDN_NAMESPACE && name.toLowerCase() === wanted);
  const isUnasked = imdn('message-id') && !imdn('disposition-notification') && hides === undefined;
  const anyway = isUnasked && preferences().receipts.unasked === true;
  return {
    wantsDelivered: anyway || envelope.dispositions.includes('positive-delivery'),
    wantsDisplayed: anyway || envelope.dispositions.includes('display'),
  };
}

/**
 * LAB: a group message whose CPIM To names this account instead of the focus is only for this account; one of an own device that names somebody
 * else is only for that person. The Controlling Function guarantees who receives it. A message that names several people counts as for everybody.
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
