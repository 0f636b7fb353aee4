import type { ConversationValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { firstName } from '../words/person';
import { words } from '../words/text';

/** Asks before somebody is put out of a group, and says what that means for both sides. */
export function RemovePerson({ conversation, address }: { conversation: ConversationValue; address: string }) {
  const { desk } = useServices();
  const known = useChorus((state) => state.participants.get(conversation.conversation)?.find((one) => one.address === address));
  const who = firstName(known ?? { address, name: '' });
  const { busy, error, call } = useCall();
  const remove = async () => {
    if ((await call('removePerson', { conversation: conversation.conversation, address })) !== null) desk.closeDialog();
  };
  return (
    <Dialog
      title={words.group.removeTitle(who)}
      testId="remove-person-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot act={words.group.removePerson} testId="remove-person-confirm" disabled={busy} onAct={() => void remove()} isDangerous />
      }
    >
      <p className="sub">{words.group.removeBody(who)}</p>
      {error === null ? null : <ErrorNote error={error} lead={words.group.removeFailed(who)} />}
    </Dialog>
  );
}
