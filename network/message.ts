/**
 * SIP messages of the network's own stack (RFC 3261 section 7): a lazy header splitter, independent of the client's stack so that the
 * two check each other. A message keeps its header lines as they came (order, case, compact names) and takes values apart only when
 * asked, because a proxy reads few of them and must hand on the rest unchanged.
 */
import { addressDefect, paramOf, parseCSeq, parseVia, splitValues, TOKEN, type Via } from './header-value';

/** Bytes of start line and headers together. */
export const MAX_HEAD_BYTES = 65_536;
/** Header lines of one message. */
export const MAX_HEADER_LINES = 256;
/** Characters of one header line after unfolding. */
export const MAX_HEADER_CHARACTERS = 16_384;
/** LAB: bytes of one body. Far above any offer, list or document; a file goes over MSRP. */
export const MAX_BODY_BYTES = 1_048_576;

/** RFC 3261 section 7.3.3 and the IANA registry of compact forms. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

/** Headers whose grammar is a comma-separated list (RFC 3261 section 7.3.1); in all others a comma is text. */
const LISTS = new Set([
  'via',
  'route',
  'record-route',
  'contact',
  'path',
  'service-route',
  'p-associated-uri',
  'p-asserted-identity',
  'p-preferred-identity',
  'p-asserted-service',
  'p-preferred-service',
  'supported',
  'require',
  'proxy-require',
  'unsupported',
  'allow',
  'allow-events',
  'accept',
  'accept-encoding',
  'accept-language',
  'accept-contact',
  'reject-contact',
  'request-disposition',
  'alert-info',
  'call-info',
  'error-info',
  'in-reply-to',
  'reason',
  'warning',
  'history-info',
  'privacy',
  'security-client',
  'security-server',
  'security-verify',
]);

/** Headers of which a message may carry one only. */
const SINGLE = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length', 'content-type', 'expires'];

const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  300: 'Multiple Choices',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  421: 'Extension Required',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  430: 'Flow Failed',
  439: 'First Hop Lacks Outbound Support',
  440: 'Max-Breadth Exceeded',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  493: 'Undecipherable',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
};

/** The customary reason phrase of a status code. */
export function reasonPhrase(status: number): string {
  return REASONS[status] ?? (status < 200 ? 'Progress' : status < 300 ? 'OK' : 'Failed');
}

interface HeaderLine {
  /** As written. */
  name: string;
  /** Lower case, compact forms expanded. */
  key: string;
  value: string;
}

function keyOf(name: string): string {
  const lower = name.toLowerCase();
  return COMPACT[lower] ?? lower;
}

/** A line break inside a value would start a header of the sender's choice; it becomes a space. */
function clean(value: string): string {
  return /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]+/g, ' ') : value;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What requests and responses share: ordered headers and a body. Names are case-insensitive, compact forms are understood. */
abstract class Headers {
  protected lines: HeaderLine[] = [];
  /** The body, byte for byte. Content-Length is written from it by `encode`. */
  body: Uint8Array = new Uint8Array(0);

  abstract startLine(): string;

  /** The first value, or null. For a comma-separated header this is its first element. */
  get(name: string): string | null {
    const key = keyOf(name);
    for (const line of this.lines) {
      if (line.key === key) return LISTS.has(key) ? (splitValues(line.value)[0] ?? null) : line.value;
    }
    return null;
  }

  /** Every value in order, commas taken apart where the header's grammar is a list. */
  all(name: string): string[] {
    const key = keyOf(name);
    const values: string[] = [];
    for (const line of this.lines) {
      if (line.key !== key) continue;
      if (LISTS.has(key)) values.push(...splitValues(line.value));
      else values.push(line.value);
    }
    return values;
  }

  has(name: string): boolean {
    const key = keyOf(name);
    return this.lines.some((line) => line.key === key);
  }

  /** Whether the comma-separated header `name` holds `token` (case-insensitive): `Supported: gruu`. */
  hasToken(name: string, token: string): boolean {
    const wanted = token.toLowerCase();
    return this.all(name).some((value) => value.toLowerCase() === wanted);
  }

  /** Replaces every value of `name`, at the place of the first, else at the end. An empty list removes the header. */
  set(name: string, value: string | readonly string[]): this {
    const key = keyOf(name);
    const values = typeof value === 'string' ? [value] : value;
    const at = this.lines.findIndex((line) => line.key === key);
    const kept = this.lines.filter((line) => line.key !== key);
    const added = values.map((text) => ({ name, key, value: clean(text) }));
    kept.splice(at < 0 ? kept.length : at, 0, ...added);
    this.lines = kept;
    return this;
  }

  /** Makes `value` the topmost value of `name` (Via, Route, Record-Route, Path). A new header goes to the top of the message. */
  insert(name: string, value: string): this {
    const key = keyOf(name);
    const at = this.lines.findIndex((line) => line.key === key);
    this.lines.splice(Math.max(at, 0), 0, { name, key, value: clean(value) });
    return this;
  }

  /** Adds `value` below the last value of `name`, else at the end. */
  append(name: string, value: string): this {
    const key = keyOf(name);
    const at = this.lines.findLastIndex((line) => line.key === key);
    this.lines.splice(at < 0 ? this.lines.length : at + 1, 0, { name, key, value: clean(value) });
    return this;
  }

  /** Removes every value of `name`. */
  remove(name: string): this {
    const key = keyOf(name);
    this.lines = this.lines.filter((line) => line.key !== key);
    return this;
  }

  /** Takes the topmost value of `name` away and returns it. */
  shift(name: string): string | null {
    const key = keyOf(name);
    const at = this.lines.findIndex((line) => line.key === key);
    const line = this.lines[at];
    if (line === undefined) return null;
    const values = LISTS.has(key) ? splitValues(line.value) : [line.value];
    const first = values.shift() ?? '';
    if (values.length === 0) this.lines.splice(at, 1);
    else this.lines[at] = { ...line, value: values.join(', ') };
    return first;
  }

  /** Every header line as it will be written, for those who copy or show them. */
  entries(): readonly (readonly [name: string, value: string])[] {
    return this.lines.map((line) => [line.name, line.value] as const);
  }

  get callId(): string {
    return this.get('call-id') ?? '';
  }

  get fromTag(): string | null {
    return paramOf(this.get('from'), 'tag');
  }

  get toTag(): string | null {
    return paramOf(this.get('to'), 'tag');
  }

  /** Number and method of CSeq. A message that came from `parseMessage` always has a readable one. */
  get cseq(): { number: number; method: string } {
    const read = parseCSeq(this.get('cseq') ?? '');
    return read.ok ? read.value : { number: 0, method: '' };
  }

  get topVia(): Via | null {
    const read = parseVia(this.get('via') ?? '');
    return read.ok ? read.value : null;
  }

  /** The body as UTF-8 text. */
  get text(): string {
    return decoder.decode(this.body);
  }

  /** Sets body and Content-Type together. */
  setBody(contentType: string, body: Uint8Array | string): this {
    this.body = typeof body === 'string' ? encoder.encode(body) : body;
    return this.set('Content-Type', contentType);
  }

  /** The message as bytes, with the Content-Length of its body. */
  encode(): Uint8Array {
    this.set('Content-Length', String(this.body.length));
    let head = `${this.startLine()}\r\n`;
    for (const line of this.lines) head += `${line.name}: ${line.value}\r\n`;
    const bytes = encoder.encode(`${head}\r\n`);
    const whole = new Uint8Array(bytes.length + this.body.length);
    whole.set(bytes);
    whole.set(this.body, bytes.length);
    return whole;
  }

  /** Used by `parseMessage` and `clone`. */
  adopt(lines: readonly HeaderLine[], body: Uint8Array): this {
    this.lines = [...lines];
    this.body = body;
    return this;
  }

  protected copyTo<T extends Headers>(other: T): T {
    return other.adopt(this.lines, this.body);
  }
}

export class SipRequest extends Headers {
  readonly kind = 'request' as const;

  constructor(
    public method: string,
    /** The Request-URI, as written. */
    public uri: string,
  ) {
    super();
  }

  startLine(): string {
    return `${this.method} ${clean(this.uri)} SIP/2.0`;
  }

  /** A copy whose headers can be changed alone. The body's bytes are shared. */
  clone(): SipRequest {
    return this.copyTo(new SipRequest(this.method, this.uri));
  }
}

export class SipResponse extends Headers {
  readonly kind = 'response' as const;

  constructor(
    public status: number,
    public reason: string = reasonPhrase(status),
  ) {
    super();
  }

  startLine(): string {
    return `SIP/2.0 ${this.status} ${clean(this.reason)}`;
  }

  clone(): SipResponse {
    return this.copyTo(new SipResponse(this.status, this.reason));
  }
}

export type SipMessage = SipRequest | SipResponse;

/** Why a message was refused. `status` is the answer it deserves; `request` is what can be answered, null when nothing can (a response, or no Via). */
export interface Refused {
  ok: false;
  reason: string;
  status: number;
  request: SipRequest | null;
}

/**
 * Builds the response to `request` (RFC 3261 section 8.2.6): Via, From, To, Call-ID and CSeq copied. `toTag` is added to To unless the
 * request's To has one already; give one for every final response and every dialog-forming provisional response.
 */
export function responseTo(
  request: SipRequest,
  status: number,
  options: { reason?: string | undefined; toTag?: string | undefined } = {},
): SipResponse {
  const response = new SipResponse(status, options.reason ?? reasonPhrase(status));
  for (const via of request.all('via')) response.append('Via', via);
  for (const [name, written] of [
    ['from', 'From'],
    ['to', 'To'],
    ['call-id', 'Call-ID'],
    ['cseq', 'CSeq'],
  ] as const) {
    const value = request.get(name);
    if (value !== null) response.append(written, value);
  }
  const to = response.get('to');
  if (options.toTag !== undefined && to !== null && request.toTag === null) response.set('To', `${to};tag=${options.toTag}`);
  return response;
}

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
/** Anything that was meant as a request line: enough to answer it. */
const ALMOST_REQUEST = /^\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(.*?)\s+SIP\/(\S+)\s*$/i;

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
    return { ok: false, reason: `the head is longer than ${MAX_HEAD_BYTES} bytes`, status: 513, request: null };
  const { head, valid } = decodeHead(bytes.subarray(0, bodyStart));
  const texts = head.replace(/(?:\r\n)+$/, '').split('\r\n');
  const defects: string[] = [];
  const defect = (reason: string | null) => {
    if (reason !== null) defects.push(reason);
  };
  if (end < 0) defect('no empty line after the headers');
  if (!valid) defect('the head is not UTF-8');

  const start = readStartLine(texts[0] ?? '');
  if (start.message === null) return { ok: false, reason: start.defect ?? 'no start line', status: 400, request: null };
  defect(start.defect);

  const lines = readHeaders(texts.slice(1), defect);
  const message = start.message.adopt(lines, bytes.subarray(bodyStart));
  defect(checkHeaders(message, lines));
  defect(cutBody(message));

  const reason = defects[0];
  if (reason === undefined) return { ok: true, value: message };
  const answerable = message.kind === 'request' && message.method !== 'ACK' && message.topVia !== null;
  return { ok: false, reason, status: start.status, request: answerable ? message : null };
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
  const almost = ALMOST_REQUEST.exec(text);
  if (almost === null) return { message: null, defect: 'the start line is not readable', status: 400 };
  const message = new SipRequest(almost[1] ?? '', almost[2] ?? '');
  if (almost[3] !== '2.0') return { message, defect: `the version SIP/${almost[3]} is not supported`, status: 505 };
  return { message, defect: 'the request line is not readable', status: 400 };
}

function readHeaders(texts: readonly string[], defect: (reason: string) => void): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (const text of texts) {
    if (/[\r\n\0]/.test(text)) defect('a header line holds a control character');
    const last = lines.at(-1);
    if (/^[ \t]/.test(text) && last !== undefined) {
      // RFC 3261 section 7.3.1: a line that starts with white space continues the one before it.
      last.value = `${last.value} ${text.trim()}`.trim();
      if (last.value.length > MAX_HEADER_CHARACTERS) defect(`a header is longer than ${MAX_HEADER_CHARACTERS} characters`);
      continue;
    }
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0)).trimEnd();
    if (colon < 0 || !TOKEN.test(name)) {
      defect('a header line is not readable');
      continue;
    }
    if (text.length > MAX_HEADER_CHARACTERS) defect(`a header is longer than ${MAX_HEADER_CHARACTERS} characters`);
    if (lines.length >= MAX_HEADER_LINES) {
      defect(`more than ${MAX_HEADER_LINES} header lines`);
      break;
    }
    lines.push({ name, key: keyOf(name), value: clean(text.slice(colon + 1).trim()) });
  }
  return lines;
}

/** What is wrong with the headers every message needs, or null (RFC 3261 sections 8.1.1 and 16.3 item 1). */
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

/** RFC 3261 section 18.3: bytes beyond Content-Length are dropped, fewer are an error. */
function cutBody(message: SipMessage): string | null {
  const length = message.get('content-length');
  if (length === null) return message.body.length > MAX_BODY_BYTES ? 'the body is too long' : null;
  if (!/^\d{1,9}$/.test(length)) return 'Content-Length is not a number';
  if (Number(length) > MAX_BODY_BYTES) return 'the body is too long';
  if (message.body.length < Number(length)) return 'the body is shorter than Content-Length';
  message.body = message.body.subarray(0, Number(length));
  return null;
}
