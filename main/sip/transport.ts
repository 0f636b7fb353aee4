/**
 * The flow: one connection to the next hop that carries every message both ways (RFC 5626). A `Connection` moves bytes; a `Flow` cuts
 * them into messages, keeps the connection alive, shows each message to the trace, and tells once when it is gone. TLS and WebSocket
 * are further makers of a Connection: they are added to `connectFlow` and nowhere else.
 */
import { connect as connectSocket } from 'node:net';
import type { Clock, Disposable, Logger } from '../base';
import { AppError } from '../errors';
import { malformed, type Parsed, parsed } from '../protocol/parsed';
import { parseUri } from '../protocol/uri';
import type { WireRecord, WireTap } from '../protocol/wire-record';
import { Framer } from './framer';

/** LAB: how long a TCP connection may take. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** RFC 5626 section 4.4.1: the peer answers a ping within this time, or the flow has failed. */
export const PONG_TIMEOUT_MS = 10_000;
/** LAB: time between pings when the registrar gave no Flow-Timer. */
export const KEEPALIVE_INTERVAL_MS = 100_000;

export interface NextHop {
  host: string;
  port: number;
  transport: 'tcp' | 'tls' | 'ws' | 'wss';
}

/** A byte stream to the next hop. After `close`, or once `onClose` has been called, it does nothing more. */
export interface Connection {
  readonly local: { host: string; port: number };
  readonly remote: { host: string; port: number };
  /** Rejects when the bytes cannot be handed to the network. */
  send(bytes: Uint8Array): Promise<void>;
  close(): void;
  onBytes: (bytes: Uint8Array) => void;
  onClose: (reason: string) => void;
}

/** Opens a Connection or throws AppError net/unreachable or net/timeout. `givenUp` ends the attempt. */
export type Connect = (hop: NextHop, clock: Clock, givenUp: AbortSignal) => Promise<Connection>;

/** Reads an outbound proxy's URI such as `sip:127.0.0.1:5070;transport=tcp`. TCP when it does not say: our messages exceed a datagram. */
export function parseNextHop(text: string): Parsed<NextHop> {
  const uri = parseUri(text);
  if (!uri.ok) return uri;
  if (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips') return malformed('the proxy is no SIP URI');
  const transport = uri.value.params.get('transport')?.toLowerCase() ?? (uri.value.scheme === 'sips' ? 'tls' : 'tcp');
  if (transport !== 'tcp' && transport !== 'tls' && transport !== 'ws' && transport !== 'wss')
    return malformed(`no transport ${transport}`);
  const port = uri.value.port ?? (transport === 'tls' ? 5061 : 5060);
  return parsed({ host: uri.value.host.replace(/^\[|\]$/g, ''), port, transport });
}

export const connectFlow: Connect = (hop, clock, givenUp) => {
  if (hop.transport !== 'tcp') {
    return Promise.reject(new AppError('net/unreachable', { cause: `transport ${hop.transport} is not available` }, 'user'));
  }
  return connectTcp(hop, clock, givenUp);
};

function connectTcp(hop: NextHop, clock: Clock, givenUp: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: hop.host, port: hop.port, noDelay: true });
    let closeReason = 'closed by the other side';
    let connection: Connection | null = null;
    const fail = (error: AppError) => {
      timer.dispose();
      socket.destroy();
      reject(error);
    };
    const timer = clock.setTimer(CONNECT_TIMEOUT_MS, () =>
      fail(new AppError('net/timeout', { cause: 'the connection was not answered' }, 'auto')),
    );
    givenUp.addEventListener('abort', () => {
      if (connection === null) fail(new AppError('net/unreachable', { cause: 'the attempt was given up' }, 'auto'));
    });
    socket.on('error', (error) => {
      closeReason = error.message;
      if (connection === null) fail(new AppError('net/unreachable', { cause: error.message }, 'auto'));
    });
    socket.on('close', () => connection?.onClose(closeReason));
    socket.on('data', (bytes) => connection?.onBytes(bytes));
    socket.on('connect', () => {
      timer.dispose();
      connection = {
        local: { host: socket.localAddress ?? '127.0.0.1', port: socket.localPort ?? 0 },
        remote: { host: socket.remoteAddress ?? hop.host, port: socket.remotePort ?? hop.port },
        send: (bytes) => sendTo(socket, bytes),
        close: () => socket.destroy(),
        onBytes: () => undefined,
        onClose: () => undefined,
      };
      resolve(connection);
    });
  });
}

function sendTo(socket: import('node:net').Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) {
      reject(new Error('the connection is closed'));
      return;
    }
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

export interface FlowDeps {
  clock: Clock;
  log: Logger;
  tap?: WireTap | undefined;
}

const PING = new Uint8Array([13, 10, 13, 10]);
const PONG = new Uint8Array([13, 10]);

export class Flow implements Disposable {
  /** One whole message; `bodyAt` is where its body starts. */
  onMessage: (bytes: Uint8Array, bodyAt: number, bodySkipped: boolean) => void = () => undefined;
  /** Called once, when the flow ends otherwise than by `dispose`. */
  onLost: (reason: string) => void = () => undefined;

  readonly local: { host: string; port: number };
  readonly #connection: Connection;
  readonly #deps: FlowDeps;
  readonly #framer = new Framer();
  readonly #transport: WireRecord['transport'];
  #ping: Disposable | null = null;
  #pong: Disposable | null = null;
  #ended = false;

  constructor(connection: Connection, transport: WireRecord['transport'], deps: FlowDeps) {
    this.#connection = connection;
    this.#transport = transport;
    this.#deps = deps;
    this.local = connection.local;
    connection.onBytes = (bytes) => this.#receive(bytes);
    connection.onClose = (reason) => this.#lose(reason);
  }

  get alive(): boolean {
    return !this.#ended;
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error('the flow is gone');
    this.#record('out', bytes);
    await this.#connection.send(bytes);
  }

  /** Pings from now on at 80 to 100 % of `intervalMs`; a missing answer ends the flow (RFC 5626 section 4.4.1). */
  keepAlive(intervalMs: number): void {
    this.#stopPinging();
    if (!this.#ended) this.#schedulePing(intervalMs);
  }

  dispose(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopPinging();
    this.#connection.close();
  }

  #stopPinging(): void {
    this.#ping?.dispose();
    this.#pong?.dispose();
    this.#pong = null;
  }

  #schedulePing(intervalMs: number): void {
    const { clock, log } = this.#deps;
    this.#ping = clock.setTimer(intervalMs * (0.8 + 0.2 * clock.random()), () => {
      this.#pong = clock.setTimer(PONG_TIMEOUT_MS, () => this.#lose('the keep-alive was not answered'));
      this.#connection.send(PING).catch((error: unknown) => log.debug('A ping could not be sent', { error: String(error) }));
      this.#schedulePing(intervalMs);
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    // Any byte after the ping shows that the flow lives.
    this.#pong?.dispose();
    this.#pong = null;
    for (const frame of this.#framer.push(bytes)) {
      if (this.#ended) return;
      if (frame.kind === 'message') {
        this.#record('in', frame.bytes);
        this.#guarded(() => this.onMessage(frame.bytes, frame.bodyAt, frame.bodySkipped));
      } else if (frame.kind === 'ping') {
        this.#connection.send(PONG).catch((error: unknown) => this.#deps.log.debug('A pong could not be sent', { error: String(error) }));
      } else if (frame.kind === 'broken') {
        this.#lose(`the stream cannot be read: ${frame.reason}`);
      }
    }
  }

  #lose(reason: string): void {
    if (this.#ended) return;
    this.dispose();
    this.#deps.log.info('The connection to the SIP server is gone', { reason });
    this.#guarded(() => this.onLost(reason));
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
        transport: this.#transport,
        local: place(this.#connection.local),
        remote: place(this.#connection.remote),
        bytes,
      }),
    );
  }
}
