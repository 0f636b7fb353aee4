/** The upgrade behind a real Kamailio, when one part dies: it ends as the table of docs/UPGRADE-FAULTS.md says. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deathsOf, upgradeWithout } from '../support/stages/upgrade-faults';
import { clearStages, parts, stopTime } from '../support/stages/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const deaths = deathsOf(parts, 'kamailio');

describe('the upgrade behind Kamailio', () => {
  it.each([...deaths])('R58 R61 R69: when $dead dies at step $step ($what) it ends as the table allows', async ({ dead, step, ends }) => {
    expect(ends).toContain(await upgradeWithout(dead, step, 'kamailio'));
  });
});
