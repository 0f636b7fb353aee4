import { useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import section from '../parts/Section.module.css';
import { words } from '../words/text';

/** The name that the others see in this chat, where it is another than the usual one. */
export function Pseudonym({ conversation }: { conversation: ConversationValue }) {
  const usual = useChorus((state) => state.account?.displayName ?? '');
  const current = conversation.pseudonym ?? '';
  const [typed, setTyped] = useState(current);
  const { busy, error, call } = useCall();
  const name = typed.trim();
  const use = async (chosen: string | null) => {
    if ((await call('setPseudonym', { conversation: conversation.conversation, name: chosen })) !== null) setTyped(chosen ?? '');
  };
  return (
    <section className={section.section}>
      <Field
        label={words.pseudonym.label}
        value={typed}
        onChange={setTyped}
        placeholder={usual}
        hint={words.pseudonym.hint(usual)}
        disabled={busy}
        testId="pseudonym"
      />
      <button
        type="button"
        className="button quiet"
        disabled={busy || name === '' || name === current}
        data-testid="pseudonym-use"
        onClick={() => void use(name)}
      >
        {words.pseudonym.save}
      </button>
      {current === '' ? null : (
        <button type="button" className="button quiet" disabled={busy} data-testid="pseudonym-end" onClick={() => void use(null)}>
          {words.pseudonym.usual(usual)}
        </button>
      )}
      {error === null ? null : <ErrorNote error={error} />}
    </section>
  );
}
