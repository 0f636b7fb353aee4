/**
 * Bytes to SIP messages: start line, header lines, and the checks that every message must pass before anybody looks at its meaning
 * (RFC 3261 sections 7 and 16.3). What is refused says why, and keeps what is needed for an answer.
 */
import { addressDefect, parseCSeq, parseVia, TOKEN } from './header-value';
import { type HeaderLine, keyOf, type SipMessage, SipRequest, SipResponse } from './message';

/** Bytes of start line and headers together. */
export const MAX_HEAD_BYTES = 65_536;
/** Header lines of one message. */
export const MAX_HEADER_LINES = 256;
/** Characters of one header line after unfolding. */
export const MAX_HEADER_CHARACTERS = 16_384;
/** LAB: bytes of one body. Far above any offer, list or document; a file goes over MSRP. */
export const MAX_BODY_BYTES = 1_048_576;

/** Headers that may occur only once in a message. */
const SINGLE = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length', 'content-type', 'expires'];

/**
 * Why a message was refused. `status` is the answer it deserves; `request` is what can be answered, null when nothing can be (a response,
 * an ACK, or no Via at all).
 */
export interface Refused {
  ok: false;
  reason: string;
  status: number;
  request: SipRequest | null;
}

const decoder = new TextDecoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true });

function decodeHead(bytes: Uint8Array): { head: string; valid: boolean } {
  try {
    return { head: strictDecoder.decode(bytes), valid: true };
  } catch {
    // Not UTF-8 (RFC 3261 section 7): read what can be read, so that the sender gets an answer.
    return { head: decoder.decode(bytes), valid: false };
  }
}

/** Where the head ends: the offset of the first byte after the empty line, or -1. */
export function headEnd(bytes: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(13, from); at >= 0 && at + 3 < bytes.length; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

const STATUS_LINE = /^SIP\/2\.0 (\d{3})(?: (.*))?$/i;
const REQUEST_LINE = /^([A-Za-z0-9\-.!%*_+`'~]+) (\S+) SIP\/2\.0$/i;
/**
 * Reads what was meant as a request line, whatever its spacing: enough to answer it. No regular expression, since blanks could make one
 * slow.
 */
function almostRequest(text: string): { method: string; uri: string; version: string } | null {
  const words = text.trim().split(/\s+/, 32);
  const method = words[0] ?? '';
  const version = words.at(-1) ?? '';
  if (words.length < 3 || !TOKEN.test(method) || !/^SIP\//i.test(version)) return null;
  return { method, uri: words.slice(1, -1).join(' '), version: version.slice(4) };
}

function requestUriDefect(uri: string): string | null {
  if (uri.startsWith('<')) return 'the Request-URI stands in angle brackets';
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(uri)) return 'the Request-URI has no scheme';
  // RFC 3261 section 19.1.1, table 1: headers are not allowed in a Request-URI.
  if (/^sips?:/i.test(uri) && uri.slice(uri.lastIndexOf('@') + 1).includes('?')) return 'the Request-URI carries headers';
  return null;
}

/**
 * Reads one whole message: a head, an empty line, and the body (`bytes` after it; with a Content-Length, exactly so many of them).
 * Never throws. A refused message says why, and carries what is needed to answer it.
 */
export function parseMessage(bytes: Uint8Array): { ok: true; value: SipMessage } | Refused {
  const end = headEnd(bytes);
  const bodyStart = end < 0 ? bytes.length : end;
  if (bodyStart > MAX_HEAD_BYTES)
    return { ok: false, reason: `the head is longer than ${MAX_HEAD_BYTES} bytes`, status: 413, request: null };
  const { head, valid } = decodeHead(bytes.subarray(0, bodyStart));
  const texts = head.replace(/(?:\r\n)+$/, '').split('\r\n');
  const defects: string[] = [];
  const defect = (reason: string | null) => {
    if (reason !== null) defects.push(reason);
  };
  /** LAB: a message that is too large is answered with 413, also when its headers are too large. */
  let tooLarge: string | null = null;
  const large = (reason: string | null) => {
    tooLarge ??= reason;
    defect(reason);
  };
  if (end < 0) defect('no empty line after the headers');
  if (!valid) defect('the head is not UTF-8');

  const startLine = texts[0] ?? '';
  if (startLine.length > MAX_HEADER_CHARACTERS) return { ok: false, reason: 'the start line is too long', status: 414, request: null };
  const start = readStartLine(startLine);
  if (start.message === null) return { ok: false, reason: start.defect ?? 'no start line', status: 400, request: null };
  defect(start.defect);

  const lines = readHeaders(texts.slice(1), defect, large);
  const message = start.message.adopt(lines, bytes.subarray(bodyStart));
  defect(checkHeaders(message, lines));
  if (bodySize(message) > MAX_BODY_BYTES) large('the body is too long');
  else defect(cutBody(message));

  const reason = defects[0];
  if (reason === undefined) return { ok: true, value: message };
  const answerable = message.kind === 'request' && message.method !== 'ACK' && message.has('via');
  return { ok: false, reason, status: tooLarge === null ? start.status : 413, request: answerable ? message : null };
}

interface StartLine {
  message: SipMessage | null;
  defect: string | null;
  status: number;
}

function readStartLine(text: string): StartLine {
  const status = STATUS_LINE.exec(text);
  if (status !== null) {
    const code = Number(status[1]);
    const out = code < 100 || code > 699;
    return { message: new SipResponse(code, status[2] ?? ''), defect: out ? 'the status code is out of range' : null, status: 400 };
  }
  const request = REQUEST_LINE.exec(text);
  if (request !== null) {
    const uri = request[2] ?? '';
    return { message: new SipRequest(request[1] ?? '', uri), defect: requestUriDefect(uri), status: 400 };
  }
  if (/^SIP\//i.test(text)) return { message: null, defect: 'the status line is not readable', status: 400 };
  const almost = almostRequest(text);
  if (almost === null) return { message: null, defect: 'the start line is not readable', status: 400 };
  const message = new SipRequest(almost.method, almost.uri);
  if (almost.version !== '2.0') return { message, defect: `the version SIP/${almost.version.slice(0, 16)} is not supported`, status: 505 };
  return { message, defect: 'the request line is not readable', status: 400 };
}

/** Takes the header lines apart. Stops at the first limit that is passed. */
function readHeaders(texts: readonly string[], defect: (reason: string) => void, large: (reason: string) => void): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (const text of texts) {
    // RFC 3261 section 25.1: other control characters may stand in a quoted string, a lone CR or LF nowhere.
    if (/[\r\n]/.test(text)) defect('a header line holds a lone CR or LF');
    const last = lines.at(-1);
    const continues = /^[ \t]/.test(text) && last !== undefined;
    if (text.length + (continues ? last.value.length : 0) > MAX_HEADER_CHARACTERS) {
      large(`a header is longer than ${MAX_HEADER_CHARACTERS} characters`);
      break;
    }
    if (continues) {
      // RFC 3261 section 7.3.1: a line that starts with white space continues the one before it.
      last.value = `${last.value} ${text.trim()}`.trim();
      continue;
    }
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0)).trimEnd();
    if (colon < 0 || !TOKEN.test(name)) {
      defect('a header line is not readable');
      continue;
    }
    if (lines.length >= MAX_HEADER_LINES) {
      large(`more than ${MAX_HEADER_LINES} header lines`);
      break;
    }
    lines.push({ name, key: keyOf(name), value: text.slice(colon + 1).trim() });
  }
  return lines;
}

/** What is wrong with the headers that every message needs, or null (RFC 3261 sections 8.1.1 and 16.3 item 1). */
function checkHeaders(message: SipMessage, lines: readonly HeaderLine[]): string | null {
  for (const name of ['via', 'from', 'to', 'call-id', 'cseq']) if ((message.get(name) ?? '') === '') return `the ${name} header is missing`;
  for (const name of SINGLE) if (lines.filter((line) => line.key === name).length > 1) return `the ${name} header is there more than once`;
  for (const via of message.all('via')) {
    const read = parseVia(via);
    if (!read.ok) return read.reason;
  }
  for (const name of ['from', 'to'] as const) {
    const wrong = addressDefect(message.get(name) ?? '');
    if (wrong !== null) return `${name}: ${wrong}`;
  }
  for (const contact of message.all('contact')) {
    const wrong = contact === '*' ? null : addressDefect(contact);
    if (wrong !== null) return `contact: ${wrong}`;
  }
  if (/\s/.test(message.callId)) return 'the call-id holds white space';
  const cseq = parseCSeq(message.get('cseq') ?? '');
  if (!cseq.ok) return cseq.reason;
  if (message.kind === 'request' && cseq.value.method !== message.method) return 'the method of CSeq is not the method of the request';
  const hops = message.get('max-forwards');
  if (hops !== null && (!/^\d{1,4}$/.test(hops) || Number(hops) > 255)) return 'Max-Forwards is not a number from 0 to 255';
  return null;
}

/** Bytes of the body: the announced number, where one is announced. */
function bodySize(message: SipMessage): number {
  const length = message.get('content-length');
  return length !== null && /^\d{1,9}$/.test(length) ? Number(length) : message.body.length;
}

/** RFC 3261 section 18.3: bytes beyond Content-Length are dropped, fewer are an error. */
function cutBody(message: SipMessage): string | null {
  const length = message.get('content-length');
  if (length === null) return null;
  if (!/^\d{1,9}$/.test(length)) return 'Content-Length is not a number';
  if (message.body.length < Number(length)) return 'the body is shorter than Content-Length';
  message.body = message.body.subarray(0, Number(length));
  return null;
}
