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
import type { IncomingResponse } from 'sip.js/lib/core/index.js';
import { type Clock, type Disposable, Emitter, type Logger } from '../base';
import { AppError, toAppError } from '../errors';
import { ICSI_PARAM, INSTANCE_PARAM, icsiValue, parseIcsi } from '../protocol/feature-tags';
import { parseInstance, sameInstance } from '../protocol/instance-urn';
import { addressKey, formatNameAddr, formatUri, type NameAddr, parseNameAddr, parseUri } from '../protocol/uri';
import { ALLOWED_METHODS } from './normalize';
import type { Stack } from './stack';
import { type Flow, KEEPALIVE_INTERVAL_MS } from './transport';
import type { WireMessage } from './wire-message';

export type RegistrationState = 'offline' | 'connecting' | 'registering' | 'registered' | 'refreshing' | 'waiting' | 'rejected';

/** LAB: the first wait after a failure; each further one doubles it up to the maximum, and 50 to 100 % of that is waited. */
export const RETRY_BASE_MS = 2_000;
export const RETRY_MAX_MS = 120_000;
/** LAB: signing off never holds up the end of the program longer. */
export const UNREGISTER_TIMEOUT_MS = 2_000;
/** LAB: a REGISTER is answered within this time, or the flow is given up. */
export const REGISTER_TIMEOUT_MS = 32_000;
/** TS 24.229 5.1.1.4: up to here a registration is refreshed at half time, above 600 s before it ends. */
export const HALF_TIME_LIMIT_SECONDS = 1_200;
/** LAB: how many times one attempt follows a 423 or 439. */
export const MAX_ADJUSTMENTS = 3;
/** Characters of a device name on the wire (cpm-wire 2.1.1). */
export const MAX_DEVICE_NAME_CHARACTERS = 64;
/** LAB: CSeqs that are reserved in the store at once. */
export const CSEQ_BLOCK = 32;
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

export interface Binding {
  contact: string;
  instanceId: string | null;
  deviceName: string | null;
  /** Seconds. */
  expires: number;
  icsis: string[];
  params: ReadonlyMap<string, string | null>;
  pubGruu: string | null;
  tempGruu: string | null;
}

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
  /** The computer has another address, or woke up: connect anew now. */
  networkChanged(): void;
}

/** Call-ID and CSeq of the registration, which outlive the process (RFC 3261 section 10.2: one Call-ID, rising CSeq). */
export interface RegistrationStore {
  /** Null when nothing was kept for this device. */
  load(): { callId: string; cseq: number } | null;
  /** Durable once it returns. Throws when it cannot be kept. */
  save(state: { callId: string; cseq: number }): void;
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
  connect(givenUp: AbortSignal): Promise<Flow>;
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

  readonly #options: RegistrationOptions;
  readonly #callId: string;
  #state: RegistrationState = 'offline';
  #deviceName: string;
  #icsis: readonly string[];
  #cseq = 0;
  /** A REGISTER has left since the start of the process. */
  #hasAsked = false;
  /** CSeqs below this one may be used: it is what the store holds. */
  #reserved = 0;
  #requestedExpires: number;
  #outbound = true;
  #failures = 0;
  #timer: Disposable | null = null;
  #attempt: Promise<void> | null = null;
  /** Counts what makes a running attempt void: signing off, another network, disposal. */
  #epoch = 0;
  #connecting: AbortController | null = null;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const kept = options.store?.load() ?? null;
    this.#callId = kept?.callId ?? options.clock.uuid();
    this.#cseq = kept?.cseq ?? 0;
    this.#reserved = this.#cseq;
    this.#icsis = options.icsis;
    this.#deviceName = options.deviceName;
    this.#requestedExpires = options.expiresSeconds;
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
    const wasBound = this.#hasAsked && this.#state !== 'rejected' && this.#state !== 'offline';
    this.#newEpoch();
    if (wasBound && this.#options.stack.flow?.alive) {
      try {
        const response = await this.#exchange(0, UNREGISTER_TIMEOUT_MS);
        this.bindings = readBindings(response);
      } catch (error) {
        this.#options.log.info('The registrar did not confirm the end of the registration', { error: String(error) });
      }
    }
    this.#forget();
  }

  #forget(): void {
    this.#options.stack.detach('signed off');
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

  /** RFC 3840 section 5, cpm-wire 2.6: a change of name or capabilities is another REGISTER of the same binding. */
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
      this.bindings = readBindings(await this.#exchange(0, REGISTER_TIMEOUT_MS, '*'));
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
        this.#connecting = new AbortController();
        const flow = await this.#options.connect(this.#connecting.signal);
        if (epoch !== this.#epoch) {
          flow.dispose();
          throw new AppError('sip/not-registered', { cause: 'the attempt was given up' }, 'auto');
        }
        stack.attach(flow);
      }
      this.#transition(this.#state === 'registered' ? 'refreshing' : 'registering');
      const response = await this.#exchange(this.#requestedExpires, REGISTER_TIMEOUT_MS);
      if (epoch !== this.#epoch) throw new AppError('sip/not-registered', { cause: 'the attempt was given up' }, 'auto');
      const granted = this.#learn(response);
      this.#failures = 0;
      this.error = null;
      this.#timer = clock.setTimer(refreshDelayMs(granted), () => this.#start());
      stack.flow?.keepAlive(flowTimerMs(response));
      this.#transition('registered');
    } catch (thrown) {
      const error = toAppError(thrown);
      if (epoch === this.#epoch) this.#failed(error);
      throw error;
    }
  }

  #failed(error: AppError): void {
    const { stack, log } = this.#options;
    const status = error.detail.status ?? 0;
    const lasting =
      error.code === 'account/bad-credentials' || (error.code === 'sip/rejected' && error.retry !== 'auto' && LASTING.has(status));
    log.info('The registration failed', { code: error.code, status, lasting });
    if (lasting) {
      stack.detach('the registrar refused');
      this.error = error;
      this.#transition('rejected');
      return;
    }
    // A registrar that does not answer over this flow may do so over another.
    if (error.code === 'net/timeout') stack.detach('no answer');
    const step = Math.min(RETRY_BASE_MS * 2 ** Math.min(this.#failures, 16), RETRY_MAX_MS);
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

  /** One REGISTER to its 200, following 423 and 439. `expires` 0 ends this device's binding and no other. */
  async #exchange(expires: number, timeoutMs: number, contact?: '*'): Promise<WireMessage> {
    let wanted = expires;
    for (let adjustments = 0; ; adjustments += 1) {
      const outcome = await this.#send(wanted, timeoutMs, contact);
      if (outcome.ok) return outcome.response;
      const { response, error } = outcome;
      const status = error.detail.status;
      const minimum = Number(/^\d{1,9}$/.exec(response?.first('min-expires') ?? '')?.[0] ?? 0);
      if (adjustments < MAX_ADJUSTMENTS && status === 423 && expires > 0 && minimum > wanted) {
        wanted = minimum;
        this.#requestedExpires = minimum;
      } else if (adjustments < MAX_ADJUSTMENTS && status === 439 && this.#outbound) {
        // The edge cannot do RFC 5626: the instance alone must do.
        this.#outbound = false;
      } else {
        throw error;
      }
    }
  }

  #send(
    expires: number,
    timeoutMs: number,
    contact?: '*',
  ): Promise<{ ok: true; response: WireMessage } | { ok: false; error: AppError; response: WireMessage | null }> {
    const { stack, aor, registrar, clock } = this.#options;
    this.#takeCseq();
    this.#hasAsked = true;
    const request = stack.request('REGISTER', {
      target: registrar,
      to: aor,
      callId: this.#callId,
      cseq: this.#cseq,
      optionTags: this.#outbound ? ['path', 'gruu', 'outbound'] : ['path', 'gruu'],
      headers: [
        ['Contact', contact ?? this.#contact(expires)],
        ['Expires', String(expires)],
        ['Allow', ALLOWED_METHODS.join(', ')],
      ],
    });
    const repeated = stack.auth.repeated('REGISTER', registrar);
    if (repeated !== null) request.setHeader('authorization', repeated);
    return new Promise((resolve) => {
      const settle = (outcome: Parameters<typeof resolve>[0]) => {
        timer.dispose();
        tracked.dispose();
        // sip.js raises the number itself when it repeats a challenged request.
        this.#cseq = Math.max(this.#cseq, request.cseq);
        resolve(outcome);
      };
      const fail = (error: AppError) => settle({ ok: false, error, response: null });
      const timer = clock.setTimer(timeoutMs, () => fail(new AppError('net/timeout', { cause: 'no answer to REGISTER' }, 'auto')));
      const tracked = stack.track(fail);
      const refused = ({ message }: IncomingResponse) =>
        settle({ ok: false, error: stack.failure(message, request), response: stack.original(message) });
      stack.core.register(request, {
        onAccept: ({ message }) => {
          const response = stack.original(message);
          if (response === null) fail(new AppError('internal', { cause: 'a 200 of nobody' }));
          else settle({ ok: true, response });
        },
        onReject: refused,
        onRedirect: refused,
      });
    });
  }

  /** Whole blocks of CSeqs are reserved in the store, before the first of them is used: a crash may leave a gap, never a repetition. */
  #takeCseq(): void {
    this.#cseq += 1;
    // sip.js raises the number by itself when it repeats a challenged request, twice at most.
    if (this.#cseq + 2 < this.#reserved) return;
    this.#reserved = this.#cseq + CSEQ_BLOCK;
    this.#options.store?.save({ callId: this.#callId, cseq: this.#reserved });
  }

  /** The Contact of REGISTER is the flow's own address, never a GRUU, which a registrar must refuse (RFC 5627 section 5.1). */
  #contact(expires: number): string {
    const { instanceId } = this.#options;
    const name = this.#deviceName.slice(0, MAX_DEVICE_NAME_CHARACTERS);
    const params = new Map<string, string | null>([[INSTANCE_PARAM, `<${instanceId}>`]]);
    if (this.#outbound) params.set('reg-id', '1');
    params.set('expires', String(expires));
    if (this.#icsis.length > 0) params.set(ICSI_PARAM, icsiValue(this.#icsis));
    // RFC 3840 section 10: a string feature stands in angle brackets.
    if (name !== '') params.set('description', `<${name.replace(/[<>]/g, '')}>`);
    params.set('methods', ALLOWED_METHODS.join(','));
    return formatNameAddr({ displayName: name, uri: this.flowContact(), params });
  }

  /** Where this device is reached over its flow. */
  flowContact(): string {
    const uri = parseUri(this.#options.aor);
    const user = uri.ok && uri.value.scheme !== 'other' && uri.value.scheme !== 'tel' ? uri.value.user : null;
    const local = this.#options.stack.flow?.local ?? { host: '127.0.0.1', port: 0 };
    const host = local.host.includes(':') ? `[${local.host}]` : local.host;
    const transport = this.#options.stack.flow?.contactTransport ?? 'tcp';
    return formatUri({ scheme: 'sip', user, host, port: local.port, params: new Map([['transport', transport]]), headers: [] });
  }

  /** Takes over what the 200 says; returns the seconds granted. */
  #learn(response: WireMessage): number {
    const { instanceId, log, aor } = this.#options;
    this.bindings = readBindings(response);
    const here = addressKey(this.flowContact());
    const own =
      this.bindings.find((binding) => binding.instanceId !== null && sameInstance(binding.instanceId, instanceId)) ??
      this.bindings.find((binding) => binding.instanceId === null && addressKey(binding.contact) === here);
    if (own === undefined) log.warn('The registrar does not list this device in its 200');
    const header = Number(/^\d{1,9}$/.exec(response.first('expires') ?? '')?.[0] ?? Number.NaN);
    const granted = own !== undefined && own.expires > 0 ? own.expires : Number.isNaN(header) ? this.#requestedExpires : header;
    if (granted <= 0) throw new AppError('sip/malformed', { status: 200, cause: 'the registrar granted no time' }, 'auto');
    this.expires = granted;
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

/** Every binding of a 200 to REGISTER. One unreadable Contact does not hide the others. */
export function readBindings(response: WireMessage): Binding[] {
  const header = Number(/^\d{1,9}$/.exec(response.first('expires') ?? '')?.[0] ?? 0);
  return response.list('contact').flatMap((value) => {
    const contact = parseNameAddr(value);
    return contact.ok && contact.value.uri !== '*' ? [readBinding(contact.value, header)] : [];
  });
}

function readBinding({ displayName, uri, params }: NameAddr, defaultExpires: number): Binding {
  const instance = params.get(INSTANCE_PARAM);
  const description = params.get('description')?.replace(/^<|>$/g, '');
  const expires = /^\d{1,9}$/.exec(params.get('expires') ?? '')?.[0];
  return {
    contact: uri,
    instanceId: instance ? parseInstance(instance) : null,
    deviceName: displayName ?? (description || null),
    expires: expires === undefined ? defaultExpires : Number(expires),
    icsis: parseIcsi(params.get(ICSI_PARAM) ?? ''),
    params,
    pubGruu: params.get('pub-gruu') ?? null,
    tempGruu: params.get('temp-gruu') ?? null,
  };
}

/** RFC 5626 section 5.4: how often the registrar wants to hear from the flow. */
function flowTimerMs(response: WireMessage): number {
  const seconds = Number(/^\d{1,6}$/.exec(response.first('flow-timer') ?? '')?.[0] ?? 0);
  return seconds > 0 ? seconds * 1000 : KEEPALIVE_INTERVAL_MS;
}
