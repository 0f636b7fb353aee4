/** What siblings send each other unasked (docs/OWN-DEVICES.md, 4): ticks, which carry events, and sums, which say how far one is. */
import * as v from 'valibot';
import { type RawEvent, rawEvent } from './events';
import { chainHash } from './names';
import { MAX_WRITERS, markSchema, vectorSchema } from './vector';

/** LAB: the most events in a tick. More are pulled. */
export const MAX_TICK_EVENTS = 20;

const tick = v.object({
  w: v.string(),
  /** The writer's mark before the first event, and after the last. */
  p: markSchema,
  n: markSchema,
  /** Empty where they do not fit: the sibling pulls. */
  ev: v.pipe(v.array(v.custom<RawEvent>((value) => rawEvent(value) !== null)), v.maxLength(MAX_TICK_EVENTS)),
});
const sum = v.object({
  vec: vectorSchema,
  ends: v.pipe(
    v.record(v.string(), v.number()),
    v.check((read) => Object.keys(read).length <= MAX_WRITERS, 'too many writers'),
  ),
  /** The digest of the state; absent while a state is being copied. */
  dig: v.optional(v.pipe(v.string(), v.maxLength(16))),
  /** Whether a sum is wanted in return. */
  ask: v.boolean(),
});

export type Tick = v.InferOutput<typeof tick>;
export type Sum = v.InferOutput<typeof sum>;

export function readTick(value: unknown): Tick | null {
  const read = v.safeParse(tick, value);
  return read.success && read.output.n[0] >= read.output.p[0] ? read.output : null;
}

export function readSum(value: unknown): Sum | null {
  const read = v.safeParse(sum, value);
  return read.success ? read.output : null;
}

/** The events of a tick with their places; null where they are not what the hashes say, as when a text was deleted since. */
export function entriesOfTick({ p, n, ev }: Tick): { n: number; h: string; ev: RawEvent }[] | null {
  let [at, h]: [number, string] = [p[0], p[1]];
  const entries = ev.map((event) => {
    at += 1;
    h = chainHash(h, event);
    return { n: at, h, ev: event };
  });
  return entries.length > 0 && at === n[0] && h === n[1] ? entries : null;
}
