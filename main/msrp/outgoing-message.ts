/** A message on its way out, with what is asked of it and what is waited for on its behalf. */
import { AppError, type Retry } from '../../preload/contract/errors';
import type { OctetRanges } from '../../protocol/msrp-ranges';
import type { Awaited } from './awaited';
import type { Feed, MessageSource } from './source';

/** Written messages that stay at the front of the list before it is cut. */
const maximumSpent = 1024;
/** The content of a message: octets that must not change until the message is done, or a source of them. */
export type MessageBody = Uint8Array | MessageSource;

/** RFC 4975 section 7.1.1. */
interface Reports {
  success: boolean;
  failure: 'yes' | 'no' | 'partial';
}

/** How a message is sent. */
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

export interface Outgoing {
  messageId: string;
  contentType: string | null;
  /** Null for the SEND without content that binds a connection (RFC 4975 5.4), for a source, and once the message is settled. */
  body: Uint8Array | null;
  feed: Feed | null;
  /** Null while a source does not know it. */
  total: number | null;
  reports: Reports;
  overtakes: boolean;
  /** Body bytes written so far. */
  written: number;
  whole: boolean;
  unanswered: number;
  /** What is waited for on its behalf; null before its first chunk. */
  awaited: Set<Transaction> | null;
  /** Set once nothing else is waited for. */
  reportAwaited: Transaction | null;
  /** The octets that success REPORTs have named; null when none is asked for. */
  confirmed: OctetRanges | null;
  isDone: boolean;
  onFailure: ((error: AppError) => void) | null;
  resolve: () => void;
  reject: (error: AppError) => void;
}

/** The answer to a chunk, or the success REPORT of a message. */
export interface Transaction extends Awaited<Transaction> {
  /** The chunk's; null for a REPORT. */
  id: string | null;
  message: Outgoing;
  bytes: number;
  awaits: 'answer' | 'failure' | 'report';
}

const failuresAlone: Reports = { success: false, failure: 'yes' };

export function newOutgoing({
  messageId,
  contentType,
  body,
  resolve,
  reject,
}: Pick<Outgoing, 'messageId' | 'contentType' | 'resolve' | 'reject'> & { body: MessageBody | null }): Outgoing {
  const octets = body === null || body instanceof Uint8Array ? body : null;
  const size = body === null ? 0 : body instanceof Uint8Array ? body.length : body.size;
  // Each field by its name: an object that begins as a spread is slow to write to, and this one is written to with every chunk.
  return {
    messageId,
    contentType,
    body: octets,
    feed: null,
    total: size,
    reports: failuresAlone,
    overtakes: false,
    written: 0,
    whole: false,
    unanswered: 0,
    awaited: null,
    reportAwaited: null,
    confirmed: null,
    isDone: false,
    onFailure: null,
    resolve,
    reject,
  };
}

/** Messages in their order. Taking from the front of a long array would cost its length each time. */
export class Line {
  #messages: Outgoing[] = [];
  #next = 0;

  get first(): Outgoing | null {
    // Those that failed while they waited.
    while (this.#messages[this.#next]?.isDone === true) this.shift();
    return this.#messages[this.#next] ?? null;
  }

  add(message: Outgoing): void {
    this.#messages.push(message);
  }

  shift(): void {
    this.#next += 1;
    if (this.#next < maximumSpent) return;
    this.#messages = this.#messages.slice(this.#next);
    this.#next = 0;
  }

  /** Empties the line; returns those that were in it. */
  clear(): Outgoing[] {
    const messages = this.#messages.slice(this.#next).filter(({ isDone }) => !isDone);
    this.#messages = [];
    this.#next = 0;
    return messages;
  }
}

export function givenUp(): AppError {
  return new AppError('message/skipped', { cause: 'given up by its sender' }, 'never');
}

/** 408, 423, 481, 506 and 5xx say nothing against the message itself: it may be sent again, over a new session if necessary. */
export function rejection(status: number, reason: string): AppError {
  const retry: Retry = status >= 500 || [408, 423, 481, 506].includes(status) ? 'auto' : 'user';
  return new AppError('msrp/rejected', reason === '' ? { status } : { status, reason }, retry);
}
