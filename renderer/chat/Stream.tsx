import { ArrowDown, LoaderCircle } from 'lucide-react';
import { type ReactNode, useCallback, useLayoutEffect, useMemo, useRef } from 'react';
import { Virtualizer, type VirtualizerHandle } from 'virtua';
import type { ConversationValue } from '../../preload/contract';
import { useChorus, useDesk, useServices } from '../desk/desk';
import type { Thread } from '../desk/state';
import { cx } from '../parts/cx';
import { conversationTitle } from '../words/person';
import { words } from '../words/text';
import styles from './Stream.module.css';
import { StreamRow } from './StreamRow';
import { buildTimeline, type Row } from './timeline';
import { useAim } from './use-aim';
import { useReportShown } from './use-report-shown';
import { useStick } from './use-stick';

/** Older messages are asked for while this much of what is here is still above the view. */
const olderWithinPx = 600;

/** The messages of one conversation, newest at the bottom; further pages are read as the person scrolls towards them. */
export function Stream({ conversation, thread }: { conversation: ConversationValue; thread: Thread }) {
  const { store } = useServices();
  const id = conversation.conversation;
  const own = useChorus((state) => state.account?.deviceName ?? '');
  const successor = useChorus((state) =>
    conversation.continuedBy === null ? undefined : state.conversations.get(conversation.continuedBy),
  );
  const continuedAt = conversation.continuedBy === null ? null : (successor?.createdAt ?? Number.MAX_SAFE_INTEGER);
  const rows = useMemo(
    () => buildTimeline({ messages: thread.messages, complete: thread.complete, continuedAt }),
    [thread.messages, thread.complete, continuedAt],
  );

  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const isPrepended = usePrepended(rows);
  const reportShown = useReportShown(id, rows, list, frame);
  const startsAtEnd = useDesk((state) => state.aim?.conversation !== id);
  const stick = useStick({ list, rows, thread, startsAtEnd });
  const { highlighted, isAiming } = useAim({ conversation: id, rows, thread, list, frame, stick });
  // biome-ignore lint/correctness/useExhaustiveDependencies: other rows may have come into view
  useLayoutEffect(reportShown, [rows, reportShown]);

  const { scrolled, resized, isStuck } = stick;
  const onScroll = useCallback(
    (offset: number) => {
      const handle = list.current;
      if (handle === null) return;
      scrolled(offset);
      if (isAiming.current) return;
      if (offset < olderWithinPx && !isStuck.current) void store.loadOlder(id);
      if (handle.scrollSize - offset - handle.viewportSize < olderWithinPx && !thread.atEnd) void store.loadNewer(id);
      reportShown();
    },
    [store, id, thread.atEnd, scrolled, isStuck, isAiming, reportShown],
  );
  const onResize = useCallback(() => {
    resized();
    const handle = list.current;
    if (handle !== null && handle.scrollSize <= handle.viewportSize && !isAiming.current) void store.loadOlder(id);
    reportShown();
  }, [resized, store, id, isAiming, reportShown]);

  return (
    <div className={styles.streamFrame}>
      <section
        ref={frame}
        className={styles.stream}
        aria-label={words.chat.messagesWith(conversationTitle(conversation))}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by keyboard
        tabIndex={0}
        data-testid="stream"
        onWheel={stick.touched}
        onTouchMove={stick.touched}
        onKeyDown={stick.touched}
        onPointerDown={stick.touched}
        onPointerMove={(event) => {
          if (event.buttons !== 0) stick.touched();
        }}
      >
        <div className={styles.streamSpacer} />
        <Virtualizer ref={list} scrollRef={frame} shift={isPrepended} onScroll={onScroll} onResize={onResize}>
          {rows.map((row, index) => (
            <div key={row.key} className={styles.column}>
              <StreamRow
                row={row}
                conversation={conversation}
                ownDevice={own}
                isAfterDay={rows[index - 1]?.row === 'day'}
                isHighlighted={row.row === 'message' && row.message.message === highlighted}
              />
            </div>
          ))}
        </Virtualizer>
      </section>
      {thread.status === 'loading' ? (
        <Pill>
          <LoaderCircle className="spin" size={14} strokeWidth={1.75} />
          {words.chat.older}
        </Pill>
      ) : thread.status === 'failed' ? (
        <Pill>{words.chat.olderFailed}</Pill>
      ) : null}
      {stick.isAway ? (
        <button
          type="button"
          className={cx(styles.toNewest, stick.missed > 0 && styles.new)}
          aria-label={stick.missed > 0 ? undefined : words.chat.newest}
          data-testid="to-newest"
          onClick={() => {
            if (!thread.atEnd) void store.readNewest(id);
            stick.goToEnd();
          }}
        >
          {stick.missed > 0 ? words.chat.newCount(stick.missed) : null}
          <ArrowDown size={18} strokeWidth={1.75} />
        </button>
      ) : null}
    </div>
  );
}

const Pill = ({ children }: { children: ReactNode }) => (
  <div className={styles.older} role="status">
    {children}
  </div>
);

/** True in the render in which rows were added above the others: the list then keeps its distance from the end. */
function usePrepended(rows: readonly Row[]): boolean {
  const firstMessage = rows.find((row) => row.row === 'message')?.key;
  const lastMessage = rows.findLast((row) => row.row === 'message')?.key;
  const before = useRef<{ first: string | undefined; last: string | undefined }>({ first: undefined, last: undefined });
  const isPrepended = before.current.first !== undefined && before.current.first !== firstMessage && before.current.last === lastMessage;
  useLayoutEffect(() => {
    before.current = { first: firstMessage, last: lastMessage };
  }, [firstMessage, lastMessage]);
  return isPrepended;
}
