import { CircleAlert } from 'lucide-react';
import { useId } from 'react';
import { cx } from './cx';

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  testId: string;
  type?: 'text' | 'password';
  /** So many lines are shown. */
  lines?: number;
  placeholder?: string;
  hint?: string;
  problem?: string | undefined;
  bad?: boolean;
  disabled?: boolean;
  autoComplete?: string;
  firstFocus?: boolean;
}

/** One line, or with `lines` several, of text with its name, a hint, and what is wrong with it. */
export function Field(props: FieldProps) {
  const {
    label,
    value,
    onChange,
    testId,
    type = 'text',
    lines,
    placeholder,
    hint,
    problem,
    bad = false,
    disabled = false,
    autoComplete = 'off',
    firstFocus = false,
  } = props;
  const id = useId();
  const common = {
    id,
    value,
    placeholder,
    disabled,
    spellCheck: false,
    'aria-invalid': bad || problem !== undefined,
    'aria-describedby': `${id}-hint`,
    'data-testid': testId,
  } as const;
  return (
    <div>
      <label className="label" htmlFor={id}>
        {label}
      </label>
      <div className={cx('field', lines !== undefined && 'tall', (bad || problem !== undefined) && 'bad')}>
        {lines === undefined ? (
          <input
            {...common}
            type={type}
            autoComplete={autoComplete}
            data-first-focus={firstFocus ? '' : undefined}
            onChange={(event) => onChange(event.target.value)}
          />
        ) : (
          <textarea {...common} rows={lines} onChange={(event) => onChange(event.target.value)} />
        )}
      </div>
      {problem === undefined ? (
        hint === undefined ? null : (
          <p className="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      ) : (
        <p className="hint bad" id={`${id}-hint`} role="alert">
          <CircleAlert size={14} strokeWidth={1.75} />
          {problem}
        </p>
      )}
    </div>
  );
}
