import { CircleAlert } from 'lucide-react';
import type { ErrorValue } from '../../preload/contract';
import { explain } from '../words/errors';
import { words } from '../words/text';
import { Banner } from './Banner';
import styles from './ErrorNote.module.css';

/** A failure beside what failed: what happened, what becomes of it, what one can do; the network's own answer only on demand. */
export function ErrorNote({ error, who, lead }: { error: ErrorValue; who?: string; lead?: string }) {
  const { title, body, details } = explain(error, who);
  return (
    <Banner kind="bad" icon={<CircleAlert size={18} strokeWidth={1.75} />} title={`${title}.`} testId="error-note">
      <span data-code={error.code}>{lead === undefined ? body : `${lead} ${body}`}</span>
      {details === '' ? null : (
        <details className={styles.details} data-testid="error-details">
          <summary>{words.details}</summary>
          {words.networkAnswer(details)}
        </details>
      )}
    </Banner>
  );
}
