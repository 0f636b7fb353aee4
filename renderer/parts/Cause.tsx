import type { ErrorValue } from '../../preload/contract';
import { words } from '../words/text';
import styles from './Cause.module.css';
import { cx } from './cx';

/** What the program knows of an error's cause, for whoever mends it: its code, and the cause's first line. Nothing where no cause is known. */
export function Cause({ error }: { error: ErrorValue }) {
  if (error.cause === undefined) return null;
  return (
    <p className={cx('mono', styles.cause)}>
      <span className="hidden-text">{words.fatal.details}: </span>
      {error.code}: {error.cause.split('\n')[0]}
    </p>
  );
}
