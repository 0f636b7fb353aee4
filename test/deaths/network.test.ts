import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { stepCount } from '../support/stages/death-sample';
import { allowedEnds, deathsOf, upgradeWithout } from '../support/stages/upgrade-faults';
import { clearStages, stopTime } from '../support/stages/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const deaths = deathsOf(['pf', 'cf', 'core'], 'embedded');

it('the table names the 18 steps of the flow', () => {
  expect(allowedEnds().map(({ step }) => step)).toEqual(Array.from({ length: stepCount }, (_, index) => index + 1));
});

it.each([...deaths])('R58 R61 R69: when $dead dies at step $step ($what) it ends as the table allows', async ({ dead, step, ends }) => {
  expect(ends).toContain(await upgradeWithout(dead, step));
});
