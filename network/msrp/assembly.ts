/**
 * Puts MSRP chunks together again (RFC 4975 section 7.3.1). Chunks may come in any order, several messages interleaved; a chunk sent
 * twice does no harm. Pure.
 */
import type { MsrpMessage } from '../../protocol/msrp';

/** LAB: the largest message that the switch carries, in bytes; beyond it the answer is 413. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** LAB: messages that one session may have begun and not finished. */
export const MAX_OPEN_MESSAGES = 16;
/** LAB: pieces of one message. */
export const MAX_CHUNKS = 4096;
/** LAB: refused messages whose further chunks are still recognised. */
const MAX_REFUSED = 64;

export type MsrpRequest = Extract<MsrpMessage, { kind: 'request' }>;

export interface CompleteMessage {
  messageId: string;
  contentType: string;
  body: Uint8Array;
}

/** What a chunk did: more is to come, the message is whole, the sender gave it up, or it is refused with a status. */
export type AssemblyStep =
  | { kind: 'more' }
  | { kind: 'complete'; message: CompleteMessage }
  | { kind: 'aborted' }
  | { kind: 'refused'; status: number; reason: string };

interface Open {
  contentType: string | null;
  /** First byte (1-based) of each piece. */
  readonly pieces: Map<number, Uint8Array>;
  bytes: number;
  total: number | null;
}

export class MsrpAssembly {
  readonly #open = new Map<string, Open>();
  readonly #refused = new Set<string>();

  get openCount(): number {
    return this.#open.size;
  }

  /** Takes one SEND with a body. */
  take(chunk: MsrpRequest): AssemblyStep {
    const id = chunk.messageId;
    if (id === null) return refused(400, 'Message-ID Missing');
    if (chunk.continuation === '#') {
      this.#open.delete(id);
      this.#refused.delete(id);
      return { kind: 'aborted' };
    }
    if (this.#refused.has(id)) return this.#refuse(id, 413, 'Stop Sending Message');
    const body = chunk.body ?? new Uint8Array(0);
    const start = chunk.byteRange?.start ?? 1;
    const declared = chunk.byteRange?.total ?? null;
    const end = start - 1 + body.length;
    if (Math.max(end, declared ?? 0) > MAX_MESSAGE_BYTES) return this.#refuse(id, 413, 'Message Too Large');

    let open = this.#open.get(id);
    if (open === undefined) {
      if (this.#open.size >= MAX_OPEN_MESSAGES) return this.#refuse(id, 413, 'Too Many Open Messages');
      open = { contentType: null, pieces: new Map(), bytes: 0, total: declared };
      this.#open.set(id, open);
    }
    open.contentType ??= chunk.contentType;
    const before = open.pieces.get(start);
    if (before === undefined || before.length < body.length) {
      open.bytes += body.length - (before?.length ?? 0);
      open.pieces.set(start, body);
    }
    if (open.pieces.size > MAX_CHUNKS || open.bytes > 2 * MAX_MESSAGE_BYTES) return this.#refuse(id, 413, 'Too Many Chunks');
    // The `$` chunk tells the end when the total was not known before (RFC 4975 section 7.1.1).
    if (chunk.continuation === '$') open.total ??= end;

    const whole = open.total === null || open.bytes < open.total ? null : join(open.pieces, open.total);
    if (whole === null) return { kind: 'more' };
    this.#open.delete(id);
    if (open.contentType === null) return refused(400, 'Content-Type Missing');
    return { kind: 'complete', message: { messageId: id, contentType: open.contentType, body: whole } };
  }

  #refuse(id: string, status: number, reason: string): AssemblyStep {
    this.#open.delete(id);
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

/** The whole message, or null while a byte is missing. */
function join(pieces: ReadonlyMap<number, Uint8Array>, total: number): Uint8Array | null {
  const whole = new Uint8Array(total);
  let next = 1;
  for (const [start, piece] of [...pieces].sort(([a], [b]) => a - b)) {
    if (start > next) return null;
    const usable = piece.subarray(0, Math.max(0, total - start + 1));
    whole.set(usable, start - 1);
    next = Math.max(next, start + usable.length);
  }
  return next > total ? whole : null;
}
