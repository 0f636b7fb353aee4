import type { RegistrationState } from '../../preload/contract';
import { words } from '../words/text';

const shapes: Record<RegistrationState, string> = {
  registered: 'ok',
  refreshing: 'checking',
  connecting: 'checking',
  registering: 'checking',
  offline: 'off',
  waiting: 'off',
  rejected: 'bad',
};

/** Green only while the server's last answer was a yes. */
export function DeviceDot({ state }: { state: RegistrationState }) {
  return <i className={`dot ${shapes[state]}`} role="img" aria-label={words.device.state[state]} />;
}
