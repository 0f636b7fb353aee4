/**
 * One connection of the MSRP switch or relay. It turns bytes into messages (or parts of long ones) and bounds the bytes waiting to be
 * written. An exception in any handler ends this connection and nothing else.
 */
import { TLSSocket } from 'node:tls';
import { encodeMsrp, MSRP_PART_BYTES, type MsrpMessage } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import type { WireTap } from '../../protocol/wire-record';

/**
 * LAB: most bytes that may wait for a slow reader. A reader that falls further behind is disconnected, so that one member can neither hold
 * up the others nor use up everybody's memory.
 */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** The members of a TCP socket that are used here. */
export interface MsrpStream {
  readonly connecting: boolean;
  readonly writableLength: number;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setNoDelay(noDelay: boolean): unknown;
  write(bytes: Uint8Array): boolean;
  /** Closes once the written bytes have left. */
  destroySoon(): void;
  destroy(): unknown;
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
}

export interface MsrpConnectionEvents {
  /** Whether a long body for this To-Path may be buffered as it arrives; otherwise it is skipped. */
  admits(toPath: readonly string[]): boolean;
  onMessage(connection: MsrpConnection, message: MsrpMessage): void;
  /** Called once, with the reason. */
  onClose(connection: MsrpConnection, reason: string): void;
}

export class MsrpConnection {
  readonly #parser: MsrpParser;
  #closed = false;

  constructor(
    readonly socket: MsrpStream,
    private readonly events: MsrpConnectionEvents,
    private readonly tap: WireTap | undefined,
    private readonly now: () => number,
    private readonly maxQueuedBytes = MAX_QUEUED_BYTES,
  ) {
    this.#parser = new MsrpParser({ partBytes: MSRP_PART_BYTES, admits: (toPath) => events.admits(toPath) });
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.guarded(() => this.#receive(bytes)));
    socket.on('error', (error: Error) => this.guarded(() => this.close(error.message)));
    socket.on('close', () => this.guarded(() => this.close('the connection ended')));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Sends a message; does nothing once closed. A message that cannot be encoded is a defect of ours and ends the connection. */
  send(message: MsrpMessage): void {
    if (this.#closed) return;
    this.guarded(() => {
      const bytes = encodeMsrp(message);
      this.#record('out', bytes);
      this.socket.write(bytes);
      if (this.socket.writableLength > this.maxQueuedBytes) this.close('it does not read what it is sent');
    });
  }

  /** Runs a handler of this connection's socket: an exception in it closes this connection and does no other harm. */
  guarded(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#closeAfter(error);
    }
  }

  #closeAfter(error: unknown): void {
    try {
      this.close(`internal error: ${String(error)}`);
      this.socket.destroy();
    } catch {
      // Nothing is left that could be closed in a better way.
    }
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      // Bytes already written (a last answer) still leave; the peer need not close its half.
      if (this.socket.writableLength > this.maxQueuedBytes || this.socket.connecting) this.socket.destroy();
      else this.socket.destroySoon();
    } finally {
      this.events.onClose(this, reason);
    }
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    const messages = this.#parser.push(bytes);
    if (!messages.ok) {
      this.close(`malformed MSRP: ${messages.reason}`);
      return;
    }
    for (const message of messages.value) {
      // The parser keeps no octets, so the trace records the message encoded again.
      if (this.tap !== undefined) this.#record('in', encodeMsrp(message));
      this.events.onMessage(this, message);
      if (this.#closed) return;
    }
    if (this.#parser.failure !== null) this.close(`malformed MSRP: ${this.#parser.failure.reason}`);
  }

  #record(direction: 'in' | 'out', bytes: Uint8Array): void {
    const { socket } = this;
    this.tap?.({
      at: this.now(),
      direction,
      protocol: 'msrp',
      transport: socket instanceof TLSSocket ? 'tls' : 'tcp',
      local: `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`,
      remote: `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`,
      bytes,
    });
  }
}
