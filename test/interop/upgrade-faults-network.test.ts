import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allowedEnds, upgradeWithout } from '../support/upgrade-faults';
import { clearStages, stopTime } from '../support/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const ends = allowedEnds();

it('the table names the 18 steps of the flow', () => {
  expect(ends.map(({ step }) => step)).toEqual(Array.from({ length: 18 }, (_, index) => index + 1));
});

describe.each(['pf', 'cf', 'core'] as const)('the upgrade, when %s dies', (dead) => {
  it.each([...ends])('R58 R61 R69: at step $step ($what) it ends as the table allows', async ({ step, end }) => {
    expect(end(dead).split(' or ')).toContain(await upgradeWithout(dead, step));
  });
});
