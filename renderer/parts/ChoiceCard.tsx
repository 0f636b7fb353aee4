import type { ReactNode } from 'react';
import styles from './ChoiceCard.module.css';

/** An option of a `Choice`, drawn as a card. */
export function ChoiceCard({ icon, isOn, name, children }: { icon: ReactNode; isOn: boolean; name: string; children: string }) {
  return (
    <>
      <span className={styles.sign}>{icon}</span>
      <svg className={styles.radio} width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
        {isOn ? (
          <>
            <circle cx="10" cy="10" r="10" fill="currentColor" />
            <path
              d="M6 10.25 8.75 13 14 7.25"
              fill="none"
              stroke="var(--on-accent)"
              strokeWidth="1.75"
              strokeLinecap="round"
              strokeLinejoin="round"
            />
          </>
        ) : (
          <circle cx="10" cy="10" r="9.25" fill="none" stroke="currentColor" strokeWidth="1.5" />
        )}
      </svg>
      <span className={styles.name}>{name}</span>
      <span className={styles.about}>{children}</span>
    </>
  );
}
