/** How far a device has each writer's events without a gap: the vector. */
import * as v from 'valibot';
import { MAX_NAME_CHARS } from './events';

/** LAB: the most writers in a vector. A device has one for each time its log began again. */
export const MAX_WRITERS = 64;

/** The number of the last event of a gapless prefix, and the chain's hash there. */
export type Mark = readonly [n: number, h: string];
export type Vector = Readonly<Record<string, Mark>>;

export const START: Mark = [0, ''];

const mark = v.strictTuple([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.pipe(v.string(), v.maxLength(16))]);
const vector = v.pipe(
  v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_CHARS)), mark),
  v.check((read) => Object.keys(read).length <= MAX_WRITERS, 'too many writers'),
);

export const vectorSchema = vector;
export const markSchema = mark;

export function markOf(vector: Vector, writer: string): Mark {
  return Object.hasOwn(vector, writer) ? (vector[writer] ?? START) : START;
}

/** Whether `one` has everything that `other` has, by the numbers alone. */
export function covers(one: Vector, other: Vector): boolean {
  return Object.entries(other).every(([writer, [n]]) => markOf(one, writer)[0] >= n);
}

export function equalVectors(one: Vector, other: Vector): boolean {
  const same = (from: Vector, to: Vector) =>
    Object.entries(from).every(([writer, [n, h]]) => n === 0 || (markOf(to, writer)[0] === n && markOf(to, writer)[1] === h));
  return same(one, other) && same(other, one);
}

/** How many events `one` has that `other` lacks. */
export function ahead(one: Vector, other: Vector): number {
  return Object.entries(one).reduce((sum, [writer, [n]]) => sum + Math.max(0, n - markOf(other, writer)[0]), 0);
}
