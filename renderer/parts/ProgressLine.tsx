import { LoaderCircle } from 'lucide-react';
import styles from './ProgressLine.module.css';

/** What a dialog is doing, while it waits for the answer. */
export function ProgressLine({ children }: { children: string }) {
  return (
    <p className={styles.progressLine}>
      <LoaderCircle className="spin" size={18} strokeWidth={1.75} />
      {children}
    </p>
  );
}
