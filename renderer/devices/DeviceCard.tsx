import { Check, LoaderCircle, LogOut, Pencil, Send, TriangleAlert } from 'lucide-react';
import { useRef, useState } from 'react';
import type { DeviceValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { CopyButton } from '../parts/CopyButton';
import { cx } from '../parts/cx';
import { DeviceDot, HollowDot } from '../parts/DeviceDot';
import { DeviceIcon } from '../parts/DeviceIcon';
import { ErrorNote } from '../parts/ErrorNote';
import { clockTime, duration, sentenceTime, useNow } from '../words/clock';
import { isolated } from '../words/person';
import { capabilityWords, words } from '../words/text';
import styles from './DeviceCard.module.css';
import { RenameDevice } from './RenameDevice';

/** One installation: what it is called, what it can do, how long the server knows it, and what to do about it. */
export function DeviceCard({ device }: { device: DeviceValue }) {
  const [isRenaming, setRenaming] = useState(false);
  const pencil = useRef<HTMLButtonElement>(null);
  const isDuplicated = device.duplicate !== null;
  const isUnpaired = useChorus(
    ({ ownDevices, devices }) => devices.length > 1 && device.state === 'active' && !ownDevices.with.includes(device.instanceId),
  );
  return (
    <article
      className={cx('card', styles.deviceCard, device.self && styles.self, isDuplicated && styles.wide)}
      data-testid="device-card"
      data-instance={device.instanceId}
      data-self={device.self}
      data-state={device.state}
      aria-label={nameOf(device)}
    >
      <div className={styles.top}>
        <span className={styles.sign}>
          <DeviceIcon name={device.name} size={20} />
        </span>
        {isRenaming ? (
          <RenameDevice
            name={device.name}
            onDone={() => {
              setRenaming(false);
              requestAnimationFrame(() => pencil.current?.focus());
            }}
          />
        ) : (
          <>
            <div className="grow cut">
              <div className={styles.called}>
                <span className="cut">{nameOf(device)}</span>
                {device.self ? <span className="tag accent">{words.devices.thisDevice}</span> : null}
                {isUnpaired ? <span className="tag">{words.pair.notPaired}</span> : null}
                {isDuplicated ? (
                  <span className="tag warn">
                    <TriangleAlert size={12} strokeWidth={1.75} />
                    {words.devices.twoOfOne}
                  </span>
                ) : null}
              </div>
              <div className={styles.nickname}>{device.nickname}</div>
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
      {device.duplicate === null ? null : <Duplicate device={device} duplicate={device.duplicate} />}
      <Facts device={device} />
      <Acts device={device} />
    </article>
  );
}

/** A device without a name is known by its nickname. */
export const nameOf = (device: DeviceValue): string => (device.name === '' ? words.devices.unnamed : isolated(device.name));

function Facts({ device }: { device: DeviceValue }) {
  const isStopped = useChorus((state) => device.self && state.registration.state === 'rejected');
  return (
    <dl className={styles.facts}>
      <dt>{words.devices.state}</dt>
      <dd>
        <State device={device} />
      </dd>
      {device.state === 'active' ? (
        <>
          <dt>{words.devices.can}</dt>
          <dd>{capabilityWords(device.capabilities)}</dd>
        </>
      ) : null}
      <LastSeen device={device} />
      {device.state === 'active' && !isStopped ? (
        <>
          <dt>{words.devices.validUntil}</dt>
          <dd className="num">
            <Validity device={device} />
          </dd>
        </>
      ) : null}
      {device.state === 'active' || device.pubGruu !== null ? (
        <>
          <dt>{words.devices.address}</dt>
          <dd>
            <Gruu gruu={device.pubGruu} />
          </dd>
        </>
      ) : null}
      <dt>{words.devices.id}</dt>
      <dd>
        <span className="mono cut" title={device.instanceId}>
          {device.instanceId}
        </span>
        <CopyButton text={device.instanceId} what={words.devices.id} />
      </dd>
    </dl>
  );
}

function Gruu({ gruu }: { gruu: string | null }) {
  if (gruu === null) return <>{words.devices.noGruu}</>;
  return (
    <>
      <span className="mono cut" title={gruu}>
        {gruu.replace(/^sips?:/i, '')}
      </span>
      <CopyButton text={gruu} what={words.devices.address} />
    </>
  );
}

/** This device knows its own state; for the others it shows the server's last word, and only while the server can be asked. */
function State({ device }: { device: DeviceValue }) {
  const own = useChorus((state) => state.registration.state);
  if (device.self) {
    return (
      <>
        <DeviceDot state={own} />
        {own === 'rejected' && device.duplicate !== null ? words.devices.stopped : words.device.state[own]}
      </>
    );
  }
  if (own !== 'registered' && own !== 'refreshing') {
    return (
      <>
        <HollowDot />
        {words.devices.unknown}
      </>
    );
  }
  return (
    <>
      <DeviceDot state={device.state === 'active' ? 'registered' : 'offline'} />
      {device.state === 'active'
        ? words.devices.registered
        : (words.devices.gone[device.lastEvent?.event ?? ''] ?? words.devices.signedOut)}
    </>
  );
}

/** When the server last heard of a device; nothing where it does not tell. */
function LastSeen({ device }: { device: DeviceValue }) {
  const now = useNow(1000);
  const isHere = useChorus((state) => device.self && state.registration.state === 'registered');
  const at = device.lastEvent?.at;
  if (!isHere && (device.self || at === undefined)) return null;
  return (
    <>
      <dt>{words.devices.lastSeen}</dt>
      <dd className="num">
        {isHere || at === undefined || now - at < 5_000 ? words.devices.now : words.devices.ago(duration(now - at), clockTime(at))}
      </dd>
    </>
  );
}

function Validity({ device }: { device: DeviceValue }) {
  const now = useNow(1000);
  const until = device.expiresAt;
  return <>{until <= now ? words.devices.expired(clockTime(until)) : words.devices.valid(duration(until - now), clockTime(until))}</>;
}

function Acts({ device }: { device: DeviceValue }) {
  const { desk } = useServices();
  const ownName = useChorus((state) => state.account?.deviceName ?? '');
  const isRegistered = useChorus((state) => state.registration.state === 'registered');
  const [tookMs, setTookMs] = useState<number | null>(null);
  const { busy, error, call } = useCall();
  if (!isRegistered || device.state !== 'active') return null;
  const send = async () => {
    setTookMs(null);
    const tested = await call('testDevice', { instanceId: device.instanceId, text: words.devices.testText(ownName) });
    setTookMs(tested?.tookMs ?? null);
  };
  return (
    <>
      {error === null ? null : <ErrorNote error={error} lead={words.devices.testFailed} who={nameOf(device)} />}
      <div className={styles.rowActs}>
        <button type="button" className="button tight" disabled={busy} data-testid="device-test" onClick={() => void send()}>
          {busy ? (
            <LoaderCircle className="spin" size={14} strokeWidth={1.75} />
          ) : tookMs !== null ? (
            <Check size={14} strokeWidth={1.75} />
          ) : (
            <Send size={14} strokeWidth={1.75} />
          )}
          {words.devices.sendTest}
        </button>
        {
          <button
            type="button"
            className="button tight"
            data-testid={device.self ? 'sign-out-here' : 'device-sign-out'}
            onClick={() => desk.set({ dialog: { dialog: 'signOut', instanceId: device.instanceId } })}
          >
            <LogOut size={14} strokeWidth={1.75} />
            {words.devices.signOut}
          </button>
        }
        <span className={cx('num', styles.outcome)} role="status" data-testid="device-test-outcome">
          {tookMs === null ? '' : words.devices.tested(tookMs)}
        </span>
      </div>
    </>
  );
}

/** Two computers, one ID: what it means, and the two ways out. */
function Duplicate({ device, duplicate }: { device: DeviceValue; duplicate: NonNullable<DeviceValue['duplicate']> }) {
  const now = useNow(60_000);
  const { busy, error, call } = useCall();
  const isStopped = useChorus((state) => state.registration.state === 'rejected');
  const resolve = (choice: 'moved' | 'newDevice') => call('resolveClone', { choice });
  const place = /@([^;>]+)/.exec(duplicate.contact)?.[1] ?? duplicate.contact;
  return (
    <div className={styles.explain} role="alert" data-testid="device-duplicate">
      <TriangleAlert size={20} strokeWidth={1.75} />
      <div>
        <h3>{words.devices.duplicate(nameOf(device))}</h3>
        <p>{isStopped ? words.devices.duplicateStopped : words.devices.duplicateBeside}</p>
        <p className={cx('num', styles.clause)} title={words.devices.duplicateClause}>
          {words.devices.duplicateAt(place, sentenceTime(duplicate.since, now))}
        </p>
        {error === null ? null : <ErrorNote error={error} />}
        <div className={styles.rowActs}>
          <button
            type="button"
            className="button tight primary"
            disabled={busy}
            data-testid="duplicate-new-id"
            onClick={() => void resolve('newDevice')}
          >
            {words.devices.giveOwnId}
          </button>
          <button
            type="button"
            className="button tight outline"
            disabled={busy}
            data-testid="duplicate-use-here"
            onClick={() => void resolve('moved')}
          >
            {words.devices.useHere}
          </button>
        </div>
      </div>
    </div>
  );
}
