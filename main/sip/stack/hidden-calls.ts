/**
 * Calls in which this side stays anonymous. Every message with their Call-ID loses the program's name and is searched for identifying text
 * before it is sent. If anything is found, the message is not sent, and the caller learns what it would have revealed.
 */
import type { Logger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import type { Leak } from '../../../protocol/leak-check';
import { concat, text, utf8 } from '../../../protocol/octets';

/** LAB: most anonymous calls, and most refused ones, that are remembered. The oldest are forgotten; their dialogs are long over. */
const MAX_HIDDEN_CALLS = 4_096;

export class HiddenCalls {
  /** Call-ID -> the peer that must not learn who this is. */
  readonly #peers = new Map<string, string>();
  /** Call-ID -> why nothing was sent. */
  readonly #refusals = new Map<string, AppError>();

  constructor(
    private readonly leakIn: (bytes: Uint8Array, peer: string) => Leak | null,
    private readonly log: Logger,
  ) {}

  /** From now on no message with this Call-ID may reveal to `peer` who this is. */
  hide(callId: string, peer: string): void {
    remember(this.#peers, callId, peer);
  }

  /** The bytes to send: `bytes` unchanged, except in anonymous calls. @throws AppError privacy/leak when nothing may be sent */
  guarded(bytes: Uint8Array): Uint8Array {
    if (this.#peers.size === 0) return bytes;
    const callId = callIdOf(bytes);
    const peer = callId === null ? undefined : this.#peers.get(callId);
    if (callId === null || peer === undefined) return bytes;
    const plain = withoutProgram(bytes);
    const leak = this.leakIn(plain, peer);
    if (leak === null) return plain;
    const error = leakError(leak);
    remember(this.#refusals, callId, error);
    this.log.error('An anonymous message was not sent', { what: leak.what, where: leak.where });
    throw error;
  }

  /** Why a request of this call was not sent; undefined when it was sent. */
  refusalOf(callId: string): AppError | undefined {
    return this.#refusals.get(callId);
  }
}

/** Tells the person that nothing was sent and what it would have revealed. */
export function leakError(leak: Leak): AppError {
  return new AppError('privacy/leak', { reason: leak.what, cause: `${leak.what} in ${leak.where}` }, 'never');
}

function remember<T>(calls: Map<string, T>, callId: string, value: T): void {
  calls.delete(callId);
  calls.set(callId, value);
  for (const oldest of calls.keys()) {
    if (calls.size <= MAX_HIDDEN_CALLS) break;
    calls.delete(oldest);
  }
}

function headOf(bytes: Uint8Array): string {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf('\r\n\r\n');
  return text(bytes.subarray(0, end < 0 ? bytes.length : end));
}

function callIdOf(bytes: Uint8Array): string | null {
  return /^(?:call-id|i)[ \t]*:[ \t]*(\S+)/im.exec(headOf(bytes))?.[1] ?? null;
}

/** The message without the program's name and version, which few people share (RFC 3323 section 4.1.1). */
function withoutProgram(bytes: Uint8Array): Uint8Array {
  const head = headOf(bytes);
  const kept = head.split('\r\n').filter((line) => !/^(?:user-agent|server|organization)[ \t]*:/i.test(line));
  return concat([utf8(kept.join('\r\n')), bytes.subarray(utf8(head).length)]);
}
