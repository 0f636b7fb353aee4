import { type RefObject, useEffect, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';
import { useDesk, useServices } from '../desk/desk';
import type { Thread } from '../desk/state';
import type { Row } from './timeline';
import type { Stick } from './use-stick';

/** How long the message that was looked for stays highlighted. */
const highlightMs = 2400;
/** It counts as in view once it was there in this many frames in a row. */
const steadyFrames = 3;

interface AimOptions {
  conversation: string;
  rows: readonly Row[];
  thread: Thread;
  list: RefObject<VirtualizerHandle | null>;
  frame: RefObject<HTMLElement | null>;
  stick: Pick<Stick, 'letGo' | 'rest'>;
}

export interface Aim {
  /** The message that was looked for, for the moment in which it is highlighted. */
  highlighted: string | null;
  /** Whether the list is on its way to it. */
  readonly isAiming: { readonly current: boolean };
}

/** Brings a message that was looked for into the middle of the list and highlights it; the keys then scroll from there. */
export function useAim({ conversation, rows, thread, list, frame, stick: { letGo, rest } }: AimOptions): Aim {
  const { desk } = useServices();
  const aim = useDesk((state) => (state.aim?.conversation === conversation ? state.aim.message : null));
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const isAiming = useRef(aim !== null);
  const isRead = thread.status === 'ready' && thread.atEnd;
  const aimRow = aim === null ? -1 : rows.findIndex((row) => row.row === 'message' && row.message.message === aim);
  useEffect(() => {
    isAiming.current = aimRow >= 0;
    if (aim === null) return;
    if (aimRow < 0) {
      // It was removed in the meantime, and the newest page was read instead.
      if (isRead) desk.set({ aim: null });
      return;
    }
    letGo();
    setHighlighted(aim);
    let frames = 0;
    let pending = 0;
    // Tries until it stays there: rows are measured only when they are drawn, and that moves them.
    const bringIn = () => {
      const box = frame.current?.querySelector(`[data-message="${CSS.escape(aim)}"]`)?.getBoundingClientRect();
      const view = frame.current?.getBoundingClientRect();
      const isThere = box !== undefined && view !== undefined && box.bottom > view.top && box.top < view.bottom;
      frames = isThere ? frames + 1 : 0;
      if (frames < steadyFrames) {
        if (!isThere) list.current?.scrollToIndex(aimRow, { align: 'center' });
        pending = requestAnimationFrame(bringIn);
        return;
      }
      list.current?.scrollToIndex(aimRow, { align: 'center' });
      frame.current?.focus({ preventScroll: true });
      isAiming.current = false;
      rest();
      desk.set({ aim: null });
    };
    pending = requestAnimationFrame(bringIn);
    return () => cancelAnimationFrame(pending);
  }, [aim, aimRow, isRead, letGo, rest, desk, list, frame]);
  useEffect(() => {
    if (highlighted === null) return;
    const timer = setTimeout(() => setHighlighted(null), highlightMs);
    return () => clearTimeout(timer);
  }, [highlighted]);
  return { highlighted, isAiming };
}
