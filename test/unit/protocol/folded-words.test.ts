import { describe, expect, it } from 'vitest';
import { foldedText, foldedWords, placedWords } from '../../../protocol/folded-words';

const wordsOf = (text: string) => foldedWords(text).map(({ folded }) => folded);

/** Every assigned character, but for the ideographs and syllables by the ten thousand, which have neither case nor marks. */
function* characters(): Generator<string> {
  for (let code = 0; code <= 0xe01ef; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCodePoint(code);
    if (!/[\p{Cn}\p{Co}\p{Unified_Ideograph}\uac00-\ud7a3]/u.test(character)) yield character;
  }
}

describe('folding', () => {
  const alike: [what: string, ...texts: string[]][] = [
    ['case', 'Straße', 'STRASSE', 'strasse', 'STRAẞE'],
    ['Turkish i', 'İSTANBUL', 'ISTANBUL', 'istanbul', 'ıstanbul'],
    ['umlauts', 'Müller', 'Muller', 'MU\u0308LLER'],
    ['Vietnamese', 'Đường Việt', 'duong viet'],
    ['letters with a stroke, ligatures', 'Łódź Ærø œuvre ﬁn', 'lodz aero oeuvre fin'],
    ['Russian ё and stress', 'Ёлка за́мок', 'елка замок'],
    ['й in two characters', 'мой', 'мои\u0306'],
    ['Greek accents and sigma', 'Ὀδυσσεύς', 'ΟΔΥΣΣΕΥΣ'],
    ['Arabic points, tatweel and alef', 'أَحْمَد', 'احمد', 'أحـــمد', '\u0671حمد'],
    ['Arabic presentation forms', 'ﷺ', 'صلى الله عليه وسلم'],
    ['Hebrew points', 'שָׁלוֹם', 'שלום'],
    ['width', 'Ｃｈｏｒｕｓ２', 'chorus2'],
    ['half-width kana', 'ｶﾞﾗｽ', 'ガラス'],
    ['Hangul in parts', '한국', '한국'.normalize('NFD')],
    ['digits of other scripts', '١٢٣ ४५ ๖', '123 45 6'],
    ['what is not seen inside of words', 'in\u00adter\u200dna\u2060tional', 'international'],
    ['apostrophes', 'м’ята', 'мʼята', "м'ята"],
  ];
  it.each(alike)('takes %s as the same', (_, first, ...others) => {
    for (const other of others) expect(wordsOf(other), other).toEqual(wordsOf(first));
  });

  const different: [string, string][] = [
    ['мой', 'мои'],
    ['їх', 'іх'],
    ['कि', 'कु'],
    ['मैं', 'म'],
    ['か', 'が'],
    ['มา', 'ม้า'],
    ['ខែ', 'ខ'],
  ];
  it.each(different)('keeps %s and %s apart', (one, other) => {
    expect(wordsOf(one)).not.toEqual(wordsOf(other));
  });

  it('gives upper and lower case of every character, and each of its normal forms, the same words', () => {
    const wrong: string[] = [];
    for (const character of characters()) {
      // The iota below a vowel is a mark that becomes a letter in upper case.
      if (character === '\u0345') continue;
      const text = `x${character}x`;
      const own = foldedText(text);
      const forms = [text.normalize('NFC'), text.normalize('NFD'), text.normalize('NFKC'), own];
      const cases = character.normalize('NFD').includes('\u0345') ? [] : [text.toUpperCase(), text.toLowerCase()];
      if ([...forms, ...cases].some((each) => foldedText(each) !== own)) wrong.push(character.codePointAt(0)?.toString(16) ?? '');
    }
    expect(wrong).toEqual([]);
  });

  it('places the words of every character where they are', () => {
    const wrong: string[] = [];
    for (const character of characters()) {
      const text = `ab ${character}${character} c\u0301d`;
      const placed = placedWords(text);
      const isSame = placed.map(({ folded }) => folded).join(' ') === wordsOf(text).join(' ');
      const last = placed.at(-1);
      if (!isSame || last?.folded.endsWith('cd') !== true || last.at + last.length !== text.length) {
        wrong.push(character.codePointAt(0)?.toString(16) ?? '');
      }
    }
    expect(wrong).toEqual([]);
  });

  it('finds a word in every letter, digit and symbol outside of ASCII, but for points alone, apostrophes and what is not seen', () => {
    const without = [...characters()].filter((each) => /(?![\0-\x7f])[\p{L}\p{N}\p{So}]/u.test(each) && wordsOf(each).length === 0);
    const unexpected = without.filter((each) => !/^[\s\p{M}\u0640\p{Default_Ignorable_Code_Point}ʹʻʼʽ]+$/u.test(each.normalize('NFKD')));
    expect(unexpected.map((each) => each.codePointAt(0)?.toString(16))).toEqual([]);
  });
});

describe('words', () => {
  it('are what stands between spaces and marks, or each one and two signs where a script has no spaces', () => {
    expect(wordsOf("Don't: https://lab.test/@bob_1")).toEqual(['don', 't', 'https', 'lab', 'test', 'bob', '1']);
    expect(wordsOf('iPhone手机')).toEqual(['iphone', '手', '手机', '机']);
    expect(wordsOf('ก\u200bข')).toEqual(['ก', 'กข', 'ข']);
    expect(wordsOf('one\u200btwo')).toEqual(['one', 'two']);
  });

  it('are emoji one by one, flags as a whole', () => {
    expect(wordsOf('🎉👍🏽❤️')).toEqual(['🎉', '👍', '🏽', '❤']);
    expect(wordsOf('👩‍👧')).toEqual(['👩', '👧']);
    expect(wordsOf('🇺🇸🇪🇺')).toEqual(['🇺🇸', '🇪🇺']);
    expect(wordsOf('🏴󠁧󠁢󠁥󠁮󠁧󠁿')).not.toEqual(wordsOf('🏴󠁧󠁢󠁳󠁣󠁴󠁿'));
  });

  it('stand where they were written', () => {
    const text = 'ﬁne ﷺ 한국 cafe\u0301 x';
    expect(placedWords(text).map(({ folded, at, length }) => [folded, text.slice(at, at + length)])).toEqual([
      ['fine', 'ﬁne'],
      ['صلي', 'ﷺ'],
      ['الله', 'ﷺ'],
      ['عليه', 'ﷺ'],
      ['وسلم', 'ﷺ'],
      ['한', '한'],
      ['한국', '한국'],
      ['국', '국'],
      ['cafe', 'cafe\u0301'],
      ['x', 'x'],
    ]);
  });
});
