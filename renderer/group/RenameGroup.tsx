import { useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { words } from '../words/text';

/** As long as the network takes. */
const longestName = 200;

/** Another name for the group, for everybody in it. Stays open until the network has it. */
export function RenameGroup({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const [name, setName] = useState(conversation.subject ?? '');
  const { busy, error, call } = useCall();
  const subject = name.trim();
  const problem = subject.length > longestName ? words.group.nameTooLong(longestName) : undefined;
  const canSave = subject !== '' && subject !== conversation.subject && problem === undefined && !busy;
  const save = async () => {
    if (canSave && (await call('renameGroup', { conversation: conversation.conversation, subject })) !== null) desk.closeDialog();
  };
  return (
    <Dialog
      title={words.group.rename}
      testId="rename-group-dialog"
      onClose={() => desk.closeDialog()}
      foot={<DialogFoot act={words.group.renameDo} testId="rename-group-confirm" disabled={!canSave} onAct={() => void save()} />}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field
          label={words.group.name}
          value={name}
          onChange={setName}
          testId="rename-group-name"
          hint={words.group.nameHint}
          problem={problem}
          disabled={busy}
          firstFocus
        />
      </form>
      {error === null ? null : <ErrorNote error={error} lead={words.group.renameFailed} />}
    </Dialog>
  );
}
