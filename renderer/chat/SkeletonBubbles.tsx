import { words } from '../words/text';

/** Percent of the column. */
const widths = [128 / 3, 44, 42, 130 / 3, 106 / 3] as const;

/** Bubbles in place of messages that are still being read, shown only if the wait is longer than 300 ms. */
export function SkeletonBubbles() {
  return (
    <div className="stream appears-late" role="status" aria-label={words.loading}>
      <div className="stream-spacer" />
      <div className="column">
        {widths.map((width, index) => (
          <div key={width} className={`said first ${index % 2 === 0 ? 'in' : 'out'}`}>
            <i className="bone" style={{ width: `${width}%`, height: 36, borderRadius: 16 }} />
          </div>
        ))}
        <div className="stream-end" />
      </div>
    </div>
  );
}
