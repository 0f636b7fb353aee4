/**
 * The grammar inside SIP header values that the stack itself needs (RFC 3261 section 25.1): commas between values, parameters, Via,
 * CSeq, and the outer shape of an address. Nothing here keeps state, and nothing throws.
 */
import { malformed, type Parsed, parsed } from '../../protocol/parsed';
import { parseUri } from '../../protocol/uri';

/** RFC 3261 section 25.1: token. */
export const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/**
 * Splits at `separator` outside quoted strings and angle brackets. Null when a quote or a bracket is left open: then no
 * reading of the value can be trusted.
 */
function split(text: string, separator: ',' | ';'): string[] | null {
  const pieces: string[] = [];
  let quoted = false;
  let bracketed = false;
  let start = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"' && !bracketed) quoted = true;
    else if (character === '<') bracketed = true;
    else if (character === '>') bracketed = false;
    else if (character === separator && !bracketed) {
      pieces.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  if (quoted || bracketed) return null;
  pieces.push(text.slice(start).trim());
  return pieces;
}

/** The values of a comma-separated header. A value with an open quote or bracket comes back whole. */
export function splitValues(text: string): string[] {
  if (!text.includes(',')) return [text];
  return split(text, ',') ?? [text];
}

function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, '$1');
}

/** A header value taken apart at its semicolons: what stands before the first, and the parameters (names lower case, values without quotes). */
interface Parametrised {
  value: string;
  params: ReadonlyMap<string, string | null>;
}

/** Takes `value;name=value;name` apart. Parameters inside angle brackets belong to the URI and stay in `value`. */
function parseParams(text: string): Parsed<Parametrised> {
  const pieces = split(text, ';');
  if (pieces === null) return malformed('a quoted string or angle bracket is not closed');
  const params = new Map<string, string | null>();
  for (const piece of pieces.slice(1)) {
    const equals = piece.indexOf('=');
    const name = (equals < 0 ? piece : piece.slice(0, equals)).trim();
    if (name === '') return malformed('a parameter has no name');
    if (!params.has(name.toLowerCase())) params.set(name.toLowerCase(), equals < 0 ? null : unquote(piece.slice(equals + 1).trim()));
  }
  return parsed({ value: pieces[0] ?? '', params });
}

/** One parameter of a header value, or null when it is absent or has no value. */
export function paramOf(text: string | null, name: string): string | null {
  if (text === null) return null;
  const taken = parseParams(text);
  return taken.ok ? (taken.value.params.get(name) ?? null) : null;
}

/** The URI of a From, To, Contact or Route value, as written. */
export function uriOf(text: string): string {
  const open = openingBracket(text);
  if (open >= 0) {
    const close = text.indexOf('>', open);
    return text.slice(open + 1, close < 0 ? undefined : close).trim();
  }
  return (text.split(';')[0] ?? '').trim();
}

function openingBracket(text: string): number {
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '<') return index;
  }
  return -1;
}

/** The defect of an address (From, To, Contact), or null. Checks only its outer shape; the URI is checked by the code that uses it. */
export function addressDefect(text: string): string | null {
  const open = openingBracket(text);
  const taken = parseParams(text);
  if (!taken.ok) return taken.reason;
  if (open < 0) {
    // RFC 3261 section 20.10: a URI with a comma, question mark or semicolon must stand in angle brackets.
    if (/[?,\s"]/.test(taken.value.value)) return 'a URI without angle brackets holds a character that needs them';
    return /^[A-Za-z][A-Za-z0-9+.-]*:./.test(taken.value.value) ? null : 'no URI';
  }
  const name = text.slice(0, open).trim();
  const isQuoted = name.startsWith('"') && name.endsWith('"') && name.length > 1;
  if (!isQuoted && name !== '' && !/^[\w\-.!%*+`'~\s\u0080-\uffff]*$/.test(name)) return 'a display name needs quotes';
  const uri = text.slice(open + 1, text.indexOf('>', open));
  if (/\s/.test(uri)) return 'white space inside a URI';
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(uri)) return 'no URI';
  const rest = text.slice(text.indexOf('>', open) + 1).trim();
  return rest === '' || rest.startsWith(';') ? null : 'text after an address';
}

/** One Via value. */
export interface Via {
  transport: string;
  host: string;
  port: number | null;
  params: ReadonlyMap<string, string | null>;
}

const VIA = /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9-]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*(\d{1,5}))?$/i;

/** Reads one Via value (RFC 3261 section 20.42). */
export function parseVia(text: string): Parsed<Via> {
  const taken = parseParams(text);
  if (!taken.ok) return taken;
  const match = VIA.exec(taken.value.value);
  if (match === null) return malformed('a Via is not readable');
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && port > 65_535) return malformed('a Via names an impossible port');
  return parsed({ transport: (match[1] ?? '').toUpperCase(), host: match[2] ?? '', port, params: taken.value.params });
}

/** Reads CSeq. RFC 3261 section 8.1.1.5: the number is below 2^31. */
export function parseCSeq(text: string): Parsed<{ number: number; method: string }> {
  const match = /^(\d{1,20})\s+(\S+)$/.exec(text);
  const method = match?.[2] ?? '';
  if (match === null || !TOKEN.test(method)) return malformed('CSeq is not readable');
  const number = Number(match[1]);
  return number < 2 ** 31 ? parsed({ number, method }) : malformed('CSeq is too large');
}

/** Host (brackets of IPv6 kept, lower case) and port of a SIP URI; null for other schemes. */
export function hostPort(uri: string): { host: string; port: number | null } | null {
  const match = /^sips?:(?:.*@)?(\[[0-9A-Fa-f:.]+\]|[^\s:;?@<>]+)(?::(\d{1,5}))?(?=[;?]|$)/i.exec(uri.trim());
  if (match === null) return null;
  const port = match[2] === undefined ? null : Number(match[2]);
  return port !== null && port > 65_535 ? null : { host: (match[1] ?? '').toLowerCase(), port };
}

/** True for addresses outside SIP: mailto:, wv: and the like. */
export function isForeign(text: string): boolean {
  const uri = parseUri(text);
  return uri.ok && uri.value.scheme === 'other';
}
