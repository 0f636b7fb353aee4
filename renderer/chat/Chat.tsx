import { PanelRight, UserRoundPlus } from 'lucide-react';
import { useEffect } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useTypingWords } from '../chats/ConversationRow';
import { focusComposer, useChorus, useDesk, useServices } from '../desk/desk';
import { isAddressBlocked } from '../desk/state';
import { useCall } from '../desk/use-call';
import { Notices } from '../notices/Notices';
import { AnonymousMark } from '../parts/AnonymousMark';
import { ConversationAvatar } from '../parts/Avatar';
import { BackButton } from '../parts/BackButton';
import { BlockSwitch } from '../parts/BlockSwitch';
import { cx } from '../parts/cx';
import { Empty } from '../parts/Empty';
import { ErrorNote } from '../parts/ErrorNote';
import { explain } from '../words/errors';
import { conversationTitle, deviceOf, firstName, fullName, plainAddress } from '../words/person';
import { words } from '../words/text';
import styles from './Chat.module.css';
import { ChatMenu } from './ChatMenu';
import { Composer } from './Composer';
import { Padlock } from './Padlock';
import { SkeletonBubbles } from './SkeletonBubbles';
import { Stream } from './Stream';
import stream from './Stream.module.css';

export function Chat({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useServices();
  const id = conversation.conversation;
  const isGroup = conversation.kind === 'group';
  useEffect(() => {
    // When a chat is opened at a message, its page has already been requested.
    if (desk.cell.get().aim?.conversation !== id) void store.openThread(id);
    if (isGroup) void store.readParticipants(id);
  }, [store, desk, id, isGroup]);
  const wasRemoved = useChorus(({ participants }) => participants.get(id)?.some((one) => one.self && one.reason === 'booted') ?? false);
  const isMarked = conversation.markedUnread;
  useEffect(() => {
    if (isMarked) void store.call('markUnread', { conversation: id, unread: false });
  }, [store, id, isMarked]);

  const [person] = conversation.people;
  const isBlocked = useChorus((state) => person !== undefined && isAddressBlocked(state.blocked, person.address));
  const blocked = isBlocked && !isGroup ? person : undefined;

  return (
    <main
      className={cx('pane', styles.chat)}
      data-testid="chat"
      data-conversation={id}
      data-kind={conversation.kind}
      data-session={conversation.session}
    >
      <Header conversation={conversation} />
      <Notices where="main" />
      <Messages key={id} conversation={conversation} />
      {isGroup && !conversation.joined ? (
        <NotIn key={`out ${id}`} conversation={conversation} wasRemoved={wasRemoved} />
      ) : blocked !== undefined ? (
        <div className={styles.blockedNote} data-testid="blocked-note">
          <BlockSwitch person={blocked} />
        </div>
      ) : (
        <Composer key={`composer ${id}`} conversation={conversation} />
      )}
    </main>
  );
}

/** Why there is nothing to write in, and the way back where there is one. */
function NotIn({ conversation, wasRemoved }: { conversation: ConversationValue; wasRemoved: boolean }) {
  const { busy, error, call } = useCall();
  const comeBack = async () => {
    if ((await call('comeBack', { conversation: conversation.conversation })) !== null) focusComposer();
  };
  const isRefused = error?.code === 'conversation/no-session';
  return (
    <div className={styles.closedNote} data-testid="not-joined">
      <p>{wasRemoved ? words.chat.removedYou : words.chat.notJoined}</p>
      {wasRemoved ? null : (
        <button type="button" className="link" disabled={busy} data-testid="come-back" onClick={() => void comeBack()}>
          {busy ? words.chat.comingBack : words.chat.comeBack}
        </button>
      )}
      {isRefused ? <p role="alert">{words.chat.notLetIn}</p> : error === null ? null : <ErrorNote error={error} />}
    </div>
  );
}

function Header({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const details = useDesk((state) => state.details);
  const isGroup = conversation.kind === 'group';
  const canAdd = isGroup ? conversation.joined : conversation.anonymous === null;
  const add = () => desk.set({ dialog: { dialog: 'addPeople', conversation: conversation.conversation } });
  const goBack = () => {
    desk.set({ selected: null });
    requestAnimationFrame(() =>
      document
        .querySelector<HTMLElement>(`[data-testid="conversation"][data-conversation="${CSS.escape(conversation.conversation)}"]`)
        ?.focus(),
    );
  };
  return (
    <header className="bar ruled">
      <BackButton onBack={goBack} />
      <ConversationAvatar conversation={conversation} size={36} />
      <div className="grow">
        <h1 className="title cut" data-testid="chat-title">
          {conversation.anonymous === 'self' ? <AnonymousMark size={18} /> : null}
          {conversationTitle(conversation)}
        </h1>
        <div className={styles.below}>
          <Padlock conversation={conversation} />
          <Under conversation={conversation} />
        </div>
      </div>
      <div className="acts">
        {!canAdd ? null : (
          <button
            type="button"
            className={isGroup ? 'icon-button' : 'button'}
            aria-label={words.chat.addPeople}
            title={`${words.chat.addPeople} (Ctrl+Shift+A)`}
            data-testid="add-people"
            onClick={add}
          >
            <UserRoundPlus size={isGroup ? 18 : 16} strokeWidth={1.75} />
            {isGroup ? null : <span className={styles.addWord}>{words.chat.addPeople}</span>}
          </button>
        )}
        <button
          id="details-toggle"
          type="button"
          className={cx('icon-button', details && 'on')}
          aria-label={words.chat.details}
          aria-pressed={details}
          title={words.chat.details}
          data-testid="details-toggle"
          onClick={() => desk.set({ details: !details })}
        >
          <PanelRight size={18} strokeWidth={1.75} />
        </button>
        <ChatMenu conversation={conversation} />
      </div>
    </header>
  );
}

/** The line under the name: who is typing; otherwise the other person's device, or the size of the group. */
function Under({ conversation }: { conversation: ConversationValue }) {
  const typing = useTypingWords(conversation);
  const participants = useChorus((state) => state.participants.get(conversation.conversation));
  return (
    <div className={cx('cut', styles.under, typing !== null && styles.typing)} data-testid="chat-under">
      {typing ??
        underWords(
          conversation,
          participants?.filter((person) => person.state === 'connected'),
        )}
    </div>
  );
}

function underWords(conversation: ConversationValue, connected: readonly { devices: readonly { state: string }[] }[] | undefined): string {
  const [person] = conversation.people;
  if (conversation.kind === 'oneToOne') {
    if (person === undefined) return '';
    if (conversation.anonymous === 'peer') return words.anonymous.underPeer;
    if (conversation.pending !== null) return words.chat.pending[conversation.pending](firstName(person));
    if (conversation.anonymous === 'self') return words.anonymous.underSelf(firstName(person));
    const device = conversation.peerDevice?.name ?? null;
    return device === null ? plainAddress(person.address) : words.chat.on(deviceOf(person, device));
  }
  if (!conversation.joined) return words.chat.leftGroup;
  if (connected === undefined || connected.length === 0) return conversation.people.map(fullName).join(', ');
  const devices = connected.flatMap((someone) => someone.devices).filter((device) => device.state === 'connected');
  return words.chat.inGroup(connected.length, Math.max(devices.length, connected.length));
}

function Messages({ conversation }: { conversation: ConversationValue }) {
  const { store } = useServices();
  const thread = useChorus((state) => state.threads.get(conversation.conversation));
  if (thread === undefined || (thread.status === 'loading' && thread.messages.length === 0)) {
    return (
      <div className={stream.streamFrame}>
        <SkeletonBubbles />
      </div>
    );
  }
  if (thread.status === 'failed' && thread.messages.length === 0) {
    const body = thread.error === null ? '' : explain(thread.error).body;
    return (
      <Empty icon={null} title={words.chat.failed} body={body} bad fills testId="messages-failed">
        <button type="button" className="button" onClick={() => void store.openThread(conversation.conversation)}>
          {words.connection.tryAgain}
        </button>
      </Empty>
    );
  }
  return <Stream conversation={conversation} thread={thread} />;
}
