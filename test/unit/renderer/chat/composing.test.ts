import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ComposingSignal, idleAfterMs, sayAgainMs } from '../../../../renderer/chat/composing';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function make() {
  const said: boolean[] = [];
  return { said, signal: new ComposingSignal((active) => said.push(active)) };
}

it('says it at the first key and again only after ten seconds', () => {
  const { said, signal } = make();
  signal.typed();
  vi.advanceTimersByTime(sayAgainMs - 1);
  signal.typed();
  expect(said).toEqual([true]);
  vi.advanceTimersByTime(1);
  signal.typed();
  expect(said).toEqual([true, true]);
});

it('says the end fifteen seconds after the last key', () => {
  const { said, signal } = make();
  signal.typed();
  vi.advanceTimersByTime(5000);
  signal.typed();
  vi.advanceTimersByTime(idleAfterMs - 1);
  expect(said).toEqual([true]);
  vi.advanceTimersByTime(1);
  expect(said).toEqual([true, false]);
});

it('says the end at once when told, and not twice', () => {
  const { said, signal } = make();
  signal.stop();
  signal.typed();
  signal.stop();
  signal.stop();
  vi.advanceTimersByTime(60_000);
  expect(said).toEqual([true, false]);
});
