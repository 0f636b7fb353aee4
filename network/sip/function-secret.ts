/**
 * Core and functions believe one another by a secret that both were started with. It stands in a header of every request between them: a program
 * that only knows a port of the network says nothing there. The header never leaves the network, and is taken off what comes from outside.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Flow } from './flow';
import type { SipRequest } from './message';

/** LAB: the header with the secret. */
export const SECRET_HEADER = 'X-Chorus-Function';

export interface FunctionSecret {
  /** Letters and digits. */
  value: string;
  /** Whether the other end of a connection is the core or a function, by the place where the connection was made. */
  covers(flow: Flow): boolean;
}

/** Writes the secret into a request that stays between core and functions, and takes it off any other. */
export function sign(request: SipRequest, flow: Flow, secret: FunctionSecret | null): void {
  request.remove(SECRET_HEADER);
  if (secret?.covers(flow) === true) request.append(SECRET_HEADER, secret.value);
}

/** Takes the secret off a request. False when it lacked it and needed it. */
export function verify(request: SipRequest, flow: Flow, secret: FunctionSecret | null): boolean {
  const written = Buffer.from(request.get(SECRET_HEADER) ?? '');
  request.remove(SECRET_HEADER);
  if (secret?.covers(flow) !== true) return true;
  const right = Buffer.from(secret.value);
  return written.length === right.length && timingSafeEqual(written, right);
}

/** The bytes of a message for a trace, which others may read: without the secret. */
export function withoutSecret(bytes: Uint8Array, secret: FunctionSecret | null): Uint8Array {
  const at = secret === null ? -1 : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(secret.value);
  if (secret === null || at < 0) return bytes;
  return Uint8Array.from(bytes).fill('*'.charCodeAt(0), at, at + secret.value.length);
}
