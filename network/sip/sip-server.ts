/**
 * The SIP stack below every role of the network: listeners, connections that stay open and are reused, transactions. Roles talk real SIP
 * over TCP to each other, and to clients also over TLS and WebSocket; each role sends through its own SipServer.
 *
 * A registered client is reached over the connection that it opened itself (RFC 5626): its `Flow` is kept with its binding.
 */
import { randomBytes } from 'node:crypto';
import * as net from 'node:net';
import { backgroundClock, type Timekeeper } from '../../base/clock';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import type { TransportName } from './flow';
import { type Carrier, type Flow, SocketFlow } from './flow';
import { type FunctionSecret, sign, verify, withoutSecret } from './function-secret';
import { parseVia } from './header-value';
import { responseTo, type SipMessage, type SipRequest, type SipResponse } from './message';
import { parseMessage } from './message-parser';
import { type ClientHandlers, ClientTransaction, ServerTransaction } from './transaction';
import { type Listener, type ListenOptions, openListener } from './transport-listener';

export type { Flow } from './flow';

/** Connections of one role; a further one is closed at once. */
export const MAX_CONNECTIONS = 512;
/** A connection that this side opens must stand after this time, milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Transactions of one role; a further request is answered 503. */
const MAX_TRANSACTIONS = 20_000;

/** Where a request goes: over an open connection, or to an address (an open connection to it is reused). */
export type Target = Flow | { host: string; port: number };

function isFlow(target: Target): target is Flow {
  return 'isOpen' in target;
}

/** Random bytes are drawn in bulk: every request takes several. */
let chance = Buffer.alloc(0);

/** A token that cannot be guessed, for tags, branches and Call-IDs. */
export function newToken(bytes = 12): string {
  if (chance.length < bytes) chance = randomBytes(4096);
  const drawn = chance.subarray(0, bytes);
  chance = chance.subarray(bytes);
  return drawn.toString('hex');
}

/** RFC 3261 section 8.1.1.7. */
const MAGIC_COOKIE = 'z9hG4bK';

export interface SipServerOptions {
  clock?: Timekeeper;
  log?: NetworkLog;
  /** Every message in and out, byte for byte but for the secret. */
  tap?: WireTap;
  /** What requests between core and functions prove themselves by. */
  secret?: FunctionSecret;
}

export class SipServer {
  readonly clock: Timekeeper;
  readonly log: NetworkLog;
  /** A request that begins a transaction: every method but ACK and CANCEL. This handler must answer it. */
  onRequest: ((transaction: ServerTransaction) => void) | null = null;
  /** The ACK of a 2xx: it belongs to no transaction, goes by its Route, and gets no answer. */
  onAck: ((ack: SipRequest, flow: Flow) => void) | null = null;
  /** A further 2xx of an INVITE whose client transaction is gone. */
  onStrayResponse: ((response: SipResponse, flow: Flow) => void) | null = null;

  /** Whether an accepted connection keeps its place when all are taken. Null: each does, and a further one is refused. */
  isKept: ((flow: Flow) => boolean) | null = null;

  readonly #tap: WireTap | null;
  readonly #secret: FunctionSecret | null;
  readonly #listeners: Listener[] = [];
  readonly #flows = new Set<SocketFlow>();
  readonly #opened = new Map<string, SocketFlow>();
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerTransaction>();
  #closed = false;

  constructor(options: SipServerOptions = {}) {
    this.log = options.log ?? (() => undefined);
    this.clock = guardedClock(options.clock ?? backgroundClock, this.log);
    this.#tap = options.tap ?? null;
    this.#secret = options.secret ?? null;
  }

  /** Opens a listener. The first one is named in `uri`, and in what goes out over connections that this server opens. */
  async listen(options: ListenOptions): Promise<number> {
    const listener = await openListener(options, (carrier) => this.#accept(carrier, options.name ?? 'main'), this.log);
    this.#listeners.push(listener);
    return listener.port;
  }

  /** `host:port` of the first listener. */
  get sentBy(): string {
    return sentByOf(this.#listeners[0]);
  }

  /** `sip:host:port;transport=tcp` of the first listener. */
  get uri(): string {
    return uriOf(this.#listeners[0]);
  }

  /** The URI of the listener for clients over `transport`; null when there is none. */
  uriOver(transport: TransportName): string | null {
    const listener = this.#listeners.find((each) => each.transport === transport);
    return listener === undefined ? null : uriOf(listener);
  }

  /** The URI by which the other end of `flow` comes back to this server the way it came. */
  uriFor(flow: Flow): string {
    return uriOf(this.#listenerOf(flow));
  }

  #listenerOf(flow: Flow): Listener | undefined {
    return this.#listeners.find(({ name, transport }) => name === 'main' && transport === flow.transport) ?? this.#listeners[0];
  }

  /** Whether `host:port` is a listener of this server. */
  isOwn(host: string, port: number | null): boolean {
    return this.#listeners.some((listener) => listener.host === host && listener.port === (port ?? 5060));
  }

  get flows(): readonly Flow[] {
    return [...this.#flows];
  }

  /** Transactions of both sides that are not over, including those that only absorb retransmissions. */
  get transactionCount(): number {
    return this.#clients.size + this.#servers.size;
  }

  /**
   * Sends `message` as a new client transaction, with our Via on top. The message itself is changed; pass a clone where that matters.
   * Handlers never run before this returns.
   */
  request(message: SipRequest, target: Target, handlers: ClientHandlers = {}): ClientTransaction {
    const flow = this.#flowTo(target);
    message.insert('Via', this.#via(flow));
    return this.#start(message, flow, handlers);
  }

  /** Sends an ACK for a 2xx (or any message outside transactions) with our Via on top; no answer is expected. */
  sendAck(ack: SipRequest, target: Target): boolean {
    const flow = this.#flowTo(target);
    ack.insert('Via', this.#via(flow));
    sign(ack, flow, this.#secret);
    return flow.send(ack);
  }

  #via(flow: Flow): string {
    const sentBy = sentByOf(this.#listenerOf(flow));
    return `SIP/2.0/${flow.transport.toUpperCase()} ${sentBy};branch=${MAGIC_COOKIE}${newToken()};rport`;
  }

  /** Closes listeners and connections. Pending client transactions end with a local 503. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const flow of [...this.#flows]) flow.close();
    const ended = this.#listeners.map((listener) => listener.close());
    for (const transaction of [...this.#servers.values()]) transaction.abandon();
    for (const transaction of [...this.#clients.values()]) transaction.fail(503);
    await Promise.all(ended);
  }

  #start(message: SipRequest, flow: Flow, handlers: ClientHandlers): ClientTransaction {
    sign(message, flow, this.#secret);
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
    else queueMicrotask(() => guarded(this.log, () => transaction.fail(503)));
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
    const flow = this.#adopt(new SocketFlow(this, { transport: 'tcp', socket, webSocket: null }, null, key));
    this.#opened.set(key, flow);
    flow.onClose(() => {
      timer.dispose();
      if (this.#opened.get(key) === flow) this.#opened.delete(key);
    });
    if (this.#closed) flow.close();
    return flow;
  }

  #accept(carrier: Carrier, listener: string): void {
    const { socket } = carrier;
    if (this.#flows.size >= MAX_CONNECTIONS) this.#makeRoom();
    if (this.#closed || this.#flows.size >= MAX_CONNECTIONS) {
      this.log('warn', 'too many connections: one is refused');
      socket.destroy();
      return;
    }
    this.#adopt(new SocketFlow(this, carrier, listener, `${socket.remoteAddress ?? '0.0.0.0'}:${socket.remotePort ?? 0}`));
  }

  /** Closes the oldest connection of nobody's. */
  #makeRoom(): void {
    const { isKept } = this;
    if (isKept === null) return;
    for (const flow of this.#flows) {
      if (flow.listener !== 'main' || isKept(flow)) continue;
      this.log('info', 'all connections are taken: the oldest that belongs to nobody is closed', { remote: flow.remote });
      flow.close();
      return;
    }
  }

  #adopt(flow: SocketFlow): SocketFlow {
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
    const { transport, local, remote } = flow;
    this.#tap?.({ at: this.clock.now(), direction, protocol: 'sip', transport, local, remote, bytes: withoutSecret(bytes, this.#secret) });
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

  /** Used by flows: the head of a message whose body has no usable length. */
  refuseHead(head: Uint8Array, reason: string, flow: Flow): void {
    this.tapped('in', flow, head);
    const read = parseMessage(head);
    const request = read.ok ? (read.value.kind === 'request' && read.value.method !== 'ACK' ? read.value : null) : read.request;
    if (request !== null) flow.send(refusal(request, /^the (?:head|body) is longer/.test(reason) ? 413 : 400, reason));
  }

  #dispatch(message: SipMessage, flow: Flow): void {
    if (message.kind === 'response') {
      const via = message.topVia;
      // RFC 3261 section 18.1.2: a response whose sent-by is not ours is not for us.
      if (via === null || !this.#isSentBy(`${via.host}:${via.port ?? 5060}`)) return;
      const transaction = this.#clients.get(clientKey(via.params.get('branch') ?? '', message.cseq.method));
      // An answer comes back the way its request went (RFC 3261 section 18.2.2): another connection answers for nobody.
      if (transaction !== undefined && transaction.flow !== flow) return;
      if (transaction !== undefined) transaction.receive(message);
      else this.onStrayResponse?.(message, flow);
      return;
    }
    stampVia(message, flow.remote);
    if (message.method === 'ACK' && this.#acknowledges(message, flow)) return;
    if (!verify(message, flow, this.#secret)) {
      this.log('warn', 'a request on a port of the functions comes from neither core nor function', { remote: flow.remote });
      if (message.method !== 'ACK') flow.send(refusal(message, 403, 'Forbidden'));
      return;
    }
    if (message.method === 'CANCEL') this.#cancel(message, flow);
    else if (message.method === 'ACK') this.onAck?.(message, flow);
    else this.#begin(message, flow);
  }

  #isSentBy(sentBy: string): boolean {
    return sentBy === this.sentBy || this.#listeners.some((listener) => sentByOf(listener) === sentBy);
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
    // Only who has sent an INVITE takes it back: the key of a transaction can be copied, a connection cannot.
    if (invite === undefined || invite.flow !== flow) {
      flow.send(responseTo(cancel, 481, { toTag: newToken(8) }));
      return;
    }
    flow.send(responseTo(cancel, 200, { toTag: invite.toTag }));
    invite.cancelled(cancel);
  }

  /** Whether an ACK belongs to the transaction of its INVITE, which ended without a 2xx (RFC 3261 section 17.2.1). */
  #acknowledges(ack: SipRequest, flow: Flow): boolean {
    const invite = this.#servers.get(serverKey(ack, 'INVITE'));
    return invite?.flow === flow && invite.acknowledged();
  }
}

/** Runs what no caller waits for: a defect of ours is told, and ends no process. */
function guarded(log: NetworkLog, work: () => void): void {
  try {
    work();
  } catch (error) {
    log('error', 'an internal error', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function guardedClock(clock: Timekeeper, log: NetworkLog): Timekeeper {
  return { now: () => clock.now(), setTimer: (ms, work) => clock.setTimer(ms, () => guarded(log, work)) };
}

function sentByOf(listener: Listener | undefined): string {
  return listener === undefined ? 'unbound.invalid:5060' : `${listener.host}:${listener.port}`;
}

/** RFC 7118 section 5.2.2: `ws` stands for WebSocket over TLS too. */
function uriOf(listener: Listener | undefined): string {
  const transport = listener?.transport ?? 'tcp';
  return `sip:${sentByOf(listener)};transport=${transport === 'wss' ? 'ws' : transport}`;
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

/** The reason phrase of a refusal says what was wrong, as RFC 3261 section 21.4.1 asks. */
function refusal(request: SipRequest, status: number, reason: string): SipResponse {
  return responseTo(request, status, { reason, toTag: newToken(8) });
}
