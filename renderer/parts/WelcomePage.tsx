/** The page that stands alone before there is an account, or when it cannot be used: the product's name, a question, its answers. */
import type { ReactNode } from 'react';
import { words } from '../words/text';
import { Logo } from './Logo';
import styles from './WelcomePage.module.css';

export function WelcomePage({ testId, title, lead, children }: { testId: string; title: string; lead: string; children: ReactNode }) {
  return (
    <div className={styles.welcome} data-testid={testId}>
      <main className={styles.sheet}>
        <div className={styles.brand}>
          <Logo />
          {words.product}
        </div>
        <h1>{title}</h1>
        <p className={styles.lead}>{lead}</p>
        {children}
      </main>
    </div>
  );
}
