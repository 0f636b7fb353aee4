/**
 * The body of a request between siblings: JSON, deflated, sealed, behind the sender's instance ID, in base64, since some SIP stacks treat bodies
 * as text. Ticks stay below 1,300 bytes as a whole request, so that they may go over any transport (RFC 3428, 8).
 */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { SEAL_BYTES, type Seal } from './seal';

export const OWN_DEVICES_TYPE = 'application/vnd.chorus.own-devices';
/** LAB: the largest body of a tick, characters: 1,300 less what Via, Route and Record-Route take. */
export const MAX_TICK_BODY = 750;
/** LAB: the largest body at all, characters, and the most that it may inflate to, bytes. */
export const MAX_BODY = 128 * 1024;
const MAX_INFLATED = 1024 * 1024;

export type Unpacked = { from: string; value: unknown } | { refused: 415 | 493 | 400 };

/** `from` and `to`: instance IDs. */
export function pack(seal: Seal, value: unknown, { from, to }: { from: string; to: string }): string {
  const name = Buffer.from(from);
  if (name.length > 255) throw new RangeError('An instance ID is longer than 255 bytes');
  return Buffer.concat([Buffer.from([name.length]), name, seal.seal(deflated(value), { from, to })]).toString('base64');
}

/** Whether a body of `MAX_TICK_BODY` characters can carry it. */
export function fitsInTick(value: unknown, from: string): boolean {
  return Math.ceil((1 + Buffer.byteLength(from) + SEAL_BYTES + deflated(value).length) / 3) * 4 <= MAX_TICK_BODY;
}

/** The instance ID that a body names as its sender; nothing proves it. */
export function senderOf(body: string): string {
  const all = Buffer.from(body.slice(0, 512), 'base64');
  return all.subarray(1, 1 + (all[0] ?? 0)).toString('utf8');
}

/**
 * @returns the value and the instance ID that proved to have sealed it; else the status that answers the request: 415 another version, 493 does
 * not open, 400 opens and is nonsense
 */
export function unpack(seal: Seal, body: string, to: string): Unpacked {
  if (body.length > MAX_BODY) return { refused: 400 };
  const all = Buffer.from(body, 'base64');
  const end = 1 + (all[0] ?? 0);
  const from = all.subarray(1, end).toString('utf8');
  const opened = seal.open(all.subarray(end), { from, to });
  if ('refused' in opened) return { refused: opened.refused === 'other version' ? 415 : 493 };
  try {
    return { from, value: JSON.parse(inflateRawSync(opened.bytes, { maxOutputLength: MAX_INFLATED }).toString('utf8')) };
  } catch {
    return { refused: 400 };
  }
}

function deflated(value: unknown): Buffer {
  return deflateRawSync(JSON.stringify(value), { level: constants.Z_BEST_COMPRESSION });
}
