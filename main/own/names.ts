/**
 * The names on which all devices of a person must agree (docs/OWN-DEVICES.md, 2): writers, and the hashes of a log and of a state. Those of
 * conversations and messages are given by the history, whose order they decide (main/history/store/order.ts).
 */
import { createHash } from 'node:crypto';
import type { RawEvent } from './events';

/** The first thing in every hash, so that no other use of SHA-256 gives the same value. */
const PREFIX = 'own1';

/** The first bytes of a SHA-256 over the parts, kept apart by U+0000, which occurs in none of them. */
function hash(bytes: number, ...parts: readonly string[]): Buffer {
  return createHash('sha256')
    .update([PREFIX, ...parts].join('\0'))
    .digest()
    .subarray(0, bytes);
}

/** The name under which a device writes: another one whenever its log begins again. `salt`: 16 random bytes. */
export function writerName(instance: string, salt: Uint8Array): string {
  return hash(8, instance, Buffer.from(salt).toString('hex')).toString('base64url');
}

/** The hash of an event in its writer's chain; `before` is the previous one, empty for the first. Its writer computes it, the others carry it. */
export function chainHash(before: string, event: RawEvent): string {
  return hash(4, before, canonical(event)).toString('base64url');
}

/** 8 bytes of an element of the state, as a number; the digest of a state is all of them by exclusive or. */
export function elementHash(kind: string, key: string, value: unknown): bigint {
  return hash(8, kind, key, canonical(value)).readBigUInt64BE();
}

/** JSON with the members of every object in order: equal values have equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}

/** A name for an event whose kind is unknown here. */
export function strangeName(event: RawEvent): string {
  return hash(15, 'event', canonical(event)).toString('base64url');
}
