import { useState } from 'react';
import type { ErrorValue, PersonValue } from '../../preload/contract';
import { useChorus, useGround } from '../desk';
import { firstName } from '../person';
import { words } from '../text';
import { ErrorNote } from './ErrorNote';

/** Blocks a person, or takes it back; says what it does. */
export function BlockSwitch({ person }: { person: PersonValue }) {
  const { store } = useGround();
  const isBlocked = useChorus((state) => state.blocked.includes(person.address));
  const [error, setError] = useState<ErrorValue | null>(null);
  const change = async () => {
    const answer = await store.call(isBlocked ? 'unblock' : 'block', { address: person.address });
    setError(answer.ok ? null : answer.error);
  };
  const who = firstName(person);
  return (
    <>
      {error === null ? null : <ErrorNote error={error} />}
      <button type="button" className={`button${isBlocked ? '' : ' danger'}`} data-testid="block-person" onClick={() => void change()}>
        {isBlocked ? words.settings.unblockWhom(who) : words.chat.block(who)}
      </button>
      <p className="hint">{isBlocked ? words.chat.blockedBody(who) : words.chat.blockHint(who)}</p>
    </>
  );
}
