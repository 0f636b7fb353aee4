/**
 * The registration of this device as seen from outside (RFC 3261 section 10, RFC 5626, RFC 5627; R13-R27): whether CPM may be used, and
 * every binding of the address. `machine.ts` keeps it alive.
 *
 *              register()              connected                200
 *   [offline] -----------> [connecting] --------> [registering] -----> [registered] <--200-- [refreshing]
 *       ^                       |  ^                   |  |                |   \--half time, rename-->|
 *       | unregister()          |  |                   |  |                | flow lost                | 5xx, timeout, flow lost
 *   (every state)               v  | retryAt           v  |                v                          v
 *                            [waiting] <---------------+  |            [waiting] <--------------------+
 *                               \--retryAt, flow alive--> [registering]
 *                                                         |
 *                                                         +--401 again, 403, 404, ...--> [rejected] --register()--> [connecting]
 */
import type { Clock } from '../../../base/clock';
import type { Emitter } from '../../../base/emitter';
import type { Logger } from '../../../base/log';
import type { AppError } from '../../../preload/contract/errors';
import type { Flow } from '../flow/flow';
import type { Stack } from '../stack/stack';
import type { Binding } from './binding';
import type { RegistrationStore } from './register';

export type RegistrationState = 'offline' | 'connecting' | 'registering' | 'registered' | 'refreshing' | 'waiting' | 'rejected';

export const TRANSITIONS: Record<RegistrationState, readonly RegistrationState[]> = {
  offline: ['connecting'],
  connecting: ['registering', 'waiting', 'rejected', 'offline'],
  registering: ['registered', 'waiting', 'rejected', 'offline'],
  registered: ['refreshing', 'waiting', 'rejected', 'offline'],
  refreshing: ['registered', 'waiting', 'rejected', 'offline'],
  waiting: ['connecting', 'registering', 'rejected', 'offline'],
  rejected: ['connecting', 'registering', 'offline'],
};

export interface Registration {
  readonly state: RegistrationState;
  readonly onState: Emitter<RegistrationState>;
  /** Why the state is `waiting` or `rejected`. */
  readonly error: AppError | null;
  /** When the next attempt begins, in epoch milliseconds; null when none is planned. */
  readonly retryAt: number | null;
  /** The seconds granted to this device. */
  readonly expires: number | null;
  /** Every binding of the address, on all devices, from the last 200. */
  readonly bindings: Binding[];
  readonly pubGruu: string | null;
  readonly tempGruu: string | null;
  readonly identities: string[];
  readonly serviceRoute: string[];
  /**
   * How many milliseconds this computer's clock is ahead of the registrar's, if its 200 has a Date (RFC 3261 section 20.17, whole seconds);
   * 0 as long as both may agree.
   */
  readonly clockAhead: number;
  /** The Contact URI of this device's binding over its present flow; null without a flow. */
  readonly contact: string | null;
  /** The services offered by this device. */
  readonly icsis: readonly string[];
  /** True while the registrar still has an earlier name or earlier services of this device. The next REGISTER updates them. */
  readonly untold: boolean;
  /** Resolves at the 200. After any other answer the registration continues on its own. @throws AppError why this attempt failed */
  register(): Promise<void>;
  unregister(): Promise<void>;
  /**
   * Renames this device and resolves after the REGISTER with the new name. If that fails, the name stays and is `untold`. While this device
   * is not registered, the next registration announces the name.
   */
  rename(deviceName: string): Promise<void>;
  /** Like `rename`, for the services that this device offers (R26). */
  setCapabilities(icsis: readonly string[]): Promise<void>;
  /**
   * Removes every binding of the address, on all devices (`Contact: *`). @throws AppError sip/not-registered, or the registrar's refusal
   */
  signOutEverywhere(): Promise<void>;
  /** Stops without sending anything, in state `rejected` with this error, until `register()`. */
  halt(error: AppError): void;
  /** The network may have changed, or the computer woke up: checks at once whether the connection is alive, and opens another if not. */
  networkChanged(): void;
}

export interface RegistrationOptions {
  aor: string;
  registrar: string;
  instanceId: string;
  deviceName: string;
  expiresSeconds: number;
  icsis: readonly string[];
  store?: RegistrationStore | undefined;
  stack: Stack;
  clock: Clock;
  log: Logger;
  /** Feature tags of other SIP services that share this registration and are announced with ours (R21). Null is a tag without value. */
  featureTags?: ReadonlyMap<string, string | null> | undefined;
  /** Opens a flow to the next hop, or to `hop` when an answer redirected to another one. */
  connect(givenUp: AbortSignal, hop: string | null): Promise<Flow>;
}
