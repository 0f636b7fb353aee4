/**
 * The SIP side of one account on this device: registration, sessions, pager messages and subscriptions, all over one flow
 * to the outbound proxy (R39). Values in, values out: no type of sip.js leaves this folder.
 */
import { hostname } from 'node:os';
import type { IncomingInviteRequest } from 'sip.js/lib/core/index.js';
import type { Clock } from '../../base/clock';
import { type Disposable, DisposableStore } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { ANONYMOUS_URI } from '../../protocol/cpim';
import type { DigestHash } from '../../protocol/digest';
import { leakInContent, leakInSip, type OwnMarks } from '../../protocol/leak-check';
import { addressKey, formatUri, parseNameAddr, parseUri } from '../../protocol/uri';
import type { WireTap } from '../../protocol/wire-record';
import { type ConferenceSubscription, type RegistrationSubscription, subscribeToConference, subscribeToRegistration } from './events';
import { type Connect, createConnect } from './flow/connection';
import { createResolver, type Resolver } from './flow/discovery';
import { ServerLocator } from './flow/locator';
import { type IncomingPager, type OutgoingPager, type PlainMessage, receivePager, sendPager } from './pager';
import { RegistrationMachine, UNREGISTER_TIMEOUT_MS } from './registration/machine';
import type { RegistrationStore } from './registration/register';
import type { Registration } from './registration/registration';
import { IncomingSession } from './session/incoming';
import { OutgoingSession } from './session/outgoing';
import type { IncomingInvite, OutgoingInvite, SipSession } from './session/session';
import { answerTimer } from './session/session-timer';
import type { AuthScheme, Sim } from './stack/auth';
import { type Capabilities, queryCapabilities } from './stack/capabilities';
import { anonymousContactValue, contactValue, requestUri } from './stack/cpm-request';
import { leakError } from './stack/hidden-calls';
import { Stack } from './stack/stack';
import type { WireMessage } from './wire/wire-message';

export type { ConferenceSubscription, RegistrationSubscription } from './events';
export type { IncomingPager, OutgoingPager } from './pager';
export type { Binding } from './registration/binding';
export type { RegistrationStore } from './registration/register';
export type { Registration, RegistrationState } from './registration/registration';
export type { IncomingInvite, OutgoingInvite, SessionEnd, SipSession, SipSessionState } from './session/session';
export { softwareSim } from './stack/auth';
export type { Capabilities } from './stack/capabilities';
export type { CpmHeaders, RemoteParty } from './stack/cpm-request';

export interface SipAccount {
  /** Address of record. */
  aor: string;
  displayName: string;
  password: string;
  /** The user name for Digest; the user part of the address when absent. */
  authUser?: string;
  /** The Request-URI of REGISTER; the address's domain when absent. */
  registrar?: string;
  /** Where groups are made: by its host the client knows which foci are the network's. */
  factory?: string;
  /** Outbound proxy, such as `sip:127.0.0.1:5070;transport=tcp` or `wss://sip.example.org/ws`; null: found by the registrar's domain. */
  proxy: string | null;
  /** The trusted authorities (PEM); those that Node trusts when absent. */
  ca?: readonly string[];
  /** A URN. */
  instanceId: string;
  deviceName: string;
  expiresSeconds: number;
  /** The services that this device offers. */
  icsis: string[];
  /** How this client authenticates; when absent, as the network offers. */
  authScheme?: AuthScheme;
  /** The weakest Digest algorithm that is accepted; MD5 when absent. */
  minAlgorithm?: DigestHash;
  /** Only for AKA. */
  sim?: Sim;
  /** Feature tags of other SIP services that share the registration. */
  featureTags?: ReadonlyMap<string, string | null>;
  /** Stores Call-ID and CSeq of the registration across restarts; when absent, they are not stored. */
  registrationState?: RegistrationStore;
}

export interface SipClientDeps {
  clock: Clock;
  log: Logger;
  tap?: WireTap;
  userAgent: string;
  /** Connects to the proxy; over the network when absent. */
  connect?: Connect;
  /** Resolves names; this computer's DNS when absent. */
  resolver?: Resolver;
}

export class SipClient implements Disposable {
  readonly registration: Registration;
  readonly onInvite = new Emitter<IncomingInvite>();
  /**
   * Handles a MESSAGE outside a dialog. The answer is the status that the handler resolves with; without a handler, or when it throws, 500.
   */
  handleMessage: ((message: IncomingPager) => Promise<number>) | null = null;

  readonly #account: SipAccount;
  readonly #deps: SipClientDeps;
  readonly #stack: Stack;
  readonly #machine: RegistrationMachine;
  readonly #locator: ServerLocator;
  readonly #subscriptions = new DisposableStore();
  readonly #sessions = new Set<OutgoingSession | IncomingSession>();
  /** Every temporary GRUU from the registrar: earlier ones stay valid (RFC 5627 section 3.2). */
  readonly #tempGruus = new Set<string>();
  #closed = false;

  /** This device's address towards the network on the present flow; loopback without a flow. */
  get localHost(): string {
    return this.#stack.flow?.local.host ?? '127.0.0.1';
  }

  /** Whether the present flow to the network is over TLS. */
  get isOverTls(): boolean {
    const transport = this.#stack.flow?.transport;
    return transport === 'tls' || transport === 'wss';
  }

  /** Throws AppError account/bad-address when the account's address is not a SIP URI. */
  constructor(account: SipAccount, deps: SipClientDeps) {
    this.#account = account;
    this.#deps = deps;
    const aor = parseUri(account.aor);
    if (!aor.ok || (aor.value.scheme !== 'sip' && aor.value.scheme !== 'sips') || aor.value.user === null) {
      throw new AppError('account/bad-address', { cause: account.aor }, 'user');
    }
    const domain = formatUri({ ...aor.value, user: null, params: new Map(), headers: [] });
    const registrar = account.registrar ?? domain;
    this.#stack = new Stack({
      clock: deps.clock,
      log: deps.log,
      userAgent: deps.userAgent,
      aor: account.aor,
      displayName: account.displayName,
      auth: {
        username: account.authUser ?? aor.value.user,
        password: account.password,
        domain: aor.value.host,
        scheme: account.authScheme ?? 'auto',
        minAlgorithm: account.minAlgorithm ?? 'MD5',
        sim: account.sim ?? null,
      },
      instanceId: account.instanceId,
      home: { domain: aor.value.host, factory: account.factory },
      isTarget: (uri) => this.#isTarget(uri),
      contact: (icsis, hides, namesDevice) => (hides === true ? this.#anonymousContact(icsis) : this.#contact(icsis, namesDevice)),
      // A request to a temporary GRUU must not reveal its owner.
      capabilityContact: (request) => (this.#cameHidden(request) ? this.#anonymousContact() : this.#machine.capabilityContact()),
      cameHidden: (request) => this.#cameHidden(request),
      leakIn: (bytes, peer) => leakInSip(bytes, this.#marks, peer),
      onInvite: (request, message) => this.#invited(request, message),
      onPager: (request, message) => receivePager(this.#stack, request, message, this.handleMessage),
    });
    this.#locator = new ServerLocator(account.proxy ?? registrar, aor.value.host, {
      ...deps,
      connect: deps.connect ?? createConnect(account.ca),
      resolver: deps.resolver ?? createResolver(),
    });
    this.#machine = new RegistrationMachine({
      aor: account.aor,
      registrar,
      instanceId: account.instanceId,
      deviceName: account.deviceName,
      expiresSeconds: account.expiresSeconds,
      icsis: account.icsis,
      store: account.registrationState,
      stack: this.#stack,
      clock: deps.clock,
      log: deps.log,
      featureTags: account.featureTags,
      connect: (givenUp, hop) => this.#locator.open(givenUp, hop),
    });
    this.#machine.onState.on((state) => {
      if (state === 'offline') this.#tempGruus.clear();
      if (state === 'waiting' && isServerFault(this.#machine.error) && this.#locator.failed())
        this.#stack.detach('another server is tried');
      const gruu = this.#machine.tempGruu === null ? null : addressKey(this.#machine.tempGruu);
      if (gruu !== null) this.#tempGruus.add(gruu);
    });
    this.registration = this.#machine;
  }

  /** Whether this device has a temporary GRUU; without one it cannot be anonymous (R44). */
  get canHide(): boolean {
    return this.#machine.tempGruu !== null;
  }

  /** The public GRUU of this device; null when the network gives none. */
  get gruu(): string | null {
    return this.#machine.pubGruu;
  }

  /**
   * Checks what the content of an MSRP message would reveal to `peer` about this side.
   * @throws AppError `privacy/leak` when it reveals anything
   */
  guardContent(contentType: string, body: Uint8Array, peer: string): void {
    const leak = leakInContent(contentType, body, this.#marks, peer);
    if (leak !== null) throw leakError(leak);
  }

  /**
   * Starts a session.
   * @throws AppError sip/not-registered before the registration's 200 (R14), account/bad-address for a target that cannot be called,
   * privacy/no-temporary-address when this device cannot send an anonymous request
   */
  invite(request: OutgoingInvite): SipSession {
    const target = this.#target(request.target);
    this.#mayHide(request);
    return this.#keep(new OutgoingSession(this.#stack, request, target, this.#identity(request.identity), this.#machine.serviceRoute));
  }

  /** Rejects with AppError: sip/not-registered, net/*, sip/rejected, account/bad-address. */
  async sendPager(request: OutgoingPager): Promise<{ status: number }> {
    const target = this.#target(request.target);
    this.#mayHide(request);
    const to = addressKey(target) ?? target;
    return sendPager(this.#stack, request, target, to, this.#identity(request.identity), this.#machine.serviceRoute);
  }

  /** Rejects like `sendPager`. */
  async sendPlain(message: PlainMessage): Promise<{ status: number }> {
    const target = this.#target(message.target);
    return sendPager(
      this.#stack,
      message,
      target,
      addressKey(target) ?? target,
      this.#identity(message.identity),
      this.#machine.serviceRoute,
    );
  }

  /** Asks a person or a device for its capabilities by OPTIONS (RFC 3261 section 11, RFC 3840), as one of the own addresses. Rejects like `sendPager`. */
  async queryCapabilities(address: string, { identity, pseudonym }: { identity?: string; pseudonym?: string } = {}): Promise<Capabilities> {
    const target = this.#target(address);
    const from = this.#identity(identity);
    const named = pseudonym === undefined ? {} : { displayName: pseudonym };
    return queryCapabilities(this.#stack, { target, to: addressKey(target) ?? target, from, routes: this.#machine.serviceRoute, ...named });
  }

  /** `as`: the own address and name that the focus knows this account by. */
  subscribeConference(focus: string, icsi: string, as: { identity?: string; pseudonym?: string } = {}): ConferenceSubscription {
    const watcher = { identity: this.#identity(as.identity), ...(as.pseudonym === undefined ? {} : { pseudonym: as.pseudonym }) };
    return this.#subscriptions.add(subscribeToConference(this.#stack, this.#target(focus), icsi, this.#machine.serviceRoute, watcher));
  }

  /** Which devices of the own address are registered. @throws AppError sip/not-registered */
  subscribeRegistration(): RegistrationSubscription {
    const aor = this.#target(this.#account.aor);
    return this.#subscriptions.add(subscribeToRegistration(this.#stack, aor, () => this.#flowContact(), this.#machine.serviceRoute));
  }

  /** Unregisters this device, within 2 s, then drops everything. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscriptions.dispose();
    await new Promise<void>((resolve) => {
      const limit = this.#deps.clock.setTimer(UNREGISTER_TIMEOUT_MS, resolve);
      const done = () => {
        limit.dispose();
        resolve();
      };
      this.#machine.unregister().then(done, done);
    });
    this.dispose();
  }

  dispose(): void {
    this.#closed = true;
    this.#subscriptions.dispose();
    for (const session of [...this.#sessions]) session.abandon();
    this.#machine.dispose();
    this.#stack.dispose();
    this.onInvite.dispose();
  }

  #invited(request: IncomingInviteRequest, message: WireMessage): void {
    const timer = answerTimer(message);
    if (timer.ok) this.onInvite.emit(this.#keep(new IncomingSession(this.#stack, request, message, timer)));
    else request.reject({ statusCode: timer.status, extraHeaders: timer.lines });
  }

  #keep<T extends OutgoingSession | IncomingSession>(session: T): T {
    this.#sessions.add(session);
    session.onState.on((state) => {
      if (state === 'ended') this.#sessions.delete(session);
    });
    return session;
  }

  #target(text: string): string {
    if (!this.#machine.usable) throw new AppError('sip/not-registered', { cause: `registration is ${this.#machine.state}` }, 'auto');
    const target = requestUri(text);
    if (target === null) throw new AppError('account/bad-address', { cause: text }, 'user');
    return target;
  }

  /**
   * The own address for a request: the wanted one, else the account's, else the first SIP address from the registrar, which in early IMS is
   * the only one known to others (TS 33.978).
   */
  #identity(wanted: string | undefined): string {
    const { identities } = this.#machine;
    const known = (address: string) => identities.find((identity) => addressKey(identity) === addressKey(address));
    if (wanted !== undefined) {
      const found = known(wanted);
      if (found === undefined) throw new AppError('account/bad-address', { cause: `${wanted} is no address of this account` }, 'user');
      return found;
    }
    if (known(this.#account.aor) !== undefined) return this.#account.aor;
    return identities.find((identity) => /^sips?:/i.test(identity)) ?? this.#account.aor;
  }

  /** Whether a Request-URI is an own address or alias, an own GRUU, or the address of the flow. The GRUU of another device is not ours. */
  #isTarget(text: string): boolean {
    const uri = parseUri(text);
    const key = addressKey(text);
    if (!uri.ok || key === null || uri.value.scheme === 'other') return false;
    const { pubGruu, identities } = this.#machine;
    const gr = uri.value.params.get('gr');
    if (gr !== undefined && this.#tempGruus.has(key)) return true;
    if (gr !== undefined) {
      const own = pubGruu === null ? null : parseUri(pubGruu);
      return own?.ok === true && own.value.scheme !== 'other' && own.value.params.get('gr') === gr && addressKey(pubGruu ?? '') === key;
    }
    if ([this.#account.aor, ...identities].some((identity) => addressKey(identity) === key)) return true;
    if (uri.value.scheme === 'tel') return false;
    const contact = parseUri(this.#machine.flowContact());
    // A NAT or an edge proxy may have replaced the host of our Contact.
    const isAddress = /^[0-9.]+$|^\[/.test(uri.value.host);
    return contact.ok && contact.value.scheme === 'sip' && contact.value.user === uri.value.user && isAddress;
  }

  #mayHide(request: { anonymous?: boolean }): void {
    if (request.anonymous !== true || this.canHide) return;
    throw new AppError('privacy/no-temporary-address', { cause: 'the registrar has given no temporary GRUU' }, 'user');
  }

  /** The temporary GRUU from the latest set (RFC 5627 section 3.2). The public one never takes its place. */
  #anonymousContact(icsis: readonly string[] = this.#machine.icsis): string {
    return anonymousContactValue(this.#machine.tempGruu ?? `${ANONYMOUS_URI};gr`, icsis);
  }

  /** The core puts the flow's address into the Request-URI and the called URI into P-Called-Party-ID (RFC 7315). */
  #cameHidden(request: WireMessage): boolean {
    const called = [
      request.start.kind === 'request' ? request.start.uri : '',
      request.first('p-called-party-id') ?? '',
      request.first('to') ?? '',
    ];
    return called.some((value) => this.#tempGruus.has(addressKey(value) ?? '') || isTemporaryGruu(value));
  }

  get #marks(): OwnMarks {
    const { displayName, instanceId, aor } = this.#account;
    const { identities, pubGruu, deviceName } = this.#machine;
    return { identities: [aor, ...identities], instanceId, pubGruu, deviceName, displayName, hostName: hostname(), host: this.localHost };
  }

  #contact(icsis: readonly string[] = this.#machine.icsis, namesDevice = true): string {
    return this.#contactAt(this.#machine.pubGruu ?? this.#machine.flowContact(), icsis, namesDevice);
  }

  #flowContact(): string {
    return this.#contactAt(this.#machine.flowContact(), this.#machine.icsis);
  }

  #contactAt(uri: string, icsis: readonly string[], namesDevice = true): string {
    return contactValue({ uri, deviceName: namesDevice ? this.#machine.deviceName : '', instanceId: this.#account.instanceId, icsis });
  }
}

/** Recognised by an empty `gr` (RFC 5627 section 3.1.2). */
function isTemporaryGruu(text: string): boolean {
  const named = parseNameAddr(text);
  const uri = parseUri(named.ok ? named.value.uri : text);
  return uri.ok && uri.value.scheme !== 'tel' && uri.value.scheme !== 'other' && uri.value.params.get('gr') === null;
}

/** Faults that RFC 3263 section 4.3 attributes to one server, so that another one may work. */
function isServerFault(error: AppError | null): boolean {
  return error?.code === 'net/timeout' || error?.detail.status === 503;
}
