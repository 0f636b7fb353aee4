import { describe, expect, it } from 'vitest';
import { SLEEP_JUMP_MS, WATCH_INTERVAL_MS, watchNetwork } from '../../../../main/sip/flow/network-watch';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

function lab() {
  const clock = new VirtualClock();
  const told: string[] = [];
  const state = { addresses: 'eth0 192.0.2.1' };
  const watch = watchNetwork(
    clock,
    (reason) => told.push(reason),
    () => state.addresses,
  );
  return { clock, told, state, watch };
}

describe('watching the network', () => {
  it('says nothing while nothing changes', async () => {
    const { clock, told } = lab();
    await clock.advance(100 * WATCH_INTERVAL_MS);
    expect(told).toEqual([]);
  });

  it('tells a change of the addresses, once each, within a second', async () => {
    const { clock, told, state } = lab();
    state.addresses = '';
    await clock.advance(WATCH_INTERVAL_MS);
    expect(told).toEqual(['addresses']);
    await clock.advance(10 * WATCH_INTERVAL_MS);
    state.addresses = 'wlan0 198.51.100.2';
    await clock.advance(WATCH_INTERVAL_MS);
    expect(told).toEqual(['addresses', 'addresses']);
  });

  it('tells a sleep, and a clock that was set back; not a busy moment', async () => {
    const { clock, told } = lab();
    clock.sleep(SLEEP_JUMP_MS - 1);
    await clock.advance(WATCH_INTERVAL_MS);
    expect(told).toEqual([]);
    clock.sleep(3_600_000);
    await clock.advance(WATCH_INTERVAL_MS);
    clock.sleep(-3_600_000);
    await clock.advance(WATCH_INTERVAL_MS);
    expect(told).toEqual(['slept', 'slept']);
  });

  it('is over when it is disposed of', async () => {
    const { clock, watch, told, state } = lab();
    watch.dispose();
    state.addresses = '';
    await clock.advance(10 * WATCH_INTERVAL_MS);
    expect(told).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
