/**
 * The client's SIP stack: one sip.js UserAgentCore (transactions and dialogs) behind the shim, on the current flow. It builds requests,
 * keeps the original of every message from sip.js, and fails pending requests when the flow is lost; sip.js would let them run
 * into its 32 s timers. Only files in this folder use it.
 */
import {
  type IncomingInviteRequest,
  type IncomingMessageRequest,
  IncomingRequestMessage,
  IncomingResponseMessage,
  LoggerFactory,
  type OutgoingRequestMessage,
  Parser,
  TransportError,
  UserAgentCore,
} from 'sip.js/lib/core/index.js';
import type { Clock } from '../../../base/clock';
import { type Disposable, disposable } from '../../../base/disposable';
import type { Logger } from '../../../base/log';
import { AppError, type ErrorDetail, type Retry } from '../../../preload/contract/errors';
import { ANONYMOUS_URI } from '../../../protocol/cpim';
import type { Leak } from '../../../protocol/leak-check';
import type { Flow } from '../flow/flow';
import { unpackBody } from '../wire/content-encoding';
import { headerLine, latin1, parseWireMessage, type WireMessage } from '../wire/wire-message';
import { type AuthAccount, Authenticator } from './auth';
import type { HomeNetwork } from './cpm-request';
import { EndedDialogs } from './ended-dialogs';
import { HiddenCalls } from './hidden-calls';
import { encodeAnswer, Normalizer } from './normalize';
import { installPlainGrammar } from './plain-grammar';

installPlainGrammar();

export interface StackOptions {
  clock: Clock;
  log: Logger;
  userAgent: string;
  /** Address of record, such as `sip:alice@lab.test`. */
  aor: string;
  displayName: string;
  auth: AuthAccount;
  instanceId: string;
  home: HomeNetwork;
  /** Whether a Request-URI outside a dialog reaches this device. */
  isTarget(uri: string): boolean;
  /**
   * The Contact value of a request or response. `icsis` are the services of its session, or all services of the client when absent.
   * `hides`: the message must not reveal who this is.
   */
  contact(icsis?: readonly string[], hides?: boolean, namesDevice?: boolean): string;
  /** The Contact value that answers OPTIONS. */
  capabilityContact(request: WireMessage): string;
  /** Whether a request came by a temporary GRUU of this device: its sender does not know who this is. */
  cameHidden(request: WireMessage): boolean;
  /** Text that would identify this side to `peer` in an anonymous message, or null. */
  leakIn(bytes: Uint8Array, peer: string): Leak | null;
  onInvite(request: IncomingInviteRequest, message: WireMessage): void;
  onPager(request: IncomingMessageRequest, message: WireMessage): void;
}

export interface RequestParts {
  /** The Request-URI. */
  target: string;
  /** To; the target when absent. */
  to?: string;
  /** From; the address of record when absent. */
  from?: string;
  /** The name in From; the account's when absent. */
  displayName?: string;
  /** The request must not reveal its sender to this address; the same holds for everything else with its Call-ID. */
  hidesFrom?: string;
  callId?: string;
  fromTag?: string;
  cseq?: number;
  routes?: readonly string[];
  optionTags?: readonly string[];
  /** Header name and value; a line break in a value is removed. */
  headers: ReadonlyArray<readonly [string, string]>;
  body?: { contentType: string; content: Uint8Array };
}

export class Stack implements Disposable {
  readonly clock: Clock;
  readonly log: Logger;
  readonly auth: Authenticator;
  /** Called after the flow was lost and every pending request has failed. */
  onFlowLost: (reason: string) => void = () => undefined;

  readonly #options: StackOptions;
  readonly #core: UserAgentCore;
  readonly #normalizer: Normalizer;
  readonly #loggerFactory = new LoggerFactory();
  readonly #originals = new WeakMap<IncomingRequestMessage | IncomingResponseMessage, WireMessage>();
  readonly #pending = new Set<(error: AppError) => void>();
  readonly #answerTag: string;
  #flow: Flow | null = null;
  #current: WireMessage | null = null;
  #contactServices: readonly string[] | undefined;
  #contactHides = false;
  #contactNamesDevice = true;
  readonly #hidden: HiddenCalls;
  readonly #ended: EndedDialogs;
  #disposed = false;

  constructor(options: StackOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.log = options.log;
    this.#hidden = new HiddenCalls(options.leakIn, options.log);
    this.#ended = new EndedDialogs(options.clock);
    this.#answerTag = options.clock.uuid().slice(0, 8);
    const host = `${options.clock.uuid()}.invalid`;
    this.#normalizer = new Normalizer({
      host,
      instanceId: options.instanceId,
      isTarget: (uri) => options.isTarget(uri),
      isOwnCall: (callId) => [...this.#core.userAgentClients.values()].some((client) => client.message.callId === callId),
      contact: (request) => options.capabilityContact(request),
    });
    this.#loggerFactory.builtinEnabled = false;
    this.#loggerFactory.connector = (level, category, _label, content) => {
      if (level === 'error' || level === 'warn') this.log.debug(`sip.js ${category}: ${String(content)}`);
    };
    this.auth = new Authenticator(options.auth, {
      clock: options.clock,
      loggerFactory: this.#loggerFactory,
      currentResponse: () => this.#current,
      wireUri: (uri) => this.#normalizer.reveal(uri),
    });
    this.#core = this.#createCore();
  }

  /** The network of the account. */
  get home(): HomeNetwork {
    return this.#options.home;
  }

  get core(): UserAgentCore {
    return this.#core;
  }

  get flow(): Flow | null {
    return this.#flow;
  }

  #createCore(): UserAgentCore {
    const { userAgent } = this.#options;
    const me = this.#normalizer.conceal('me');
    const contactNow = () => this.#options.contact(this.#contactServices, this.#contactHides, this.#contactNamesDevice);
    return new UserAgentCore(
      {
        aor: me,
        contact: { pubGruu: undefined, tempGruu: undefined, uri: me, toString: contactNow },
        // Each request outside a dialog sets the name itself. sip.js would write this one into every request of a dialog, even an anonymous
        // one.
        displayName: '',
        loggerFactory: this.#loggerFactory,
        hackViaTcp: false,
        routeSet: [],
        sipjsId: '',
        supportedOptionTags: ['gruu', 'timer'],
        supportedOptionTagsResponse: ['gruu', 'timer'],
        userAgentHeaderFieldValue: userAgent,
        viaForceRport: true,
        viaHost: 'unset.invalid',
        authenticationFactory: () => this.auth.credentials(),
        // RFC 7118 section 5.2.1: Via distinguishes WS and WSS.
        transportAccessor: () => ({ protocol: (this.#flow?.transport ?? 'tcp').toUpperCase(), send: (text: string) => this.#send(text) }),
      },
      {
        onInvite: (request) => {
          const message = this.original(request.message);
          if (message === null) request.reject({ statusCode: 500 });
          else this.#options.onInvite(request, message);
        },
        onMessage: (request) => {
          const message = this.original(request.message);
          if (message === null) request.reject({ statusCode: 500 });
          else this.#options.onPager(request, message);
        },
        // Our own subscriptions have their receivers; any other NOTIFY belongs to none (RFC 6665 section 4.1.3).
        onNotify: (request) => request.reject({ statusCode: 481 }),
      },
    );
  }

  /** From now on everything is sent and received on this flow. */
  attach(flow: Flow): void {
    this.#flow?.dispose();
    this.#flow = flow;
    const { host, port } = flow.local;
    this.#core.configuration.viaHost = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    flow.onMessage = (bytes, bodyAt, bodySkipped) => this.#receive(bytes, bodyAt, bodySkipped);
    flow.onLost = (reason) => {
      if (this.#flow !== flow) return;
      this.#flow = null;
      this.#failPending(new AppError('net/unreachable', { cause: reason }, 'auto'));
      this.onFlowLost(reason);
    };
  }

  /** Releases the flow; every pending request fails with net/unreachable. */
  detach(reason: string): void {
    const flow = this.#flow;
    this.#flow = null;
    flow?.dispose();
    this.#failPending(new AppError('net/unreachable', { cause: reason }, 'auto'));
  }

  /** `fail` is called if the flow is lost before the returned Disposable is disposed. */
  track(fail: (error: AppError) => void): Disposable {
    this.#pending.add(fail);
    return disposable(() => this.#pending.delete(fail));
  }

  #failPending(error: AppError): void {
    const waiting = [...this.#pending];
    this.#pending.clear();
    for (const fail of waiting) fail(error);
    for (const [id, client] of [...this.#core.userAgentClients]) {
      client.dispose();
      this.#core.userAgentClients.delete(id);
    }
  }

  async #send(text: string): Promise<void> {
    const flow = this.#flow;
    if (flow === null) throw new TransportError('there is no connection');
    try {
      await flow.send(this.#hidden.guarded(this.#normalizer.outward(text)));
    } catch (error) {
      // `failure` passes the real error on: sip.js only accepts its own kind of error from a transport.
      throw new TransportError(error instanceof Error ? error.message : String(error));
    }
  }

  /** Whether a request came by a temporary GRUU; if so, nothing in its dialog reveals to `peer` who this is. */
  cameHidden(request: WireMessage, peer: string): boolean {
    const hides = this.#options.cameHidden(request);
    if (hides) this.#hidden.hide(request.first('call-id') ?? '', peer);
    return hides;
  }

  /** This side sends BYE in a dialog: the peer's own BYE may already be on its way. */
  ends(dialog: { callId: string; localTag: string; remoteTag: string }): void {
    this.#ended.remember(dialog);
  }

  /** Handles one message from the wire. Never throws: a message that sip.js cannot handle is answered with 500. */
  #receive(bytes: Uint8Array, bodyAt: number, bodySkipped: boolean): void {
    if (this.#disposed) return;
    const read = parseWireMessage(bytes, bodyAt, bodySkipped);
    if (!read.ok) {
      this.log.warn('A SIP message cannot be read', { reason: read.reason });
      return;
    }
    const message = unpackBody(read.value);
    const inward = this.#normalizer.inward(message);
    if (inward.kind === 'drop') {
      this.log.info('A SIP message was dropped', { reason: inward.reason });
      return;
    }
    if (inward.kind === 'answer') {
      this.#answer(message, inward.status, inward.reason, inward.headers);
      return;
    }
    if (this.#ended.isEndedBy(message)) {
      this.#answer(message, 200, 'OK', []);
      return;
    }
    this.#current = message;
    try {
      this.#deliver(inward.text, message);
    } catch (error) {
      this.log.warn('sip.js failed on a message', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      if (message.start.kind === 'request' && message.start.method !== 'ACK') {
        this.#answer(message, 500, 'Server Internal Error', []);
      }
    } finally {
      this.#current = null;
    }
  }

  #deliver(text: string, original: WireMessage): void {
    const message = Parser.parseMessage(text, this.#loggerFactory.getLogger('parser'));
    if (message === undefined) throw new Error('sip.js cannot read the plain form');
    this.#originals.set(message, original);
    if (message instanceof IncomingRequestMessage) this.#core.receiveIncomingRequestFromTransport(message);
    else if (message instanceof IncomingResponseMessage) this.#core.receiveIncomingResponseFromTransport(message);
  }

  #answer(message: WireMessage, status: number, reason: string, headers: readonly string[]): void {
    const sent = this.#flow?.send(encodeAnswer(message, status, reason, headers, this.#answerTag));
    sent?.catch((error: unknown) => this.log.info('An answer could not be sent', { status, error: String(error) }));
  }

  /**
   * The message as it was on the wire. Null for a response that sip.js has created itself: a timeout (408) or a failure to send (503).
   * sip.js also replaces a real 408, so this also looks at the message being processed.
   */
  original(message: IncomingRequestMessage | IncomingResponseMessage): WireMessage | null {
    return this.#originals.get(message) ?? this.#current;
  }

  /** The AppError of a failed request: *no connection* or *the peer refused*. */
  failure(response: IncomingResponseMessage, request: OutgoingRequestMessage): AppError {
    const original = this.original(response);
    const leak = original === null ? this.#hidden.refusalOf(request.callId) : undefined;
    if (leak !== undefined) return leak;
    if (original === null || original.start.kind !== 'response') {
      return response.statusCode === 408
        ? new AppError('net/timeout', { cause: `no answer to ${request.method}` }, 'auto')
        : new AppError('net/unreachable', { cause: `${request.method} could not be sent` }, 'auto');
    }
    const detail = rejectionDetail(original);
    if (original.start.status < 300) return new AppError('sip/malformed', { ...detail, cause: 'the answer lacks a To tag' }, 'never');
    const stale = [...original.all('www-authenticate'), ...original.all('proxy-authenticate')].some((each) =>
      /\bstale\s*=\s*"?true/i.test(each),
    );
    const challenged = original.start.status === 401 || original.start.status === 407;
    if (challenged && !stale && this.auth.hasAnswered(request)) return new AppError('account/bad-credentials', detail, 'user');
    return new AppError('sip/rejected', detail, retryOf(original.start.status, stale));
  }

  request(method: string, parts: RequestParts): OutgoingRequestMessage {
    const { target, to = target, callId = this.clock.uuid(), cseq = 1, routes = [], optionTags = ['gruu', 'timer'], headers, body } = parts;
    const from = parts.hidesFrom === undefined ? (parts.from ?? this.#options.aor) : ANONYMOUS_URI;
    if (parts.hidesFrom !== undefined) this.#hidden.hide(callId, parts.hidesFrom);
    return this.#core.makeOutgoingRequestMessage(
      method,
      this.#normalizer.conceal(target),
      this.#normalizer.conceal(from),
      this.#normalizer.conceal(to),
      {
        callId,
        cseq,
        // sip.js puts the name between quotes unchanged.
        fromDisplayName: parts.hidesFrom === undefined ? quotable(parts.displayName ?? this.#options.displayName) : 'Anonymous',
        fromTag: parts.fromTag ?? this.clock.uuid().slice(0, 8),
        optionTags: [...optionTags],
        // One line, because sip.js copies only the first Route line into the ACK of a refusal.
        routeSet: routes.length === 0 ? [] : [routes.join(', ')],
      },
      headers.map(([name, value]) => headerLine(name, value)),
      body && { contentDisposition: 'session', contentType: body.contentType, content: latin1(body.content) },
    );
  }

  /** The Contact of this device for a session with these services; `namesDevice`: with its name. */
  contact(icsis: readonly string[], hides: boolean, namesDevice = true): string {
    return this.#options.contact(icsis, hides, namesDevice);
  }

  /** Runs `work` while the Contact that sip.js writes into responses is the one that `contact` gives for these. */
  withContact<T>(icsis: readonly string[], hides: boolean, namesDevice: boolean, work: () => T): T {
    this.#contactServices = icsis;
    this.#contactHides = hides;
    this.#contactNamesDevice = namesDevice;
    try {
      return work();
    } finally {
      this.#contactServices = undefined;
      this.#contactHides = false;
      this.#contactNamesDevice = true;
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.detach('the client was closed');
    this.#disposed = true;
    // sip.js does not stop the timer of a SUBSCRIBE that still waits for its NOTIFY.
    for (const subscriber of [...this.#core.subscribers.values()]) subscriber.waitNotifyStop();
    this.#core.dispose();
  }
}

function quotable(name: string): string {
  return name.replace(/[\p{Cc}]/gu, '').replace(/["\\]/g, '\\$&');
}

/** The peer's own words, unchanged. */
function rejectionDetail(response: WireMessage): ErrorDetail {
  if (response.start.kind !== 'response') return {};
  const detail: ErrorDetail = { status: response.start.status, reason: response.start.reason };
  const warning = response.first('warning');
  if (warning !== null) detail.warning = warning;
  const seconds = /^\d{1,9}/.exec(response.first('retry-after') ?? '')?.[0];
  if (seconds !== undefined) detail.retryAfterMs = Number(seconds) * 1000;
  return detail;
}

function retryOf(status: number, stale: boolean): Retry {
  if (stale || status === 408 || status === 430 || status === 480 || status === 491 || (status >= 500 && status < 600)) return 'auto';
  return 'user';
}
