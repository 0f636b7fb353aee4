/**
 * One MSRP connection: turns incoming bytes into messages (or parts of long ones) and messages into bytes. It knows nothing of sessions.
 *
 *   open --end()--> ending --+--> closed        end(): written bytes still leave, within `lingerMs`
 *     |                      |
 *     +--- peer closed, error, malformed bytes, destroy() ---> closed
 *
 * Reading stops while it is held (`hold`) or while the peer leaves too many of our answers unread. Both bound the memory a peer can
 * make us use. Responses that were already read are still delivered, so that a waiting sender does not starve.
 * Messages sent in one go leave together in one system call, short ones in one buffer. While reads come back full, messages leave at
 * the end of the event loop's turn, so that all answers of one turn leave together.
 * An exception in any handler ends this connection and nothing else.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import type { Logger } from '../../base/log';
import { encodeMsrp, MSRP_PART_BYTES, type MsrpMessage, type MsrpRequest, type MsrpResponse, MsrpWriter } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import type { WireTap } from '../../protocol/wire-record';

/** Above this many unsent bytes no further chunk is written; `onDrain` tells when to continue. */
export const sendPauseBytes = 256 * 1024;
/** Above this many unsent bytes the connection stops reading from the peer. Only unread answers can reach this limit. */
export const readPauseBytes = 1024 * 1024;
/** How much Node reads from a socket at once. */
const fullReadBytes = 64 * 1024;
/** How long a peer may leave our answers unread, and how long the last bytes may take after `end()`. */
export const stalledPeerMs = 30_000;
export const lingerMs = 2_000;

/** A byte stream to a peer, with `address:port` of both sides for the trace. */
export interface MsrpStream {
  stream: Duplex;
  local: string;
  remote: string;
  /** Over TLS: the peer's certificate (DER), and whether a trusted authority vouches for it and for the name that was called. */
  tls?: PeerIdentity;
}

/** `problem`: why `isAuthorized` is false, in the words of the TLS library. */
export interface PeerIdentity {
  certificate: Uint8Array | null;
  isAuthorized: boolean;
  problem?: string;
}

/** Opens and accepts connections: `transports.ts` in the product, in memory in unit tests. */
export interface MsrpTransport {
  listen(host: string, onStream: (stream: MsrpStream) => void): Promise<{ port: number; close(): void }>;
  /** Rejects with AppError('net/unreachable'); aborting rejects too. */
  connect(host: string, port: number, signal: AbortSignal): Promise<MsrpStream>;
}

export class MsrpConnection {
  onRequest: (request: MsrpRequest) => void = () => {};
  /** Whether a long body for this To-Path may be buffered as it arrives; otherwise it is skipped. */
  admits: (toPath: readonly string[]) => boolean = () => true;
  /** Emitted once, with the reason. */
  readonly onClose = new Emitter<string>();
  /** Emitted when `canSend` becomes true. */
  readonly onDrain = new Emitter<void>();

  readonly #wire: MsrpStream;
  readonly #deps: { clock: Clock; log: Logger; tap?: WireTap | undefined };
  readonly #parser = new MsrpParser({ partBytes: MSRP_PART_BYTES, admits: (toPath) => this.admits(toPath) });
  readonly #cutter = new MessageCutter();
  readonly #transactions = new Map<string, (response: MsrpResponse) => void>();
  readonly #holders = new Set<object>();
  /** Requests that were already read when reading was held. */
  readonly #requests: MsrpRequest[] = [];
  #state: 'open' | 'ending' | 'closed' = 'open';
  /** The messages of this turn; they leave at its end. */
  readonly #writer = new MsrpWriter();
  readonly #flushing = () => this.#guarded(() => this.#flush());
  /** True when the latest read was full: more is on its way, and the answers to both leave together. */
  #moreIsLikely = false;
  #stalled: Disposable | null = null;

  constructor(wire: MsrpStream, deps: { clock: Clock; log: Logger; tap?: WireTap | undefined }) {
    this.#wire = wire;
    this.#deps = deps;
    const { stream } = wire;
    stream.on('data', (bytes: Uint8Array) => this.#guarded(() => this.#receive(bytes)));
    stream.on('drain', () => this.#guarded(() => this.#drained()));
    stream.on('error', (error) => this.#guarded(() => this.destroy(String(error))));
    stream.on('close', () => this.#guarded(() => this.destroy('the peer closed the connection')));
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get canSend(): boolean {
    return this.isOpen && this.unsentBytes < sendPauseBytes;
  }

  /** Address and port of this side. */
  get local(): string {
    return this.#wire.local;
  }

  /** The peer's TLS identity; null over plain TCP. */
  get tls(): PeerIdentity | null {
    return this.#wire.tls ?? null;
  }

  /** Bytes that the peer has not taken yet. */
  get unsentBytes(): number {
    return this.#writer.length + this.#wire.stream.writableLength;
  }

  /** Sends a message; does nothing once closed. A message that cannot be encoded is a defect of ours and ends the connection. */
  send(message: MsrpMessage): void {
    if (!this.isOpen) return;
    try {
      this.#send(message);
    } catch (error) {
      this.#failed(error);
    }
  }

  #send(message: MsrpMessage): void {
    const isFirst = this.#writer.length === 0;
    this.#writer.write(message);
    if (this.#deps.tap !== undefined) this.#record('out', encodeMsrp(message));
    if (isFirst) (this.#moreIsLikely ? setImmediate : process.nextTick)(this.#flushing);
    if (this.unsentBytes >= readPauseBytes && this.#stalled === null) {
      this.#stalled = this.#deps.clock.setTimer(stalledPeerMs, () => this.destroy('the peer reads nothing'));
      this.hold(this);
    }
  }

  /** Sends a request and passes its response, if one comes, to `onResponse`. The caller keeps the deadline. */
  request(message: MsrpRequest, onResponse: (response: MsrpResponse) => void): void {
    this.#transactions.set(message.transactionId, onResponse);
    this.send(message);
  }

  /** Whether a request with this id awaits its response. */
  awaits(transactionId: string): boolean {
    return this.#transactions.has(transactionId);
  }

  /** Drops a request whose response is no longer awaited. */
  forget(transactionId: string): void {
    this.#transactions.delete(transactionId);
  }

  /** Stops reading until every holder has released. */
  hold(holder: object): void {
    this.#holders.add(holder);
    this.#wire.stream.pause();
  }

  release(holder: object): void {
    if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
    this.#deliver();
    if (this.#holders.size === 0 && this.#state !== 'closed') this.#wire.stream.resume();
  }

  /** Closes once the written bytes have left. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#flush();
    this.#wire.stream.end();
    const timer = this.#deps.clock.setTimer(lingerMs, () => this.destroy('closed by this side'));
    this.onClose.on(() => timer.dispose());
    this.#wire.stream.resume();
  }

  destroy(reason: string): void {
    if (this.#state === 'closed') return;
    const why = this.#state === 'ending' ? 'closed by this side' : reason;
    this.#state = 'closed';
    this.#stalled?.dispose();
    this.#requests.length = 0;
    this.#writer.take();
    this.#transactions.clear();
    try {
      this.#wire.stream.destroy();
    } catch (error) {
      this.#deps.log.error('an MSRP socket could not be destroyed', { error: String(error) });
    }
    this.#deps.log.debug('MSRP connection closed', { remote: this.#wire.remote, reason: why });
    this.onClose.emit(why);
    this.onClose.dispose();
    this.onDrain.dispose();
  }

  #flush(): void {
    const pieces = this.#writer.take();
    if (this.#state === 'closed') return;
    const { stream } = this.#wire;
    if (pieces.length > 1) stream.cork();
    for (const piece of pieces) stream.write(piece);
    if (pieces.length > 1) stream.uncork();
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    this.#moreIsLikely = bytes.length >= fullReadBytes;
    if (this.#deps.tap !== undefined) this.#cutter.push(bytes);
    const result = this.#parser.push(bytes);
    for (const [index, message] of (result.ok ? result.value : []).entries()) {
      if (this.#deps.tap !== undefined) this.#record('in', this.#cutter.upTo(this.#parser.ends[index] ?? 0));
      if (message.kind === 'request') this.#requests.push(message);
      else this.#answered(message);
    }
    this.#deliver();
    const { failure } = this.#parser;
    // A body that is skipped is not recorded either.
    if (this.#deps.tap !== undefined && this.#parser.isSkipping) this.#record('in', this.#cutter.rest());
    if (failure === null) return;
    // The framing is lost: no answer can be addressed, and nothing after this point can be understood.
    if (this.#deps.tap !== undefined) this.#record('in', this.#cutter.rest());
    this.#deps.log.warn('malformed MSRP from the peer', { remote: this.#wire.remote, reason: failure.reason });
    this.destroy(`malformed bytes from the peer: ${failure.reason}`);
  }

  #answered(response: MsrpResponse): void {
    const waiting = this.#transactions.get(response.transactionId);
    this.#transactions.delete(response.transactionId);
    if (waiting === undefined) this.#deps.log.debug('MSRP response to nothing', { status: response.status });
    else this.#guarded(() => waiting(response));
  }

  #deliver(): void {
    while (this.#holders.size === 0 && this.#state === 'open') {
      const request = this.#requests.shift();
      if (request === undefined) return;
      this.#guarded(() => this.onRequest(request));
    }
  }

  /** Runs a handler: an exception in it closes this connection and does no other harm. */
  #guarded(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#deps.log.error('handling an MSRP connection failed', { error: String(error) });
    this.destroy('internal error');
  }

  #drained(): void {
    if (this.#stalled !== null) {
      this.#stalled.dispose();
      this.#stalled = null;
      this.release(this);
    }
    this.onDrain.emit();
  }

  #record(direction: 'in' | 'out', bytes: Uint8Array): void {
    const { local, remote, tls } = this.#wire;
    this.#deps.tap?.({
      at: this.#deps.clock.now(),
      direction,
      protocol: 'msrp',
      transport: tls === undefined ? 'tcp' : 'tls',
      local,
      remote,
      bytes,
    });
  }
}

/** Cuts the incoming octets at the ends of messages, for the trace. */
class MessageCutter {
  #kept: Buffer = Buffer.alloc(0);
  /** The number of stream octets before `#kept`. */
  #before = 0;

  push(bytes: Uint8Array): void {
    this.#kept = this.#kept.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#kept, bytes]);
  }

  /** Returns the octets up to a place in the stream. */
  upTo(end: number): Uint8Array {
    const bytes = this.#kept.subarray(0, Math.max(0, end - this.#before));
    this.#kept = this.#kept.subarray(bytes.length);
    this.#before += bytes.length;
    return bytes;
  }

  rest(): Uint8Array {
    return this.upTo(this.#before + this.#kept.length);
  }
}
