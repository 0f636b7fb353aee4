/** Everything that an account needs from the profile that it runs in. */
import type { Clock } from '../../base/clock';
import type { Logger } from '../../base/log';
import type { PersonValue, PreferencesValue, ToldByAccount } from '../../preload/contract';
import type { WireTap } from '../../protocol/wire-record';
import type { BlockList } from '../devices/copies/copies';
import type { KeyStore } from '../devices/pairing/keyring';
import type { History } from '../history/history';
import type { MsrpTransport } from '../msrp/connection';
import type { RegistrationStore } from '../sip/client';
import type { Connect } from '../sip/flow/connection';
import type { SettingsChange } from './own-settings';
import type { SignedOut } from './sign-in';

export interface AccountDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | null;
  userAgent: string;
  history: History;
  knownPeople: readonly PersonValue[];
  preferences(): PreferencesValue;
  isBlocked(address: string): boolean;
  alsoBlock(addresses: readonly string[]): void;
  /** The list of blocked people, for what other own devices change in it. */
  blocks: BlockList;
  registrationState: RegistrationStore;
  simState: { load(): number; save(sqn: number): void };
  announce(event: ToldByAccount): void;
  /** What the devices of this person seal their copies with, 32 bytes in hex; null where this device is not paired. */
  ownKey: string | null;
  /** Where the keys are kept that pairing gives this device. */
  keys: KeyStore;
  /** Another own device has removed this one and wants its chats erased: that is to be done once its answer is out. */
  eraseChats(by: string): void;
  /** Makes a change of the person last over a restart, before it takes effect here. @throws AppError storage/* */
  keep(change: Partial<SettingsChange>): void;
  /** Who signed this device out before this process began; null for nobody. */
  signedOut: SignedOut | null;
  /** Makes it last over a restart that this device is signed out, or no longer. @throws AppError storage/* */
  keepSignedOut(signedOut: SignedOut | null): void;
  /** The password was forgotten when this device was signed out, so only a new sign-in helps. */
  isForgotten(): boolean;
  /** Replaces the network, for tests: how servers and peers are reached. */
  over?: { connect: Connect; media: MsrpTransport };
}
