import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { firstProbeMs, longestProbeMs, RelayHealth, type RelayState } from '../../../main/msrp/relay-health';
import { AppError, type RelayTrouble } from '../../../preload/contract/errors';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const failure = (relay: RelayTrouble) => new AppError('msrp/relay', { relay }, relay === 'unreachable' ? 'auto' : 'user');

function fixture() {
  const clock = new VirtualClock();
  const script = { next: null as AppError | null, probes: [] as number[] };
  const probe = async () => {
    script.probes.push(clock.now());
    if (script.next !== null) throw script.next;
  };
  const health = new RelayHealth({ clock, log: silentLogger, probe });
  const told: RelayState['state'][] = [];
  let backs = 0;
  health.onChange.on(({ state }) => told.push(state));
  health.onBack.on(() => (backs += 1));
  const attempt = async (error: AppError | null) => {
    const outcome = health.observed(error === null ? Promise.resolve('path') : Promise.reject(error));
    await outcome.catch(() => undefined);
    await settled();
    return outcome;
  };
  return { clock, script, health, told, backs: () => backs, attempt };
}

describe('whether the media relay can be used', () => {
  it('is told by the latest attempt, whose outcome passes on as it is', async () => {
    const { clock, health, told, attempt } = fixture();
    expect(health.value).toMatchObject({ state: 'unused', error: null });
    expect(await attempt(null)).toBe('path');
    await clock.advance(5);
    await expect(attempt(failure('refused'))).rejects.toMatchObject({ code: 'msrp/relay' });
    expect(health.value).toMatchObject({ state: 'refused', error: { relay: 'refused', retry: 'user' }, since: clock.now() });
    await attempt(failure('untrusted')).catch(() => undefined);
    await attempt(failure('untrusted')).catch(() => undefined);
    await attempt(new AppError('msrp/closed', {}, 'auto')).catch(() => undefined);
    await attempt(null);
    expect(told).toEqual(['reachable', 'refused', 'refused', 'reachable']);
    health.dispose();
    expect(clock.pending).toBe(0);
  });

  it('one that is away is probed at growing intervals until it is back, and waiting messages are released once', async () => {
    const { clock, script, health, told, backs, attempt } = fixture();
    script.next = failure('unreachable');
    const start = clock.now();
    await attempt(script.next).catch(() => undefined);
    for (let second = 0; second < 122; second += 1) await clock.advance(1_000);
    const pauses = script.probes.map((at, index) => at - (script.probes[index - 1] ?? start));
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => seconds * firstProbeMs));
    expect([health.value.state, backs()]).toEqual(['unreachable', 0]);
    script.next = null;
    await clock.advance(longestProbeMs);
    expect([health.value, backs()]).toMatchObject([{ state: 'reachable', error: null }, 1]);
    expect(clock.pending).toBe(0);
    await attempt(null);
    expect([told, backs()]).toEqual([['unreachable', 'reachable'], 1]);
  });

  it('one that refuses is not probed, and nothing is probed after the end', async () => {
    const { clock, script, health, attempt } = fixture();
    await attempt(failure('refused')).catch(() => undefined);
    expect(clock.pending).toBe(0);
    await attempt(failure('unreachable')).catch(() => undefined);
    health.dispose();
    await clock.advance(longestProbeMs);
    expect(script.probes).toEqual([]);
  });
});
