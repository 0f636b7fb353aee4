/**
 * One side of a SIP dialog (RFC 3261 section 12), for the roles that end dialogs themselves: focus, media switch, subscriptions. It
 * builds in-dialog requests along the route set, checks the order of incoming ones, and keeps the remote target fresh. Over TCP no
 * 2xx has to be repeated, so it has no timers of its own.
 *
 *   early --2xx--> confirmed --BYE or end()--> ended
 */
import { paramOf, uriOf } from './header-value';
import { responseTo, SipRequest, type SipResponse } from './message';
import { newToken, type SipServer, type Target } from './sip-server';
import type { ClientHandlers, ClientTransaction, ServerTransaction } from './transaction';

type DialogState = 'early' | 'confirmed' | 'ended';

const STEPS: Readonly<Record<DialogState, readonly DialogState[]>> = { early: ['confirmed', 'ended'], confirmed: ['ended'], ended: [] };

/** Resolves the URI of a next hop (topmost Route or remote target) to a target; null when it cannot be reached. */
export type Resolve = (uri: string) => Target | null;

interface DialogParts {
  callId: string;
  localTag: string;
  remoteTag: string;
  /** From/To values without tag. */
  localAddress: string;
  remoteAddress: string;
  remoteTarget: string;
  routeSet: string[];
  localSequence: number;
  remoteSequence: number | null;
  /** Our Contact value, with brackets and parameters. */
  contact: string;
}

/** Takes the tag off a From or To value. */
function withoutTag(value: string): string {
  return value.replace(/;\s*tag\s*=[^;]*/i, '').trim();
}

export class Dialog {
  #state: DialogState;
  readonly #parts: DialogParts;
  /** The INVITE's CSeq number, which its ACK repeats. */
  #inviteSequence: number;

  private constructor(
    private readonly server: SipServer,
    private readonly resolve: Resolve,
    parts: DialogParts,
    state: DialogState,
  ) {
    this.#parts = parts;
    this.#state = state;
    this.#inviteSequence = parts.localSequence;
  }

  /**
   * The dialog that a received request (INVITE, SUBSCRIBE) begins. Answer that request with `response`: it adds tag, Contact and
   * Record-Route. `contact` is our Contact value, for example `<sip:grp-1@cf.lab.test>;isfocus`.
   */
  static ofReceived(server: SipServer, transaction: ServerTransaction, contact: string, resolve: Resolve): Dialog {
    const request = transaction.request;
    const parts: DialogParts = {
      callId: request.callId,
      localTag: transaction.toTag,
      remoteTag: request.fromTag ?? '',
      localAddress: withoutTag(request.get('to') ?? ''),
      remoteAddress: withoutTag(request.get('from') ?? ''),
      remoteTarget: uriOf(request.get('contact') ?? request.get('from') ?? ''),
      routeSet: request.all('record-route'),
      localSequence: 0,
      remoteSequence: request.cseq.number,
      contact,
    };
    return new Dialog(server, resolve, parts, 'early');
  }

  /** The dialog that `response` (18x with a To tag, or 2xx) makes of the request sent. Null when the response cannot make one. */
  static ofSent(server: SipServer, request: SipRequest, response: SipResponse, resolve: Resolve): Dialog | null {
    const remoteTag = response.toTag;
    const target = response.get('contact');
    if (remoteTag === null || target === null || response.status === 100 || response.status >= 300) return null;
    const parts: DialogParts = {
      callId: request.callId,
      localTag: request.fromTag ?? '',
      remoteTag,
      localAddress: withoutTag(request.get('from') ?? ''),
      remoteAddress: withoutTag(response.get('to') ?? ''),
      remoteTarget: uriOf(target),
      routeSet: response.all('record-route').reverse(),
      localSequence: request.cseq.number,
      remoteSequence: null,
      contact: request.get('contact') ?? '',
    };
    return new Dialog(server, resolve, parts, response.status >= 200 ? 'confirmed' : 'early');
  }

  get state(): DialogState {
    return this.#state;
  }

  /** Call-ID, local tag, remote tag: what `dialogIdOf` reads from an incoming request. */
  get id(): string {
    return `${this.#parts.callId}|${this.#parts.localTag}|${this.#parts.remoteTag}`;
  }

  get callId(): string {
    return this.#parts.callId;
  }

  get localTag(): string {
    return this.#parts.localTag;
  }

  get remoteTag(): string {
    return this.#parts.remoteTag;
  }

  /** Where in-dialog requests go: the peer's last Contact. */
  get remoteTarget(): string {
    return this.#parts.remoteTarget;
  }

  /** From/To value of the peer, without tag. */
  get remoteAddress(): string {
    return this.#parts.remoteAddress;
  }

  get routeSet(): readonly string[] {
    return this.#parts.routeSet;
  }

  /** The answer to `transaction` of this dialog, with tag, Contact and (when it forms the dialog) Record-Route. Send it with `transaction.respond`. */
  response(transaction: ServerTransaction, status: number, reason?: string): SipResponse {
    const response = responseTo(transaction.request, status, { reason, toTag: this.#parts.localTag });
    if (status > 100 && status < 300) {
      if (transaction.request.toTag === null)
        for (const route of transaction.request.all('record-route')) response.append('Record-Route', route);
      response.set('Contact', this.#parts.contact);
      if (status >= 200 && this.#state === 'early') this.#transition('confirmed');
    }
    return response;
  }

  /** Our INVITE has a 2xx after an early dialog: refreshes target and routes (RFC 3261 section 13.2.2.4). */
  confirm(response: SipResponse): void {
    const target = response.get('contact');
    if (target !== null) this.#parts.remoteTarget = uriOf(target);
    this.#parts.routeSet = response.all('record-route').reverse();
    if (this.#state === 'early') this.#transition('confirmed');
  }

  /** Builds the next in-dialog request with tags, CSeq, Route and Contact. A given `contact` replaces our Contact from here on. */
  request(method: string, contact?: string): SipRequest {
    if (contact !== undefined) this.#parts.contact = contact;
    this.#parts.localSequence += 1;
    if (method === 'INVITE') this.#inviteSequence = this.#parts.localSequence;
    return this.#build(method, this.#parts.localSequence);
  }

  /** Sends an in-dialog request along the route set. A 2xx to a target-refresh request updates the remote target; 481 and 408 end the dialog. */
  send(request: SipRequest, handlers: ClientHandlers = {}): ClientTransaction {
    const isBye = request.method === 'BYE';
    if (isBye && this.#state !== 'ended') this.#transition('ended');
    return this.server.request(request, this.#nextHop(), {
      ...handlers,
      onFinal: (response, local) => {
        const contact = response.get('contact');
        if (response.status < 300 && contact !== null && (request.method === 'INVITE' || request.method === 'UPDATE'))
          this.#parts.remoteTarget = uriOf(contact);
        // RFC 3261 section 12.2.1.2: 481 and 408 end the dialog.
        if ((response.status === 481 || response.status === 408) && this.#state !== 'ended') this.#transition('ended');
        handlers.onFinal?.(response, local);
      },
    });
  }

  /** Acknowledges the 2xx of our last INVITE. `body` is the answer when the 2xx held the offer. */
  ack(body?: { contentType: string; body: Uint8Array }): boolean {
    const ack = this.#build('ACK', this.#inviteSequence);
    ack.remove('Contact');
    if (body !== undefined) ack.setBody(body.contentType, body.body);
    return this.server.sendAck(ack, this.#nextHop());
  }

  /** Sends BYE. `reason` is a Reason value: `SIP;cause=200;text="Call completed"`. */
  bye(reason?: string, handlers: ClientHandlers = {}): ClientTransaction {
    const bye = this.request('BYE');
    if (reason !== undefined) bye.set('Reason', reason);
    return this.send(bye, handlers);
  }

  /**
   * Checks an incoming in-dialog request: null when it is in order, else the status to answer (500 for an old CSeq, 481 after the end). A
   * BYE ends the dialog; a new Contact in a target-refresh request becomes the remote target.
   */
  receive(request: SipRequest): number | null {
    if (this.#state === 'ended') return 481;
    const { number } = request.cseq;
    if (request.method === 'ACK') return null;
    // RFC 3261 section 12.2.2: a lower sequence number is out of order.
    if (this.#parts.remoteSequence !== null && number <= this.#parts.remoteSequence) return 500;
    this.#parts.remoteSequence = number;
    const contact = request.get('contact');
    if (contact !== null && ['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER'].includes(request.method))
      this.#parts.remoteTarget = uriOf(contact);
    if (request.method === 'BYE') this.#transition('ended');
    return null;
  }

  /** Ends the dialog without a message: a subscription ran out, or the role closes. */
  end(): void {
    if (this.#state !== 'ended') this.#transition('ended');
  }

  #build(method: string, sequence: number): SipRequest {
    const parts = this.#parts;
    const request = new SipRequest(method, parts.remoteTarget);
    request.append('Max-Forwards', '70');
    for (const route of parts.routeSet) request.append('Route', route);
    request.append('From', `${parts.localAddress};tag=${parts.localTag}`);
    request.append('To', parts.remoteTag === '' ? parts.remoteAddress : `${parts.remoteAddress};tag=${parts.remoteTag}`);
    request.append('Call-ID', parts.callId);
    request.append('CSeq', `${sequence} ${method}`);
    if (method !== 'BYE') request.append('Contact', parts.contact);
    return request;
  }

  #nextHop(): Target {
    const first = this.#parts.routeSet[0];
    // An address that cannot be resolved gives a connection that fails, and so a local 503.
    return this.resolve(first === undefined ? this.#parts.remoteTarget : uriOf(first)) ?? { host: '127.0.0.1', port: 0 };
  }

  #transition(to: DialogState): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`dialog cannot go from ${this.#state} to ${to}`);
    this.#state = to;
  }
}

/** The `Dialog.id` that an incoming in-dialog request belongs to: its To tag is our tag. */
export function dialogIdOf(request: SipRequest): string {
  return `${request.callId}|${request.toTag ?? ''}|${request.fromTag ?? ''}`;
}

/** A request outside any dialog, with fresh tag and Call-ID. `from` and `to` are name-addr values. */
export function newRequest(
  method: string,
  uri: string,
  options: { from: string; to: string; contact?: string; callId?: string; sequence?: number },
): SipRequest {
  const request = new SipRequest(method, uri);
  request.append('Max-Forwards', '70');
  request.append('From', paramOf(options.from, 'tag') === null ? `${options.from};tag=${newToken(8)}` : options.from);
  request.append('To', options.to);
  request.append('Call-ID', options.callId ?? newToken(16));
  request.append('CSeq', `${options.sequence ?? 1} ${method}`);
  if (options.contact !== undefined) request.append('Contact', options.contact);
  return request;
}
