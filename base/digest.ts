/** A short name for bytes, the same on every computer. */
import { createHash } from 'node:crypto';

/** Bytes of the hash that are kept: 20 characters. */
const keptBytes = 15;

/** The first 15 bytes of SHA-256 over the UTF-8 of `text`, as base64url. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, keptBytes).toString('base64url');
}
