import { CircleAlert, CloudOff, Power } from 'lucide-react';
import { useEffect } from 'react';
import { Chat } from '../chat/Chat';
import { DeleteChat, ExportChat } from '../chat/ChatMenu';
import { Details } from '../chat/Details';
import { MessageInfo } from '../chat/MessageInfo';
import { SkeletonBubbles } from '../chat/SkeletonBubbles';
import { LeftPane } from '../chats/LeftPane';
import leftPane from '../chats/LeftPane.module.css';
import { NewChat } from '../chats/NewChat';
import { NoChat } from '../chats/NoChat';
import { SendSeparately } from '../chats/SendSeparately';
import { SkeletonRows } from '../chats/SkeletonRows';
import { type Desk, useChorus, useDesk, useServices } from '../desk/desk';
import { shortcutKey } from '../desk/shortcut-key';
import { orderedConversations } from '../desk/state';
import type { Store } from '../desk/store';
import { Devices } from '../devices/Devices';
import { PairDialog } from '../devices/PairDialog';
import { SignOutDialog } from '../devices/SignOutDialog';
import { AddPeople } from '../group/AddPeople';
import { LeaveDialog } from '../group/LeaveDialog';
import { Nickname } from '../group/Nickname';
import { RemovePerson } from '../group/RemovePerson';
import { RenameGroup } from '../group/RenameGroup';
import { cx } from '../parts/cx';
import { LiveRegion } from '../parts/LiveRegion';
import { Settings } from '../settings/Settings';
import { Shortcuts } from '../settings/Shortcuts';
import { CopiedProfile } from '../start/CopiedProfile';
import { DamagedHistory } from '../start/DamagedHistory';
import { FirstRun } from '../start/FirstRun';
import { SignInAgain } from '../start/SignInAgain';
import { words } from '../words/text';
import styles from './App.module.css';
import { StandaloneScreen } from './StandaloneScreen';

export function App() {
  const phase = useChorus((state) => state.phase);
  const failure = useChorus((state) => state.failure);
  const fatal = useChorus((state) => state.fatal);
  const clone = useChorus((state) => state.clone);
  const rescue = useChorus((state) => state.rescue);
  const isSignedIn = useChorus((state) => state.account !== null);
  const { store } = useServices();
  useTitle();

  if (phase === 'closed') {
    return (
      <StandaloneScreen
        icon={<Power size={22} strokeWidth={1.75} />}
        title={words.fatal.closed}
        body={words.fatal.closedBody}
        testId="closed"
      />
    );
  }
  if (fatal !== null) {
    return (
      <StandaloneScreen icon={<CircleAlert size={22} strokeWidth={1.75} />} error={fatal} testId="fatal">
        <button type="button" className="button primary" data-testid="fatal-quit" onClick={() => void store.call('quit', {})}>
          {words.fatal.quit}
        </button>
      </StandaloneScreen>
    );
  }
  if (phase === 'failed' && failure !== null) {
    return (
      <StandaloneScreen
        icon={<CloudOff size={22} strokeWidth={1.75} />}
        error={failure}
        lead={words.fatal.startFailed}
        testId="start-failed"
      >
        <button type="button" className="button primary" onClick={() => void store.start()}>
          {words.connection.tryAgain}
        </button>
      </StandaloneScreen>
    );
  }
  if (phase === 'loading') return <Loading />;
  if (clone !== null) return <CopiedProfile clone={clone} />;
  if (rescue !== null) return <DamagedHistory rescue={rescue} />;
  return isSignedIn ? <SignedIn /> : <FirstRun />;
}

/** The title tells windows apart: whose device it is, and how much waits there. */
function useTitle(): void {
  const name = useChorus((state) => state.account?.displayName ?? '');
  const device = useChorus((state) => state.account?.deviceName ?? '');
  const unread = useChorus((state) => [...state.conversations.values()].reduce((sum, conversation) => sum + conversation.unread, 0));
  useEffect(() => {
    document.title = words.windowTitle(name, device, unread);
  }, [name, device, unread]);
}

function Loading() {
  return (
    <div className={styles.app} data-shows="list" aria-busy="true">
      <div className={cx('pane', leftPane.left)} data-pane="list">
        <div className="bar" />
        <SkeletonRows />
      </div>
      <main className="pane">
        <SkeletonBubbles />
      </main>
    </div>
  );
}

function SignedIn() {
  const place = useDesk((state) => state.place);
  const selected = useDesk((state) => state.selected);
  const details = useDesk((state) => state.details);
  const conversation = useChorus((state) => (selected === null ? undefined : state.conversations.get(selected)));
  const { store, desk } = useServices();
  const chat = place === 'chats' ? conversation : undefined;
  const open = useDesk((state) => state.info);
  const info = open !== null && open.conversation === chat?.conversation ? open.message : null;
  const hasDetails = details && chat !== undefined;

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => onShortcut(event, store, desk);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, [store, desk]);

  return (
    <div
      className={cx(styles.app, (hasDetails || info !== null) && styles.withDetails)}
      data-shows={place === 'chats' && chat === undefined ? 'list' : 'main'}
    >
      <LeftPane />
      {place === 'devices' ? (
        <Devices />
      ) : place === 'settings' ? (
        <Settings />
      ) : chat === undefined ? (
        <NoChat />
      ) : (
        <Chat conversation={chat} />
      )}
      {chat !== undefined && info !== null ? (
        <MessageInfo conversation={chat} message={info} />
      ) : hasDetails ? (
        <Details conversation={chat} />
      ) : null}
      <OpenDialog />
      <LiveRegion />
    </div>
  );
}

function OpenDialog() {
  const open = useDesk((state) => state.dialog);
  const conversation = useChorus((state) =>
    open !== null && 'conversation' in open ? state.conversations.get(open.conversation) : undefined,
  );
  switch (open?.dialog) {
    case 'newChat':
      return <NewChat />;
    case 'sendSeparately':
      return <SendSeparately />;
    case 'addPeople':
      return conversation === undefined ? null : <AddPeople conversation={conversation} />;
    case 'leave':
      return conversation === undefined ? null : <LeaveDialog conversation={conversation} />;
    case 'removePerson':
      return conversation === undefined ? null : <RemovePerson conversation={conversation} address={open.address} />;
    case 'renameGroup':
      return conversation === undefined ? null : <RenameGroup conversation={conversation} />;
    case 'nickname':
      return conversation === undefined ? null : <Nickname conversation={conversation} />;
    case 'deleteChat':
      return conversation === undefined ? null : <DeleteChat conversation={conversation} />;
    case 'export':
      return conversation === undefined ? null : <ExportChat conversation={conversation} format={open.format} />;
    case 'signInAgain':
      return <SignInAgain />;
    case 'signOut':
      return <SignOutDialog instanceId={open.instanceId} />;
    case 'pair':
      return <PairDialog />;
    case 'shortcuts':
      return <Shortcuts />;
    case undefined:
      return null;
  }
}

function onShortcut(event: KeyboardEvent, store: Store, desk: Desk): void {
  const { dialog, place, selected, details, info } = desk.cell.get();
  if (event.isComposing || event.defaultPrevented || dialog !== null) return;
  const control = (event.ctrlKey || event.metaKey) && !event.altKey;
  const key = shortcutKey(event);
  const done = (): void => event.preventDefault();

  if (control && !event.shiftKey && key === 'k') {
    done();
    if (matchMedia('(max-width: 719px)').matches) desk.set({ place: 'chats', selected: null });
    requestAnimationFrame(() => document.getElementById('search')?.focus());
  } else if (control && !event.shiftKey && key === 'n') {
    done();
    desk.set({ dialog: { dialog: 'newChat' } });
  } else if (control && event.shiftKey && key === 'a') {
    const conversation = selected === null ? undefined : store.cell.get().conversations.get(selected);
    if (place !== 'chats' || conversation === undefined || (conversation.kind === 'group' && !conversation.joined)) return;
    if (conversation.anonymous !== null) return;
    done();
    desk.set({ dialog: { dialog: 'addPeople', conversation: conversation.conversation } });
  } else if (event.altKey && !control && (key === 'arrowup' || key === 'arrowdown')) {
    const list = orderedConversations(store.cell.get());
    const at = list.findIndex((conversation) => conversation.conversation === selected);
    const next = list[at < 0 ? 0 : at + (key === 'arrowdown' ? 1 : -1)];
    if (next === undefined) return;
    done();
    desk.openChat(next.conversation);
  } else if (key === 'escape' && info !== null) {
    done();
    desk.set({ info: null });
  } else if (key === 'escape' && details) {
    done();
    desk.set({ details: false });
    document.getElementById('details-toggle')?.focus();
  } else if (key === '?' && !control && !isTyping(event.target)) {
    done();
    desk.set({ dialog: { dialog: 'shortcuts' } });
  }
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement ||
  target instanceof HTMLTextAreaElement ||
  (target instanceof HTMLElement && target.isContentEditable);
