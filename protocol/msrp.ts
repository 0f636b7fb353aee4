/**
 * MSRP on the wire (RFC 4975 sections 7 and 9): requests and responses as values, and a parser that takes the byte stream in
 * pieces of any size. One value is one chunk; the session assembles chunks into messages.
 *
 *   MSRP tid SEND                MSRP tid 200 OK
 *   To-Path, From-Path           To-Path, From-Path
 *   other headers                -------tid$
 *   (blank line, body)
 *   -------tid$ | + | #
 */
import { oneLine } from './generic-param';
import { concat, indexOfBytes } from './octets';
import { malformed, type Parsed, parsed } from './parsed';

/** Most octets in one line, either the start line or a header. */
export const MAX_MSRP_LINE_BYTES = 4096;
export const MAX_MSRP_HEADERS = 64;
/** Most octets in all lines of one head. */
export const MAX_MSRP_HEAD_BYTES = 32 * 1024;
/** Most octets in one chunk's body when the parser returns every chunk whole. */
export const MAX_MSRP_BODY_BYTES = 16 * 1024 * 1024;
/** After this many body octets a parser returns the first part of a long chunk instead of buffering all of it. */
export const MSRP_PART_BYTES = 64 * 1024;
/** Most URIs in To-Path, and most in From-Path. */
export const MAX_MSRP_PATH_URIS = 16;

export type MsrpContinuation = '$' | '+' | '#';

export interface MsrpRequest {
  kind: 'request';
  transactionId: string;
  /** SEND, REPORT, AUTH or any other method. */
  method: string;
  toPath: string[];
  fromPath: string[];
  /** The headers without a field here, in order. */
  headers: readonly (readonly [name: string, value: string])[];
  messageId: string | null;
  /** Counted from 1. `end` and `total` are null for "*". */
  byteRange: { start: number; end: number | null; total: number | null } | null;
  contentType: string | null;
  successReport: boolean;
  failureReport: 'yes' | 'no' | 'partial';
  /** The code of namespace 000; only a REPORT has one. */
  status: { code: number; reason: string } | null;
  /** Null for a request without a body, such as the empty SEND that binds a connection. */
  body: Uint8Array | null;
  continuation: MsrpContinuation;
  /**
   * Set on a part of a chunk when more of the same chunk follows under the same transaction id. Only the last part gets an answer.
   * Each part has the Byte-Range of its own octets. Absent on a whole chunk and on the last part.
   */
  goesOn?: true;
  /** The body was dropped, because no session here takes messages for this path. */
  isSkipped?: true;
}

export interface MsrpResponse {
  kind: 'response';
  transactionId: string;
  status: number;
  reason: string;
  toPath: string[];
  fromPath: string[];
  /** The headers without a field here, in order. Usually absent; a relay's answer to AUTH has some (RFC 4976). */
  headers?: readonly (readonly [name: string, value: string])[];
  continuation: MsrpContinuation;
}

export type MsrpMessage = MsrpRequest | MsrpResponse;

/** The headers that are fields of a request, in lower case. */
const MSRP_FIELDS: ReadonlySet<string> = new Set([
  ...['to-path', 'from-path', 'message-id', 'byte-range', 'success-report', 'failure-report', 'status', 'content-type'],
]);
export const HEADER_NAME = /^[A-Za-z0-9-]+$/;

const DASHES = '-------';
/** A shorter body is copied: that costs less than writing it as a piece of its own. */
const COPIED_BODY_BYTES = 4096;
/** The size of a writer's allocations. */
const SLAB_BYTES = 16 * 1024;
export const TRANSACTION_ID = /^[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}$/;

/** A request to the next hop that carries no message (AUTH of RFC 4976, NICKNAME of RFC 7701). */
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
 * The octets of one message. Every message from `MsrpParser` can be encoded under its own transaction id. A new message takes its id from
 * `newTransactionId`. Line breaks in values are left out.
 * @throws RangeError for a transaction id that the grammar forbids or whose end line occurs in the body: a defect of the caller
 */
export function encodeMsrp(message: MsrpMessage): Uint8Array {
  single.write(message);
  const pieces = single.take();
  return pieces.length === 1 ? (pieces[0] ?? NOTHING) : concat(pieces);
}

/**
 * Encodes the messages of one connection. Consecutive short messages leave in one piece. A long body is a piece of its own and is not
 * copied, so it must not change until it has left. Octets and errors are those of `encodeMsrp`; a message that throws writes nothing.
 */
export class MsrpWriter {
  /** Where the next octets go. Never reused, because octets from an earlier `take` may not have left yet. */
  #slab = NOTHING;
  #from = 0;
  #to = 0;
  #pieces: Uint8Array[] = [];
  /** The number of octets in the pieces. */
  #length = 0;
  #paths: { to: readonly string[]; from: readonly string[]; lines: string } = { to: [], from: [], lines: '' };

  /** The number of octets that `take` would return. */
  get length(): number {
    return this.#length + this.#to - this.#from;
  }

  write(message: MsrpMessage): void {
    const { transactionId } = message;
    if (!TRANSACTION_ID.test(transactionId)) throw new RangeError('bad MSRP transaction id');
    const first = message.kind === 'request' ? word(message.method) : `${threeDigits(message.status)} ${oneLine(message.reason)}`.trimEnd();
    const head = `MSRP ${transactionId} ${first}\r\n${this.#pathLines(message.toPath, message.fromPath)}`;
    const end = `${DASHES}${transactionId}${message.continuation}\r\n`;
    if (message.kind === 'response') {
      this.#put(`${head}${furtherLines(message.headers)}${end}`);
      return;
    }
    const lines = `${ownLines(message)}${furtherLines(message.headers)}`;
    const { body } = message;
    if (body === null) {
      this.#put(`${head}${lines}${end}`);
      return;
    }
    if (endsWithin(body, transactionId)) throw new RangeError('the MSRP transaction id occurs in the body');
    // Content-Type is the last header before the body (RFC 4975 section 9).
    this.#put(`${head}${lines}${message.contentType === null ? '' : `Content-Type: ${oneLine(message.contentType)}\r\n`}\r\n`);
    this.#putBody(body);
    this.#put(`\r\n${end}`);
  }

  /** Returns the pieces written since the last call. */
  take(): Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    return pieces;
  }

  #put(text: string): void {
    // A UTF-16 code unit takes at most three octets in UTF-8.
    this.#makeRoom(text.length * 3);
    this.#to += encoder.encodeInto(text, this.#slab.subarray(this.#to)).written;
  }

  #putBody(body: Uint8Array): void {
    if (body.length < COPIED_BODY_BYTES) {
      this.#makeRoom(body.length);
      this.#slab.set(body, this.#to);
      this.#to += body.length;
      return;
    }
    this.#cut();
    this.#pieces.push(body);
    this.#length += body.length;
  }

  #makeRoom(bytes: number): void {
    if (this.#to + bytes <= this.#slab.length) return;
    this.#cut();
    this.#slab = new Uint8Array(Math.max(SLAB_BYTES, bytes));
    this.#from = 0;
    this.#to = 0;
  }

  #cut(): void {
    if (this.#to === this.#from) return;
    this.#pieces.push(this.#slab.subarray(this.#from, this.#to));
    this.#length += this.#to - this.#from;
    this.#from = this.#to;
  }

  /** The path lines; a connection repeats the same two, so they are cached. */
  #pathLines(to: readonly string[], from: readonly string[]): string {
    if (!isSamePath(to, this.#paths.to) || !isSamePath(from, this.#paths.from)) {
      const lines = `To-Path: ${to.map(word).join(' ')}\r\nFrom-Path: ${from.map(word).join(' ')}\r\n`;
      this.#paths = { to: [...to], from: [...from], lines };
    }
    return this.#paths.lines;
  }
}

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const single = new MsrpWriter();

function isSamePath(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) if (one[index] !== other[index]) return false;
  return true;
}

/** The headers with a field, except the paths and Content-Type. */
function ownLines({ messageId, byteRange, successReport, failureReport, status }: MsrpRequest): string {
  let lines = '';
  if (messageId !== null) lines += `Message-ID: ${oneLine(messageId)}\r\n`;
  if (byteRange !== null) lines += `Byte-Range: ${byteRange.start}-${byteRange.end ?? '*'}/${byteRange.total ?? '*'}\r\n`;
  if (successReport) lines += 'Success-Report: yes\r\n';
  if (failureReport !== 'yes') lines += `Failure-Report: ${failureReport}\r\n`;
  if (status !== null) lines += `${`Status: 000 ${threeDigits(status.code)} ${oneLine(status.reason)}`.trimEnd()}\r\n`;
  return lines;
}

/** The other headers; a header that has a field is not allowed here. */
function furtherLines(headers: MsrpRequest['headers'] = []): string {
  let lines = '';
  for (const [name, value] of headers) {
    if (HEADER_NAME.test(name) && !MSRP_FIELDS.has(name.toLowerCase())) lines += `${name}: ${oneLine(value)}\r\n`;
  }
  return lines;
}

function threeDigits(code: number): string {
  return String(code).padStart(3, '0');
}

const WORD = /^[!-~]*$/;

function word(value: string): string {
  return WORD.test(value) ? value : oneLine(value).replace(/\s/g, '');
}

/** Searches on both sides skip as many octets as the end line is long, so a longer id pays off in front of a long body. */
const LONG_ID_FILL = '0'.repeat(19);
const SIX_DIGITS = 36 ** 6;

/** A transaction id that does not occur in the body. `random` is that of a Clock. */
export function newTransactionId(random: () => number, body: Uint8Array | null): string {
  for (;;) {
    const digits = sixDigits(random()) + sixDigits(random());
    const id = body !== null && body.length >= COPIED_BODY_BYTES ? LONG_ID_FILL + digits : digits;
    if (body === null) return id;
    if (indexOfBytes(body, octetsOf(id)) >= 0) continue;
    searched = { body, id };
    return id;
  }
}

function sixDigits(fraction: number): string {
  return Math.floor(fraction * SIX_DIGITS)
    .toString(36)
    .padStart(6, '0');
}

/** The latest search without a hit: when an id was just made for a body, the body need not be searched again. */
let searched: { body: Uint8Array; id: string } | null = null;

/**
 * Whether a parser would find the end line inside the body. The same characters without a line end before and a flag after them are
 * content.
 */
function endsWithin(body: Uint8Array, id: string): boolean {
  const isSearched = searched?.body === body && searched.id === id;
  searched = null;
  if (isSearched) return false;
  const marker = octetsOf(DASHES + id);
  for (let at = indexOfBytes(body, marker); at >= 0; at = indexOfBytes(body, marker, at + 1)) {
    const flagAt = at + marker.length;
    // The line ends around the body count too.
    const begins = at === 0 || (body[at - 2] === CR && body[at - 1] === LF);
    const ends = flagAt + 1 === body.length || (body[flagAt + 1] === CR && body[flagAt + 2] === LF);
    if (begins && ends && FLAGS.has(body[flagAt] ?? 0)) return true;
  }
  return false;
}

const CR = 13;
const LF = 10;
/** "$", "+" and "#". */
const FLAGS: ReadonlySet<number> = new Set([36, 43, 35]);

const needle = new Uint8Array(DASHES.length + 32);

/** The octets of an ASCII text; valid until the next call. */
function octetsOf(ascii: string): Uint8Array {
  for (let index = 0; index < ascii.length; index += 1) needle[index] = ascii.charCodeAt(index);
  return needle.subarray(0, ascii.length);
}

export interface MsrpUri {
  scheme: 'msrp' | 'msrps';
  host: string;
  /** Null when the URI has no port. */
  port: number | null;
  sessionId: string | null;
  /** The first parameter after ";", usually `tcp`. */
  transport: string;
}

/** LAB: most relays in one side's path; every request lists them all. */
export const maximumRelays = 4;

/** RFC 4975 section 6. The userinfo and further parameters are accepted and dropped. */
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

/** The first value of a header without its own field, or null. */
export function msrpHeader({ headers = [] }: Pick<MsrpResponse, 'headers'>, name: string): string | null {
  return headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1] ?? null;
}

/**
 * RFC 4975 section 6.1: scheme, host and transport are compared case-insensitively, port and session id exactly; the userinfo is ignored.
 */
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
