import { Search } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import type { ConversationValue, SearchHitValue } from '../../preload/contract';
import { listTime, useNow } from '../clock';
import { useChorus, useDesk, useGround } from '../desk';
import { ConversationAvatar } from '../parts/Avatar';
import { Empty } from '../parts/Empty';
import { RowList } from '../parts/RowList';
import { conversationTitle, matches, plainAddress } from '../person';
import { isMessageHidden, orderedConversations } from '../state';
import { words } from '../text';
import { ConversationList } from './ConversationList';
import { senderOf } from './ConversationRow';

/** After the last key, before the messages are searched: a word that is typed quickly is searched once. */
const typingPauseMs = 80;
/** Messages shown at once; whoever wants another one types another word. */
const mostShown = 50;

interface Answer {
  filter: string;
  hits: readonly SearchHitValue[];
  failed: boolean;
}

/** What stands in the search, found: chats by their names, and messages by their words. */
export function Found({ filter }: { filter: string }) {
  const chats = useChorus(orderedConversations).filter((conversation) => isFound(conversation, filter));
  const conversations = useChorus((state) => state.conversations);
  const selected = useDesk((state) => (state.place === 'chats' ? state.selected : null));
  const answer = useHits(filter);
  const isSettled = answer.filter === filter;
  // What was found before stays while the next answer is on its way, so that the list does not flicker.
  const blocked = useChorus((state) => state.blocked);
  const hits = answer.hits.filter((hit) => conversations.has(hit.conversation) && !isMessageHidden({ blocked, conversations }, hit));
  const stop = chats[0]?.conversation ?? null;

  if (chats.length === 0 && hits.length === 0) {
    return (
      <nav className="scroll" aria-label={words.me.conversations}>
        {!isSettled ? (
          <p className="found-note" role="status">
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
          <h2 className="found-heading">{words.me.foundChats}</h2>
          <ConversationList all={chats} selected={selected} stop={stop} />
        </>
      )}
      {hits.length === 0 ? null : (
        <>
          <h2 className="found-heading">{words.me.foundMessages}</h2>
          <ul className="list" data-testid="found-messages">
            {hits.map((hit, index) => (
              <li key={`${hit.direction} ${hit.message}`}>
                <HitRow hit={hit} conversation={conversations.get(hit.conversation)} isStop={stop === null && index === 0} />
              </li>
            ))}
          </ul>
          {hits.length < mostShown ? null : <p className="found-note">{words.me.moreFound(hits.length)}</p>}
        </>
      )}
    </RowList>
  );
}

function useHits(filter: string): Answer {
  const { store } = useGround();
  const [answer, setAnswer] = useState<Answer>({ filter: '', hits: [], failed: false });
  useEffect(() => {
    let isWanted = true;
    const timer = setTimeout(async () => {
      const found = await store.call('search', { text: filter, limit: mostShown });
      if (isWanted) setAnswer({ filter, hits: found.ok ? found.value : [], failed: !found.ok });
    }, typingPauseMs);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [store, filter]);
  return answer;
}

interface HitRowProps {
  hit: SearchHitValue;
  conversation: ConversationValue | undefined;
  isStop: boolean;
}

function HitRow({ hit, conversation, isStop }: HitRowProps) {
  const { store, desk } = useGround();
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
      className="row"
      tabIndex={isStop ? 0 : -1}
      data-left-row=""
      data-testid="found-message"
      data-message={hit.message}
      onClick={open}
    >
      <ConversationAvatar conversation={conversation} />
      <div className="cut">
        <div className="line">
          <span className="name cut">{conversationTitle(conversation)}</span>
          <time>{listTime(hit.sentAt, now)}</time>
        </div>
        <div className="line two">
          <span className="last cut" dir="auto">
            {isNamed ? `${senderOf(conversation, hit)}: ` : null}
            {marked(hit)}
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

function isFound(conversation: ConversationValue, filter: string): boolean {
  const people = conversation.people.flatMap((person) => [person.name, plainAddress(person.address)]);
  return matches(filter, conversationTitle(conversation), ...people);
}
