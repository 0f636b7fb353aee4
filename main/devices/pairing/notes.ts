/**
 * What own devices tell each other without the account key (docs/OWN-DEVICES.md, 8): the steps of a pairing, and letters. JSON in clear; what is
 * secret in it is sealed. A sealed body is base64 and never begins with a brace.
 */
import * as v from 'valibot';

/** LAB: the longest note that is read, bytes. */
const MAX_NOTE_BYTES = 96 * 1024;

const instance = v.pipe(v.string(), v.startsWith('urn:'), v.maxLength(255));
const shell = v.looseObject({
  /** The device that says it. That it does is proved by the exchange, or by the letter. */
  i: instance,
  /** What its person calls it. */
  name: v.optional(v.pipe(v.string(), v.maxLength(100))),
  pair: v.optional(v.picklist([1, 2, 3, 4, 5])),
  letter: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(8 * 1024))),
});

export type Note = v.InferOutput<typeof shell>;

export const isNote = (body: Uint8Array): boolean => body[0] === '{'.charCodeAt(0);

/** Null: not a note of this version. */
export function readNote(body: Uint8Array): Note | null {
  if (body.length > MAX_NOTE_BYTES) return null;
  try {
    const read = v.safeParse(shell, JSON.parse(new TextDecoder().decode(body)));
    return read.success ? read.output : null;
  } catch {
    return null;
  }
}

const letter = v.union([
  v.object({ key: v.unknown() }),
  v.object({ leave: v.object({ erase: v.boolean(), at: v.pipe(v.number(), v.safeInteger()), by: v.pipe(v.string(), v.maxLength(100)) }) }),
]);

/** What a letter says: the newest account key, or the order to leave. */
export type Letter = v.InferOutput<typeof letter>;

/** Null: nothing that this version knows. */
export function letterOf(value: unknown): Letter | null {
  const read = v.safeParse(letter, value);
  return read.success ? read.output : null;
}
