/**
 * Stateful forwarding (RFC 3261 section 16): one request received, one or more branches sent, one best answer back. It decides nothing
 * about where a request goes; the core and the Participating Function do, and hand their decision in as branches.
 *
 *   open --first 2xx (INVITE: others are cancelled)--> answered      further 2xx of an INVITE still pass
 *     |  --6xx or CANCEL of the caller--> closing --all branches final--> answered (best response)
 *     \--all branches of the last q group final--> answered (best response)
 */
import { hostPort, uriOf } from './header-value';
import { responseTo, type SipRequest, type SipResponse } from './message';
import { newToken, type SipServer, type Target } from './sip-server';
import type { ClientTransaction, ServerTransaction } from './transaction';

/** RFC 3261 section 16.6 item 11: more than three minutes without a provisional response, and the branch is cancelled. */
export const TIMER_C_MS = 181_000;
/** Branches of one request at most (RFC 5393: a bound on the breadth of a fork). */
export const MAX_BRANCHES = 64;
/** RFC 3261 section 16.6 item 3: where a request without Max-Forwards starts. */
const DEFAULT_MAX_FORWARDS = 70;

/** RFC 3326: the Reason for the devices that did not answer first. */
const ANSWERED_ELSEWHERE = [['Reason', 'SIP;cause=200;text="Call completed elsewhere"']] as const;

/** Requests that begin a dialog: they are record-routed (RFC 3261 section 16.6 item 4). */
const DIALOG_FORMING = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY', 'UPDATE']);

/** One place a request is sent to. */
export interface Branch {
  target: Target;
  /** The Request-URI of this branch; without it the request's own stays. */
  uri?: string;
  /** Route values pushed on top of the request's (the Path of a binding, a function to visit). */
  routes?: readonly string[];
  /** Preference from 0 to 1 (RFC 3261 section 10.2.1.2); equal ones are tried together, lower ones later. 1 when absent. */
  q?: number;
  /** The status for the caller when the target cannot be reached: 480 for a device, 503 (the default) for a server. */
  unreachable?: number;
  /** Tried only when all before it are out of service (503, or unreachable). */
  isStandby?: boolean;
  /** Last changes of the request of this branch. */
  edit?: (request: SipRequest) => void;
}

export interface ForwardOptions {
  /** Record-Route put on dialog-forming requests: `<sip:127.0.0.1:5070;transport=tcp;lr>`, or the values for a target, topmost first. */
  recordRoute?: string | ((target: Target) => readonly string[]);
  /** Sees every response of a branch before it is forwarded, own Via taken off, and may change it. */
  onResponse?: (response: SipResponse) => void;
  /**
   * Sees the final response before it goes back, unless the caller has given up. True: whoever forwards has answered the request in another
   * way, and nothing goes back.
   */
  instead?: (response: SipResponse) => boolean;
  /** Runs once, with the final response that went back. */
  onAnswered?: (response: SipResponse) => void;
}

/** A request ready to be forwarded, or the answer that refuses it. `own` holds the Route URIs of this server that were on top. */
export type Prepared = { ok: true; request: SipRequest; own: string[] } | { ok: false; response: SipResponse };

/**
 * RFC 3261 sections 16.3, 16.4 and 16.6 items 1 to 3: checks Max-Forwards and Proxy-Require, takes own Route values off the top, counts
 * the hop down. The request received stays as it is; the copy may be changed.
 */
export function prepareForward(server: SipServer, received: SipRequest): Prepared {
  const refuse = (status: number, header?: readonly [string, string]): Prepared => {
    const response = responseTo(received, status, { toTag: newToken(8) });
    if (header !== undefined) response.append(header[0], header[1]);
    return { ok: false, response };
  };
  const hops = Number(received.get('max-forwards') ?? DEFAULT_MAX_FORWARDS + 1);
  if (hops <= 0) return refuse(483);
  const required = received.all('proxy-require');
  if (required.length > 0) return refuse(420, ['Unsupported', required.join(', ')]);
  const request = received.clone();
  request.set('Max-Forwards', String(hops - 1));
  const own: string[] = [];
  for (let top = request.get('route'); top !== null; top = request.get('route')) {
    const uri = uriOf(top);
    const place = hostPort(uri);
    if (place === null || !server.isOwn(place.host, place.port)) break;
    own.push(uri);
    request.shift('route');
  }
  return { ok: true, request, own };
}

/** Where a prepared request goes next: its topmost Route, else its Request-URI (RFC 3261 section 16.6 item 7). */
export function nextHop(request: SipRequest): string {
  const route = request.get('route');
  return route === null ? request.uri : uriOf(route);
}

/** The address of a SIP URI whose host is an address or `localhost` (the lab has no DNS). Null for names. */
export function addressTarget(uri: string): { host: string; port: number } | null {
  const place = hostPort(uri);
  if (place === null || !/^(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\[[0-9a-f:.]+\])$/i.test(place.host)) return null;
  return { host: place.host.replace(/^\[|\]$/g, ''), port: place.port ?? 5060 };
}

interface Leg {
  client: ClientTransaction;
  timerC: { dispose(): void } | null;
  final: SipResponse | null;
}

/** Sends `request` (from `prepareForward`) along `branches` and answers `transaction` with what comes back. */
export function forward(
  server: SipServer,
  transaction: ServerTransaction,
  request: SipRequest,
  branches: readonly Branch[],
  options: ForwardOptions = {},
): void {
  new Forwarding(server, transaction, request, branches, options).next();
}

type ForwardState = 'open' | 'closing' | 'answered';
const STEPS: Readonly<Record<ForwardState, readonly ForwardState[]>> = {
  open: ['closing', 'answered'],
  closing: ['answered'],
  answered: [],
};

class Forwarding {
  #state: ForwardState = 'open';
  readonly #groups: Branch[][] = [];
  readonly #legs: Leg[] = [];

  constructor(
    private readonly server: SipServer,
    private readonly transaction: ServerTransaction,
    private readonly request: SipRequest,
    branches: readonly Branch[],
    private readonly options: ForwardOptions,
  ) {
    const sorted = [...branches].slice(0, MAX_BRANCHES).sort((a, b) => (b.q ?? 1) - (a.q ?? 1));
    for (const branch of sorted) {
      const group = this.#groups.at(-1);
      if (group !== undefined && (group[0]?.q ?? 1) === (branch.q ?? 1)) group.push(branch);
      else this.#groups.push([branch]);
    }
    transaction.onCancel = (cancel) => this.#close(cancel.all('reason').map((value) => ['Reason', value] as const));
    transaction.onFlowLost = () => this.#close([]);
  }

  /** Starts the next q group, or answers when there is none. */
  next(): void {
    const group = this.#groups.shift();
    const isNeeded = group?.[0]?.isStandby !== true || this.#legs.every((leg) => leg.final?.status === 503);
    if (group === undefined || !isNeeded) this.#answerBest();
    else for (const branch of group) this.#send(branch);
  }

  #send(branch: Branch): void {
    const request = this.request.clone();
    if (branch.uri !== undefined) request.uri = branch.uri;
    for (const route of [...(branch.routes ?? [])].reverse()) request.insert('Route', route);
    const { recordRoute = [] } = this.options;
    if (DIALOG_FORMING.has(request.method)) {
      const values = typeof recordRoute === 'function' ? recordRoute(branch.target) : [recordRoute].flat();
      for (const value of [...values].reverse()) request.insert('Record-Route', value);
    }
    branch.edit?.(request);
    let leg: Leg | null = null;
    const client = this.server.request(request, branch.target, {
      onProvisional: (response) => leg !== null && this.#provisional(leg, response),
      onFinal: (response, local) => leg !== null && this.#final(leg, response, local ? (branch.unreachable ?? 503) : null),
      onFurther2xx: (response) => this.#pass(response),
    });
    leg = { client, timerC: null, final: null };
    this.#legs.push(leg);
    this.#watch(leg);
  }

  #watch(leg: Leg): void {
    if (this.request.method !== 'INVITE') return;
    leg.timerC?.dispose();
    leg.timerC = this.server.clock.setTimer(TIMER_C_MS, () => leg.client.cancel());
  }

  #provisional(leg: Leg, response: SipResponse): void {
    if (response.status === 100) return;
    this.#watch(leg);
    if (this.#state !== 'answered') this.#pass(response);
  }

  #final(leg: Leg, response: SipResponse, unreachable: number | null): void {
    leg.timerC?.dispose();
    // A response made here has nobody's To tag, and its status is already meant for the caller.
    const final =
      unreachable === null
        ? response
        : responseTo(this.request, response.status === 408 ? 408 : unreachable, { toTag: this.transaction.toTag });
    leg.final = final;
    if (unreachable === null) final.shift('via');
    if (this.#state === 'answered') {
      if (this.request.method === 'INVITE' && final.status < 300) this.#passOn(final);
      return;
    }
    if (final.status < 300) {
      this.#transition('answered');
      this.#answer(final);
      this.#cancelOthers(ANSWERED_ELSEWHERE);
      return;
    }
    if (final.status >= 600 && this.#state === 'open') {
      // RFC 3261 section 16.7 item 5: a 6xx ends the search, but is not sent before the other branches are over.
      this.#transition('closing');
      this.#cancelOthers([['Reason', `SIP;cause=${final.status};text="${final.reason.replace(/["\\]/g, '')}"`]]);
    }
    if (this.#legs.some((other) => other.final === null)) return;
    if (this.#state === 'open') this.next();
    else this.#answerBest();
  }

  /** The caller gave up, or its connection is gone: no new branch is tried, and ringing ones are cancelled. */
  #close(headers: readonly (readonly [string, string])[]): void {
    if (this.#state !== 'open') return;
    this.#transition('closing');
    this.#cancelOthers(headers);
    if (this.#legs.every((leg) => leg.final !== null)) this.#answerBest();
  }

  #cancelOthers(headers: readonly (readonly [string, string])[]): void {
    for (const leg of this.#legs) if (leg.final === null) leg.client.cancel(headers);
  }

  #answerBest(): void {
    if (this.#state === 'answered') return;
    const isWanted = this.#state === 'open';
    this.#transition('answered');
    const finals = this.#legs.map((leg) => leg.final).filter((final) => final !== null);
    const best = bestResponse(finals) ?? responseTo(this.transaction.request, 480, { toTag: this.transaction.toTag });
    if (!isWanted || this.options.instead?.(best) !== true) this.#answer(best);
  }

  #answer(response: SipResponse): void {
    this.#passOn(response);
    this.options.onAnswered?.(response);
  }

  #pass(response: SipResponse): void {
    const forwarded = response.clone();
    forwarded.shift('via');
    this.#passOn(forwarded);
  }

  #passOn(response: SipResponse): void {
    this.options.onResponse?.(response);
    this.transaction.respond(response);
  }

  #transition(to: ForwardState): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`forwarding cannot go from ${this.#state} to ${to}`);
    this.#state = to;
  }
}

/** RFC 3261 section 16.7 item 6: statuses that tell the caller how to do better come first within their class. */
const INFORMATIVE = [401, 407, 415, 420, 484, 423, 421, 422, 488, 606, 486, 403, 413, 480, 487, 404, 481, 408];

function rank(status: number): number {
  const place = INFORMATIVE.indexOf(status);
  return place < 0 ? INFORMATIVE.length - 1.5 : place;
}

/**
 * The response for the caller: any 6xx, else the lowest class, else the most informative; challenges of all branches are collected (RFC
 * 3261 section 16.7, item 7).
 */
export function bestResponse(finals: readonly SipResponse[]): SipResponse | null {
  const classOf = (status: number) => (status >= 600 ? 0 : Math.floor(status / 100));
  const [best] = [...finals].sort((a, b) => classOf(a.status) - classOf(b.status) || rank(a.status) - rank(b.status));
  if (best === undefined) return null;
  if (best.status !== 401 && best.status !== 407) return best;
  const gathered = best.clone();
  for (const name of ['WWW-Authenticate', 'Proxy-Authenticate']) {
    const challenges = finals.filter((final) => final.status === 401 || final.status === 407).flatMap((final) => final.all(name));
    gathered.set(name, [...new Set(challenges)]);
  }
  return gathered;
}
