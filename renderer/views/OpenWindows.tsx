import { AppWindow } from 'lucide-react';
import { useState } from 'react';
import type { ErrorValue, PersonValue } from '../../preload/contract';
import { useChorus, useGround } from '../desk';
import { ErrorNote } from '../parts/ErrorNote';
import { firstName } from '../person';
import { words } from '../text';

interface OpenWindowsProps {
  /** People whose windows are open. */
  without?: readonly PersonValue[];
  /** Whether something else is the first thing to do here. */
  isSecond?: boolean;
}

/** Buttons that open further devices on this computer: the other people of the embedded network, and a second one of one's own. */
export function OpenWindows({ without = [], isSecond = false }: OpenWindowsProps) {
  const { store } = useGround();
  const people = useChorus((state) => state.tryPeople);
  const own = useChorus((state) => state.account?.aor);
  const [opening, setOpening] = useState<string | null>(null);
  const [opened, setOpened] = useState<PersonValue | null>(null);
  const [error, setError] = useState<ErrorValue | null>(null);

  const open = async (person: PersonValue) => {
    setOpening(person.address);
    setError(null);
    const answer = await store.call('openDevice', { person: person.address });
    setOpening(null);
    if (answer.ok) setOpened(person);
    else setError(answer.error);
  };

  const others = people.filter(({ address }) => address !== own && !without.some((one) => one.address === address));
  const self = people.find((person) => person.address === own);
  return (
    <>
      {[...others, ...(self === undefined ? [] : [self])].map((person, index) => (
        <button
          key={person.address}
          type="button"
          className={`button${index === 0 && !isSecond ? ' primary' : ''}`}
          disabled={opening !== null}
          data-testid="open-device"
          data-address={person.address}
          onClick={() => void open(person)}
        >
          <AppWindow size={16} strokeWidth={1.75} />
          {person === self ? words.empty.openOwn : words.empty.openWindow(firstName(person))}
        </button>
      ))}
      <div role="status" className="sub" style={{ flexBasis: '100%', minHeight: 20, fontSize: 13 }} data-testid="open-device-done">
        {opened === null || error !== null ? '' : words.empty.opening(firstName(opened))}
      </div>
      {error === null ? null : <ErrorNote error={error} lead={words.empty.openFailed} />}
    </>
  );
}
