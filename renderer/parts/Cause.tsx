import type { ErrorValue } from '../../preload/contract';
import { words } from '../words/text';
import styles from './Cause.module.css';
import { cx } from './cx';

/** The technical cause of an error: its code and the cause's first line. Draws nothing if no cause is known. */
export function Cause({ error }: { error: ErrorValue }) {
  if (error.cause === undefined) return null;
  return (
    <p className={cx('mono', styles.cause)}>
      <span className="hidden-text">{words.fatal.details}: </span>
      {error.code}: {error.cause.split('\n')[0]}
    </p>
  );
}
