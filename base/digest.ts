/** A short name for bytes, the same on every computer. */
import { createHash } from 'node:crypto';

/** Bytes of the hash that are kept: 20 characters. */
const keptBytes = 15;

/** The first 15 bytes of SHA-256 over octets, or over the UTF-8 of a text, as base64url. */
export function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest().subarray(0, keptBytes).toString('base64url');
}
