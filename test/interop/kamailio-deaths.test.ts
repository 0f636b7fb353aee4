/**
 * The upgrade behind a real Kamailio, when one part dies: what the table of docs/UPGRADE-FAULTS.md allows at our own core is allowed here too.
 * A few pairs in the suite; the whole table with CHORUS_FAULTS=all.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allowedEnds, upgradeWithout } from '../support/upgrade-faults';
import { clearStages, parts, stopTime } from '../support/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const suite = ['bob 9', 'cf 12', 'core 11'];
const pairs = allowedEnds()
  .flatMap(({ step, what, end }) => parts.map((dead) => ({ dead, step, what, end: end(dead) })))
  .filter(({ dead, step }) => process.env.CHORUS_FAULTS === 'all' || suite.includes(`${dead} ${step}`));

describe('the upgrade behind Kamailio', () => {
  it.each([...pairs])('R58 R61 R69: when $dead dies at step $step ($what) it ends as the table allows', async ({ dead, step, end }) => {
    expect(end.split(' or ')).toContain(await upgradeWithout(dead, step, 'kamailio'));
  });
});
