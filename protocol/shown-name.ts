/**
 * Makes names safe to show: those of people, devices and groups, nicknames, and the user parts of addresses. A name may be chosen to
 * deceive, so every name passes through `shownName` once, where it enters Chorus.
 */
import unhomoglyph from 'unhomoglyph';

/** LAB: most code points in a name that people choose for themselves. */
export const MAX_NAME_CHARACTERS = 128;
/** LAB: most combining marks on one letter. Every living script needs fewer; more would overlap the neighbouring lines. */
export const MAX_MARKS_ON_A_LETTER = 4;

/** Line and paragraph separators, tabs and other control characters. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;
/** Letters and symbols without a visible glyph (Default_Ignorable and blank glyphs that are neither spaces nor format characters). */
const BLANKS = /[\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]+/gu;
/** Lone surrogates, private use and unassigned code points. */
const NOBODY_KNOWS = /[\p{Cs}\p{Co}\p{Cn}]+/gu;
/**
 * Letters that U+200C and U+200D may join: those of scripts that need them (such as Persian and Devanagari), and emoji. Anywhere else the
 * joiners only hide something.
 */
const JOINED =
  '[[[\\p{L}\\p{M}]--[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{Script=Han}]]\\p{Extended_Pictographic}\\p{Emoji_Modifier}]';
/** The flag of a region: a black flag, tag characters and the cancel tag (UTS #51, ED-14a). */
const REGION_FLAG = /\u{1f3f4}[\u{e0020}-\u{e007e}]+\u{e007f}/gu;
/** Format characters, including every change of reading direction (UAX #9), zero-width spaces, soft hyphens and tags. */
const FORMATS = new RegExp(`(?<=${JOINED})([\\u200c\\u200d])(?=${JOINED})|[\\p{Cf}\\u034f]`, 'gv');
const PILE_OF_MARKS = new RegExp(`(\\p{M}{${MAX_MARKS_ON_A_LETTER}})\\p{M}+`, 'gu');

/** Printable ASCII, words one space apart: there is nothing to make safe, as in most names. */
const PLAIN = /^(?:[!-~]+(?: [!-~]+)*)?$/;

/**
 * The name on one visible line that neither reverses text around it nor hides anything. Empty when nothing visible is left. `limit` counts
 * code points, including marks and joiners.
 */
export function shownName(said: string, limit = MAX_NAME_CHARACTERS): string {
  if (said.length <= limit && PLAIN.test(said)) return said;
  const flags: string[] = [];
  const visible = said
    .normalize('NFC')
    .replace(BREAKS, ' ')
    .replace(NOBODY_KNOWS, '')
    .replace(BLANKS, ' ')
    .replace(REGION_FLAG, (flag) => {
      flags.push(flag);
      return '\u{1f3f4}\ue000';
    })
    .replace(FORMATS, (_one, joiner?: string) => joiner ?? '')
    .replace(/\ue000/gu, () => (flags.shift() ?? '').slice(2))
    .replace(PILE_OF_MARKS, '$1')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
  return shortened(visible, limit);
}

/** Cuts between visible characters, so that no emoji or accented letter is split. */
function shortened(name: string, limit: number): string {
  if (name.length <= limit) return name;
  let length = 0;
  let kept = '';
  for (const { segment } of new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(name)) {
    length += [...segment].length;
    if (length > limit) break;
    kept += segment;
  }
  return kept.trim();
}

/**
 * Whether a person could confuse the two names: `Аlice` with a Cyrillic A, `BiII` with two capital i, `A l i c e` (UTS #39 section 4,
 * skeletons, compared both with and without regard to case).
 */
export function namesLookAlike(one: string, other: string): boolean {
  const others = nameSkeletons(other);
  return nameSkeletons(one).some((skeleton) => others.includes(skeleton));
}

/** What a name is compared by: two names look alike when they share a skeleton. Empty where nothing of the name can be compared. */
export function nameSkeletons(name: string): string[] {
  const bare = name.normalize('NFKD').replace(/[\p{M}\p{P}\p{Z}\p{Cf}]+/gu, '');
  return [bare, bare.toLowerCase()].map((text) =>
    unhomoglyph(unhomoglyph(text))
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .toLowerCase(),
  );
}
