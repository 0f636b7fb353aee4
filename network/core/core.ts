/**
 * The SIP/IP core of the network: registrar, proxy and service routing on one SipServer (in 3GPP's words a P-, I- and S-CSCF at once).
 *
 *   client --> [authenticate] --> originating PF --> [find the called person] --> terminating PF --> devices
 *
 * Policy belongs to the person: every request that begins something visits the Participating Functions, whatever service it says it is for.
 *
 * It has two listeners: one for clients, and one for the functions, whose requests are trusted. `visits.ts` says how a request goes to a
 * function and comes back.
 */

import { backgroundClock, type Timekeeper } from '../../base/clock';
import { addressKey, parseUri } from '../../protocol/uri';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import type { TransportName } from '../sip/flow';
import { isForeign, uriOf } from '../sip/header-value';
import type { SipRequest } from '../sip/message';
import { type Branch, forward, prepareForward } from '../sip/proxy';
import { type Flow, SipServer } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import type { ServerKey } from '../sip/transport-listener';
import { Authenticator, type AuthenticatorOptions } from './authenticator';
import { isCpm } from './caller-preferences';
import { assertIdentity, withoutFocus } from './claims';
import { Destinations, type Refusal, type ServiceRoute } from './destinations';
import { Directory, type Subscriber, type SubscriberOptions } from './directory';
import { type FaultRule, Faults } from './faults';
import { InDialog } from './in-dialog';
import { OwnRoutes, routeParam } from './own-routes';
import { type Binding, type BindingChange, type BindingEnd, Registrar } from './registrar';
import { isRegistrationSubscribe, RegistrationEvents } from './registration-events';
import { Senders } from './senders';
import { ThirdPartyRegister } from './third-party-register';
import { type Stage, Visits } from './visits';

/** Name of the listener for the functions. */
const SERVICE_LISTENER = 'service';

export interface CoreOptions extends AuthenticatorOptions {
  domain: string;
  users: readonly SubscriberOptions[];
  /** 127.0.0.1 when absent. */
  host?: string;
  /** Port for clients, 0 (any free one) when absent. */
  port?: number;
  /** Further listeners for clients. */
  listeners?: readonly { transport: TransportName; port: number; key?: ServerKey }[];
  /** Port for the functions, 0 when absent. */
  servicePort?: number;
  /** The secret that the functions know; without it whoever reaches `servicePort` is believed. */
  functionSecret?: string;
  /** False: the registrar gives no GRUUs, as older networks do. */
  gruu?: boolean;
  minExpiresSeconds?: number;
  clock?: Timekeeper;
  log?: NetworkLog;
  tap?: WireTap;
  /** True: registration events are told in full documents alone. */
  fullRegInfo?: boolean;
  /** Oddities from the start; more may be added to `faults` at any time. */
  faults?: readonly FaultRule[];
  /** The seed for the chances in `faults`. */
  seed?: number;
  /** Every change of a binding, after it happened. */
  onBindings?: (change: BindingChange) => void;
}

export interface Core {
  /** For clients: `sip:127.0.0.1:5070;transport=tcp`. */
  readonly uri: string;
  readonly port: number;
  /** For clients that come over `transport`; null when there is no such listener. */
  uriOver(transport: TransportName): string | null;
  /** For the functions alone: what arrives there is trusted. */
  readonly serviceUri: string;
  readonly domain: string;
  /** How this core misbehaves. */
  readonly faults: Faults;
  /** The Participating Function that requests of both sides visit, and the identity by which it may watch registrations; null: none. */
  setParticipating(uri: string | null, identity?: string): void;
  addService(route: ServiceRoute): void;
  /** The live bindings of an address; empty when nobody has it. */
  bindings(aor: string): Binding[];
  /** Ends the bindings of an address, or of one instance of it, as an operator would, and gives the reason. Returns how many there were. */
  endBindings(aor: string, why: { event: BindingEnd; instanceId?: string; retryAfter?: number }): number;
  /** Shortens the bindings of an address, or of one instance of it, as an operator would. Returns how many. */
  shortenBindings(aor: string, seconds: number, instanceId?: string): number;
  /** Transactions that are not over. */
  readonly transactionCount: number;
  close(): Promise<void>;
}

/** Starts the core. Rejects when it cannot listen. */
export async function startCore(options: CoreOptions): Promise<Core> {
  const core = new SipCore(options);
  await core.listen();
  return core;
}

class SipCore implements Core {
  readonly domain: string;
  readonly faults: Faults;
  readonly #options: CoreOptions;
  readonly #server: SipServer;
  readonly #directory: Directory;
  readonly #authenticator: Authenticator;
  readonly #registrar: Registrar;
  readonly #destinations: Destinations;
  readonly #visits = new Visits();
  readonly #routes: OwnRoutes;
  readonly #senders: Senders;
  readonly #inDialog: InDialog;
  readonly #events: RegistrationEvents;
  readonly #thirdParty: ThirdPartyRegister;
  #participating: string | null = null;
  #participatingIdentity: string | null = null;
  /** Changes made by the current REGISTER; they are announced after its answer has been sent. */
  #untold: BindingChange[] | null = null;
  #port = 0;
  #servicePort = 0;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.domain = options.domain.toLowerCase();
    const clock = options.clock ?? backgroundClock;
    this.#server = new SipServer({
      clock,
      ...(options.log && { log: options.log }),
      ...(options.tap && { tap: options.tap }),
      ...(options.functionSecret !== undefined && {
        secret: { value: options.functionSecret, covers: (flow: Flow) => this.#isTrusted(flow) },
      }),
    });

    this.#directory = new Directory(this.domain, options.users);
    this.faults = new Faults(clock, options.seed, options.log);
    for (const rule of options.faults ?? []) this.faults.add(rule);
    this.#authenticator = new Authenticator(this.#directory, clock, options);
    this.#registrar = new Registrar({
      directory: this.#directory,
      clock,
      gruu: options.gruu ?? true,
      ...(options.minExpiresSeconds !== undefined && { minExpiresSeconds: options.minExpiresSeconds }),
      serviceRoute: (flow) => `<${this.#server.uriFor(flow).replace(/^sip:/, 'sip:orig@')};lr>`,
      onChange: (change) => {
        if (this.#untold === null) this.#announce([change]);
        else this.#untold.push(change);
      },
    });
    const [directory, registrar, authenticator] = [this.#directory, this.#registrar, this.#authenticator];
    this.#routes = new OwnRoutes(
      this.#server,
      (flow) => registrar.ownersOf(flow),
      (flow) => this.#isTrusted(flow),
      () => this.serviceUri,
    );
    this.#senders = new Senders({ directory, registrar, authenticator, log: options.log });
    this.#destinations = new Destinations(this.#directory, this.#registrar, (host, port) => this.#server.isOwn(host, port));
    this.#inDialog = new InDialog({
      ...{ server: this.#server, routes: this.#routes, registrar, senders: this.#senders, destinations: this.#destinations },
      isTrusted: (flow) => this.#isTrusted(flow),
      send: (transaction, request, places, sender) => this.#send(transaction, request, places, sender),
    });
    this.#events = new RegistrationEvents({
      server: this.#server,
      contact: () => `<${this.#server.uri}>`,
      bindings: (subscriber) => this.#registrar.bindings(subscriber),
      deviceAt: (uri, owner) =>
        this.#registrar.resolveGruu(uri)?.bindings.at(-1) ??
        this.#registrar.boundTo(uri).find(({ subscriber }) => subscriber === owner)?.binding ??
        null,
      ...(options.fullRegInfo !== undefined && { alwaysFull: options.fullRegInfo }),
    });
    this.#thirdParty = new ThirdPartyRegister({
      server: this.#server,
      identity: `sip:core.${this.domain}`,
      contact: () => this.serviceUri,
      bindings: (subscriber) => this.#registrar.bindings(subscriber),
      ...(options.log && { log: options.log }),
    });
    this.#server.onRequest = (transaction) => this.faults.serve(transaction, () => this.#receive(transaction));
    this.#server.isKept = (flow) => registrar.ownersOf(flow).length > 0;
    this.#server.onAck = (ack, flow) => this.#inDialog.acknowledge(ack, flow);
  }

  async listen(): Promise<void> {
    const host = this.#options.host ?? '127.0.0.1';
    this.#port = await this.#server.listen({ host, port: this.#options.port ?? 0 });
    try {
      this.#servicePort = await this.#server.listen({ host, port: this.#options.servicePort ?? 0, name: SERVICE_LISTENER });
      for (const listener of this.#options.listeners ?? []) await this.#server.listen({ host, ...listener });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get uri(): string {
    return this.#server.uri;
  }

  uriOver(transport: TransportName): string | null {
    return this.#server.uriOver(transport);
  }

  get port(): number {
    return this.#port;
  }

  get transactionCount(): number {
    return this.#server.transactionCount;
  }

  get serviceUri(): string {
    return `sip:${this.#options.host ?? '127.0.0.1'}:${this.#servicePort};transport=tcp`;
  }

  setParticipating(uri: string | null, identity?: string): void {
    this.#participating = uri;
    this.#participatingIdentity = identity ?? null;
    if (uri === null) return;
    this.#destinations.addPeer(uri);
    for (const subscriber of this.#directory.all)
      if (this.#registrar.bindings(subscriber).length > 0) this.#thirdParty.tell(subscriber, uri);
  }

  addService(route: ServiceRoute): void {
    this.#destinations.addService(route);
  }

  bindings(aor: string): Binding[] {
    const subscriber = this.#directory.find(aor);
    return subscriber === null ? [] : this.#registrar.bindings(subscriber);
  }

  endBindings(aor: string, why: { event: BindingEnd; instanceId?: string; retryAfter?: number }): number {
    const subscriber = this.#directory.find(aor);
    if (subscriber === null) return 0;
    return this.#together(() => this.#registrar.end(subscriber, why.instanceId ?? null, why.event, why.retryAfter));
  }

  shortenBindings(aor: string, seconds: number, instanceId?: string): number {
    const subscriber = this.#directory.find(aor);
    return subscriber === null ? 0 : this.#together(() => this.#registrar.shorten(subscriber, instanceId ?? null, seconds));
  }

  /** Runs `work` and announces all its changes of bindings together, afterwards. */
  #together<T>(work: () => T): T {
    const changes: BindingChange[] = [];
    this.#untold = changes;
    try {
      return work();
    } finally {
      this.#untold = null;
      this.#announce(changes);
    }
  }

  /** Bindings have changed: tells the watchers, and the Participating Function when it does not watch yet. */
  #announce(changes: readonly BindingChange[]): void {
    for (const change of changes) this.#options.onBindings?.(change);
    for (const subscriber of new Set(changes.map((change) => change.subscriber))) {
      this.#events.changed(
        subscriber,
        changes.filter((change) => change.subscriber === subscriber),
      );
      if (this.#participating !== null) this.#thirdParty.tell(subscriber, this.#participating);
    }
  }

  async close(): Promise<void> {
    this.#events.abandon();
    this.#registrar.close();
    await this.#server.close();
  }

  /** Requests over the functions' listener, and over connections that this core opened to a function, are trusted. */
  #isTrusted(flow: Flow): boolean {
    return flow.listener === SERVICE_LISTENER || flow.listener === null;
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const refusal = this.#screen(request);
    if (refusal !== null) this.#refuse(transaction, refusal);
    else if (request.method === 'REGISTER') this.#register(transaction);
    else if (request.method === 'OPTIONS' && request.toTag === null && this.#isForCore(request.uri)) {
      transaction.reply(200, {
        headers: [
          ['Allow', 'INVITE, ACK, CANCEL, BYE, MESSAGE, OPTIONS, NOTIFY, SUBSCRIBE, REFER, UPDATE, PRACK, REGISTER'],
          ['Allow-Events', 'reg'],
          ['Supported', 'path, gruu, outbound'],
        ],
      });
    } else if (request.toTag !== null) {
      if (!this.#events.handle(transaction, (watcher) => this.#inDialog.speaksFor(transaction.flow, watcher)))
        this.#inDialog.receive(transaction);
    } else this.#initial(transaction);
  }

  /**
   * Refuses what no request may have. An instance URN is a name and not a location (RFC 5626 section 4.1): only a GRUU can be routed to.
   */
  #screen(request: SipRequest): Refusal | null {
    if (/^urn:/i.test(request.uri)) return { status: 416, reason: 'A URN cannot be routed to' };
    const uri = parseUri(request.uri);
    if (!uri.ok) return { status: 400, reason: `Request-URI: ${uri.reason}` };
    if (uri.value.scheme === 'other' && (!isCpm(request) || this.#participating === null))
      return { status: 416, reason: 'Only sip, sips and tel are routed' };
    return null;
  }

  #isForCore(uri: string): boolean {
    const read = parseUri(uri);
    return (
      read.ok && (read.value.scheme === 'sip' || read.value.scheme === 'sips') && read.value.user === null && this.#destinations.isHome(uri)
    );
  }

  #register(transaction: ServerTransaction): void {
    const { request, flow } = transaction;
    if (!this.#destinations.isHome(request.uri)) {
      this.#refuse(transaction, { status: 404, reason: `Only ${this.domain} is registered here` });
      return;
    }
    const verdict = this.#authenticator.verify(request, 'authorization', flow);
    if (!verdict.ok) {
      this.#senders.challenge(transaction, verdict);
      return;
    }
    this.#together(() => {
      const response = this.#registrar.register(request, verdict.subscriber, flow);
      if (verdict.nextNonce !== null) response.append('Authentication-Info', `nextnonce="${verdict.nextNonce}"`);
      this.faults.respond(transaction, response);
    });
  }

  #refuse(transaction: ServerTransaction, refusal: Refusal): void {
    transaction.reply(refusal.status, { reason: refusal.reason });
  }

  #send(transaction: ServerTransaction, request: SipRequest, places: Branch[] | Refusal, sender: Subscriber | null = null): void {
    if ('status' in places) {
      this.#refuse(transaction, places);
      return;
    }
    const fromDevice = places.every(({ target }) => 'isOpen' in target && !this.#isTrusted(target));
    forward(this.#server, transaction, request, places, {
      recordRoute: this.#routes.record(transaction, sender),
      onResponse: (response) => {
        if (fromDevice) withoutFocus(response);
        this.#routes.settle(response, transaction, sender);
      },
    });
  }

  #initial(transaction: ServerTransaction): void {
    const prepared = prepareForward(this.#server, transaction.request);
    if (!prepared.ok) {
      transaction.respond(prepared.response);
      return;
    }
    const { request, own } = prepared;
    const stage = this.#visits.stageOf(own);
    if (stage !== null || this.#isTrusted(transaction.flow)) {
      request.remove('P-Served-User');
      if (isRegistrationSubscribe(request) && !request.has('route')) {
        this.#watch(transaction, request, null);
        return;
      }
      // A group invites an address outside of CPM on behalf of a member, whose Participating Function finds the gateway (R3).
      const asker = stage === null && isForeign(request.uri) ? this.#directory.find(uriOf(request.get('referred-by') ?? '')) : null;
      if (asker !== null && this.#participating !== null) {
        this.#visit(transaction, request, this.#participating, 'originating', asker);
        return;
      }
      const skip = stage === 'terminating' || own.some((uri) => routeParam(uri, 'stage') === 'deliver');
      if (skip || request.has('route')) this.#send(transaction, request, this.#destinations.places(request));
      else this.#terminate(transaction, request);
      return;
    }
    // A client's Routes beyond this core are not followed: the core decides the way.
    request.remove('route');
    const subscriber = this.#senders.senderOf(transaction, request);
    if (subscriber === null) return;
    assertIdentity(request, subscriber);
    if (isRegistrationSubscribe(request)) {
      this.#watch(transaction, request, subscriber);
      return;
    }
    if (this.#participating === null) this.#terminate(transaction, request, subscriber);
    else this.#visit(transaction, request, this.#participating, 'originating', subscriber);
  }

  /**
   * TS 24.229 5.4.2.1.1: only the user and the Participating Function may watch a user's registrations; `watcher` is null for a function.
   */
  #watch(transaction: ServerTransaction, request: SipRequest, watcher: Subscriber | null): void {
    const watched = this.#destinations.called(request.uri);
    const asserted = request.all('p-asserted-identity').map((value) => addressKey(uriOf(value)));
    const isFunction =
      watcher === null && this.#participatingIdentity !== null && asserted.includes(addressKey(this.#participatingIdentity));
    if ('status' in watched) this.#refuse(transaction, watched);
    else if (isFunction || watcher === watched) this.#events.subscribe(transaction, watched, isFunction);
    else this.#refuse(transaction, { status: 403, reason: 'These registrations are not yours to watch' });
  }

  #visit(transaction: ServerTransaction, request: SipRequest, participating: string, stage: Stage, served: Subscriber): void {
    const registered = this.#registrar.bindings(served).length > 0;
    const begun = this.#visits.begin({ participating, back: this.serviceUri, stage, served, registered });
    if (begun === null) {
      this.#refuse(transaction, { status: 503, reason: 'The Participating Function cannot be reached' });
      return;
    }
    const { branch, end } = begun;
    const caller = stage === 'originating' && !this.#isTrusted(transaction.flow) ? served : null;
    forward(this.#server, transaction, request, [branch], {
      recordRoute: this.#routes.record(transaction, caller),
      onResponse: (response) => this.#routes.settle(response, transaction, caller),
      onAnswered: end,
    });
  }

  /** The side of the called person: first the Participating Function, then the devices. `caller` is the sender whom this core has identified. */
  #terminate(transaction: ServerTransaction, request: SipRequest, caller: Subscriber | null = null): void {
    const participating = this.#participating;
    if (participating === null || this.#destinations.servicesFor(request.uri).length > 0) {
      this.#send(transaction, request, this.#destinations.places(request), caller);
      return;
    }
    const called = this.#destinations.called(request.uri);
    if ('status' in called) this.#refuse(transaction, called);
    else this.#visit(transaction, request, participating, 'terminating', called);
  }
}
