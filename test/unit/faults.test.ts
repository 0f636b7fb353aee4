import { describe, expect, it } from 'vitest';
import { faultClasses, runCampaign } from '../support/fault-campaign';

/** CHORUS_SEED replays one run; CHORUS_SEEDS runs so many. */
const count = Number(process.env.CHORUS_SEEDS ?? faultClasses.length * 2);
const seeds = process.env.CHORUS_SEED === undefined ? Array.from({ length: count }, (_, index) => index) : [Number(process.env.CHORUS_SEED)];

describe('whatever breaks', () => {
  it(
    'nothing acknowledged is lost, nothing comes twice, each sender’s order is kept, and every text comes to an end that its sender sees',
    async () => {
      const struck = new Map<string, number>();
      const failures: string[] = [];
      let texts = 0;
      const from = performance.now();
      for (const seed of seeds) {
        const outcome = await runCampaign(seed);
        texts += outcome.texts;
        for (const [fault, times] of outcome.struck) struck.set(fault, (struck.get(fault) ?? 0) + times);
        if (seeds.length === 1) console.log(outcome.story.join('\n'));
        if (outcome.problems.length > 0) failures.push(`seed ${seed}: ${outcome.problems.join('\n    ')}`);
      }
      console.log(`${seeds.length} runs, ${texts} texts, ${Math.round(performance.now() - from)} ms`);
      console.log(faultClasses.map((fault) => `${String(struck.get(fault) ?? 0).padStart(5)}  ${fault}`).join('\n'));
      expect(failures).toEqual([]);
    },
    600_000,
  );
});
