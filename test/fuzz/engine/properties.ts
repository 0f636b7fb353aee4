/** What every parser is asked for. */
import { isDeepStrictEqual } from 'node:util';
import type { Parsed } from '../../../protocol/parsed';

/** Also tells what is not so. */
export function hold(condition: boolean, what: string, ...shown: unknown[]): asserts condition {
  if (!condition) throw new Error([what, ...shown.map((one) => JSON.stringify(one, plain))].join('\n'));
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Map) return { map: [...value] };
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
}

/** What `read` accepts can be written, and is then read as the same value. `same` picks what must be the same; all of it when absent. */
export function survives<T, W>(
  result: Parsed<T>,
  write: (value: T) => W,
  read: (written: W) => Parsed<T>,
  same: (value: T) => unknown = whole,
): void {
  if (!result.ok) return;
  const written = write(result.value);
  const again = read(written);
  hold(again.ok, 'what was written is refused', result.value, written, again);
  hold(
    isDeepStrictEqual(same(again.value), same(result.value)),
    'what was written is read as another value',
    same(result.value),
    written,
    same(again.value),
  );
}

const whole = (value: unknown) => value;

/** Cuts input into pieces that depend on the input alone, so that a failure can be replayed. */
export function cut(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let mixed = bytes.length + 1;
  for (let at = 0; at < bytes.length; ) {
    mixed = (Math.imul(mixed, 1_103_515_245) + 12_345 + (bytes[at] ?? 0)) >>> 0;
    const size = 1 + ((mixed >>> 16) % (mixed & 1 ? 3 : 70));
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}

export const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
