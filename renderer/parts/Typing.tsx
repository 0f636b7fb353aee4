import styles from './Typing.module.css';

/** Three dots that breathe, beside the words that say who is typing. */
export function TypingDots() {
  return (
    <span className={styles.dots} aria-hidden="true">
      <i />
      <i />
      <i />
    </span>
  );
}
