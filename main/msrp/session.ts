/**
 * One MSRP session (RFC 4975): made before the SDP goes out, started when both descriptions are known.
 *
 *   prepared --start--> connecting --bound--> established
 *      |                    |                     |
 *      +--------------------+---------------------+---- close(), connection lost, no answer, 481, 506 ----> closed
 *
 * Bound means: the active side (RFC 6135) has the 200 for its SEND without content; the passive side has received any request for this
 * session. Over TLS neither counts from a peer whose certificate is not the one that its SDP names. A peer may be faster than our own `start`: its connection is then held unread until `start` says what to do with it.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { type MsrpRequest, type MsrpUri, newTransactionId, parseMsrpUri } from '../../protocol/msrp';
import type { Fingerprint } from '../../protocol/sdp';
import { isMadeOutTo, isNamedBy, type SessionCertificate } from './certificate';
import type { MsrpConnection } from './connection';
import { type Answerable, IncomingMessages, type ReceivedMessage } from './incoming';
import { OutgoingMessages, type SendOptions } from './outgoing';
import type { RelayPath } from './relay';

/** How long the connection may take to stand, and how long the peer may take to bind. */
export const connectTimeoutMs = 10_000;
export const bindTimeoutMs = 30_000;
/** RFC 4975 section 6: where a URI names no port. */
const defaultPort = 2855;

export type MsrpSessionState = 'prepared' | 'connecting' | 'established' | 'closed';

/** What the peer's SDP says besides its path. */
export interface Peer {
  /** Of its certificate, over TLS; without any an authority must vouch for it. */
  fingerprints?: readonly Fingerprint[];
  /** Where it is called instead of at the first URI of its path: something on the way has put itself there (RFC 6714 section 4). */
  address?: { host: string; port: number } | null;
}

export interface MsrpSession {
  /** Our own URI: the last of `path`. */
  readonly localPath: string;
  /** Our a=path: behind a relay its URI comes first (RFC 4976 section 5.1). */
  readonly path: readonly string[];
  /** Whether the media runs over TLS. */
  readonly isSecure: boolean;
  /** Where peers connect, and so what the SDP names: the relay's place where there is one. */
  readonly host: string;
  readonly port: number;
  /** Of our certificate, for the SDP; null over plain TCP. */
  readonly fingerprint: Fingerprint | null;
  readonly state: MsrpSessionState;
  readonly onState: Emitter<MsrpSessionState>;
  /**
   * Brings the session up in our role; resolves when it is established. Throws AppError net/unreachable, net/untrusted, net/timeout,
   * msrp/rejected, or msrp/closed when it ended meanwhile; the session is then closed. See `Peer` for what else is known.
   */
  start(remotePath: string[], role: 'active' | 'passive', peer?: Peer): Promise<void>;
  /**
   * Resolves when every chunk has its 200, and behind a relay when the other side has reported to have it all; `reports` may ask for other
   * things. Messages arrive in the order of the calls, but for those that may overtake; before `established` they wait. Throws AppError
   * msrp/rejected with the peer's status, msrp/closed, net/timeout, or message/skipped when it was given up.
   */
  send(message: { contentType: string; body: Uint8Array; messageId?: string } & SendOptions): Promise<void>;
  /** Asks a switch for a nickname; empty gives it up. @throws AppError as `requestNickname` */
  nickname(nickname: string): Promise<void>;
  /**
   * Takes each whole message, one at a time, in order. The 200 leaves when it resolves; an AppError with a `status` becomes that answer,
   * anything else 500. It must not await a `send` of this session: while it runs the answer to that may stand unread behind it.
   */
  handleMessage: ((message: ReceivedMessage) => Promise<void>) | null;
  close(): void;
}

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
  /** Ours; null over plain TCP. */
  certificate: SessionCertificate | null;
  /** A path through a relay, and the session's own URI behind it. Its connection is this session's from `join` on. */
  relay: { path: RelayPath; ownUri: string } | null;
  clock: Clock;
  log: Logger;
  connect: (host: string, port: number, signal: AbortSignal) => Promise<MsrpConnection>;
  /** Answers a request on the connection it came by. */
  respond: (connection: MsrpConnection, request: Answerable, status: number) => void;
  onBound: (connection: MsrpConnection) => void;
  onClosed: (connection: MsrpConnection | null) => void;
}

/** The session as its endpoint sees it. */
export class EndpointSession implements MsrpSession {
  readonly localPath: string;
  readonly path: readonly string[];
  readonly onState = new Emitter<MsrpSessionState>();
  handleMessage: ((message: ReceivedMessage) => Promise<void>) | null = null;

  readonly #deps: EndpointSessionDeps;
  readonly #incoming: IncomingMessages;
  readonly #outgoing: OutgoingMessages;
  readonly #abort = new AbortController();
  #state: MsrpSessionState = 'prepared';
  #role: 'active' | 'passive' | null = null;
  #remotePath: string[] = [];
  #peer: Peer = {};
  #connection: MsrpConnection | null = null;
  /** What a relay on the other side has opened besides. */
  readonly #further = new Set<MsrpConnection>();
  /** Came before `start`; what follows it on that connection is held unread. */
  #early: MsrpRequest | null = null;
  #lost: Disposable | null = null;
  #started: { resolve: () => void; reject: (error: AppError) => void } | null = null;
  #timer: Disposable | null = null;

  constructor(deps: EndpointSessionDeps) {
    this.#deps = deps;
    const host = deps.host.includes(':') ? `[${deps.host}]` : deps.host;
    const direct = `${deps.certificate === null ? 'msrp' : 'msrps'}://${host}:${deps.port}/${deps.sessionId};tcp`;
    this.localPath = deps.relay?.ownUri ?? direct;
    this.path = deps.relay === null ? [direct] : [...[...deps.relay.path.usePath].reverse(), this.localPath];
    const { clock, log } = deps;
    this.#outgoing = new OutgoingMessages({ clock, log, onBroken: (error) => this.#end(error) });
    this.#incoming = new IncomingMessages({
      log,
      handle: (message) => this.#handle(message),
      respond: (request, status, by) => deps.respond(by, request, status),
      reportSuccess: (request, total) => this.#reportSuccess(request, total),
      onFull: (full) => {
        for (const connection of this.#connections) full ? connection.hold(this) : connection.release(this);
      },
    });
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

  /** The outermost relay, where peers come. */
  get #firstHop(): MsrpUri | null {
    const uri = this.#deps.relay === null ? null : parseMsrpUri(this.path[0] ?? '');
    return uri?.ok ? uri.value : null;
  }

  /** Where our own requests go: through the relays, then along the peer's path. */
  get #toPath(): string[] {
    return this.#deps.relay === null ? this.#remotePath : [...this.#deps.relay.path.usePath, ...this.#remotePath];
  }

  /** Behind a relay the connection stands before the session does. */
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

  send(message: { contentType: string; body: Uint8Array; messageId?: string } & SendOptions): Promise<void> {
    return this.#outgoing.send(message);
  }

  nickname(nickname: string): Promise<void> {
    return this.#outgoing.nickname(nickname);
  }

  close(): void {
    this.#end(closedError('closed by this side'));
  }

  /** A request for this session; called by the endpoint, never with a connection that `hold` keeps unread. */
  receive(connection: MsrpConnection, request: MsrpRequest): void {
    if (this.#connection !== connection) {
      // A relay on the other side may call us although we have called it: it looks for us by our URI (RFC 4976 section 6.3).
      if (this.#connection !== null && this.#remotePath.length > 1 && this.#isExpected(connection)) {
        if (!this.#further.has(connection)) this.#takeFurther(connection);
        this.#dispatch(connection, request);
        return;
      }
      // RFC 4975 10.10: a session lives on one connection; the active side made its own.
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
    // A description that promises TLS and a path that does without it: something on the way took it off.
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

  /** The relay has the connection to us already; the SEND without content opens the one to the peer. */
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

  /** Over TLS: whether the peer is the one who wrote the SDP. `isCalled`: by us, and so by the name that the authority vouches for. */
  #isExpected({ tls }: MsrpConnection, isCalled = false): boolean {
    if (this.#deps.certificate === null || this.#deps.relay !== null) return true;
    if (tls === null) return false;
    const { fingerprints = [] } = this.#peer;
    if (fingerprints.length === 0) {
      if (isCalled || !tls.isAuthorized) return tls.isAuthorized;
      const first = parseMsrpUri(this.#remotePath[0] ?? '');
      return first.ok && tls.certificate !== null && isMadeOutTo(tls.certificate, first.value.host.replace(/^\[|\]$/g, ''));
    }
    return tls.certificate !== null && isNamedBy(tls.certificate, fingerprints);
  }

  /** Somebody else, who knows the session's id: the one who is meant may still come. */
  #refuse(connection: MsrpConnection, request: MsrpRequest): void {
    this.#deps.log.warn('an MSRP peer showed another certificate than its SDP names', { toPath: request.toPath[0] });
    this.#deps.respond(connection, request, 403);
    connection.end();
  }

  /** 506: both sides took the active role; ours is the connection that counts for the requests we send. 403: the peer is another one. */
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
    connection.onClose.on(() => this.#further.delete(connection));
    this.#deps.onBound(connection);
  }

  /** All that the session hears by. */
  get #connections(): MsrpConnection[] {
    return [...(this.#connection === null ? [] : [this.#connection]), ...this.#further];
  }

  /** Before `start` nothing has been agreed that could be lost: the peer may come again. */
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
    if (request.method === 'SEND') this.#incoming.receive(request, connection);
    else if (request.method === 'REPORT') this.#outgoing.report(request);
    else this.#deps.respond(connection, request, 501);
  }

  #handle(message: ReceivedMessage): Promise<void> {
    if (this.handleMessage !== null) return this.handleMessage(message);
    return Promise.reject(new AppError('internal', { cause: 'nobody takes the messages of this session' }));
  }

  #reportSuccess(request: Answerable, total: number): void {
    this.#connection?.send({
      kind: 'request',
      transactionId: newTransactionId(() => this.#deps.clock.random(), null),
      method: 'REPORT',
      toPath: request.fromPath,
      fromPath: [this.localPath],
      headers: [],
      messageId: request.messageId,
      byteRange: { start: 1, end: total, total },
      contentType: null,
      successReport: false,
      failureReport: 'yes',
      status: { code: 200, reason: 'OK' },
      body: null,
      continuation: '$',
    });
  }

  #end(error: AppError): void {
    if (this.#state === 'closed') return;
    this.#transition('closed', error.message);
    this.#timer?.dispose();
    this.#lost?.dispose();
    this.#abort.abort();
    this.#incoming.close();
    this.#deps.relay?.path.dispose();
    const connection = this.#connection;
    this.#connection = null;
    this.#early = null;
    connection?.release(this);
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
