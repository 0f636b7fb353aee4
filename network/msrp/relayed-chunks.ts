/**
 * Long chunks on their way through the relay. Each part of a chunk leaves as a chunk with a new transaction id, so that the whole chunk
 * is never in memory whole and does not hold up other messages. Their answers are combined into one for the side that sent the chunk:
 *
 *   chunk --part, part, last part--> answers 200, 200, 200 --> 200
 *                                    another answer -------> that one, at once (RFC 4975 section 10.5); the rest is not told
 */
import { newTransactionId } from '../../protocol/msrp';
import { placeOf } from '../../protocol/msrp-chunk';
import type { MsrpRequest } from './assembly';
import { randomFraction } from './random-fraction';

/** LAB: most parts from one side that await their answers; a further one displaces the oldest. */
const MAX_UNANSWERED_PARTS = 4096;

interface Chunk {
  transactionId: string;
  unanswered: number;
  hasEnded: boolean;
  isAnswered: boolean;
}

export class RelayedChunks {
  /** Keyed by the new transaction id. */
  readonly #parts = new Map<string, Chunk>();
  /** The chunk being received, by its carrier: one connection brings one chunk at a time. */
  readonly #coming = new WeakMap<object, Chunk>();

  /** The request to forward: a whole chunk unchanged, a part as a chunk of its own. */
  handOn(request: MsrpRequest, carrier: object): MsrpRequest {
    const { goesOn, ...rest } = request;
    const known = this.#coming.get(carrier);
    const isFurther = known?.transactionId === request.transactionId;
    if (goesOn !== true && !isFurther) return request;
    const chunk =
      isFurther && known !== undefined
        ? known
        : { ...{ transactionId: request.transactionId }, unanswered: 0, hasEnded: false, isAnswered: false };
    if (goesOn === true) this.#coming.set(carrier, chunk);
    else {
      this.#coming.delete(carrier);
      chunk.hasEnded = true;
    }
    const transactionId = newTransactionId(randomFraction, request.body);
    if (request.failureReport !== 'no') this.#expect(transactionId, chunk);
    return { ...rest, ...(goesOn === true ? { byteRange: rangeOf(request) } : {}), transactionId };
  }

  /** The answer to pass back when the other side has answered; null when there is none, or none yet. */
  handBack<T extends { transactionId: string; status: number }>(response: T): T | null {
    const chunk = this.#parts.get(response.transactionId);
    if (chunk === undefined) return response;
    this.#parts.delete(response.transactionId);
    chunk.unanswered -= 1;
    if (chunk.isAnswered || (response.status === 200 && (!chunk.hasEnded || chunk.unanswered > 0))) return null;
    chunk.isAnswered = true;
    return { ...response, transactionId: chunk.transactionId };
  }

  #expect(transactionId: string, chunk: Chunk): void {
    chunk.unanswered += 1;
    this.#parts.set(transactionId, chunk);
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= MAX_UNANSWERED_PARTS) break;
      this.#parts.delete(oldest);
    }
  }
}

/** A part leaves as a chunk of its own, which may not be longer than the whole message claims to be. */
function rangeOf(part: MsrpRequest): MsrpRequest['byteRange'] {
  if (part.byteRange === null || part.body === null) return part.byteRange;
  return { ...part.byteRange, total: placeOf({ ...part, body: part.body })?.total ?? null };
}
