/**
 * The sending half of a session: messages wait in order, leave as chunks, and are done when every chunk has its 200.
 *
 *   waiting --chunks written--> unanswered --every 200--> sent
 *      |                             |
 *      +---- another answer, a failure REPORT, no answer in time, connection lost ----> failed
 *
 * Chunks of one message follow each other and messages do not overlap, so the order of `send` is the order on the wire. A window of
 * unanswered bytes keeps a slow reader from filling memory: what it has not answered is all that has been copied for it.
 */
import type { Clock, Disposable, Logger } from '../base';
import { AppError, type Retry } from '../errors';
import { type MsrpRequest, type MsrpResponse, newTransactionId } from '../protocol/msrp';
import type { MsrpConnection } from './connection';
import { requestNickname } from './nickname';

/** Body bytes of one chunk. */
export const chunkBytes = 64 * 1024;
/** A longer chunk must be interruptible, that is announce its end as "*" (RFC 4975 7.1.1). */
export const uninterruptibleBytes = 2048;
/** How much may be on its way without an answer. */
export const windowBytes = 1024 * 1024;
export const windowChunks = 1024;
/** The most that may wait in one session, in bytes of message bodies. */
export const maximumWaitingBytes = 64 * 1024 * 1024;
/** RFC 4975 7.1.1: without a response for so long the transaction has failed. */
export const responseTimeoutMs = 30_000;
/** Written messages that stay at the front of the list before it is cut. */
const maximumSpent = 1024;

interface Outgoing {
  messageId: string;
  contentType: string | null;
  /** Null is the SEND without content that binds a connection (RFC 4975 5.4). */
  body: Uint8Array | null;
  /** Body bytes written so far. */
  written: number;
  whole: boolean;
  unanswered: number;
  resolve: () => void;
  reject: (error: AppError) => void;
}

interface Transaction {
  id: string;
  message: Outgoing;
  bytes: number;
  deadline: number;
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
  /** In the order they were written, so the first one has the earliest deadline. */
  readonly #transactions = new Map<string, Transaction>();
  #waitingBytes = 0;
  #isOpen = false;
  #windowUsed = 0;
  #route: { connection: MsrpConnection; toPath: string[]; fromPath: string[] } | null = null;
  #drain: Disposable | null = null;
  #timer: Disposable | null = null;
  #closed: AppError | null = null;

  constructor(deps: OutgoingDeps) {
    this.#deps = deps;
  }

  /** Where messages are to leave, once `open` is called. */
  attach(connection: MsrpConnection, toPath: string[], fromPath: string[]): void {
    this.#route = { connection, toPath, fromPath };
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

  send(message: { contentType: string; body: Uint8Array; messageId?: string | undefined }): Promise<void> {
    if (this.#waitingBytes + message.body.length > maximumWaitingBytes) {
      const cause = `${this.#waitingBytes} bytes wait for a peer that does not take them`;
      return Promise.reject(new AppError('net/timeout', { cause }, 'auto'));
    }
    const { contentType, body, messageId = this.#deps.clock.uuid() } = message;
    return this.#promised({ contentType, body, messageId }, (outgoing) => {
      this.#waiting.push(outgoing);
      this.#waitingBytes += body.length;
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
    const { status, messageId } = request;
    this.#deps.log.debug('MSRP REPORT', { messageId, status: status?.code });
    if (status === null || status.code === 200) return;
    const messages = [...this.#waiting.slice(this.#next), ...[...this.#transactions.values()].map((transaction) => transaction.message)];
    const message = messages.find((each) => each.messageId === messageId);
    if (message !== undefined) this.#fail(message, rejection(status.code, status.reason));
  }

  /** Everything that waits or is unanswered fails with `error`, and so does every later `send`. */
  close(error: AppError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#timer?.dispose();
    this.#drain?.dispose();
    const messages = new Set([...this.#transactions.values()].map((transaction) => transaction.message));
    for (const message of this.#waiting.slice(this.#next)) messages.add(message);
    for (const id of this.#transactions.keys()) this.#route?.connection.forget(id);
    this.#transactions.clear();
    this.#waiting = [];
    this.#next = 0;
    this.#waitingBytes = 0;
    this.#route = null;
    for (const message of messages) message.reject(error);
  }

  #promised(message: Pick<Outgoing, 'messageId' | 'contentType' | 'body'>, enter: (message: Outgoing) => void): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const { messageId, contentType, body } = message;
      // Each by its name: an object that begins as a spread is slow to write to, and this one is written to with every chunk.
      enter({ messageId, contentType, body, written: 0, whole: false, unanswered: 0, resolve, reject });
    });
  }

  #pump(): void {
    for (;;) {
      const message = this.#waiting[this.#next];
      if (message === undefined || !this.#isOpen || !this.#route?.connection.canSend) return;
      if (this.#windowUsed >= windowBytes || this.#transactions.size >= windowChunks) return;
      this.#writeChunk(message);
      if (message.whole) this.#next += 1;
      if (this.#next < maximumSpent) continue;
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  #writeChunk(message: Outgoing): void {
    if (this.#route === null) return;
    const { connection, toPath, fromPath } = this.#route;
    const total = message.body?.length ?? 0;
    const body = message.body?.subarray(message.written, message.written + chunkBytes) ?? null;
    const start = message.written + 1;
    message.written += body?.length ?? 0;
    message.whole = message.written === total;
    message.unanswered += 1;

    const id = this.#newId(body);
    const bytes = body?.length ?? 0;
    const transaction: Transaction = { id, message, bytes, deadline: this.#deps.clock.now() + responseTimeoutMs };
    this.#transactions.set(id, transaction);
    this.#windowUsed += bytes;
    this.#watch();
    const end = bytes > uninterruptibleBytes ? null : message.written;
    connection.request(
      {
        kind: 'request',
        transactionId: id,
        method: 'SEND',
        toPath,
        fromPath,
        headers: [],
        messageId: message.messageId,
        byteRange: body === null ? null : { start, end, total },
        contentType: message.contentType,
        successReport: false,
        failureReport: 'yes',
        status: null,
        body,
        continuation: message.whole ? '$' : '+',
      },
      (response) => this.#answered(transaction, response),
    );
  }

  #newId(body: Uint8Array | null): string {
    for (;;) {
      const id = newTransactionId(() => this.#deps.clock.random(), body);
      if (!this.#transactions.has(id)) return id;
    }
  }

  #answered(transaction: Transaction, response: MsrpResponse): void {
    const { message } = transaction;
    this.#forget(transaction);
    message.unanswered -= 1;
    if (response.status !== 200) {
      const error = rejection(response.status, response.reason);
      this.#fail(message, error);
      // 481: the peer has no such session (any more). 506: it serves the session on another connection (RFC 4975 10.8, 10.10).
      if (response.status === 481 || response.status === 506) this.#deps.onBroken(error);
    } else if (message.whole && message.unanswered === 0) {
      this.#settle(message);
      message.resolve();
    }
    this.#pump();
  }

  /** The rest of a refused message is not sent; the other messages go on (RFC 4975 10.5). */
  #fail(message: Outgoing, error: AppError): void {
    const index = this.#waiting.indexOf(message, this.#next);
    if (index >= 0) this.#waiting.splice(index, 1);
    for (const transaction of [...this.#transactions.values()]) {
      if (transaction.message !== message) continue;
      this.#route?.connection.forget(transaction.id);
      this.#forget(transaction);
    }
    this.#settle(message);
    message.reject(error);
    this.#pump();
  }

  #settle(message: Outgoing): void {
    this.#waitingBytes -= message.body?.length ?? 0;
    message.body = null;
  }

  #forget(transaction: Transaction): void {
    if (!this.#transactions.delete(transaction.id)) return;
    this.#windowUsed -= transaction.bytes;
  }

  /** One timer for all transactions, at the deadline of one that was the oldest; it costs less to let it run than to stop it at every answer. */
  #watch(): void {
    if (this.#timer !== null) return;
    const oldest = this.#transactions.values().next().value;
    if (oldest === undefined) return;
    const wait = Math.max(0, oldest.deadline - this.#deps.clock.now());
    this.#timer = this.#deps.clock.setTimer(wait, () => {
      this.#timer = null;
      const late = this.#transactions.values().next().value;
      if (late !== undefined && late.deadline <= this.#deps.clock.now()) this.#timedOut(late);
      else this.#watch();
    });
  }

  #timedOut(transaction: Transaction): void {
    const error = new AppError('net/timeout', { status: 408, cause: 'no MSRP response in time' }, 'auto');
    this.#fail(transaction.message, error);
    this.#deps.onBroken(error);
  }
}

/** 408, 423, 481, 506 and 5xx say nothing against the message itself: it may be sent again, over a new session where needed. */
function rejection(status: number, reason: string): AppError {
  const retry: Retry = status >= 500 || [408, 423, 481, 506].includes(status) ? 'auto' : 'user';
  return new AppError('msrp/rejected', reason === '' ? { status } : { status, reason }, retry);
}
