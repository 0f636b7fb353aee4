/**
 * The MSRP switch of the Controlling Function: one listener, many sessions. A session belongs to one endpoint of one group; who gets
 * what is decided by the owner of the session, the switch only carries.
 *
 *   prepared --bind--> bound --close--> closed
 *       \_______________________________^
 *
 * A session is bound by the first request whose To-Path names it; a second connection for it is refused with 506 (RFC 4975 section 7.3). Not
 * so behind a relay (a path of more than one URI): that calls us although we have called it, since it looks for us by our URI (RFC 4976 section 6.3).
 */
import { randomBytes } from 'node:crypto';
import { backgroundClock, type Timekeeper } from '../../base/clock';
import { type MsrpMessage, newTransactionId, parseMsrpUri } from '../../protocol/msrp';
import { parseNickname } from '../../protocol/nickname';
import { type Fingerprint, fingerprintsOf, type MsrpDescription } from '../../protocol/sdp';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import { type CompleteMessage, MAX_MESSAGE_BYTES, MsrpAssembly, type MsrpRequest } from './assembly';
import { MsrpConnection, type MsrpStream } from './connection';
import { MediaDoor, type MediaPlace, shows } from './door';
import { type OutgoingMessage, SentMessages } from './outgoing';
import { randomFraction } from './random-fraction';

/** LAB: how long a session waits for its connection. */
export const BIND_TIMEOUT_MS = 30_000;
/** LAB: connections of the switch at a time. */
export const MAX_CONNECTIONS = 1000;
/** LAB: requests that may come over TLS before the SDP is known that names their certificate. */
export const MAX_EARLY_REQUESTS = 16;
/** LAB: bytes kept for a session that is not connected yet. */
export const MAX_WAITING_BYTES = 2 * 1024 * 1024;

type State = 'prepared' | 'bound' | 'closed';

const TRANSITIONS: Record<State, readonly State[]> = { prepared: ['bound', 'closed'], bound: ['closed'], closed: [] };

/** The answer to a complete message. */
export interface Verdict {
  status: number;
  reason: string;
}

export interface SwitchSessionEvents {
  /** A complete message of this endpoint; what is returned is its MSRP answer. */
  onMessage(message: CompleteMessage): Verdict;
  /** The endpoint wants to be called so (RFC 7701); empty: by no name of its own any more. What is returned is its MSRP answer. */
  onNickname(nickname: string): Verdict;
  /** Once; `null` when the owner closed it, else why it ended. */
  onClose(reason: string | null): void;
}

export interface MediaOptions {
  host?: string;
  clock?: Timekeeper;
  tap?: WireTap;
  log?: NetworkLog;
  maxQueuedBytes?: number;
  /** The authorities (PEM) that may vouch for a side whose SDP names no fingerprint, as behind a relay; those that Node trusts when absent. */
  ca?: readonly string[];
}

export class MsrpSwitch {
  readonly host: string;
  readonly clock: Timekeeper;
  readonly #door: MediaDoor;
  readonly #options: MediaOptions;
  readonly #sessions = new Map<string, SwitchSession>();
  readonly #connections = new Map<MsrpConnection, { sessions: Set<SwitchSession>; timer: { dispose(): void } }>();
  /** Over which connection a session runs, or is to run once that stands. */
  readonly #carrying = new Map<SwitchSession, MsrpConnection>();

  constructor(options: MediaOptions = {}) {
    this.host = options.host ?? '127.0.0.1';
    this.clock = options.clock ?? backgroundClock;
    this.#options = options;
    this.#door = new MediaDoor(
      this.host,
      (socket) => this.accept(socket),
      (error) => options.log?.('error', 'The MSRP listener failed', { error: error.message }),
      options.ca,
    );
  }

  get port(): number {
    return this.#door.port;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  listen(port = 0): Promise<number> {
    return this.#door.listen(port);
  }

  /** Takes a connection that somebody has opened to the listener. */
  accept(stream: MsrpStream): void {
    if (this.#connections.size >= MAX_CONNECTIONS) stream.destroy();
    else this.#adopt(stream);
  }

  /** Makes a session; its path goes into the SDP. The name is unguessable, for it alone admits a connection (RFC 4975 section 14.1). */
  prepare(events: SwitchSessionEvents, { isSecure = false }: { isSecure?: boolean } = {}): SwitchSession {
    const id = randomBytes(15).toString('base64url').replaceAll('-', '.').replaceAll('_', '~');
    const session = new SwitchSession(this, id, this.#door.place(isSecure), events, () => this.#forget(session));
    this.#sessions.set(id, session);
    return session;
  }

  /** Opens a connection for a session whose peer waits to be called (setup:passive). */
  dial(session: SwitchSession, host: string, port: number): void {
    const socket = this.#door.call(host, port, session.isSecure, () => {
      if (session.state !== 'prepared') return;
      if (!session.admits(connection)) {
        session.close('its media is not who its SDP names');
        return;
      }
      this.#bind(session, connection, true);
    });
    const connection = this.#adopt(socket);
    this.#carry(session, connection);
  }

  async close(): Promise<void> {
    for (const session of [...this.#sessions.values()]) session.close();
    for (const connection of [...this.#connections.keys()]) {
      connection.close('the switch ends');
      connection.socket.destroy();
    }
    await this.#door.close();
  }

  readonly #events = {
    onMessage: (connection: MsrpConnection, message: MsrpMessage) => this.#onMessage(connection, message),
    onClose: (connection: MsrpConnection, reason: string) => this.#onConnectionClose(connection, reason),
  };

  #adopt(stream: MsrpStream): MsrpConnection {
    const connection = new MsrpConnection(stream, this.#events, this.#options.tap, () => this.clock.now(), this.#options.maxQueuedBytes);
    const timer = this.clock.setTimer(BIND_TIMEOUT_MS, () => {
      if (this.#connections.get(connection)?.sessions.size === 0) connection.close('it never named a session');
    });
    this.#connections.set(connection, { sessions: new Set(), timer });
    return connection;
  }

  #bind(session: SwitchSession, connection: MsrpConnection, asks: boolean): void {
    this.#carry(session, connection);
    session.bind(connection, asks);
  }

  /** One whose media was to be called may call first: the connection made for it then has nothing to carry. */
  #carry(session: SwitchSession, connection: MsrpConnection): void {
    const former = this.#carrying.get(session);
    if (former === connection) return;
    if (former !== undefined) this.#uncarry(session, former);
    this.#carrying.set(session, connection);
    this.#connections.get(connection)?.sessions.add(session);
  }

  #uncarry(session: SwitchSession, connection: MsrpConnection): void {
    const sessions = this.#connections.get(connection)?.sessions;
    if (sessions?.delete(session) === true && sessions.size === 0) connection.close('its session ended');
  }

  #onMessage(connection: MsrpConnection, message: MsrpMessage): void {
    const local = message.toPath[0];
    const uri = local === undefined ? null : parseMsrpUri(local);
    const session = uri?.ok && uri.value.sessionId !== null ? this.#sessions.get(uri.value.sessionId) : undefined;
    if (message.kind === 'response') {
      if (session?.hears(connection) === true) session.onResponse(message.transactionId, message.status);
      return;
    }
    if (session === undefined || message.toPath.length !== 1) {
      reply(connection, message, 481, 'No Such Session');
      return;
    }
    if (session.connection === null) {
      // Over TLS only who shows the certificate that the SDP names; what it says before that is known waits.
      if (session.hold(message, connection, (held) => this.#onMessage(connection, held))) return;
      if (!session.admits(connection)) {
        reply(connection, message, 403, 'Forbidden');
        connection.close('it is not who the SDP names');
        return;
      }
      this.#bind(session, connection, false);
    }
    if (!session.hears(connection)) {
      if (!session.isRelayed || !session.admits(connection)) {
        reply(connection, message, 506, 'Session Bound To Another Connection');
        return;
      }
      session.further.add(connection);
      this.#connections.get(connection)?.sessions.add(session);
    }
    session.onRequest(message, connection);
  }

  #onConnectionClose(connection: MsrpConnection, reason: string): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return;
    this.#connections.delete(connection);
    entry.timer.dispose();
    this.#options.log?.('debug', 'An MSRP connection ended', { reason, sessions: entry.sessions.size });
    for (const session of entry.sessions) if (!session.further.delete(connection)) session.close(reason);
  }

  #forget(session: SwitchSession): void {
    this.#sessions.delete(session.id);
    const connection = this.#carrying.get(session);
    this.#carrying.delete(session);
    for (const one of [...(connection === undefined ? [] : [connection]), ...session.further]) this.#uncarry(session, one);
  }
}

/** What the SDP says of a session. `origin` is the o= line: the same sess-id through a dialog, a higher version at each change (RFC 3264). */
export function describeSession(
  session: SwitchSession,
  setup: 'active' | 'passive' | 'actpass',
  origin: { sessionId: string; version: number },
): MsrpDescription {
  return {
    host: session.place.host,
    port: session.place.port,
    path: [session.localPath],
    setup,
    acceptTypes: ['message/cpim'],
    wrappedTypes: ['text/plain', 'message/imdn+xml', 'application/im-iscomposing+xml', '*'],
    direction: 'sendrecv',
    sessionId: origin.sessionId,
    version: origin.version,
    transport: session.place.transport,
    attributes: [
      ['max-size', String(MAX_MESSAGE_BYTES)],
      // RFC 7701 section 8.
      ['chatroom', 'nickname private-messages'],
      ...(session.place.fingerprint === null
        ? []
        : [['fingerprint', `${session.place.fingerprint.hash} ${session.place.fingerprint.value}`] as const]),
    ],
  };
}

export class SwitchSession {
  readonly #assembly = new MsrpAssembly();
  readonly #waiting: OutgoingMessage[] = [];
  #waitingBytes = 0;
  readonly #sent: SentMessages;
  /** What a relay has opened besides; it carries requests to us, ours go over the first one. */
  readonly further = new Set<MsrpConnection>();
  #bindTimer: { dispose(): void } | null = null;
  #state: State = 'prepared';
  #connection: MsrpConnection | null = null;
  #remotePath: readonly string[] = [];
  #fingerprints: readonly Fingerprint[] = [];
  readonly #early: (() => void)[] = [];

  constructor(
    private readonly owner: MsrpSwitch,
    readonly id: string,
    /** Where the switch listens for it. */
    readonly place: MediaPlace,
    private readonly events: SwitchSessionEvents,
    private readonly forget: () => void,
  ) {
    this.#sent = new SentMessages({
      clock: owner.clock,
      localPath: this.localPath,
      send: (message) => this.#connection?.send(message),
      onBroken: (reason) => this.close(reason),
    });
  }

  get state(): State {
    return this.#state;
  }

  get localPath(): string {
    const { scheme, host, port } = this.place;
    return `${scheme}://${host}:${port}/${this.id};tcp`;
  }

  get isSecure(): boolean {
    return this.place.fingerprint !== null;
  }

  /** The endpoint is behind a relay: the next hop's word is not the endpoint's. */
  get isRelayed(): boolean {
    return this.#remotePath.length > 1;
  }

  /** Whether a connection may be this session's. */
  admits(connection: MsrpConnection): boolean {
    return !this.isSecure || shows(connection.socket, this.#fingerprints, this.#remotePath[0] ?? '');
  }

  hears(connection: MsrpConnection): boolean {
    return this.#connection === connection || this.further.has(connection);
  }

  /** Keeps what comes over TLS before the SDP is known that says by whom it may come; `again` when it is. */
  hold(
    message: MsrpMessage & { kind: 'request' },
    connection: MsrpConnection,
    again: (message: MsrpMessage & { kind: 'request' }) => void,
  ): boolean {
    if (!this.isSecure || this.#remotePath.length > 0 || this.#state !== 'prepared') return false;
    if (this.#early.length >= MAX_EARLY_REQUESTS) connection.close('too much came before its session stood');
    else this.#early.push(() => again(message));
    return true;
  }

  get connection(): MsrpConnection | null {
    return this.#connection;
  }

  /** The peer's path of the SDP is known: from now on it has BIND_TIMEOUT_MS to connect, or is called when it is `passive`. */
  start(remotePath: readonly string[], ourRole: 'active' | 'passive', remote?: MsrpDescription): void {
    if (this.#state === 'closed') return;
    this.#remotePath = remotePath;
    this.#fingerprints = remote === undefined ? [] : fingerprintsOf(remote);
    if (this.isSecure !== (remote?.transport === 'TCP/TLS/MSRP')) {
      this.close('its media does not run over what was agreed');
      return;
    }
    this.#bindTimer ??= this.owner.clock.setTimer(BIND_TIMEOUT_MS, () => {
      if (this.#state === 'prepared') this.close('it did not connect its media');
    });
    for (const again of this.#early.splice(0)) again();
    if (this.#state === 'bound') this.#flush();
    if (ourRole !== 'active' || this.#state !== 'prepared') return;
    const first = remotePath[0];
    const uri = first === undefined ? null : parseMsrpUri(first);
    if (uri?.ok) this.owner.dial(this, uri.value.host, uri.value.port ?? 2855);
    else this.close('its MSRP path is malformed');
  }

  /** `asks`: we have called, and say so along the path, for the other end to be bound (RFC 4975 section 5.4). */
  bind(connection: MsrpConnection, asks: boolean): void {
    this.#transition('bound');
    this.#connection = connection;
    this.#bindTimer?.dispose();
    if (this.#remotePath.length === 0) return;
    if (asks) this.#sent.bind(this.#remotePath);
    this.#flush();
  }

  /**
   * Sends a message, or keeps it until the endpoint has connected. `onAnswered` when the endpoint, not a relay before it, has answered for all of
   * it, whatever it said: a refused message is not sent again. Never when the session ends before.
   */
  send(message: { contentType: string; body: Uint8Array; messageId?: string; onAnswered?: () => void }): void {
    if (this.#state === 'closed') return;
    const entry: OutgoingMessage = { ...message, messageId: message.messageId ?? randomBytes(12).toString('hex') };
    if (this.#state === 'bound' && this.#remotePath.length > 0) {
      this.#sent.write(entry, this.#remotePath);
      return;
    }
    this.#waitingBytes += entry.body.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.close('too much is waiting for it');
    else this.#waiting.push(entry);
  }

  onRequest(request: MsrpRequest, by: MsrpConnection): void {
    if (request.method === 'REPORT') {
      this.#sent.report(request);
      return;
    }
    const { status, reason, whole } = this.#take(request);
    reply(by, request, status, reason);
    if (whole !== undefined && request.successReport) this.#report(request, whole, by);
  }

  /** The answer, and how many bytes the message has that is whole with it and taken. */
  #take(request: MsrpRequest): Verdict & { whole?: number } {
    if (request.method === 'NICKNAME') {
      const asked = request.headers.find(([name]) => name.toLowerCase() === 'use-nickname');
      const nickname = asked === undefined ? null : parseNickname(asked[1]);
      return nickname === null ? { status: 424, reason: 'Malformed Nickname' } : this.events.onNickname(nickname);
    }
    if (request.method !== 'SEND') return { status: 501, reason: 'Not Implemented' };
    // The empty SEND that binds the connection (RFC 4975 section 5.4).
    if (request.body === null) return TAKEN;
    const step = this.#assembly.take(request);
    if (step.kind === 'refused') return { status: step.status, reason: step.reason };
    if (step.kind !== 'complete') return TAKEN;
    const verdict = this.events.onMessage(step.message);
    return verdict.status === 200 ? { ...verdict, whole: step.message.body.length } : verdict;
  }

  onResponse(transactionId: string, status: number): void {
    this.#sent.answered(transactionId, status);
  }

  /** Ends the session; `reason` only when it was not the owner's wish. */
  close(reason: string | null = null): void {
    if (this.#state === 'closed') return;
    this.#transition('closed');
    this.#bindTimer?.dispose();
    this.#sent.close();
    this.#waiting.length = 0;
    this.#connection = null;
    this.forget();
    this.events.onClose(reason);
  }

  #flush(): void {
    if (this.#connection === null) return;
    const waiting = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    for (const entry of waiting) this.#sent.write(entry, this.#remotePath);
  }

  /** RFC 4975 section 7.1.2: the report goes back along the path, names the same message, and gets no answer. */
  #report(request: MsrpRequest, total: number, by: MsrpConnection): void {
    by.send({
      kind: 'request',
      transactionId: newTransactionId(randomFraction, new Uint8Array(0)),
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

  #transition(to: State): void {
    if (!TRANSITIONS[this.#state].includes(to)) throw new Error(`MSRP session: ${this.#state} -> ${to}`);
    this.#state = to;
  }
}

const TAKEN: Verdict = { status: 200, reason: 'OK' };

/**
 * RFC 4975 section 7.2: no answer to a REPORT nor when Failure-Report is no; only bad news when it is partial. The answer to a SEND goes one hop,
 * any other along the whole path: a relay hands it on (RFC 4976 section 6.5).
 */
function reply(connection: MsrpConnection, request: MsrpRequest, status: number, reason: string): void {
  if (request.method === 'REPORT' || request.failureReport === 'no') return;
  if (request.failureReport === 'partial' && status === 200) return;
  connection.send({
    kind: 'response',
    transactionId: request.transactionId,
    status,
    reason,
    toPath: request.method === 'SEND' ? request.fromPath.slice(0, 1) : request.fromPath,
    fromPath: request.toPath.slice(0, 1),
    continuation: '$',
  });
}
