/**
 * The registration of this device (RFC 3261 section 10, RFC 5626, RFC 5627; R13-R27): keeps the binding alive, knows every binding of
 * the address, and says whether CPM may be used.
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
import type { Disposable } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import type { Logger } from '../../../base/log';
import { AppError, toAppError } from '../../../preload/contract/errors';
import { sameInstance } from '../../../protocol/instance-urn';
import { parseNameAddr } from '../../../protocol/uri';
import { type Flow, KEEPALIVE_INTERVAL_MS } from '../flow/flow';
import type { Stack } from '../stack/stack';
import type { WireMessage } from '../wire/wire-message';
import { type Binding, headerSeconds, readBindings } from './binding';
import { type Offer, OwnContacts, sameContact } from './own-contacts';
import { Register, type RegistrationStore } from './register';

export type { Binding } from './binding';
export type { RegistrationStore } from './register';

export type RegistrationState = 'offline' | 'connecting' | 'registering' | 'registered' | 'refreshing' | 'waiting' | 'rejected';

/** LAB: the first wait after a failure; each further one doubles it up to a maximum, and 50 to 100 % of that is waited. */
export const RETRY_BASE_MS = 2_000;
export const RETRY_MAX_MS = 120_000;
/** LAB: the maximum while nothing can be reached at all: knocking costs nobody much, and the return of a network is seen within 5 s. */
export const UNREACHABLE_RETRY_MAX_MS = 4_000;
/** LAB: after a hint that the network has changed, a connection that lives answers a ping within this time. */
export const PROBE_TIMEOUT_MS = 2_000;
/** LAB: signing off never holds up the end of the program longer. */
export const UNREGISTER_TIMEOUT_MS = 2_000;
/** LAB: a REGISTER is answered within this time, or the flow is given up. */
export const REGISTER_TIMEOUT_MS = 32_000;
/** TS 24.229 5.1.1.4: up to here a registration is refreshed at half time, above 600 s before it ends. */
export const HALF_TIME_LIMIT_SECONDS = 1_200;
const MAX_TIMER_MS = 2 ** 31 - 1;

const TRANSITIONS: Record<RegistrationState, readonly RegistrationState[]> = {
  offline: ['connecting'],
  connecting: ['registering', 'waiting', 'rejected', 'offline'],
  registering: ['registered', 'waiting', 'rejected', 'offline'],
  registered: ['refreshing', 'waiting', 'rejected', 'offline'],
  refreshing: ['registered', 'waiting', 'rejected', 'offline'],
  waiting: ['connecting', 'registering', 'rejected', 'offline'],
  rejected: ['connecting', 'registering', 'offline'],
};

/** Refusals that no repetition mends: the person has to act. Every other one is tried again. */
const LASTING = new Set([400, 401, 402, 403, 404, 405, 406, 407, 410, 413, 414, 415, 416, 420, 421, 488, 493, 494, 600, 603, 604, 606]);

export interface Registration {
  readonly state: RegistrationState;
  readonly onState: Emitter<RegistrationState>;
  /** Why the state is `waiting` or `rejected`. */
  readonly error: AppError | null;
  readonly retryAt: number | null;
  /** Seconds granted to this device. */
  readonly expires: number | null;
  /** Every binding of the address, of all devices, as the last 200 listed them. */
  readonly bindings: Binding[];
  readonly pubGruu: string | null;
  readonly tempGruu: string | null;
  readonly identities: string[];
  readonly serviceRoute: string[];
  /**
   * By how much this computer's clock is ahead of the registrar's, ms, where its 200 gives a Date (RFC 3261 section 20.17, whole seconds); 0 as far as
   * both may show the same.
   */
  readonly clockAhead: number;
  /** The Contact URI of this device's binding over its present flow; null without a flow. */
  readonly contact: string | null;
  /** The services that this device offers. */
  readonly icsis: readonly string[];
  /** Resolves at the 200; throws AppError after any other end of this attempt. The state machine goes on by itself. */
  register(): Promise<void>;
  unregister(): Promise<void>;
  /** Tells the registrar the new name at once when registered, else with the next REGISTER. */
  rename(deviceName: string): Promise<void>;
  /** The same for the services that this device offers (R26). */
  setCapabilities(icsis: readonly string[]): Promise<void>;
  /** Ends every binding of the address, on all devices (`Contact: *`). @throws AppError sip/not-registered, or what the registrar said */
  signOutEverywhere(): Promise<void>;
  /** Stops without a word to the network, in state `rejected` with this error, until `register()`. */
  halt(error: AppError): void;
  /** The computer may have another network, or woke up: shows now whether the connection lives, and connects anew if it does not. */
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
  /** Feature tags of other SIP services that share this registration, told with ours (R21). Null is a tag without value. */
  featureTags?: ReadonlyMap<string, string | null> | undefined;
  /** A flow to the next hop; to `hop`, where an answer named another one. */
  connect(givenUp: AbortSignal, hop: string | null): Promise<Flow>;
}

/** When to refresh a registration of `expires` seconds, in milliseconds from now. */
export function refreshDelayMs(expires: number): number {
  const seconds = expires <= HALF_TIME_LIMIT_SECONDS ? expires / 2 : expires - 600;
  return Math.min(Math.max(seconds, 1) * 1000, MAX_TIMER_MS);
}

export class RegistrationMachine implements Registration, Disposable {
  readonly onState = new Emitter<RegistrationState>();
  error: AppError | null = null;
  retryAt: number | null = null;
  expires: number | null = null;
  bindings: Binding[] = [];
  pubGruu: string | null = null;
  tempGruu: string | null = null;
  identities: string[];
  serviceRoute: string[] = [];
  clockAhead = 0;

  readonly #options: RegistrationOptions;
  readonly #register: Register;
  #state: RegistrationState = 'offline';
  #deviceName: string;
  #icsis: readonly string[];
  /** When the binding ends unless it is refreshed; epoch milliseconds. */
  #expiresAt = 0;
  readonly #contacts: OwnContacts;
  #failures = 0;
  #timer: Disposable | null = null;
  #attempt: Promise<void> | null = null;
  /** Counts what makes a running attempt void: signing off, another network, disposal. */
  #epoch = 0;
  #connecting: AbortController | null = null;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#icsis = options.icsis;
    this.#deviceName = options.deviceName;
    const { aor, registrar, expiresSeconds, store, stack, clock, log, instanceId, featureTags } = options;
    this.#contacts = new OwnContacts({ aor, instanceId, featureTags }, () => stack.flow);
    this.#register = new Register({
      ...{ aor, registrar, expiresSeconds, store, stack, clock, log },
      contacts: (expires) => this.#contacts.forRegister(this.#offer, { expires, outbound: this.#register.outbound }),
      reconnect: (hop) => this.#connect(this.#epoch, hop),
    });
    this.identities = [options.aor];
    options.stack.onFlowLost = (reason) => this.#flowLost(reason);
  }

  get state(): RegistrationState {
    return this.#state;
  }

  get deviceName(): string {
    return this.#deviceName;
  }

  get icsis(): readonly string[] {
    return this.#icsis;
  }

  get contact(): string | null {
    return this.#options.stack.flow?.alive ? this.flowContact() : null;
  }

  /** R14: CPM may be used from the 200 on, while the flow lives. */
  get usable(): boolean {
    return this.#state === 'registered' || this.#state === 'refreshing';
  }

  register(): Promise<void> {
    if (this.#attempt !== null) return this.#attempt;
    this.#clearTimer();
    const attempt = this.#run(this.#epoch);
    this.#attempt = attempt;
    const forget = () => {
      if (this.#attempt === attempt) this.#attempt = null;
    };
    attempt.then(forget, forget);
    return attempt;
  }

  async unregister(): Promise<void> {
    // A REGISTER that was sent may have been granted, even if its 200 has not arrived.
    const wasBound = this.#register.hasAsked && this.#state !== 'rejected' && this.#state !== 'offline';
    this.#newEpoch();
    if (wasBound && this.#options.stack.flow?.alive) {
      try {
        this.bindings = readBindings(await this.#register.release(UNREGISTER_TIMEOUT_MS));
      } catch (error) {
        this.#options.log.info('The registrar did not confirm the end of the registration', { error: String(error) });
      }
    }
    this.#forget();
  }

  #forget(): void {
    this.#options.stack.detach('signed off');
    this.#register.hasAsked = false;
    this.#contacts.clear();
    this.error = null;
    this.expires = null;
    this.pubGruu = null;
    this.tempGruu = null;
    this.#failures = 0;
    if (this.#state !== 'offline') this.#transition('offline');
  }

  rename(deviceName: string): Promise<void> {
    this.#deviceName = deviceName;
    return this.#tellChange();
  }

  setCapabilities(icsis: readonly string[]): Promise<void> {
    this.#icsis = [...icsis];
    return this.#tellChange();
  }

  /** RFC 3840 section 5, RFC 3261 section 10.2: a change of name or capabilities is another REGISTER of the same binding. */
  async #tellChange(): Promise<void> {
    if (!this.usable) return;
    // A refresh under way may still carry what was.
    if (this.#attempt !== null)
      await this.#attempt.catch((error: unknown) => this.#options.log.debug('A refresh failed', { error: String(error) }));
    await this.register();
  }

  async signOutEverywhere(): Promise<void> {
    if (!this.usable) throw new AppError('sip/not-registered', { cause: `registration is ${this.#state}` }, 'auto');
    this.#newEpoch();
    try {
      this.bindings = readBindings(await this.#register.releaseAll(REGISTER_TIMEOUT_MS));
    } catch (error) {
      // Whether the bindings are gone is unknown: another REGISTER settles it.
      this.#start();
      throw error;
    }
    this.#forget();
  }

  halt(error: AppError): void {
    if (this.#state === 'offline' || this.#state === 'rejected') return;
    this.#newEpoch();
    this.#options.stack.detach('halted');
    this.error = error;
    this.#transition('rejected');
  }

  networkChanged(): void {
    if (this.#state === 'offline' || this.#state === 'rejected') return;
    const { flow } = this.#options.stack;
    if (this.#state !== 'registered' || !flow?.alive) {
      this.#connectAnew();
      return;
    }
    const epoch = this.#epoch;
    const judge = (isAlive: boolean) => {
      if (epoch !== this.#epoch || this.#state !== 'registered') return;
      if (!isAlive) this.#connectAnew();
      else if (this.#options.clock.now() >= this.#expiresAt) this.#start();
    };
    flow.probe(PROBE_TIMEOUT_MS).then(judge, (error: unknown) => {
      this.#options.log.debug('A connection could not be probed', { error: String(error) });
      judge(false);
    });
  }

  #connectAnew(): void {
    this.#newEpoch();
    this.#options.stack.detach('the network has changed');
    if (this.#state !== 'waiting') this.#wait(new AppError('net/unreachable', { cause: 'the network has changed' }, 'auto'), 0);
    this.#failures = 0;
    this.#start();
  }

  dispose(): void {
    this.#newEpoch();
    this.onState.dispose();
  }

  #newEpoch(): void {
    this.#epoch += 1;
    this.#connecting?.abort();
    this.#attempt = null;
    this.#clearTimer();
  }

  /** A register() that nobody waits for: its outcome is a state. */
  #start(): void {
    this.register().catch((error: unknown) => this.#options.log.info('A registration attempt failed', { error: String(error) }));
  }

  async #run(epoch: number): Promise<void> {
    const { stack, clock } = this.#options;
    try {
      if (!stack.flow?.alive) {
        this.#transition('connecting');
        this.#register.reset();
        await this.#connect(epoch, null);
      }
      this.#transition(this.#state === 'registered' ? 'refreshing' : 'registering');
      const askedAt = clock.now();
      let response = await this.#bind(epoch);
      let granted = this.#learn(response);
      this.clockAhead = aheadOf(response, askedAt, clock.now());
      if (this.#contacts.hasFormer) {
        response = await this.#bind(epoch);
        granted = this.#learn(response);
      }
      this.#failures = 0;
      this.error = null;
      this.#timer = clock.setTimer(refreshDelayMs(granted), () => this.#start());
      stack.flow?.keepAlive(flowTimerMs(response), promisesPongs(response));
      this.#transition('registered');
    } catch (thrown) {
      const error = toAppError(thrown);
      if (epoch === this.#epoch) this.#failed(error);
      throw error;
    }
  }

  async #connect(epoch: number, hop: string | null): Promise<void> {
    this.#connecting = new AbortController();
    const flow = await this.#options.connect(this.#connecting.signal, hop);
    if (epoch !== this.#epoch) {
      flow.dispose();
      throw new AppError('sip/not-registered', { cause: 'the attempt was given up' }, 'auto');
    }
    this.#options.stack.attach(flow);
  }

  async #bind(epoch: number): Promise<WireMessage> {
    const response = await this.#register.bind(REGISTER_TIMEOUT_MS);
    if (epoch !== this.#epoch) throw new AppError('sip/not-registered', { cause: 'the attempt was given up' }, 'auto');
    return response;
  }

  #failed(error: AppError): void {
    const { stack, log } = this.#options;
    const status = error.detail.status ?? 0;
    const lasting = error.code.startsWith('account/') || (error.code === 'sip/rejected' && error.retry !== 'auto' && LASTING.has(status));
    log.info('The registration failed', { code: error.code, status, lasting });
    if (lasting) {
      stack.detach('the registrar refused');
      this.error = error;
      this.#transition('rejected');
      return;
    }
    // A registrar that does not answer over this flow, or whose edge has lost it (RFC 5626 section 11.1), may answer over another.
    if (error.code === 'net/timeout' || status === 430) stack.detach('no answer');
    const longest = error.code === 'net/unreachable' ? UNREACHABLE_RETRY_MAX_MS : RETRY_MAX_MS;
    const step = Math.min(RETRY_BASE_MS * 2 ** Math.min(this.#failures, 16), longest);
    this.#failures += 1;
    const jittered = step * (0.5 + 0.5 * this.#options.clock.random());
    this.#wait(error, Math.max(jittered, error.detail.retryAfterMs ?? 0));
  }

  #wait(error: AppError, delayMs: number): void {
    const { clock } = this.#options;
    this.#clearTimer();
    const delay = Math.min(delayMs, MAX_TIMER_MS);
    this.error = error;
    this.retryAt = clock.now() + delay;
    this.#timer = clock.setTimer(delay, () => this.#start());
    this.#transition('waiting');
  }

  #flowLost(reason: string): void {
    // While an attempt runs, its own request fails too and tells.
    if (this.#attempt !== null || !this.usable) return;
    this.#failed(new AppError('net/unreachable', { cause: reason }, 'auto'));
  }

  #clearTimer(): void {
    this.#timer?.dispose();
    this.#timer = null;
    this.retryAt = null;
  }

  /** The Contact that answers OPTIONS: everything that the registration says of this device. */
  capabilityContact(): string {
    return this.#contacts.ofDevice(this.#offer, this.pubGruu);
  }

  /** Where this device is reached over its flow. */
  flowContact(): string {
    return this.#contacts.here();
  }

  get #offer(): Offer {
    return { deviceName: this.#deviceName, icsis: this.#icsis };
  }

  /** Takes over what the 200 says; returns the seconds granted. */
  #learn(response: WireMessage): number {
    const { instanceId, log, aor } = this.#options;
    this.bindings = readBindings(response);
    const here = this.flowContact();
    const isOurs = (binding: Binding) => binding.instanceId !== null && sameInstance(binding.instanceId, instanceId);
    const own =
      this.bindings.find((binding) => isOurs(binding) && sameContact(binding.contact, here)) ??
      this.bindings.find(isOurs) ??
      this.bindings.find((binding) => binding.instanceId === null && sameContact(binding.contact, here));
    if (own === undefined) log.warn('The registrar does not list this device in its 200');
    const granted =
      own !== undefined && own.expires > 0 ? own.expires : (headerSeconds(response, 'expires') ?? this.#register.requestedExpires);
    this.#contacts.note(this.bindings);
    if (granted <= 0) throw new AppError('sip/malformed', { status: 200, cause: 'the registrar granted no time' }, 'auto');
    this.expires = granted;
    this.#expiresAt = this.#options.clock.now() + granted * 1000;
    this.pubGruu = own?.pubGruu ?? null;
    this.tempGruu = own?.tempGruu ?? null;
    this.serviceRoute = response.list('service-route');
    const associated = response.list('p-associated-uri').map(parseNameAddr);
    const identities = associated.flatMap((value) => (value.ok ? [value.value.uri] : []));
    this.identities = identities.length > 0 ? identities : [aor];
    return granted;
  }

  #transition(to: RegistrationState): void {
    if (!TRANSITIONS[this.#state].includes(to)) throw new Error(`A registration cannot go from ${this.#state} to ${to}`);
    this.#options.log.debug('Registration', { from: this.#state, to });
    this.#state = to;
    if (to !== 'waiting') this.retryAt = null;
    this.onState.emit(to);
  }
}

/** RFC 5626 section 5.4: how often the registrar wants to hear from the flow. */
function flowTimerMs(response: WireMessage): number {
  const seconds = headerSeconds(response, 'flow-timer') ?? 0;
  return seconds > 0 ? seconds * 1000 : KEEPALIVE_INTERVAL_MS;
}

/** RFC 5626 sections 4.4 and 6: a registrar that does outbound has an edge that answers pings. */
function promisesPongs(response: WireMessage): boolean {
  return headerSeconds(response, 'flow-timer') !== null || response.list('require').some((option) => option.toLowerCase() === 'outbound');
}

/** The Date was shown at some time between the two, and for a second. */
function aheadOf(response: WireMessage, askedAt: number, now: number): number {
  const date = Date.parse(response.first('date') ?? '');
  return Number.isNaN(date) ? 0 : Math.max(Math.min(0, now - date), askedAt - date - 999);
}
