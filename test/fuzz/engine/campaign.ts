/** One campaign against one target: inputs are drawn from the corpus, changed and taken, until the rounds or the time are over or one fails. */
import { Mutator } from './mutate';
import type { Target } from './target';

/** Tells after each input whether it has reached code that none before it has reached. */
export interface Coverage {
  reachedNew(): boolean;
}

export interface Campaign {
  rounds: number;
  /** Inputs that have reached new code, in the order in which they were found. */
  found: Uint8Array[];
  failure: Failure | null;
}

export interface Failure {
  input: Uint8Array;
  error: unknown;
}

export interface CampaignOptions {
  corpus: readonly Uint8Array[];
  random: () => number;
  /** Asked before each round. */
  goesOn: (round: number) => boolean;
  coverage?: Coverage;
}

/** What a target does not let pass, or null. */
export function failureOf(target: Target, input: Uint8Array): Failure | null {
  try {
    target.take(input);
    return null;
  } catch (error) {
    return { input, error };
  }
}

export function campaign(target: Target, { corpus, random, goesOn, coverage }: CampaignOptions): Campaign {
  const inputs = [...target.seeds.map((seed) => Buffer.from(seed)), ...corpus];
  const result: Campaign = { rounds: 0, found: [], failure: null };
  const mutator = new Mutator(random, target.words);
  for (const input of inputs) {
    result.failure ??= failureOf(target, input);
    coverage?.reachedNew();
  }
  /** Later inputs reach rarer code, and are drawn more often. */
  const draw = () => inputs[Math.floor(inputs.length * (random() < 0.5 ? random() : 1 - random() ** 2))] ?? new Uint8Array(0);
  while (result.failure === null && goesOn(result.rounds)) {
    const input = mutator.mutated(draw(), draw());
    result.failure = failureOf(target, input);
    result.rounds += 1;
    if (coverage?.reachedNew() !== true) continue;
    inputs.push(input);
    result.found.push(input);
  }
  return result;
}
