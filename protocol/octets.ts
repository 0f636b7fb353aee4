/** Work on octets without decoding them: search, joining, header blocks; and UTF-8 encoding and decoding. */

const encoder = new TextEncoder();
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8. Invalid octets become U+FFFD. */
export function text(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

export function startsWithAt(bytes: Uint8Array, needle: Uint8Array, offset: number): boolean {
  if (offset < 0 || offset + needle.length > bytes.length) return false;
  for (let index = 0; index < needle.length; index += 1) {
    if (bytes[offset + index] !== needle[index]) return false;
  }
  return true;
}

/**
 * How far a search may skip by the octet under the needle's end (Horspool); 0 for octets outside the needle. All searches share one table,
 * since no search runs within another. Each search clears its own entries, because clearing the whole table costs more than a short search.
 */
const skips = new Uint8Array(256);

/** The first place of `needle` (at most 255 octets) at or after `from`, or -1. A long needle lets the search skip most octets. */
export function indexOfBytes(bytes: Uint8Array, needle: Uint8Array, from = 0): number {
  const last = needle.length - 1;
  if (last < 0) return from;
  for (let index = 0; index < last; index += 1) skips[needle[index] ?? 0] = last - index;
  const lastOctet = needle[last];
  let found = -1;
  for (let at = from + last; at < bytes.length && found < 0; ) {
    const octet = bytes[at] ?? 0;
    if (octet === lastOctet && startsWithAt(bytes, needle, at - last)) found = at - last;
    at += skips[octet] || needle.length;
  }
  for (let index = 0; index < last; index += 1) skips[needle[index] ?? 0] = 0;
  return found;
}

/** One header line: the name as written and the trimmed value. */
type HeaderLine = readonly [name: string, value: string];

export interface HeaderBlock {
  lines: HeaderLine[];
  /** Where the octets after the blank line begin; null when the block ends without a blank line. */
  bodyAt: number | null;
}

const LF = 10;
const CR = 13;

/**
 * Reads `Name: value` lines from `from` up to a blank line. Folded lines are joined; a bare LF also ends a line. A string result tells the
 * fault in the block.
 */
export function readHeaderBlock(bytes: Uint8Array, from: number, limits: { lines: number; bytes: number }): HeaderBlock | string {
  const lines: HeaderLine[] = [];
  let at = from;
  while (at < bytes.length) {
    const lf = bytes.indexOf(LF, at);
    const next = lf < 0 ? bytes.length : lf + 1;
    if (next - from > limits.bytes) return 'header block too long';
    let end = lf < 0 ? bytes.length : lf;
    if (end > at && bytes[end - 1] === CR) end -= 1;
    if (end === at) return { lines, bodyAt: lf < 0 ? null : next };
    const line = text(bytes.subarray(at, end));
    const last = lines.at(-1);
    if ((line.startsWith(' ') || line.startsWith('\t')) && last !== undefined) {
      lines[lines.length - 1] = [last[0], `${last[1]} ${line.trim()}`.trim()];
    } else {
      const colon = line.indexOf(':');
      const name = line.slice(0, Math.max(colon, 0)).trim();
      if (colon < 1 || name === '' || /\s/.test(name)) return 'a header line without a name';
      if (lines.length >= limits.lines) return 'too many headers';
      lines.push([name, line.slice(colon + 1).trim()]);
    }
    at = next;
  }
  return { lines, bodyAt: null };
}
