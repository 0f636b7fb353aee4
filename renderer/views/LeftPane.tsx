import { MessagesSquare, MonitorSmartphone, Search, Settings, SquarePen, X } from 'lucide-react';
import { type KeyboardEvent, useRef } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { type Place, useChorus, useDesk, useGround } from '../desk';
import { Avatar } from '../parts/Avatar';
import { DeviceDot } from '../parts/DeviceDot';
import { Empty } from '../parts/Empty';
import { conversationTitle, matches, plainAddress } from '../person';
import { orderedConversations } from '../state';
import { words } from '../text';
import { ConversationRow } from './ConversationRow';
import { Notices } from './Notices';

export function LeftPane() {
  return (
    <div className="pane left">
      <Me />
      <Find />
      <Notices where="list" />
      <Conversations />
      <Places />
    </div>
  );
}

function Me() {
  const { desk } = useGround();
  const account = useChorus((state) => state.account);
  const registration = useChorus((state) => state.registration.state);
  if (account === null) return null;
  const name = account.displayName === '' ? plainAddress(account.aor) : account.displayName;
  return (
    <header className="bar me" data-testid="me">
      <Avatar person={{ address: account.aor, name }} size={36} />
      <div className="grow">
        <div className="name cut">{name}</div>
        <div className="device" data-testid="device-state" data-state={registration} role="status">
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
  const { desk } = useGround();
  const filter = useDesk((state) => state.filter);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && filter !== '') {
      event.preventDefault();
      desk.set({ filter: '' });
    } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      const first = document.querySelector<HTMLButtonElement>('[data-testid="conversation"]');
      if (event.key === 'Enter' && filter !== '') first?.click();
      else first?.focus();
    }
  };
  return (
    <search className="find">
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
          onChange={(event) => desk.set({ filter: event.target.value })}
          onKeyDown={onKeyDown}
        />
        {filter === '' ? (
          <span className="key" aria-hidden="true">
            Ctrl K
          </span>
        ) : (
          <button type="button" className="icon-button" aria-label={words.me.clearSearch} onClick={() => desk.set({ filter: '' })}>
            <X size={14} strokeWidth={1.75} />
          </button>
        )}
      </div>
    </search>
  );
}

function Conversations() {
  const { desk } = useGround();
  const all = useChorus(orderedConversations);
  const filter = useDesk((state) => state.filter).trim();
  const selected = useDesk((state) => (state.place === 'chats' ? state.selected : null));
  const ref = useRef<HTMLUListElement>(null);
  const shown = filter === '' ? all : all.filter((conversation) => isFound(conversation, filter));

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
  if (shown.length === 0) {
    return (
      <nav className="scroll" aria-label={words.me.conversations}>
        <Empty
          icon={<Search size={22} strokeWidth={1.75} />}
          title={words.me.nothingFound(filter)}
          body={words.me.nothingFoundBody}
          testId="nothing-found"
        />
      </nav>
    );
  }

  // One stop for Tab; the arrows go from row to row.
  const stop = shown.some((conversation) => conversation.conversation === selected) ? selected : shown[0]?.conversation;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...(ref.current?.querySelectorAll<HTMLElement>('[data-testid="conversation"]') ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (next < 0) document.getElementById('search')?.focus();
    else rows[next]?.focus();
  };
  return (
    <nav className="scroll" aria-label={words.me.conversations}>
      <ul ref={ref} className="list" data-testid="conversation-list" onKeyDown={onKeyDown}>
        {shown.map((conversation) => (
          <li key={conversation.conversation}>
            <ConversationRow
              conversation={conversation}
              isSelected={conversation.conversation === selected}
              isStop={conversation.conversation === stop}
            />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function isFound(conversation: ConversationValue, filter: string): boolean {
  const people = conversation.people.flatMap((person) => [person.name, plainAddress(person.address)]);
  return matches(filter, conversationTitle(conversation), conversation.last?.text ?? '', ...people);
}

const places = [
  { place: 'chats', Icon: MessagesSquare },
  { place: 'devices', Icon: MonitorSmartphone },
  { place: 'settings', Icon: Settings },
] as const satisfies readonly { place: Place; Icon: unknown }[];

function Places() {
  const { desk } = useGround();
  const current = useDesk((state) => state.place);
  return (
    <nav className="places" aria-label={words.main}>
      {places.map(({ place, Icon }) => (
        <button
          key={place}
          type="button"
          className={place === current ? 'on' : ''}
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
