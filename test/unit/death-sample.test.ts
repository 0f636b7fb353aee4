import { describe, expect, it } from 'vitest';
import { isInSample, isPlayed, sampleCount, stepCount } from '../support/stages/death-sample';
import { parts } from '../support/stages/upgrade-stage';

const pairs = parts.flatMap((dead) => Array.from({ length: stepCount }, (_, index) => ({ dead, step: index + 1 })));
const samples = Array.from({ length: sampleCount }, (_, index) => index + 1);

describe('the sample of deaths', () => {
  it('all samples together hold every death, equally often', () => {
    const counted = (core: 'embedded' | 'kamailio') =>
      pairs.map(({ dead, step }) => samples.filter((sample) => isInSample(core, dead, step, sample)).length);
    expect(new Set(counted('kamailio'))).toEqual(new Set([1]));
    expect(new Set(counted('embedded'))).toEqual(new Set([4]));
  });

  it('each holds two deaths of each part at our core, and three behind Kamailio', () => {
    for (const sample of samples) {
      for (const part of parts)
        expect(pairs.filter(({ dead, step }) => dead === part && isInSample('embedded', dead, step, sample))).toHaveLength(2);
      expect(pairs.filter(({ dead, step }) => isInSample('kamailio', dead, step, sample))).toHaveLength(3);
    }
  });

  it('is chosen by its number, by names, or all are played', () => {
    const played = (asked: string) => pairs.filter(({ dead, step }) => isPlayed('embedded', dead, step, asked));
    expect(played('all')).toHaveLength(108);
    expect(played('sample 7')).toHaveLength(12);
    expect(played('sample 7')).not.toEqual(played('sample 8'));
    expect(played('bob 9,cf 12')).toEqual([
      { dead: 'bob', step: 9 },
      { dead: 'cf', step: 12 },
    ]);
  });
});
