/**
 * Every parser and every socket against seeded inputs. `npm run fuzz` looks for longer, and knows which inputs reach new code; these rounds are the
 * same in each run, so that what fails once fails again. A fault that was found stays in `test/fuzz/faults`.
 */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/doubles/seeded-random';
import { campaign, failureOf } from './engine/campaign';
import { readInputs } from './engine/corpus';
import { targets } from './targets';

/** About a second for each target on one idle core; a target that sets up more for each input gets fewer. */
const ROUNDS = 2_500;
const ROUNDS_OF_SLOW_ONES: Readonly<Record<string, number>> = { 'sip-stream': 700, 'msrp-switch': 500, 'msrp-relay': 500 };
const SEED = 20261201;

const shown = (bytes: Uint8Array) => JSON.stringify(Buffer.from(bytes).toString('latin1'));

describe.each(targets.map((target) => [target.name, target] as const))('%s', (name, target) => {
  it('takes what once broke it, and the kept corpus', () => {
    for (const input of [...readInputs('faults', name), ...readInputs('corpus', name)])
      expect(failureOf(target, input)?.error, shown(input)).toBeUndefined();
  });

  it('takes seeded changes of its corpus', () => {
    const rounds = ROUNDS_OF_SLOW_ONES[name] ?? ROUNDS;
    const corpus = readInputs('corpus', name);
    const { failure, ...result } = campaign(target, { corpus, random: seededRandom(SEED), goesOn: (round) => round < rounds });
    expect(failure?.error, failure === null ? '' : shown(failure.input)).toBeUndefined();
    expect(result.rounds).toBe(rounds);
  });
});
