/** How something came to this device, and what follows from that: one table (docs: own-devices 4.7). */
import type { PersonValue, StandaloneMode } from '../../../preload/contract';
import type { CpimMessage } from '../../../protocol/cpim';
import type { ConversationRecord } from '../../history/records';

/**
 * live       over a session or as a pager message, as its sender sent it
 * deferred   kept by the network while no device was there, and handed over later
 * ownDevice  a copy that another device of this person has given
 * store      read from the person's message store
 */
export type Origin = 'live' | 'deferred' | 'ownDevice' | 'store';

export interface Consequences {
  /** The sender is told that the message is here. Whoever has it from a copy says nothing: the device that took it has said so. */
  readonly sendsDelivered: boolean;
  /** What its dates and its arrival say of the sender's clock is learned. Something held on the way says nothing of it. */
  readonly measuresClock: boolean;
  /** The sender is there now: what waits for them leaves. */
  readonly showsPresence: boolean;
  /** The person's attention is drawn to it. A copy waits for whether another device is already in the person's hands. */
  readonly notifies: boolean;
}

export const consequences: Readonly<Record<Origin, Consequences>> = {
  live: { sendsDelivered: true, measuresClock: true, showsPresence: true, notifies: true },
  deferred: { sendsDelivered: true, measuresClock: false, showsPresence: false, notifies: true },
  ownDevice: { sendsDelivered: false, measuresClock: false, showsPresence: false, notifies: false },
  store: { sendsDelivered: false, measuresClock: false, showsPresence: false, notifies: false },
};

/** Where content came from. */
export interface Arrival {
  conversation: string;
  origin: Origin;
  /** The asserted identity of a 1-1's other side; null in a group, where the Controlling Function vouches for the CPIM From. */
  sender: PersonValue | null;
  senderInstance: string | null;
  senderDevice: string | null;
  /** It came over a 1-1 session that stood. */
  inSession?: boolean;
  /** It came by itself. */
  standalone?: StandaloneMode;
  /** Where its sender asks for answers, as far as the network vouches for the sender. */
  replyTo?: string;
}

/** One piece of content with everything its handler needs. */
export interface Incoming extends Consequences {
  readonly arrival: Arrival;
  readonly conversation: ConversationRecord;
  readonly sender: PersonValue;
  readonly envelope: CpimMessage;
}

/** Takes content of one type. @throws AppError when it could not be kept; it is then refused to the network */
export type TakeContent = (incoming: Incoming) => void;
