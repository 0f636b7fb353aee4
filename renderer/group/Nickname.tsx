import { useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { words } from '../words/text';

/** As long as the network takes. */
const longestName = 50;

/** What this person is called in a group. Stays open until the network has it. */
export function Nickname({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const own = useChorus((state) => state.participants.get(conversation.conversation)?.find((one) => one.self)?.nickname ?? '');
  const [name, setName] = useState(own);
  const { busy, error, call } = useCall();
  const nickname = name.trim();
  const problem = [...nickname].length > longestName ? words.group.nameTooLong(longestName) : undefined;
  const canSave = nickname !== own && problem === undefined && !busy;
  const save = async () => {
    if (canSave && (await call('setNickname', { conversation: conversation.conversation, nickname })) !== null) desk.closeDialog();
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
