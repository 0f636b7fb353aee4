import { Check, LoaderCircle, LockOpen, X } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import type { ServerCheckValue } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { dayName } from '../words/clock';
import { explain } from '../words/errors';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './ServerCheck.module.css';

const look = { size: 16, strokeWidth: 1.75, 'aria-hidden': true } as const;

interface ServerCheckProps {
  /** What is typed in the form. */
  address: string;
  server: string;
  ca: string;
  disabled: boolean;
}

/** Looks whether a server can be used before one signs in there: found, reached, proved, answered. */
export function ServerCheck({ address, server, ca, disabled }: ServerCheckProps) {
  const { busy, error, call } = useCall();
  const [outcome, setOutcome] = useState<ServerCheckValue | null>(null);
  const check = async () => {
    setOutcome(null);
    const checked = await call('checkServer', {
      address: address.trim(),
      ...(server.trim() === '' ? {} : { server: server.trim() }),
      ...(ca.trim() === '' ? {} : { ca }),
    });
    if (checked !== null) setOutcome(checked);
  };
  return (
    <div className={styles.serverCheck}>
      <button
        type="button"
        className="button"
        disabled={disabled || busy || address.trim() === ''}
        data-testid="check-server"
        onClick={() => void check()}
      >
        {busy ? <LoaderCircle className="spin" {...look} /> : null}
        {busy ? words.first.checking : words.first.check}
      </button>
      <p className="hint">{words.first.checkHint}</p>
      <div role="status" data-testid="server-checked">
        {error === null ? null : <ErrorNote error={error} />}
        {outcome === null ? null : <Outcome outcome={outcome} />}
      </div>
    </div>
  );
}

function Outcome({ outcome: { server, places, certificate, answer, error } }: { outcome: ServerCheckValue }) {
  const { checked } = words.first;
  const last = places.at(-1);
  const isReached = last !== undefined && last.error === null;
  return (
    <>
      <ul>
        {places.map((place) => {
          const at = `${place.host}:${place.port} (${place.transport.toUpperCase()})`;
          return place.error === null ? (
            <Line key={at} isGood>
              {checked.reached(at)}
            </Line>
          ) : (
            <Line key={at}>
              {checked.tried(at)}: {explain(place.error, plainServer(server)).title}
            </Line>
          );
        })}
        {certificate !== null ? (
          <Line isGood>
            {checked.certificate(certificate.names.join(', '), certificate.issuer, dayName(certificate.until, Date.now()))}
          </Line>
        ) : isReached ? (
          <li>
            <LockOpen {...look} />
            <span>{checked.unprotected}</span>
          </li>
        ) : null}
        {answer === null ? null : (
          <Line isGood title={`${answer.status} ${isolated(answer.reason)}`.trim()}>
            {checked.answered(answer.software, answer.tookMs)}
          </Line>
        )}
      </ul>
      {error === null ? null : <ErrorNote error={error} who={plainServer(server)} />}
    </>
  );
}

function Line({ isGood = false, title, children }: { isGood?: boolean; title?: string; children: ReactNode }) {
  return (
    <li className={isGood ? styles.good : styles.bad} title={title}>
      {isGood ? <Check {...look} /> : <X {...look} />}
      <span>{children}</span>
    </li>
  );
}

const plainServer = (server: string): string => server.replace(/^(sips?|wss?):(\/\/)?/i, '').replace(/[;/].*$/, '');
