/**
 * Creates the MSRP sessions of this device. They share one listener, opened when the first session needs it; requests are dispatched by the
 * session id in their To-Path (RFC 4975 section 5.4).
 *
 * A connection that is not bound to a session within `bindTimeoutMs` is closed, and so is one whose last session has ended.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { parseMsrpUri } from '../../protocol/msrp';
import { SharedAllowance } from '../../protocol/msrp-allowance';
import { type Answerable, answerTo } from '../../protocol/msrp-rules';
import type { WireTap } from '../../protocol/wire-record';
import { createSessionCertificate, type SessionCertificate } from './certificate';
import { MsrpConnection, type MsrpStream, type MsrpTransport } from './connection';
import { EndpointSession, type EndpointSessionDeps } from './endpoint-session';
import { type RelayAccount, RelayPath, throughTls } from './relay';
import { RelayHealth } from './relay-health';
import { bindTimeoutMs, type MsrpSession } from './session';
import { tcpTransport, tlsTransport } from './transports';

/** Most incoming connections without a session; further ones are closed at once. */
export const maximumUnboundConnections = 64;

/** The default: this machine only. */
const loopback = '127.0.0.1';

export interface MsrpEndpointDeps {
  clock: Clock;
  log: Logger;
  tap?: WireTap;
  /** The address to listen on, which the path also names. Read for every session, because this device may move to another network. */
  host?: () => string;
  transport?: MsrpTransport;
  secureTransport?: (certificate: SessionCertificate) => MsrpTransport;
  /** The authorities (PEM) that may vouch for a peer whose SDP names no fingerprint. When absent: the authorities that Node trusts. */
  ca?: readonly string[];
  /** The relay through which every session goes. */
  relay?: RelayAccount;
}

/** LAB: most octets of unfinished and waiting messages in all sessions of one sender; the next constant is for all senders together. */
export const maximumSenderBytes = 48 * 1024 * 1024;
export const maximumHeldBytes = 128 * 1024 * 1024;

export class MsrpEndpoint implements Disposable {
  readonly #deps: MsrpEndpointDeps;
  readonly #transport: MsrpTransport;
  readonly #sessions = new Map<string, EndpointSession>();
  /** Every open connection with the sessions it carries, and the timer that closes it while it carries none. */
  readonly #connections = new Map<MsrpConnection, { sessions: Set<EndpointSession>; unbound: Disposable | null }>();
  #relay: { account: RelayAccount; health: RelayHealth } | null;
  /** Keyed by local address. */
  readonly #listeners = new Map<string, Promise<{ port: number; close(): void }>>();
  readonly #held = new SharedAllowance(maximumHeldBytes, maximumSenderBytes);
  #disposed = false;

  constructor(deps: MsrpEndpointDeps) {
    this.#deps = deps;
    this.#transport = deps.transport ?? tcpTransport;
    const { relay } = deps;
    this.#relay = relay === undefined ? null : { account: relay, health: this.#healthOf(relay) };
  }

  /** Octets of messages that peers currently make this device hold. */
  get heldBytes(): number {
    return this.#held.used;
  }

  /** The state of the relay; null when none is used. */
  get relay(): RelayHealth | null {
    return this.#relay?.health ?? null;
  }

  /**
   * Changes the relay from the next session on; open sessions keep their path. A new relay is tried first: the promise resolves once it has
   * given a path.
   * @param beforeChange runs after the relay has been tried and before it is used; if it throws, nothing changes
   * @throws AppError `msrp/relay`; nothing changes then
   */
  async goThrough(account: RelayAccount | null, beforeChange: () => void = () => undefined): Promise<void> {
    const health = account === null ? null : this.#healthOf(account);
    try {
      if (account !== null) await health?.observed(this.#try(account));
      beforeChange();
    } catch (error) {
      health?.dispose();
      throw error;
    }
    this.#relay?.health.dispose();
    if (this.#disposed) health?.dispose();
    this.#relay = account === null || health === null ? null : { account, health };
  }

  /**
   * A session with its path, ready to be described in SDP. `secure`: over TLS, with its own key and listener. Behind a relay, the relay
   * decides whether TLS is used.
   * @throws AppError `net/unreachable` when this device cannot listen, `msrp/relay` when the relay gives no path
   */
  async prepare({ secure = false }: { secure?: boolean } = {}): Promise<MsrpSession> {
    const sessionId = newSessionId(this.#deps.clock);
    return this.#relay === null ? this.#prepareDirect(sessionId, secure) : this.#prepareBehind(this.#relay, sessionId, secure);
  }

  async #prepareDirect(sessionId: string, secure: boolean): Promise<MsrpSession> {
    const host = this.#deps.host?.() ?? loopback;
    const certificate = secure ? createSessionCertificate(this.#deps.clock.now()) : null;
    const ownTransport = certificate === null ? null : this.#secured(certificate);
    const ownListener = ownTransport === null ? null : await ownTransport.listen(host, (stream) => this.#accept(stream));
    const { port } = ownListener ?? (await this.#listen(host));
    if (this.#disposed) ownListener?.close();
    const transport = ownTransport ?? this.#transport;
    return this.#session({ sessionId, host, port, certificate, relay: null, transport, onClosed: () => ownListener?.close() });
  }

  async #prepareBehind(
    { account, health }: { account: RelayAccount; health: RelayHealth },
    sessionId: string,
    secure: boolean,
  ): Promise<MsrpSession> {
    const isSecure = throughTls(account);
    // A session requested over TLS never falls back to plain TCP, and where the other side expects none, TLS is not used.
    if (secure !== isSecure)
      throw new AppError(
        'msrp/relay',
        { relay: 'unusable', cause: `a session ${secure ? 'over' : 'without'} TLS does not go through ${account.uris.join(' ')}` },
        'user',
      );
    if (this.#disposed) throw new AppError('msrp/closed', { cause: 'MSRP was shut down' });
    const relay = await health.observed(this.#path(account, sessionId));
    if (this.#disposed) relay.path.connection.end();
    return this.#session({ sessionId, host: '', port: 0, certificate: null, relay, transport: this.#transport, onClosed: () => undefined });
  }

  #healthOf(account: RelayAccount): RelayHealth {
    const { clock, log } = this.#deps;
    return new RelayHealth({ clock, log, probe: () => this.#try(account) });
  }

  /** Requests a path from a relay and releases it again. @throws AppError `msrp/relay` */
  async #try(account: RelayAccount): Promise<void> {
    const { path } = await this.#path(account, newSessionId(this.#deps.clock));
    path.dispose();
    path.connection.end();
  }

  #path(account: RelayAccount, sessionId: string): ReturnType<typeof RelayPath.open> {
    const { clock, log } = this.#deps;
    const transport = throughTls(account) ? this.#secured(createSessionCertificate(clock.now())) : this.#transport;
    const connect = async (host: string, port: number, signal: AbortSignal) => this.#adopt(await transport.connect(host, port, signal));
    return RelayPath.open(account, sessionId, { clock, log, connect });
  }

  #secured(certificate: SessionCertificate): MsrpTransport {
    return (this.#deps.secureTransport ?? ((own) => tlsTransport(own, this.#deps.ca)))(certificate);
  }

  #session(
    made: Pick<EndpointSessionDeps, 'sessionId' | 'host' | 'port' | 'certificate' | 'relay'> & {
      transport: MsrpTransport;
      onClosed(): void;
    },
  ): MsrpSession {
    if (this.#disposed) throw new AppError('msrp/closed', { cause: 'MSRP was shut down' });
    const { sessionId, transport } = made;
    const { clock, log } = this.#deps;
    const session: EndpointSession = new EndpointSession({
      ...made,
      clock,
      log,
      allowanceOf: (sender) => this.#held.of(sender),
      connect: async (host, toPort, signal) => this.#adopt(await transport.connect(host, toPort, signal)),
      respond,
      onBound: (connection) => this.#bound(connection, session),
      onClosed: (connection) => {
        if (session.state === 'closed') {
          this.#sessions.delete(sessionId);
          made.onClosed();
        }
        if (connection !== null) this.#unbound(connection, session);
      },
    });
    this.#sessions.set(sessionId, session);
    session.join();
    return session;
  }

  /** Closes every session and connection and stops listening. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#relay?.health.dispose();
    for (const session of [...this.#sessions.values()]) session.close();
    for (const connection of [...this.#connections.keys()]) connection.end();
    for (const listener of this.#listeners.values()) {
      listener.then(
        ({ close }) => close(),
        (error: unknown) => this.#deps.log.debug('there was no MSRP listener to close', { error: String(error) }),
      );
    }
  }

  #listen(host: string): Promise<{ port: number; close(): void }> {
    if (this.#disposed) return Promise.reject(new AppError('msrp/closed', { cause: 'MSRP was shut down' }));
    const known = this.#listeners.get(host);
    if (known !== undefined) return known;
    const listener = this.#transport.listen(host, (stream) => this.#accept(stream));
    this.#listeners.set(host, listener);
    listener.catch(() => {
      // The next `prepare` tries again; this failure only reaches the current waiters.
      this.#listeners.delete(host);
    });
    return listener;
  }

  #accept(stream: MsrpStream): void {
    const unbound = [...this.#connections.values()].filter((each) => each.unbound !== null).length;
    if (this.#disposed || unbound >= maximumUnboundConnections) {
      this.#deps.log.warn('an MSRP connection was refused', { remote: stream.remote, unbound });
      stream.stream.on('error', () => {});
      stream.stream.destroy();
      return;
    }
    try {
      this.#expectBinding(this.#adopt(stream));
    } catch (error) {
      this.#deps.log.error('taking an MSRP connection failed', { remote: stream.remote, error: String(error) });
      stream.stream.destroy();
    }
  }

  #adopt(stream: MsrpStream): MsrpConnection {
    const connection = new MsrpConnection(stream, this.#deps);
    this.#connections.set(connection, { sessions: new Set(), unbound: null });
    // A connection usually names the same session repeatedly.
    let latest = { uri: '', sessionId: '' };
    connection.onRequest = (request) => {
      const uri = request.toPath[0] ?? '';
      if (uri !== latest.uri) latest = { uri, sessionId: sessionIdOf(uri) };
      const session = this.#sessions.get(latest.sessionId);
      if (session === undefined || request.isSkipped === true) respond(connection, request, 481);
      else session.receive(connection, request);
    };
    connection.admits = (toPath) => this.#sessions.has(sessionIdOf(toPath[0] ?? ''));
    connection.onClose.on(() => {
      this.#connections.get(connection)?.unbound?.dispose();
      this.#connections.delete(connection);
    });
    return connection;
  }

  #expectBinding(connection: MsrpConnection): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return;
    entry.unbound = this.#deps.clock.setTimer(bindTimeoutMs, () => connection.destroy('no session was opened on it'));
  }

  #bound(connection: MsrpConnection, session: EndpointSession): void {
    const entry = this.#connections.get(connection);
    entry?.sessions.add(session);
    entry?.unbound?.dispose();
    if (entry !== undefined) entry.unbound = null;
  }

  #unbound(connection: MsrpConnection, session: EndpointSession): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return;
    entry.sessions.delete(session);
    if (entry.sessions.size > 0) return;
    // When a session has ended, its connection is no longer needed. When the session only refused the connection (506), the peer first
    // reads that answer.
    if (session.state === 'closed') connection.end();
    else this.#expectBinding(connection);
  }
}

/** The session id admits a peer, so it must not be guessable (RFC 4975 section 14.1). A UUID has 122 random bits. */
function newSessionId(clock: Clock): string {
  return clock.uuid().replaceAll('-', '');
}

/** Empty when the text is not a URI or names no session. */
function sessionIdOf(uri: string): string {
  const read = parseMsrpUri(uri);
  return (read.ok && read.value.sessionId) || '';
}

function respond(connection: MsrpConnection, request: Answerable, status: number): void {
  const answer = answerTo(request, status);
  if (answer !== null) connection.send(answer);
}
