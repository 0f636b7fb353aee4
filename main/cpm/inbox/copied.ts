/**
 * What another device of this person has told: it enters here, within the transaction that joins it to what all devices share. Nothing of it is
 * acknowledged to anybody, and nothing of it is told on (`door.ts`).
 */
import type { ErrorValue } from '../../../preload/contract/errors';
import type { Direction, MessageRecord, ReceiptRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { mayBecome, orderedAt, person } from '../conversation/values';
import { decide, type Tells } from './door';
import { addTo, idFor, isBlockedIn } from './keeping';
import { addReceipt } from './receipt';

/** A text as another device has told it. */
export interface CopiedText {
  conversation: string;
  /** The imdn.Message-ID. */
  id: string;
  direction: Direction;
  from: string;
  /** The device that sent it; null where that is not known. */
  fromDevice: string | null;
  text: string;
  onlyWith?: string;
  sentAt: number;
  /** Where it stands. */
  orderedAt: number;
  wantsDelivered: boolean;
  wantsDisplayed: boolean;
  isRead: boolean;
  /** How far the device that sends it has come. */
  sending: Sending;
  /** Else it came with all that was said before. */
  isNews: boolean;
}

export interface Sending {
  state: 'queued' | 'sent' | 'failed';
  error: ErrorValue | null;
}

/** Which message of the history is meant. */
type Which = Pick<MessageRecord, 'id' | 'direction'>;

interface CopiedEffects {
  added(record: MessageRecord, tells: Tells): void;
  /** A receipt says that a text is there. */
  reached(message: string): void;
  /** Something is gone from this lane. */
  woken(lane: string): void;
}

export class CopiedContent {
  readonly #context: CpmContext;
  readonly #effects: CopiedEffects;

  constructor(context: CpmContext, effects: CopiedEffects) {
    this.#context = context;
    this.#effects = effects;
  }

  /** `here`: the message, where it is here already, by whatever path. It may stand elsewhere then. */
  text(copied: CopiedText, here: Which | null): void {
    const { history } = this.#context;
    const { isRead, sentAt } = copied;
    const movedBy = copied.orderedAt - sentAt;
    // One that was deleted never comes this far: the shared state does not hold it, and the history knows its ID.
    const { makesRow, tells } = decide('ownDevice', { isHere: here !== null, isRead, isDeleted: false });
    if (!makesRow) {
      const known = here === null ? null : history.message(here.id, here.direction);
      if (known !== null) history.moveMessage(known.id, known.direction, copied.orderedAt - known.sentAt);
      return;
    }
    const conversation = history.conversation(copied.conversation);
    if (conversation === null) return;
    const { direction, from } = copied;
    const isBlockedSender = isBlockedIn(this.#context, conversation, copied);
    const isIn = direction === 'in';
    const record: MessageRecord = {
      id: idFor(this.#context, conversation, copied.id, copied),
      conversation: conversation.id,
      direction,
      from,
      fromName: isIn ? this.#nameOf(from, conversation.people) : this.#context.selfName,
      // What was written here has no device, and a job.
      fromDevice: copied.fromDevice ?? (isIn ? null : ''),
      content: { kind: 'text', text: copied.text },
      ...(copied.onlyWith === undefined ? {} : { onlyWith: copied.onlyWith }),
      state: isIn ? (isRead || isBlockedSender ? 'displayed' : 'received') : copied.sending.state,
      sentAt,
      movedBy,
      receivedAt: isIn ? this.#context.clock.now() : null,
      error: isIn ? null : copied.sending.error,
      wantsDelivered: copied.wantsDelivered,
      wantsDisplayed: copied.wantsDisplayed,
    };
    const keeps = { activityAt: Math.max(conversation.activityAt, orderedAt(record)), isBlockedSender };
    if (addTo(this.#context, conversation.id, keeps, () => history.addMessage(record)))
      this.#effects.added(record, copied.isNews ? tells : 'never');
  }

  /** The device that sends a text has come further with it, or has failed. */
  sending({ id }: Which, { state, error }: Sending): void {
    const { history } = this.#context;
    const message = history.message(id, 'out');
    // What this device sends itself, it knows best.
    if (message === null || message.fromDevice === null) return;
    if (message.state === state || mayBecome(message.state, state)) history.setMessageState(id, state, error, 'out');
  }

  read({ id, direction }: Which): void {
    const { history } = this.#context;
    if (direction === 'in' && history.message(id, 'in')?.state === 'received') history.setMessageState(id, 'displayed', null, 'in');
  }

  /** Somebody's device has told what became of a text of this person. */
  receipt(receipt: ReceiptRecord): void {
    const { history } = this.#context;
    const message = history.message(receipt.message, 'out');
    const home = message === null ? null : history.conversation(message.conversation);
    if (message === null || home === null) return;
    const sender = person(receipt.address, null, home.people);
    const state = addReceipt(this.#context, receipt, { message, home, sender, reason: '' });
    if (state === 'delivered' || state === 'displayed') this.#effects.reached(message.id);
  }

  removed({ id, direction }: Which): void {
    const { history } = this.#context;
    const conversation = history.message(id, direction)?.conversation;
    history.removeMessage(id, direction);
    if (conversation !== undefined) this.#effects.woken(conversation);
  }

  #nameOf(address: string, people: readonly { address: string; name: string }[]): string {
    const known = this.#context.people.known(address);
    return person(address, null, [...(known === null ? [] : [known]), ...people]).name;
  }
}
