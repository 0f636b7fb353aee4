/** The class names that are wanted, as one attribute: `cx('button', isFirst && 'primary', styles.wide)`. */
export const cx = (...names: readonly (string | false | null | undefined)[]): string => names.filter(Boolean).join(' ');
