import type { ReactNode } from 'react';
import { cx } from './cx';
import styles from './Empty.module.css';

interface EmptyProps {
  icon: ReactNode;
  title: string;
  body: string;
  bad?: boolean;
  fills?: boolean;
  /** Whether it is all that its page holds, and so has the page's heading. */
  isPage?: boolean;
  children?: ReactNode;
  testId: string;
}

export function Empty({ icon, title, body, bad = false, fills = false, isPage = false, children, testId }: EmptyProps) {
  const Heading = isPage ? 'h1' : 'h2';
  return (
    <div className={cx(styles.empty, fills && styles.fills)} data-testid={testId}>
      <span className={cx(styles.sign, bad && styles.bad)}>{icon}</span>
      <Heading>{title}</Heading>
      <p>{body}</p>
      {children === undefined ? null : <div className={styles.choices}>{children}</div>}
    </div>
  );
}
