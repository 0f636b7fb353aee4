import { words } from '../words/text';

export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 28 28" role="img" aria-label={words.product}>
      <title>{words.product}</title>
      <rect width="28" height="28" rx="8" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" strokeWidth="2.25" strokeLinecap="round">
        <path d="M19.3 8.7a7.5 7.5 0 1 0 0 10.6" />
        <path d="M16.5 11.5a3.5 3.5 0 1 0 0 5" />
      </g>
    </svg>
  );
}
