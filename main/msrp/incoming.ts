/**
 * The receiving half of a session. Chunks go to the sink of their message as they arrive. Complete messages are finished one by one, in the
 * order of their completion. The 200 for the last chunk leaves only when the sink has stored the message.
 *
 *   chunk --> arriving --'$' and no gap--> whole --> finishing --> answered
 *                 |
 *                 +-- '#', a limit, an error of the sink, too old --> dropped
 *
 * Everything that a peer can make this side hold has a named limit. A slow sink stops reading on this session's connections only.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { Slice } from '../../base/slice';
import { AppError } from '../../preload/contract/errors';
import type { MsrpRequest } from '../../protocol/msrp';
import type { Allowance } from '../../protocol/msrp-allowance';
import { type ChunkPlace, endsWithoutOctets, placeOf } from '../../protocol/msrp-chunk';
import { type Answerable, answerable } from '../../protocol/msrp-rules';
import { Arriving } from './arriving';
import type { MsrpConnection } from './connection';
import { MemorySink, type MessageHead, type MessageSink, maximumMessageBytes, noRoom } from './sink';

/** Most incomplete messages; a further one displaces the oldest. */
export const maximumPartials = 16;
/** Most octets that all messages of a session may hold together. */
export const maximumPartialBytes = 32 * 1024 * 1024;
/** LAB: an incomplete message is dropped when no chunk of it arrives for this long. */
export const unfinishedMessageMs = 120_000;
/** Most octets of complete messages that wait for their handler; above this the connections are not read. */
export const maximumUnhandledBytes = 1024 * 1024;
export const maximumUnhandledMessages = 256;

export interface ReceivedMessage {
  messageId: string;
  contentType: string;
  body: Uint8Array;
}

export interface IncomingDeps {
  clock: Clock;
  log: Logger;
  /** The session's share of memory, at most `maximumPartialBytes`. */
  allowance: Allowance;
  /** Returns the sink for a message, or null to collect it in memory for `handle`. @throws AppError whose `status` refuses the message */
  open: (head: MessageHead) => MessageSink | null;
  handle: (message: ReceivedMessage) => Promise<void>;
  respond: (request: Answerable, status: number, by: MsrpConnection) => void;
  /** Sends a success REPORT for the whole message. */
  reportSuccess: (request: Answerable, total: number) => void;
  /** Asks the session's connections to stop reading or to resume. */
  onFull: (full: boolean) => void;
}

/** A complete message that waits for its turn. */
interface Whole {
  messageId: string;
  size: number;
  /** Octets it holds in memory. */
  held: number;
  /** Whether `finish` does everything that needs an order before it first waits. */
  isShort: boolean;
  finish: () => Promise<void>;
  abort: () => void;
  request: Answerable;
  by: MsrpConnection;
  wantsReport: boolean;
}

export class IncomingMessages {
  readonly #deps: IncomingDeps;
  readonly #arriving = new Map<string, Arriving>();
  /** Refused Message-IDs with their status; further chunks get the same answer. */
  readonly #refused = new Map<string, number>();
  /** The transaction of a long chunk that was answered before its end arrived. */
  readonly #told = new WeakMap<MsrpConnection, string>();
  readonly #whole: Whole[] = [];
  #unhandledBytes = 0;
  /** The number of slow sinks that block reading. */
  #slow = 0;
  #full = false;
  /** Messages whose answer has not left. */
  #unanswered = 0;
  /** Resolves when the answers to everything that was begun have left. */
  #answered: Promise<void> = Promise.resolve();
  #working = false;
  #closed = false;
  #timer: Disposable | null = null;

  constructor(deps: IncomingDeps) {
    this.#deps = deps;
  }

  /** Whether reading must stop. */
  get isFull(): boolean {
    return this.#full;
  }

  /** Takes one SEND, or a part of one, from the connection that brought it. */
  receive(request: MsrpRequest, by: MsrpConnection): void {
    if (this.#closed) return;
    if (this.#told.get(by) === request.transactionId) {
      if (request.goesOn !== true) this.#told.delete(by);
      return;
    }
    const status = this.#take(request, by);
    if (status !== null) this.#answer(request, status, by);
  }

  /** Drops everything. The sender repeats a message that was not answered. */
  close(): void {
    this.#closed = true;
    this.#timer?.dispose();
    for (const messageId of [...this.#arriving.keys()]) this.#drop(messageId);
    // What was begun ends by itself.
    for (const { abort } of this.#whole.splice(0)) abort();
  }

  /** Before its end has arrived, a chunk can only be answered by a refusal, which stops its sender (RFC 4975 section 10.5). */
  #answer(request: Answerable & Pick<MsrpRequest, 'goesOn'>, status: number, by: MsrpConnection): void {
    if (request.goesOn === true) {
      if (status === 200) return;
      this.#told.set(by, request.transactionId);
    }
    this.#deps.respond(request, status, by);
  }

  /** The status of the answer, or null when the answer has to wait for the sink. */
  #take(request: MsrpRequest, by: MsrpConnection): number | null {
    if (request.isSkipped === true) return 481;
    const { messageId } = request;
    if (messageId === null) return 400;
    if (request.continuation === '#') {
      this.#drop(messageId);
      return 200;
    }
    const known = this.#arriving.get(messageId);
    if (known !== undefined && endsWithoutOctets(request)) return this.#end(known, request, by);
    if (request.body === null) return 200;
    const place = placeOf({ ...request, body: request.body });
    if (place === null) return 400;
    const chunk = { ...place, body: request.body };
    const { body, start, total } = chunk;
    const refused = this.#refused.get(messageId);
    if (refused !== undefined) return refused;
    const contentType = request.contentType ?? known?.head.contentType;
    if (contentType === undefined) return 400;
    try {
      const head = { messageId, contentType, size: total, from: request.fromPath.at(-1) ?? '' };
      if (known !== undefined) return this.#add(known, request, chunk, by);
      const sink = this.#deps.open(head);
      if (sink === null && start === 1 && request.continuation === '$' && body.length <= maximumMessageBytes)
        return this.#takeWhole({ messageId, contentType, body }, request, by);
      return this.#add(this.#begin(head, sink), request, chunk, by);
    } catch (error) {
      return this.#refuse(messageId, statusOf(error), error);
    }
  }

  #add(
    arriving: Arriving,
    request: MsrpRequest,
    { start, body, total, last }: ChunkPlace & { body: Uint8Array },
    by: MsrpConnection,
  ): number | null {
    if (request.continuation === '$' && last < arriving.lastOctet) throw new AppError('msrp/rejected', { status: 400 });
    if (!arriving.fits(Math.max(last, total ?? 0))) throw new AppError('msrp/rejected', { status: 413 });
    arriving.add(start, body);
    arriving.touchedAt = this.#deps.clock.now();
    arriving.wantsReport ||= request.successReport;
    if (request.continuation === '$') arriving.total = last;
    if (arriving.isWhole) return this.#completeArriving(arriving, request, by);
    if (arriving.writing === null) return 200;
    const { goesOn } = request;
    void this.#answerWhenWritten(arriving, { ...answerable(request), ...(goesOn === true ? { goesOn } : {}) }, by);
    return null;
  }

  /** All octets of a message came before its end. */
  #end(arriving: Arriving, request: MsrpRequest, by: MsrpConnection): number | null {
    arriving.total = Math.max(arriving.head.size ?? 0, arriving.lastOctet);
    arriving.wantsReport ||= request.successReport;
    return arriving.isWhole ? this.#completeArriving(arriving, request, by) : 200;
  }

  #completeArriving(arriving: Arriving, request: MsrpRequest, by: MsrpConnection): null {
    const { messageId } = arriving.head;
    this.#arriving.delete(messageId);
    // This part filled the last gap, so the rest of the chunk is already known.
    if (request.goesOn === true) this.#told.set(by, request.transactionId);
    this.#complete({
      messageId,
      size: arriving.total ?? 0,
      held: arriving.heldBytes,
      isShort: false,
      finish: () => arriving.finish(),
      abort: () => arriving.abort(),
      request: answerable(request),
      by,
      wantsReport: arriving.wantsReport,
    });
    return null;
  }

  /** Waits for a slow sink: reading stops until the sink has taken this chunk, then the chunk is answered. Never rejects. */
  async #answerWhenWritten(arriving: Arriving, request: Answerable & Pick<MsrpRequest, 'goesOn'>, by: MsrpConnection): Promise<void> {
    this.#slow += 1;
    this.#tellFull();
    let status = 200;
    try {
      await arriving.writing;
    } catch (error) {
      status = this.#refuse(arriving.head.messageId, statusOf(error), error);
    }
    this.#slow -= 1;
    if (this.#closed) return;
    this.#answer(request, status, by);
    this.#tellFull();
  }

  #begin(head: MessageHead, sink: MessageSink | null): Arriving {
    const { allowance, clock, handle, log } = this.#deps;
    const oldest = this.#arriving.keys().next().value;
    if (this.#arriving.size >= maximumPartials && oldest !== undefined) {
      log.warn('an unfinished MSRP message was given up', { messageId: oldest });
      this.#drop(oldest);
    }
    const { messageId, contentType } = head;
    const arriving = new Arriving(head, sink ?? new MemorySink(allowance, (body) => handle({ messageId, contentType, body })), allowance);
    arriving.touchedAt = clock.now();
    this.#arriving.set(messageId, arriving);
    this.#watch();
    return arriving;
  }

  /** One timer serves all incomplete messages; there are few of them. */
  #watch(): void {
    if (this.#timer !== null || this.#closed || this.#arriving.size === 0) return;
    this.#timer = this.#deps.clock.setTimer(unfinishedMessageMs, () => {
      this.#timer = null;
      const now = this.#deps.clock.now();
      for (const [messageId, { touchedAt, writing }] of [...this.#arriving]) {
        if (writing !== null || now - touchedAt < unfinishedMessageMs) continue;
        this.#deps.log.warn('an MSRP message did not go on and was given up', { messageId });
        this.#drop(messageId);
      }
      this.#watch();
    });
  }

  #drop(messageId: string): void {
    const arriving = this.#arriving.get(messageId);
    if (arriving === undefined) return;
    this.#arriving.delete(messageId);
    try {
      arriving.abort();
    } catch (error) {
      this.#deps.log.error('a message could not be dropped', { messageId, error: String(error) });
    }
    if (this.#arriving.size > 0) return;
    this.#timer?.dispose();
    this.#timer = null;
  }

  #refuse(messageId: string, status: number, why: unknown): number {
    this.#drop(messageId);
    if (this.#refused.size >= maximumPartials) this.#refused.clear();
    // After a fault on this side the same message may come again.
    if (status < 500) this.#refused.set(messageId, status);
    this.#deps.log.warn('an MSRP message was refused', { messageId, status, error: String(why) });
    return status;
  }

  /** Takes a message of one short chunk, as nearly every text is. Its body is not copied. */
  #takeWhole(message: ReceivedMessage, request: MsrpRequest, by: MsrpConnection): null {
    const { allowance } = this.#deps;
    const held = message.body.length;
    if (!allowance.take(held)) throw noRoom(allowance, held);
    this.#complete({
      messageId: message.messageId,
      size: held,
      held,
      isShort: true,
      finish: async () => {
        try {
          await this.#deps.handle(message);
        } finally {
          allowance.give(held);
        }
      },
      abort: () => allowance.give(held),
      request: answerable(request),
      by,
      wantsReport: request.successReport,
    });
    return null;
  }

  #complete(whole: Whole): void {
    this.#whole.push(whole);
    this.#count(1, whole.held);
    if (!this.#working) void this.#work();
  }

  /** Never rejects: every outcome becomes the message's answer. */
  async #work(): Promise<void> {
    this.#working = true;
    const slice = new Slice();
    for (;;) {
      const next = this.#whole.shift();
      if (next === undefined) break;
      const finished = this.#outcomeOf(next);
      this.#answered = this.#answered.then(() => finished).then((status) => this.#respond(next, status));
      if (!next.isShort) await this.#answered;
      await slice.over();
    }
    this.#working = false;
  }

  /** Never rejects: whatever comes of a message becomes its answer. */
  async #outcomeOf({ finish, messageId }: Whole): Promise<number> {
    try {
      await finish();
      return 200;
    } catch (error) {
      this.#deps.log.error('a received message was not accepted', { messageId, error: String(error) });
      return statusOf(error);
    }
  }

  #respond({ request, by, wantsReport, size, held }: Whole, status: number): void {
    if (this.#closed) return;
    this.#deps.respond(request, status, by);
    if (status === 200 && wantsReport) this.#deps.reportSuccess(request, size);
    this.#count(-1, -held);
  }

  #count(messages: number, bytes: number): void {
    this.#unanswered += messages;
    this.#unhandledBytes += bytes;
    this.#tellFull();
  }

  #tellFull(): void {
    const full = this.#slow > 0 || this.#unhandledBytes > maximumUnhandledBytes || this.#unanswered > maximumUnhandledMessages;
    if (full === this.#full || this.#closed) return;
    this.#full = full;
    this.#deps.onFull(full);
  }
}

/** RFC 4975 section 10 has no code for a fault of the receiver; any code except 200 means "not accepted". LAB: 500. */
function statusOf(error: unknown): number {
  const status = error instanceof AppError ? error.detail.status : undefined;
  return status !== undefined && status >= 400 && status < 600 ? status : 500;
}
