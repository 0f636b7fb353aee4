import { MessageSquare, MessagesSquare, UsersRound } from 'lucide-react';
import { useChorus, useServices } from '../desk/desk';
import { OpenWindows } from '../devices/OpenWindows';
import { Notices } from '../notices/Notices';
import { cx } from '../parts/cx';
import { Empty } from '../parts/Empty';
import { firstName } from '../words/person';
import { names, words } from '../words/text';
import { useWhoIsThere } from './who-is-there';

/** The middle of the window while no chat is open. */
export function NoChat() {
  const isAlone = useChorus((state) => state.conversations.size === 0 && state.account?.kind === 'try' && state.tryPeople.length > 0);
  return (
    <main className="pane">
      <Notices where="main" />
      {isAlone ? (
        <FirstChat />
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

/** Nothing was said yet in the network on this computer: whom one can write to, and whose window can be opened. */
function FirstChat() {
  const { store, desk } = useServices();
  const own = useChorus((state) => state.account?.aor);
  const others = useChorus((state) => state.tryPeople).filter(({ address }) => address !== own);
  const there = useWhoIsThere(others);
  const write = async (address: string) => {
    const answer = await store.call('openConversation', { to: address });
    if (answer.ok) desk.openChat(answer.value.conversation);
  };
  const isAlone = there.length === 0;
  return (
    <Empty
      icon={<UsersRound size={22} strokeWidth={1.75} />}
      title={isAlone ? words.empty.alone : words.empty.there(names(there.map(firstName)), there.length)}
      body={isAlone ? words.empty.aloneBody : words.empty.thereBody}
      fills
      isPage
      testId="empty-alone"
    >
      {there.map((person, index) => (
        <button
          key={person.address}
          type="button"
          className={cx('button', index === 0 && 'primary')}
          data-testid="first-chat"
          data-address={person.address}
          onClick={() => void write(person.address)}
        >
          <MessageSquare size={16} strokeWidth={1.75} />
          {words.group.writeTo(firstName(person))}
        </button>
      ))}
      <OpenWindows without={there} isSecond={!isAlone} />
    </Empty>
  );
}
