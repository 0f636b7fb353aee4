/**
 * What a person types to find messages, and the piece of text that shows why one was found. Pure; the SQL is in history.ts.
 *
 * Every word is the beginning of a word of the text or of the sender's name, all of them must be there; "words in quotes" stand side by
 * side as they are. `2026-11-23` or `2026-11` is the day or the month of the message, in local time. Case and accents do not count, as
 * folded-words.ts says. Where a script has no spaces, every sign is a word that stands by itself, and so is every emoji.
 */
import { type FoldedWord, foldedWords, isPlain, type PlacedWord, placedWords } from '../../../protocol/folded-words';
import type { Mark, Snippet } from '../records';

/** The longest text that is searched for, in UTF-16 code units; the rest is left out. */
export const maximumQuery = 200;
/** The most words of a query that count. */
export const maximumQueryWords = 12;
/** A shorter word must be a whole word of the text: as a beginning it would find nearly everything. */
const minimumPrefix = 2;
/** About how much text is shown around the first hit, in UTF-16 code units. */
export const snippetLength = 120;
/** How much of it stands before the first hit. */
const snippetLead = 32;

interface SearchTerm {
  /** Folded as in the index. More than one word is a phrase. */
  words: readonly string[];
  /** Whether the last word is only the beginning of one. */
  isPrefix: boolean;
}

export interface SearchQuery {
  terms: readonly SearchTerm[];
  /** Only messages sent from `from` on and before `to`, epoch milliseconds. */
  sent: { from: number; to: number } | null;
}

/** Null when there is nothing to search for: no letter, digit or date. */
export function parseSearch(typed: string): SearchQuery | null {
  const terms: SearchTerm[] = [];
  let sent: SearchQuery['sent'] = null;
  let left = maximumQueryWords;
  for (const [, quoted, plain] of typed.slice(0, maximumQuery).matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const span = plain === undefined ? null : dateSpan(plain);
    if (span !== null) {
      sent = span;
      continue;
    }
    const words = cutTo(left, foldedWords(quoted ?? plain ?? ''));
    left -= words.filter(counts).length;
    const last = words.at(-1);
    if (last === undefined) continue;
    const isPrefix = quoted === undefined && last.kind === 'word' && last.folded.length >= minimumPrefix;
    terms.push({ words: withoutEnds(words).map(({ folded }) => folded), isPrefix });
  }
  return terms.length === 0 && sent === null ? null : { terms, sent };
}

/** A run of a script without spaces is many parts: they count together, and are bounded by the length of the query. */
const counts = ({ kind }: FoldedWord, index: number, all: readonly FoldedWord[]): boolean =>
  kind !== 'part' || all[index - 1]?.kind !== 'part';

function cutTo(most: number, words: readonly FoldedWord[]): readonly FoldedWord[] {
  let counted = 0;
  return words.filter((...word) => {
    if (counts(...word)) counted += 1;
    return counted <= most;
  });
}

/** Without a sign at either end that the pair beside it holds too: the index has fewer places to compare. */
function withoutEnds(words: readonly FoldedWord[]): readonly FoldedWord[] {
  const [first, second] = words;
  const [beforeLast, last] = words.slice(-2);
  const isPair = (pair: FoldedWord | undefined, sign: FoldedWord | undefined) =>
    pair?.kind === 'part' && sign?.kind === 'part' && pair.folded.length > sign.folded.length;
  const from = isPair(second, first) && second?.folded.startsWith(first?.folded ?? '') === true ? 1 : 0;
  const to = isPair(beforeLast, last) && beforeLast?.folded.endsWith(last?.folded ?? '') === true ? words.length - 1 : words.length;
  return words.slice(from, to);
}

/** The query in the language of FTS5; null when no words are searched for. Of ASCII, words hold letters and digits alone: nothing needs escaping. */
export function matchExpression(query: SearchQuery): string | null {
  if (query.terms.length === 0) return null;
  return query.terms.map(({ words, isPrefix }) => `"${words.join(' ')}"${isPrefix ? '*' : ''}`).join(' AND ');
}

/** The part of a message around what was searched for, on one line; its beginning when the hit is elsewhere, in the sender's name say. */
export function snippetOf(text: string, query: SearchQuery): Snippet {
  const flat = text.replace(/\s+/g, ' ').trim();
  const found = placedWords(flat);
  const hits = found.filter((_, index) => query.terms.some((term) => coversAt(term, found, index)));
  const first = hits[0]?.at ?? 0;
  const from = first <= snippetLead ? 0 : wordStart(found, first - snippetLead, first);
  const to = flat.length <= from + snippetLength ? flat.length : graphemeAt(flat, from + snippetLength).at;
  const lead = from === 0 ? '' : '…';
  const marks = joined(flat, hits)
    .filter((hit) => hit.at >= from && hit.at + hit.length <= to)
    .map((hit) => ({ at: hit.at - from + lead.length, length: hit.length }));
  return { text: `${lead}${flat.slice(from, to)}${to < flat.length ? '…' : ''}`, marks };
}

/** Whether the token at `index` is a part of the term where it stands. */
function coversAt(term: SearchTerm, found: readonly PlacedWord[], index: number): boolean {
  return term.words.some((_, within) => {
    const start = index - within;
    return (
      start >= 0 &&
      term.words.every((word, offset) => {
        const there = found[start + offset]?.folded;
        if (there === undefined) return false;
        return term.isPrefix && offset === term.words.length - 1 ? there.startsWith(word) : there === word;
      })
    );
  });
}

function wordStart(found: readonly PlacedWord[], wanted: number, latest: number): number {
  return found.find((token) => token.at >= wanted)?.at ?? latest;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The character, as a person sees it, of which a place is a part. */
function graphemeAt(text: string, place: number): Mark {
  const found = isPlain(text) ? undefined : graphemes.segment(text).containing(place);
  return found === undefined ? { at: place, length: 1 } : { at: found.index, length: found.segment.length };
}

/** Marks that touch are one. Words and signs end where their characters do; a symbol may be a part of a longer sequence, which is marked as a whole. */
function joined(text: string, hits: readonly PlacedWord[]): Mark[] {
  const marks: Mark[] = [];
  for (const hit of hits) {
    const at = hit.kind === 'symbol' ? graphemeAt(text, hit.at).at : hit.at;
    const lastOne = hit.kind === 'symbol' ? graphemeAt(text, hit.at + hit.length - 1) : hit;
    const end = lastOne.at + lastOne.length;
    const before = marks.at(-1);
    if (before !== undefined && at <= before.at + before.length) before.length = Math.max(before.length, end - before.at);
    else marks.push({ at, length: end - at });
  }
  return marks;
}

function dateSpan(word: string): SearchQuery['sent'] {
  const match = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(word);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), match[3] === undefined ? null : Number(match[3])];
  if (month < 1 || month > 12 || (day !== null && (day < 1 || day > new Date(year, month, 0).getDate()))) return null;
  const from = new Date(year, month - 1, day ?? 1).getTime();
  const to = day === null ? new Date(year, month, 1).getTime() : new Date(year, month - 1, day + 1).getTime();
  return { from, to };
}
