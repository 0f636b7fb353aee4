import { Ban, EllipsisVertical, FileCode, FileText, MailOpen, PenLine, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { isAddressBlocked } from '../desk/state';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { Menu } from '../parts/Menu';
import { firstName } from '../words/person';
import { words } from '../words/text';

const look = { size: 16, strokeWidth: 1.75 } as const;

/** The menu of a chat: actions that concern this device only. */
export function ChatMenu({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useServices();
  const id = conversation.conversation;
  const person = conversation.kind === 'oneToOne' && conversation.anonymous !== 'peer' ? conversation.people[0] : undefined;
  const isBlocked = useChorus((state) => person !== undefined && isAddressBlocked(state.blocked, person.address));
  const save = (format: 'html' | 'json') => desk.set({ dialog: { dialog: 'export', conversation: id, format } });
  const rename = () => desk.set({ dialog: { dialog: 'renameGroup', conversation: id } });
  const putBack = () => {
    // First, so that the chat is not opened when the mark arrives.
    desk.set({ selected: null });
    void store.call('markUnread', { conversation: id, unread: true });
  };
  return (
    <Menu
      label={words.chat.more}
      testId="chat-menu"
      items={[
        ...(conversation.kind === 'group' && conversation.joined
          ? [{ label: words.group.rename, testId: 'rename-group', icon: <PenLine {...look} />, onChoose: rename }]
          : []),
        { label: words.chat.markUnread, testId: 'mark-unread', icon: <MailOpen {...look} />, onChoose: putBack },
        { label: words.chat.exportHtml, testId: 'export-html', icon: <FileText {...look} />, onChoose: () => save('html') },
        { label: words.chat.exportJson, testId: 'export-json', icon: <FileCode {...look} />, onChoose: () => save('json') },
        ...(person === undefined
          ? []
          : [
              {
                label: isBlocked ? words.settings.unblockWhom(firstName(person)) : words.chat.block(firstName(person)),
                testId: 'block-in-menu',
                icon: <Ban {...look} />,
                onChoose: () => void store.call(isBlocked ? 'unblock' : 'block', { address: person.address }),
              },
            ]),
        {
          label: words.chat.deleteChat,
          testId: 'delete-chat',
          icon: <Trash2 {...look} />,
          isDangerous: true,
          onChoose: () => desk.set({ dialog: { dialog: 'deleteChat', conversation: id } }),
        },
      ]}
    >
      <EllipsisVertical size={18} strokeWidth={1.75} />
    </Menu>
  );
}

export function DeleteChat({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useServices();
  const { busy, error, run } = useCall();
  // The chat, and this dialog with it, is gone before the answer comes.
  const remove = () =>
    run(async () => {
      const answer = await store.call('deleteConversation', { conversation: conversation.conversation });
      if (answer.ok) {
        desk.forget(conversation.conversation);
        desk.closeDialog();
      }
      return answer;
    });
  return (
    <Dialog
      title={words.chat.deleteTitle}
      testId="delete-chat-dialog"
      onClose={() => desk.closeDialog()}
      foot={<DialogFoot act={words.chat.remove} testId="delete-chat-confirm" disabled={busy} onAct={() => void remove()} isDangerous />}
    >
      <p className="sub">{words.chat.deleteBody}</p>
      {error === null ? null : <ErrorNote error={error} />}
    </Dialog>
  );
}

/** Says that the file is not protected before one is chosen, and afterwards where it is. */
export function ExportChat({ conversation, format }: { conversation: ConversationValue; format: 'html' | 'json' }) {
  const { desk } = useServices();
  const [said, setSaid] = useState<string | null>(null);
  const { busy, error, call } = useCall();
  const save = async () => {
    const saved = await call('exportConversation', { conversation: conversation.conversation, format });
    if (saved !== null && saved.path !== null) setSaid(words.chat.exported(saved.messages, saved.path));
  };
  return (
    <Dialog
      title={format === 'html' ? words.chat.exportHtml : words.chat.exportJson}
      testId="export-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <>
          <button type="button" className="button quiet" onClick={() => desk.closeDialog()}>
            {said === null ? words.cancel : words.close}
          </button>
          {said === null ? (
            <button
              type="button"
              className="button primary"
              data-first-focus
              disabled={busy}
              data-testid="export-choose"
              onClick={() => void save()}
            >
              {words.chat.exportChoose}
            </button>
          ) : null}
        </>
      }
    >
      <p className="sub" role="status" data-testid="export-said">
        {said ?? words.chat.exportBody}
      </p>
      {error === null ? null : <ErrorNote error={error} />}
    </Dialog>
  );
}
