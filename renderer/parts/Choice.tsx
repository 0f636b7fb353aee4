import { type KeyboardEvent, type ReactNode, useRef } from 'react';
import styles from './Choice.module.css';

interface ChoiceProps<T extends string> {
  label: string;
  /** In place of the usual row of segments. */
  className?: string;
  value: T;
  options: readonly { value: T; content: ReactNode; className?: string; testId?: string }[];
  onChoose: (value: T) => void;
  disabled?: boolean;
}

/** One of several, by arrow keys as by mouse; a single stop for Tab. */
export function Choice<T extends string>({
  label,
  className = styles.segments,
  value,
  options,
  onChoose,
  disabled = false,
}: ChoiceProps<T>) {
  const ref = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const step =
      event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = options.findIndex((option) => option.value === value);
    const next = (at + step + options.length) % options.length;
    const option = options[next];
    if (option === undefined) return;
    onChoose(option.value);
    ref.current?.querySelectorAll('button')[next]?.focus();
  };
  return (
    <div ref={ref} className={className} role="radiogroup" aria-label={label} onKeyDown={move}>
      {options.map((option) => (
        // biome-ignore lint/a11y/useSemanticElements: a radio that holds more than its dot
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          tabIndex={option.value === value ? 0 : -1}
          className={option.className}
          disabled={disabled}
          data-testid={option.testId}
          data-value={option.value}
          onClick={() => onChoose(option.value)}
        >
          {option.content}
        </button>
      ))}
    </div>
  );
}
