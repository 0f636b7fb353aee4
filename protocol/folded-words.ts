/**
 * The words of a text as search compares them. Both sides, what is searched and what is typed, go through this one function.
 *
 *   as written -> decomposed (NFKD) -> without the marks that a language leaves out -> one case -> one form of a letter -> composed (NFC) -> words
 *
 * Folded away: case, width, ligatures, the accents of Latin and Greek, ё, the points of Hebrew and Arabic, tatweel, the forms of alef, soft hyphens,
 * joiners, and in which script digits are written. Kept: й and what else is a letter of its own in Cyrillic, the vowel signs of India and of South East
 * Asia, and the voicing of kana. Scripts without spaces have no words to look for: each sign is a word there, and each two that stand side by side.
 */

/** A folded word, and where it stands in the text as written. */
export interface PlacedWord extends FoldedWord {
  at: number;
  length: number;
}

export interface FoldedWord {
  folded: string;
  /** `word`: stands between spaces. `part`: one or two signs of a script without spaces. `symbol`: an emoji, a flag, or the like. */
  kind: 'word' | 'part' | 'symbol';
}

// Combining diacritics of all scripts, points and vowel marks of Semitic scripts, the nukta of Hindi. Breve, macron and (but for ё) diaeresis make
// letters in Cyrillic, as the acute does in Macedonian.
const leftOut = new RegExp(
  [
    String.raw`(?<!\p{Script=Cyrillic})[\u0304\u0306]`,
    String.raw`(?<!(?![Ее])\p{Script=Cyrillic})\u0308`,
    String.raw`(?<![ГгКк])\u0301`,
    String.raw`[\u0300\u0302\u0303\u0305\u0307\u0309-\u036f\u093c\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]`,
    String.raw`(?=\p{M})[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\u064b-\u0655\u0670]`,
  ].join('|'),
  'gu',
);
/** The zero-width space stays: it divides words, but not where there are none. */
const ignored = /(\u{1f3f4}[\u{e0020}-\u{e007f}]+)|(?!\u200b)\p{Default_Ignorable_Code_Point}|\u0640/gu;

/** Letters that no decomposition takes to the plain one by which people search. */
const plainLetters: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', ł: 'l', ħ: 'h', ŧ: 't', þ: 'th', ς: 'σ' },
  // One word is written with any apostrophe.
  ...{ ʹ: "'", ʻ: "'", ʼ: "'", ʽ: "'" },
  // Alef with wasla, alef maksura, Persian yeh and kaf, teh marbuta, Urdu heh.
  ...{ '\u0671': '\u0627', '\u0649': '\u064a', '\u06cc': '\u064a', '\u06a9': '\u0643', '\u0629': '\u0647', '\u06c1': '\u0647' },
};
const otherLetters = new RegExp(`[${Object.keys(plainLetters).join('')}]`, 'gu');
const otherDigits = /(?![0-9])\p{Nd}/gu;

const onlyAscii = /^[\0-\x7f]*$/;

/** Whether a text folds to itself but for the case of A to Z, so that its words are those between everything that is no letter and no digit. */
export const isPlain = (text: string): boolean => onlyAscii.test(text);

/** The whole text, folded. */
export const foldedText = (text: string): string => folded(text).replaceAll('\u200b', '');

/** The words of a text, in their order. */
export const foldedWords = (text: string): FoldedWord[] => wordsIn(folded(text)).map(({ folded: word, kind }) => ({ folded: word, kind }));

function folded(text: string): string {
  if (isPlain(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(ignored, (_, flag: string | undefined) => flag ?? '')
    .replace(leftOut, '')
    .toUpperCase()
    .toLowerCase()
    .replace(otherLetters, (letter) => plainLetters[letter] ?? letter)
    .replace(otherDigits, (digit) => String(digitValue(digit)))
    .normalize('NFC');
}

/** The decimal digits of each script stand together, from zero to nine. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  let first = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first -= 1;
  return (code - first) % 10;
}

const unspacedScripts = [
  ...['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Hangul', 'Yi', 'Nushu', 'Tangut'],
  ...['Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan', 'Javanese', 'Balinese', 'Tai_Le', 'New_Tai_Lue', 'Tai_Tham', 'Tai_Viet', 'Cham'],
];
const unspaced = `[${unspacedScripts.map((script) => String.raw`\p{Script_Extensions=${script}}`).join('')}]`;
const words = new RegExp(
  [
    String.raw`(?<run>(?:(?=${unspaced})[\p{L}\p{M}\p{N}][\p{M}\u200b]*)+)`,
    String.raw`(?<word>(?:(?!${unspaced})[\p{L}\p{N}\p{Co}]\p{M}*)+)`,
    String.raw`[\u{1f1e6}-\u{1f1ff}]{1,2}|[\u{e0020}-\u{e007f}]+|(?![\0-\x7f])[\p{S}\p{Extended_Pictographic}]`,
  ].join('|'),
  'gu',
);

/** A word of a folded text, and where it stands there. */
interface WordSpan extends FoldedWord {
  from: number;
  to: number;
}

function wordsIn(text: string): WordSpan[] {
  const found: WordSpan[] = [];
  for (const match of text.matchAll(words)) {
    const [at, whole] = [match.index, match[0]];
    if (match.groups?.run === undefined) {
      found.push({ folded: whole, kind: match.groups?.word === undefined ? 'symbol' : 'word', from: at, to: at + whole.length });
      continue;
    }
    let before: WordSpan | null = null;
    for (const sign of whole.matchAll(/[^\u200b]/gu)) {
      const from = at + sign.index;
      const alone: WordSpan = { folded: sign[0], kind: 'part', from, to: from + sign[0].length };
      if (before !== null) found.push({ folded: before.folded + alone.folded, kind: 'part', from: before.from, to: alone.to });
      found.push(alone);
      before = alone;
    }
  }
  return found;
}

/** What folds alone to what it folds to inside of a text: plain text, a flag, syllables and vowels in parts, or a character and its marks. */
const units = new RegExp(
  [
    String.raw`[\0-\x7f]+(?![\p{M}\p{Default_Ignorable_Code_Point}])`,
    String.raw`\u{1f3f4}[\u{e0020}-\u{e007f}]+`,
    String.raw`[\uac00-\ud7a3]?[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\ud7b0-\ud7fb\uffa0-\uffdc]+`,
    String.raw`[\u{16d63}\u{16d67}-\u{16d6a}]+`,
    String.raw`.[\p{M}\p{Default_Ignorable_Code_Point}\uff9e\uff9f]*`,
  ].join('|'),
  'gsu',
);

/** Texts are made of few characters: what they fold to is kept, for so many of them. */
const mostKept = 4_096;
const kept = new Map<string, string>();

function foldedUnit(unit: string): string {
  if (isPlain(unit)) return unit.toLowerCase();
  const known = kept.get(unit);
  if (known !== undefined) return known;
  const made = folded(unit);
  if (kept.size >= mostKept) kept.clear();
  // A run of marks without end is no character that comes again.
  if (unit.length <= 16) kept.set(unit, made);
  return made;
}

/** As `foldedWords`, with where each of them stands in the text as written. */
export function placedWords(text: string): PlacedWord[] {
  const starts: number[] = [];
  const ends: number[] = [];
  let all = '';
  for (const { 0: unit, index } of text.matchAll(units)) {
    const piece = foldedUnit(unit);
    all += piece;
    const isOneToOne = isPlain(unit);
    for (let within = 0; within < piece.length; within += 1) {
      starts.push(isOneToOne ? index + within : index);
      ends.push(isOneToOne ? index + within + 1 : index + unit.length);
    }
  }
  return wordsIn(all).map(({ folded: word, kind, from, to }) => {
    const at = starts[from] ?? 0;
    return { folded: word, kind, at, length: (ends[to - 1] ?? at) - at };
  });
}
