/**
 * The messages that a session of the MSRP switch has sent and that are not answered yet.
 *
 *   written --every chunk has its answer; through a relay, success REPORTs name every octet--> answered
 *      \---- 481, 506, no answer or no report in time, the relay could not hand it on ----> broken: the session has to end
 *
 * An answer comes from the next hop. When the path has more than one URI, that hop is a relay (RFC 4976 section 6.4), and only a REPORT
 * speaks for the endpoint behind it: such messages request one and count as accepted when it arrives. A refusal by the other end is an
 * answer, too: a message that it does not want is not sent again.
 */

import type { Timekeeper } from '../../base/clock';
import { bodilessRequest, type MsrpMessage, newTransactionId } from '../../protocol/msrp';
import { OctetRanges } from '../../protocol/msrp-ranges';
import type { MsrpRequest } from './assembly';
import { randomFraction } from './random-fraction';

/** Bytes of one chunk: the most that RFC 4975 section 5.1 allows in a chunk that is not interruptible. */
export const CHUNK_BYTES = 2048;
/** How long a SEND waits for its response (RFC 4975 section 7.2). LAB: a success REPORT may take as long after the last response. */
export const RESPONSE_TIMEOUT_MS = 30_000;

/** LAB: most gaps between the REPORTs of one message; further reports are ignored. */
const MAX_REPORTED_RANGES = 1024;

export interface OutgoingMessage {
  contentType: string;
  body: Uint8Array;
  messageId: string;
  /** Called when the whole message has been answered for, whatever the answer. */
  onAnswered?: () => void;
}

interface Unanswered {
  messageId: string;
  total: number;
  chunks: number;
  /** The octets that REPORTs have confirmed; null when no report is requested. */
  reported: OctetRanges | null;
  onAnswered: (() => void) | undefined;
}

export interface SentMessagesDeps {
  clock: Timekeeper;
  /** The session's own URI. */
  localPath: string;
  send(message: MsrpMessage): void;
  /** The other side is gone or no longer answers. */
  onBroken(reason: string): void;
}

export class SentMessages {
  /** Awaited answers by transaction id, and awaited reports by Message-ID with a prefix that no transaction id has; oldest first. */
  readonly #waits = new Map<string, { at: number; message: Unanswered }>();
  /** Messages that request a report, by Message-ID. */
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

  /** Sends the SEND without content that binds the other end. */
  bind(toPath: readonly string[]): void {
    const transactionId = newTransactionId(randomFraction, null);
    const message: Unanswered = { messageId: '', total: 0, chunks: 1, reported: null, onAnswered: undefined };
    this.#waits.set(transactionId, { at: this.deps.clock.now(), message });
    const request = { transactionId, method: 'SEND', toPath: [...toPath], fromPath: [this.deps.localPath], headers: [] };
    this.deps.send({ ...bodilessRequest(request), messageId: transactionId });
    this.#watch();
  }

  /** Handles the answer to a SEND. */
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
    // A message that the relay itself has refused gets no report.
    if (status !== 200) this.#refused(message);
    this.#settle(message);
  }

  /** Handles a REPORT (RFC 4975 section 7.1.2), which is never answered. */
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
      // More than the limit remains if the clock was set back in the meantime.
      if (remaining(at) > 0 && remaining(at) <= RESPONSE_TIMEOUT_MS) this.#watch();
      else this.deps.onBroken(awaited.startsWith(reportMark) ? 'its media does not report' : 'its media does not answer');
    });
  }
}

/** A prefix that no transaction id has, because of its space. */
const reportMark = 'report ';

function reportOf({ messageId }: Unanswered): string {
  return `${reportMark}${messageId}`;
}

/** RFC 4976 section 6.4.2: 408 when the relay got no answer from the next hop, 481 when it knows no route; 5xx is a fault of its own. */
function isNotHandedOn(status: number): boolean {
  return status === 408 || status === 481 || status === 506 || status >= 500;
}
