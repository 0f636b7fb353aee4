import type { RegistrationState } from '../../preload/contract';
import { words } from '../words/text';
import { cx } from './cx';
import styles from './DeviceDot.module.css';

const shapes: Record<RegistrationState, string> = {
  registered: styles.ok,
  refreshing: styles.checking,
  connecting: styles.checking,
  registering: styles.checking,
  offline: styles.off,
  waiting: styles.off,
  rejected: styles.bad,
};

/** Green only while the server's last answer was a yes. */
export function DeviceDot({ state }: { state: RegistrationState }) {
  return <i className={cx(styles.dot, shapes[state])} role="img" aria-label={words.device.state[state]} />;
}

/** For a device of which nothing is known now. */
export const HollowDot = () => <i className={cx(styles.dot, styles.off)} />;
