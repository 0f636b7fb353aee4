/** One connection of the MSRP switch or relay: bytes in, messages out, and a bound on what may wait to be written. */
import { TLSSocket } from 'node:tls';
import { encodeMsrp, type MsrpMessage } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import type { WireTap } from '../../protocol/wire-record';

/**
 * LAB: bytes that may wait for a slow reader. Whoever is further behind is cut off, so that one member can never hold up the others
 * nor eat the memory of all.
 */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** What is used of a TCP socket. */
export interface MsrpStream {
  readonly connecting: boolean;
  readonly writableLength: number;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setNoDelay(noDelay: boolean): unknown;
  write(bytes: Uint8Array): boolean;
  /** Closes after what is written has left. */
  destroySoon(): void;
  destroy(): unknown;
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
}

export interface MsrpConnectionEvents {
  onMessage(connection: MsrpConnection, message: MsrpMessage): void;
  /** Once, with why. */
  onClose(connection: MsrpConnection, reason: string): void;
}

export class MsrpConnection {
  readonly #parser = new MsrpParser();
  #closed = false;

  constructor(
    readonly socket: MsrpStream,
    private readonly events: MsrpConnectionEvents,
    private readonly tap: WireTap | undefined,
    private readonly now: () => number,
    private readonly maxQueuedBytes = MAX_QUEUED_BYTES,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    socket.on('error', (error: Error) => this.close(error.message));
    socket.on('close', () => this.close('the connection ended'));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  send(message: MsrpMessage): void {
    if (this.#closed) return;
    const bytes = encodeMsrp(message);
    this.#record('out', bytes);
    this.socket.write(bytes);
    if (this.socket.writableLength > this.maxQueuedBytes) this.close('it does not read what it is sent');
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    // What is already written (a last answer) still leaves; the peer's half is not waited for.
    if (this.socket.writableLength > this.maxQueuedBytes || this.socket.connecting) this.socket.destroy();
    else this.socket.destroySoon();
    this.events.onClose(this, reason);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    const messages = this.#parser.push(bytes);
    if (!messages.ok) {
      this.close(`malformed MSRP: ${messages.reason}`);
      return;
    }
    for (const message of messages.value) {
      // The parser keeps no octets: the record is the message written again.
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
