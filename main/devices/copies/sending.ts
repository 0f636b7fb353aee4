/** How far the device that has written a text has come with it: as an event (docs/OWN-DEVICES.md, 3), and as the other devices show it. */
import * as v from 'valibot';
import { type ErrorCode, type ErrorValue, errorCodes } from '../../../preload/contract/errors';
import type { Sending } from '../../cpm/inbox/copied';
import type { MessageRecord } from '../../history/records';
import type { RawEvent } from '../../own/events';
import { canonical } from '../../own/names';

const time = v.pipe(v.number(), v.safeInteger());
const why = v.looseObject({
  code: v.picklist(errorCodes as readonly [ErrorCode, ...ErrorCode[]]),
  status: v.optional(v.number()),
  meaning: v.optional(v.string()),
  waits: v.optional(v.object({ for: v.picklist(['person', 'group']), since: time, until: time })),
});
const element = v.looseObject({ st: v.picklist(['queued', 'sent', 'failed']), ver: v.number(), why: v.optional(v.unknown()) });

/** What of an error is told: enough for the sentence that a person reads, and nothing that a server has said. */
function told({ code, status, meaning, waits }: ErrorValue) {
  return {
    code,
    ...(status === undefined ? {} : { status }),
    ...(meaning === undefined ? {} : { meaning }),
    ...(waits === undefined ? {} : { waits }),
  };
}

/** The event that tells how far a text is; null where the shared state, `known`, says so already. A text without one is sent. */
export function sendingOf({ state, error }: MessageRecord, key: string, known: unknown): RawEvent | null {
  const read = v.safeParse(element, known);
  const before = read.success ? read.output : { st: 'sent', ver: 0, why: undefined };
  // An attempt is nobody's business but this device's.
  if (state === 'sending' && read.success) return null;
  const st = state === 'queued' || state === 'sending' ? 'queued' : state === 'failed' ? 'failed' : 'sent';
  const reason = error === null || st === 'sent' ? undefined : told(error);
  if (before.st === st && canonical(before.why ?? null) === canonical(reason ?? null)) return null;
  return { e: 'st', k: key, st, ver: before.ver + 1, ...(reason === undefined ? {} : { why: reason }) };
}

/** How far a text is by the shared state. */
export function sendingBy(known: unknown): Sending {
  const read = v.safeParse(element, known);
  if (!read.success) return { state: 'sent', error: null };
  const reason = v.safeParse(why, read.output.why);
  const error = reason.success ? ({ ...reason.output, retry: 'user' } as ErrorValue) : null;
  return { state: read.output.st, error: read.output.st === 'sent' ? null : error };
}
