import { VenetianMask } from 'lucide-react';
import styles from './AnonymousMark.module.css';

/** Stands before the name of a chat in which this person does not say who they are: a long name is cut at its end. */
export const AnonymousMark = ({ size }: { size: number }) => (
  <VenetianMask className={styles.masked} size={size} strokeWidth={1.75} aria-hidden />
);
