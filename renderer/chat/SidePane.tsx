import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from '../parts/cx';
import { words } from '../words/text';
import styles from './SidePane.module.css';

interface SidePaneProps {
  title: string;
  testId: string;
  onClose: () => void;
  children: ReactNode;
}

/** The pane at the right of a chat: beside it where there is room for three panes, else over it. */
export function SidePane({ title, testId, onClose, children }: SidePaneProps) {
  return (
    <aside className={cx('pane', styles.right)} aria-label={title} data-testid={testId}>
      <header className="bar ruled">
        <h2>{title}</h2>
        <button
          type="button"
          className="icon-button"
          aria-label={words.close}
          title={words.close}
          data-testid={`${testId}-close`}
          onClick={onClose}
        >
          <X size={18} strokeWidth={1.75} />
        </button>
      </header>
      <div className="scroll">{children}</div>
    </aside>
  );
}
