/**
 * Assembles MSRP chunks into whole messages (RFC 4975 section 7.3.1), for a focus, which admits a message by its CPIM head, and for
 * records. Chunks and parts of chunks may come in any order, with several messages interleaved; a repeated chunk does no harm.
 */

import type { Timekeeper } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { MsrpMessage } from '../../protocol/msrp';
import { Allowance } from '../../protocol/msrp-allowance';
import { endsWithoutOctets, placeOf } from '../../protocol/msrp-chunk';
import { OctetRanges } from '../../protocol/msrp-ranges';

/** LAB: the largest message that the switch carries, in bytes; a larger one is answered with 413. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** LAB: most messages that one session may have begun and not finished. */
export const MAX_OPEN_MESSAGES = 16;
/** LAB: most bytes in all unfinished messages of one session. */
export const MAX_OPEN_BYTES = 4 * 1024 * 1024;
/** LAB: most pieces of one message. */
export const MAX_CHUNKS = 4096;
/** LAB: an unfinished message is dropped when no chunk of it arrives for this long, in milliseconds. */
export const MAX_MESSAGE_PAUSE_MS = 120_000;
/** LAB: most refused messages whose further chunks are still recognised. */
export const MAX_REFUSED = 64;
/** Approximate cost of a piece besides its octets. */
const PIECE_OVERHEAD_BYTES = 128;

export type MsrpRequest = Extract<MsrpMessage, { kind: 'request' }>;

export interface CompleteMessage {
  messageId: string;
  contentType: string;
  body: Uint8Array;
}

/** The effect of a chunk: more is to come, the message is complete, the sender aborted it, or it is refused with a status. */
export type AssemblyStep =
  | { kind: 'more' }
  | { kind: 'complete'; message: CompleteMessage }
  | { kind: 'aborted' }
  | { kind: 'refused'; status: number; reason: string };

interface Open {
  contentType: string | null;
  readonly ranges: OctetRanges;
  /** Keyed by first octet (from 1), never overlapping, so the end of one piece finds the next. */
  readonly pieces: Map<number, Uint8Array>;
  held: number;
  total: number | null;
  touchedAt: number;
}

export interface AssemblyOptions {
  /** Needed to drop old unfinished messages; without it they are never dropped. */
  clock?: Timekeeper;
  /** The share of memory from which this assembly takes at most `MAX_OPEN_BYTES`. */
  allowance?: Allowance;
}

export class MsrpAssembly {
  readonly #open = new Map<string, Open>();
  readonly #refused = new Set<string>();
  readonly #clock: Timekeeper | null;
  readonly #allowance: Allowance;
  #timer: Disposable | null = null;

  constructor({ clock, allowance }: AssemblyOptions = {}) {
    this.#clock = clock ?? null;
    this.#allowance = new Allowance(MAX_OPEN_BYTES, allowance ?? null);
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Approximate octets in memory for unfinished messages. */
  get heldBytes(): number {
    return this.#allowance.used;
  }

  /** Takes one SEND with a body, or a part of one. */
  take(chunk: MsrpRequest): AssemblyStep {
    const id = chunk.messageId;
    if (id === null) return refused(400, 'Message-ID Missing');
    if (chunk.continuation === '#') {
      this.#drop(id);
      this.#refused.delete(id);
      return { kind: 'aborted' };
    }
    if (this.#refused.has(id)) return this.#refuse(id, 413, 'Stop Sending Message');
    const known = this.#open.get(id);
    if (known !== undefined && endsWithoutOctets(chunk)) return this.#end(id, known);
    const body = chunk.body ?? new Uint8Array(0);
    const place = placeOf({ ...chunk, body });
    if (place === null) return refused(400, 'Octets And Byte-Range Do Not Agree');
    const { start, last: end, total: declared } = place;
    if (Math.max(end, declared ?? 0) > MAX_MESSAGE_BYTES) return this.#refuse(id, 413, 'Message Too Large');

    if (known === undefined && start === 1 && chunk.continuation === '$') return complete(id, chunk.contentType, body);
    const open = known ?? this.#begin(id, declared);
    if (open === null) return this.#refuse(id, 413, 'Too Many Open Messages');
    if (chunk.continuation === '$' && end < open.ranges.last) return this.#refuse(id, 400, 'Octets And Byte-Range Do Not Agree');
    open.contentType ??= chunk.contentType;
    open.touchedAt = this.#clock?.now() ?? 0;
    for (const [first, last] of open.ranges.add(start, end)) {
      if (!this.#hold(open, first, body.subarray(first - start, last - start + 1))) return this.#refuse(id, 413, 'Too Much Is Unfinished');
    }
    if (open.pieces.size > MAX_CHUNKS) return this.#refuse(id, 413, 'Too Many Chunks');
    // The `$` chunk tells where the message ends (RFC 4975 section 7.1.1).
    if (chunk.continuation === '$') open.total = end;
    // Until the end of a chunk has come, nobody knows whether its total is true.
    if (chunk.goesOn === true) return { kind: 'more' };
    return this.#wholeOrMore(id, open);
  }

  /** Whether `take` has something to do for a SEND without octets: an end, or an abort. */
  knows(messageId: string | null): boolean {
    return messageId !== null && this.#open.has(messageId);
  }

  /** All octets came before the end. */
  #end(id: string, open: Open): AssemblyStep {
    open.total = Math.max(open.total ?? 0, open.ranges.last);
    return this.#wholeOrMore(id, open);
  }

  #wholeOrMore(id: string, open: Open): AssemblyStep {
    if (open.total === null || !open.ranges.covers(open.total)) return { kind: 'more' };
    const whole = join(open.pieces, open.total);
    this.#drop(id);
    return complete(id, open.contentType, whole);
  }

  /** Drops everything. */
  dispose(): void {
    for (const id of [...this.#open.keys()]) this.#drop(id);
  }

  #begin(id: string, total: number | null): Open | null {
    if (this.#open.size >= MAX_OPEN_MESSAGES) return null;
    const open: Open = { contentType: null, ranges: new OctetRanges(), pieces: new Map(), held: 0, total, touchedAt: 0 };
    this.#open.set(id, open);
    this.#watch();
    return open;
  }

  #hold(open: Open, first: number, piece: Uint8Array): boolean {
    const bytes = piece.length + PIECE_OVERHEAD_BYTES;
    if (!this.#allowance.take(bytes)) return false;
    open.held += bytes;
    open.pieces.set(first, piece);
    return true;
  }

  #drop(id: string): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#allowance.give(open.held);
    if (this.#open.size > 0) return;
    this.#timer?.dispose();
    this.#timer = null;
  }

  #watch(): void {
    const clock = this.#clock;
    if (clock === null || this.#timer !== null || this.#open.size === 0) return;
    this.#timer = clock.setTimer(MAX_MESSAGE_PAUSE_MS, () => {
      this.#timer = null;
      const before = clock.now() - MAX_MESSAGE_PAUSE_MS;
      for (const [id, { touchedAt }] of [...this.#open]) if (touchedAt <= before) this.#drop(id);
      this.#watch();
    });
  }

  #refuse(id: string, status: number, reason: string): AssemblyStep {
    this.#drop(id);
    this.#refused.add(id);
    for (const oldest of this.#refused) {
      if (this.#refused.size <= MAX_REFUSED) break;
      this.#refused.delete(oldest);
    }
    return refused(status, reason);
  }
}

function refused(status: number, reason: string): AssemblyStep {
  return { kind: 'refused', status, reason };
}

function complete(messageId: string, contentType: string | null, body: Uint8Array): AssemblyStep {
  if (contentType === null) return refused(400, 'Content-Type Missing');
  return { kind: 'complete', message: { messageId, contentType, body } };
}

/** Joins the pieces, which cover every octet up to `total`. */
function join(pieces: ReadonlyMap<number, Uint8Array>, total: number): Uint8Array {
  const whole = new Uint8Array(total);
  for (let next = 1; next <= total; ) {
    const piece = pieces.get(next) ?? new Uint8Array(0);
    whole.set(piece.subarray(0, total - next + 1), next - 1);
    next += Math.max(1, piece.length);
  }
  return whole;
}
