/**
 * The messages that a session of the MSRP switch has sent and nobody has answered for yet.
 *
 *   written --every chunk has its answer; through a relay, success REPORTs name every octet--> answered
 *      \---- 481, 506, no answer or no report in time, the relay could not hand it on ----> broken: the session has to end
 *
 * An answer comes from the next hop. Where the path has more than one URI that is a relay (RFC 4976 section 6.4), and only a REPORT speaks for the
 * endpoint behind it: such messages ask for one, and count as taken when it has come. A refusal by the other end is an answer, too: a message that it
 * does not want is not sent again.
 */

import type { Timekeeper } from '../../base/clock';
import { bodilessRequest, type MsrpMessage, newTransactionId } from '../../protocol/msrp';
import { OctetRanges } from '../../protocol/msrp-ranges';
import type { MsrpRequest } from './assembly';
import { randomFraction } from './random-fraction';

/** Bytes of one chunk: what RFC 4975 section 5.1 allows without being interruptible. */
export const CHUNK_BYTES = 2048;
/** How long a SEND waits for its response (RFC 4975 section 7.2). LAB: a success REPORT may take as long after the last of them. */
export const RESPONSE_TIMEOUT_MS = 30_000;

/** LAB: gaps between the REPORTs of one message; further ones do not count. */
const MAX_REPORTED_RANGES = 1024;

export interface OutgoingMessage {
  contentType: string;
  body: Uint8Array;
  messageId: string;
  /** Somebody has answered for all of it, whatever was said. */
  onAnswered?: () => void;
}

interface Unanswered {
  messageId: string;
  total: number;
  chunks: number;
  /** The octets that REPORTs have named; null where none is asked for. */
  reported: OctetRanges | null;
  onAnswered: (() => void) | undefined;
}

export interface SentMessagesDeps {
  clock: Timekeeper;
  /** The session's own URI. */
  localPath: string;
  send(message: MsrpMessage): void;
  /** The other side is not there any more, or does not say that it is. */
  onBroken(reason: string): void;
}

export class SentMessages {
  /** Awaited answers by transaction, and awaited reports by the Message-ID behind a mark that no transaction has; oldest first. */
  readonly #waits = new Map<string, { at: number; message: Unanswered }>();
  /** Messages that ask for a report, by Message-ID. */
  readonly #reported = new Map<string, Unanswered>();
  #timer: { dispose(): void } | null = null;
  #isClosed = false;

  constructor(private readonly deps: SentMessagesDeps) {}

  write({ messageId, contentType, body, onAnswered }: OutgoingMessage, toPath: readonly string[]): void {
    const isRelayed = toPath.length > 1;
    const message: Unanswered = { messageId, total: body.length, chunks: 0, reported: isRelayed ? new OctetRanges() : null, onAnswered };
    if (isRelayed) this.#reported.set(messageId, message);
    for (let offset = 0; offset === 0 || offset < body.length; offset += CHUNK_BYTES) {
      const piece = body.subarray(offset, offset + CHUNK_BYTES);
      const end = offset + piece.length;
      const transactionId = newTransactionId(randomFraction, piece);
      message.chunks += 1;
      this.#waits.set(transactionId, { at: this.deps.clock.now(), message });
      this.deps.send({
        kind: 'request',
        transactionId,
        method: 'SEND',
        toPath: [...toPath],
        fromPath: [this.deps.localPath],
        headers: [],
        messageId,
        byteRange: { start: offset + 1, end, total: body.length },
        contentType,
        successReport: isRelayed,
        failureReport: 'yes',
        status: null,
        body: piece,
        continuation: end < body.length ? '+' : '$',
      });
      if (this.#isClosed) return;
    }
    this.#watch();
  }

  /** The SEND without content that binds the other end. */
  bind(toPath: readonly string[]): void {
    const transactionId = newTransactionId(randomFraction, null);
    const message: Unanswered = { messageId: '', total: 0, chunks: 1, reported: null, onAnswered: undefined };
    this.#waits.set(transactionId, { at: this.deps.clock.now(), message });
    const request = { transactionId, method: 'SEND', toPath: [...toPath], fromPath: [this.deps.localPath], headers: [] };
    this.deps.send({ ...bodilessRequest(request), messageId: transactionId });
    this.#watch();
  }

  /** The answer to a SEND. */
  answered(transactionId: string, status: number): void {
    const wait = this.#waits.get(transactionId);
    if (wait === undefined) return;
    this.#waits.delete(transactionId);
    const { message } = wait;
    if (status === 481 || status === 506 || (message.reported !== null && isNotHandedOn(status))) {
      this.deps.onBroken(`its media answered ${status}`);
      return;
    }
    message.chunks -= 1;
    // Nobody reports on a message that the relay itself has refused.
    if (status !== 200) this.#refused(message);
    this.#settle(message);
  }

  /** A REPORT (RFC 4975 section 7.1.2); it is never answered. */
  report({ messageId, status, byteRange }: MsrpRequest): void {
    const message = messageId === null ? undefined : this.#reported.get(messageId);
    if (message === undefined || message.reported === null || status === null) return;
    if (isNotHandedOn(status.code)) {
      this.deps.onBroken(`its media relay reported ${status.code}`);
      return;
    }
    if (status.code === 200) {
      const { start, end } = byteRange ?? { start: 1, end: null };
      if (message.reported.count < MAX_REPORTED_RANGES) message.reported.add(start, Math.min(end ?? message.total, message.total));
    } else this.#refused(message);
    this.#settle(message);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.dispose();
    this.#timer = null;
    this.#waits.clear();
    this.#reported.clear();
  }

  #refused(message: Unanswered): void {
    this.#reported.delete(message.messageId);
    this.#waits.delete(reportOf(message));
    message.reported = null;
  }

  #settle(message: Unanswered): void {
    if (message.chunks > 0) return;
    if (message.reported !== null && !message.reported.covers(message.total)) {
      const awaited = reportOf(message);
      if (!this.#waits.has(awaited)) this.#waits.set(awaited, { at: this.deps.clock.now(), message });
      this.#watch();
      return;
    }
    this.#refused(message);
    if (this.#waits.size === 0) {
      this.#timer?.dispose();
      this.#timer = null;
    }
    const { onAnswered } = message;
    message.onAnswered = undefined;
    onAnswered?.();
  }

  #watch(): void {
    const oldest = this.#waits.values().next();
    if (this.#timer !== null || oldest.done === true) return;
    const remaining = (at: number) => at + RESPONSE_TIMEOUT_MS - this.deps.clock.now();
    this.#timer = this.deps.clock.setTimer(Math.min(Math.max(0, remaining(oldest.value.at)), RESPONSE_TIMEOUT_MS), () => {
      this.#timer = null;
      const still = this.#waits.entries().next();
      if (still.done === true) return;
      const [awaited, { at }] = still.value;
      // More than the limit is left when the clock was set back meanwhile.
      if (remaining(at) > 0 && remaining(at) <= RESPONSE_TIMEOUT_MS) this.#watch();
      else this.deps.onBroken(awaited.startsWith(reportMark) ? 'its media does not report' : 'its media does not answer');
    });
  }
}

/** No transaction id has a space. */
const reportMark = 'report ';

function reportOf({ messageId }: Unanswered): string {
  return `${reportMark}${messageId}`;
}

/** RFC 4976 section 6.4.2: 408 when the relay heard nothing from the next hop, 481 when it knows no way; 5xx is trouble of its own. */
function isNotHandedOn(status: number): boolean {
  return status === 408 || status === 481 || status === 506 || status >= 500;
}
