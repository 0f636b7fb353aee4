import type { ReactNode } from 'react';
import styles from './Banner.module.css';
import { cx } from './cx';

interface BannerProps {
  kind?: 'plain' | 'warn' | 'bad';
  icon: ReactNode;
  title?: string;
  children: ReactNode;
  /** A button, the remedy. */
  act?: ReactNode;
  testId: string;
}

const kinds = { plain: null, warn: styles.warn, bad: styles.bad } as const;

/** A quiet bar that says what is the matter and holds its remedy. */
export function Banner({ kind = 'plain', icon, title, children, act, testId }: BannerProps) {
  return (
    <div className={cx(styles.banner, kinds[kind])} role={kind === 'bad' ? 'alert' : 'status'} data-testid={testId}>
      {icon}
      <div className="grow">
        {title === undefined ? null : <b className="strong">{title} </b>}
        {children}
      </div>
      {act}
    </div>
  );
}
