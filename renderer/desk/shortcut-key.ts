/** The key of a shortcut, also where the keyboard's layout gives no Latin letter (Cyrillic, Greek, Hebrew, Arabic and others). */

/**
 * In lower case. A Latin letter, a digit or a sign counts as the layout has it: whoever writes Dvorak presses their own K. Any other character counts
 * as the one in the same place of a US keyboard.
 */
export function shortcutKey({ key, code, shiftKey }: Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'>): string {
  // The names of other keys, such as ArrowUp, are ASCII as well.
  if (/^[\x20-\x7e]+$/.test(key)) return key.toLowerCase();
  const letter = /^(?:Key([A-Z])|Digit(\d))$/.exec(code);
  if (letter !== null) return (letter[1] ?? letter[2] ?? '').toLowerCase();
  return code === 'Slash' && shiftKey ? '?' : key.toLowerCase();
}
