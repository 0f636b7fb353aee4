/**
 * SIP messages of the network's own stack (RFC 3261 section 7): a lazy header splitter, independent of the client's stack so that the
 * two check each other. A message keeps its header lines as they came (order, case, compact names) and takes values apart only when
 * asked, because a proxy reads few of them and must hand on the rest unchanged.
 */
import { paramOf, parseCSeq, parseVia, splitValues, type Via } from './header-value';

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
  433: 'Anonymity Disallowed',
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
function reasonPhrase(status: number): string {
  return REASONS[status] ?? (status < 200 ? 'Progress' : status < 300 ? 'OK' : 'Failed');
}

/** One header line of a message. */
export interface HeaderLine {
  /** As written. */
  name: string;
  /** Lower case, compact forms expanded. */
  key: string;
  value: string;
}

/** The comparable name of a header: lower case, compact forms expanded. */
export function keyOf(name: string): string {
  const lower = name.toLowerCase();
  return COMPACT[lower] ?? lower;
}

/** Turns line breaks in a value into spaces: one would begin a header of the sender's choice. */
function clean(value: string): string {
  return /[\r\n]/.test(value) ? value.replace(/[\r\n]+/g, ' ') : value;
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

  /** Every header line as it will be written, for code that copies or shows them. */
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

  /** A copy whose headers can be changed independently. The bytes of the body are shared. */
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
