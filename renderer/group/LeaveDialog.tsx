import type { ConversationValue } from '../../preload/contract';
import { useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../words/text';

export function LeaveDialog({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const { busy, error, call } = useCall();
  const leave = async () => {
    if ((await call('leave', { conversation: conversation.conversation })) !== null) desk.closeDialog();
  };
  return (
    <Dialog
      title={words.group.leaveTitle}
      testId="leave-dialog"
      onClose={() => desk.closeDialog()}
      foot={<DialogFoot act={words.group.leave} testId="leave-confirm" disabled={busy} onAct={() => void leave()} isDangerous />}
    >
      <p className="sub">{words.group.leaveBody}</p>
      {error === null ? null : <ErrorNote error={error} />}
    </Dialog>
  );
}
