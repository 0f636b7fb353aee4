/**
 * Keeps the registration of this device alive: refreshes it, repeats failed attempts, reconnects. The states are drawn in
 * `registration.ts`.
 */
import type { Disposable } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { AppError, toAppError } from '../../../preload/contract/errors';
import type { WireMessage } from '../wire/wire-message';
import { type Binding, readBindings } from './binding';
import { clockAheadMs, flowTimerMs, MAX_TIMER_MS, noTimeGranted, promisesPongs, readGrant, refreshDelayMs } from './grant';
import { OwnContacts } from './own-contacts';
import { Register } from './register';
import { type Registration, type RegistrationOptions, type RegistrationState, TRANSITIONS } from './registration';
import { isLasting, retryDelayMs, wantsAnotherFlow } from './retry';

/** LAB: after a hint of a network change, a living connection must answer a ping within this time. */
export const PROBE_TIMEOUT_MS = 2_000;
/** LAB: signing out delays the end of the program by this time at most. */
export const UNREGISTER_TIMEOUT_MS = 2_000;
/** LAB: a flow is dropped when a REGISTER gets no answer within this time. */
const REGISTER_TIMEOUT_MS = 32_000;

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
  /** When the binding expires unless it is refreshed; epoch milliseconds. */
  #expiresAt = 0;
  readonly #contacts: OwnContacts;
  #failures = 0;
  #timer: Disposable | null = null;
  #attempt: Promise<void> | null = null;
  /** Incremented by every event that invalidates a running attempt: signing out, another network, disposal. */
  #epoch = 0;
  #connecting: AbortController | null = null;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { aor, registrar, expiresSeconds, store, stack, clock, log, instanceId, deviceName, icsis, featureTags } = options;
    this.#contacts = new OwnContacts({ aor, instanceId, featureTags }, { deviceName, icsis }, () => stack.flow);
    this.#register = new Register({
      ...{ aor, registrar, expiresSeconds, store, stack, clock, log },
      contacts: (expires) => this.#contacts.forRegister({ expires, outbound: this.#register.outbound }),
      reconnect: (hop) => this.#connect(this.#epoch, hop),
    });
    this.identities = [options.aor];
    options.stack.onFlowLost = (reason) => this.#flowLost(reason);
  }

  get state(): RegistrationState {
    return this.#state;
  }

  get deviceName(): string {
    return this.#contacts.offer.deviceName;
  }

  get icsis(): readonly string[] {
    return this.#contacts.offer.icsis;
  }

  get untold(): boolean {
    return this.#contacts.untold;
  }

  get contact(): string | null {
    return this.#options.stack.flow?.alive ? this.flowContact() : null;
  }

  /** R14: CPM may be used from the 200 on, while the flow is alive. */
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
    // A REGISTER may have been granted even though its 200 has not arrived.
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
    this.#contacts.change({ deviceName });
    return this.#tellOffer();
  }

  setCapabilities(icsis: readonly string[]): Promise<void> {
    this.#contacts.change({ icsis: [...icsis] });
    return this.#tellOffer();
  }

  /** RFC 3840 section 5, RFC 3261 section 10.2: a change of name or capabilities is announced by another REGISTER for the same binding. */
  async #tellOffer(): Promise<void> {
    try {
      // A running attempt announces the change before it ends.
      if (this.#attempt !== null) await this.#attempt;
      else if (this.usable && this.untold) await this.register();
    } catch (error) {
      this.#options.log.info('The registrar has not been told what has changed', { error: String(error) });
    }
  }

  async signOutEverywhere(): Promise<void> {
    if (!this.usable) throw new AppError('sip/not-registered', { cause: `registration is ${this.#state}` }, 'auto');
    this.#newEpoch();
    try {
      this.bindings = readBindings(await this.#register.releaseAll(REGISTER_TIMEOUT_MS));
    } catch (error) {
      // It is unknown whether the bindings are gone: another REGISTER settles it.
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
      this.#connectAgain();
      return;
    }
    const epoch = this.#epoch;
    const judge = (isAlive: boolean) => {
      if (epoch !== this.#epoch || this.#state !== 'registered') return;
      if (!isAlive) this.#connectAgain();
      else if (this.#options.clock.now() >= this.#expiresAt) this.#start();
    };
    flow.probe(PROBE_TIMEOUT_MS).then(judge, (error: unknown) => {
      this.#options.log.debug('A connection could not be probed', { error: String(error) });
      judge(false);
    });
  }

  #connectAgain(): void {
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

  /** Starts a register() without awaiting it; the state shows the outcome. */
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
      this.clockAhead = clockAheadMs(response, askedAt, clock.now());
      // Another REGISTER removes the bindings of earlier flows and announces changes made while the last one was on its way.
      while (this.#contacts.hasFormer || this.untold) response = await this.#bind(epoch);
      this.#failures = 0;
      this.error = null;
      this.#timer = clock.setTimer(refreshDelayMs(this.expires ?? 0), () => this.#start());
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
    this.#learn(response);
    return response;
  }

  #failed(error: AppError): void {
    const { stack, log, clock } = this.#options;
    const lasting = isLasting(error);
    log.info('The registration failed', { code: error.code, status: error.detail.status, lasting });
    if (lasting) {
      stack.detach('the registrar refused');
      this.error = error;
      this.#transition('rejected');
      return;
    }
    if (wantsAnotherFlow(error)) stack.detach('no answer');
    const delay = retryDelayMs(error, this.#failures, clock.random());
    this.#failures += 1;
    this.#wait(error, delay);
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
    // The request of a running attempt fails by itself.
    if (this.#attempt !== null || !this.usable) return;
    this.#failed(new AppError('net/unreachable', { cause: reason }, 'auto'));
  }

  #clearTimer(): void {
    this.#timer?.dispose();
    this.#timer = null;
    this.retryAt = null;
  }

  /** The Contact that answers OPTIONS: everything that the registration states about this device. */
  capabilityContact(): string {
    return this.#contacts.ofDevice(this.pubGruu);
  }

  /** This device's Contact over its flow. */
  flowContact(): string {
    return this.#contacts.here();
  }

  /** Takes over the contents of a 200. */
  #learn(response: WireMessage): void {
    const { instanceId, log, aor, clock } = this.#options;
    const grant = readGrant(response, { aor, instanceId, here: this.flowContact(), requested: this.#register.requestedExpires });
    if (grant.own === null) log.warn('The registrar does not list this device in its 200');
    this.bindings = grant.bindings;
    this.#contacts.note(grant.bindings);
    if (grant.seconds <= 0) throw noTimeGranted();
    this.#contacts.accepted();
    this.expires = grant.seconds;
    this.#expiresAt = clock.now() + grant.seconds * 1000;
    this.pubGruu = grant.own?.pubGruu ?? null;
    this.tempGruu = grant.own?.tempGruu ?? null;
    this.serviceRoute = grant.serviceRoute;
    this.identities = grant.identities;
  }

  #transition(to: RegistrationState): void {
    if (!TRANSITIONS[this.#state].includes(to)) throw new Error(`A registration cannot go from ${this.#state} to ${to}`);
    this.#options.log.debug('Registration', { from: this.#state, to });
    this.#state = to;
    if (to !== 'waiting') this.retryAt = null;
    this.onState.emit(to);
  }
}
