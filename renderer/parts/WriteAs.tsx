import { useId } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { firstName, plainAddress } from '../words/person';
import { words } from '../words/text';
import { ErrorNote } from './ErrorNote';
import section from './Section.module.css';
import { SelectRow } from './SelectRow';

/** Which of one's own addresses others see: everywhere, or in one chat. Nothing where there is but one. */
export function WriteAs({ conversation }: { conversation?: ConversationValue }) {
  const account = useChorus((state) => state.account);
  const { error, call } = useCall();
  const id = useId();
  if (account === null || account.addresses.length < 2) return null;
  const usual = account.writesAs ?? account.aor;
  const chosen = conversation === undefined ? account.writesAs : conversation.writesAs;
  const choose = (address: string) =>
    call('writeAs', {
      address: address === (conversation === undefined ? account.aor : usual) ? null : address,
      ...(conversation === undefined ? {} : { conversation: conversation.conversation }),
    });
  const failed = error === null ? null : <ErrorNote error={error} />;
  if (conversation !== undefined) {
    return (
      <section className={section.section}>
        <header>
          <label htmlFor={id}>{words.chat.writeAs}</label>
        </header>
        {failed}
        <div className="field">
          <select id={id} value={chosen ?? usual} data-testid="write-as" onChange={(event) => void choose(event.target.value)}>
            {account.addresses.map((address) => (
              <option key={address} value={address}>
                {address === usual ? words.chat.writeAsUsual(plainAddress(address)) : plainAddress(address)}
              </option>
            ))}
          </select>
        </div>
        <p className="hint">{words.chat.writeAsHint(conversation.people[0] === undefined ? '' : firstName(conversation.people[0]))}</p>
      </section>
    );
  }
  return (
    <>
      {failed}
      <SelectRow
        name={words.settings.writeAs}
        hint={words.settings.writeAsHint}
        value={chosen ?? usual}
        options={account.addresses.map((address) => [address, plainAddress(address)])}
        testId="write-as"
        onSelect={(address) => void choose(address)}
      />
    </>
  );
}
