/**
 * What a person types to find messages, and the piece of text that shows why one was found. Pure; the SQL is in history.ts.
 *
 * Every word is the beginning of a word of the text or of the sender's name, all of them must be there; "words in quotes" stand side by
 * side as they are. `2026-11-23` or `2026-11` is the day or the month of the message, in local time. Case and accents do not count.
 */
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
  /** Folded as the index folds: no case, no accents. More than one word is a phrase. */
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
    const words = tokens(quoted ?? plain ?? '')
      .map((token) => token.folded)
      .slice(0, left);
    left -= words.length;
    const last = words[words.length - 1];
    if (last !== undefined) terms.push({ words, isPrefix: quoted === undefined && last.length >= minimumPrefix });
  }
  return terms.length === 0 && sent === null ? null : { terms, sent };
}

/** The query in the language of FTS5; null when no words are searched for. Words hold letters and digits alone, so nothing needs escaping. */
export function matchExpression(query: SearchQuery): string | null {
  if (query.terms.length === 0) return null;
  return query.terms.map(({ words, isPrefix }) => `"${words.join(' ')}"${isPrefix ? '*' : ''}`).join(' AND ');
}

/** The part of a message around what was searched for, on one line; its beginning when the hit is elsewhere, in the sender's name say. */
export function snippetOf(text: string, query: SearchQuery): Snippet {
  const flat = text.replace(/\s+/g, ' ').trim();
  const found = tokens(flat);
  const hits = found.filter((_, index) => query.terms.some((term) => coversAt(term, found, index)));
  const first = hits[0]?.at ?? 0;
  const from = first <= snippetLead ? 0 : wordStart(found, first - snippetLead, first);
  const to = flat.length <= from + snippetLength ? flat.length : pairSafe(flat, from + snippetLength);
  const lead = from === 0 ? '' : '…';
  const marks = hits.filter((hit) => hit.at + hit.length <= to).map((hit) => ({ at: hit.at - from + lead.length, length: hit.length }));
  return { text: `${lead}${flat.slice(from, to)}${to < flat.length ? '…' : ''}`, marks };
}

interface Token extends Mark {
  folded: string;
}

/** As the index's tokenizer (unicode61, remove_diacritics 2) divides and folds a text. */
function tokens(text: string): Token[] {
  return [...text.matchAll(/[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu)].map((match) => ({
    at: match.index,
    length: match[0].length,
    folded: folded(match[0]),
  }));
}

function folded(word: string): string {
  // Most words of most texts have nothing to take apart.
  return (/^[0-9A-Za-z]*$/.test(word) ? word : word.normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC')).toLowerCase();
}

/** Whether the token at `index` is a part of the term where it stands. */
function coversAt(term: SearchTerm, found: readonly Token[], index: number): boolean {
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

function wordStart(found: readonly Token[], wanted: number, latest: number): number {
  return found.find((token) => token.at >= wanted)?.at ?? latest;
}

/** Never between the two halves of one character. */
function pairSafe(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code <= 0xdbff ? at - 1 : at;
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
