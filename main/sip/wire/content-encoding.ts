/** Content-Encoding of a body (RFC 3261 section 20.12): what arrives compressed is read as if it had not been. */
import { inflateRawSync, unzipSync } from 'node:zlib';
import { MAX_BODY_BYTES, type WireMessage } from './wire-message';

/** What a peer may compress with; said by Accept-Encoding. */
export const ACCEPTED_ENCODINGS = ['identity', 'deflate', 'gzip'] as const;
/** Octets that a compressed body may become; a few bytes can claim to be gigabytes, and nothing beyond this is ever unpacked. */
export const MAX_UNPACKED_BYTES = MAX_BODY_BYTES;

/** The message with its body unpacked; where that cannot be done, without a body and with the fault that says why. Never throws. */
export function unpackBody(message: WireMessage): WireMessage {
  const codings = message.list('content-encoding').map((coding) => coding.toLowerCase());
  const applied = codings.filter((coding) => coding !== 'identity');
  if (applied.length === 0 || message.bodyFault !== null) return message;
  const [coding] = applied;
  // One compressed within another is nobody's honest message.
  if (applied.length > 1 || (coding !== 'deflate' && coding !== 'gzip')) return message.withBody(new Uint8Array(0), 'unknown-encoding');
  if (message.body.length === 0) return message;
  try {
    return message.withBody(unpack(message.body), null);
  } catch (error) {
    return message.withBody(new Uint8Array(0), isTooLong(error) ? 'too-long' : 'unreadable');
  }
}

/** zlib and gzip tell themselves apart; some senders write "deflate" without the frame of RFC 1950. */
function unpack(body: Uint8Array): Uint8Array {
  const options = { maxOutputLength: MAX_UNPACKED_BYTES };
  try {
    return Uint8Array.from(unzipSync(body, options));
  } catch (error) {
    if (isTooLong(error)) throw error;
    return Uint8Array.from(inflateRawSync(body, options));
  }
}

function isTooLong(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
