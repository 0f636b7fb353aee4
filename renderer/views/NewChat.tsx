import { useMemo, useState } from 'react';
import type { ErrorValue, PersonValue } from '../../preload/contract';
import { useChorus, useGround } from '../desk';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { PeoplePicker } from '../parts/PeoplePicker';
import { Switch } from '../parts/Switch';
import { knownPeople } from '../person';
import { words } from '../text';

/** A person or an address, and the chat is open: choosing is enough, nothing needs to be confirmed. */
export function NewChat() {
  const { store, desk } = useGround();
  const own = useChorus((state) => state.account?.aor ?? '');
  const tryPeople = useChorus((state) => state.tryPeople);
  const conversations = useChorus((state) => state.conversations);
  const people = useMemo(() => knownPeople(tryPeople, conversations.values(), new Set([own])), [tryPeople, conversations, own]);
  const [chosen, setChosen] = useState<readonly PersonValue[]>([]);
  const [anonymous, setAnonymous] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);

  const open = async (person: PersonValue | undefined) => {
    if (person === undefined) return;
    setBusy(true);
    setError(null);
    const answer = await store.call('openConversation', { to: person.address, ...(anonymous ? { anonymous } : {}) });
    setBusy(false);
    if (!answer.ok) {
      setError(answer.error);
      return;
    }
    desk.closeDialog();
    desk.openChat(answer.value.conversation);
  };
  return (
    <Dialog
      title={words.newChat.title}
      testId="new-chat-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot
          act={words.newChat.open}
          testId="new-chat-submit"
          disabled={chosen.length === 0 || busy}
          onAct={() => void open(chosen[0])}
        />
      }
    >
      <PeoplePicker
        people={people}
        chosen={chosen}
        single
        onChange={(next) => {
          setChosen(next);
          void open(next[0]);
        }}
        ownAor={own}
        disabled={busy}
        label={words.newChat.input}
        testId="new-chat-input"
        onSubmit={() => void open(chosen[0])}
      />
      <Switch
        name={words.anonymous.write}
        hint={anonymous ? words.anonymous.learns : words.anonymous.writeHint}
        isOn={anonymous}
        disabled={busy}
        testId="new-chat-anonymous"
        onChange={(next) => {
          setAnonymous(next);
          setError(null);
        }}
      />
      {error === null ? null : <ErrorNote error={error} lead={words.newChat.failed} />}
    </Dialog>
  );
}
