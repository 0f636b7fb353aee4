import { describe, expect, it } from 'vitest';
import { shortcutKey } from '../../../../renderer/desk/shortcut-key';

const pressed = (key: string, code: string, shiftKey = false) => shortcutKey({ key, code, shiftKey });

describe('the key of a shortcut', () => {
  it.each([
    ['k', 'KeyK', false, 'k'],
    ['A', 'KeyA', true, 'a'],
    // Russian, Greek, Hebrew, Arabic, Thai, Korean.
    ['л', 'KeyK', false, 'k'],
    ['Ф', 'KeyA', true, 'a'],
    ['ν', 'KeyN', false, 'n'],
    ['ל', 'KeyK', false, 'k'],
    ['ن', 'KeyK', false, 'k'],
    ['า', 'KeyK', false, 'k'],
    ['ㅏ', 'KeyK', false, 'k'],
    ['؟', 'Slash', true, '?'],
    ['१', 'Digit1', false, '1'],
    // Layouts with Latin letters in other places: the letter counts.
    ['k', 'KeyV', false, 'k'],
    ['a', 'KeyQ', false, 'a'],
    ['ArrowDown', 'ArrowDown', false, 'arrowdown'],
    ['Escape', 'Escape', false, 'escape'],
    ['é', 'Digit2', false, '2'],
  ])('%s at %s (shift %s) is %s', (key, code, shift, wanted) => {
    expect(pressed(key, code, shift)).toBe(wanted);
  });
});
