import { LoaderCircle } from 'lucide-react';

/** What a dialog is doing, while it waits for the answer. */
export function ProgressLine({ children }: { children: string }) {
  return (
    <p className="progress-line">
      <LoaderCircle className="spin" size={18} strokeWidth={1.75} />
      {children}
    </p>
  );
}
