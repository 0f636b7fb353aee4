import { ArrowLeft } from 'lucide-react';
import { words } from '../words/text';
import styles from './BackButton.module.css';
import { cx } from './cx';

/** Leads back to the list, where a narrow window shows one pane at a time; elsewhere it is not there. */
export function BackButton({ onBack }: { onBack: () => void }) {
  return (
    <button
      type="button"
      className={cx('icon-button', styles.back)}
      aria-label={words.back}
      title={words.back}
      data-testid="back"
      onClick={onBack}
    >
      <ArrowLeft size={20} strokeWidth={1.75} />
    </button>
  );
}
