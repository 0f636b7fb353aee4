import { describe, expect, it } from 'vitest';
import { faultClasses, runCampaign } from '../support/stages/fault-campaign';

/**
 * One run a kind of fault. CHORUS_SEEDS=1000 makes so many runs, and writes down how often each fault struck; CHORUS_SEED=57 replays one and
 * tells its story, with CHORUS_LOG=debug in every detail.
 */
const { CHORUS_SEED: one, CHORUS_SEEDS: many } = process.env;
const seeds = one === undefined ? Array.from({ length: Number(many ?? faultClasses.length) }, (_, seed) => seed) : [Number(one)];
/** A run lasts hours, and a text waits for days before it fails: whether something breaks just then is left to chance. */
const isTooLate = /a text has failed/;
const replay = 'npx vitest run --project unit test/unit/faults.test.ts';

describe('whatever breaks', () => {
  it(
    'nothing acknowledged is lost, nothing comes twice, each sender’s order is kept, and every text comes to an end that its sender sees',
    async () => {
      const struck = new Map<string, number>();
      const failures: string[] = [];
      let texts = 0;
      const play = async (seed: number) => {
        const run = await runCampaign(seed);
        texts += run.texts;
        for (const [fault, times] of run.struck) struck.set(fault, (struck.get(fault) ?? 0) + times);
        if (one !== undefined) console.log(run.story.join('\n'));
        if (run.problems.length > 0) failures.push([...run.problems, `replay: CHORUS_SEED=${seed} ${replay}`].join('\n'));
      };
      for (const seed of seeds) await play(seed);
      // A run that is about a fault and found no occasion for it is followed by others, some rounds long.
      const missing = () => (one === undefined ? faultClasses.filter((fault) => !struck.has(fault) && !isTooLate.test(fault)) : []);
      for (let round = 1; round <= 8 && missing().length > 0; round += 1)
        for (const fault of missing()) await play(faultClasses.indexOf(fault) + (round + seeds.length) * faultClasses.length);
      const table = faultClasses.map((fault) => `${String(struck.get(fault) ?? 0).padStart(6)}  ${fault}`);
      if (many !== undefined) console.log([`${seeds.length} runs, ${texts} texts; how often what struck:`, ...table].join('\n'));
      expect(failures.join('\n\n')).toBe('');
      expect(missing()).toEqual([]);
    },
    // No measure of speed: an end, should a run have none.
    60_000 + seeds.length * 5_000,
  );
});
