/**
 * The one rule of all paths (docs/OWN-DEVICES.md, 9). A message may come several times: as its sender sent it, kept and handed over later, as the
 * network's copy of what this person sent, from another device of this person, or from a message store. Every one comes through this door, by its
 * key. The first makes the row; later ones change nothing. What else follows is this table, and nothing outside of it asks how a message came.
 */
import type { PersonValue, StandaloneMode } from '../../../preload/contract';
import type { CpimMessage } from '../../../protocol/cpim';
import type { ConversationRecord } from '../../history/records';
import { isGruuOf } from '../conversation/envelope';

/**
 * live       over a session or as a pager message, as its sender sent it
 * deferred   kept by the network while no device was there, and handed over later
 * copy       by the network, of what another device of this person has sent
 * ownDevice  told by another device of this person
 * store      read from the person's message store
 */
export type Origin = 'live' | 'deferred' | 'copy' | 'ownDevice' | 'store';

/** When the person is told: at once, or only when no other device has shown it meanwhile. */
export type Tells = 'at once' | 'after a while' | 'never';

export interface Rule {
  /** The sender is told that the message is here. Whoever has it from a copy says nothing: the device that took it has said so. */
  readonly sendsDelivered: boolean;
  /** What its dates and its arrival say of the sender's clock is learned. Something held on the way says nothing of it. */
  readonly measuresClock: boolean;
  /** The sender is there now: what waits for them leaves. */
  readonly showsPresence: boolean;
  readonly tells: Tells;
  /** This device may write the event that tells the others. Never for what another one has told: hence no loops. */
  readonly writes: boolean;
}

export const rules: Readonly<Record<Origin, Rule>> = {
  live: { sendsDelivered: true, measuresClock: true, showsPresence: true, tells: 'at once', writes: true },
  deferred: { sendsDelivered: true, measuresClock: false, showsPresence: false, tells: 'at once', writes: true },
  copy: { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'never', writes: true },
  ownDevice: { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'after a while', writes: false },
  store: { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'never', writes: true },
};

/** What is known of a message when it comes. */
export interface Known {
  /** A row is here, or the other devices have still to be told of one. */
  isHere: boolean;
  isRead: boolean;
  isDeleted: boolean;
}

export interface Decision {
  /** The network is told that the message was taken in every case. */
  makesRow: boolean;
  tells: Tells;
  writes: boolean;
}

/** A message that was deleted on some device makes no row, whatever path it comes by. */
export function decide(origin: Origin, { isHere, isRead, isDeleted }: Known): Decision {
  const { tells, writes } = rules[origin];
  const makesRow = !isHere && !isDeleted;
  return { makesRow, tells: makesRow && !isRead ? tells : 'never', writes: makesRow && writes };
}

/** Where content came from. */
export interface Arrival {
  conversation: string;
  origin: Origin;
  /** The asserted identity of a 1-1's other side; null in a group, where the Controlling Function vouches for the CPIM From. */
  sender: PersonValue | null;
  senderInstance: string | null;
  /** The public GRUU of the sender's device: its only name, where its network keeps the instance to itself (RFC 7255). */
  senderGruu: string | null;
  senderDevice: string | null;
  /** It came over a 1-1 session that stood. */
  inSession?: boolean;
  /** It came by itself. */
  standalone?: StandaloneMode;
  /** Where its sender asks for answers, as far as the network vouches for the sender. */
  replyTo?: string;
}

/** What a request says of its sender, and of the device that it comes from. */
interface Remote {
  address: string;
  alsoAsserted?: readonly string[];
  instanceId: string | null;
  gruu: string | null;
  deviceName: string | null;
}

/** The device; nothing of it where the GRUU is of another person than the sender. */
export function deviceOf(remote: Remote | null): Pick<Arrival, 'senderInstance' | 'senderGruu' | 'senderDevice'> {
  if (remote === null) return { senderInstance: null, senderGruu: null, senderDevice: null };
  const { address, alsoAsserted = [], gruu, instanceId, deviceName } = remote;
  const isTheirs = gruu !== null && [address, ...alsoAsserted].some((one) => isGruuOf(gruu, one));
  return { senderInstance: instanceId, senderGruu: isTheirs ? gruu : null, senderDevice: deviceName };
}

/** One piece of content with everything its handler needs. */
export interface Incoming extends Rule {
  readonly arrival: Arrival;
  readonly conversation: ConversationRecord;
  readonly sender: PersonValue;
  readonly envelope: CpimMessage;
}

/** Takes content of one type. @throws AppError when it could not be kept; it is then refused to the network */
export type TakeContent = (incoming: Incoming) => void;
