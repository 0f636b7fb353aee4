/**
 * The events that devices of one person tell each other (docs/OWN-DEVICES.md, 3), and how they are read. An event is JSON; members and
 * kinds that this version does not know are kept and passed on as they came, so that an older device in the middle loses nothing.
 */
import * as v from 'valibot';

/** LAB: the most keys in one read, del or rcpt event; a writer splits what is longer. */
export const MAX_KEYS_PER_EVENT = 200;
/** LAB: the largest value of a register, as JSON text, characters. */
const MAX_REGISTER_CHARS = 4_096;
/** LAB: the largest draft, characters. */
export const MAX_DRAFT_CHARS = 8_192;
/** LAB: the longest name of anything in an event: a key, an address, a register, an instance ID. */
export const MAX_NAME_CHARS = 512;

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_CHARS));
const keys = v.pipe(v.array(name), v.minLength(1), v.maxLength(MAX_KEYS_PER_EVENT));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const time = v.pipe(v.number(), v.safeInteger());
const version = v.tuple([count, time, name]);

const message = v.looseObject({
  e: v.literal('msg'),
  k: name,
  /** The conversation. */
  c: name,
  d: v.picklist(['i', 'o']),
  /** The imdn.Message-ID; empty where the message had none. */
  id: v.string(),
  /** The sender, and the device it came from where that is known. */
  f: name,
  fd: v.optional(v.string()),
  /** The DateTime as the sender's clock told it, and the position in the conversation; ms. */
  at: time,
  po: time,
  /** The instance that computed the position; absent where it is the device that sent the message, whose word is the last. */
  pb: v.optional(name),
  /** The type of the content and its text; a content too large for an event is named by size and hash. */
  ct: name,
  t: v.optional(v.string()),
  big: v.optional(v.looseObject({ size: count, hash: name })),
  /** The receipts that the sender asked for. */
  wants: v.optional(v.array(v.picklist(['delivered', 'displayed']))),
  /** In a group: the one member whom it is for, or who sent it to this person alone. */
  only: v.optional(name),
  ids: v.optional(v.looseObject({ conversation: v.optional(v.string()), contribution: v.optional(v.string()) })),
});
const state = v.looseObject({
  e: v.literal('st'),
  k: name,
  st: v.picklist(['queued', 'sent', 'failed']),
  ver: count,
  /** What a queued one waits for, or why one failed. */
  why: v.optional(v.looseObject({ code: v.string() })),
});
const receipt = v.looseObject({
  e: v.literal('rcpt'),
  k: keys,
  /** The person who tells it, their device, and the disposition. */
  a: name,
  dev: v.optional(v.string()),
  x: v.picklist(['delivered', 'displayed', 'failed']),
  at: time,
});
const read = v.looseObject({ e: v.literal('read'), k: keys });
const deletion = v.looseObject({ e: v.literal('del'), k: keys });
const register = v.pipe(
  v.looseObject({ e: v.literal('reg'), name, val: v.unknown(), ver: version }),
  v.check(({ name, val }) => fitsRegister(name, val), 'too large'),
);
const fork = v.looseObject({ e: v.literal('fork'), w: name, n: v.pipe(count, v.minValue(1)), h: v.string() });

/** No effect: its number is one that nobody else can have yet. */
const base = v.looseObject({ e: v.literal('base') });

const known = v.variant('e', [message, state, receipt, read, deletion, register, fork, base]);

export type MessageEvent = v.InferOutput<typeof message>;
export type ReceiptEvent = v.InferOutput<typeof receipt>;
export type RegisterEvent = v.InferOutput<typeof register>;
export type ForkEvent = v.InferOutput<typeof fork>;
export type KnownEvent = v.InferOutput<typeof known>;
/** The version of a register: how many changes its writer had seen, plus one; the writer's clock, ms; the writer. */
export type RegisterVersion = v.InferOutput<typeof version>;

/** An event as it was written. */
export type RawEvent = { readonly e: string } & Readonly<Record<string, unknown>>;

/** What can be written down as an event at all; null for anything else, which no device of this format sends. */
export function rawEvent(value: unknown): RawEvent | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const kind = (value as { e?: unknown }).e;
  return typeof kind === 'string' && kind.length > 0 && kind.length <= MAX_NAME_CHARS ? (value as RawEvent) : null;
}

/** The event in terms of this version; null: of a kind or a form that this version does not know. Such an event is kept and has no effect yet. */
export function knownEvent(raw: RawEvent): KnownEvent | null {
  const read = v.safeParse(known, raw);
  return read.success ? read.output : null;
}

/** Whether a value may be a register's. Drafts may be longer than the rest. */
function fitsRegister(name: string, value: unknown): boolean {
  const longest = name.startsWith('draft|') ? MAX_DRAFT_CHARS : MAX_REGISTER_CHARS;
  return (JSON.stringify(value)?.length ?? 0) <= longest;
}
