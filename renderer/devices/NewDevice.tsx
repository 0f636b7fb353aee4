import { useEffect, useState } from 'react';
import type { HistoryChoice, PairingValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Choice } from '../parts/Choice';
import { ErrorNote } from '../parts/ErrorNote';
import { ProgressLine } from '../parts/ProgressLine';
import { clockTime } from '../words/clock';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './Pair.module.css';

const choices: readonly HistoryChoice[] = ['all', 'days90', 'none'];

/** The new device: it shows six digits, and asks once more about the other screen. */
export function NewDevice({ pairing, onClose }: { pairing: PairingValue | null; onClose: () => void }) {
  const [history, setHistory] = useState<HistoryChoice>('all');
  const { busy, error, call } = useCall();
  const ownName = useChorus((state) => state.account?.deviceName ?? '');
  const older = isolated(pairing?.name ?? '');
  if (pairing === null || pairing.state === 'over')
    return <Begin why={pairing?.why ?? null} instanceId={pairing?.instanceId ?? null} onClose={onClose} />;
  return (
    <>
      {pairing.state === 'reaching' ? <ProgressLine>{words.pair.reaching(older)}</ProgressLine> : null}
      {pairing.code === null ? null : (
        <>
          <p className="sub">{words.pair.type(older)}</p>
          <div className={styles.code} role="img" aria-label={words.pair.codeLabel(pairing.code)} data-testid="pairing-code">
            <span>{pairing.code.slice(0, 3)}</span>
            <span>{pairing.code.slice(3)}</span>
          </div>
          <p className={styles.until}>{words.pair.goodUntil(clockTime(pairing.until))}</p>
        </>
      )}
      {pairing.state === 'confirm' ? (
        <div role="alert" className={styles.confirm}>
          <p className={styles.question}>{words.pair.confirm(older, isolated(ownName))}</p>
          <p className="sub">{words.pair.confirmBody}</p>
        </div>
      ) : null}
      <What history={history} onChoose={setHistory} />
      {error === null ? null : <ErrorNote error={error} who={older} />}
      <div className={styles.foot}>
        {pairing.state === 'confirm' ? (
          <>
            <button type="button" className="button quiet" disabled={busy} data-testid="pairing-deny" onClick={onClose}>
              {words.pair.no}
            </button>
            <button
              type="button"
              className="button primary"
              disabled={busy}
              data-testid="pairing-confirm"
              onClick={() => void call('confirmPairing', { history })}
            >
              {words.pair.yes}
            </button>
          </>
        ) : (
          <button type="button" className="button quiet" onClick={onClose}>
            {words.cancel}
          </button>
        )}
      </div>
    </>
  );
}

function What({ history, onChoose }: { history: HistoryChoice; onChoose: (history: HistoryChoice) => void }) {
  return (
    <>
      <span className="label">{words.pair.what}</span>
      <Choice
        label={words.pair.what}
        className={styles.choices}
        value={history}
        onChoose={onChoose}
        options={choices.map((value) => ({
          value,
          className: styles.choice,
          testId: `pairing-history-${value}`,
          content: (
            <>
              <b>{words.pair[value]}</b>
              <span>{words.pair[`${value}Body`]}</span>
            </>
          ),
        }))}
      />
    </>
  );
}

/** Before the digits, and after a try that has failed. */
function Begin({ why, instanceId, onClose }: { why: PairingValue['why']; instanceId: string | null; onClose: () => void }) {
  const all = useChorus((state) => state.devices);
  const devices = all.filter(({ self, state, instanceId: id }) => !self && state === 'active' && id.startsWith('urn:'));
  const [wanted, setWanted] = useState(instanceId);
  const { busy, error, call } = useCall();
  const chosen = devices.find((device) => device.instanceId === wanted) ?? devices[0];
  const begin = () => {
    if (chosen !== undefined) void call('startPairing', { instanceId: chosen.instanceId });
  };
  // With one device there is nothing to choose.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the dialog opens
  useEffect(() => {
    if (devices.length === 1 && why === null) begin();
  }, []);
  return (
    <>
      {why === null ? <p className="sub">{words.pair.lead}</p> : null}
      {why === null ? null : (
        <p className={styles.over} role="alert" data-testid="pairing-over" data-why={why}>
          {words.pair.over[why]}
        </p>
      )}
      {devices.length === 0 ? (
        <p className="sub" role="status">
          <b className="strong">{words.pair.nobody}.</b> {words.pair.nobodyBody}
        </p>
      ) : null}
      {devices.length < 2 ? null : (
        <>
          <span className="label">{words.pair.which}</span>
          <Choice
            label={words.pair.which}
            className={styles.choices}
            value={chosen?.instanceId ?? ''}
            onChoose={setWanted}
            options={devices.map((device) => ({
              value: device.instanceId,
              className: styles.choice,
              testId: 'pairing-device',
              content: <b>{device.name === '' ? words.devices.unnamed : isolated(device.name)}</b>,
            }))}
          />
        </>
      )}
      {error === null ? null : <ErrorNote error={error} />}
      <div className={styles.foot}>
        <button type="button" className="button quiet" onClick={onClose}>
          {words.pair.later}
        </button>
        <button
          type="button"
          className="button primary"
          disabled={busy || chosen === undefined}
          data-first-focus=""
          data-testid="pairing-start"
          onClick={begin}
        >
          {why === null ? words.pair.show : words.pair.again}
        </button>
      </div>
    </>
  );
}
