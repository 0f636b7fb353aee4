import { cx } from '../parts/cx';
import { words } from '../words/text';
import bubble from './Bubble.module.css';
import stream from './Stream.module.css';
import streamRow from './StreamRow.module.css';

/** Percent of the column. */
const widths = [128 / 3, 44, 42, 130 / 3, 106 / 3] as const;

/** Bubbles in place of messages that are still being read, shown only if the wait is longer than 300 ms. */
export function SkeletonBubbles() {
  return (
    <div className={cx('appears-late', stream.stream)} role="status" aria-label={words.loading}>
      <div className={stream.streamSpacer} />
      <div className={stream.column}>
        {widths.map((width, index) => (
          <div key={width} className={cx(bubble.said, bubble.first, index % 2 === 0 ? bubble.in : bubble.out)}>
            <i className="bone" style={{ width: `${width}%`, height: 36, borderRadius: 16 }} />
          </div>
        ))}
        <div className={streamRow.streamEnd} />
      </div>
    </div>
  );
}
