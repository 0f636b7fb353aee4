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
import { concat, indexOfBytes } from './octets';
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

/** The headers that are fields of a request, in lower case. */
export const MSRP_FIELDS: ReadonlySet<string> = new Set([
  ...['to-path', 'from-path', 'message-id', 'byte-range', 'success-report', 'failure-report', 'status', 'content-type'],
]);
export const HEADER_NAME = /^[A-Za-z0-9-]+$/;

const DASHES = '-------';
/** Below this a copy costs less than a piece of its own. */
const COPIED_BODY_BYTES = 4096;
/** What a writer takes at a time for what it writes. */
const SLAB_BYTES = 16 * 1024;
export const TRANSACTION_ID = /^[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}$/;

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
  single.write(message);
  const pieces = single.take();
  return pieces.length === 1 ? (pieces[0] ?? NOTHING) : concat(pieces);
}

/**
 * Writes what one connection says. Messages that follow each other stand side by side and leave as one piece; a long body is a piece of its
 * own and is not copied: it must not change until it has left. The octets are those of `encodeMsrp`, and so are the errors, which write nothing.
 */
export class MsrpWriter {
  /** Where the next octets go. Never used twice, since what was given away may not have left yet. */
  #slab = NOTHING;
  #from = 0;
  #to = 0;
  #pieces: Uint8Array[] = [];
  /** Octets in the pieces. */
  #length = 0;
  #paths: { to: readonly string[]; from: readonly string[]; lines: string } = { to: [], from: [], lines: '' };

  /** Octets that `take` would give. */
  get length(): number {
    return this.#length + this.#to - this.#from;
  }

  write(message: MsrpMessage): void {
    const { transactionId } = message;
    if (!TRANSACTION_ID.test(transactionId)) throw new RangeError('bad MSRP transaction id');
    const first = message.kind === 'request' ? word(message.method) : `${message.status} ${oneLine(message.reason)}`.trimEnd();
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
    this.#put(`${head}${lines}Content-Type: ${oneLine(message.contentType ?? 'text/plain')}\r\n\r\n`);
    this.#putBody(body);
    this.#put(`\r\n${end}`);
  }

  /** What was written since the last time. */
  take(): Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    return pieces;
  }

  #put(text: string): void {
    // In UTF-8 no character of a string takes more than three octets.
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

  /** A connection says the same two again and again. */
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

/** The headers that have a field, but for the paths and Content-Type. */
function ownLines({ messageId, byteRange, successReport, failureReport, status }: MsrpRequest): string {
  let lines = '';
  if (messageId !== null) lines += `Message-ID: ${word(messageId)}\r\n`;
  if (byteRange !== null) lines += `Byte-Range: ${byteRange.start}-${byteRange.end ?? '*'}/${byteRange.total ?? '*'}\r\n`;
  if (successReport) lines += 'Success-Report: yes\r\n';
  if (failureReport !== 'yes') lines += `Failure-Report: ${failureReport}\r\n`;
  if (status !== null) lines += `${`Status: 000 ${String(status.code).padStart(3, '0')} ${oneLine(status.reason)}`.trimEnd()}\r\n`;
  return lines;
}

/** None that has a field of its own. */
function furtherLines(headers: MsrpRequest['headers'] = []): string {
  let lines = '';
  for (const [name, value] of headers) {
    if (HEADER_NAME.test(name) && !MSRP_FIELDS.has(name.toLowerCase())) lines += `${name}: ${oneLine(value)}\r\n`;
  }
  return lines;
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

/** The latest search that found nothing: who takes an id and writes the message with it at once has the body searched once, not twice. */
let searched: { body: Uint8Array; id: string } | null = null;

function endsWithin(body: Uint8Array, id: string): boolean {
  const isSearched = searched?.body === body && searched.id === id;
  searched = null;
  return !isSearched && indexOfBytes(body, octetsOf(DASHES + id)) >= 0;
}

const needle = new Uint8Array(DASHES.length + 32);

/** Of ASCII; valid until the next call. */
function octetsOf(ascii: string): Uint8Array {
  for (let index = 0; index < ascii.length; index += 1) needle[index] = ascii.charCodeAt(index);
  return needle.subarray(0, ascii.length);
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
