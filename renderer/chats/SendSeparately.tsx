import { useMemo, useState } from 'react';
import type { PersonValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { PeoplePicker } from '../parts/PeoplePicker';
import { knownPeople } from '../words/person';
import { words } from '../words/text';

/** One text to several people, each of whom gets it in the chat with this person alone. A failure keeps what was written. */
export function SendSeparately() {
  const { desk } = useServices();
  const own = useChorus((state) => state.account?.aor ?? '');
  const country = useChorus((state) => state.preferences.country);
  const tryPeople = useChorus((state) => state.tryPeople);
  const conversations = useChorus((state) => state.conversations);
  const people = useMemo(() => knownPeople(tryPeople, conversations.values(), new Set([own])), [tryPeople, conversations, own]);
  const [chosen, setChosen] = useState<readonly PersonValue[]>([]);
  const [text, setText] = useState('');
  const { busy, error, call, forget } = useCall();

  const isReady = chosen.length > 0 && text.trim() !== '' && !busy;
  const submit = async () => {
    if (!isReady) return;
    const sent = await call('sendSeparately', { people: chosen.map(({ address }) => address), text });
    const [first] = sent?.copies ?? [];
    if (first === undefined) return;
    desk.closeDialog();
    desk.openChat(first.conversation);
  };
  return (
    <Dialog
      title={words.sendSeparately.title}
      testId="send-separately-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot
          act={words.sendSeparately.send(chosen.length)}
          testId="send-separately-submit"
          disabled={!isReady}
          onAct={() => void submit()}
        />
      }
    >
      <PeoplePicker
        people={people}
        chosen={chosen}
        onChange={(next) => {
          setChosen(next);
          forget();
        }}
        ownAor={own}
        country={country}
        disabled={busy}
        label={words.addPeople.input}
        testId="send-separately-input"
      />
      <Field
        label={words.sendSeparately.text}
        value={text}
        onChange={setText}
        lines={4}
        disabled={busy}
        hint={words.sendSeparately.hint}
        testId="send-separately-text"
      />
      {error === null ? null : <ErrorNote error={error} lead={words.sendSeparately.failed} />}
    </Dialog>
  );
}
