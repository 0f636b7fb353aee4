/**
 * The MSRP switch of the Controlling Function: one listener, many sessions. The owner of a session decides who gets a message; the switch
 * only carries it.
 */
import { randomBytes } from 'node:crypto';
import { backgroundClock, type Timekeeper } from '../../base/clock';
import { type MsrpMessage, parseMsrpUri } from '../../protocol/msrp';
import { SharedAllowance } from '../../protocol/msrp-allowance';
import { answerTo } from '../../protocol/msrp-rules';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import { MsrpConnection, type MsrpStream } from './connection';
import { MediaDoor } from './door';
import { BIND_TIMEOUT_MS, SwitchSession, type SwitchSessionEvents } from './switch-session';

export { BIND_TIMEOUT_MS, describeSession, MAX_WAITING_BYTES, type SwitchSession, type Verdict } from './switch-session';

/** LAB: most connections at the same time. */
const MAX_CONNECTIONS = 1000;
/** LAB: most bytes of unfinished and waiting messages in all sessions of one person; the next constant is for all people together. */
export const MAX_PERSON_BYTES = 16 * 1024 * 1024;
export const MAX_SWITCH_BYTES = 128 * 1024 * 1024;

export interface MediaOptions {
  host?: string;
  clock?: Timekeeper;
  tap?: WireTap;
  log?: NetworkLog;
  maxQueuedBytes?: number;
  /**
   * The authorities (PEM) that may vouch for a side whose SDP names no fingerprint, as behind a relay. When absent: the authorities that
   * Node trusts.
   */
  ca?: readonly string[];
}

export class MsrpSwitch {
  readonly host: string;
  readonly clock: Timekeeper;
  readonly #door: MediaDoor;
  readonly #options: MediaOptions;
  readonly #held = new SharedAllowance(MAX_SWITCH_BYTES, MAX_PERSON_BYTES);
  readonly #sessions = new Map<string, SwitchSession>();
  readonly #connections = new Map<MsrpConnection, { sessions: Set<SwitchSession>; timer: { dispose(): void } }>();
  /** The connection on which a session runs, or will run once it is open. */
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

  /** Takes a connection that was opened to the listener. */
  accept(stream: MsrpStream): void {
    if (this.#connections.size >= MAX_CONNECTIONS) stream.destroy();
    else this.#adopt(stream);
  }

  /**
   * Creates a session, whose path goes into the SDP. Its name is unguessable, because the name alone admits a connection (RFC 4975 section
   * 14.1). All sessions of one `person` share one memory limit.
   */
  prepare(
    events: SwitchSessionEvents,
    { isSecure = false, person = null }: { isSecure?: boolean; person?: string | null } = {},
  ): SwitchSession {
    const id = randomBytes(15).toString('base64url').replaceAll('-', '.').replaceAll('_', '~');
    const session = new SwitchSession(this, id, this.#door.place(isSecure), events, this.#held.of(person), () => this.#forget(session));
    this.#sessions.set(id, session);
    return session;
  }

  /** Opens a connection for a session whose peer waits to be called (setup:passive). */
  dial(session: SwitchSession, host: string, port: number): void {
    const socket = this.#door.call(host, port, session.isSecure, () => connection.guarded(() => this.#called(session, connection)));
    const connection = this.#adopt(socket);
    this.#carry(session, connection);
  }

  #called(session: SwitchSession, connection: MsrpConnection): void {
    if (session.state !== 'prepared') return;
    if (session.admits(connection)) this.#bind(session, connection, true);
    else session.close('its media is not who its SDP names');
  }

  async close(): Promise<void> {
    for (const session of [...this.#sessions.values()]) session.close();
    for (const connection of [...this.#connections.keys()]) {
      connection.close('the switch ends');
      connection.socket.destroy();
    }
    await this.#door.close();
  }

  /** Bytes of messages that peers currently make the switch hold. */
  get heldBytes(): number {
    return this.#held.used;
  }

  readonly #events = {
    admits: (toPath: readonly string[]) => this.#sessionOf(toPath) !== undefined,
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

  /** An endpoint that waits to be called may connect first; the connection opened for it then carries nothing. */
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

  #sessionOf(toPath: readonly string[]): SwitchSession | undefined {
    const uri = parseMsrpUri(toPath[0] ?? '');
    return uri.ok && uri.value.sessionId !== null ? this.#sessions.get(uri.value.sessionId) : undefined;
  }

  #onMessage(connection: MsrpConnection, message: MsrpMessage): void {
    const session = this.#sessionOf(message.toPath);
    if (message.kind === 'response') {
      if (session?.hears(connection) === true) session.onResponse(message.transactionId, message.status);
      return;
    }
    if (session === undefined || message.toPath.length !== 1) {
      reply(connection, message, 481, 'No Such Session');
      return;
    }
    if (session.connection === null) {
      // Over TLS only the side with the certificate in the SDP is heard. Until the SDP is known, requests wait.
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

function reply(connection: MsrpConnection, request: MsrpMessage & { kind: 'request' }, status: number, reason: string): void {
  const answer = request.goesOn === true ? null : answerTo(request, status, reason);
  if (answer !== null) connection.send(answer);
}
