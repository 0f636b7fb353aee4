import { ArrowLeftRight } from 'lucide-react';
import type { FillingValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { Banner } from '../parts/Banner';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './FillingNotice.module.css';

/** Chats that are on their way to this device, or from it. Nothing waits for them. */
export function FillingNotice() {
  const filling = useChorus((state) => state.ownDevices.filling);
  return filling.map((one) => (
    <Banner key={`${one.direction} ${one.name}`} icon={<ArrowLeftRight size={18} strokeWidth={1.75} />} testId="filling">
      <span data-direction={one.direction} data-state={one.state}>
        {sentence(one)}
      </span>
      {one.of === null || one.state === 'done' ? null : (
        <>
          <span className={styles.count} aria-live="off">
            {words.pair.filling.count(Math.min(one.got, one.of), one.of)}
          </span>
          <progress
            className={styles.bar}
            value={Math.min(one.got, one.of)}
            max={Math.max(one.of, 1)}
            aria-label={words.pair.filling.bar}
            aria-valuetext={words.pair.filling.count(Math.min(one.got, one.of), one.of)}
          />
        </>
      )}
    </Banner>
  ));
}

function sentence({ direction, state, name }: FillingValue): string {
  const { filling } = words.pair;
  if (direction === 'in' || state === 'preparing') return filling[state];
  const device = name === '' ? words.devices.unnamed : isolated(name);
  return state === 'running' ? filling.out(device) : state === 'waiting' ? filling.outWaiting(device) : filling.outDone(device);
}
