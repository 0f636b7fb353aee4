/**
 * The flow: one connection to the next hop that carries every message both ways (RFC 5626). A `Connection` moves bytes; a `Flow` splits
 * them into messages, checks that the connection is alive, passes each message to the trace, and reports its loss once.
 *
 * A connection whose other end has vanished looks open until something is sent (half-open). So a ping is sent regularly, when
 * `probe` is called, and when a request gets no answer.
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import type { Logger } from '../../../base/log';
import { startsWithAt, utf8 } from '../../../protocol/octets';
import type { SipTransport } from '../../../protocol/server-address';
import type { WireTap } from '../../../protocol/wire-record';
import { type Frame, Framer } from '../wire/framer';
import type { Connection } from './connection';

/** RFC 5626 section 4.4.1: the peer must answer a ping within this time, or the flow has failed. */
export const PONG_TIMEOUT_MS = 10_000;
/** LAB: time between pings when the registrar gives no Flow-Timer. */
export const KEEPALIVE_INTERVAL_MS = 100_000;
/** LAB: when no byte has come back this long after a request, a ping is sent. */
export const SILENCE_MS = 4_000;

/** LAB: messages that are handed on in one turn of the event loop; each may cost a millisecond. */
export const MESSAGES_A_TURN = 2;

export interface FlowDeps {
  clock: Clock;
  log: Logger;
  tap?: WireTap | undefined;
}

const PING = utf8('\r\n\r\n');
const PONG = utf8('\r\n');
/** How messages begin that get no answer: responses and ACK. */
const UNANSWERED = [utf8('SIP/'), utf8('ACK ')];

export class Flow implements Disposable {
  /** Receives one whole message; `bodyAt` is where its body starts. */
  onMessage: (bytes: Uint8Array, bodyAt: number, bodySkipped: boolean) => void = () => undefined;
  /** Called once, when the flow ends other than by `dispose`. */
  onLost: (reason: string) => void = () => undefined;

  readonly local: { host: string; port: number };
  readonly transport: SipTransport;
  readonly #connection: Connection;
  readonly #deps: FlowDeps;
  readonly #framer: Framer;
  #ping: Disposable | null = null;
  #pong: Disposable | null = null;
  #silence: Disposable | null = null;
  /** The peer has answered a ping or promised to. Many servers older than RFC 5626 never do, though they are alive. */
  #answersPings = false;
  /** Callers of `probe`; they are told at the next byte or at the end of the flow. */
  readonly #probes = new Set<(alive: boolean) => void>();
  /** What was read and waits for its turn, and why the connection has ended meanwhile. */
  #backlog: Frame[] = [];
  #closed: string | null = null;
  #ended = false;

  constructor(connection: Connection, transport: SipTransport, deps: FlowDeps) {
    this.#connection = connection;
    this.transport = transport;
    this.#deps = deps;
    this.local = connection.local;
    this.#framer = new Framer(connection.isMessageBased ?? false);
    connection.onBytes = (bytes) => this.#survived(() => this.#receive(bytes));
    connection.onPong = () =>
      this.#survived(() => {
        this.#answersPings = true;
        this.#heard();
      });
    connection.onClose = (reason) =>
      this.#survived(() => {
        // What came before the end is handled before it.
        if (this.#backlog.length > 0) this.#closed = reason;
        else this.#lose(reason);
      });
  }

  /** The transport in the form of a URI: `ws` stands for both kinds of WebSocket (RFC 7118 section 5.2.2). */
  get contactTransport(): string {
    return this.transport === 'wss' ? 'ws' : this.transport;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error('the flow is gone');
    this.#record('out', bytes);
    if (!UNANSWERED.some((start) => startsWithAt(bytes, start, 0))) this.#expectSomething();
    await this.#connection.send(bytes);
  }

  /**
   * Whether the other end is still there: pings at once and resolves with true when any byte arrives within `timeoutMs`. False does not end
   * the flow: the caller decides.
   */
  probe(timeoutMs: number): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (alive: boolean) => {
        timer.dispose();
        this.#probes.delete(settle);
        resolve(alive);
      };
      const timer = this.#deps.clock.setTimer(timeoutMs, () => settle(false));
      this.#probes.add(settle);
      this.#sendPing();
    });
  }

  /**
   * From now on sends pings at 80 to 100 % of `intervalMs`. A missing answer ends the flow (RFC 5626 section 4.4.1) when answers are
   * `promised` or one has come before. Otherwise the flow only ends when a request gets no answer either.
   */
  keepAlive(intervalMs: number, promised = false): void {
    this.#stopPinging();
    this.#answersPings ||= promised;
    if (!this.#ended) this.#schedulePing(intervalMs);
  }

  dispose(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#backlog = [];
    this.#stopPinging();
    this.#silence?.dispose();
    for (const settle of [...this.#probes]) settle(false);
    this.#guarded(() => this.#connection.close());
  }

  #stopPinging(): void {
    this.#ping?.dispose();
    this.#pong?.dispose();
    this.#pong = null;
  }

  #schedulePing(intervalMs: number): void {
    const { clock } = this.#deps;
    this.#ping = clock.setTimer(intervalMs * (0.8 + 0.2 * clock.random()), () => {
      if (this.#answersPings) this.#askForLife();
      else this.#sendPing();
      this.#schedulePing(intervalMs);
    });
  }

  /** Sends a ping; without an answer the flow is lost. */
  #askForLife(): void {
    this.#pong ??= this.#deps.clock.setTimer(PONG_TIMEOUT_MS, () => this.#lose('the keep-alive was not answered'));
    this.#sendPing();
  }

  #sendPing(): void {
    const sent = this.#connection.ping?.() ?? this.#connection.send(PING);
    sent.catch((error: unknown) => this.#deps.log.debug('A ping could not be sent', { error: String(error) }));
  }

  #expectSomething(): void {
    this.#silence ??= this.#deps.clock.setTimer(SILENCE_MS, () => {
      this.#silence = null;
      this.#askForLife();
    });
  }

  /** Any byte shows that the flow is alive. */
  #heard(): void {
    this.#pong?.dispose();
    this.#pong = null;
    this.#silence?.dispose();
    this.#silence = null;
    for (const settle of [...this.#probes]) settle(true);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#heard();
    const isBusy = this.#backlog.length > 0;
    this.#backlog.push(...this.#framer.push(bytes));
    if (!isBusy) this.#handOn(false);
  }

  /** `isLate`: in a later turn than the one in which it was read. */
  #handOn(isLate: boolean): void {
    for (const frame of this.#backlog.splice(0, MESSAGES_A_TURN)) {
      if (this.#ended) return;
      this.#take(frame);
    }
    if (this.#backlog.length > 0) {
      this.#connection.pause?.();
      setImmediate(() => this.#survived(() => this.#handOn(true)));
      return;
    }
    if (this.#closed !== null) this.#lose(this.#closed);
    else if (isLate) this.#connection.resume?.();
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case 'message':
        this.#record('in', frame.bytes);
        this.#guarded(() => this.onMessage(frame.bytes, frame.bodyAt, frame.bodySkipped));
        break;
      case 'ping':
        this.#connection.send(PONG).catch((error: unknown) => this.#deps.log.debug('A pong could not be sent', { error: String(error) }));
        break;
      case 'pong':
        this.#answersPings = true;
        break;
      case 'broken':
        this.#lose(`the stream cannot be read: ${frame.reason}`);
    }
  }

  #lose(reason: string): void {
    if (this.#ended) return;
    this.dispose();
    this.#deps.log.info('The connection to the SIP server is gone', { reason });
    this.#guarded(() => this.onLost(reason));
  }

  /** Runs a handler of the socket: a defect of ours costs this flow and nothing else. */
  #survived(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#guarded(() => {
        throw error;
      });
      this.#lose('internal error');
    }
  }

  /** Nothing that a message sets off may end the socket's event. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#deps.log.error('Handling a SIP message failed', {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }

  #record(direction: 'in' | 'out', bytes: Uint8Array): void {
    const { clock, tap } = this.#deps;
    if (tap === undefined) return;
    const place = ({ host, port }: { host: string; port: number }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
    this.#guarded(() =>
      tap({
        at: clock.now(),
        direction,
        protocol: 'sip',
        transport: this.transport,
        local: place(this.#connection.local),
        remote: place(this.#connection.remote),
        bytes,
      }),
    );
  }
}
