import { ArrowDown, History, LoaderCircle } from 'lucide-react';
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { Virtualizer, type VirtualizerHandle } from 'virtua';
import type { ConversationValue, MessageValue } from '../../preload/contract';
import { useTypingWords } from '../chats/ConversationRow';
import { useChorus, useDesk, useGround } from '../desk/desk';
import type { Thread } from '../desk/state';
import { Avatar } from '../parts/Avatar';
import { TypingDots } from '../parts/Typing';
import { dayName, sentenceTime, useNow } from '../words/clock';
import { conversationTitle, firstName } from '../words/person';
import { words } from '../words/text';
import { Bubble } from './Bubble';
import { GoesOnCard, StartCards } from './ContinuityCards';
import { buildTimeline, type Row } from './timeline';

/** So near to the end counts as at the end, for half pixels and a bubble that is just being drawn. */
const nearEndPx = 24;
/** Older messages are asked for while this much of what is here is still above the view. */
const olderWithinPx = 600;
/** A scroll so soon after wheel, key or drag is the person's; any other is the list settling its sizes. */
const ownScrollMs = 400;
/** For so long a message that was looked for stands out. */
const foundMs = 2400;
/** A message that was looked for counts as brought into view once it was there for so many drawings. */
const aimSteadyFrames = 3;

export function Stream({ conversation, thread }: { conversation: ConversationValue; thread: Thread }) {
  const { store, desk } = useGround();
  const id = conversation.conversation;
  const aim = useDesk((state) => (state.aim?.conversation === id ? state.aim.message : null));
  const [found, setFound] = useState<string | null>(null);
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
  const stick = useRef(aim === null);
  const aiming = useRef(aim !== null);
  const touchedAt = useRef(0);
  const [away, setAway] = useState(false);
  const [missed, setMissed] = useState(0);
  const isPrepended = usePrepended(rows);
  const reportShown = useReportShown(id, rows, list, frame);

  const toEnd = useCallback(() => list.current?.scrollToIndex(rows.length - 1, { align: 'end' }), [rows.length]);

  // What was just written, or came in while the end was in view, comes into view; nothing else moves the list.
  const newest = thread.atEnd ? thread.messages[thread.messages.length - 1] : undefined;
  const lastNewest = useRef<MessageValue | undefined>(undefined);
  useLayoutEffect(() => {
    const isNew = newest !== undefined && newest.message !== lastNewest.current?.message;
    if (isNew && newest.direction === 'out' && lastNewest.current !== undefined) stick.current = true;
    if (isNew && !stick.current && lastNewest.current !== undefined) setMissed((count) => count + 1);
    lastNewest.current = newest;
    if (stick.current && rows.length > 0) toEnd();
    reportShown();
  }, [rows, newest, toEnd, reportShown]);

  // A message that was looked for comes into the middle and stands out for a moment; the keys then scroll from there.
  const isRead = thread.status === 'ready' && thread.atEnd;
  const aimRow = aim === null ? -1 : rows.findIndex((row) => row.row === 'message' && row.message.message === aim);
  useEffect(() => {
    aiming.current = aimRow >= 0;
    if (aim === null) return;
    if (aimRow < 0) {
      // It was removed meanwhile, and the newest page was read instead.
      if (isRead) desk.set({ aim: null });
      return;
    }
    stick.current = false;
    setFound(aim);
    let frames = 0;
    let pending = 0;
    // Again until it is there: rows are measured only when they are drawn, and then move.
    const bringIn = () => {
      const box = frame.current?.querySelector(`[data-message="${CSS.escape(aim)}"]`)?.getBoundingClientRect();
      const view = frame.current?.getBoundingClientRect();
      const isThere = box !== undefined && view !== undefined && box.bottom > view.top && box.top < view.bottom;
      frames = isThere ? frames + 1 : 0;
      if (frames < aimSteadyFrames) {
        if (!isThere) list.current?.scrollToIndex(aimRow, { align: 'center' });
        pending = requestAnimationFrame(bringIn);
        return;
      }
      list.current?.scrollToIndex(aimRow, { align: 'center' });
      frame.current?.focus({ preventScroll: true });
      aiming.current = false;
      const handle = list.current;
      stick.current = thread.atEnd && handle !== null && handle.scrollSize <= handle.viewportSize;
      setAway(!stick.current);
      desk.set({ aim: null });
    };
    pending = requestAnimationFrame(bringIn);
    return () => cancelAnimationFrame(pending);
  }, [aim, aimRow, isRead, thread.atEnd, desk]);
  useEffect(() => {
    if (found === null) return;
    const timer = setTimeout(() => setFound(null), foundMs);
    return () => clearTimeout(timer);
  }, [found]);

  const onScroll = useCallback(
    (offset: number) => {
      const handle = list.current;
      if (handle === null) return;
      const left = handle.scrollSize - offset - handle.viewportSize;
      if (left < nearEndPx && thread.atEnd) stick.current = true;
      else if (Date.now() - touchedAt.current < ownScrollMs) stick.current = false;
      setAway(!stick.current);
      if (stick.current) setMissed(0);
      if (aiming.current) return;
      if (offset < olderWithinPx && !stick.current) void store.loadOlder(id);
      if (left < olderWithinPx && !thread.atEnd) void store.loadNewer(id);
      reportShown();
    },
    [store, id, thread.atEnd, reportShown],
  );

  const onResize = useCallback(() => {
    if (stick.current) toEnd();
    const handle = list.current;
    if (handle !== null && handle.scrollSize <= handle.viewportSize && !aiming.current) void store.loadOlder(id);
    reportShown();
  }, [toEnd, store, id, reportShown]);

  const touch = () => {
    touchedAt.current = Date.now();
  };
  return (
    <div className="stream-frame">
      <section
        ref={frame}
        className="stream"
        aria-label={words.chat.messagesWith(conversationTitle(conversation))}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by keyboard
        tabIndex={0}
        data-testid="stream"
        onWheel={touch}
        onTouchMove={touch}
        onKeyDown={touch}
        onPointerDown={touch}
        onPointerMove={(event) => {
          if (event.buttons !== 0) touch();
        }}
      >
        <div className="stream-spacer" />
        <Virtualizer ref={list} scrollRef={frame} shift={isPrepended} onScroll={onScroll} onResize={onResize}>
          {rows.map((row, index) => (
            <div key={row.key} className="column">
              <RowView
                row={row}
                conversation={conversation}
                ownDevice={own}
                isAfterDay={rows[index - 1]?.row === 'day'}
                isFound={row.row === 'message' && row.message.message === found}
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
      {away ? (
        <button
          type="button"
          className={`to-newest${missed > 0 ? ' new' : ''}`}
          aria-label={missed > 0 ? undefined : words.chat.newest}
          data-testid="to-newest"
          onClick={() => {
            if (!thread.atEnd) void store.readNewest(id);
            stick.current = true;
            setAway(false);
            setMissed(0);
            toEnd();
          }}
        >
          {missed > 0 ? words.chat.newCount(missed) : null}
          <ArrowDown size={18} strokeWidth={1.75} />
        </button>
      ) : null}
    </div>
  );
}

const Pill = ({ children }: { children: ReactNode }) => (
  <div className="older" role="status">
    {children}
  </div>
);

/** True in the drawing in which rows were added above what was there: the list then keeps its distance from the end. */
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

/** Tells the program which message was really shown: the window has the focus and the bubble is in view. Each one once. */
function useReportShown(
  conversation: string,
  rows: readonly Row[],
  list: { readonly current: VirtualizerHandle | null },
  frame: { readonly current: HTMLDivElement | null },
): () => void {
  const { store } = useGround();
  const reported = useRef<string | null>(null);
  const pending = useRef(0);
  const latest = useRef(rows);
  latest.current = rows;
  const report = useCallback(() => {
    cancelAnimationFrame(pending.current);
    pending.current = requestAnimationFrame(() => {
      const shown =
        document.visibilityState === 'visible' && document.hasFocus() ? lastInView(latest.current, list.current, frame.current) : null;
      if (shown === null || shown.state !== 'received' || shown.message === reported.current) return;
      reported.current = shown.message;
      void store.call('markDisplayed', { conversation, upTo: shown.message });
    });
  }, [store, conversation, list, frame]);
  useEffect(() => {
    addEventListener('focus', report);
    document.addEventListener('visibilitychange', report);
    return () => {
      cancelAnimationFrame(pending.current);
      removeEventListener('focus', report);
      document.removeEventListener('visibilitychange', report);
    };
  }, [report]);
  return report;
}

function lastInView(rows: readonly Row[], list: VirtualizerHandle | null, frame: HTMLElement | null): MessageValue | null {
  if (list === null || frame === null || list.viewportSize === 0) return null;
  const end = list.scrollOffset + list.viewportSize;
  const fits = list.scrollSize <= list.viewportSize;
  for (let index = fits ? rows.length - 1 : list.findItemIndex(end); index >= 0; index -= 1) {
    const row = rows[index];
    if (row?.row !== 'message' || row.message.direction !== 'in') continue;
    // Half of it is enough: the rest of a long message follows with the next scroll.
    if (fits || list.getItemOffset(index) + list.getItemSize(index) / 2 <= end) return row.message;
  }
  return null;
}

interface RowViewProps {
  row: Row;
  conversation: ConversationValue;
  ownDevice: string;
  isAfterDay: boolean;
  isFound: boolean;
}

function RowView({ row, conversation, ownDevice, isAfterDay, isFound }: RowViewProps) {
  switch (row.row) {
    case 'start':
      return <StartCards conversation={conversation} />;
    case 'day':
      return <Day at={row.at} />;
    case 'late':
      return <Late sentAt={row.sentAt} receivedAt={row.receivedAt} />;
    case 'message':
      return (
        <Bubble
          message={row.message}
          first={row.first}
          last={row.last}
          meta={row.meta}
          isAfterDay={isAfterDay}
          isFound={isFound}
          isGroup={conversation.kind === 'group'}
          ownDevice={ownDevice}
          peerDevice={conversation.peerDevice?.name ?? null}
          peer={conversation.people[0] ?? null}
        />
      );
    case 'continued':
      return <GoesOnCard conversation={conversation} />;
    case 'end':
      return <End conversation={conversation} />;
  }
}

export function Day({ at }: { at: number }) {
  const now = useNow(60_000);
  return (
    <div className="day" data-testid="day">
      {dayName(at, now)}
    </div>
  );
}

export function Late({ sentAt, receivedAt }: { sentAt: number; receivedAt: number }) {
  const now = useNow(60_000);
  return (
    <div className="late">
      <History size={14} strokeWidth={1.75} />
      <span>
        <b>{words.message.late[0]}</b> {words.message.late[1](sentenceTime(sentAt, now), sentenceTime(receivedAt, now))}
      </span>
    </div>
  );
}

/** The space under the newest message, where in a group those who type are named. */
function End({ conversation }: { conversation: ConversationValue }) {
  const typing = useTypingWords(conversation);
  const address = useChorus((state) => state.composing.get(conversation.conversation)?.[0]);
  if (typing === null || address === undefined || conversation.kind === 'oneToOne') return <div className="stream-end" />;
  const person = conversation.people.find((other) => other.address === address) ?? { address, name: '' };
  return (
    <div className="stream-end">
      <div className="typing-note" data-testid="typing-note" data-name={firstName(person)}>
        <Avatar person={person} size={20} />
        <span>{typing}</span>
        <TypingDots />
      </div>
    </div>
  );
}
