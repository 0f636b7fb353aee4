/**
 * `npm run fuzz`: one coverage-guided campaign after the other. What reaches new code goes into the corpus, reduced to the smallest inputs
 * that reach all of it; what breaks something is made as small as it can be and kept among the faults, which the tests play from then on.
 */
import { seededRandom } from '../support/doubles/seeded-random';
import { campaign, type Failure, failureOf } from './engine/campaign';
import { readInputs, writeInputs } from './engine/corpus';
import { CounterCoverage } from './engine/coverage';
import { minimised } from './engine/minimise';
import type { Target } from './engine/target';
import { targets } from './targets';

const say = (line: string) => process.stdout.write(`${line}\n`);

/** The first line of what is wrong: a smaller input must fail for the same reason. */
const reasonOf = ({ error }: Failure) => String(error instanceof Error ? error.message : error).split('\n', 1)[0];

function keepFault(target: Target, failure: Failure): void {
  const reason = reasonOf(failure);
  const still = (input: Uint8Array) => {
    const found = failureOf(target, input);
    return found !== null && reasonOf(found) === reason;
  };
  const smallest = minimised(failure.input, still);
  writeInputs('faults', target.name, [...readInputs('faults', target.name), smallest]);
  say(`  ${JSON.stringify(Buffer.from(smallest).toString('latin1'))}\n  kept in test/fuzz/faults/${target.name}.txt`);
  const again = failureOf(target, smallest)?.error ?? failure.error;
  say(again instanceof Error ? (again.stack ?? again.message) : String(again));
}

/** The smallest inputs first, each that reaches something new. */
function reduced(target: Target, inputs: readonly Uint8Array[]): Uint8Array[] {
  const coverage = new CounterCoverage(true);
  for (const seed of target.seeds) failureOf(target, Buffer.from(seed));
  coverage.reachedNew();
  return [...inputs]
    .sort((one, other) => one.length - other.length)
    .filter((input) => failureOf(target, input) === null && coverage.reachedNew());
}

/** False when something broke. */
function fuzz(target: Target, seconds: number, seed: number): boolean {
  const corpus = [...readInputs('corpus', target.name), ...readInputs('faults', target.name)];
  const coverage = new CounterCoverage();
  coverage.reachedNew();
  const end = Date.now() + seconds * 1_000;
  const result = campaign(target, { corpus, random: seededRandom(seed), coverage, goesOn: () => Date.now() < end });
  const found = `${result.found.length} inputs reach something new, ${coverage.reached} branches and functions`;
  say(`${target.name}: ${result.rounds} inputs in ${seconds} s, ${found}${result.failure === null ? '' : ', and one FAILS'}`);
  if (result.failure !== null) keepFault(target, result.failure);
  writeInputs('corpus', target.name, reduced(target, [...readInputs('corpus', target.name), ...result.found]));
  return result.failure === null;
}

const [name = 'all', seconds = '60', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);
const chosen = targets.filter((target) => name === 'all' || target.name === name);
if (chosen.length === 0 || !(Number(seconds) > 0) || !Number.isSafeInteger(Number(seed))) {
  say(`npm run fuzz -- [TARGET [SECONDS [SEED]]]; targets: all, ${targets.map((target) => target.name).join(', ')}`);
  process.exitCode = 2;
} else {
  say(`seed ${seed}`);
  const results = chosen.map((target) => fuzz(target, Number(seconds), Number(seed)));
  process.exitCode = results.every(Boolean) ? 0 : 1;
}
