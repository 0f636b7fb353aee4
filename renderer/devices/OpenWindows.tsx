import { AppWindow } from 'lucide-react';
import { useState } from 'react';
import type { PersonValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { firstName } from '../words/person';
import { words } from '../words/text';

interface OpenWindowsProps {
  /** People whose windows are open. */
  without?: readonly PersonValue[];
  /** Whether something else is the first thing to do here. */
  isSecond?: boolean;
}

/** Buttons that open further devices on this computer: the other people of the embedded network, and a second one of one's own. */
export function OpenWindows({ without = [], isSecond = false }: OpenWindowsProps) {
  const { busy, error, call } = useCall();
  const people = useChorus((state) => state.tryPeople);
  const own = useChorus((state) => state.account?.aor);
  const [opened, setOpened] = useState<PersonValue | null>(null);

  const open = async (person: PersonValue) => {
    if ((await call('openDevice', { person: person.address })) !== null) setOpened(person);
  };

  const others = people.filter(({ address }) => address !== own && !without.some((one) => one.address === address));
  const self = people.find((person) => person.address === own);
  return (
    <>
      {[...others, ...(self === undefined ? [] : [self])].map((person, index) => (
        <button
          key={person.address}
          type="button"
          className={cx('button', index === 0 && !isSecond && 'primary')}
          disabled={busy}
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
