import { useId } from 'react';
import settingRow from './SettingRow.module.css';
import styles from './Switch.module.css';

interface SwitchProps {
  name: string;
  hint?: string;
  isOn: boolean;
  testId: string;
  disabled?: boolean;
  onChange: (isOn: boolean) => void;
}

/** One thing that is on or off, with what it does beside it. */
export function Switch({ name, hint, isOn, testId, disabled, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div className={settingRow.option}>
      <div className={settingRow.what}>
        <div id={id}>{name}</div>
        {hint === undefined ? null : (
          <div className="hint" id={`${id}-hint`}>
            {hint}
          </div>
        )}
      </div>
      <button
        type="button"
        className={styles.switch}
        role="switch"
        aria-checked={isOn}
        aria-labelledby={id}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        disabled={disabled}
        data-testid={testId}
        onClick={() => onChange(!isOn)}
      />
    </div>
  );
}
