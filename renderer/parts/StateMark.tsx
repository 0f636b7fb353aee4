import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import type { MessageState } from '../../preload/contract';
import { words } from '../words/text';
import { cx } from './cx';
import styles from './StateMark.module.css';

const line = { fill: 'none', stroke: 'currentColor', strokeWidth: 1.5, strokeLinecap: 'round', strokeLinejoin: 'round' } as const;

interface Shape {
  width: number;
  className: string;
  drawing: ReactNode;
}

const clock: Shape = {
  width: 14,
  className: styles.mark,
  drawing: (
    <g {...line} strokeWidth={1.35}>
      <circle cx="7" cy="7" r="5" />
      <path d="M7 4.5V7l1.75 1.1" />
    </g>
  ),
};

/** Clock, tick, two ticks, filled pill: each on its own pixel grid, 14 high. */
const shapes: Partial<Record<MessageState, Shape>> = {
  queued: clock,
  sending: clock,
  sent: { width: 14, className: styles.mark, drawing: <path d="M2 7.5 5.25 10.75 12 3.75" {...line} /> },
  delivered: {
    width: 19,
    className: styles.mark,
    drawing: <path d="M1.5 7.5 4.75 10.75 11.5 3.75M8.75 10 9.5 10.75 16.25 3.75" {...line} />,
  },
  displayed: {
    width: 19,
    className: `${styles.mark} ${styles.read}`,
    drawing: (
      <>
        <rect y="1" width="19" height="12" rx="6" fill="currentColor" />
        <path d="M4 7.25 6 9.25 10 4.75M9.25 9 9.5 9.25 14.25 4.75" {...line} stroke="var(--mark-ground, var(--bubble-out))" />
      </>
    ),
  },
};

interface StateMarkProps {
  state: MessageState;
  title?: string | null;
  /** Size of the mark for a failed message, pixels. */
  failedSize?: number;
}

/** What became of an own message, as a shape with a name; `title` null: the name stands beside it. */
export function StateMark({ state, title = words.message.state[state], failedSize = 14 }: StateMarkProps) {
  if (state === 'failed')
    return (
      <CircleAlert
        className={cx(styles.mark, styles.failed)}
        size={failedSize}
        strokeWidth={1.75}
        role="img"
        aria-label={title ?? undefined}
        aria-hidden={title === null}
      />
    );
  const shape = shapes[state];
  if (shape === undefined) return null;
  return (
    <svg
      className={shape.className}
      width={shape.width}
      height="14"
      viewBox={`0 0 ${shape.width} 14`}
      role="img"
      aria-label={title ?? undefined}
      aria-hidden={title === null}
    >
      {title === null ? null : <title>{title}</title>}
      {shape.drawing}
    </svg>
  );
}
