import { MessagesSquare, MonitorSmartphone, Search, Settings, SquarePen, X } from 'lucide-react';
import type { KeyboardEvent } from 'react';
import { type Place, useChorus, useDesk, useServices } from '../desk/desk';
import { orderedConversations } from '../desk/state';
import { Notices } from '../notices/Notices';
import { Avatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { DeviceDot } from '../parts/DeviceDot';
import { Empty } from '../parts/Empty';
import { RowList } from '../parts/RowList';
import { plainAddress } from '../words/person';
import { words } from '../words/text';
import { ConversationList } from './ConversationList';
import styles from './LeftPane.module.css';
import { SearchResults } from './SearchResults';

export function LeftPane() {
  return (
    <div className={cx('pane', styles.left)} data-pane="list">
      <Me />
      <Find />
      <Notices where="list" />
      <Middle />
      <Places />
    </div>
  );
}

function Me() {
  const { desk } = useServices();
  const account = useChorus((state) => state.account);
  const registration = useChorus((state) => state.registration.state);
  if (account === null) return null;
  const name = account.displayName === '' ? plainAddress(account.aor) : account.displayName;
  return (
    <header className={cx('bar', styles.me)} data-testid="me">
      <Avatar person={{ address: account.aor, name }} size={36} />
      <div className="grow">
        <div className={cx('cut', styles.name)}>{name}</div>
        <div className={styles.device} data-testid="device-state" data-state={registration} role="status">
          <DeviceDot state={registration} />
          <span className="cut" data-testid="device-name">
            {words.device.called(account.deviceName, words.device.suffix[registration])}
          </span>
        </div>
      </div>
      <button
        type="button"
        className="icon-button"
        aria-label={words.me.newChat}
        title={`${words.me.newChat} (Ctrl+N)`}
        data-testid="new-chat"
        onClick={() => desk.set({ dialog: { dialog: 'newChat' } })}
      >
        <SquarePen size={18} strokeWidth={1.75} />
      </button>
    </header>
  );
}

function Find() {
  const { desk } = useServices();
  const filter = useDesk((state) => state.filter);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && filter !== '') {
      event.preventDefault();
      desk.set({ filter: '', opensFirst: false });
    } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      if (event.key === 'Enter' && filter.trim() !== '') desk.set({ opensFirst: true });
      else document.querySelector<HTMLButtonElement>('[data-left-row]')?.focus();
    }
  };
  return (
    <search className={styles.find}>
      <div className="field">
        <Search size={16} strokeWidth={1.75} aria-hidden="true" />
        <input
          id="search"
          type="text"
          value={filter}
          placeholder={words.me.search}
          aria-label={words.me.search}
          spellCheck={false}
          data-testid="search"
          onChange={(event) => desk.set({ filter: event.target.value, opensFirst: false })}
          onKeyDown={onKeyDown}
        />
        {filter === '' ? (
          <span className="key" aria-hidden="true">
            Ctrl K
          </span>
        ) : (
          <button
            type="button"
            className="icon-button"
            aria-label={words.me.clearSearch}
            title={words.me.clearSearch}
            onClick={() => desk.set({ filter: '', opensFirst: false })}
          >
            <X size={14} strokeWidth={1.75} />
          </button>
        )}
      </div>
    </search>
  );
}

/** The chats; while there is text in the search field, its results. */
function Middle() {
  const filter = useDesk((state) => state.filter).trim();
  const isEmpty = useChorus((state) => state.conversations.size === 0);
  return filter === '' || isEmpty ? <Conversations /> : <SearchResults filter={filter} />;
}

function Conversations() {
  const { desk } = useServices();
  const all = useChorus(orderedConversations);
  const selected = useDesk((state) => (state.place === 'chats' ? state.selected : null));

  if (all.length === 0) {
    return (
      <nav className="scroll" aria-label={words.me.conversations}>
        <Empty
          icon={<MessagesSquare size={22} strokeWidth={1.75} />}
          title={words.me.noChats}
          body={words.me.noChatsBody}
          testId="no-chats"
        >
          <button type="button" className="button primary" onClick={() => desk.set({ dialog: { dialog: 'newChat' } })}>
            {words.me.newChat}
          </button>
        </Empty>
      </nav>
    );
  }

  const stop = all.some((conversation) => conversation.conversation === selected) ? selected : (all[0]?.conversation ?? null);
  return (
    <RowList label={words.me.conversations}>
      <ConversationList all={all} selected={selected} stop={stop} />
    </RowList>
  );
}

const places = [
  { place: 'chats', Icon: MessagesSquare },
  { place: 'devices', Icon: MonitorSmartphone },
  { place: 'settings', Icon: Settings },
] as const satisfies readonly { place: Place; Icon: unknown }[];

function Places() {
  const { desk } = useServices();
  const current = useDesk((state) => state.place);
  return (
    <nav className={styles.places} aria-label={words.main}>
      {places.map(({ place, Icon }) => (
        <button
          key={place}
          type="button"
          className={place === current ? styles.on : undefined}
          aria-current={place === current ? 'page' : undefined}
          data-testid={`place-${place}`}
          onClick={() => desk.set({ place })}
        >
          <Icon size={20} strokeWidth={1.75} />
          {words.places[place]}
        </button>
      ))}
    </nav>
  );
}
