/**
 * The sending half of a session: messages wait in order, leave as chunks, and are done when everything has come that they ask for.
 *
 *   waiting --chunks written--> unanswered --every 200, the success REPORT where one is asked for--> sent
 *      |                             |
 *      +---- another answer, a failure REPORT, no answer in time, given up, connection lost ----> failed
 *
 * What a message asks for is its caller's choice (RFC 4975 section 7.1.1):
 *
 *   Failure-Report   an answer other than 200   no answer in 30 s     done when
 *   yes              fails the message          fails it, 408         every chunk has its 200
 *   partial          fails the message          nothing               the last chunk is written; a later failure goes to `onFailure`
 *   no               is not given               nothing               the last chunk is written
 *   Success-Report yes, besides: done when REPORTs have named every octet, and failed when none comes in time.
 *
 * Behind a relay a 200 says only that the relay has the chunk (RFC 4976 section 6.4): there a message whose failures matter asks for the success
 * REPORT, too.
 *
 * The order of `send` is the order on the wire, but for a message that may overtake: between two chunks of a longer one it has its turn,
 * chunk by chunk. A window of unanswered bytes keeps a slow reader from filling memory: what it has not answered is all that has been copied for it.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { AppError, type Retry } from '../../preload/contract/errors';
import { type MsrpRequest, type MsrpResponse, newTransactionId } from '../../protocol/msrp';
import type { MsrpConnection } from './connection';
import { requestNickname } from './nickname';

/** Body bytes of one chunk. */
export const chunkBytes = 64 * 1024;
/** LAB: of one chunk through a relay, which holds a whole one before it hands it on: this many need no interrupting by anybody. */
export const relayedChunkBytes = 2048;
/** A longer chunk must be interruptible, that is announce its end as "*" (RFC 4975 7.1.1). */
export const uninterruptibleBytes = 2048;
/** How much may be on its way without an answer. */
export const windowBytes = 1024 * 1024;
export const windowChunks = 1024;
/** The most that may wait in one session, in bytes of message bodies. */
export const maximumWaitingBytes = 64 * 1024 * 1024;
/** RFC 4975 7.1.1: without a response for so long the transaction has failed. LAB: a success REPORT may take as long after the last answer. */
export const responseTimeoutMs = 30_000;
/** Written messages that stay at the front of the list before it is cut. */
const maximumSpent = 1024;

/** RFC 4975 section 7.1.1. */
export interface Reports {
  success: boolean;
  failure: 'yes' | 'no' | 'partial';
}

/** What a message may be sent with. */
export interface SendOptions {
  /** Failures alone are reported unless told otherwise. */
  reports?: Partial<Reports>;
  /** Whether it may leave between two chunks of a longer message that was sent before it. */
  overtakes?: boolean;
  /** Gives the message up: what has not left yet never does, and the other side is told where it ends (RFC 4975 section 5.1). */
  signal?: AbortSignal;
  /** With Failure-Report `partial`: a failure that became known after the promise had resolved. */
  onFailure?: (error: AppError) => void;
}

interface Outgoing {
  messageId: string;
  contentType: string | null;
  /** Null is the SEND without content that binds a connection (RFC 4975 5.4), and what has been settled. */
  body: Uint8Array | null;
  total: number;
  reports: Reports;
  overtakes: boolean;
  /** Body bytes written so far. */
  written: number;
  whole: boolean;
  unanswered: number;
  /** Once nothing else is. */
  reportAwaited: Transaction | null;
  /** What success REPORTs have named, first octet to last. */
  confirmed: Map<number, number>;
  isDone: boolean;
  onFailure: ((error: AppError) => void) | null;
  resolve: () => void;
  reject: (error: AppError) => void;
}

/** What is waited for: the answer to a chunk, or the success REPORT of a message. */
interface Transaction {
  /** Of the chunk; null for a REPORT. */
  id: string | null;
  message: Outgoing;
  bytes: number;
  deadline: number;
  awaits: 'answer' | 'failure' | 'report';
  isOver: boolean;
  /** Its neighbours among those that are waited for. */
  before: Transaction | null;
  after: Transaction | null;
}

export interface OutgoingDeps {
  clock: Clock;
  log: Logger;
  /** The peer answers nothing, or says that the session is no more; the session has to end. */
  onBroken: (error: AppError) => void;
}

export class OutgoingMessages {
  readonly #deps: OutgoingDeps;
  /** From `#next` on: not yet wholly written. Taking from the front of a long array would cost its length each time. */
  #waiting: Outgoing[] = [];
  #next = 0;
  /** Those that may overtake, and whether one of them left last. */
  readonly #overtaking: Outgoing[] = [];
  #hasOvertaken = false;
  /** The ends of the list of what is waited for, in the order it was written: so the oldest has the earliest deadline. */
  #oldest: Transaction | null = null;
  #newest: Transaction | null = null;
  /** Messages that wait for success REPORTs, by Message-ID. */
  readonly #unconfirmed = new Map<string, Outgoing>();
  #waitingBytes = 0;
  #isOpen = false;
  #windowUsed = 0;
  #windowChunks = 0;
  #route: { connection: MsrpConnection; toPath: string[]; fromPath: string[]; isRelayed: boolean } | null = null;
  #drain: Disposable | null = null;
  #timer: Disposable | null = null;
  #closed: AppError | null = null;

  constructor(deps: OutgoingDeps) {
    this.#deps = deps;
  }

  /** Where messages are to leave, once `open` is called. */
  attach(connection: MsrpConnection, toPath: string[], fromPath: string[]): void {
    this.#route = { connection, toPath, fromPath, isRelayed: toPath.length > 1 };
    this.#drain?.dispose();
    this.#drain = connection.onDrain.on(() => this.#pump());
  }

  /** Sends the SEND without content that binds the connection; resolves with its 200. Needs `attach`, works before `open`. */
  bind(): Promise<void> {
    return this.#promised({ contentType: null, body: null, messageId: this.#deps.clock.uuid() }, (message) => this.#writeChunk(message));
  }

  /** The session stands: what waits leaves, and what comes leaves at once. */
  open(): void {
    this.#isOpen = true;
    this.#pump();
  }

  send(message: { contentType: string; body: Uint8Array; messageId?: string | undefined } & SendOptions): Promise<void> {
    if (this.#waitingBytes + message.body.length > maximumWaitingBytes) {
      const cause = `${this.#waitingBytes} bytes wait for a peer that does not take them`;
      return Promise.reject(new AppError('net/timeout', { cause }, 'auto'));
    }
    const { contentType, body, messageId = this.#deps.clock.uuid(), signal } = message;
    if (signal?.aborted) return Promise.reject(givenUp());
    return this.#promised({ contentType, body, messageId }, (outgoing) => {
      if (message.reports !== undefined) outgoing.reports = { ...outgoing.reports, ...message.reports };
      outgoing.overtakes = message.overtakes === true;
      outgoing.onFailure = message.onFailure ?? null;
      (outgoing.overtakes ? this.#overtaking : this.#waiting).push(outgoing);
      this.#waitingBytes += body.length;
      signal?.addEventListener('abort', () => this.#giveUp(outgoing), { once: true });
      this.#pump();
    });
  }

  /** @throws AppError as `requestNickname` */
  nickname(nickname: string): Promise<void> {
    if (this.#route === null) return Promise.reject(this.#closed ?? new AppError('msrp/closed', { cause: 'no connection yet' }, 'auto'));
    return requestNickname(this.#route, this.#deps.clock, nickname);
  }

  /** A REPORT of the peer. It is never answered; a failure ends the message it names, if that is still on its way. */
  report(request: MsrpRequest): void {
    const { status, messageId, byteRange } = request;
    this.#deps.log.debug('MSRP REPORT', { messageId, status: status?.code });
    if (status === null || messageId === null) return;
    if (status.code === 200) {
      const message = this.#unconfirmed.get(messageId);
      if (message === undefined) return;
      const { start, end } = byteRange ?? { start: 1, end: null };
      message.confirmed.set(start, Math.max(message.confirmed.get(start) ?? 0, end ?? message.total));
      this.#checkDone(message);
      return;
    }
    const message = this.#known().find((each) => each.messageId === messageId);
    if (message !== undefined) this.#fail(message, rejection(status.code, status.reason));
  }

  /** Everything that waits or is unanswered fails with `error`, and so does every later `send`. */
  close(error: AppError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#timer?.dispose();
    this.#drain?.dispose();
    const messages = this.#known();
    for (const transaction of this.#awaited()) this.#forget(transaction);
    this.#unconfirmed.clear();
    this.#waiting = [];
    this.#overtaking.length = 0;
    this.#next = 0;
    this.#waitingBytes = 0;
    this.#route = null;
    for (const message of messages) message.reject(error);
  }

  #known(): Outgoing[] {
    const inFlight = this.#awaited().map((transaction) => transaction.message);
    return [...new Set([...this.#overtaking, ...this.#waiting.slice(this.#next), ...inFlight, ...this.#unconfirmed.values()])];
  }

  #promised(message: Pick<Outgoing, 'messageId' | 'contentType' | 'body'>, enter: (message: Outgoing) => void): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const { messageId, contentType, body } = message;
      // Each by its name: an object that begins as a spread is slow to write to, and this one is written to with every chunk.
      enter({
        messageId,
        contentType,
        body,
        total: body?.length ?? 0,
        reports: failuresAlone,
        overtakes: false,
        written: 0,
        whole: false,
        unanswered: 0,
        reportAwaited: null,
        confirmed: noOctets,
        isDone: false,
        onFailure: null,
        resolve,
        reject,
      });
    });
  }

  #pump(): void {
    while (this.#isOpen && this.#route?.connection.canSend === true) {
      if (this.#windowUsed >= windowBytes || this.#windowChunks >= windowChunks) return;
      const [overtaking, waiting] = [this.#overtaking[0], this.#waiting[this.#next]];
      const message = overtaking !== undefined && (waiting === undefined || !this.#hasOvertaken) ? overtaking : waiting;
      if (message === undefined) return;
      this.#hasOvertaken = message.overtakes;
      this.#writeChunk(message);
      if (message.whole) this.#written(message);
    }
  }

  /** Nothing of it is left to write. */
  #written(message: Outgoing): void {
    if (message.overtakes) this.#overtaking.shift();
    else {
      this.#next += 1;
      if (this.#next >= maximumSpent) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
    }
    this.#checkDone(message);
  }

  #writeChunk(message: Outgoing, isLast = false): void {
    if (this.#route === null) return;
    const { connection, toPath, fromPath, isRelayed } = this.#route;
    const { total } = message;
    const room = isLast ? 1 : isRelayed ? relayedChunkBytes : chunkBytes;
    const body = message.body?.subarray(message.written, message.written + room) ?? null;
    if (message.written === 0 && body !== null) {
      // Who wants to hear of no failure does not want to hear of this either.
      if (isRelayed && message.reports.failure === 'yes') message.reports = { success: true, failure: 'yes' };
      if (message.reports.success) {
        message.confirmed = new Map();
        this.#unconfirmed.set(message.messageId, message);
      }
    }
    const start = message.written + 1;
    message.written += body?.length ?? 0;
    message.whole = message.written === total;

    const { success, failure } = message.reports;
    const bytes = body?.length ?? 0;
    const id = this.#newId(connection, body);
    const end = bytes > uninterruptibleBytes ? null : message.written;
    const request: MsrpRequest = {
      kind: 'request',
      transactionId: id,
      method: 'SEND',
      toPath,
      fromPath,
      headers: [],
      messageId: message.messageId,
      byteRange: body === null ? null : { start, end, total },
      contentType: message.contentType,
      successReport: success,
      failureReport: failure,
      status: null,
      body,
      continuation: isLast ? '#' : message.whole ? '$' : '+',
    };
    if (failure === 'no') {
      connection.send(request);
      return;
    }
    if (failure === 'yes') {
      message.unanswered += 1;
      this.#windowUsed += bytes;
      this.#windowChunks += 1;
    }
    const transaction = this.#await(id, message, bytes, failure === 'yes' ? 'answer' : 'failure');
    connection.request(request, (response) => this.#answered(transaction, response));
  }

  #await(id: string | null, message: Outgoing, bytes: number, awaits: Transaction['awaits']): Transaction {
    const deadline = this.#deps.clock.now() + responseTimeoutMs;
    const transaction: Transaction = { id, message, bytes, deadline, awaits, isOver: false, before: this.#newest, after: null };
    if (this.#newest === null) this.#oldest = transaction;
    else this.#newest.after = transaction;
    this.#newest = transaction;
    this.#watch();
    return transaction;
  }

  #awaited(): Transaction[] {
    const all: Transaction[] = [];
    for (let each = this.#oldest; each !== null; each = each.after) all.push(each);
    return all;
  }

  #newId(connection: MsrpConnection, body: Uint8Array | null): string {
    for (;;) {
      const id = newTransactionId(() => this.#deps.clock.random(), body);
      if (!connection.awaits(id)) return id;
    }
  }

  #answered(transaction: Transaction, response: MsrpResponse): void {
    const { message } = transaction;
    this.#end(transaction);
    if (response.status !== 200) {
      const error = rejection(response.status, response.reason);
      this.#fail(message, error);
      // 481: the peer has no such session (any more). 506: it serves the session on another connection (RFC 4975 10.8, 10.10).
      if (response.status === 481 || response.status === 506) this.#deps.onBroken(error);
    } else {
      if (transaction.awaits === 'answer') message.unanswered -= 1;
      this.#checkDone(message);
    }
    this.#pump();
  }

  #checkDone(message: Outgoing): void {
    if (message.isDone || !message.whole || message.unanswered > 0) return;
    if (message.reports.success && message.total > 0 && !covers(message.confirmed, message.total)) {
      message.reportAwaited ??= this.#await(null, message, 0, 'report');
      return;
    }
    this.#settle(message);
    message.resolve();
  }

  /** The rest of a refused message is not sent; the other messages go on (RFC 4975 10.5). */
  #fail(message: Outgoing, error: AppError): void {
    if (message.isDone) {
      message.onFailure?.(error);
      return;
    }
    const list = message.overtakes ? this.#overtaking : this.#waiting;
    const index = list.indexOf(message, message.overtakes ? 0 : this.#next);
    if (index >= 0) list.splice(index, 1);
    for (const transaction of this.#awaited()) if (transaction.message === message) this.#forget(transaction);
    this.#settle(message);
    message.reject(error);
    this.#pump();
  }

  /** Its sender does not want it any more: a last chunk says so, where a first one has left (RFC 4975 section 7.1.1). */
  #giveUp(message: Outgoing): void {
    if (message.isDone || this.#closed !== null) return;
    if (message.written > 0 && !message.whole) this.#writeChunk(message, true);
    this.#fail(message, givenUp());
  }

  #settle(message: Outgoing): void {
    message.isDone = true;
    this.#waitingBytes -= message.total;
    message.body = null;
    if (message.reports.success) this.#unconfirmed.delete(message.messageId);
    if (message.reportAwaited !== null) this.#forget(message.reportAwaited);
  }

  /** Whatever comes of it is not heard any more. */
  #forget(transaction: Transaction): void {
    if (transaction.id !== null) this.#route?.connection.forget(transaction.id);
    this.#end(transaction);
  }

  #end(transaction: Transaction): void {
    if (transaction.isOver) return;
    transaction.isOver = true;
    const { before, after } = transaction;
    if (before === null) this.#oldest = after;
    else before.after = after;
    if (after === null) this.#newest = before;
    else after.before = before;
    if (transaction.awaits !== 'answer') return;
    this.#windowUsed -= transaction.bytes;
    this.#windowChunks -= 1;
  }

  /** One timer for all transactions, at the deadline of one that was the oldest; it costs less to let it run than to stop it at every answer. */
  #watch(): void {
    if (this.#timer !== null) return;
    if (this.#oldest === null) return;
    const remaining = (transaction: Transaction) => transaction.deadline - this.#deps.clock.now();
    this.#timer = this.#deps.clock.setTimer(Math.min(Math.max(0, remaining(this.#oldest)), responseTimeoutMs), () => {
      this.#timer = null;
      const late = this.#oldest;
      // More than there ever was: the clock was set back while it waited.
      if (late !== null && (remaining(late) <= 0 || remaining(late) > responseTimeoutMs)) this.#timedOut(late);
      this.#watch();
    });
  }

  #timedOut(transaction: Transaction): void {
    if (transaction.awaits === 'failure') {
      this.#forget(transaction);
      return;
    }
    const what = transaction.awaits === 'report' ? 'success REPORT' : 'response';
    const error = new AppError('net/timeout', { status: 408, cause: `no MSRP ${what} in time` }, 'auto');
    this.#fail(transaction.message, error);
    // Who answers but does not report lacks a service; behind a relay it may be gone.
    if (transaction.awaits === 'answer' || this.#route?.isRelayed === true) this.#deps.onBroken(error);
  }
}

const failuresAlone: Reports = { success: false, failure: 'yes' };
const noOctets = new Map<number, number>();

/** Whether the ranges, by first octet, name every octet from 1 to `total`. */
function covers(ranges: ReadonlyMap<number, number>, total: number): boolean {
  let next = 1;
  for (const [start, end] of [...ranges].sort(([a], [b]) => a - b)) {
    if (start > next) return false;
    next = Math.max(next, end + 1);
  }
  return next > total;
}

function givenUp(): AppError {
  return new AppError('message/skipped', { cause: 'given up by its sender' }, 'never');
}

/** 408, 423, 481, 506 and 5xx say nothing against the message itself: it may be sent again, over a new session where needed. */
function rejection(status: number, reason: string): AppError {
  const retry: Retry = status >= 500 || [408, 423, 481, 506].includes(status) ? 'auto' : 'user';
  return new AppError('msrp/rejected', reason === '' ? { status } : { status, reason }, retry);
}
