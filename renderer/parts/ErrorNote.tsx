import { CircleAlert } from 'lucide-react';
import type { ErrorValue } from '../../preload/contract';
import { explain } from '../words/errors';
import { Banner } from './Banner';

/** A failure beside what failed: what happened, what becomes of it, what one can do. */
export function ErrorNote({ error, who, lead }: { error: ErrorValue; who?: string; lead?: string }) {
  const { title, body } = explain(error, who);
  return (
    <Banner kind="bad" icon={<CircleAlert size={18} strokeWidth={1.75} />} title={`${title}.`} testId="error-note">
      <span data-code={error.code}>{lead === undefined ? body : `${lead} ${body}`}</span>
    </Banner>
  );
}
