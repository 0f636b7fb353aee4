/** Content-Encoding of a body (RFC 3261 section 20.12): compressed bodies are unpacked on arrival. */
import { inflateRawSync, unzipSync } from 'node:zlib';
import { MAX_BODY_BYTES, type WireMessage } from './wire-message';

/** The encodings that a peer may use; sent in Accept-Encoding. */
export const ACCEPTED_ENCODINGS = ['identity', 'deflate', 'gzip'] as const;
/** Most octets of an unpacked body. A few bytes can expand to gigabytes, so unpacking stops here. */
export const MAX_UNPACKED_BYTES = MAX_BODY_BYTES;

/** The message with its body unpacked. If that fails, it has no body and a fault that tells why. Never throws. */
export function unpackBody(message: WireMessage): WireMessage {
  const codings = message.list('content-encoding').map((coding) => coding.toLowerCase());
  const applied = codings.filter((coding) => coding !== 'identity');
  if (applied.length === 0 || message.bodyFault !== null) return message;
  const [coding] = applied;
  // No honest sender compresses a body twice.
  if (applied.length > 1 || (coding !== 'deflate' && coding !== 'gzip')) return message.withBody(new Uint8Array(0), 'unknown-encoding');
  if (message.body.length === 0) return message;
  try {
    return message.withBody(unpack(message.body), null);
  } catch (error) {
    return message.withBody(new Uint8Array(0), isTooLong(error) ? 'too-long' : 'unreadable');
  }
}

/** zlib and gzip have their own headers; some senders write "deflate" without the frame of RFC 1950. */
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
