import { Search } from 'lucide-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { ConversationValue, SearchHitValue } from '../../preload/contract';
import { useCell } from '../desk/cell';
import { useChorus, useDesk, useServices } from '../desk/desk';
import { isMessageHidden, orderedConversations } from '../desk/state';
import { ConversationAvatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { Empty } from '../parts/Empty';
import { RowList } from '../parts/RowList';
import { listTime, useNow } from '../words/clock';
import { conversationTitle, matches, plainAddress } from '../words/person';
import { words } from '../words/text';
import { ConversationList } from './ConversationList';
import conversationList from './ConversationList.module.css';
import { senderOf } from './ConversationRow';
import conversationRow from './ConversationRow.module.css';
import { MessageSearch, type SearchAnswer } from './message-search';
import styles from './SearchResults.module.css';

/** The results for the text in the search field: chats by name, messages by their words. */
export function SearchResults({ filter }: { filter: string }) {
  const chats = useChorus(orderedConversations).filter((conversation) => matchesFilter(conversation, filter));
  const conversations = useChorus((state) => state.conversations);
  const selected = useDesk((state) => (state.place === 'chats' ? state.selected : null));
  const { answer, more } = useHits(filter);
  const isSettled = answer.filter === filter;
  useOpenFirst(chats.length > 0 || isSettled);
  const blocked = useChorus((state) => state.blocked);
  const hits = answer.hits.filter((hit) => conversations.has(hit.conversation) && !isMessageHidden({ blocked, conversations }, hit));
  const stop = chats[0]?.conversation ?? null;

  if (chats.length === 0 && hits.length === 0) {
    return (
      <nav className="scroll" aria-label={words.me.conversations}>
        {!isSettled ? (
          <p className={styles.foundNote} role="status">
            {words.me.searching}
          </p>
        ) : (
          <Empty
            icon={<Search size={22} strokeWidth={1.75} />}
            title={answer.failed ? words.me.searchFailed : words.me.nothingFound(filter)}
            body={answer.failed ? '' : words.me.nothingFoundBody}
            bad={answer.failed}
            testId="nothing-found"
          />
        )}
      </nav>
    );
  }
  return (
    <RowList label={words.me.conversations}>
      {chats.length === 0 ? null : (
        <>
          <h2 className={styles.foundHeading}>{words.me.foundChats}</h2>
          <ConversationList all={chats} selected={selected} stop={stop} />
        </>
      )}
      {hits.length === 0 ? null : (
        <>
          <h2 className={styles.foundHeading}>{words.me.foundMessages}</h2>
          <ul className={conversationList.list} data-testid="found-messages" aria-busy={!isSettled}>
            {hits.map((hit, index) => (
              <li key={cx(hit.direction, hit.message)}>
                <HitRow hit={hit} conversation={conversations.get(hit.conversation)} isStop={stop === null && index === 0} />
              </li>
            ))}
          </ul>
          {isSettled && answer.hasMore ? (
            <MoreRow shown={hits.length} failed={answer.failed} isReading={answer.isReading} more={more} />
          ) : null}
        </>
      )}
    </RowList>
  );
}

function useHits(filter: string): { answer: SearchAnswer; more: () => Promise<void> } {
  const { store } = useServices();
  const [search] = useState(() => new MessageSearch((argument) => store.call('search', argument)));
  const messagesChangedAt = useChorus((state) => state.messagesChangedAt);
  const known = useRef(messagesChangedAt);
  useEffect(() => search.look(filter), [search, filter]);
  useEffect(() => {
    if (known.current !== messagesChangedAt) search.messagesChanged();
    known.current = messagesChangedAt;
  }, [search, messagesChangedAt]);
  useEffect(() => () => search.dispose(), [search]);
  return { answer: useCell(search.cell, (answer) => answer), more: () => search.more() };
}

/** Enter in the search field opens the first result, once there are results for that text; never a result for an earlier one. */
function useOpenFirst(isThere: boolean): void {
  const { desk } = useServices();
  const opensFirst = useDesk((state) => state.opensFirst);
  useEffect(() => {
    if (!opensFirst || !isThere) return;
    desk.set({ opensFirst: false });
    document.querySelector<HTMLButtonElement>('[data-left-row]')?.click();
  }, [desk, opensFirst, isThere]);
}

interface MoreRowProps {
  shown: number;
  failed: boolean;
  isReading: boolean;
  more: () => Promise<void>;
}

/** The row below the hits that loads more of them. A person who reached it by keyboard continues at the first new hit. */
function MoreRow({ shown, failed, isReading, more }: MoreRowProps) {
  const onClick = async () => {
    const rows = () => document.querySelectorAll<HTMLElement>('[data-testid="found-message"]');
    const before = rows().length;
    await more();
    requestAnimationFrame(() => rows()[before]?.focus());
  };
  return (
    <div className={styles.foundMore}>
      <p className={styles.foundNote} role="status">
        {failed ? words.me.searchFailed : words.me.moreFound(shown)}
      </p>
      <button
        type="button"
        className="button"
        tabIndex={-1}
        data-left-row=""
        data-testid="more-found"
        aria-disabled={isReading}
        onClick={() => void onClick()}
      >
        {isReading ? words.me.searching : failed ? words.me.searchAgain : words.me.showMore}
      </button>
    </div>
  );
}

interface HitRowProps {
  hit: SearchHitValue;
  conversation: ConversationValue | undefined;
  isStop: boolean;
}

function HitRow({ hit, conversation, isStop }: HitRowProps) {
  const { store, desk } = useServices();
  const now = useNow(60_000);
  if (conversation === undefined) return null;
  const isNamed = hit.direction === 'out' || conversation.kind === 'group';
  const open = () => {
    void store.openAt(hit.conversation, hit.message);
    desk.openMessage(hit.conversation, hit.message);
  };
  return (
    <button
      type="button"
      className={conversationRow.row}
      tabIndex={isStop ? 0 : -1}
      data-left-row=""
      data-testid="found-message"
      data-message={hit.message}
      onClick={open}
    >
      <ConversationAvatar conversation={conversation} />
      <div className="cut">
        <div className={conversationRow.line}>
          <span className={cx('cut', conversationRow.name)}>{conversationTitle(conversation)}</span>
          <time>{listTime(hit.sentAt, now)}</time>
        </div>
        <div className={cx(conversationRow.line, conversationRow.two)}>
          <span className={cx('cut', conversationRow.last)} dir="auto" data-testid="found-snippet">
            {isNamed ? `${senderOf(conversation, hit)}: ` : null}
            <bdi>{marked(hit)}</bdi>
          </span>
        </div>
      </div>
    </button>
  );
}

/** The snippet as text nodes, what was searched for in <mark>. */
function marked({ snippet, marks }: SearchHitValue): ReactNode[] {
  const pieces: ReactNode[] = [];
  let at = 0;
  for (const mark of marks) {
    pieces.push(snippet.slice(at, mark.at), <mark key={mark.at}>{snippet.slice(mark.at, mark.at + mark.length)}</mark>);
    at = mark.at + mark.length;
  }
  pieces.push(snippet.slice(at));
  return pieces;
}

function matchesFilter(conversation: ConversationValue, filter: string): boolean {
  const people = conversation.people.flatMap((person) => [person.name, plainAddress(person.address)]);
  return matches(filter, conversationTitle(conversation), ...people);
}
