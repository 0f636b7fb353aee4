import type { ReactNode } from 'react';
import styles from './SettingRow.module.css';

/** One line of a page of settings: its name and what it means at the left, what is set at the right. */
export function SettingRow({ name, hint, children }: { name: string; hint?: string; children?: ReactNode }) {
  return (
    <div className={styles.option}>
      <div className={styles.what}>
        <div>{name}</div>
        {hint === undefined ? null : <div className="hint">{hint}</div>}
      </div>
      {children}
    </div>
  );
}
