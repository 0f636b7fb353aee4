/**
 * Notices two events that a connection does not report: the computer slept, or its addresses changed. Both leave connections that look open
 * but are dead.
 */
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../../base/clock';
import { type Disposable, disposable } from '../../../base/disposable';

/** LAB: how often the addresses and the clock are checked. */
export const WATCH_INTERVAL_MS = 1_000;
/** LAB: a check that comes this much too late means that the computer slept or that its clock was set. */
export const SLEEP_JUMP_MS = 5_000;

/** Every address except loopback, as one text that changes when they do. */
function currentAddresses(): string {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`),
  );
  return all.sort().join('\n');
}

/** Calls `changed` after a sleep and after every change of the addresses, until disposed. */
export function watchNetwork(clock: Clock, changed: (reason: 'slept' | 'addresses') => void, addresses = currentAddresses): Disposable {
  let seen = addresses();
  let at = clock.now();
  let timer: Disposable;
  const look = () => {
    const now = clock.now();
    const slept = Math.abs(now - at - WATCH_INTERVAL_MS) > SLEEP_JUMP_MS;
    const found = addresses();
    const isOther = found !== seen;
    at = now;
    seen = found;
    timer = clock.setTimer(WATCH_INTERVAL_MS, look);
    if (isOther) changed('addresses');
    else if (slept) changed('slept');
  };
  timer = clock.setTimer(WATCH_INTERVAL_MS, look);
  return disposable(() => timer.dispose());
}
