import { describe, expect, it } from 'vitest';
import { minimise, play, storyOf } from '../../support/stages/own-devices/story';

/**
 * Two people with two to seven devices and a group, in virtual time. CHORUS_SEEDS=20000 plays so many stories, CHORUS_SEED=57 plays one and
 * tells it. A story that goes wrong is made as short as it can be, and told.
 */
const { CHORUS_SEED: one, CHORUS_SEEDS: many } = process.env;
const seeds = one === undefined ? Array.from({ length: Number(many ?? 500) }, (_, seed) => seed) : [Number(one)];
const replay = 'npx vitest run --project unit test/unit/own/model.test.ts';
/** So many stories that went wrong are told. */
const MOST_TOLD = 3;

describe('whatever happens to the devices of a person', () => {
  it(
    'in the end all of them hold the same, and nothing acknowledged is lost',
    async () => {
      const failures: string[] = [];
      const counts = { ticks: 0, questions: 0, deaths: 0, fills: 0, forks: 0 };
      let failed = 0;
      for (const seed of seeds) {
        const story = storyOf(seed);
        let run = await play(story);
        for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += run.counts[name];
        if (run.problems.length > 0) {
          failed += 1;
          if (failures.length >= MOST_TOLD) continue;
          if (one === undefined || process.env.CHORUS_MINIMISE !== undefined) run = (await minimise(story)).run;
          failures.push([...run.told, ...run.problems, `replay: CHORUS_SEED=${seed} ${replay}`].join('\n'));
        } else if (one !== undefined) console.log(run.told.join('\n'));
      }
      if (many !== undefined) console.log(`${seeds.length} stories: ${JSON.stringify(counts)}; ${failed} went wrong`);
      expect(failures.join('\n\n')).toBe('');
      if (seeds.length < 100) return;
      // A model that never meets what it is about proves nothing.
      for (const [name, count] of Object.entries(counts)) expect(count, name).toBeGreaterThan(seeds.length / 10);
    },
    60_000 + seeds.length * 2_000,
  );
});
