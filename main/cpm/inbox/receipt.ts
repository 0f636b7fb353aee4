/** A receipt (IMDN, RFC 5438) becomes a step in the life of the message it is about, and a measure of its sender's clock. */
import { AppError } from '../../../preload/contract/errors';
import type { CpimMessage } from '../../../protocol/cpim';
import { type Imdn, parseImdn } from '../../../protocol/imdn';
import type { ConversationRecord, MessageRecord, ReceiptRecord } from '../../history/records';
import type { RemoteParty } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { ambiguousId, deviceNamedBy } from '../conversation/envelope';
import { mayBecome, stateByReceipts } from '../conversation/values';
import { clockKey, measureReceipt, unknownClock } from './clocks';
import type { Arrival, Incoming } from './door';

/** `reached`: called when a receipt says that a text is there. */
export function takeReceipt(context: CpmContext, reached: (message: string) => void, incoming: Incoming): void {
  const { history, log } = context;
  const { arrival, conversation, sender, envelope } = incoming;
  const imdn = readReceipt(envelope);
  const disposition = dispositionOf(imdn);
  if (disposition === null) return;
  // A text to several people has a message of its own for each of them.
  const message = history.message(ambiguousId(imdn.messageId, sender.address), 'out') ?? history.message(imdn.messageId, 'out');
  if (message === null) {
    log.debug('a receipt for a message that is not here', { messageId: imdn.messageId });
    return;
  }
  const home = history.conversation(message.conversation) ?? conversation;
  if (!mayTellOf(message, home, arrival, sender.address)) {
    log.info('a receipt of somebody who was not to have the message was left out', { messageId: message.id });
    return;
  }
  const state = history.soon(() => {
    const device = arrival.senderDevice ?? deviceNamedBy(envelope);
    const at = timeOf(context, incoming, message, disposition);
    const receipt = { message: message.id, address: sender.address, device, disposition, at };
    return addReceipt(context, receipt, { message, home, sender, reason: imdn.status });
  });
  if (state === 'delivered' || state === 'displayed') reached(message.id);
}

/** Keeps a receipt, and moves its message as far as all receipts say. @returns the state it is in then; null where the receipt is known */
export function addReceipt(
  context: Pick<CpmContext, 'history' | 'isSelf'>,
  receipt: ReceiptRecord,
  about: Omit<Step, 'disposition'>,
): MessageRecord['state'] | null {
  const isNew = context.history.addReceipt(receipt);
  return isNew ? step(context, { ...about, disposition: receipt.disposition }) : null;
}

/** A success report of MSRP (RFC 4975 section 7.1.2) from a peer that sends no receipts: its device has the text of this 1-1. */
export function takeReport(context: CpmContext, id: string, home: ConversationRecord, remote: RemoteParty | null): void {
  const { history, clock } = context;
  const message = history.message(id, 'out');
  const sender = home.people[0];
  if (message === null || sender === undefined) return;
  history.soon(() => {
    const receipt = {
      message: id,
      address: sender.address,
      device: remote?.deviceName ?? null,
      disposition: 'delivered',
      at: clock.now(),
    } as const;
    addReceipt(context, receipt, { message, home, sender, reason: '' });
  });
}

/** The group whose message a receipt is about; null when there is none here. @throws AppError `sip/malformed` */
export function groupReportedOn({ history }: CpmContext, envelope: CpimMessage): ConversationRecord | null {
  const message = history.message(readReceipt(envelope).messageId, 'out');
  const home = message === null ? null : history.conversation(message.conversation);
  return home?.kind === 'group' ? home : null;
}

function readReceipt(envelope: CpimMessage): Imdn {
  const imdn = parseImdn(envelope.body);
  if (!imdn.ok) throw new AppError('sip/malformed', { status: 400, reason: 'Bad Request', cause: `IMDN: ${imdn.reason}` });
  return imdn.value;
}

/** Null for one that says nothing that is shown. */
function dispositionOf({ kind, status }: Imdn): ReceiptRecord['disposition'] | null {
  if (kind === 'display') return status === 'displayed' ? 'displayed' : null;
  if (kind !== 'delivery') return null;
  return status === 'delivered' ? 'delivered' : 'failed';
}

/**
 * Whether somebody can have had a message, and so can tell what became of it: nobody else's receipt counts. For an anonymous peer nothing but the
 * conversation is known; in a group whose roster has not come yet the Controlling Function vouches.
 */
function mayTellOf({ onlyWith }: MessageRecord, home: ConversationRecord, arrival: Arrival, address: string): boolean {
  if (onlyWith !== undefined) return onlyWith === address;
  if (home.hides === 'peer' || (home.kind === 'group' && arrival.sender === null)) return arrival.conversation === home.id;
  return home.peer === address || home.people.some((one) => one.address === address);
}

/** When it came about, by this computer's clock. What it says of the other clock is learned. */
function timeOf(
  { history, clock, clockAhead }: CpmContext,
  { arrival, conversation, sender, envelope, measuresClock }: Incoming,
  { sentAt }: MessageRecord,
  disposition: ReceiptRecord['disposition'],
): number {
  const now = clock.now();
  if (envelope.dateTime === null) return now;
  const key = clockKey(arrival, conversation, sender, envelope);
  const measured = measureReceipt(history.clockOf(key) ?? unknownClock, { sentAt, at: envelope.dateTime, now, ownAhead: clockAhead() });
  // A receipt that tells of a failure may come from elsewhere.
  if (measuresClock && disposition !== 'failed') history.putClock(key, measured.clock);
  return measured.at;
}

interface Step {
  message: MessageRecord;
  home: ConversationRecord;
  disposition: ReceiptRecord['disposition'];
  sender: Incoming['sender'];
  reason: string;
}

/** Moves the message as far as its receipts say. Returns the state it is in then. */
function step(
  { history, isSelf }: Pick<CpmContext, 'history' | 'isSelf'>,
  { message, home, disposition, sender, reason }: Step,
): MessageRecord['state'] {
  const others = message.onlyWith === undefined ? home.people.filter((one) => !isSelf(one.address)) : [];
  const toOne = message.onlyWith ?? home.peer;
  const reached = stateByReceipts(others.length === 0 ? [sender] : others, history.receipts(message.id));
  if (reached !== null && mayBecome(message.state, reached)) {
    history.setMessageState(message.id, reached, null, 'out');
    return reached;
  }
  // Only the one it was sent to can say that it did not arrive.
  const isTheirs = toOne === sender.address || home.hides === 'peer';
  if (disposition === 'failed' && isTheirs && mayBecome(message.state, 'failed')) {
    history.setMessageState(message.id, 'failed', new AppError('message/undelivered', { reason }, 'user').toValue(), 'out');
    return 'failed';
  }
  return message.state;
}
