import { type KeyboardEvent, type ReactNode, useRef } from 'react';

interface RowListProps {
  label: string;
  children: ReactNode;
}

/** The scrolled middle of the left pane. Its rows, marked `data-left-row`, are one stop for Tab; the arrows go from row to row. */
export function RowList({ label, children }: RowListProps) {
  const ref = useRef<HTMLElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...(ref.current?.querySelectorAll<HTMLElement>('[data-left-row]') ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (next < 0) document.getElementById('search')?.focus();
    else rows[next]?.focus();
  };
  return (
    <nav ref={ref} className="scroll" aria-label={label} onKeyDown={onKeyDown}>
      {children}
    </nav>
  );
}
