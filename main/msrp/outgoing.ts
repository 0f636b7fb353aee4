/**
 * The sending half of a session: messages wait in order, leave as chunks, and are done when every answer they request has arrived.
 *
 *   waiting --chunks written--> unanswered --every 200, the success REPORT where one is asked for--> sent
 *      |                             |
 *      +---- another answer, a failure REPORT, no answer in time, given up, connection lost ----> failed
 *
 * The caller chooses which answers a message requests (RFC 4975 section 7.1.1):
 *
 *   Failure-Report   an answer other than 200   no answer in 30 s     done when
 *   yes              fails the message          fails it, 408         every chunk has its 200
 *   partial          fails the message          nothing               the last chunk is written; a later failure goes to `onFailure`
 *   no               is not given               nothing               the last chunk is written
 *   With Success-Report yes, the message is also only done when REPORTs have named every octet; it fails when none comes in time.
 *
 * Behind a relay a 200 only means that the relay has the chunk (RFC 4976 section 6.4). A message whose failures matter then requests the
 * success REPORT as well.
 *
 * Messages leave in the order of `send`, except for a message that may overtake: it takes turns, chunk by chunk, with a longer one that was
 * sent before it. A window limits the unanswered octets, so that a slow peer does not fill memory. A source is read only when its next
 * chunk may leave, so a slow peer stops the source, too; a slow source holds back the messages behind it, but not those that may overtake.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { type MsrpRequest, type MsrpResponse, newTransactionId } from '../../protocol/msrp';
import { OctetRanges } from '../../protocol/msrp-ranges';
import { AwaitedList } from './awaited';
import type { MsrpConnection } from './connection';
import { requestNickname } from './nickname';
import {
  givenUp,
  Line,
  type MessageBody,
  newOutgoing,
  type Outgoing,
  rejection,
  type SendOptions,
  type Transaction,
} from './outgoing-message';
import { Feed } from './source';

/** Body bytes of one chunk. */
export const chunkBytes = 64 * 1024;
/**
 * LAB: body bytes of one chunk through a relay, because a relay buffers a whole chunk before it forwards it. So short a chunk need not be
 * interruptible.
 */
const relayedChunkBytes = 2048;
/** A longer chunk must be interruptible: it announces its end as "*" (RFC 4975 section 7.1.1). */
const uninterruptibleBytes = 2048;
/** Most bytes on their way without an answer. */
export const windowBytes = 1024 * 1024;
export const windowChunks = 1024;
/** Most bytes of message bodies that wait in the memory of one session. A source waits unread. */
export const maximumWaitingBytes = 64 * 1024 * 1024;
/**
 * RFC 4975 section 7.1.1: without a response for this long, the transaction has failed. LAB: a success REPORT may take as long after the
 * last answer.
 */
export const responseTimeoutMs = 30_000;
/** Most gaps between the success REPORTs of one message; further reports of that peer are ignored. */
export const maximumReportedRanges = 16_384;

export type { MessageBody, SendOptions } from './outgoing-message';

export interface OutgoingDeps {
  clock: Clock;
  log: Logger;
  /** The peer does not answer or reports that the session is gone; the session has to end. */
  onBroken: (error: AppError) => void;
}

export class OutgoingMessages {
  readonly #deps: OutgoingDeps;
  /** The messages that have not left completely, and whether the last chunk belonged to one that may overtake. */
  readonly #waiting = new Line();
  readonly #overtaking = new Line();
  #hasOvertaken = false;
  readonly #awaited: AwaitedList<Transaction>;
  /** Every message that a REPORT can still name, by Message-ID. */
  readonly #known = new Map<string, Outgoing>();
  #waitingBytes = 0;
  #isOpen = false;
  #windowUsed = 0;
  #windowChunks = 0;
  #route: { connection: MsrpConnection; toPath: string[]; fromPath: string[]; isRelayed: boolean } | null = null;
  #drain: Disposable | null = null;
  #closed: AppError | null = null;

  constructor(deps: OutgoingDeps) {
    this.#deps = deps;
    this.#awaited = new AwaitedList(deps.clock, responseTimeoutMs, (late) => this.#timedOut(late));
  }

  /** Sets the connection and path of messages; they leave once `open` is called. */
  attach(connection: MsrpConnection, toPath: string[], fromPath: string[]): void {
    this.#route = { connection, toPath, fromPath, isRelayed: toPath.length > 1 };
    this.#drain?.dispose();
    this.#drain = connection.onDrain.on(() => this.#pump());
  }

  /** Sends the SEND without content that binds the connection; resolves with its 200. Needs `attach`, works before `open`. */
  bind(): Promise<void> {
    return this.#promised({ contentType: null, body: null, messageId: this.#deps.clock.uuid() }, (message) =>
      this.#writeChunk(message, null, '$'),
    );
  }

  /** The session is established: waiting messages leave now, later ones at once. */
  open(): void {
    this.#isOpen = true;
    this.#pump();
  }

  send(message: { contentType: string; body: MessageBody; messageId?: string | undefined } & SendOptions): Promise<void> {
    const { contentType, body, messageId = this.#deps.clock.uuid(), signal } = message;
    const refused = this.#refusal(body, signal);
    if (refused !== null) {
      if (!(body instanceof Uint8Array)) body.close();
      return Promise.reject(refused);
    }
    return this.#promised({ contentType, body, messageId }, (outgoing) => {
      if (message.reports !== undefined) outgoing.reports = { ...outgoing.reports, ...message.reports };
      outgoing.overtakes = message.overtakes === true;
      outgoing.onFailure = message.onFailure ?? null;
      outgoing.onReport = message.onReport ?? null;
      if (outgoing.onReport !== null) outgoing.reports = { ...outgoing.reports, success: true };
      (outgoing.overtakes ? this.#overtaking : this.#waiting).add(outgoing);
      this.#waitingBytes += outgoing.body?.length ?? 0;
      signal?.addEventListener('abort', () => this.#giveUp(outgoing), { once: true });
      this.#pump();
    });
  }

  #refusal(body: MessageBody, signal: AbortSignal | undefined): AppError | null {
    if (this.#closed !== null) return this.#closed;
    if (signal?.aborted) return givenUp();
    if (!(body instanceof Uint8Array) || this.#waitingBytes + body.length <= maximumWaitingBytes) return null;
    return new AppError('net/timeout', { cause: `${this.#waitingBytes} bytes wait for a peer that does not take them` }, 'auto');
  }

  /** @throws AppError as `requestNickname` */
  nickname(nickname: string): Promise<void> {
    if (this.#route === null) return Promise.reject(this.#closed ?? new AppError('msrp/closed', { cause: 'no connection yet' }, 'auto'));
    return requestNickname(this.#route, this.#deps.clock, nickname);
  }

  /** Handles a REPORT of the peer, which is never answered. A failure ends the message it names, if that is still on its way. */
  report(request: MsrpRequest): void {
    const { status, messageId, byteRange } = request;
    this.#deps.log.debug('MSRP REPORT', { messageId, status: status?.code });
    if (status === null || messageId === null) return;
    const message = this.#known.get(messageId);
    if (message === undefined) return;
    if (status.code !== 200) {
      this.#fail(message, rejection(status.code, status.reason));
      return;
    }
    if (message.confirmed === null || message.confirmed.count >= maximumReportedRanges) return;
    const { start, end } = byteRange ?? { start: 1, end: null };
    message.confirmed.add(start, end ?? message.total ?? message.written);
    this.#checkDone(message);
  }

  /** Fails every waiting or unanswered message with `error`, and every later `send` too. */
  close(error: AppError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#awaited.dispose();
    this.#drain?.dispose();
    const messages = new Set([...this.#overtaking.clear(), ...this.#waiting.clear(), ...this.#known.values()]);
    for (const transaction of this.#awaited.all()) {
      messages.add(transaction.message);
      this.#forget(transaction);
    }
    this.#known.clear();
    this.#waitingBytes = 0;
    this.#route = null;
    for (const message of messages) {
      message.feed?.close();
      message.reject(error);
    }
  }

  #promised(
    message: Pick<Outgoing, 'messageId' | 'contentType'> & { body: MessageBody | null },
    enter: (message: Outgoing) => void,
  ): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const { messageId, contentType, body } = message;
      const source = body === null || body instanceof Uint8Array ? null : body;
      const outgoing = newOutgoing({ messageId, contentType, body, resolve, reject });
      if (source !== null) {
        outgoing.feed = new Feed(
          source,
          () => this.#pump(),
          (error) => this.#giveUp(outgoing, error),
        );
      }
      enter(outgoing);
    });
  }

  #pump(): void {
    while (this.#isOpen && this.#route?.connection.canSend === true) {
      if (this.#windowUsed >= windowBytes || this.#windowChunks >= windowChunks) return;
      const [overtaking, waiting] = [this.#overtaking.first, this.#waiting.first];
      const prefersOvertaking = overtaking !== null && (waiting === null || !this.#hasOvertaken);
      const [message, other] = prefersOvertaking ? [overtaking, waiting] : [waiting, overtaking];
      // When a source has nothing ready, the other queue gets its turn.
      if (!this.#writeNext(message) && !this.#writeNext(other)) return;
    }
  }

  /** Returns whether a chunk has left. */
  #writeNext(message: Outgoing | null): boolean {
    if (message === null || this.#route === null) return false;
    const room = this.#route.isRelayed ? relayedChunkBytes : chunkBytes;
    if (message.feed === null) {
      const body = message.body?.subarray(message.written, message.written + room) ?? null;
      this.#writeChunk(message, body, message.written + (body?.length ?? 0) === message.total ? '$' : '+');
    } else {
      const next = message.feed.next(room);
      if (next === null) return false;
      message.total = message.feed.size;
      this.#writeChunk(message, next.octets, next.isLast ? '$' : '+');
    }
    this.#hasOvertaken = message.overtakes;
    if (!message.whole) return true;
    (message.overtakes ? this.#overtaking : this.#waiting).shift();
    this.#checkDone(message);
    return true;
  }

  #writeChunk(message: Outgoing, body: Uint8Array | null, continuation: MsrpRequest['continuation']): void {
    if (this.#route === null) return;
    const { connection, toPath, fromPath, isRelayed } = this.#route;
    const { total } = message;
    if (message.written === 0 && body !== null) {
      // A sender that wants no failure reports needs no success report here either.
      if (isRelayed && message.reports.failure === 'yes') message.reports = { success: true, failure: 'yes' };
      if (message.reports.success) message.confirmed = new OctetRanges();
      this.#known.set(message.messageId, message);
    }
    const start = message.written + 1;
    message.written += body?.length ?? 0;
    message.whole = continuation !== '+';

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
      continuation,
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
    const transaction: Transaction = { id, message, bytes, deadline: 0, awaits, isOver: false, before: null, after: null };
    message.awaited ??= new Set();
    message.awaited.add(transaction);
    this.#awaited.add(transaction);
    return transaction;
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
      // 481: the peer no longer has this session. 506: it serves the session on another connection (RFC 4975 sections 10.8 and 10.10).
      if (response.status === 481 || response.status === 506) this.#deps.onBroken(error);
    } else {
      if (transaction.awaits === 'answer') message.unanswered -= 1;
      this.#checkDone(message);
    }
    this.#pump();
  }

  #checkDone(message: Outgoing): void {
    if (!message.whole || message.unanswered > 0) return;
    const total = message.total ?? message.written;
    const isReported = !message.reports.success || total === 0 || message.confirmed?.covers(total) !== false;
    if (message.isDone) {
      if (isReported) this.#reported(message);
      return;
    }
    if (!isReported && (message.onReport === null || this.#route?.isRelayed === true)) {
      message.reportAwaited ??= this.#await(null, message, 0, 'report');
      return;
    }
    // A report that is only hoped for may come for as long as a failure that becomes known late.
    if (!isReported) this.#await(null, message, 0, 'failure');
    this.#settle(message);
    message.resolve();
    if (isReported) this.#reported(message);
  }

  #reported(message: Outgoing): void {
    const { onReport } = message;
    if (onReport === null) return;
    message.onReport = null;
    for (const transaction of [...(message.awaited ?? [])]) this.#forget(transaction);
    onReport();
  }

  /** The rest of a refused message is not sent; other messages continue (RFC 4975 section 10.5). */
  #fail(message: Outgoing, error: AppError): void {
    if (message.isDone) {
      message.onFailure?.(error);
      return;
    }
    for (const transaction of [...(message.awaited ?? [])]) this.#forget(transaction);
    this.#settle(message);
    message.reject(error);
    this.#pump();
  }

  /**
   * The sender abandoned the message or its source failed. After a first chunk has left, a last one tells the peer (RFC 4975 section
   * 7.1.1).
   */
  #giveUp(message: Outgoing, why: AppError = givenUp()): void {
    if (message.isDone || this.#closed !== null) return;
    if (message.written > 0 && !message.whole) {
      // The last chunk carries one octet from memory; a source may have none.
      this.#writeChunk(message, message.body?.subarray(message.written, message.written + 1) ?? nothing, '#');
    }
    this.#fail(message, why);
  }

  #settle(message: Outgoing): void {
    message.isDone = true;
    this.#waitingBytes -= message.body?.length ?? 0;
    message.body = null;
    message.feed?.close();
    if (message.reportAwaited !== null) this.#forget(message.reportAwaited);
    this.#release(message);
  }

  /** Forgets a message once no REPORT can change its outcome. */
  #release(message: Outgoing): void {
    if (message.isDone && (message.awaited?.size ?? 0) === 0 && this.#known.get(message.messageId) === message)
      this.#known.delete(message.messageId);
  }

  /** Forgets a transaction; a late answer is ignored. */
  #forget(transaction: Transaction): void {
    if (transaction.id !== null) this.#route?.connection.forget(transaction.id);
    this.#end(transaction);
  }

  #end(transaction: Transaction): void {
    if (!this.#awaited.remove(transaction)) return;
    const { message } = transaction;
    message.awaited?.delete(transaction);
    this.#release(message);
    if (transaction.awaits !== 'answer') return;
    this.#windowUsed -= transaction.bytes;
    this.#windowChunks -= 1;
  }

  #timedOut(transaction: Transaction): void {
    if (transaction.awaits === 'failure') {
      this.#forget(transaction);
      return;
    }
    const what = transaction.awaits === 'report' ? 'success REPORT' : 'response';
    const error = new AppError('net/timeout', { status: 408, cause: `no MSRP ${what} in time` }, 'auto');
    this.#fail(transaction.message, error);
    // A peer that answers but does not report lacks a feature; behind a relay it may be gone.
    if (transaction.awaits === 'answer' || this.#route?.isRelayed === true) this.#deps.onBroken(error);
  }
}

const nothing = new Uint8Array(0);
