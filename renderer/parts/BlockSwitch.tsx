import type { PersonValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { isAddressBlocked } from '../desk/state';
import { useCall } from '../desk/use-call';
import { firstName } from '../words/person';
import { words } from '../words/text';
import { cx } from './cx';
import { ErrorNote } from './ErrorNote';

/** Blocks a person, or takes it back; says what it does. */
export function BlockSwitch({ person }: { person: PersonValue }) {
  const isBlocked = useChorus((state) => isAddressBlocked(state.blocked, person.address));
  const { error, call } = useCall();
  const change = () => call(isBlocked ? 'unblock' : 'block', { address: person.address });
  const who = firstName(person);
  return (
    <>
      {error === null ? null : <ErrorNote error={error} />}
      <button type="button" className={cx('button', !isBlocked && 'danger')} data-testid="block-person" onClick={() => void change()}>
        {isBlocked ? words.settings.unblockWhom(who) : words.chat.block(who)}
      </button>
      <p className="hint">{isBlocked ? words.chat.blockedBody(who) : words.chat.blockHint(who)}</p>
    </>
  );
}
