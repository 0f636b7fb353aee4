import { ArrowLeft, MonitorSmartphone, Pencil, RefreshCw, X } from 'lucide-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { DeviceValue, ErrorValue } from '../../preload/contract';
import { clockTime, duration, useNow } from '../clock';
import { useChorus, useGround } from '../desk';
import { CopyButton } from '../parts/CopyButton';
import { DeviceDot } from '../parts/DeviceDot';
import { DeviceIcon } from '../parts/DeviceIcon';
import { Empty } from '../parts/Empty';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../text';
import { Notices } from './Notices';
import { OpenWindows } from './OpenWindows';

export function Devices() {
  const { store } = useGround();
  const devices = useChorus((state) => state.devices);
  const checkedAt = useChorus((state) => state.devicesAt);
  const isTry = useChorus((state) => state.account?.kind === 'try' && state.tryPeople.length > 0);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);
  const check = async () => {
    setBusy(true);
    setError(null);
    const answer = await store.call('register', {});
    setBusy(false);
    if (!answer.ok) setError(answer.error);
  };
  return (
    <main className="pane page" data-testid="devices">
      <header className="bar ruled">
        <BackButton />
        <div className="grow">
          <h1 className="title">{words.devices.title}</h1>
        </div>
        <div className="acts">
          {devices.length === 0 ? null : <span className="checked num">{words.devices.checked(clockTime(checkedAt))}</span>}
          <button type="button" className="button" disabled={busy} data-testid="devices-check" onClick={() => void check()}>
            <RefreshCw size={16} strokeWidth={1.75} className={busy ? 'spin' : ''} />
            {words.devices.checkAgain}
          </button>
        </div>
      </header>
      <Notices where="main" />
      <div className="scroll">
        <div className="inner">
          {error === null ? null : <ErrorNote error={error} />}
          {devices.length === 0 ? (
            <Empty
              icon={<MonitorSmartphone size={22} strokeWidth={1.75} />}
              title={words.devices.none}
              body={words.devices.noneBody}
              testId="no-devices"
            />
          ) : (
            <div className="device-cards">
              {[...devices.filter((device) => device.self), ...devices.filter((device) => !device.self)].map((device) => (
                <DeviceCard key={`${device.instanceId} ${device.contact}`} device={device} />
              ))}
            </div>
          )}
          {isTry ? (
            <section className="block">
              <h2>{words.devices.another}</h2>
              <p>{words.devices.anotherBody}</p>
              <div className="choices">
                <OpenWindows />
              </div>
            </section>
          ) : null}
        </div>
      </div>
    </main>
  );
}

export function BackButton() {
  const { desk } = useGround();
  return (
    <button
      type="button"
      className="icon-button back"
      aria-label={words.back}
      data-testid="back"
      onClick={() => desk.set({ place: 'chats', selected: null })}
    >
      <ArrowLeft size={20} strokeWidth={1.75} />
    </button>
  );
}

function DeviceCard({ device }: { device: DeviceValue }) {
  const [isRenaming, setRenaming] = useState(false);
  const pencil = useRef<HTMLButtonElement>(null);
  const capabilities = capabilityWords(device.capabilities);
  return (
    <article
      className={`card device-card${device.self ? ' self' : ''}`}
      data-testid="device-card"
      data-instance={device.instanceId}
      data-self={device.self}
      aria-label={device.name}
    >
      <div className="top">
        <span className="sign">
          <DeviceIcon name={device.name} size={20} />
        </span>
        {isRenaming ? (
          <Rename
            name={device.name}
            onDone={() => {
              setRenaming(false);
              requestAnimationFrame(() => pencil.current?.focus());
            }}
          />
        ) : (
          <>
            <div className="grow cut">
              <div className="called">
                <span className="cut">{device.name}</span>
                {device.self ? <span className="tag accent">{words.devices.thisDevice}</span> : null}
              </div>
              <div className="nickname">{device.nickname}</div>
            </div>
            {device.self ? (
              <button
                ref={pencil}
                type="button"
                className="icon-button"
                aria-label={words.devices.rename}
                title={words.devices.rename}
                data-testid="device-rename"
                onClick={() => setRenaming(true)}
              >
                <Pencil size={16} strokeWidth={1.75} />
              </button>
            ) : null}
          </>
        )}
      </div>
      <dl className="facts">
        <dt>{words.devices.state}</dt>
        <dd>
          <State device={device} />
        </dd>
        <dt>{words.devices.can}</dt>
        <dd>{capabilities}</dd>
        <dt>{words.devices.validUntil}</dt>
        <dd className="num">
          <Validity device={device} />
        </dd>
        <dt>{words.devices.address}</dt>
        <dd>
          {device.pubGruu === null ? (
            words.devices.noGruu
          ) : (
            <>
              <span className="mono cut" title={device.pubGruu}>
                {device.pubGruu.replace(/^sips?:/i, '')}
              </span>
              <CopyButton text={device.pubGruu} what={words.devices.address} />
            </>
          )}
        </dd>
        <dt>{words.devices.id}</dt>
        <dd>
          <span className="mono cut" title={device.instanceId}>
            {device.instanceId}
          </span>
          <CopyButton text={device.instanceId} what={words.devices.id} />
        </dd>
      </dl>
    </article>
  );
}

/** One's own state is one's own; of the others only what the server last told, and only while it can be asked. */
function State({ device }: { device: DeviceValue }) {
  const own = useChorus((state) => state.registration.state);
  if (device.self) {
    return (
      <>
        <DeviceDot state={own} />
        {words.device.state[own]}
      </>
    );
  }
  if (own !== 'registered' && own !== 'refreshing') {
    return (
      <>
        <i className="dot off" />
        {words.devices.unknown}
      </>
    );
  }
  return (
    <>
      <DeviceDot state={device.state === 'active' ? 'registered' : 'offline'} />
      {device.state === 'active' ? words.devices.registered : words.devices.signedOut}
    </>
  );
}

function Validity({ device }: { device: DeviceValue }) {
  const now = useNow(1000);
  const until = useChorus((state) => state.devicesAt) + device.expires * 1000;
  return <>{until <= now ? words.devices.expired(clockTime(until)) : words.devices.valid(duration(until - now), clockTime(until))}</>;
}

function capabilityWords(capabilities: readonly string[]): string {
  const known = capabilities.map((capability) => words.capability[capability] ?? capability);
  const all = [...new Set(known)].join(', ');
  return all === '' ? words.devices.nothing : all.charAt(0).toUpperCase() + all.slice(1);
}

export function Rename({ name, onDone }: { name: string; onDone: () => void }) {
  const { store } = useGround();
  const [value, setValue] = useState(name);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    const wanted = value.trim();
    if (wanted === '' || wanted === name) {
      if (wanted === name) onDone();
      return;
    }
    setBusy(true);
    setError(null);
    const answer = await store.call('renameDevice', { name: wanted });
    setBusy(false);
    if (answer.ok) onDone();
    else setError(answer.error);
  };
  return (
    <div className="grow">
      <form className="rename" onSubmit={(event) => void save(event)}>
        <div className={`field${value.trim() === '' ? ' bad' : ''}`}>
          <input
            ref={field}
            value={value}
            maxLength={64}
            disabled={busy}
            aria-label={words.devices.name}
            data-testid="device-rename-input"
            onChange={(event) => setValue(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Escape') return;
              event.preventDefault();
              event.stopPropagation();
              onDone();
            }}
          />
        </div>
        <button type="submit" className="button primary tight" disabled={busy || value.trim() === ''} data-testid="device-rename-save">
          {words.save}
        </button>
        <button type="button" className="icon-button" aria-label={words.cancel} onClick={onDone}>
          <X size={16} strokeWidth={1.75} />
        </button>
      </form>
      {error === null ? null : <ErrorNote error={error} lead={words.devices.renameFailed} />}
    </div>
  );
}
