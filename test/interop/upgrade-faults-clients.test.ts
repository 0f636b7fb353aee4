import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allowedEnds, upgradeWithout } from '../support/stages/upgrade-faults';
import { clearStages, stopTime } from '../support/stages/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const steps = allowedEnds();

it('the table names the 18 steps of the flow', () => {
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 18 }, (_, index) => index + 1));
});

describe.each(['alice', 'bob', 'carol'] as const)('the upgrade, when %s dies', (dead) => {
  it.each([...steps])('R58 R61 R69: at step $step ($what) it ends as the table allows', async ({ step, ends }) => {
    expect(ends(dead)).toContain(await upgradeWithout(dead, step));
  });
});
