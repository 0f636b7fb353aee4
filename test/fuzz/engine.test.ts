import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/doubles/seeded-random';
import { campaign, failureOf } from './engine/campaign';
import { minimised } from './engine/minimise';
import { cut } from './engine/properties';
import { MAX_INPUT_BYTES, type Target } from './engine/target';

const brittle: Target = {
  name: 'brittle',
  seeds: ['honest text'],
  words: ['magic'],
  take(bytes) {
    if (Buffer.from(bytes).includes('magic')) throw new Error('found');
  },
};

describe('the fuzzing engine', () => {
  it('finds a fault behind a word of the grammar, and finds it again from the same seed', () => {
    const found = [1, 1].map((seed) => campaign(brittle, { corpus: [], random: seededRandom(seed), goesOn: (round) => round < 5_000 }));
    expect(found[0]?.failure?.error).toEqual(new Error('found'));
    expect(found[1]).toEqual(found[0]);
  });

  it('goes on from inputs that reach new code', () => {
    let deepest = 0;
    let depth = 0;
    const steps: Target = {
      name: 'steps',
      seeds: ['-'],
      words: [],
      take(bytes) {
        depth = [...'fuzz'].findIndex((letter, index) => String.fromCharCode(bytes[index] ?? 0) !== letter);
        if (depth < 0) throw new Error('found');
      },
    };
    const reachedNew = () => {
      const isNew = depth > deepest;
      if (isNew) deepest = depth;
      return isNew;
    };
    const options = { corpus: [], goesOn: (round: number) => round < 60_000 };
    expect(campaign(steps, { ...options, random: seededRandom(3), coverage: { reachedNew } }).failure).not.toBeNull();
    expect(campaign(steps, { ...options, random: seededRandom(3) }).failure).toBeNull();
  });

  it('makes a failing input as small as it can be', () => {
    const input = Buffer.from(`${'x'.repeat(500)}magic${'y'.repeat(77)}`);
    expect(Buffer.from(minimised(input, (one) => failureOf(brittle, one) !== null)).toString()).toBe('magic');
  });

  it('never makes an input longer than it may be, and cuts one into pieces that are the whole of it', () => {
    const long: Target = {
      ...brittle,
      seeds: ['a'.repeat(MAX_INPUT_BYTES)],
      take: (bytes) => expect(bytes.length).toBeLessThanOrEqual(MAX_INPUT_BYTES),
    };
    expect(campaign(long, { corpus: [], random: seededRandom(5), goesOn: (round) => round < 500 }).failure).toBeNull();
    const bytes = Buffer.from(Array.from({ length: 700 }, (_, index) => index & 0xff));
    expect(cut(bytes).length).toBeGreaterThan(10);
    expect(Buffer.concat(cut(bytes)).equals(bytes)).toBe(true);
  });
});
