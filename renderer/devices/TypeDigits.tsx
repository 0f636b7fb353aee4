import { Check } from 'lucide-react';
import { type FormEvent, useId, useState } from 'react';
import type { PairingValue } from '../../preload/contract';
import { useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './Pair.module.css';

const DIGITS = 6;

/** The older device: typing the digits is the consent. The sixth one sends them. */
export function TypeDigits({ pairing, onClose }: { pairing: PairingValue | null; onClose: () => void }) {
  const { desk, store } = useServices();
  const [digits, setDigits] = useState('');
  const { busy, error, call } = useCall();
  const id = useId();
  const device = isolated(pairing?.name ?? '');
  if (pairing?.state === 'paired') {
    return (
      <>
        <p className={styles.paired} role="alert" data-testid="pairing-paired">
          <Check size={20} strokeWidth={1.75} />
          {words.pair.paired(device)}
        </p>
        <p className="sub">{words.pair.pairedBody(device)}</p>
        <div className={styles.foot}>
          <button type="button" className="button primary" data-first-focus="" onClick={onClose}>
            {words.close}
          </button>
        </div>
      </>
    );
  }
  if (pairing?.state !== 'code') {
    return (
      <>
        <p className={styles.over} role="alert" data-testid="pairing-over" data-why={pairing?.why ?? ''}>
          {words.pair.over[pairing?.why ?? 'cancelled']}
        </p>
        <div className={styles.foot}>
          <button type="button" className="button primary" onClick={onClose}>
            {words.close}
          </button>
        </div>
      </>
    );
  }
  const send = (code: string) => void call('typePairingCode', { code });
  const type = (text: string) => {
    const typed = text.replace(/\D/g, '').slice(0, DIGITS);
    setDigits(typed);
    if (typed.length === DIGITS && digits.length < DIGITS) send(typed);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (digits.length === DIGITS) send(digits);
  };
  const refuse = () => {
    void store.call('cancelPairing', {});
    desk.closeDialog();
  };
  return (
    <form onSubmit={submit}>
      <label className="label" htmlFor={id}>
        {words.pair.digits(device)}
      </label>
      <div className={styles.field}>
        <input
          id={id}
          value={digits}
          inputMode="numeric"
          autoComplete="one-time-code"
          spellCheck={false}
          maxLength={DIGITS * 2}
          disabled={busy}
          data-first-focus=""
          data-testid="pairing-digits"
          aria-describedby={`${id}-gives`}
          onChange={(event) => type(event.target.value)}
        />
      </div>
      <p className="sub" id={`${id}-gives`}>
        {words.pair.gives(device)}
      </p>
      {error === null ? null : <ErrorNote error={error} who={device} />}
      <div className={styles.foot}>
        <button type="button" className="button quiet" disabled={busy} data-testid="pairing-not-me" onClick={refuse}>
          {words.pair.notMe}
        </button>
        <button type="submit" className="button primary" disabled={busy || digits.length < DIGITS} data-testid="pairing-type">
          {words.pair.pair}
        </button>
      </div>
    </form>
  );
}
