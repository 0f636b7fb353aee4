/**
 * The SIP stack below every role of the network: one listener or more, connections that stay open and are reused, transactions.
 * Roles talk real SIP over TCP to each other and to the clients; what a role wants to say it says to its own SipServer.
 *
 * A registered client is reached over the connection it opened itself (RFC 5626): its `Flow` is kept with its binding.
 */
import { randomBytes } from 'node:crypto';
import * as net from 'node:net';
import type { WireTap } from '../main/protocol/wire-record';
import { type Clock, type NetworkLog, systemClock } from './clock';
import { Framer } from './framer';
import { parseVia } from './header-value';
import { responseTo, type SipMessage, type SipRequest, type SipResponse } from './message';
import { parseMessage } from './message-parser';
import { type ClientHandlers, ClientTransaction, ServerTransaction } from './transaction';

/** Connections one role holds at most; a further one is closed at once. */
export const MAX_CONNECTIONS = 512;
/** A message that has begun must be whole after this time, milliseconds. */
export const HALF_MESSAGE_TIMEOUT_MS = 30_000;
/** A connection that this side opens must stand after this time, milliseconds. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Bytes waiting for a peer that does not read; then the connection is closed. */
export const MAX_UNREAD_BYTES = 8_388_608;
/** Transactions one role holds at most; a further request is answered 503. */
export const MAX_TRANSACTIONS = 20_000;

/** One TCP connection. */
export interface Flow {
  readonly id: string;
  /** `address:port` of this side. */
  readonly local: string;
  /** `address:port` of the other side. */
  readonly remote: string;
  /** The name given to `listen` of the listener that accepted it; null when this side opened it. */
  readonly listener: string | null;
  readonly isOpen: boolean;
  /** Writes one message. False when the connection is gone. */
  send(message: SipMessage): boolean;
  close(): void;
  /** Runs `listener` once when the connection is gone. */
  onClose(listener: () => void): void;
}

/** Where a request goes: over a connection that stands, or to an address (an open connection to it is reused). */
export type Target = Flow | { host: string; port: number };

function isFlow(target: Target): target is Flow {
  return 'isOpen' in target;
}

/** A token nobody can guess: tags, branches, Call-IDs. */
export function newToken(bytes = 12): string {
  return randomBytes(bytes).toString('hex');
}

/** RFC 3261 section 8.1.1.7. */
const MAGIC_COOKIE = 'z9hG4bK';

class TcpFlow implements Flow {
  readonly id = newToken(8);
  readonly #closeListeners = new Set<() => void>();
  readonly #framer = new Framer();
  #half: { dispose(): void } | null = null;
  #open = true;
  /** Messages written before the connection stands; null once it does. */
  #waiting: Uint8Array[] | null = null;

  constructor(
    private readonly server: SipServer,
    private readonly socket: net.Socket,
    readonly listener: string | null,
    private peer: string,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', (error) => server.log('debug', 'a connection failed', { remote: this.remote, error: error.message }));
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
    return `${this.socket.localAddress ?? '0.0.0.0'}:${this.socket.localPort ?? 0}`;
  }

  get remote(): string {
    return this.peer;
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
    this.server.tapped('out', this, bytes);
    this.socket.write(bytes);
    if (this.socket.writableLength > MAX_UNREAD_BYTES) {
      this.server.log('warn', 'a peer does not read: its connection is closed', { remote: this.remote });
      this.close();
    }
  }

  close(): void {
    this.socket.destroy();
    this.#closed();
  }

  onClose(listener: () => void): void {
    if (this.#open) this.#closeListeners.add(listener);
    else listener();
  }

  #read(bytes: Uint8Array): void {
    for (const frame of this.#framer.push(bytes)) {
      if (!this.#open) return;
      if (frame.kind === 'ping') this.socket.write('\r\n');
      else if (frame.kind === 'message') this.server.received(frame.bytes, this);
      else {
        this.server.log('info', 'a stream cannot be read on', { remote: this.remote, reason: frame.reason });
        if (frame.head !== null) this.server.refuseHead(frame.head, frame.reason, this);
        // What is written still goes out; a peer that then keeps its end open gets no say.
        this.socket.destroySoon();
      }
    }
    if (!this.#framer.inMessage) {
      this.#half?.dispose();
      this.#half = null;
    } else this.#half ??= this.server.clock.setTimer(HALF_MESSAGE_TIMEOUT_MS, () => this.close());
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#half?.dispose();
    for (const listener of [...this.#closeListeners]) listener();
    this.#closeListeners.clear();
  }
}

export interface SipServerOptions {
  clock?: Clock;
  log?: NetworkLog;
  /** Every message in and out, byte for byte. */
  tap?: WireTap;
}

export class SipServer {
  readonly clock: Clock;
  readonly log: NetworkLog;
  /** A request that begins something: every method but ACK and CANCEL. Who is set here must answer it. */
  onRequest: ((transaction: ServerTransaction) => void) | null = null;
  /** The ACK of a 2xx: it belongs to no transaction, goes by its Route, and gets no answer. */
  onAck: ((ack: SipRequest, flow: Flow) => void) | null = null;
  /** A further 2xx of an INVITE whose client transaction is gone. */
  onStrayResponse: ((response: SipResponse, flow: Flow) => void) | null = null;

  readonly #tap: WireTap | null;
  readonly #listeners: net.Server[] = [];
  readonly #flows = new Set<TcpFlow>();
  readonly #opened = new Map<string, TcpFlow>();
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerTransaction>();
  #sentBy: { host: string; port: number } | null = null;
  #closed = false;

  constructor(options: SipServerOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? (() => undefined);
    this.#tap = options.tap ?? null;
  }

  /** Opens a listener; port 0 takes any free one. The first listener is the one named in Via and `uri`. Rejects when it cannot listen. */
  listen(options: { host: string; port: number; name?: string }): Promise<number> {
    return new Promise((resolve, reject) => {
      const listener = net.createServer((socket) => this.#accept(socket, options.name ?? 'main'));
      listener.once('error', reject);
      listener.listen({ host: options.host, port: options.port }, () => {
        listener.off('error', reject);
        listener.on('error', (error) => this.log('error', 'a listener failed', { error: error.message }));
        const address = listener.address();
        const port = address !== null && typeof address === 'object' ? address.port : options.port;
        this.#listeners.push(listener);
        this.#sentBy ??= { host: options.host, port };
        resolve(port);
      });
    });
  }

  /** `host:port` of the first listener. */
  get sentBy(): string {
    return this.#sentBy === null ? 'unbound.invalid:5060' : `${this.#sentBy.host}:${this.#sentBy.port}`;
  }

  /** `sip:host:port;transport=tcp` of the first listener. */
  get uri(): string {
    return `sip:${this.sentBy};transport=tcp`;
  }

  /** Whether `host:port` is a listener of this server. */
  isOwn(host: string, port: number | null): boolean {
    return this.#listeners.some((listener) => {
      const address = listener.address();
      return address !== null && typeof address === 'object' && address.address === host && address.port === (port ?? 5060);
    });
  }

  get flows(): readonly Flow[] {
    return [...this.#flows];
  }

  /**
   * Sends `message` as a new client transaction: an own Via is put on top (the message itself is changed; give a clone where that
   * matters). Handlers never run before this returns.
   */
  request(message: SipRequest, target: Target, handlers: ClientHandlers = {}): ClientTransaction {
    message.insert('Via', `SIP/2.0/TCP ${this.sentBy};branch=${MAGIC_COOKIE}${newToken()};rport`);
    return this.#start(message, this.#flowTo(target), handlers);
  }

  /** Sends an ACK for a 2xx (or any message outside transactions): an own Via is put on top, nothing is awaited. */
  sendAck(ack: SipRequest, target: Target): boolean {
    ack.insert('Via', `SIP/2.0/TCP ${this.sentBy};branch=${MAGIC_COOKIE}${newToken()};rport`);
    return this.#flowTo(target).send(ack);
  }

  /** Closes listeners and connections. Pending client transactions end with a local 503. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const ended = this.#listeners.map((listener) => new Promise<void>((resolve) => listener.close(() => resolve())));
    for (const flow of [...this.#flows]) flow.close();
    for (const transaction of [...this.#servers.values()]) transaction.abandon();
    for (const transaction of [...this.#clients.values()]) transaction.fail(503);
    await Promise.all(ended);
  }

  #start(message: SipRequest, flow: Flow, handlers: ClientHandlers): ClientTransaction {
    const key = clientKey(message.topVia?.params.get('branch') ?? '', message.method);
    const transaction = new ClientTransaction(
      message,
      flow,
      this.clock,
      handlers,
      (cancel, over) => this.#start(cancel, over, {}),
      () => this.#clients.delete(key),
    );
    this.#clients.set(key, transaction);
    if (flow.isOpen) transaction.start();
    else queueMicrotask(() => transaction.fail(503));
    return transaction;
  }

  #flowTo(target: Target): Flow {
    if (isFlow(target)) return target;
    const key = `${target.host}:${target.port}`;
    const standing = this.#opened.get(key);
    if (standing?.isOpen === true) return standing;
    const socket = net.connect({ host: target.host, port: target.port });
    const timer = this.clock.setTimer(CONNECT_TIMEOUT_MS, () => socket.destroy());
    socket.once('connect', () => timer.dispose());
    const flow = this.#adopt(new TcpFlow(this, socket, null, key));
    this.#opened.set(key, flow);
    flow.onClose(() => {
      timer.dispose();
      if (this.#opened.get(key) === flow) this.#opened.delete(key);
    });
    if (this.#closed) flow.close();
    return flow;
  }

  #accept(socket: net.Socket, listener: string): void {
    if (this.#closed || this.#flows.size >= MAX_CONNECTIONS) {
      this.log('warn', 'too many connections: one is refused');
      socket.destroy();
      return;
    }
    this.#adopt(new TcpFlow(this, socket, listener, `${socket.remoteAddress ?? '0.0.0.0'}:${socket.remotePort ?? 0}`));
  }

  #adopt(flow: TcpFlow): TcpFlow {
    this.#flows.add(flow);
    flow.onClose(() => {
      this.#flows.delete(flow);
      for (const transaction of [...this.#clients.values()]) if (transaction.flow === flow) transaction.fail(503);
      for (const transaction of [...this.#servers.values()]) if (transaction.flow === flow) transaction.flowLost();
    });
    return flow;
  }

  /** Used by flows. */
  tapped(direction: 'in' | 'out', flow: Flow, bytes: Uint8Array): void {
    this.#tap?.({ at: this.clock.now(), direction, protocol: 'sip', transport: 'tcp', local: flow.local, remote: flow.remote, bytes });
  }

  /** Used by flows: one whole message. */
  received(bytes: Uint8Array, flow: Flow): void {
    this.tapped('in', flow, bytes);
    try {
      const read = parseMessage(bytes);
      if (read.ok) this.#dispatch(read.value, flow);
      else {
        this.log('info', 'a message is refused', { remote: flow.remote, reason: read.reason });
        if (read.request !== null) flow.send(refusal(read.request, read.status, read.reason));
      }
    } catch (error) {
      this.log('error', 'handling a message failed', {
        remote: flow.remote,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }

  /** Used by flows: the head of a message whose body cannot be cut out. */
  refuseHead(head: Uint8Array, reason: string, flow: Flow): void {
    this.tapped('in', flow, head);
    const read = parseMessage(head);
    const request = read.ok ? (read.value.kind === 'request' && read.value.method !== 'ACK' ? read.value : null) : read.request;
    if (request !== null) flow.send(refusal(request, reason.startsWith('the body is longer') ? 413 : 400, reason));
  }

  #dispatch(message: SipMessage, flow: Flow): void {
    if (message.kind === 'response') {
      const via = message.topVia;
      // RFC 3261 section 18.1.2: a response whose sent-by is not ours is not for us.
      if (via === null || `${via.host}:${via.port ?? 5060}` !== this.sentBy) return;
      const transaction = this.#clients.get(clientKey(via.params.get('branch') ?? '', message.cseq.method));
      if (transaction !== undefined) transaction.receive(message);
      else this.onStrayResponse?.(message, flow);
      return;
    }
    stampVia(message, flow.remote);
    if (message.method === 'CANCEL') this.#cancel(message, flow);
    else if (message.method === 'ACK') this.#ack(message, flow);
    else this.#begin(message, flow);
  }

  #begin(request: SipRequest, flow: Flow): void {
    const key = serverKey(request, request.method);
    const standing = this.#servers.get(key);
    if (standing !== undefined) {
      standing.repeat();
      return;
    }
    if (this.#servers.size >= MAX_TRANSACTIONS || this.onRequest === null) {
      flow.send(refusal(request, 503, 'Service Unavailable'));
      return;
    }
    const transaction = new ServerTransaction(request, flow, this.clock, newToken(8), () => this.#servers.delete(key));
    this.#servers.set(key, transaction);
    // RFC 3261 section 17.2.1: 100 at once, so that the caller's timer B stops.
    if (request.method === 'INVITE') transaction.reply(100);
    try {
      this.onRequest(transaction);
    } catch (error) {
      this.log('error', 'handling a request failed', {
        method: request.method,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      if (!transaction.isAnswered) transaction.reply(500);
    }
  }

  #cancel(cancel: SipRequest, flow: Flow): void {
    const invite = this.#servers.get(serverKey(cancel, 'INVITE'));
    if (invite === undefined) {
      flow.send(responseTo(cancel, 481, { toTag: newToken(8) }));
      return;
    }
    flow.send(responseTo(cancel, 200, { toTag: invite.toTag }));
    invite.cancelled(cancel);
  }

  #ack(ack: SipRequest, flow: Flow): void {
    const invite = this.#servers.get(serverKey(ack, 'INVITE'));
    if (invite?.acknowledged() === true) return;
    this.onAck?.(ack, flow);
  }
}

function clientKey(branch: string, method: string): string {
  return `${branch}|${method}`;
}

/** RFC 3261 section 17.2.3. Without the magic cookie the request itself is the key, as RFC 2543 had it. */
function serverKey(request: SipRequest, method: string): string {
  const via = request.topVia;
  const branch = via?.params.get('branch') ?? '';
  const sentBy = `${via?.host ?? ''}:${via?.port ?? 5060}`.toLowerCase();
  if (branch.startsWith(MAGIC_COOKIE) && branch.length > MAGIC_COOKIE.length) return `${branch}|${sentBy}|${method}`;
  return `${request.uri}|${request.fromTag ?? ''}|${request.callId}|${request.cseq.number}|${sentBy}|${branch}|${method}`;
}

/** RFC 3261 section 18.2.1 and RFC 3581: where the request really came from. */
function stampVia(request: SipRequest, remote: string): void {
  const top = request.get('via');
  if (top === null) return;
  const via = parseVia(top);
  if (!via.ok) return;
  const colon = remote.lastIndexOf(':');
  const host = remote.slice(0, colon);
  const asked = via.value.params.has('rport');
  if (!asked && via.value.host === host) return;
  const parts = top.split(';').filter((part) => !/^\s*(?:rport|received)\s*(?:=|$)/i.test(part));
  if (asked) parts.push(`rport=${remote.slice(colon + 1)}`);
  parts.push(`received=${host}`);
  request.shift('via');
  request.insert('Via', parts.join(';'));
}

/** A refusal says in its reason phrase what was wrong, as RFC 3261 section 21.4.1 asks. */
function refusal(request: SipRequest, status: number, reason: string): SipResponse {
  return responseTo(request, status, { reason, toTag: newToken(8) });
}
