import type { ReactNode } from 'react';
import type { ErrorValue } from '../../preload/contract';
import { Cause } from '../parts/Cause';
import { Empty } from '../parts/Empty';
import { explain } from '../words/errors';
import styles from './StandaloneScreen.module.css';

interface StandaloneScreenProps {
  icon: ReactNode;
  error?: ErrorValue;
  lead?: string;
  title?: string;
  body?: string;
  children?: ReactNode;
  testId: string;
}

/** A screen that stands alone, because nothing else can be shown. */
export function StandaloneScreen({ icon, error, lead, title, body, children, testId }: StandaloneScreenProps) {
  const said = error === undefined ? { title: title ?? '', body: body ?? '' } : explain(error);
  return (
    <main className={styles.alone} data-code={error?.code} data-testid={testId}>
      <div className={styles.centre}>
        <Empty
          icon={icon}
          title={lead === undefined ? said.title : `${lead}. ${said.title}`}
          body={said.body}
          bad={error !== undefined}
          isPage
          testId={`${testId}-words`}
        >
          {children}
        </Empty>
        {error === undefined ? null : <Cause error={error} />}
      </div>
    </main>
  );
}
