import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';
import type { MessageValue } from '../../preload/contract';
import type { Thread } from '../desk/state';
import type { Row } from './timeline';

/** This close to the end counts as at the end: it allows for half pixels and for a bubble that is just being drawn. */
const nearEndPx = 24;
/** A scroll this soon after a wheel, key or drag is the person's; any other is the list settling its sizes. */
const ownScrollMs = 400;

export interface Stick {
  /** Whether the list follows its end now. */
  readonly isStuck: { readonly current: boolean };
  /** Whether the person has left the end, so that a way back is offered. */
  isAway: boolean;
  /** Messages that came in since then. */
  missed: number;
  /** A wheel, key, touch or drag: the scroll that follows is the person's. */
  touched: () => void;
  scrolled: (offset: number) => void;
  resized: () => void;
  goToEnd: () => void;
  /** Stops following, because the list is being taken elsewhere. */
  letGo: () => void;
  /** The list has come to rest after `letGo`: follows again only if all of it, its end included, is in view. */
  rest: () => void;
}

interface StickOptions {
  list: RefObject<VirtualizerHandle | null>;
  rows: readonly Row[];
  thread: Thread;
  /** Whether the list opens at its end. */
  startsAtEnd: boolean;
}

/** Keeps a list at its end while the person is there: what is written or comes in then comes into view, and nothing else moves the list. */
export function useStick({ list, rows, thread, startsAtEnd }: StickOptions): Stick {
  const { atEnd } = thread;
  const isStuck = useRef(startsAtEnd);
  const touchedAt = useRef(0);
  const [isAway, setAway] = useState(false);
  const [missed, setMissed] = useState(0);
  const toEnd = useCallback(() => list.current?.scrollToIndex(rows.length - 1, { align: 'end' }), [list, rows.length]);

  const newest = atEnd ? thread.messages[thread.messages.length - 1] : undefined;
  const lastNewest = useRef<MessageValue | undefined>(undefined);
  // Runs for every change of the rows, not of the newest message alone: an older page moves the end, too.
  useLayoutEffect(() => {
    const isNew = newest !== undefined && newest.message !== lastNewest.current?.message;
    if (isNew && newest.direction === 'out' && lastNewest.current !== undefined) isStuck.current = true;
    if (isNew && !isStuck.current && lastNewest.current !== undefined) setMissed((count) => count + 1);
    lastNewest.current = newest;
    if (isStuck.current && rows.length > 0) toEnd();
  }, [rows, newest, toEnd]);

  const scrolled = useCallback(
    (offset: number) => {
      const handle = list.current;
      if (handle === null) return;
      if (handle.scrollSize - offset - handle.viewportSize < nearEndPx && atEnd) isStuck.current = true;
      else if (Date.now() - touchedAt.current < ownScrollMs) isStuck.current = false;
      setAway(!isStuck.current);
      if (isStuck.current) setMissed(0);
    },
    [list, atEnd],
  );
  const resized = useCallback(() => {
    if (isStuck.current) toEnd();
  }, [toEnd]);
  const letGo = useCallback(() => {
    isStuck.current = false;
  }, []);
  const rest = useCallback(() => {
    const handle = list.current;
    isStuck.current = atEnd && handle !== null && handle.scrollSize <= handle.viewportSize;
    setAway(!isStuck.current);
  }, [list, atEnd]);
  const touched = useCallback(() => {
    touchedAt.current = Date.now();
  }, []);
  const goToEnd = () => {
    isStuck.current = true;
    setAway(false);
    setMissed(0);
    toEnd();
  };
  return { isStuck, isAway, missed, touched, scrolled, resized, goToEnd, letGo, rest };
}
