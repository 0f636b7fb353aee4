import { useId } from 'react';

interface PickProps {
  name: string;
  hint: string;
  value: string;
  /** Value and what is shown for it. */
  options: readonly (readonly [value: string, shown: string])[];
  testId: string;
  onPick: (value: string) => void;
}

/** A setting with one of several values, from a list. */
export function Pick({ name, hint, value, options, testId, onPick }: PickProps) {
  const id = useId();
  return (
    <div className="option">
      <div className="what">
        <label htmlFor={id}>{name}</label>
        <div className="hint">{hint}</div>
      </div>
      <div className="field">
        <select id={id} value={value} data-testid={testId} onChange={(event) => onPick(event.target.value)}>
          {options.map(([each, shown]) => (
            <option key={each} value={each}>
              {shown}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}
