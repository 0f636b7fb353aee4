import { useId } from 'react';
import settingRow from './SettingRow.module.css';

interface SelectRowProps {
  name: string;
  hint: string;
  value: string;
  /** Value and what is shown for it. */
  options: readonly (readonly [value: string, shown: string])[];
  disabled?: boolean;
  testId: string;
  onSelect: (value: string) => void;
}

/** A setting with one of several values, from a list. */
export function SelectRow({ name, hint, value, options, disabled = false, testId, onSelect }: SelectRowProps) {
  const id = useId();
  return (
    <div className={settingRow.option}>
      <div className={settingRow.what}>
        <label htmlFor={id}>{name}</label>
        <div className="hint">{hint}</div>
      </div>
      <div className="field">
        <select id={id} value={value} disabled={disabled} data-testid={testId} onChange={(event) => onSelect(event.target.value)}>
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
