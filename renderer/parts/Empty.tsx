import type { ReactNode } from 'react';

interface EmptyProps {
  icon: ReactNode;
  title: string;
  body: string;
  bad?: boolean;
  fills?: boolean;
  children?: ReactNode;
  testId: string;
}

export function Empty({ icon, title, body, bad = false, fills = false, children, testId }: EmptyProps) {
  return (
    <div className={`empty${fills ? ' fills' : ''}`} data-testid={testId}>
      <span className={`sign${bad ? ' bad' : ''}`}>{icon}</span>
      <h3>{title}</h3>
      <p>{body}</p>
      {children === undefined ? null : <div className="choices">{children}</div>}
    </div>
  );
}
