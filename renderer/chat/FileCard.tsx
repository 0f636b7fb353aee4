import { FileQuestion } from 'lucide-react';
import type { MessageValue } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './FileCard.module.css';

/** What came and cannot be shown. Only the person opens it, as a file, and chooses where it goes. */
export function FileCard({ message, isReadOnly }: { message: MessageValue; isReadOnly: boolean }) {
  const { busy, error, call } = useCall();
  const { content } = message;
  if (content.kind !== 'file') return null;
  const save = () => void call('saveFile', { message: message.message, direction: message.direction });
  return (
    <span className={styles.card} data-testid="message-file">
      <FileQuestion size={20} strokeWidth={1.75} aria-hidden />
      <span>
        <span data-message-text="">{words.message.cannotShow(content.type, content.size)}</span>
        {content.name === null ? null : <span className={styles.name}>{isolated(content.name)}</span>}
        {isReadOnly ? null : (
          <button type="button" className="link" data-testid="message-save-file" disabled={busy} onClick={save}>
            {words.message.saveFile}
          </button>
        )}
        {error === null ? null : <ErrorNote error={error} />}
      </span>
    </span>
  );
}
