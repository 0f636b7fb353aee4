import { useMemo, useState } from 'react';
import type { PersonValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { PeoplePicker } from '../parts/PeoplePicker';
import { ProgressLine } from '../parts/ProgressLine';
import { Switch } from '../parts/Switch';
import { knownPeople, plainAddress } from '../words/person';
import { words } from '../words/text';
import styles from './NewChat.module.css';

/** A person or an address, and the chat is open: choosing is enough, nothing needs to be confirmed. A group's address is joined in the same way. */
export function NewChat() {
  const { desk } = useServices();
  const own = useChorus((state) => state.account?.aor ?? '');
  const country = useChorus((state) => state.preferences.country);
  const tryPeople = useChorus((state) => state.tryPeople);
  const conversations = useChorus((state) => state.conversations);
  const people = useMemo(() => knownPeople(tryPeople, conversations.values(), new Set([own])), [tryPeople, conversations, own]);
  const [chosen, setChosen] = useState<readonly PersonValue[]>([]);
  const [anonymous, setAnonymous] = useState(false);
  const [group, setGroup] = useState<string | null>(null);
  const { busy, error, call, forget } = useCall();

  const show = (opened: { conversation: string } | null) => {
    if (opened === null) return;
    desk.closeDialog();
    desk.openChat(opened.conversation);
  };
  const open = async (person: PersonValue | undefined) => {
    setGroup(null);
    if (person !== undefined) show(await call('openConversation', { to: person.address, ...(anonymous ? { anonymous } : {}) }));
  };
  const join = async (address: string) => {
    setChosen([]);
    setGroup(address);
    show(await call('joinGroup', { address }));
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
        country={country}
        disabled={busy}
        label={words.newChat.input}
        testId="new-chat-input"
        onSubmit={() => void open(chosen[0])}
        {...(anonymous ? {} : { onJoin: (address: string) => void join(address) })}
      />
      <div role="status" data-testid="new-chat-joining">
        {busy && group !== null ? <ProgressLine>{words.newChat.joining(plainAddress(group))}</ProgressLine> : null}
      </div>
      {anonymous ? null : <p className={cx('hint', styles.aside)}>{words.newChat.groupHint}</p>}
      {anonymous ? null : (
        <button
          type="button"
          className="button quiet"
          disabled={busy}
          data-testid="new-chat-separately"
          onClick={() => desk.set({ dialog: { dialog: 'sendSeparately' } })}
        >
          {words.sendSeparately.open}
        </button>
      )}
      <Switch
        name={words.anonymous.write}
        hint={anonymous ? words.anonymous.learns : words.anonymous.writeHint}
        isOn={anonymous}
        disabled={busy}
        testId="new-chat-anonymous"
        onChange={(next) => {
          setAnonymous(next);
          forget();
        }}
      />
      {error === null ? null : group === null ? (
        <ErrorNote error={error} lead={words.newChat.failed} />
      ) : (
        <ErrorNote error={error} who={plainAddress(group)} lead={words.newChat.notJoined} />
      )}
    </Dialog>
  );
}
