import { useId, useState } from 'react';
import type { ErrorValue } from '../../preload/contract';
import { useChorus, useGround } from '../desk';
import { plainAddress } from '../person';
import { words } from '../text';
import { ErrorNote } from './ErrorNote';

/** Which of one's own addresses others see. Nothing where there is but one. */
export function WriteAs({ value }: { value: string | null }) {
  const { store } = useGround();
  const account = useChorus((state) => state.account);
  const [error, setError] = useState<ErrorValue | null>(null);
  const id = useId();
  if (account === null || account.addresses.length < 2) return null;
  const choose = async (address: string) => {
    const answer = await store.call('writeAs', { address: address === account.aor ? null : address });
    setError(answer.ok ? null : answer.error);
  };
  return (
    <>
      {error === null ? null : <ErrorNote error={error} />}
      <div className="option">
        <div className="what">
          <label htmlFor={id}>{words.settings.writeAs}</label>
          <div className="hint">{words.settings.writeAsHint}</div>
        </div>
        <div className="field">
          <select id={id} value={value ?? account.aor} data-testid="write-as" onChange={(event) => void choose(event.target.value)}>
            {account.addresses.map((address) => (
              <option key={address} value={address}>
                {plainAddress(address)}
              </option>
            ))}
          </select>
        </div>
      </div>
    </>
  );
}
