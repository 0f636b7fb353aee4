import { useCallback, useEffect, useRef } from 'react';
import type { VirtualizerHandle } from 'virtua';
import type { MessageValue } from '../../preload/contract';
import { useServices } from '../desk/desk';
import type { Row } from './timeline';

/**
 * Tells the program which message was really shown: the window has the focus and the bubble is in view. Each message is reported once. The
 * returned function looks again; call it whenever something may have come into view.
 */
export function useReportShown(
  conversation: string,
  rows: readonly Row[],
  list: { readonly current: VirtualizerHandle | null },
  frame: { readonly current: HTMLDivElement | null },
): () => void {
  const { store } = useServices();
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
