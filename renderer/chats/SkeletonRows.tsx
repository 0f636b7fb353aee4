import { cx } from '../parts/cx';
import { words } from '../words/text';
import conversationList from './ConversationList.module.css';
import conversationRow from './ConversationRow.module.css';

/** Widths of the name and of the last line, percent. */
const widths = [
  [46, 82],
  [62, 70],
  [38, 88],
  [54, 76],
  [42, 64],
] as const;

/** Rows in their final size, shown only if the wait is longer than 300 ms. */
export function SkeletonRows() {
  return (
    <div className={cx('appears-late', conversationList.list)} role="status" aria-label={words.loading}>
      {widths.map(([name, last]) => (
        <div key={name} className={conversationRow.row}>
          <i className="bone" style={{ width: 40, height: 40, borderRadius: '50%' }} />
          <div>
            <i className="bone" style={{ width: `${name}%`, height: 12 }} />
            <i className="bone" style={{ width: `${last}%`, height: 10, marginTop: 10 }} />
          </div>
        </div>
      ))}
    </div>
  );
}
