import { useServices } from '../desk/desk';
import { Dialog } from '../parts/Dialog';
import { words } from '../words/text';
import styles from './Shortcuts.module.css';

export function Shortcuts() {
  const { desk } = useServices();
  return (
    <Dialog title={words.shortcuts.title} testId="shortcuts-dialog" onClose={() => desk.closeDialog()}>
      <ShortcutList />
    </Dialog>
  );
}

export function ShortcutList() {
  return (
    <dl className={styles.keys}>
      {words.shortcuts.all.map(([keys, what]) => (
        <div key={keys} style={{ display: 'contents' }}>
          <dt>{keys}</dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
