import { Settings as Gear, Info, Keyboard, UserRound } from 'lucide-react';
import { type ReactNode, useRef, useState } from 'react';
import type { AccountValue, PreferencesValue } from '../../preload/contract';
import { type SettingsSection, useChorus, useDesk, useGround } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { BackButton } from '../devices/Devices';
import { RenameDevice } from '../devices/RenameDevice';
import { Notices } from '../notices/Notices';
import { Choice } from '../parts/Choice';
import { CopyButton } from '../parts/CopyButton';
import { DeviceDot } from '../parts/DeviceDot';
import { ErrorNote } from '../parts/ErrorNote';
import { Pick } from '../parts/Pick';
import { Switch } from '../parts/Switch';
import { WriteAs } from '../parts/WriteAs';
import { duration, useNow } from '../words/clock';
import { plainAddress } from '../words/person';
import { words } from '../words/text';
import { BlockedPeople } from './BlockedPeople';
import { MediaWay } from './MediaWay';
import { ShortcutList } from './Shortcuts';

const sections = [
  { section: 'general', Icon: Gear },
  { section: 'account', Icon: UserRound },
  { section: 'keyboard', Icon: Keyboard },
  { section: 'about', Icon: Info },
] as const satisfies readonly { section: SettingsSection; Icon: unknown }[];

export function Settings() {
  const { desk } = useGround();
  const current = useDesk((state) => state.section);
  return (
    <main className="pane page" data-testid="settings">
      <header className="bar ruled">
        <BackButton />
        <h1 className="title">{words.settings.title}</h1>
      </header>
      <Notices where="main" />
      <div className="settings">
        <nav aria-label={words.settings.title}>
          {sections.map(({ section, Icon }) => (
            <button
              key={section}
              type="button"
              className={section === current ? 'on' : ''}
              aria-current={section === current ? 'page' : undefined}
              data-testid={`settings-${section}`}
              onClick={() => desk.set({ section })}
            >
              <Icon size={18} strokeWidth={1.75} />
              {words.settings.sections[section]}
            </button>
          ))}
        </nav>
        <div className="panel">
          <Panel section={current} />
        </div>
      </div>
    </main>
  );
}

function Panel({ section }: { section: SettingsSection }) {
  switch (section) {
    case 'general':
      return <General />;
    case 'account':
      return <Account />;
    case 'keyboard':
      return (
        <section>
          <h2>{words.settings.keyboardTitle}</h2>
          <div style={{ paddingTop: 12 }}>
            <ShortcutList />
          </div>
        </section>
      );
    case 'about':
      return <About />;
  }
}

function General() {
  const preferences = useChorus((state) => state.preferences);
  const { error, call } = useCall();
  const change = (patch: Partial<PreferencesValue>) => call('setPreferences', { ...preferences, ...patch });
  const { receipts } = preferences;
  const option = (value: string, content: string) => ({ value, content, testId: `option-${value}` });
  return (
    <>
      {error === null ? null : <ErrorNote error={error} lead={words.settings.failed} />}
      <section>
        <h2>{words.settings.appearance}</h2>
        <Option name={words.settings.theme}>
          <div data-testid="theme">
            <Choice
              label={words.settings.theme}
              className="segments"
              value={preferences.theme}
              onChoose={(theme) => void change({ theme: theme as PreferencesValue['theme'] })}
              options={(['system', 'light', 'dark'] as const).map((theme) => option(theme, words.settings.themes[theme]))}
            />
          </div>
        </Option>
      </section>
      <section>
        <h2>{words.settings.messages}</h2>
        <Switch
          name={words.settings.read}
          hint={words.settings.readHint}
          isOn={receipts.displayed}
          testId="switch-read"
          onChange={(displayed) => void change({ receipts: { ...receipts, displayed } })}
        />
        <Switch
          name={words.settings.delivered}
          hint={words.settings.deliveredHint}
          isOn={receipts.delivered}
          testId="switch-delivered"
          onChange={(delivered) => void change({ receipts: { ...receipts, delivered } })}
        />
        <Switch
          name={words.settings.unasked}
          hint={words.settings.unaskedHint}
          isOn={receipts.unasked === true}
          disabled={!receipts.displayed && !receipts.delivered}
          testId="switch-unasked"
          onChange={(unasked) => void change({ receipts: { ...receipts, unasked } })}
        />
        <Switch
          name={words.settings.typing}
          isOn={preferences.composing}
          testId="switch-typing"
          onChange={(composing) => void change({ composing })}
        />
      </section>
      <section>
        <h2>{words.settings.invitations}</h2>
        <Pick
          name={words.settings.accept}
          hint={words.settings.acceptHint}
          value={preferences.accept}
          testId="accept"
          onPick={(accept) => void change({ accept: accept as PreferencesValue['accept'] })}
          options={(['auto', 'open', 'reply', 'ask'] as const).map((accept) => [accept, words.settings.accepts[accept]])}
        />
        <Pick
          name={words.settings.idle}
          hint={words.settings.idleHint}
          value={String(preferences.idleSeconds)}
          testId="idle"
          onPick={(seconds) => void change({ idleSeconds: Number(seconds) })}
          options={idleChoices(preferences.idleSeconds).map((seconds) => [String(seconds), words.settings.idleAfter(seconds)])}
        />
      </section>
    </>
  );
}

function Account() {
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
        <Option name={words.settings.name}>
          <span className="value">{account.displayName}</span>
        </Option>
        <Option name={words.settings.address}>
          <span className="value">
            <span className="cut">{plainAddress(account.aor)}</span>
            <CopyButton text={account.aor} what={words.settings.address} />
          </span>
        </Option>
        <WriteAs />
      </section>
      <BlockedPeople />
      <section>
        <h2>{words.settings.thisDevice}</h2>
        <div className="option">
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
              <div className="what">
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
        <div className="option">
          <div className="what">
            <div>{words.settings.registration}</div>
            <div className="hint num registration">
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
        <Option name={words.settings.instanceId} hint={words.settings.instanceHint(account.nickname)}>
          <span className="value">
            <span className="mono cut" title={account.instanceId} style={{ maxWidth: 220 }}>
              {account.instanceId}
            </span>
            <CopyButton text={account.instanceId} what={words.settings.instanceId} />
          </span>
        </Option>
      </section>
      <MediaWay account={account} />
      <Offers offers={account.offers} />
    </>
  );
}

/** The services of this device, each told to the network as soon as it is switched (RFC 3840). */
function Offers({ offers }: { offers: AccountValue['offers'] }) {
  const { busy, error, call } = useCall();
  return (
    <section>
      <h2>{words.settings.offers}</h2>
      <p className="sub">{words.settings.offersHint}</p>
      {error === null ? null : <ErrorNote error={error} lead={words.settings.offerFailed} />}
      {offers.map(({ name, on }) => (
        <Switch
          key={name}
          name={words.settings.offer[name][0]}
          hint={words.settings.offer[name][1]}
          isOn={on}
          disabled={busy}
          testId={`offer-${name}`}
          onChange={(wanted) => void call('setCapability', { name, on: wanted })}
        />
      ))}
    </section>
  );
}

function About() {
  const profile = useChorus((state) => state.profile);
  return (
    <>
      <section>
        <h2>{words.settings.about}</h2>
        <p className="sub">{words.settings.aboutBody}</p>
        <Option name={words.settings.profile}>
          <span className="value">{profile}</span>
        </Option>
      </section>
      <section>
        <h2>{words.settings.licences}</h2>
        {words.settings.licence.map(([name, licence]) => (
          <Option key={name} name={name} hint={licence} />
        ))}
      </section>
    </>
  );
}

/** Times that suit most people, what a script may have set, and never. */
const idleChoices = (now: number): readonly number[] =>
  [...new Set([60, 180, 900, 3_600, now].filter((seconds) => seconds > 0))].sort((a, b) => a - b).concat(0);

function Option({ name, hint, children }: { name: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="option">
      <div className="what">
        <div>{name}</div>
        {hint === undefined ? null : <div className="hint">{hint}</div>}
      </div>
      {children}
    </div>
  );
}
