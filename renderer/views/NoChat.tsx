import { MessagesSquare, UsersRound } from 'lucide-react';
import { useChorus } from '../desk';
import { Empty } from '../parts/Empty';
import { words } from '../text';
import { Notices } from './Notices';
import { OpenWindows } from './OpenWindows';

/** The middle of the window while no chat is open. */
export function NoChat() {
  const isAlone = useChorus((state) => state.conversations.size === 0 && state.account?.kind === 'try' && state.tryPeople.length > 0);
  return (
    <main className="pane chat">
      <Notices where="main" />
      {isAlone ? (
        <Empty
          icon={<UsersRound size={22} strokeWidth={1.75} />}
          title={words.empty.alone}
          body={words.empty.aloneBody}
          fills
          isPage
          testId="empty-alone"
        >
          <OpenWindows />
        </Empty>
      ) : (
        <Empty
          icon={<MessagesSquare size={22} strokeWidth={1.75} />}
          title={words.chat.choose}
          body={words.chat.chooseBody}
          fills
          isPage
          testId="no-chat"
        />
      )}
    </main>
  );
}
