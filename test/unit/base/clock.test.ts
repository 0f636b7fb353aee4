import { afterEach, expect, it, vi } from 'vitest';
import { backgroundClock, longestTimerMs, systemClock } from '../../../base/clock';

afterEach(() => vi.restoreAllMocks());

it.each([
  ['client', systemClock],
  ['network', backgroundClock],
])('the %s`s clock takes no time that Node would take for none, however far off somebody says it is', (_who, clock) => {
  const set = vi.spyOn(globalThis, 'setTimeout');
  for (const delayMs of [10, longestTimerMs, longestTimerMs + 1, 999_999_999 * 500]) clock.setTimer(delayMs, () => undefined).dispose();
  expect(set.mock.calls.map(([, delayMs]) => delayMs)).toEqual([10, longestTimerMs, longestTimerMs, longestTimerMs]);
});
