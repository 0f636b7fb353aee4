import { LogOut, MonitorSmartphone, RefreshCw } from 'lucide-react';
import { useEffect } from 'react';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Notices } from '../notices/Notices';
import { BackButton } from '../parts/BackButton';
import { cx } from '../parts/cx';
import { Empty } from '../parts/Empty';
import { ErrorNote } from '../parts/ErrorNote';
import page from '../parts/Page.module.css';
import { clockTime } from '../words/clock';
import { words } from '../words/text';
import { DeviceCard } from './DeviceCard';
import styles from './Devices.module.css';
import { OpenWindows } from './OpenWindows';
import { Pairing } from './Pairing';

export function Devices() {
  const { store, desk } = useServices();
  const devices = useChorus((state) => state.devices);
  const checkedAt = useChorus((state) => state.devicesAt);
  const isTry = useChorus((state) => state.account?.kind === 'try' && state.tryPeople.length > 0);
  const isRegistered = useChorus((state) => state.registration.state === 'registered');
  const { busy, error, call } = useCall();
  // A server that does not tell what changes is asked; what it says comes as an event.
  useEffect(() => void store.call('devices', {}), [store]);
  return (
    <main className={cx('pane', page.page)} data-testid="devices">
      <header className="bar ruled">
        <BackButton onBack={() => desk.set({ place: 'chats', selected: null })} />
        <div className="grow">
          <h1 className="title">{words.devices.title}</h1>
        </div>
        <div className="acts">
          {devices.length === 0 ? null : <span className={cx('num', styles.checked)}>{words.devices.checked(clockTime(checkedAt))}</span>}
          <button type="button" className="button" disabled={busy} data-testid="devices-check" onClick={() => void call('register', {})}>
            <RefreshCw size={16} strokeWidth={1.75} className={busy ? 'spin' : undefined} />
            {words.devices.checkAgain}
          </button>
        </div>
      </header>
      <Notices where="main" />
      <div className="scroll">
        <div className={page.inner}>
          {error === null ? null : <ErrorNote error={error} />}
          {devices.length === 0 ? (
            <Empty
              icon={<MonitorSmartphone size={22} strokeWidth={1.75} />}
              title={words.devices.none}
              body={words.devices.noneBody}
              testId="no-devices"
            />
          ) : (
            <div className={styles.deviceCards}>
              {devices.map((device) => (
                <DeviceCard key={device.instanceId} device={device} />
              ))}
            </div>
          )}
          <Pairing />
          {isTry ? (
            <section className={styles.block}>
              <h2>{words.devices.another}</h2>
              <p>{words.devices.anotherBody}</p>
              <div className={styles.choices}>
                <OpenWindows />
              </div>
            </section>
          ) : null}
          {isRegistered ? (
            <section className={styles.block}>
              <h2>{words.devices.everywhere}</h2>
              <p>{words.devices.everywhereHint}</p>
              <div className={styles.choices}>
                <button
                  type="button"
                  className="button"
                  data-testid="sign-out-everywhere"
                  onClick={() => desk.set({ dialog: { dialog: 'signOut', instanceId: null } })}
                >
                  <LogOut size={16} strokeWidth={1.75} />
                  {words.devices.everywhere}
                </button>
              </div>
            </section>
          ) : null}
        </div>
      </div>
    </main>
  );
}
