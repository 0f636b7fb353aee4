import type { ReactNode } from 'react';

/** One line of a page of settings: its name and what it means at the left, what is set at the right. */
export function SettingRow({ name, hint, children }: { name: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="option">
      <div className="what">
        <div>{name}</div>
        {hint === undefined ? null : <div className="hint">{hint}</div>}
      </div>
      {children}
    </div>
  );
}
