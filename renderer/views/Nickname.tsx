import { useState } from 'react';
import type { ConversationValue, ErrorValue } from '../../preload/contract';
import { useChorus, useGround } from '../desk';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { words } from '../text';

/** As long as the network takes. */
const longestName = 50;

/** What this person is called in a group. Stays open until the network has it. */
export function Nickname({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useGround();
  const own = useChorus((state) => state.participants.get(conversation.conversation)?.find((one) => one.self)?.nickname ?? '');
  const [name, setName] = useState(own);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);
  const nickname = name.trim();
  const problem = [...nickname].length > longestName ? words.group.nameTooLong(longestName) : undefined;
  const canSave = nickname !== own && problem === undefined && !busy;
  const save = async () => {
    if (!canSave) return;
    setBusy(true);
    setError(null);
    const answer = await store.call('setNickname', { conversation: conversation.conversation, nickname });
    setBusy(false);
    if (answer.ok) desk.closeDialog();
    else setError(answer.error);
  };
  return (
    <Dialog
      title={words.group.nickname}
      testId="nickname-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot
          act={nickname === '' && own !== '' ? words.group.nicknameDrop : words.group.nicknameSave}
          testId="nickname-confirm"
          disabled={!canSave}
          onAct={() => void save()}
        />
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field
          label={words.group.nickname}
          value={name}
          onChange={setName}
          testId="nickname"
          hint={words.group.nicknameHint}
          problem={problem}
          disabled={busy}
          firstFocus
        />
      </form>
      {error === null ? null : <ErrorNote error={error} lead={words.group.nicknameFailed} />}
    </Dialog>
  );
}
