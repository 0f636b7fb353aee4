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
import { concat, indexOfBytes, startsWithAt, text, utf8 } from './octets';
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
  continuation: MsrpContinuation;
}

export type MsrpMessage = MsrpRequest | MsrpResponse;

const LINE_END = utf8('\r\n');
const DASHES = '-------';
/** What a parser keeps between messages. */
const KEPT_BUFFER_BYTES = 65_536;
const TRANSACTION_ID = /^[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}$/;

/**
 * The octets of one message. Take `transactionId` from `newTransactionId`: one that the grammar forbids, or whose end line
 * stands in the body, is a defect of the caller and throws; a value with a line break loses it.
 */
export function encodeMsrp(message: MsrpMessage): Uint8Array {
  const { transactionId } = message;
  if (!TRANSACTION_ID.test(transactionId)) throw new RangeError('bad MSRP transaction id');
  const first = message.kind === 'request' ? word(message.method) : `${message.status} ${oneLine(message.reason)}`.trimEnd();
  const lines = [
    `MSRP ${transactionId} ${first}`,
    `To-Path: ${message.toPath.map(word).join(' ')}`,
    `From-Path: ${message.fromPath.map(word).join(' ')}`,
  ];
  const end = `${DASHES}${transactionId}${message.continuation}\r\n`;
  if (message.kind === 'response') return utf8(`${lines.join('\r\n')}\r\n${end}`);
  if (message.messageId !== null) lines.push(`Message-ID: ${word(message.messageId)}`);
  const range = message.byteRange;
  if (range !== null) lines.push(`Byte-Range: ${range.start}-${range.end ?? '*'}/${range.total ?? '*'}`);
  if (message.successReport) lines.push('Success-Report: yes');
  if (message.failureReport !== 'yes') lines.push(`Failure-Report: ${message.failureReport}`);
  if (message.status !== null)
    lines.push(`Status: 000 ${String(message.status.code).padStart(3, '0')} ${oneLine(message.status.reason)}`.trimEnd());
  for (const [name, value] of message.headers) {
    if (/^[A-Za-z0-9-]+$/.test(name) && !MODELLED.has(name.toLowerCase())) lines.push(`${name}: ${oneLine(value)}`);
  }
  if (message.body === null) return utf8(`${lines.join('\r\n')}\r\n${end}`);
  if (indexOfBytes(message.body, utf8(DASHES + transactionId)) >= 0) throw new RangeError('the MSRP transaction id occurs in the body');
  // Content-Type is the last header before the body (RFC 4975 section 9).
  lines.push(`Content-Type: ${oneLine(message.contentType ?? 'text/plain')}`);
  return concat([utf8(`${lines.join('\r\n')}\r\n\r\n`), message.body, utf8(`\r\n${end}`)]);
}

function word(value: string): string {
  return oneLine(value).replace(/\s/g, '');
}

/** A transaction id that does not occur in the body. `random` as in base.Clock. */
export function newTransactionId(random: () => number, body: Uint8Array | null): string {
  for (;;) {
    let id = '';
    while (id.length < 12) id += Math.floor(random() * 36).toString(36);
    if (body === null || indexOfBytes(body, utf8(id)) < 0) return id;
  }
}

const MODELLED = new Set('to-path from-path message-id byte-range success-report failure-report status content-type'.split(' '));

interface Head {
  transactionId: string;
  /** Method, or null for a response. */
  method: string | null;
  status: number;
  reason: string;
  headers: [string, string][];
}

interface Problem {
  problem: string;
}

function problem(text: string): Problem {
  return { problem: text };
}

/** What one step of reading gave: a message, a wish for more octets, progress, or the end of all reading. */
type Step = MsrpMessage | 'more' | 'again' | Problem;

/**
 * Takes a connection's octets in any pieces and gives whole messages. After malformed input it stays failed: MSRP has no way to
 * find the next message, the connection must be closed. Messages that came before the bad octets in the same piece are still
 * given; `failure` then already says what is wrong, and so does every later `push`.
 */
export class MsrpParser {
  #buffer = new Uint8Array(4096);
  #length = 0;
  /** Where the message that is being read continues, and where the search for the end of its body goes on. */
  #at = 0;
  #head: Head | null = null;
  #inBody = false;
  #bodyAt = 0;
  #searchAt = 0;
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
    this.#compact();
    return parsed(messages);
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  #compact(): void {
    // The line end before the body stays: with the end line it may be all there is.
    const keepFrom = this.#inBody ? this.#bodyAt - LINE_END.length : this.#at;
    if (keepFrom === 0) return;
    // A connection that once carried a large chunk does not hold its memory for ever.
    if (this.#buffer.length > KEPT_BUFFER_BYTES && this.#length - keepFrom <= KEPT_BUFFER_BYTES) {
      const smaller = new Uint8Array(KEPT_BUFFER_BYTES);
      smaller.set(this.#buffer.subarray(keepFrom, this.#length));
      this.#buffer = smaller;
    } else this.#buffer.copyWithin(0, keepFrom, this.#length);
    this.#length -= keepFrom;
    this.#at -= keepFrom;
    this.#bodyAt -= keepFrom;
    this.#searchAt -= keepFrom;
  }

  /** One line of the start line and headers. */
  #readHead(): Step {
    const filled = this.#buffer.subarray(0, this.#length);
    const lineEnd = indexOfBytes(filled, LINE_END, this.#at);
    if (lineEnd < 0) return this.#length - this.#at > MAX_MSRP_LINE_BYTES ? problem('a line too long') : 'more';
    if (lineEnd - this.#at > MAX_MSRP_LINE_BYTES) return problem('a line too long');
    const line = text(filled.subarray(this.#at, lineEnd));
    this.#at = lineEnd + 2;
    if (this.#head === null) {
      // A bare line end between messages is how some peers keep a connection alive.
      if (line === '') return 'again';
      const head = readStartLine(line);
      if (head === null) return problem('a bad start line');
      this.#head = head;
      return 'again';
    }
    const continuation = endLine(line, this.#head.transactionId);
    if (continuation !== null) return this.#finish(this.#head, null, continuation);
    if (line === '') {
      this.#inBody = true;
      this.#bodyAt = this.#at;
      // The line end of the blank line may itself introduce the end line: then the body is absent.
      this.#searchAt = this.#at - LINE_END.length;
      return 'again';
    }
    if (this.#head.headers.length >= MAX_MSRP_HEADERS) return problem('too many headers');
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    if (!/^[A-Za-z0-9-]+$/.test(name)) return problem('a bad header line');
    this.#head.headers.push([name, line.slice(colon + 1).trim()]);
    return 'again';
  }

  #readBody(): Step {
    const head = this.#head;
    if (head === null) return problem('a body without a head');
    const filled = this.#buffer.subarray(0, this.#length);
    const marker = utf8(`\r\n${DASHES}${head.transactionId}`);
    let found = indexOfBytes(filled, marker, this.#searchAt);
    while (found >= 0 && found + marker.length + 3 <= this.#length) {
      const flagAt = found + marker.length;
      const flag = String.fromCharCode(filled[flagAt] ?? 0);
      // "-------tid" inside the content is no end line unless a flag and a line end follow.
      if (isContinuation(flag) && startsWithAt(filled, LINE_END, flagAt + 1)) {
        if (found - this.#bodyAt > MAX_MSRP_BODY_BYTES) return problem('a body too long');
        const absent = found < this.#bodyAt;
        const body = absent ? null : this.#buffer.slice(this.#bodyAt, found);
        this.#at = flagAt + 3;
        this.#inBody = false;
        return this.#finish(head, body, flag);
      }
      found = indexOfBytes(filled, marker, found + 1);
    }
    // Whole end lines before this place are excluded; an incomplete one may begin in the last octets.
    this.#searchAt = Math.max(this.#searchAt, found >= 0 ? found : this.#length - marker.length - 2);
    return this.#length - this.#bodyAt > MAX_MSRP_BODY_BYTES + marker.length + 3 ? problem('a body too long') : 'more';
  }

  #finish(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): Step {
    this.#head = null;
    return assemble(head, body, continuation);
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
  return { transactionId, method: found[4] ?? null, status: Number(found[2] ?? 0), reason: found[3] ?? '', headers: [] };
}

function assemble(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): MsrpMessage | Problem {
  const first = (name: string) => head.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
  const toPath = path(first('to-path'));
  const fromPath = path(first('from-path'));
  if (toPath === null || fromPath === null) return problem('a missing or bad path');
  const { transactionId } = head;
  if (head.method === null)
    return { kind: 'response', transactionId, status: head.status, reason: head.reason, toPath, fromPath, continuation };
  const range = first('byte-range');
  const byteRange = range === null ? null : readByteRange(range);
  if (range !== null && byteRange === null) return problem('a bad Byte-Range');
  const failureReport = first('failure-report')?.toLowerCase();
  const status = /^000 (\d{3})(?: (.*))?$/.exec(first('status') ?? '');
  return {
    kind: 'request',
    transactionId,
    method: head.method,
    toPath,
    fromPath,
    headers: head.headers.filter(([name]) => !MODELLED.has(name.toLowerCase())),
    messageId: first('message-id') || null,
    byteRange,
    contentType: first('content-type'),
    successReport: first('success-report')?.toLowerCase() === 'yes',
    failureReport: failureReport === 'no' || failureReport === 'partial' ? failureReport : 'yes',
    status: status === null ? null : { code: Number(status[1]), reason: status[2] ?? '' },
    body,
    continuation,
  };
}

function path(value: string | null): string[] | null {
  const uris = (value ?? '').split(/\s+/).filter((uri) => uri !== '');
  if (uris.length === 0 || uris.length > MAX_MSRP_PATH_URIS) return null;
  return uris.every((uri) => parseMsrpUri(uri).ok) ? uris : null;
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
