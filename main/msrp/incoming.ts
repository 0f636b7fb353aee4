/**
 * The receiving half of a session: chunks become messages, messages reach `handle` one after the other in the order they became whole,
 * and the 200 for the last chunk leaves only when `handle` has resolved, that is when the message is on disk.
 *
 *   chunk --> collecting --'$' and no gap--> waiting --> handling --> answered
 *                 |
 *                 +-- '#', or a limit --> dropped
 *
 * Everything a peer can make this side keep has a named limit.
 */
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import type { MsrpRequest } from '../../protocol/msrp';
import type { MsrpConnection } from './connection';

/** The largest message that is accepted. */
export const maximumMessageBytes = 16 * 1024 * 1024;
/** Messages of which only a part has come; the oldest one is given up for a further one. */
export const maximumPartials = 16;
/** What all partly received messages of a session may hold together. */
export const maximumPartialBytes = 32 * 1024 * 1024;
/** Chunks of one message. */
export const maximumChunks = 16_384;
/** Whole messages that wait for `handle`; above it nothing more is read from the connection. */
export const maximumUnhandledBytes = 1024 * 1024;
export const maximumUnhandledMessages = 256;

export interface ReceivedMessage {
  messageId: string;
  contentType: string;
  body: Uint8Array;
}

/** What of a request its answer and its report need: kept without the body, which would be held twice. */
export type Answerable = Pick<MsrpRequest, 'method' | 'transactionId' | 'toPath' | 'fromPath' | 'failureReport' | 'messageId'>;

export interface IncomingDeps {
  log: Logger;
  handle: (message: ReceivedMessage) => Promise<void>;
  respond: (request: Answerable, status: number, by: MsrpConnection) => void;
  /** Sends a success REPORT for the whole message (RFC 4975 7.1.2). */
  reportSuccess: (request: Answerable, total: number) => void;
  /** Asks the connection to stop reading, or to go on. */
  onFull: (full: boolean) => void;
}

interface Partial {
  contentType: string;
  /** Without a gap from byte 1 up to `next`. */
  parts: Uint8Array[];
  next: number;
  /** Chunks that came before their turn, by first byte. */
  ahead: Map<number, Uint8Array>;
  held: number;
  chunks: number;
  /** Where the message ends, once the chunk with "$" has come. */
  end: number | null;
  successReport: boolean;
}

export class IncomingMessages {
  readonly #deps: IncomingDeps;
  readonly #partials = new Map<string, Partial>();
  /** Message-IDs answered with 413, so that their further chunks are too. */
  readonly #refused = new Set<string>();
  readonly #whole: { message: ReceivedMessage; request: Answerable; by: MsrpConnection; successReport: boolean }[] = [];
  #partialBytes = 0;
  #unhandledBytes = 0;
  #full = false;
  #working = false;
  #closed = false;

  constructor(deps: IncomingDeps) {
    this.#deps = deps;
  }

  /** One SEND, and the connection that it came by. */
  receive(request: MsrpRequest, by: MsrpConnection): void {
    if (this.#closed) return;
    const status = this.#take(request, by);
    if (status !== null) this.#deps.respond(request, status, by);
  }

  /** Drops everything; messages that `handle` has not been given come again from a sender that got no 200. */
  close(): void {
    this.#closed = true;
    this.#partials.clear();
    this.#whole.length = 0;
  }

  /** The answer, or null when it has to wait for `handle`. */
  #take(request: MsrpRequest, by: MsrpConnection): number | null {
    const chunk = chunkOf(request);
    if (chunk === 'malformed') return 400;
    if (chunk === 'empty') return 200;
    const { messageId, body, start, total } = chunk;
    const last = start + body.length - 1;
    if (request.continuation === '#') {
      this.#drop(messageId);
      return 200;
    }
    if (this.#refused.has(messageId) || last > maximumMessageBytes || (total ?? 0) > maximumMessageBytes) return this.#refuse(messageId);

    const known = this.#partials.get(messageId);
    const contentType = request.contentType ?? known?.contentType;
    if (contentType === undefined) return 400;
    if (known === undefined && start === 1 && request.continuation === '$') {
      this.#complete({ messageId, contentType, body }, request, by, request.successReport);
      return null;
    }
    const partial = known ?? this.#begin(messageId, contentType);
    this.#add(partial, start, body);
    partial.successReport ||= request.successReport;
    if (request.continuation === '$') partial.end = last;
    if (this.#partialBytes > maximumPartialBytes || partial.chunks > maximumChunks) return this.#refuse(messageId);
    if (partial.end === null || partial.next <= partial.end) return 200;
    this.#drop(messageId);
    this.#complete({ messageId, contentType: partial.contentType, body: joined(partial) }, request, by, partial.successReport);
    return null;
  }

  #begin(messageId: string, contentType: string): Partial {
    const oldest = this.#partials.keys().next().value;
    if (this.#partials.size >= maximumPartials && oldest !== undefined) {
      this.#deps.log.warn('an unfinished MSRP message was given up', { messageId: oldest });
      this.#drop(oldest);
    }
    const partial: Partial = { contentType, parts: [], next: 1, ahead: new Map(), held: 0, chunks: 0, end: null, successReport: false };
    this.#partials.set(messageId, partial);
    return partial;
  }

  #add(partial: Partial, start: number, body: Uint8Array): void {
    partial.chunks += 1;
    const before = partial.held;
    if (start > partial.next) {
      if (!partial.ahead.has(start)) {
        partial.ahead.set(start, body);
        partial.held += body.length;
      }
    } else {
      append(partial, start, body);
      for (let grown = partial.ahead.size > 0; grown; ) {
        grown = false;
        for (const [at, bytes] of partial.ahead) {
          if (at > partial.next) continue;
          partial.ahead.delete(at);
          partial.held -= bytes.length;
          append(partial, at, bytes);
          grown = true;
        }
      }
    }
    this.#partialBytes += partial.held - before;
  }

  #drop(messageId: string): void {
    const partial = this.#partials.get(messageId);
    if (partial === undefined) return;
    this.#partialBytes -= partial.held;
    this.#partials.delete(messageId);
  }

  #refuse(messageId: string): number {
    this.#drop(messageId);
    if (this.#refused.size >= maximumPartials) this.#refused.clear();
    this.#refused.add(messageId);
    this.#deps.log.warn('an MSRP message above the limits was refused', { messageId });
    return 413;
  }

  #complete(message: ReceivedMessage, request: MsrpRequest, by: MsrpConnection, successReport: boolean): void {
    const { method, transactionId, toPath, fromPath, failureReport, messageId } = request;
    this.#whole.push({ message, request: { method, transactionId, toPath, fromPath, failureReport, messageId }, by, successReport });
    this.#count(message.body.length);
    if (!this.#working) void this.#work();
  }

  /** Never rejects: whatever `handle` does becomes an answer. */
  async #work(): Promise<void> {
    this.#working = true;
    for (;;) {
      const next = this.#whole[0];
      if (next === undefined) break;
      let status = 200;
      try {
        await this.#deps.handle(next.message);
      } catch (error) {
        status = this.#refusal(next.message, error);
      }
      if (this.#closed) break;
      this.#whole.shift();
      this.#deps.respond(next.request, status, next.by);
      if (status === 200 && next.successReport) this.#deps.reportSuccess(next.request, next.message.body.length);
      this.#count(-next.message.body.length);
    }
    this.#working = false;
  }

  /** RFC 4975 section 10 has no code for trouble of the receiver's own; any code that is no 200 means "not accepted". LAB: 500. */
  #refusal({ messageId }: ReceivedMessage, error: unknown): number {
    const status = error instanceof AppError ? error.detail.status : undefined;
    this.#deps.log.error('a received message was not accepted', { messageId, error: String(error) });
    return status !== undefined && status >= 400 && status < 600 ? status : 500;
  }

  #count(bytes: number): void {
    this.#unhandledBytes += bytes;
    const full = this.#unhandledBytes > maximumUnhandledBytes || this.#whole.length > maximumUnhandledMessages;
    if (full === this.#full) return;
    this.#full = full;
    this.#deps.onFull(full);
  }
}

/** What of a SEND matters here, or what is wrong with it. */
function chunkOf(
  request: MsrpRequest,
): 'malformed' | 'empty' | { messageId: string; body: Uint8Array; start: number; total: number | null } {
  const { messageId, body, byteRange, continuation } = request;
  if (messageId === null) return 'malformed';
  // An aborted message may end with a chunk that has no content at all.
  if (body === null) return continuation === '#' ? { messageId, body: new Uint8Array(), start: 1, total: null } : 'empty';
  const { start, end, total } = byteRange ?? { start: 1, end: null, total: null };
  const last = start + body.length - 1;
  // A chunk that was interrupted has less than it announced, and only then; see RFC 4975 7.1.1.
  const announced = end === null || end === last || (end > last && continuation !== '$');
  const complete = continuation !== '$' || total === null || total === last;
  return announced && complete && (total === null || last <= total) ? { messageId, body, start, total } : 'malformed';
}

/** Adds what is new of a chunk that begins at or before `next`. */
function append(partial: Partial, start: number, body: Uint8Array): void {
  const fresh = body.subarray(Math.min(body.length, partial.next - start));
  if (fresh.length === 0) return;
  partial.parts.push(fresh);
  partial.next += fresh.length;
  partial.held += fresh.length;
}

function joined(partial: Partial): Uint8Array {
  const total = partial.end ?? 0;
  const body = new Uint8Array(total);
  let at = 0;
  for (const part of partial.parts) {
    body.set(part.subarray(0, total - at), at);
    at += Math.min(part.length, total - at);
  }
  return body;
}
