/** The page that stands alone before there is an account, or when it cannot be used: the product's name, a question, its answers. */
import type { ReactNode } from 'react';
import { words } from '../words/text';
import { Logo } from './Logo';

export function WelcomePage({ testId, title, lead, children }: { testId: string; title: string; lead: string; children: ReactNode }) {
  return (
    <div className="welcome" data-testid={testId}>
      <main className="sheet">
        <div className="brand">
          <Logo />
          {words.product}
        </div>
        <h1>{title}</h1>
        <p className="lead">{lead}</p>
        {children}
      </main>
    </div>
  );
}
