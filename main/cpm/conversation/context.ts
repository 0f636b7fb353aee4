/** What every part of the CPM layer needs from outside. The account fills it in; a test fills it with doubles. */

import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/log';
import type { PreferencesValue, ToldByAccount } from '../../../preload/contract';
import type { History } from '../../history/history';
import type { PersonRecord } from '../../history/records';
import type { MsrpEndpoint } from '../../msrp/endpoint';
import type { MediaWish } from '../../msrp/session';
import type { SipClient } from '../../sip/client';
import type { People } from './people';

/** The SIP side as the CPM layer uses it. */
type CpmSip = Pick<SipClient, 'invite' | 'sendPager' | 'queryCapabilities' | 'subscribeConference' | 'canHide' | 'gruu' | 'guardContent'>;

/** Another device of this account. */
interface OwnDevice {
  instanceId: string;
  /** What a focus is asked to invite: its public GRUU, else the own address with the instance in Accept-Contact (R8). */
  target: string;
  /** Whether this Contact of a roster is the device's. */
  isAt(contact: string): boolean;
}

export interface CpmContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly history: History;
  readonly sip: CpmSip;
  readonly msrp: Pick<MsrpEndpoint, 'prepare'>;
  /** How sessions are asked for. What others offer is answered as they offer it. */
  mediaWish(): MediaWish;
  /** The account's own address of record, as `addressKey` writes it. */
  readonly self: string;
  /** Whether an address is one of the account's, under any of its names. */
  isSelf(address: string): boolean;
  /** The own address that requests name unless a conversation has another; null: the network's default one. */
  writesAs(): string | null;
  readonly selfName: string;
  /** The name of this device. */
  deviceName(): string;
  /** The other devices of this account that are registered now and take sessions. */
  otherDevices(): readonly OwnDevice[];
  /** The Controlling Function's factory URI, provisioned with the account (R51). */
  readonly factory: string;
  /** People known beforehand, for their names. */
  readonly knownPeople: readonly PersonRecord[];
  /** The names by which this account knows people. */
  readonly people: People;
  preferences(): PreferencesValue;
  /** Whether the person does not want to hear from an address, as `correspondentKey` writes it, or to write to it. */
  isBlocked(address: string): boolean;
  /** The network says that these addresses are one person's: whoever is blocked under one of them is blocked under all. */
  alsoBlock(addresses: readonly string[]): void;
  isRegistered(): boolean;
  /** By how much this computer's clock is ahead of the registrar's, ms; 0 where that is not known. */
  clockAhead(): number;
  announce(event: ToldByAccount): void;
  /** Tells a conversation as it now stands. For what is not on disk alone, such as its session: what is written tells itself (`History.onChange`). */
  conversationChanged(conversation: string): void;
}
