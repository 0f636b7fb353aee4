/**
 * SIP transactions over reliable transports: RFC 3261 section 17 with the correction of RFC 6026. Nothing is retransmitted here (timers
 * A, E and G belong to UDP), and the timers that only absorb retransmissions (D, I, J, K) are zero.
 *
 *   INVITE client   calling --1xx--> proceeding --300-699--> terminated (ACK sent)
 *                      \------------------\------2xx-------> accepted --timer M--> terminated   (further 2xx are told)
 *                       timer B: 408       flow lost: 503
 *   other client    trying --1xx--> proceeding --final--> terminated            timer F: 408, flow lost: 503
 *   INVITE server   proceeding --300-699--> completed --ACK or timer H--> terminated
 *                      \-----2xx-----> accepted --timer L--> terminated         (ACK and further 2xx pass)
 *   other server    trying --1xx--> proceeding --final--> terminated
 */
import type { Timekeeper } from '../../base/clock';
import type { Flow } from './flow';
import { responseTo, SipRequest, type SipResponse } from './message';

/** RFC 3261 section 17.1.1.1: the estimate of a round trip, milliseconds. */
const T1_MS = 500;
/** Timers B, F, H, L and M: how long a transaction waits for what must come. */
export const TRANSACTION_TIMEOUT_MS = 64 * T1_MS;

type ClientState = 'calling' | 'trying' | 'proceeding' | 'accepted' | 'terminated';

const CLIENT_STEPS: Readonly<Record<ClientState, readonly ClientState[]>> = {
  calling: ['proceeding', 'accepted', 'terminated'],
  trying: ['proceeding', 'terminated'],
  proceeding: ['accepted', 'terminated'],
  accepted: ['terminated'],
  terminated: [],
};

export interface ClientHandlers {
  /** Every provisional response, 100 included. */
  onProvisional?: ((response: SipResponse) => void) | undefined;
  /**
   * The first final response. `local` means that it was made here: 408 when no answer came, 503 when the flow broke or could not be opened
   * (RFC 3261 section 8.1.3.1).
   */
  onFinal?: ((response: SipResponse, local: boolean) => void) | undefined;
  /** INVITE only: a 2xx after the first one, from another branch of a fork (RFC 6026) or sent again. */
  onFurther2xx?: ((response: SipResponse) => void) | undefined;
}

/** One request sent, and its responses. Made by `SipServer.request`. */
export class ClientTransaction {
  #state: ClientState;
  #timer: { dispose(): void } | null = null;
  #cancel: { headers: readonly (readonly [string, string])[]; sent: boolean } | null = null;
  #settle: (response: SipResponse) => void = () => undefined;
  /** Resolves with the first final response, a local 408 or 503 included. Never rejects. */
  readonly final: Promise<SipResponse>;

  constructor(
    /** As sent, with our Via on top. */
    readonly request: SipRequest,
    readonly flow: Flow,
    private readonly clock: Timekeeper,
    private readonly handlers: ClientHandlers,
    /** Sends the CANCEL as a transaction of its own. */
    private readonly sendCancel: (cancel: SipRequest, flow: Flow) => void,
    private readonly onTerminated: () => void,
  ) {
    this.#state = request.method === 'INVITE' ? 'calling' : 'trying';
    this.final = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Sends the request. Called once, by SipServer. */
  start(): void {
    this.#timer = this.clock.setTimer(TRANSACTION_TIMEOUT_MS, () => this.fail(408));
    this.flow.send(this.request);
  }

  /**
   * Cancels an INVITE that has no final response (RFC 3261 section 9.1): the CANCEL leaves at the first provisional response, not
   * before. `headers` go into it (Reason, RFC 3326). Its outcome is the final response of the INVITE, usually 487.
   */
  cancel(headers: readonly (readonly [name: string, value: string])[] = []): void {
    if (this.request.method !== 'INVITE' || this.#cancel !== null) return;
    if (this.#state !== 'calling' && this.#state !== 'proceeding') return;
    this.#cancel = { headers, sent: false };
    if (this.#state === 'proceeding') this.#doCancel();
  }

  #doCancel(): void {
    if (this.#cancel === null || this.#cancel.sent) return;
    this.#cancel.sent = true;
    const cancel = this.#derive('CANCEL');
    for (const [name, value] of this.#cancel.headers) cancel.append(name, value);
    this.sendCancel(cancel, this.flow);
    // RFC 3261 section 9.1: no final response within 64*T1 after the CANCEL means that the INVITE is over.
    this.#timer?.dispose();
    this.#timer = this.clock.setTimer(TRANSACTION_TIMEOUT_MS, () => this.fail(408));
  }

  /** CANCEL and the ACK of a failure: Request-URI, topmost Via, From, Call-ID, CSeq number and Route of the request (sections 9.1, 17.1.1.3). */
  #derive(method: 'CANCEL' | 'ACK'): SipRequest {
    const derived = new SipRequest(method, this.request.uri);
    derived.append('Via', this.request.get('via') ?? '');
    derived.append('Max-Forwards', '70');
    for (const route of this.request.all('route')) derived.append('Route', route);
    derived.append('From', this.request.get('from') ?? '');
    derived.append('To', this.request.get('to') ?? '');
    derived.append('Call-ID', this.request.callId);
    derived.append('CSeq', `${this.request.cseq.number} ${method}`);
    return derived;
  }

  /** A response that matches came in. */
  receive(response: SipResponse): void {
    if (response.status < 200) {
      if (this.#state === 'calling' || this.#state === 'trying') {
        // Timer B ends with the first provisional response; a proxy goes on with its timer C. Timer F runs on (section 17.1.2.2).
        if (this.#state === 'calling') this.#timer?.dispose();
        this.#transition('proceeding');
      }
      if (this.#state !== 'proceeding') return;
      this.handlers.onProvisional?.(response);
      this.#doCancel();
      return;
    }
    const isInvite = this.request.method === 'INVITE';
    if (this.#state === 'accepted') {
      if (response.status < 300) this.handlers.onFurther2xx?.(response);
      return;
    }
    if (this.#state === 'terminated') return;
    if (isInvite && response.status >= 300) this.flow.send(this.#derive('ACK').set('To', response.get('to') ?? ''));
    if (isInvite && response.status < 300) {
      this.#transition('accepted');
      this.#timer = this.clock.setTimer(TRANSACTION_TIMEOUT_MS, () => this.#transition('terminated'));
    } else this.#transition('terminated');
    this.#finish(response, false);
  }

  /** The flow broke, or a timer ran out. */
  fail(status: 408 | 503): void {
    if (this.#state === 'terminated') return;
    const early = this.#state !== 'accepted';
    this.#transition('terminated');
    if (early) this.#finish(responseTo(this.request, status), true);
  }

  #finish(response: SipResponse, local: boolean): void {
    this.#settle(response);
    this.handlers.onFinal?.(response, local);
  }

  #transition(to: ClientState): void {
    if (!CLIENT_STEPS[this.#state].includes(to)) throw new Error(`client transaction cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    if (to === 'proceeding') return;
    this.#timer?.dispose();
    this.#timer = null;
    if (to === 'terminated') this.onTerminated();
  }
}

type ServerState = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

const SERVER_STEPS: Readonly<Record<ServerState, readonly ServerState[]>> = {
  trying: ['proceeding', 'terminated'],
  proceeding: ['accepted', 'completed', 'terminated'],
  accepted: ['terminated'],
  completed: ['terminated'],
  terminated: [],
};

/** One request received, to be answered. Handed to `SipServer.onRequest`. */
export class ServerTransaction {
  #state: ServerState;
  #timer: { dispose(): void } | null = null;
  #last: SipResponse | null = null;
  /** The To tag of the responses that `reply` builds. */
  readonly toTag: string;
  /** The caller cancelled. The CANCEL has been answered with 200; this handler answers the INVITE (usually 487). Null: 487 is answered. */
  onCancel: ((cancel: SipRequest) => void) | null = null;
  /** The request's flow closed before a final response: the caller can no longer be told. */
  onFlowLost: (() => void) | null = null;

  constructor(
    readonly request: SipRequest,
    readonly flow: Flow,
    private readonly clock: Timekeeper,
    toTag: string,
    private readonly onTerminated: () => void,
  ) {
    this.toTag = toTag;
    this.#state = request.method === 'INVITE' ? 'proceeding' : 'trying';
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Whether a final response has been sent. */
  get isAnswered(): boolean {
    return this.#state !== 'trying' && this.#state !== 'proceeding';
  }

  /**
   * Sends `response`, which must carry the request's Vias (`responseTo`, or a forwarded response without our Via). Ignored after a final
   * response, except a further 2xx to an INVITE. True when it was sent.
   */
  respond(response: SipResponse): boolean {
    const isInvite = this.request.method === 'INVITE';
    if (this.#state === 'accepted') return response.status >= 200 && response.status < 300 && this.flow.send(response);
    if (this.#state !== 'trying' && this.#state !== 'proceeding') return false;
    this.#last = response;
    const sent = this.flow.send(response);
    if (response.status < 200) {
      if (this.#state === 'trying') this.#transition('proceeding');
    } else if (!isInvite) this.#transition('terminated');
    else {
      this.#transition(response.status < 300 ? 'accepted' : 'completed');
      this.#timer = this.clock.setTimer(TRANSACTION_TIMEOUT_MS, () => this.#transition('terminated'));
    }
    return sent;
  }

  /** Builds and sends a response with our To tag and the given headers. */
  reply(status: number, options: { reason?: string; headers?: readonly (readonly [name: string, value: string])[] } = {}): boolean {
    const response = responseTo(this.request, status, { reason: options.reason, toTag: status === 100 ? undefined : this.toTag });
    for (const [name, value] of options.headers ?? []) response.append(name, value);
    return this.respond(response);
  }

  /** The request came again: the last response goes out again. */
  repeat(): void {
    if (this.#last !== null && this.#state !== 'accepted') this.flow.send(this.#last);
  }

  /** A CANCEL for this INVITE came, and has been answered. */
  cancelled(cancel: SipRequest): void {
    if (this.isAnswered) return;
    if (this.onCancel !== null) this.onCancel(cancel);
    else this.reply(487);
  }

  /** An ACK with this transaction's branch came. True when it ended here, false when it is for the transaction's user. */
  acknowledged(): boolean {
    if (this.#state === 'accepted') return false;
    if (this.#state === 'completed') this.#transition('terminated');
    return true;
  }

  /** The flow closed. */
  flowLost(): void {
    if (this.#state === 'terminated') return;
    if (!this.isAnswered) this.onFlowLost?.();
    else this.#transition('terminated');
  }

  /** Ends without a message, when the server closes. */
  abandon(): void {
    if (this.#state !== 'terminated') this.#transition('terminated');
  }

  #transition(to: ServerState): void {
    if (!SERVER_STEPS[this.#state].includes(to)) throw new Error(`server transaction cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    this.#timer?.dispose();
    this.#timer = null;
    if (to === 'terminated') this.onTerminated();
  }
}
