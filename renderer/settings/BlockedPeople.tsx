import { type FormEvent, useId, useState } from 'react';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import settingRow from '../parts/SettingRow.module.css';
import { plainAddress } from '../words/person';
import { words } from '../words/text';

/** Whom the person does not want to hear from. */
export function BlockedPeople() {
  const blocked = useChorus((state) => state.blocked);
  const [address, setAddress] = useState('');
  const { error, call } = useCall();
  const id = useId();
  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (address.trim() !== '' && (await call('block', { address: address.trim() })) !== null) setAddress('');
  };
  return (
    <section data-testid="blocked">
      <h2>{words.settings.blocked}</h2>
      <p className="hint">{blocked.length === 0 ? words.settings.nobodyBlocked : words.settings.blockedHint}</p>
      {error === null ? null : <ErrorNote error={error} />}
      {blocked.map((one) => (
        <div key={one} className={settingRow.option} data-testid="blocked-person" data-address={one}>
          <div className={cx('cut', settingRow.what)}>{plainAddress(one)}</div>
          <button
            type="button"
            className="button"
            aria-label={words.settings.unblockWhom(plainAddress(one))}
            onClick={() => void call('unblock', { address: one })}
          >
            {words.settings.unblock}
          </button>
        </div>
      ))}
      <form className={settingRow.option} onSubmit={(event) => void add(event)}>
        <div className={settingRow.what}>
          <label htmlFor={id}>{words.settings.blockWhom}</label>
        </div>
        <div className="field">
          <input id={id} value={address} data-testid="block-address" onChange={(event) => setAddress(event.target.value)} />
        </div>
        <button type="submit" className="button" data-testid="block">
          {words.settings.block}
        </button>
      </form>
    </section>
  );
}
