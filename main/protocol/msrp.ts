/**
 * MSRP on the wire (RFC 4975 sections 7 and 9): requests and responses as values, and a parser that takes the byte stream in
 * pieces of any size. One value is one chunk; putting chunks together is the session's work.
 *
 *   MSRP tid SEND                MSRP tid 200 OK
 *   To-Path, From-Path           To-Path, From-Path
 *   other headers                -------tid$
 *   (blank line, body)
 *   -------tid$ | + | #
 */
import { oneLine } from './generic-param';
import { concat, indexOfBytes, text, utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';

/** Octets of one line, the start line and every header. */
export const MAX_MSRP_LINE_BYTES = 4096;
export const MAX_MSRP_HEADERS = 64;
/** Octets of one chunk's body. */
export const MAX_MSRP_BODY_BYTES = 16 * 1024 * 1024;
/** URIs of To-Path, and likewise From-Path. */
export const MAX_MSRP_PATH_URIS = 16;

export type MsrpContinuation = '$' | '+' | '#';

export interface MsrpRequest {
  kind: 'request';
  transactionId: string;
  /** SEND, REPORT, AUTH or what else a peer says. */
  method: string;
  toPath: string[];
  fromPath: string[];
  /** The headers that have no field here, in order. */
  headers: readonly (readonly [name: string, value: string])[];
  messageId: string | null;
  /** From 1; `end` and `total` are null for "*". */
  byteRange: { start: number; end: number | null; total: number | null } | null;
  contentType: string | null;
  successReport: boolean;
  failureReport: 'yes' | 'no' | 'partial';
  /** Of a REPORT: the code of namespace 000. */
  status: { code: number; reason: string } | null;
  /** Null for a request without a body, as the empty SEND that binds a connection. */
  body: Uint8Array | null;
  continuation: MsrpContinuation;
}

export interface MsrpResponse {
  kind: 'response';
  transactionId: string;
  status: number;
  reason: string;
  toPath: string[];
  fromPath: string[];
  /** The headers that have no field here, in order; absent where there are none, as nearly always. A relay answers AUTH with some (RFC 4976). */
  headers?: readonly (readonly [name: string, value: string])[];
  continuation: MsrpContinuation;
}

export type MsrpMessage = MsrpRequest | MsrpResponse;

const DASHES = '-------';
/** What a parser keeps between messages: room for a piece of the stream behind an unfinished chunk of 64 KiB. */
const KEPT_BUFFER_BYTES = 192 * 1024;
/** Below this a copy costs less than a piece of its own. */
const COPIED_BODY_BYTES = 4096;
const TRANSACTION_ID = /^[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}$/;

/** A request that asks something of the next hop and carries no message (AUTH of RFC 4976, NICKNAME of RFC 7701). */
export function bodilessRequest(about: Pick<MsrpRequest, 'transactionId' | 'method' | 'toPath' | 'fromPath' | 'headers'>): MsrpRequest {
  return {
    kind: 'request',
    ...about,
    messageId: null,
    byteRange: null,
    contentType: null,
    successReport: false,
    failureReport: 'yes',
    status: null,
    body: null,
    continuation: '$',
  };
}

/**
 * The octets of one message. Take `transactionId` from `newTransactionId`: one that the grammar forbids, or whose end line
 * stands in the body, is a defect of the caller and throws; a value with a line break loses it.
 */
export function encodeMsrp(message: MsrpMessage): Uint8Array {
  const pieces = encodeMsrpPieces(message);
  return pieces.length === 1 ? (pieces[0] ?? new Uint8Array(0)) : concat(pieces);
}

/** The same octets in one piece or, where the body is long, in three: the body itself is then not copied. */
export function encodeMsrpPieces(message: MsrpMessage): Uint8Array[] {
  const { transactionId } = message;
  if (!TRANSACTION_ID.test(transactionId)) throw new RangeError('bad MSRP transaction id');
  const first = message.kind === 'request' ? word(message.method) : `${message.status} ${oneLine(message.reason)}`.trimEnd();
  const lines = [`MSRP ${transactionId} ${first}`, `To-Path: ${pathText(message.toPath)}`, `From-Path: ${pathText(message.fromPath)}`];
  const end = `${DASHES}${transactionId}${message.continuation}\r\n`;
  if (message.kind === 'response') {
    putHeaders(lines, message.headers ?? []);
    return [framed(`${lines.join('\r\n')}\r\n${end}`, NOTHING, '')];
  }
  if (message.messageId !== null) lines.push(`Message-ID: ${word(message.messageId)}`);
  const range = message.byteRange;
  if (range !== null) lines.push(`Byte-Range: ${range.start}-${range.end ?? '*'}/${range.total ?? '*'}`);
  if (message.successReport) lines.push('Success-Report: yes');
  if (message.failureReport !== 'yes') lines.push(`Failure-Report: ${message.failureReport}`);
  if (message.status !== null)
    lines.push(`Status: 000 ${String(message.status.code).padStart(3, '0')} ${oneLine(message.status.reason)}`.trimEnd());
  putHeaders(lines, message.headers);
  if (message.body === null) return [framed(`${lines.join('\r\n')}\r\n${end}`, NOTHING, '')];
  if (endsWithin(message.body, transactionId)) throw new RangeError('the MSRP transaction id occurs in the body');
  // Content-Type is the last header before the body (RFC 4975 section 9).
  lines.push(`Content-Type: ${oneLine(message.contentType ?? 'text/plain')}`);
  const head = `${lines.join('\r\n')}\r\n\r\n`;
  const tail = `\r\n${end}`;
  return message.body.length < COPIED_BODY_BYTES ? [framed(head, message.body, tail)] : [utf8(head), message.body, utf8(tail)];
}

/** None that has a field of its own. */
function putHeaders(lines: string[], headers: readonly (readonly [name: string, value: string])[]): void {
  for (const [name, value] of headers) {
    if (/^[A-Za-z0-9-]+$/.test(name) && fieldOf(name) === undefined) lines.push(`${name}: ${oneLine(value)}`);
  }
}

const NOTHING = new Uint8Array(0);

/** One piece. Nearly all of MSRP's own text is ASCII, and for so few characters an encoder costs more than it does. */
function framed(head: string, body: Uint8Array, tail: string): Uint8Array {
  const bytes = new Uint8Array(head.length + body.length + tail.length);
  const isAscii = putAscii(bytes, head, 0) && putAscii(bytes, tail, head.length + body.length);
  if (!isAscii) return concat([utf8(head), body, utf8(tail)]);
  bytes.set(body, head.length);
  return bytes;
}

function putAscii(bytes: Uint8Array, text: string, at: number): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    bytes[at + index] = code;
  }
  return true;
}

function pathText(uris: readonly string[]): string {
  return uris.length === 1 ? word(uris[0] ?? '') : uris.map(word).join(' ');
}

const WORD = /^[!-~]*$/;

function word(value: string): string {
  return WORD.test(value) ? value : oneLine(value).replace(/\s/g, '');
}

/** The searches of both sides skip as many octets as the end line is long: in front of a long body this pays. */
const LONG_ID_FILL = '0'.repeat(19);
const SIX_DIGITS = 36 ** 6;

/** A transaction id that does not occur in the body. `random` as in base.Clock. */
export function newTransactionId(random: () => number, body: Uint8Array | null): string {
  for (;;) {
    const digits = sixDigits(random()) + sixDigits(random());
    const id = body !== null && body.length >= COPIED_BODY_BYTES ? LONG_ID_FILL + digits : digits;
    if (body === null) return id;
    if (indexOfBytes(body, utf8(id)) >= 0) continue;
    searched = { body, id };
    return id;
  }
}

function sixDigits(fraction: number): string {
  return Math.floor(fraction * SIX_DIGITS)
    .toString(36)
    .padStart(6, '0');
}

/** The latest search that found nothing: who takes an id and writes the message with it at once has the body searched once, not twice. */
let searched: { body: Uint8Array; id: string } | null = null;

function endsWithin(body: Uint8Array, id: string): boolean {
  const isSearched = searched?.body === body && searched.id === id;
  searched = null;
  return !isSearched && indexOfBytes(body, utf8(DASHES + id)) >= 0;
}

/** The headers with a field of their own, by their usual spelling and in lower case. */
const FIELDS = new Map(
  (['To-Path', 'From-Path', 'Message-ID', 'Byte-Range', 'Success-Report', 'Failure-Report', 'Status', 'Content-Type'] as const).flatMap(
    (name) => [[name as string, name] as const, [name.toLowerCase(), name] as const],
  ),
);
type Field = typeof FIELDS extends Map<string, infer Name> ? Name : never;

function fieldOf(name: string): Field | undefined {
  return FIELDS.get(name) ?? FIELDS.get(name.toLowerCase());
}

interface Head {
  transactionId: string;
  /** Method, or null for a response. */
  method: string | null;
  status: number;
  reason: string;
  /** Of a header that stands twice the first. */
  fields: { [name in Field]?: string };
  others: [string, string][];
  headerCount: number;
}

interface Problem {
  problem: string;
}

function problem(text: string): Problem {
  return { problem: text };
}

/** What one step of reading gave: a message, a wish for more octets, progress, or the end of all reading. */
type Step = MsrpMessage | 'more' | 'again' | Problem;

const CR = 13;
const LF = 10;
const DASH = 45;

/**
 * Takes a connection's octets in any pieces and gives whole messages. After malformed input it stays failed: MSRP has no way to
 * find the next message, the connection must be closed. Messages that came before the bad octets in the same piece are still
 * given; `failure` then already says what is wrong, and so does every later `push`.
 */
export class MsrpParser {
  /** What is being read: the piece just pushed, or, where something was left over before, `#kept` with the piece behind it. */
  #view = new Uint8Array(0);
  #kept = new Uint8Array(0);
  /** Where the message that is being read continues, and where the search for the end of its line or body goes on. */
  #at = 0;
  #searchAt = 0;
  #head: Head | null = null;
  #inBody = false;
  readonly #paths = new PathReader();
  #failure: { ok: false; reason: string; offset?: number } | null = null;

  /** Why the stream can no longer be read, or null. */
  get failure(): { ok: false; reason: string; offset?: number } | null {
    return this.#failure;
  }

  push(bytes: Uint8Array): Parsed<MsrpMessage[]> {
    if (this.#failure !== null) return this.#failure;
    this.#append(bytes);
    const messages: MsrpMessage[] = [];
    for (;;) {
      const message = this.#inBody ? this.#readBody() : this.#readHead();
      if (message === 'more') break;
      if (message === 'again') continue;
      if ('problem' in message) {
        this.#failure = malformed(message.problem);
        return messages.length > 0 ? parsed(messages) : this.#failure;
      }
      messages.push(message);
    }
    this.#keep();
    return parsed(messages);
  }

  #append(bytes: Uint8Array): void {
    const before = this.#view.length;
    if (before === 0) {
      // A plain view: of a Node Buffer, `slice` would not copy.
      this.#view = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
      return;
    }
    const needed = before + bytes.length;
    if (needed > this.#kept.length) {
      const larger = new Uint8Array(Math.max(needed, this.#kept.length * 2));
      larger.set(this.#view);
      this.#kept = larger;
    }
    this.#kept.set(bytes, before);
    this.#view = this.#kept.subarray(0, needed);
  }

  /** The piece is its owner's again: what is left of it goes to `#kept`. */
  #keep(): void {
    // The line end before the body stays: with the end line it may be all there is.
    const from = this.#inBody ? this.#at - 2 : this.#at;
    const rest = this.#view.subarray(from);
    if (rest.buffer !== this.#kept.buffer || this.#kept.length > KEPT_BUFFER_BYTES) {
      // A connection that once carried a large chunk does not hold its memory for ever.
      const tooLarge = this.#kept.length > KEPT_BUFFER_BYTES && rest.length <= KEPT_BUFFER_BYTES;
      if (tooLarge || rest.length > this.#kept.length) this.#kept = new Uint8Array(rest.length);
    }
    this.#kept.set(rest);
    this.#view = this.#kept.subarray(0, rest.length);
    this.#at -= from;
    this.#searchAt -= from;
  }

  /** As many whole lines of the start line and headers as there are, up to the blank line or what looks like the end line. */
  #readHead(): Step {
    const view = this.#view;
    let end = this.#at;
    for (let last = false; !last; ) {
      let lineEnd = Math.max(this.#searchAt, end);
      while (lineEnd < view.length && (view[lineEnd] !== CR || view[lineEnd + 1] !== LF)) lineEnd += 1;
      const whole = lineEnd < view.length;
      if (lineEnd - end > MAX_MSRP_LINE_BYTES) return problem('a line too long');
      // The last octet may be the first half of a line end.
      this.#searchAt = whole ? lineEnd + 2 : view.length - 1;
      if (!whole) break;
      last = lineEnd === end || (view[end] === DASH && view[end + 1] === DASH);
      end = lineEnd + 2;
    }
    if (end === this.#at) return 'more';
    const lines = text(view.subarray(this.#at, end - 2)).split('\r\n');
    this.#at = end;
    for (const line of lines) {
      const step = this.#readLine(line);
      if (step !== 'again') return step;
    }
    return 'again';
  }

  #readLine(line: string): Step {
    const head = this.#head;
    if (head === null) {
      // A bare line end between messages is how some peers keep a connection alive.
      if (line === '') return 'again';
      this.#head = readStartLine(line);
      return this.#head === null ? problem('a bad start line') : 'again';
    }
    const continuation = endLine(line, head.transactionId);
    if (continuation !== null) return this.#finish(head, null, continuation);
    if (line === '') {
      this.#inBody = true;
      // The line end of the blank line may itself introduce the end line: then the body is absent.
      this.#searchAt = this.#at - 2;
      return 'again';
    }
    head.headerCount += 1;
    if (head.headerCount > MAX_MSRP_HEADERS) return problem('too many headers');
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).trim();
    const field = fieldOf(name);
    if (field !== undefined) head.fields[field] ??= value;
    else if (/^[A-Za-z0-9-]+$/.test(name)) head.others.push([name, value]);
    else return problem('a bad header line');
    return 'again';
  }

  #readBody(): Step {
    const head = this.#head;
    if (head === null) return problem('a body without a head');
    const view = this.#view;
    const bodyAt = this.#at;
    const marker = utf8(`\r\n${DASHES}${head.transactionId}`);
    let found = indexOfBytes(view, marker, this.#searchAt);
    while (found >= 0 && found + marker.length + 3 <= view.length) {
      const flagAt = found + marker.length;
      const flag = String.fromCharCode(view[flagAt] ?? 0);
      // "-------tid" inside the content is no end line unless a flag and a line end follow.
      if (isContinuation(flag) && view[flagAt + 1] === CR && view[flagAt + 2] === LF) {
        if (found - bodyAt > MAX_MSRP_BODY_BYTES) return problem('a body too long');
        const body = found < bodyAt ? null : view.slice(bodyAt, found);
        this.#at = flagAt + 3;
        this.#searchAt = this.#at;
        this.#inBody = false;
        return this.#finish(head, body, flag);
      }
      found = indexOfBytes(view, marker, found + 1);
    }
    // Whole end lines before this place are excluded; an incomplete one may begin in the last octets.
    this.#searchAt = Math.max(this.#searchAt, found >= 0 ? found : view.length - marker.length - 2);
    return view.length - bodyAt > MAX_MSRP_BODY_BYTES + marker.length + 3 ? problem('a body too long') : 'more';
  }

  #finish(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): Step {
    this.#head = null;
    const { transactionId, fields } = head;
    const toPath = this.#paths.read(fields['To-Path']);
    const fromPath = this.#paths.read(fields['From-Path']);
    if (toPath === null || fromPath === null) return problem('a missing or bad path');
    if (head.method === null) {
      const { status, reason, others } = head;
      const response: MsrpResponse = { kind: 'response', transactionId, status, reason, toPath, fromPath, continuation };
      return others.length === 0 ? response : { ...response, headers: others };
    }
    const range = fields['Byte-Range'];
    const byteRange = range === undefined ? null : readByteRange(range);
    if (range !== undefined && byteRange === null) return problem('a bad Byte-Range');
    const failureReport = fields['Failure-Report']?.toLowerCase();
    const status = fields.Status === undefined ? null : /^000 (\d{3})(?: (.*))?$/.exec(fields.Status);
    return {
      kind: 'request',
      transactionId,
      method: head.method,
      toPath,
      fromPath,
      headers: head.others,
      messageId: fields['Message-ID'] || null,
      byteRange,
      contentType: fields['Content-Type'] ?? null,
      successReport: fields['Success-Report']?.toLowerCase() === 'yes',
      failureReport: failureReport === 'no' || failureReport === 'partial' ? failureReport : 'yes',
      status: status === null ? null : { code: Number(status[1]), reason: status[2] ?? '' },
      body,
      continuation,
    };
  }
}

/** Checks each path once: a connection says the same few again and again. */
class PathReader {
  /** The latest good ones. */
  #known: [value: string, uris: string[]][] = [];

  read(value: string | undefined): string[] | null {
    if (value === undefined) return null;
    const known = this.#known.find(([text]) => text === value);
    if (known !== undefined) return [...known[1]];
    const uris = value.split(/\s+/).filter((uri) => uri !== '');
    if (uris.length === 0 || uris.length > MAX_MSRP_PATH_URIS || !uris.every((uri) => parseMsrpUri(uri).ok)) return null;
    this.#known = [[value, uris], ...this.#known.slice(0, 3)];
    return [...uris];
  }
}

function isContinuation(flag: string): flag is MsrpContinuation {
  return flag === '$' || flag === '+' || flag === '#';
}

function endLine(line: string, transactionId: string): MsrpContinuation | null {
  if (!line.startsWith(DASHES) || line.length !== DASHES.length + transactionId.length + 1) return null;
  const flag = line.slice(-1);
  return line.slice(DASHES.length, -1) === transactionId && isContinuation(flag) ? flag : null;
}

function readStartLine(line: string): Head | null {
  const found = /^MSRP (\S+) (?:(\d{3})(?: (.*))?|([A-Z]{1,32}))$/.exec(line);
  const transactionId = found?.[1];
  if (!found || transactionId === undefined || !TRANSACTION_ID.test(transactionId)) return null;
  const [method, status, reason] = [found[4] ?? null, Number(found[2] ?? 0), found[3] ?? ''];
  return { transactionId, method, status, reason, fields: {}, others: [], headerCount: 0 };
}

function readByteRange(value: string): MsrpRequest['byteRange'] {
  const found = /^(\d{1,15})-(\d{1,15}|\*)\/(\d{1,15}|\*)$/.exec(value);
  if (found === null) return null;
  const [start, end, total] = [found[1], found[2], found[3]].map((part) => (part === '*' ? null : Number(part)));
  if (start === undefined || start === null || end === undefined || total === undefined) return null;
  // "1-0/0" is the range of an empty body.
  if (start < 1 || (end !== null && end < start - 1) || (end !== null && total !== null && end > total)) return null;
  return { start, end, total };
}

export interface MsrpUri {
  scheme: 'msrp' | 'msrps';
  host: string;
  /** Null when the URI names none. */
  port: number | null;
  sessionId: string | null;
  /** `tcp` or what else stands first after ";". */
  transport: string;
}

/** LAB: relays that one side's path leads through; they stand in every request. */
export const maximumRelays = 4;

/** RFC 4975 section 6. The userinfo and further parameters are allowed and not kept. */
export function parseMsrpUri(value: string): Parsed<MsrpUri> {
  if (value.length > MAX_MSRP_LINE_BYTES) return malformed('MSRP URI too long');
  const found = /^(msrps?):\/\/(?:[^@/\s]*@)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?(?:\/([^;\s/]*))?;([a-z0-9]+)(?:;[^\s]*)?$/i.exec(
    value,
  );
  const [, scheme, host, port, sessionId, transport] = found ?? [];
  if (scheme === undefined || host === undefined || transport === undefined) return malformed('not an MSRP URI');
  if (port !== undefined && Number(port) > 65_535) return malformed('a bad port');
  return parsed({
    scheme: scheme.toLowerCase() === 'msrps' ? 'msrps' : 'msrp',
    host: host.toLowerCase(),
    port: port === undefined ? null : Number(port),
    sessionId: sessionId || null,
    transport: transport.toLowerCase(),
  });
}

/** The first value of a header without a field of its own, or null. */
export function msrpHeader({ headers = [] }: Pick<MsrpResponse, 'headers'>, name: string): string | null {
  return headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1] ?? null;
}

/** RFC 4975 section 6.1: scheme, host and transport without regard to case, port and session id exactly; userinfo does not count. */
export function sameMsrpUri(a: string, b: string): boolean {
  const left = parseMsrpUri(a);
  const right = parseMsrpUri(b);
  if (!left.ok || !right.ok) return false;
  const { scheme, host, port, sessionId, transport } = left.value;
  const other = right.value;
  return (
    scheme === other.scheme && host === other.host && port === other.port && sessionId === other.sessionId && transport === other.transport
  );
}
