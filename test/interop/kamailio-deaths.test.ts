/**
 * The upgrade behind a real Kamailio, when one part dies: it ends as the table of docs/UPGRADE-FAULTS.md says.
 * A few pairs in the suite; the whole table with CHORUS_FAULTS=all, others with CHORUS_FAULTS='bob 9,cf 12'.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allowedEnds, upgradeWithout } from '../support/stages/upgrade-faults';
import { clearStages, parts, stopTime } from '../support/stages/upgrade-stage';

beforeAll(() => stopTime());
afterAll(() => {
  clearStages();
  vi.useRealTimers();
});

const suite = ['bob 9', 'cf 12', 'core 11'];
const asked = process.env.CHORUS_FAULTS?.split(',') ?? suite;
const pairs = allowedEnds('kamailio')
  .flatMap(({ step, what, ends }) => parts.map((dead) => ({ dead, step, what, ends: ends(dead) })))
  .filter(({ dead, step }) => asked.includes('all') || asked.includes(`${dead} ${step}`));

describe('the upgrade behind Kamailio', () => {
  it.each([...pairs])('R58 R61 R69: when $dead dies at step $step ($what) it ends as the table allows', async ({ dead, step, ends }) => {
    expect(ends).toContain(await upgradeWithout(dead, step, 'kamailio'));
  });
});
