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
/** LAB: an accepted connection must bring its first whole message within this time, milliseconds: silent ones would take the places of others. */
export const FIRST_MESSAGE_TIMEOUT_MS = 5_000;
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
  /** Runs until the first message of an accepted connection. */
  #first: { dispose(): void } | null = null;
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
    if (webSocket === null) socket.on('data', (bytes: Buffer) => this.#guarded(() => this.#read(bytes)));
    else {
      webSocket.on('message', (data) => this.#guarded(() => this.#read(bytesOf(data))));
      webSocket.on('error', (error) => this.#guarded(() => failed(error)));
    }
    socket.on('error', (error) => this.#guarded(() => failed(error)));
    socket.on('close', () => this.#guarded(() => this.#closed()));
    if (listener !== null) this.#first = owner.clock.setTimer(FIRST_MESSAGE_TIMEOUT_MS, () => this.#guarded(() => this.close()));
    if (socket.connecting) {
      this.#waiting = [];
      socket.once('connect', () => this.#guarded(() => this.#connected()));
    }
  }

  /** Runs a handler of this connection: a defect of ours costs this connection and nothing else. */
  #guarded(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.owner.log('error', 'a connection is closed after an internal error', { remote: this.remote, error: describe(error) });
      try {
        this.close();
      } catch (again) {
        this.owner.log('error', 'a connection could not be closed', { remote: this.remote, error: describe(again) });
      }
    }
  }

  #connected(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const bytes of waiting) this.#write(bytes);
  }

  get local(): string {
    return `${this.#socket.localAddress ?? '0.0.0.0'}:${this.#socket.localPort ?? 0}`;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(message: SipMessage): boolean {
    if (!this.#open) return false;
    // A message that cannot be written is a defect of ours, and its sender's to know.
    const bytes = message.encode();
    if (this.#waiting !== null) this.#waiting.push(bytes);
    else this.#guarded(() => this.#write(bytes));
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
    try {
      this.#socket.destroy();
    } finally {
      this.#closed();
    }
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
    } else this.#half ??= this.owner.clock.setTimer(HALF_MESSAGE_TIMEOUT_MS, () => this.#guarded(() => this.close()));
  }

  #take(frame: Frame): void {
    if (frame.kind === 'message') {
      this.#first?.dispose();
      this.owner.received(frame.bytes, this);
    } else if (frame.kind === 'ping') {
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
    this.#first?.dispose();
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    // One that fails does not keep the others from hearing of the end.
    for (const listener of listeners) this.#guarded(listener);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function bytesOf(data: WebSocket.RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
