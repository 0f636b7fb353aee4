import { describe, expect, it } from 'vitest';
import { MAX_MARKS_ON_A_LETTER, MAX_NAME_CHARACTERS, namesLookAlike, shownName } from '../../../protocol/shown-name';

describe('a name that is shown', () => {
  it.each([
    ['line ends', 'Bob\r\nAdmin: yes\u2028x\u2029y', 'Bob Admin: yes x y'],
    ['controls', 'B\u0000o\u0007b\u009f', 'B o b'],
    ['overrides and embeddings', '\u202eecilA\u202c \u202aBob\u202b', 'ecilA Bob'],
    ['isolates, balanced or not', '\u2066Bob\u2069 \u2067x', 'Bob x'],
    ['direction marks', 'Bob\u200e\u200f\u061c', 'Bob'],
    ['zero-width characters alone', '\u200b\u200d\u2060\ufeff', ''],
    ['a joiner where it joins nothing', 'Bo\u200d b\u200c', 'Bo b'],
    ['a soft hyphen and a grapheme joiner', 'B\u00ado\u034fb', 'Bob'],
    ['blanks that are letters', '\u3164\u2800\u115f\u1160\uffa0', ''],
    ['a blank between letters', 'Bob\u3164Admin', 'Bob Admin'],
    ['tags without a flag', 'Bob\u{e0041}\u{e007f}', 'Bob'],
    ['halves of pairs, private use, unassigned', '\ud800Bob\ue000\u{10ffff}\u0378', 'Bob'],
    ['spaces of any width', '\u00a0\u3000Bob \u2003 Smith\u202f', 'Bob Smith'],
  ])('loses %s', (_what, said, shown) => {
    expect(shownName(said)).toBe(shown);
  });

  it.each([
    ['Zoë', 'Zoë'],
    ['Zoe\u0308', 'Zoë'],
    ['علی\u200cرضا', 'علی\u200cرضا'],
    ['क्\u200dष', 'क्\u200dष'],
    ['Anna \u{1f469}\u200d\u{1f469}\u200d\u{1f467}', 'Anna \u{1f469}\u200d\u{1f469}\u200d\u{1f467}'],
    ['Ola \u2764\ufe0f\u200d\u{1f525}', 'Ola \u2764\ufe0f\u200d\u{1f525}'],
    [
      '\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Fiona',
      '\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Fiona',
    ],
    ['דנה Dana', 'דנה Dana'],
    ["Conan O'Brien-Smith (work), 3rd", "Conan O'Brien-Smith (work), 3rd"],
    ['한지민', '한지민'],
  ])('keeps %s', (said, shown) => {
    expect(shownName(said)).toBe(shown);
  });

  it('has few marks on a letter', () => {
    expect(shownName(`B${'\u0300'.repeat(200)}ob`).normalize('NFD')).toBe(`B${'\u0300'.repeat(MAX_MARKS_ON_A_LETTER)}ob`);
  });

  it('is cut at its limit, never inside a character', () => {
    expect([...shownName('x'.repeat(1_000))]).toHaveLength(MAX_NAME_CHARACTERS);
    expect(shownName(`abc\u{1f469}\u200d\u{1f467}`, 4)).toBe('abc');
    expect(shownName('ab  cd', 3)).toBe('ab');
  });

  it('is the same when it is cleaned twice', () => {
    const parts = [
      'B',
      '\u200d',
      '\u202e',
      '\u3164',
      '\u0301',
      ' ',
      '\u{1f3f4}',
      '\u{e0067}',
      '\u{e007f}',
      '\ue000',
      '\ud83d',
      '\u{1f469}',
      '\n',
    ];
    let seed = 7;
    const next = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed;
    };
    for (let round = 0; round < 3_000; round += 1) {
      const said = Array.from({ length: 1 + (next() % 12) }, () => parts[next() % parts.length]).join('');
      const once = shownName(said, 6);
      expect(shownName(once, 6), JSON.stringify(said)).toBe(once);
    }
  });
});

describe('names that look alike', () => {
  it.each([
    ['Alice', 'Аlice'],
    ['Alice', 'alice'],
    ['Alice', 'A l i c e'],
    ['Alice', 'Αlісе'],
    ['Alice', 'Alíce'],
    ['Alice', 'Ａｌｉｃｅ'],
    ['Bill', 'BiII'],
    ['BOB', 'B0B'],
    ['ALICE', 'alice'],
    ['Paypal', 'Ρаураl'],
    ['Bob Smith', 'Bob\u200bSmith.'],
  ])('%s and %s', (one, other) => {
    expect(namesLookAlike(one, other)).toBe(true);
  });

  it.each([
    ['Alice', 'Alina'],
    ['Bob', 'Rob'],
    ['王芳', '王明'],
    ['Иван', 'Иванна'],
  ])('%s and %s do not', (one, other) => {
    expect(namesLookAlike(one, other)).toBe(false);
  });
});
