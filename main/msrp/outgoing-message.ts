/** An outgoing message with its options and the answers it still awaits. */
import { AppError, type Retry } from '../../preload/contract/errors';
import type { OctetRanges } from '../../protocol/msrp-ranges';
import type { Awaited } from './awaited';
import type { Feed, MessageSource } from './source';

/** The list is cut when this many sent messages are at its front. */
const maximumSpent = 1024;
/** The content of a message: octets, which must not change until the message is done, or a source. */
export type MessageBody = Uint8Array | MessageSource;

/** RFC 4975 section 7.1.1. */
interface Reports {
  success: boolean;
  failure: 'yes' | 'no' | 'partial';
}

/** How a message is sent. */
export interface SendOptions {
  /** By default only failures are reported. */
  reports?: Partial<Reports>;
  /** Whether the message may leave between two chunks of an earlier, longer message. */
  overtakes?: boolean;
  /** Abandons the message: unsent octets never leave, and the peer is told where the message ends (RFC 4975 section 5.1). */
  signal?: AbortSignal;
  /** With Failure-Report `partial`: receives a failure that becomes known after the promise has resolved. */
  onFailure?: (error: AppError) => void;
  /**
   * Asks for a success report, and is called when the other side has reported the whole message. The message is done without it: many peers never
   * report.
   */
  onReport?: () => void;
}

export interface Outgoing {
  messageId: string;
  contentType: string | null;
  /** Null for the SEND without content that binds a connection (RFC 4975 section 5.4), for a source, and once the message is settled. */
  body: Uint8Array | null;
  feed: Feed | null;
  /** Null while a source does not know its size. */
  total: number | null;
  reports: Reports;
  overtakes: boolean;
  /** Body bytes written so far. */
  written: number;
  whole: boolean;
  unanswered: number;
  /** The transactions that the message still waits for; null before its first chunk. */
  awaited: Set<Transaction> | null;
  /** The awaited success REPORT; set once nothing else is awaited. */
  reportAwaited: Transaction | null;
  /** The octets that success REPORTs have confirmed; null when no report is requested. */
  confirmed: OctetRanges | null;
  isDone: boolean;
  onFailure: ((error: AppError) => void) | null;
  onReport: (() => void) | null;
  resolve: () => void;
  reject: (error: AppError) => void;
}

/** An awaited answer to a chunk, or an awaited success REPORT of a message. */
export interface Transaction extends Awaited<Transaction> {
  /** The transaction id of the chunk; null for a REPORT. */
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
  // Each field is named, since writing to an object that was created from a spread is slow, and every chunk writes to this one.
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
    onReport: null,
    resolve,
    reject,
  };
}

/** A queue of messages. Removing from the front of a long array would cost its length each time. */
export class Line {
  #messages: Outgoing[] = [];
  #next = 0;

  get first(): Outgoing | null {
    // Skips messages that failed while they waited.
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

  /** Empties the queue and returns its messages. */
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

/** 408, 423, 481, 506 and 5xx do not mean that the message itself is at fault: it may be sent again, if necessary over a new session. */
export function rejection(status: number, reason: string): AppError {
  const retry: Retry = status >= 500 || [408, 423, 481, 506].includes(status) ? 'auto' : 'user';
  return new AppError('msrp/rejected', reason === '' ? { status } : { status, reason }, retry);
}
