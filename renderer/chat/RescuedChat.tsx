import { ArrowLeft } from 'lucide-react';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'react';
import type { RescueValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { conversationTitle } from '../words/person';
import { words } from '../words/text';
import { Bubble } from './Bubble';
import styles from './RescuedChat.module.css';
import { SkeletonBubbles } from './SkeletonBubbles';
import stream from './Stream.module.css';
import { Day, Late } from './StreamRow';
import { buildTimeline } from './timeline';

/** A chat of a damaged history, as far as it can be read. Nothing can be written in it, deleted or sent again. */
export function RescuedChat({ chat, onBack }: { chat: RescueValue['conversations'][number]; onBack: () => void }) {
  const { store } = useServices();
  const id = chat.conversation;
  const thread = useChorus((state) => state.threads.get(id));
  const messages = thread?.messages;
  const rows = useMemo(
    () => buildTimeline({ messages: messages ?? [], complete: thread?.complete ?? false, continuedAt: null }),
    [messages, thread?.complete],
  );
  const frame = useRef<HTMLElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  /** How far the end was away when the page was drawn last: earlier messages push nothing out of sight. */
  const fromEnd = useRef(0);
  // What this window has read before the damage was found may be more than the file still gives: the file is what counts.
  useEffect(() => {
    heading.current?.focus();
    void store.readNewest(id);
  }, [store, id]);
  useLayoutEffect(() => {
    const view = frame.current;
    if (view !== null && rows.length > 0) view.scrollTop = view.scrollHeight - fromEnd.current;
  }, [rows]);
  const readEarlier = () => {
    const view = frame.current;
    fromEnd.current = view === null ? 0 : view.scrollHeight - view.scrollTop;
    void store.loadOlder(id);
  };
  const isFirst = (index: number) => rows[index - 1]?.row === 'day';
  return (
    <section className={styles.rescuedChat} data-testid="rescued-reading">
      <button type="button" className="button quiet" data-testid="rescue-back" onClick={onBack}>
        <ArrowLeft size={16} strokeWidth={1.75} />
        {words.rescue.back}
      </button>
      <h2 ref={heading} tabIndex={-1}>
        {conversationTitle(chat)}
      </h2>
      <p className="hint">{words.rescue.readOnly}</p>
      {thread === undefined || (thread.status === 'loading' && thread.messages.length === 0) ? <SkeletonBubbles /> : null}
      {thread?.status === 'failed' && thread.error !== null ? <ErrorNote error={thread.error} /> : null}
      <section
        ref={frame}
        className={cx(stream.stream, styles.messages)}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
        tabIndex={0}
        aria-label={words.rescue.chatLabel(conversationTitle(chat))}
      >
        {thread === undefined || thread.complete || thread.messages.length === 0 ? null : (
          <button type="button" className="link" data-testid="rescue-earlier" disabled={thread.status === 'loading'} onClick={readEarlier}>
            {words.rescue.earlier}
          </button>
        )}
        {rows.map((row, index) => {
          switch (row.row) {
            case 'day':
              return <Day key={row.key} at={row.at} />;
            case 'late':
              return <Late key={row.key} sentAt={row.sentAt} receivedAt={row.receivedAt} />;
            case 'message':
              return (
                <Bubble
                  key={row.key}
                  message={row.message}
                  first={row.first}
                  last={row.last}
                  meta={row.meta}
                  isAfterDay={isFirst(index)}
                  isHighlighted={false}
                  isGroup={chat.kind === 'group'}
                  isReadOnly
                  ownDevice=""
                  peerDevice={null}
                  peer={chat.people[0] ?? null}
                />
              );
            default:
              return null;
          }
        })}
      </section>
    </section>
  );
}
