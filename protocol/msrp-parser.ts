/**
 * Reads MSRP from a connection's octets (RFC 4975 sections 7 and 9), in pieces of any size. Each octet of a body is read once and copied
 * at most once. A header line that equals the one at the same place in the previous head is not parsed again: few change in a session.
 *
 *              start line, headers                 no end line yet
 *            +---------------------+             +-----------------+
 *            v                     |             v                 |
 *   ------> head ------------------+----------> body --------------+
 *            ^ |  blank line                     |
 *            | +--- end line ---> a message <----+ end line
 *            +------------------------+
 *
 * `partBytes` limits how much of a body is buffered: a long chunk is returned in parts (`MsrpRequest.goesOn`). `admits` lets the parser
 * skip a body that nobody wants as it arrives.
 */

import { hasControl } from './generic-param';
import {
  HEADER_NAME,
  MAX_MSRP_BODY_BYTES,
  MAX_MSRP_HEAD_BYTES,
  MAX_MSRP_HEADERS,
  MAX_MSRP_LINE_BYTES,
  MAX_MSRP_PATH_URIS,
  type MsrpContinuation,
  type MsrpMessage,
  type MsrpRequest,
  type MsrpResponse,
  parseMsrpUri,
  TRANSACTION_ID,
} from './msrp';
import { indexOfBytes, startsWithAt, text, utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';

/** The buffer that a parser keeps between messages; it holds the start of a head and the following piece of the stream. */
const KEPT_BUFFER_BYTES = 192 * 1024;
/**
 * The first allocation for a body that continues in the next piece. A larger announced size is not trusted: announcing costs the peer
 * nothing.
 */
const FIRST_BODY_BYTES = 64 * 1024;
/** The length of "CRLF-------tid" with the longest transaction id, plus the flag and the line end after it. */
const MARKER_BYTES = 41;
const AFTER_MARKER_BYTES = 3;

/** A body may keep this many times its own size in memory alive. A body in a larger piece is copied. */
const WORTH_KEEPING = 4;

const CR = 13;
const LF = 10;
const DASH = 45;
/** A longer header line is not remembered. Together with the number of places this bounds a parser's memory. */
const REMEMBERED_LINE_BYTES = 512;
const NOTHING = new Uint8Array(0);

/** The headers that have a field of their own, in lower case. */
const FIELDS = {
  'to-path': 0,
  'from-path': 1,
  'message-id': 2,
  'byte-range': 3,
  'success-report': 4,
  'failure-report': 5,
  status: 6,
  'content-type': 7,
} as const;
type Field = (typeof FIELDS)[keyof typeof FIELDS];
const fieldsByName = new Map<string, Field>(Object.entries(FIELDS));

/** A parsed header line, with the decoded value where decoding is expensive. */
interface Line {
  /** The line with its line end. Empty when the line is not remembered. */
  octets: Uint8Array;
  name: string;
  value: string;
  field: Field | null;
  /** Only for a path. */
  uris: string[] | null;
  range: MsrpRequest['byteRange'];
}

/** The start line after the transaction id. */
interface Kind {
  text: string;
  /** The method; null for a response. */
  method: string | null;
  status: number;
  reason: string;
}

interface Head extends Kind {
  transactionId: string;
  /** Indexed by field. The first one counts when a header is repeated. */
  fields: (Line | undefined)[];
  others: [string, string][];
  lines: number;
  bytes: number;
  /** Body octets already returned in earlier parts. */
  given: number;
}

interface Problem {
  problem: string;
}

function problem(what: string): Problem {
  return { problem: what };
}

/** The result of one parsing step: a message, a request for more octets, progress, or the failure that ends all parsing. */
type Step = MsrpMessage | 'more' | 'again' | Problem;

export interface MsrpParserOptions {
  /**
   * A chunk with more body octets than this is returned in parts, each a request of its own. When absent, every chunk is returned whole.
   */
  partBytes?: number;
  /** Whether a body for this To-Path is wanted. Called once for each chunk whose body does not arrive in one piece. */
  admits?: (toPath: readonly string[]) => boolean;
}

/**
 * Takes the octets of a connection in pieces of any size and returns whole messages. After malformed input it stays failed: MSRP gives no
 * way to find the next message, so the connection must be closed. Messages before the malformed octets in the same piece are still
 * returned; `failure` is set by then, and every later `push` returns it.
 */
export class MsrpParser {
  readonly #options: MsrpParserOptions;
  /** The octets being parsed: the latest piece, or `#kept` followed by the latest piece when a head had already begun. */
  #view = NOTHING;
  #kept = NOTHING;
  /** Where parsing of the current message continues, and where the search for its line end continues. */
  #at = 0;
  #searchAt = 0;
  #head: Head | null = null;
  #kind: Kind = { text: '', method: null, status: 0, reason: '' };
  /** The lines of the latest heads, by position. */
  readonly #lines: Line[] = [];
  /** CR, LF, dashes and transaction id: the current message's end line without its flag and line end. */
  readonly #marker = new Uint8Array(MARKER_BYTES);
  #markerLength = 0;
  #body: GrowingBody | null = null;
  #inBody = false;
  /** True while body octets are dropped until the end line. */
  #skips = false;
  /** The number of stream octets before `#view`, and where in the stream each message of the latest `push` ended. */
  #before = 0;
  #ends: number[] = [];
  #failure: { ok: false; reason: string; offset?: number } | null = null;

  constructor(options: MsrpParserOptions = {}) {
    this.#options = options;
    this.#marker.set(utf8('\r\n-------'));
  }

  /** Why the stream can no longer be parsed, or null. */
  get failure(): { ok: false; reason: string; offset?: number } | null {
    return this.#failure;
  }

  /** The end of each message or part that the latest `push` returned, as octets from the start of the stream. */
  get ends(): readonly number[] {
    return this.#ends;
  }

  /** True while the body being read is dropped. */
  get isSkipping(): boolean {
    return this.#skips;
  }

  /** Parses the next piece. The caller must not change `bytes` afterwards: a body can be a view of it. */
  push(bytes: Uint8Array): Parsed<MsrpMessage[]> {
    if (this.#failure !== null) return this.#failure;
    this.#append(bytes);
    this.#ends = [];
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
      this.#ends.push(this.#before + this.#at);
    }
    this.#keep();
    return parsed(messages);
  }

  #append(bytes: Uint8Array): void {
    const before = this.#view.length;
    if (before === 0) {
      // A plain Uint8Array: the methods of a Node Buffer return other things.
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

  /** Moves the rest of the piece to `#kept`. */
  #keep(): void {
    const rest = this.#at === this.#view.length ? NOTHING : this.#view.subarray(this.#at);
    // A connection that once carried a long head in large pieces must not hold that memory for ever.
    if (this.#kept.length > KEPT_BUFFER_BYTES && rest.length <= KEPT_BUFFER_BYTES) this.#kept = NOTHING;
    if (rest.length > this.#kept.length) this.#kept = new Uint8Array(rest.length);
    if (rest.length > 0) this.#kept.set(rest);
    this.#view = rest.length === 0 ? NOTHING : this.#kept.subarray(0, rest.length);
    this.#searchAt = Math.max(0, this.#searchAt - this.#at);
    this.#before += this.#at;
    this.#at = 0;
  }

  #readHead(): Step {
    const view = this.#view;
    const at = this.#at;
    const head = this.#head;
    if (head !== null) {
      const known = this.#lines[head.lines];
      if (known !== undefined && startsWithAt(view, known.octets, at)) {
        this.#at = at + known.octets.length;
        return this.#take(head, known, known.octets.length);
      }
    }
    let end = Math.max(this.#searchAt, at);
    while (end < view.length && (view[end] !== CR || view[end + 1] !== LF)) end += 1;
    if (end - at > MAX_MSRP_LINE_BYTES) return problem('a line too long');
    if (end >= view.length) {
      // The last octet may be the first half of a line end.
      this.#searchAt = view.length - 1;
      return 'more';
    }
    this.#at = end + 2;
    return this.#readLine(head, at, end);
  }

  #readLine(head: Head | null, from: number, end: number): Step {
    // Some peers send a bare line end between messages as keep-alive.
    if (head === null) return from === end ? 'again' : this.#begin(text(this.#view.subarray(from, end)).replaceAll('\t', ' '));
    if (from === end) {
      this.#inBody = true;
      return 'again';
    }
    if (this.#view[from] === DASH) {
      const flag = this.#endLineAt(this.#view, from, 2);
      if (flag !== null) return this.#finish(head, null, flag);
    }
    const read = text(this.#view.subarray(from, end));
    // Lenient decoding would turn one octet into three, and the lines written from it could exceed what the next reader accepts.
    if (read.includes(REPLACEMENT) && !isUtf8(this.#view.subarray(from, end))) return problem('a line that is not UTF-8');
    const line = readHeaderLine(read.replaceAll('\t', ' '));
    if (line === null) return problem('a bad header line');
    // When written again, the line has a space after its colon.
    if (end - from === MAX_MSRP_LINE_BYTES && read[line.name.length + 1] !== ' ') return problem('a line too long');
    // A Message-ID occurs once or in a few chunks; other lines are worth remembering.
    if (line.field !== FIELDS['message-id'] && end - from <= REMEMBERED_LINE_BYTES) {
      line.octets = this.#view.slice(from, end + 2);
      this.#lines[head.lines] = line;
    }
    return this.#take(head, line, end + 2 - from);
  }

  #begin(line: string): Step {
    const space = line.indexOf(' ', 5);
    const transactionId = line.slice(5, space);
    if (!line.startsWith('MSRP ') || space < 0 || !TRANSACTION_ID.test(transactionId) || hasControl(line))
      return problem('a bad start line');
    const kind = line.slice(space + 1);
    if (kind !== this.#kind.text) {
      const found = /^(?:(\d{3})(?: (.*))?|([A-Z]{1,32}))$/.exec(kind);
      if (found === null) return problem('a bad start line');
      this.#kind = { text: kind, method: found[3] ?? null, status: Number(found[1] ?? 0), reason: found[2] ?? '' };
    }
    const { method, status, reason } = this.#kind;
    this.#head = { transactionId, text: kind, method, status, reason, fields: [], others: [], lines: 0, bytes: 0, given: 0 };
    for (let index = 0; index < transactionId.length; index += 1) this.#marker[9 + index] = transactionId.charCodeAt(index);
    this.#markerLength = 9 + transactionId.length;
    return 'again';
  }

  #take(head: Head, line: Line, bytes: number): Step {
    head.lines += 1;
    head.bytes += bytes;
    if (head.lines > MAX_MSRP_HEADERS) return problem('too many headers');
    if (head.bytes > MAX_MSRP_HEAD_BYTES) return problem('a head too long');
    if (line.field === null) head.others.push([line.name, line.value]);
    else head.fields[line.field] ??= line;
    return 'again';
  }

  /**
   * The flag of the end line at `at`, or null. The first `from` octets of its marker have already been compared. "-------tid" inside the
   * content is an end line only when a flag and a line end follow.
   */
  #endLineAt(view: Uint8Array, at: number, from: number): MsrpContinuation | null {
    for (let index = from; index < this.#markerLength; index += 1) if (view[at + index - from] !== this.#marker[index]) return null;
    const flagAt = at + this.#markerLength - from;
    if (view[flagAt + 1] !== CR || view[flagAt + 2] !== LF) return null;
    const flag = String.fromCharCode(view[flagAt] ?? 0);
    return flag === '$' || flag === '+' || flag === '#' ? flag : null;
  }

  /** The first complete end line, including the line end before it, that begins at or after `from`. */
  #findEnd(octets: Uint8Array, from: number): { at: number; flag: MsrpContinuation } | null {
    const marker = this.#marker.subarray(0, this.#markerLength);
    for (let at = indexOfBytes(octets, marker, from); at >= 0; at = indexOfBytes(octets, marker, at + 1)) {
      const flag = this.#endLineAt(octets, at, 0);
      if (flag !== null) return { at, flag };
    }
    return null;
  }

  #readBody(): Step {
    const head = this.#head;
    const view = this.#view;
    const bodyAt = this.#at;
    if (head === null) return problem('a body without a head');
    const endLineBytes = this.#markerLength + AFTER_MARKER_BYTES;
    const begun = this.#body;
    if (begun !== null) {
      // An end line that began in the previous piece: it spans the end of that piece and the start of this one.
      const seam = begun.seam(endLineBytes - 1, view.subarray(bodyAt, bodyAt + endLineBytes - 1));
      const over = this.#findEnd(seam.octets, 0);
      if (over !== null) {
        this.#at = bodyAt + over.at + endLineBytes - seam.before;
        return this.#finish(head, begun.upTo(begun.length - seam.before + over.at), over.flag);
      }
    }
    // The line end of the blank line can also introduce the end line; the body is then absent.
    const found = this.#findEnd(view, begun === null ? bodyAt - 2 : bodyAt);
    if (found === null) {
      if (bodyAt === view.length && begun !== null) return 'more';
      return this.#growBody(head, endLineBytes - 1);
    }
    this.#at = found.at + endLineBytes;
    if (found.at < bodyAt) return this.#finish(head, null, found.flag);
    const last = view.subarray(bodyAt, found.at);
    if (begun === null) return this.#finish(head, this.#isWorthKeeping(last) ? last : last.slice(), found.flag);
    begun.add(last);
    return this.#finish(head, begun.upTo(begun.length), found.flag);
  }

  /** Keeps the body octets of this piece when the body continues in the next. `reach`: octets that may be the start of the end line. */
  #growBody(head: Head, reach: number): Step {
    const fresh = this.#view.subarray(this.#at);
    this.#at = this.#view.length;
    const { partBytes = Number.POSITIVE_INFINITY, admits } = this.#options;
    if (this.#body === null) {
      const toPath = head.fields[FIELDS['to-path']]?.uris;
      if (!toPath) return problem('a missing or bad path');
      this.#skips = head.method === null || admits?.(toPath) === false;
      this.#body = new GrowingBody(this.#skips ? 0 : promised(head.fields[FIELDS['byte-range']]?.range ?? null));
    }
    const body = this.#body;
    if (this.#skips) {
      head.given += body.keepLast(fresh, reach);
      return 'more';
    }
    if (partBytes === Number.POSITIVE_INFINITY && body.length + fresh.length > MAX_MSRP_BODY_BYTES + reach + 1)
      return problem('a body too long');
    body.add(fresh);
    if (body.length - reach < partBytes) return 'more';
    const octets = body.upTo(body.length - reach) ?? NOTHING;
    this.#body = new GrowingBody(partBytes, body.last(reach));
    const part = this.#messageOf(head, octets, '+');
    head.given += octets.length;
    return 'problem' in part || part.kind === 'response' ? part : { ...part, goesOn: true };
  }

  /** Whether the body may stay a view of its piece, which keeps the whole piece in memory. */
  #isWorthKeeping(body: Uint8Array): boolean {
    return body.length * WORTH_KEEPING >= body.buffer.byteLength && body.buffer !== this.#kept.buffer;
  }

  #finish(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): Step {
    this.#head = null;
    this.#body = null;
    this.#inBody = false;
    const skips = this.#skips;
    this.#skips = false;
    if (body !== null && body.length > MAX_MSRP_BODY_BYTES) return problem('a body too long');
    const message = this.#messageOf(head, skips ? NOTHING : body, continuation);
    return skips && 'kind' in message && message.kind === 'request' ? { ...message, isSkipped: true } : message;
  }

  #messageOf(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): MsrpMessage | Problem {
    const { transactionId, fields, given } = head;
    const toPath = fields[FIELDS['to-path']]?.uris;
    const fromPath = fields[FIELDS['from-path']]?.uris;
    if (!toPath || !fromPath) return problem('a missing or bad path');
    if (head.method === null) {
      const response: MsrpResponse = {
        kind: 'response',
        transactionId,
        status: head.status,
        reason: head.reason,
        toPath: [...toPath],
        fromPath: [...fromPath],
        continuation,
      };
      return head.others.length === 0 ? response : { ...response, headers: head.others };
    }
    const range = fields[FIELDS['byte-range']];
    // A whole message needs none, and neither does a SEND without octets. In a message of several chunks nobody knows what it means.
    const isNeeded = continuation === '+' && !this.#inBody;
    if (range !== undefined && range.range === null && (isNeeded || !BYTE_RANGE.test(range.value))) return problem('a bad Byte-Range');
    const failureReport = fields[FIELDS['failure-report']]?.value.toLowerCase();
    const status = fields[FIELDS.status];
    return {
      kind: 'request',
      transactionId,
      method: head.method,
      toPath: [...toPath],
      fromPath: [...fromPath],
      headers: head.others,
      messageId: fields[FIELDS['message-id']]?.value || null,
      byteRange: rangeOf(range?.range ?? null, { given, octets: body?.length ?? 0, isPart: body !== null && this.#inBody, continuation }),
      // RFC 4975 section 9: it belongs to a body.
      contentType: body === null ? null : (fields[FIELDS['content-type']]?.value ?? null),
      successReport: fields[FIELDS['success-report']]?.value.toLowerCase() === 'yes',
      failureReport: failureReport === 'no' || failureReport === 'partial' ? failureReport : 'yes',
      status: status === undefined ? null : readStatus(status.value),
      body,
      continuation,
    };
  }
}

const REPLACEMENT = '\uFFFD';
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isUtf8(octets: Uint8Array): boolean {
  try {
    strict.decode(octets);
    return true;
  } catch {
    return false;
  }
}

/**
 * The Byte-Range after `given` octets. A part does not tell where its chunk ends. The last part of a chunk that is the whole message ends where its
 * octets end, whatever was claimed.
 */
function rangeOf(
  range: MsrpRequest['byteRange'],
  { given, octets, isPart, continuation }: { given: number; octets: number; isPart: boolean; continuation: MsrpContinuation },
): MsrpRequest['byteRange'] {
  if (range === null) return given === 0 && !isPart ? null : { start: given + 1, end: null, total: null };
  if (given > 0 && !isPart && continuation === '$' && range.start === 1)
    return { start: given + 1, end: given + octets, total: given + octets };
  return { start: range.start + given, end: isPart ? null : range.end, total: range.total };
}

/** A body that arrives in several pieces, copied into its own memory. */
class GrowingBody {
  #bytes: Uint8Array;
  #length = 0;

  /** `promised`: the announced size, trusted up to `FIRST_BODY_BYTES`. `first`: the octets that have already arrived. */
  constructor(promised: number, first: Uint8Array = NOTHING) {
    // These octets can contain the start of the end line before it is recognised.
    this.#bytes = new Uint8Array(Math.min(promised, FIRST_BODY_BYTES) + 2 * (MARKER_BYTES + AFTER_MARKER_BYTES));
    this.add(first);
  }

  get length(): number {
    return this.#length;
  }

  add(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  last(count: number): Uint8Array {
    return this.#bytes.subarray(Math.max(0, this.#length - count), this.#length);
  }

  /** Adds octets and drops all but the last `count`. Returns the number of dropped octets. */
  keepLast(bytes: Uint8Array, count: number): number {
    const before = this.#length + bytes.length;
    if (bytes.length < count) this.add(bytes);
    else {
      this.#length = 0;
      this.add(bytes.subarray(bytes.length - count));
    }
    if (this.#length > count) {
      this.#bytes.copyWithin(0, this.#length - count, this.#length);
      this.#length = count;
    }
    return before - this.#length;
  }

  /**
   * The last octets (at most `reach`, including the blank line's own line end) followed by `next`. `before` counts the octets in front of
   * `next`.
   */
  seam(reach: number, next: Uint8Array): { octets: Uint8Array; before: number } {
    const own = this.#bytes.subarray(Math.max(0, this.#length - reach), this.#length);
    const lineEnd = Math.min(2, reach - own.length);
    const before = lineEnd + own.length;
    const octets = new Uint8Array(before + next.length);
    if (lineEnd === 2) octets.set([CR, LF]);
    if (lineEnd === 1) octets[0] = LF;
    octets.set(own, lineEnd);
    octets.set(next, before);
    return { octets, before };
  }

  /** The octets before `end`; null when `end` is before the start. Nothing can be added afterwards. */
  upTo(end: number): Uint8Array | null {
    if (end < 0) return null;
    // Unused memory must not live as long as the body.
    const fits = this.#bytes.length - end <= 2 * (MARKER_BYTES + AFTER_MARKER_BYTES);
    return fits ? this.#bytes.subarray(0, end) : this.#bytes.slice(0, end);
  }
}

/** The number of octets that the Byte-Range promises for a chunk. */
function promised(range: MsrpRequest['byteRange']): number {
  const end = range?.end ?? range?.total ?? null;
  return range === null || end === null ? 0 : Math.max(0, end - range.start + 1);
}

function readHeaderLine(line: string): Line | null {
  // RFC 4975 section 9: utf8text holds no control character but the tab.
  if (hasControl(line)) return null;
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(0, colon));
  const value = line.slice(colon + 1).trim();
  const field = fieldsByName.get(name) ?? fieldsByName.get(name.toLowerCase()) ?? null;
  if (field === null && !HEADER_NAME.test(name)) return null;
  const isPath = field === FIELDS['to-path'] || field === FIELDS['from-path'];
  return {
    octets: NOTHING,
    name,
    value,
    field,
    uris: isPath ? readPath(value) : null,
    range: field === FIELDS['byte-range'] ? readByteRange(value) : null,
  };
}

function readPath(value: string): string[] | null {
  const uris = value.split(/\s+/).filter((uri) => uri !== '');
  return uris.length > 0 && uris.length <= MAX_MSRP_PATH_URIS && uris.every((uri) => parseMsrpUri(uri).ok) ? uris : null;
}

const BYTE_RANGE = /^(\d{1,15})-(\d{1,15}|\*)\/(\d{1,15}|\*)$/;

/** Null for a range that cannot be. */
function readByteRange(value: string): MsrpRequest['byteRange'] {
  const found = BYTE_RANGE.exec(value);
  if (found === null) return null;
  const [start, end, total] = [found[1], found[2], found[3]].map((part) => (part === '*' ? null : Number(part)));
  if (start === undefined || start === null || end === undefined || total === undefined) return null;
  // "1-0/0" is the range of an empty body.
  if (start < 1 || (end !== null && end < start - 1)) return null;
  // The octets are there; a size that does not hold them was counted in something else.
  return { start, end, total: end !== null && total !== null && end > total ? null : total };
}

function readStatus(value: string): MsrpRequest['status'] {
  const found = /^000 (\d{3})(?: (.*))?$/.exec(value);
  return found === null ? null : { code: Number(found[1]), reason: found[2] ?? '' };
}
