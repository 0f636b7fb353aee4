/** One connection of a SipServer. TCP, TLS and WebSocket look the same from above. */
import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type * as net from 'node:net';
import type WebSocket from 'ws';
import type { Timekeeper } from '../../base/clock';
import type { NetworkLog } from '../log';
import { type Frame, Framer } from './framer';
import type { SipMessage } from './message';

/** A message that has begun must be whole after this time, milliseconds. */
export const HALF_MESSAGE_TIMEOUT_MS = 30_000;
/** Bytes that may wait for a peer that does not read; beyond them the connection is closed. */
const MAX_UNREAD_BYTES = 8_388_608;

export type TransportName = 'tcp' | 'tls' | 'ws' | 'wss';

export interface Flow {
  readonly id: string;
  readonly transport: TransportName;
  /** `address:port` of this side. */
  readonly local: string;
  /** `address:port` of the other side. */
  readonly remote: string;
  /** The name of the listener that accepted the connection; null when this side opened it. */
  readonly listener: string | null;
  readonly isOpen: boolean;
  /** Writes one message. False when the connection is gone. */
  send(message: SipMessage): boolean;
  close(): void;
  /** Runs `listener` once when the connection is gone. */
  onClose(listener: () => void): void;
}

/** The owner of flows: the SipServer. */
export interface FlowOwner {
  readonly clock: Timekeeper;
  readonly log: NetworkLog;
  tapped(direction: 'in' | 'out', flow: Flow, bytes: Uint8Array): void;
  /** One whole message. */
  received(bytes: Uint8Array, flow: Flow): void;
  /** The head of a message whose body has no usable length. */
  refuseHead(head: Uint8Array, reason: string, flow: Flow): void;
}

/** How the bytes travel: a stream, or WebSocket messages over it. */
export interface Carrier {
  transport: TransportName;
  socket: net.Socket;
  webSocket: WebSocket | null;
}

const PONG = '\r\n';

export class SocketFlow implements Flow {
  readonly id = randomBytes(8).toString('hex');
  readonly transport: TransportName;
  readonly #closeListeners = new Set<() => void>();
  readonly #framer: Framer;
  readonly #socket: net.Socket;
  readonly #webSocket: WebSocket | null;
  #half: { dispose(): void } | null = null;
  #open = true;
  /** Messages written before the connection is open; null once it is. */
  #waiting: Uint8Array[] | null = null;

  constructor(
    private readonly owner: FlowOwner,
    carrier: Carrier,
    readonly listener: string | null,
    readonly remote: string,
  ) {
    const { socket, webSocket, transport } = carrier;
    this.transport = transport;
    this.#socket = socket;
    this.#webSocket = webSocket;
    this.#framer = new Framer(webSocket !== null);
    socket.setNoDelay(true);
    const failed = (error: Error) => owner.log('debug', 'a connection failed', { remote: this.remote, error: error.message });
    if (webSocket === null) socket.on('data', (bytes: Buffer) => this.#read(bytes));
    else webSocket.on('message', (data) => this.#read(bytesOf(data))).on('error', failed);
    socket.on('error', failed);
    socket.on('close', () => this.#closed());
    if (socket.connecting) {
      this.#waiting = [];
      socket.once('connect', () => {
        const waiting = this.#waiting ?? [];
        this.#waiting = null;
        for (const bytes of waiting) this.#write(bytes);
      });
    }
  }

  get local(): string {
    return `${this.#socket.localAddress ?? '0.0.0.0'}:${this.#socket.localPort ?? 0}`;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(message: SipMessage): boolean {
    if (!this.#open) return false;
    const bytes = message.encode();
    if (this.#waiting !== null) this.#waiting.push(bytes);
    else this.#write(bytes);
    return this.#open;
  }

  #write(bytes: Uint8Array): void {
    this.owner.tapped('out', this, bytes);
    // RFC 7118 section 4.2: a text message must be UTF-8, and a SIP body need not be.
    if (this.#webSocket === null) this.#socket.write(bytes);
    else this.#webSocket.send(bytes, { binary: !isUtf8(bytes) });
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) {
      this.owner.log('warn', 'a peer does not read: its connection is closed', { remote: this.remote });
      this.close();
    }
  }

  close(): void {
    this.#socket.destroy();
    this.#closed();
  }

  onClose(listener: () => void): void {
    if (this.#open) this.#closeListeners.add(listener);
    else listener();
  }

  #read(bytes: Uint8Array): void {
    for (const frame of this.#framer.push(bytes)) {
      if (!this.#open) return;
      this.#take(frame);
    }
    if (!this.#framer.inMessage) {
      this.#half?.dispose();
      this.#half = null;
    } else this.#half ??= this.owner.clock.setTimer(HALF_MESSAGE_TIMEOUT_MS, () => this.close());
  }

  #take(frame: Frame): void {
    if (frame.kind === 'message') this.owner.received(frame.bytes, this);
    else if (frame.kind === 'ping') {
      if (this.#webSocket === null) this.#socket.write(PONG);
      else this.#webSocket.send(PONG);
    } else {
      this.owner.log('info', 'a stream cannot be read on', { remote: this.remote, reason: frame.reason });
      if (frame.head !== null) this.owner.refuseHead(frame.head, frame.reason, this);
      // What is written still goes out; a peer that keeps its end open after that is ignored.
      this.#socket.destroySoon();
    }
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#half?.dispose();
    for (const listener of [...this.#closeListeners]) listener();
    this.#closeListeners.clear();
  }
}

function bytesOf(data: WebSocket.RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
