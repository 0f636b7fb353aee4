/** multipart/* bodies (RFC 2046 section 5.1, for SIP RFC 5621): an SDP together with a first message or a recipient list. */
import { isToken, oneLine, parseParams, quote } from './generic-param';
import { concat, indexOfBytes, readHeaderBlock, startsWithAt, utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';
import { decodeTransfer } from './transfer-encoding';

export const MAX_PARTS = 32;
export const MAX_PART_HEADERS = 32;
export const MAX_PART_HEADER_BYTES = 8192;
/** RFC 2046 section 5.1.1. */
export const MAX_BOUNDARY_CHARACTERS = 70;

/** One part. The names in `headers` are in lower case; Content-Type and Content-Length are left out, and so is an encoding that was undone. */
export interface BodyPart {
  contentType: string;
  headers: ReadonlyMap<string, string>;
  body: Uint8Array;
}

/** `type` is in lower case, or empty when the text is not a media type. `params` are unquoted, with lower-case names. */
export interface ContentType {
  type: string;
  params: ReadonlyMap<string, string>;
}

export function parseContentType(text: string): ContentType {
  const semicolon = text.indexOf(';');
  const [main = '', sub = '', ...more] = (semicolon < 0 ? text : text.slice(0, semicolon)).split('/').map((part) => part.trim());
  const params = new Map<string, string>();
  if (semicolon >= 0) {
    for (const [name, value] of parseParams(text.slice(semicolon)) ?? []) {
      if (value !== null) params.set(name, value);
    }
  }
  const wellFormed = more.length === 0 && isToken(main) && isToken(sub);
  return { type: wellFormed ? `${main}/${sub}`.toLowerCase() : '', params };
}

const CR = 13;
const LF = 10;
const BLANKS = new Set([32, 9]);
const DASH = 45;

interface Delimiter {
  /** Where the body before the delimiter ends: the line break in front belongs to the delimiter. */
  at: number;
  next: number;
  closing: boolean;
}

/** The parts in order. A part ends only at a delimiter; its Content-Length is ignored (RFC 2046 section 5.1.1). */
export function parseMultipart(contentType: string, body: Uint8Array): Parsed<BodyPart[]> {
  const { type, params } = parseContentType(contentType);
  if (!type.startsWith('multipart/')) return malformed('not a multipart type');
  const boundary = params.get('boundary') ?? '';
  if (!isBoundary(boundary)) return malformed('a missing or bad boundary');
  const needle = utf8(`--${boundary}`);
  const parts: BodyPart[] = [];
  let open = nextDelimiter(body, needle, 0);
  if (open === null) return malformed('the boundary does not occur');
  while (!open.closing) {
    const close = nextDelimiter(body, needle, open.next);
    // When a sender forgets the closing delimiter, the last part ends with the SIP body.
    const end = close === null ? body.length : close.at;
    if (parts.length >= MAX_PARTS) return malformed('too many parts', open.at);
    const part = parsePart(body.subarray(open.next, Math.max(open.next, end)));
    if (!part.ok) return malformed(part.reason, open.next);
    parts.push(part.value);
    if (close === null) break;
    open = close;
  }
  return parsed(parts);
}

function nextDelimiter(body: Uint8Array, needle: Uint8Array, from: number): Delimiter | null {
  let found = indexOfBytes(body, needle, from);
  for (; found >= 0; found = indexOfBytes(body, needle, found + 1)) {
    if (found > 0 && body[found - 1] !== LF && found !== from) continue;
    let at = found;
    if (at > from && body[at - 1] === LF) at -= 1;
    if (at > from && at < found && body[at - 1] === CR) at -= 1;
    let next = found + needle.length;
    const closing = body[next] === DASH && body[next + 1] === DASH;
    if (closing) return { at, next: next + 2, closing };
    while (BLANKS.has(body[next] ?? 0)) next += 1;
    if (body[next] === CR) next += 1;
    // "--b1x" is not a delimiter for boundary "b1".
    if (body[next] === LF) return { at, next: next + 1, closing };
    if (next >= body.length) return { at, next: body.length, closing: true };
  }
  return null;
}

function parsePart(bytes: Uint8Array): Parsed<BodyPart> {
  const block = readHeaderBlock(bytes, 0, { lines: MAX_PART_HEADERS, bytes: MAX_PART_HEADER_BYTES });
  if (typeof block === 'string') return malformed(block);
  const headers = new Map<string, string>();
  for (const [name, value] of block.lines) {
    const key = name.toLowerCase();
    if (!headers.has(key)) headers.set(key, value);
  }
  const contentType = headers.get('content-type') ?? headers.get('c') ?? 'text/plain';
  const body = block.bodyAt === null ? new Uint8Array(0) : bytes.slice(block.bodyAt);
  const decoded = decodeTransfer(headers.get('content-transfer-encoding'), body);
  if (decoded !== null) headers.delete('content-transfer-encoding');
  for (const name of ['content-type', 'c', 'content-length', 'l']) headers.delete(name);
  return parsed({ contentType, headers, body: decoded ?? body });
}

function isBoundary(text: string): boolean {
  return text.length <= MAX_BOUNDARY_CHARACTERS && /^[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]$/.test(text);
}

/**
 * The body for `Content-Type: multipart/mixed;boundary=...`. Take `boundary` from `newBoundary`.
 * @throws RangeError for a boundary that occurs in a part or that the grammar forbids: a defect of the caller
 */
export function encodeMultipart(parts: readonly BodyPart[], boundary: string): Uint8Array {
  if (!isBoundary(boundary)) throw new RangeError('bad multipart boundary');
  const needle = utf8(`--${boundary}`);
  const out: Uint8Array[] = [];
  for (const part of parts) {
    if (startsWithAt(part.body, needle, 0) || indexOfBytes(part.body, needle) >= 0) throw new RangeError('the boundary occurs in a part');
    let head = `--${boundary}\r\nContent-Type: ${oneLine(part.contentType)}\r\n`;
    for (const [name, value] of part.headers) {
      if (isToken(name)) head += `${capitalised(name)}: ${oneLine(value)}\r\n`;
    }
    out.push(utf8(`${head}Content-Length: ${part.body.length}\r\n\r\n`), part.body, utf8('\r\n'));
  }
  out.push(utf8(`--${boundary}--\r\n`));
  return concat(out);
}

function capitalised(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase()).replace(/Id$/, 'ID');
}

/** A boundary that occurs in no part. `random` is that of a Clock. */
export function newBoundary(random: () => number, parts: readonly BodyPart[]): string {
  for (;;) {
    let boundary = 'chorus-';
    while (boundary.length < 23) boundary += Math.floor(random() * 36).toString(36);
    const needle = utf8(boundary);
    if (parts.every((part) => indexOfBytes(part.body, needle) < 0)) return boundary;
  }
}

/** `multipart/mixed` with the boundary parameter. */
export function multipartType(boundary: string): string {
  return `multipart/mixed;boundary=${isToken(boundary) ? boundary : quote(boundary)}`;
}
