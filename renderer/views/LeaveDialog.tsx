import { useState } from 'react';
import type { ConversationValue, ErrorValue } from '../../preload/contract';
import { useGround } from '../desk';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../text';

export function LeaveDialog({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useGround();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);
  const leave = async () => {
    setBusy(true);
    const answer = await store.call('leave', { conversation: conversation.conversation });
    setBusy(false);
    if (answer.ok) desk.closeDialog();
    else setError(answer.error);
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
