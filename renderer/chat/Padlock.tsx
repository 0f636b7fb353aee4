import { Lock, LockOpen } from 'lucide-react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { cx } from '../parts/cx';
import { words } from '../words/text';
import styles from './Padlock.module.css';

/** Whether the open session of a chat is encrypted on its way. No open padlock where nothing leaves this computer. */
export function Padlock({ conversation: { encrypted, kind } }: { conversation: ConversationValue }) {
  const isLocal = useChorus(({ account }) => account?.kind === 'try');
  if (encrypted === null || (isLocal && !encrypted)) return null;
  const said = words.chat.transit[encrypted ? 'encrypted' : 'open'][kind];
  const Icon = encrypted ? Lock : LockOpen;
  return (
    <span className={cx(styles.padlock, !encrypted && styles.open)} title={said} data-testid="padlock" data-encrypted={encrypted}>
      <Icon size={12} strokeWidth={2} aria-hidden />
      {encrypted ? null : <span aria-hidden>{words.chat.transit.open.short}</span>}
      <span className="hidden-text">{said}</span>
    </span>
  );
}
