import { useRef, useState } from 'react';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { RenameDevice } from '../devices/RenameDevice';
import { CopyButton } from '../parts/CopyButton';
import { cx } from '../parts/cx';
import { DeviceDot } from '../parts/DeviceDot';
import { ErrorNote } from '../parts/ErrorNote';
import { SettingRow } from '../parts/SettingRow';
import settingRow from '../parts/SettingRow.module.css';
import { WriteAs } from '../parts/WriteAs';
import { duration, useNow } from '../words/clock';
import { plainAddress } from '../words/person';
import { words } from '../words/text';
import { BlockedPeople } from './BlockedPeople';
import { ChatTransport } from './ChatTransport';
import { Services } from './Services';

export function AccountSettings() {
  const account = useChorus((state) => state.account);
  const registration = useChorus((state) => state.registration);
  const registrationAt = useChorus((state) => state.registrationAt);
  const now = useNow(1000);
  const [isRenaming, setRenaming] = useState(false);
  const { busy, error, call } = useCall();
  const renameButton = useRef<HTMLButtonElement>(null);
  if (account === null) return null;
  const left = registration.expires === undefined ? null : registrationAt + registration.expires * 1000 - now;
  return (
    <>
      <section>
        <h2>{words.settings.you}</h2>
        <SettingRow name={words.settings.name}>
          <span className={settingRow.value}>{account.displayName}</span>
        </SettingRow>
        <SettingRow name={words.settings.address}>
          <span className={settingRow.value}>
            <span className="cut">{plainAddress(account.aor)}</span>
            <CopyButton text={account.aor} what={words.settings.address} />
          </span>
        </SettingRow>
        <WriteAs />
      </section>
      <BlockedPeople />
      <section>
        <h2>{words.settings.thisDevice}</h2>
        <div className={settingRow.option}>
          {isRenaming ? (
            <RenameDevice
              name={account.deviceName}
              onDone={() => {
                setRenaming(false);
                requestAnimationFrame(() => renameButton.current?.focus());
              }}
            />
          ) : (
            <>
              <div className={settingRow.what}>
                <div>{account.deviceName}</div>
                <div className="hint" data-testid="device-hint">
                  {account.untold ? words.settings.untold : words.settings.deviceHint}
                </div>
              </div>
              <button ref={renameButton} type="button" className="button" data-testid="device-rename" onClick={() => setRenaming(true)}>
                {words.devices.rename}
              </button>
            </>
          )}
        </div>
        <div className={settingRow.option}>
          <div className={settingRow.what}>
            <div>{words.settings.registration}</div>
            <div className={cx('hint num', settingRow.registration)}>
              <DeviceDot state={registration.state} />
              <span>
                {words.device.state[registration.state]}
                {registration.state === 'registered' && left !== null
                  ? `. ${words.settings.registeredFor(duration(left), registration.bindings)}`
                  : ''}
              </span>
            </div>
          </div>
          <button type="button" className="button" disabled={busy} data-testid="register-now" onClick={() => void call('register', {})}>
            {words.settings.registerNow}
          </button>
        </div>
        {error === null ? null : <ErrorNote error={error} />}
        <SettingRow name={words.settings.instanceId} hint={words.settings.instanceHint(account.nickname)}>
          <span className={settingRow.value}>
            <span className="mono cut" title={account.instanceId} style={{ maxWidth: 220 }}>
              {account.instanceId}
            </span>
            <CopyButton text={account.instanceId} what={words.settings.instanceId} />
          </span>
        </SettingRow>
      </section>
      <ChatTransport account={account} />
      <Services offers={account.offers} />
    </>
  );
}
