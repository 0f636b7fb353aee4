/** A session inside the endpoint: the states of `session.ts`, and the connections on which it receives and sends. */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { type MsrpRequest, type MsrpUri, newTransactionId, parseMsrpUri } from '../../protocol/msrp';
import { Allowance } from '../../protocol/msrp-allowance';
import { type Answerable, successReport } from '../../protocol/msrp-rules';
import type { Fingerprint } from '../../protocol/sdp';
import type { SessionCertificate } from './certificate';
import type { MsrpConnection } from './connection';
import { IncomingMessages, maximumPartialBytes, type ReceivedMessage } from './incoming';
import { type MessageBody, OutgoingMessages, type SendOptions } from './outgoing';
import { isDescribedBy } from './peer-identity';
import type { RelayPath } from './relay';
import { bindTimeoutMs, connectTimeoutMs, type MsrpSession, type MsrpSessionState, type Peer } from './session';

/** RFC 4975 section 6: the default port. */
const defaultPort = 2855;

const transitions: Record<MsrpSessionState, readonly MsrpSessionState[]> = {
  prepared: ['connecting', 'closed'],
  connecting: ['established', 'closed'],
  established: ['closed'],
  closed: [],
};

export interface EndpointSessionDeps {
  sessionId: string;
  host: string;
  port: number;
  /** Our certificate; null over plain TCP. */
  certificate: SessionCertificate | null;
  /** The path through a relay and the session's own URI behind it. From `join` on, the relay's connection belongs to this session. */
  relay: { path: RelayPath; ownUri: string } | null;
  clock: Clock;
  log: Logger;
  /** The memory that all sessions of one sender may hold together; null stands for an unidentified sender. */
  allowanceOf: (sender: string | null) => { allowance: Allowance; release: () => void };
  connect: (host: string, port: number, signal: AbortSignal) => Promise<MsrpConnection>;
  /** Answers a request on the connection that brought it. */
  respond: (connection: MsrpConnection, request: Answerable, status: number) => void;
  onBound: (connection: MsrpConnection) => void;
  onClosed: (connection: MsrpConnection | null) => void;
}

export class EndpointSession implements MsrpSession {
  readonly localPath: string;
  readonly path: readonly string[];
  readonly onState = new Emitter<MsrpSessionState>();
  openSink: MsrpSession['openSink'] = null;
  handleMessage: MsrpSession['handleMessage'] = null;

  readonly #deps: EndpointSessionDeps;
  #incoming: IncomingMessages | null = null;
  readonly #outgoing: OutgoingMessages;
  readonly #abort = new AbortController();
  #state: MsrpSessionState = 'prepared';
  #role: 'active' | 'passive' | null = null;
  #remotePath: string[] = [];
  #peer: Peer = {};
  #connection: MsrpConnection | null = null;
  /** Further connections, opened by a relay on the other side. */
  readonly #further = new Set<MsrpConnection>();
  /** A request that arrived before `start`. Everything behind it on its connection stays unread. */
  #early: MsrpRequest | null = null;
  #lost: Disposable | null = null;
  #started: { resolve: () => void; reject: (error: AppError) => void } | null = null;
  #timer: Disposable | null = null;
  #releaseAllowance: () => void = () => undefined;

  constructor(deps: EndpointSessionDeps) {
    this.#deps = deps;
    const host = deps.host.includes(':') ? `[${deps.host}]` : deps.host;
    const direct = `${deps.certificate === null ? 'msrp' : 'msrps'}://${host}:${deps.port}/${deps.sessionId};tcp`;
    this.localPath = deps.relay?.ownUri ?? direct;
    this.path = deps.relay === null ? [direct] : [...[...deps.relay.path.usePath].reverse(), this.localPath];
    const { clock, log } = deps;
    this.#outgoing = new OutgoingMessages({ clock, log, onBroken: (error) => this.#end(error) });
  }

  get host(): string {
    return this.#firstHop?.host.replace(/^\[|\]$/g, '') ?? this.#deps.host;
  }

  get port(): number {
    return this.#firstHop === null ? this.#deps.port : (this.#firstHop.port ?? defaultPort);
  }

  get isSecure(): boolean {
    return this.#firstHop === null ? this.#deps.certificate !== null : this.#firstHop.scheme === 'msrps';
  }

  /** The outermost relay, where peers connect. */
  get #firstHop(): MsrpUri | null {
    const uri = this.#deps.relay === null ? null : parseMsrpUri(this.path[0] ?? '');
    return uri?.ok ? uri.value : null;
  }

  /** The path of our own requests: through our relays, then along the peer's path. */
  get #toPath(): string[] {
    return this.#deps.relay === null ? this.#remotePath : [...this.#deps.relay.path.usePath, ...this.#remotePath];
  }

  /** Created at the first request, when it is known whose memory share to use. */
  get #receiver(): IncomingMessages {
    if (this.#incoming !== null) return this.#incoming;
    const { clock, log, allowanceOf, respond } = this.#deps;
    const { allowance, release } = allowanceOf(this.#peer.sender ?? null);
    this.#releaseAllowance = release;
    const incoming: IncomingMessages = new IncomingMessages({
      clock,
      log,
      allowance: new Allowance(maximumPartialBytes, allowance),
      open: (head) => this.openSink?.(head) ?? null,
      handle: (message) => this.#handle(message),
      respond: (request, status, by) => respond(by, request, status),
      reportSuccess: (request, total) => this.#reportSuccess(request, total),
      onFull: (full) => {
        for (const connection of this.#connections) full ? connection.hold(incoming) : connection.release(incoming);
      },
    });
    this.#incoming = incoming;
    return incoming;
  }

  /** Behind a relay the connection exists before the session starts. */
  join(): void {
    if (this.#deps.relay !== null) this.#adopt(this.#deps.relay.path.connection);
  }

  get fingerprint(): Fingerprint | null {
    return this.#deps.certificate?.fingerprint ?? null;
  }

  get state(): MsrpSessionState {
    return this.#state;
  }

  start(remotePath: string[], role: 'active' | 'passive', peer: Peer = {}): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(closedError('the session was closed before it started'));
    if (this.#state !== 'prepared') return Promise.reject(new AppError('internal', { cause: 'an MSRP session is started once' }));
    this.#remotePath = [...remotePath];
    this.#role = role;
    this.#peer = peer;
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#transition('connecting');
      if (role === 'active') void this.#startActive();
      else this.#startPassive();
    });
  }

  send(message: { contentType: string; body: MessageBody; messageId?: string } & SendOptions): Promise<void> {
    return this.#outgoing.send(message);
  }

  nickname(nickname: string): Promise<void> {
    return this.#outgoing.nickname(nickname);
  }

  close(): void {
    this.#end(closedError('closed by this side'));
  }

  /** Handles a request for this session. The endpoint never calls it with a connection that is held. */
  receive(connection: MsrpConnection, request: MsrpRequest): void {
    if (this.#connection !== connection) {
      // A relay on the other side may connect to us although we have connected to it: it finds us by our URI (RFC 4976 section 6.3).
      if (this.#connection !== null && this.#remotePath.length > 1 && this.#isExpected(connection)) {
        if (!this.#further.has(connection)) this.#takeFurther(connection);
        this.#dispatch(connection, request);
        return;
      }
      // RFC 4975 section 10.10: a session uses one connection, and the active side has opened its own.
      if (this.#connection !== null || this.#role === 'active') {
        this.#deps.respond(connection, request, 506);
        return;
      }
      if (this.#state !== 'prepared' && !this.#isExpected(connection)) {
        this.#refuse(connection, request);
        return;
      }
      this.#adopt(connection);
      if (this.#state === 'prepared') {
        this.#early = request;
        connection.hold(this);
        return;
      }
      this.#establish();
    } else if (this.#state === 'prepared') {
      this.#early = request;
      connection.hold(this);
      return;
    } else if (this.#role === 'passive') this.#establish();
    this.#dispatch(connection, request);
  }

  async #startActive(): Promise<void> {
    if (this.#deps.relay !== null && this.#connection !== null) return this.#startBehindRelay(this.#connection);
    this.#dropEarly(506);
    const target = parseMsrpUri(this.#remotePath[0] ?? '');
    if (!target.ok) return this.#end(new AppError('net/unreachable', { cause: `the peer's path: ${target.reason}` }, 'never'));
    // The description promises TLS but the path does without: something on the way removed it.
    if ((target.value.scheme === 'msrps') !== (this.#deps.certificate !== null))
      return this.#end(new AppError('net/untrusted', { cause: `the peer's path is ${target.value.scheme}:` }, 'user'));
    const place = this.#peer.address ?? { host: target.value.host.replace(/^\[|\]$/g, ''), port: target.value.port ?? defaultPort };
    const limit = this.#deps.clock.setTimer(connectTimeoutMs, () => this.#abort.abort());
    try {
      const connection = await this.#deps.connect(place.host, place.port, this.#abort.signal);
      limit.dispose();
      if (this.state === 'closed') return connection.end();
      if (!this.#isExpected(connection, true)) {
        connection.destroy('its certificate is another one');
        return this.#end(
          new AppError('net/untrusted', { cause: "the peer's certificate is not the one that its description names" }, 'user'),
        );
      }
      this.#adopt(connection);
      await this.#outgoing.bind();
      this.#establish();
    } catch (error) {
      limit.dispose();
      this.#end(error instanceof AppError ? error : new AppError('net/unreachable', { cause: String(error) }, 'auto'));
    }
  }

  /** The relay already has a connection to us. The SEND without content makes it open the one to the peer. */
  async #startBehindRelay(connection: MsrpConnection): Promise<void> {
    try {
      this.#outgoing.attach(connection, this.#toPath, [this.localPath]);
      const bound = this.#outgoing.bind();
      this.#deliverEarly(connection);
      await bound;
      this.#establish();
    } catch (error) {
      this.#end(error instanceof AppError ? error : new AppError('net/unreachable', { cause: String(error) }, 'auto'));
    }
  }

  #deliverEarly(connection: MsrpConnection): void {
    const early = this.#early;
    this.#early = null;
    if (early !== null) this.#dispatch(connection, early);
    connection.release(this);
  }

  #startPassive(): void {
    if (this.#connection !== null && !this.#isExpected(this.#connection)) this.#dropEarly(403);
    if (this.#connection !== null) this.#outgoing.attach(this.#connection, this.#toPath, [this.localPath]);
    if (this.#connection === null || this.#early === null) {
      const error = new AppError('net/timeout', { cause: 'the peer did not open the MSRP session' }, 'auto');
      this.#timer = this.#deps.clock.setTimer(bindTimeoutMs, () => this.#end(error));
      return;
    }
    this.#establish();
    this.#deliverEarly(this.#connection);
  }

  /** Over TLS: whether the peer is the one that wrote the SDP. Behind a relay this checks the relay. */
  #isExpected({ tls }: MsrpConnection, isCalled = false): boolean {
    if (this.#deps.certificate === null || this.#deps.relay !== null) return true;
    return tls !== null && isDescribedBy(tls, { fingerprints: this.#peer.fingerprints ?? [], uri: this.#remotePath[0] ?? '', isCalled });
  }

  /** The sender knows the session's id but is not the peer; the right peer may still connect. */
  #refuse(connection: MsrpConnection, request: MsrpRequest): void {
    this.#deps.log.warn('an MSRP peer showed another certificate than its SDP names', { toPath: request.toPath[0] });
    this.#deps.respond(connection, request, 403);
    connection.end();
  }

  /** 506: both sides took the active role, and our requests use our own connection. 403: it is not the right peer. */
  #dropEarly(status: 403 | 506): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#lost?.dispose();
    this.#connection = null;
    if (this.#early !== null && status === 403) this.#refuse(connection, this.#early);
    else if (this.#early !== null) this.#deps.respond(connection, this.#early, status);
    this.#early = null;
    this.#deps.onClosed(connection);
    connection.release(this);
  }

  #adopt(connection: MsrpConnection): void {
    this.#connection = connection;
    this.#lost = connection.onClose.on((reason) => this.#disconnected(reason));
    this.#deps.onBound(connection);
    if (this.#state !== 'prepared') this.#outgoing.attach(connection, this.#toPath, [this.localPath]);
  }

  #takeFurther(connection: MsrpConnection): void {
    this.#further.add(connection);
    if (this.#incoming?.isFull === true) connection.hold(this.#incoming);
    connection.onClose.on(() => this.#further.delete(connection));
    this.#deps.onBound(connection);
  }

  /** Every connection that carries requests for this session. */
  get #connections(): MsrpConnection[] {
    return [...(this.#connection === null ? [] : [this.#connection]), ...this.#further];
  }

  /** Before `start` nothing agreed on can be lost: the peer may connect again. */
  #disconnected(reason: string): void {
    if (this.#state === 'prepared' && this.#deps.relay === null) {
      this.#connection = null;
      this.#early = null;
    } else {
      this.#end(closedError(reason));
    }
  }

  #establish(): void {
    if (this.#state !== 'connecting') return;
    this.#timer?.dispose();
    this.#transition('established');
    this.#started?.resolve();
    this.#started = null;
    this.#outgoing.open();
  }

  #dispatch(connection: MsrpConnection, request: MsrpRequest): void {
    if (request.method === 'SEND') this.#receiver.receive(request, connection);
    else if (request.method === 'REPORT') this.#outgoing.report(request);
    else this.#deps.respond(connection, request, 501);
  }

  #handle(message: ReceivedMessage): Promise<void> {
    if (this.handleMessage !== null) return this.handleMessage(message);
    return Promise.reject(new AppError('internal', { cause: 'nobody takes the messages of this session' }));
  }

  #reportSuccess(request: Answerable, total: number): void {
    const transactionId = newTransactionId(() => this.#deps.clock.random(), null);
    this.#connection?.send(successReport(request, this.localPath, total, transactionId));
  }

  #end(error: AppError): void {
    if (this.#state === 'closed') return;
    this.#transition('closed', error.message);
    this.#timer?.dispose();
    this.#lost?.dispose();
    this.#abort.abort();
    this.#incoming?.close();
    this.#releaseAllowance();
    this.#deps.relay?.path.dispose();
    const connection = this.#connection;
    this.#connection = null;
    this.#early = null;
    for (const each of [connection, ...this.#further]) {
      each?.release(this);
      if (this.#incoming !== null) each?.release(this.#incoming);
    }
    this.#deps.onClosed(connection);
    for (const each of [...this.#further]) this.#deps.onClosed(each);
    this.#further.clear();
    this.#started?.reject(error);
    this.#started = null;
    this.#outgoing.close(error.code === 'msrp/closed' ? error : closedError(error.message));
    this.onState.dispose();
  }

  #transition(to: MsrpSessionState, reason?: string): void {
    if (!transitions[this.#state].includes(to)) throw new Error(`MSRP session: ${this.#state} -> ${to}`);
    this.#deps.log.debug('MSRP session', { from: this.#state, to, reason });
    this.#state = to;
    this.onState.emit(to);
  }
}

function closedError(cause: string): AppError {
  return new AppError('msrp/closed', { cause }, 'auto');
}
