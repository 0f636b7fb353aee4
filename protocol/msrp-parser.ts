/**
 * Reads MSRP from a connection's octets (RFC 4975 sections 7 and 9), in pieces of any size. It looks at each octet of a body once and
 * copies it once at most, and takes no line apart that stood at the same place of the head before: of a session's messages few lines change.
 *
 *              start line, headers                 no end line yet
 *            +---------------------+             +-----------------+
 *            v                     |             v                 |
 *   ------> head ------------------+----------> body --------------+
 *            ^ |  blank line                     |
 *            | +--- end line ---> a message <----+ end line
 *            +------------------------+
 */
import {
  HEADER_NAME,
  MAX_MSRP_BODY_BYTES,
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

/** What a parser keeps between messages: room for a piece of the stream behind the beginning of a head. */
const KEPT_BUFFER_BYTES = 192 * 1024;
/** What is taken at first for a body that goes on in the next piece, however much is promised of it: a promise costs a peer nothing. */
const FIRST_BODY_BYTES = 64 * 1024;
/** Of "CRLF-------tid" with the longest transaction id, and of the flag and the line end behind it. */
const MARKER_BYTES = 41;
const AFTER_MARKER_BYTES = 3;

/** How many times its own size of memory a body may keep alive; a piece in which it is a smaller part is left and the body copied. */
const WORTH_KEEPING = 4;

const CR = 13;
const LF = 10;
const DASH = 45;
const NOTHING = new Uint8Array(0);

/** The headers with a field of their own, in lower case. */
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

/** A header line that was read, and what its value means where that takes work to find out. */
interface Line {
  /** Its line end among them. Empty in one that is not remembered. */
  octets: Uint8Array;
  name: string;
  value: string;
  field: Field | null;
  /** Of a path. */
  uris: string[] | null;
  range: MsrpRequest['byteRange'];
}

/** Of the start line what follows the transaction id. */
interface Kind {
  text: string;
  /** Method, or null for a response. */
  method: string | null;
  status: number;
  reason: string;
}

interface Head extends Kind {
  transactionId: string;
  /** By field; of a header that stands twice the first. */
  fields: (Line | undefined)[];
  others: [string, string][];
  lines: number;
}

interface Problem {
  problem: string;
}

function problem(what: string): Problem {
  return { problem: what };
}

/** What one step of reading gave: a message, a wish for more octets, progress, or the end of all reading. */
type Step = MsrpMessage | 'more' | 'again' | Problem;

/**
 * Takes a connection's octets in any pieces and gives whole messages. After malformed input it stays failed: MSRP has no way to
 * find the next message, the connection must be closed. Messages that came before the bad octets in the same piece are still
 * given; `failure` then already says what is wrong, and so does every later `push`.
 */
export class MsrpParser {
  /** What is being read: the piece just pushed, or, where a head had begun before it, `#kept` with the piece behind it. */
  #view = NOTHING;
  #kept = NOTHING;
  /** Where the message that is being read continues, and where the search for the end of its line goes on. */
  #at = 0;
  #searchAt = 0;
  #head: Head | null = null;
  #kind: Kind = { text: '', method: null, status: 0, reason: '' };
  /** Of the latest heads, by their place. */
  readonly #lines: Line[] = [];
  /** CR, LF, dashes and transaction id: all but the end of the end line of what is being read. */
  readonly #marker = new Uint8Array(MARKER_BYTES);
  #markerLength = 0;
  #body: GrowingBody | null = null;
  #inBody = false;
  #failure: { ok: false; reason: string; offset?: number } | null = null;

  constructor() {
    this.#marker.set(utf8('\r\n-------'));
  }

  /** Why the stream can no longer be read, or null. */
  get failure(): { ok: false; reason: string; offset?: number } | null {
    return this.#failure;
  }

  /** `bytes` is not to be written to afterwards: a body may be a part of it. */
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
      // A plain view: a Node Buffer's own methods give other things.
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

  /** What is left of the piece goes to `#kept`. */
  #keep(): void {
    const rest = this.#at === this.#view.length ? NOTHING : this.#view.subarray(this.#at);
    // A connection that once carried a long head in large pieces does not hold its memory for ever.
    if (this.#kept.length > KEPT_BUFFER_BYTES && rest.length <= KEPT_BUFFER_BYTES) this.#kept = NOTHING;
    if (rest.length > this.#kept.length) this.#kept = new Uint8Array(rest.length);
    if (rest.length > 0) this.#kept.set(rest);
    this.#view = rest.length === 0 ? NOTHING : this.#kept.subarray(0, rest.length);
    this.#searchAt = Math.max(0, this.#searchAt - this.#at);
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
        return this.#take(head, known);
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
    // A bare line end between messages is how some peers keep a connection alive.
    if (head === null) return from === end ? 'again' : this.#begin(text(this.#view.subarray(from, end)));
    if (from === end) {
      this.#inBody = true;
      return 'again';
    }
    if (this.#view[from] === DASH) {
      const flag = this.#endLineAt(this.#view, from, 2);
      if (flag !== null) return this.#finish(head, null, flag);
    }
    const line = readHeaderLine(text(this.#view.subarray(from, end)));
    if (line === null) return problem('a bad header line');
    // A Message-ID comes once or with a few chunks; the others are worth remembering.
    if (line.field !== FIELDS['message-id']) {
      line.octets = this.#view.slice(from, end + 2);
      this.#lines[head.lines] = line;
    }
    return this.#take(head, line);
  }

  #begin(line: string): Step {
    const space = line.indexOf(' ', 5);
    const transactionId = line.slice(5, space);
    if (!line.startsWith('MSRP ') || space < 0 || !TRANSACTION_ID.test(transactionId)) return problem('a bad start line');
    const kind = line.slice(space + 1);
    if (kind !== this.#kind.text) {
      const found = /^(?:(\d{3})(?: (.*))?|([A-Z]{1,32}))$/.exec(kind);
      if (found === null) return problem('a bad start line');
      this.#kind = { text: kind, method: found[3] ?? null, status: Number(found[1] ?? 0), reason: found[2] ?? '' };
    }
    const { method, status, reason } = this.#kind;
    this.#head = { transactionId, text: kind, method, status, reason, fields: [], others: [], lines: 0 };
    for (let index = 0; index < transactionId.length; index += 1) this.#marker[9 + index] = transactionId.charCodeAt(index);
    this.#markerLength = 9 + transactionId.length;
    return 'again';
  }

  #take(head: Head, line: Line): Step {
    head.lines += 1;
    if (head.lines > MAX_MSRP_HEADERS) return problem('too many headers');
    if (line.field === null) head.others.push([line.name, line.value]);
    else head.fields[line.field] ??= line;
    return 'again';
  }

  /**
   * The flag of the end line at `at`, where the line end before it has been seen already up to `from` octets of the marker. "-------tid" inside the
   * content is no end line unless a flag and a line end follow.
   */
  #endLineAt(view: Uint8Array, at: number, from: number): MsrpContinuation | null {
    for (let index = from; index < this.#markerLength; index += 1) if (view[at + index - from] !== this.#marker[index]) return null;
    const flagAt = at + this.#markerLength - from;
    if (view[flagAt + 1] !== CR || view[flagAt + 2] !== LF) return null;
    const flag = String.fromCharCode(view[flagAt] ?? 0);
    return flag === '$' || flag === '+' || flag === '#' ? flag : null;
  }

  /** The first end line, with the line end before it, that begins in these octets at or after `from` and is whole in them. */
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
      // An end line of which a part came before: it lies in the last octets of then and the first ones of now.
      const seam = begun.seam(endLineBytes - 1, view.subarray(bodyAt, bodyAt + endLineBytes - 1));
      const over = this.#findEnd(seam.octets, 0);
      if (over !== null) {
        this.#at = bodyAt + over.at + endLineBytes - seam.before;
        return this.#finish(head, begun.upTo(begun.length - seam.before + over.at), over.flag);
      }
    }
    // The line end of the blank line may itself introduce the end line: then the body is absent.
    const found = this.#findEnd(view, begun === null ? bodyAt - 2 : bodyAt);
    if (found === null) {
      const length = view.length - bodyAt + (begun?.length ?? 0);
      if (length > MAX_MSRP_BODY_BYTES + endLineBytes) return problem('a body too long');
      this.#body ??= new GrowingBody(promised(head.fields[FIELDS['byte-range']]?.range ?? null));
      this.#body.add(view.subarray(bodyAt));
      this.#at = view.length;
      return 'more';
    }
    this.#at = found.at + endLineBytes;
    if (found.at < bodyAt) return this.#finish(head, null, found.flag);
    const last = view.subarray(bodyAt, found.at);
    if (begun === null) return this.#finish(head, this.#isWorthKeeping(last) ? last : last.slice(), found.flag);
    begun.add(last);
    return this.#finish(head, begun.upTo(begun.length), found.flag);
  }

  /** Whether a body may stay where it is in the piece: then the rest of the piece lives as long as the body. */
  #isWorthKeeping(body: Uint8Array): boolean {
    return body.length * WORTH_KEEPING >= body.buffer.byteLength && body.buffer !== this.#kept.buffer;
  }

  #finish(head: Head, body: Uint8Array | null, continuation: MsrpContinuation): Step {
    this.#head = null;
    this.#body = null;
    this.#inBody = false;
    if (body !== null && body.length > MAX_MSRP_BODY_BYTES) return problem('a body too long');
    const { transactionId, fields } = head;
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
    if (range !== undefined && range.range === null) return problem('a bad Byte-Range');
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
      byteRange: range?.range ? { start: range.range.start, end: range.range.end, total: range.range.total } : null,
      contentType: fields[FIELDS['content-type']]?.value ?? null,
      successReport: fields[FIELDS['success-report']]?.value.toLowerCase() === 'yes',
      failureReport: failureReport === 'no' || failureReport === 'partial' ? failureReport : 'yes',
      status: status === undefined ? null : readStatus(status.value),
      body,
      continuation,
    };
  }
}

/** A body that comes in several pieces of the stream, in memory of its own. */
class GrowingBody {
  #bytes: Uint8Array;
  #length = 0;

  /** `promised`: how much is announced, which is believed up to `FIRST_BODY_BYTES`. */
  constructor(promised: number) {
    // The beginning of an end line may come before it is known for one.
    this.#bytes = new Uint8Array(Math.min(promised, FIRST_BODY_BYTES) + MARKER_BYTES + AFTER_MARKER_BYTES);
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

  /** The last octets (`reach` at most, the blank line's own line end among them) with `next` behind them; `before`: how many those are. */
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

  /** What lies before `end`; null before the beginning. Nothing can be added afterwards. */
  upTo(end: number): Uint8Array | null {
    if (end < 0) return null;
    // Memory that was taken and not needed does not live as long as the body.
    const fits = this.#bytes.length - end <= MARKER_BYTES + AFTER_MARKER_BYTES;
    return fits ? this.#bytes.subarray(0, end) : this.#bytes.slice(0, end);
  }
}

/** How many octets a chunk may have by its Byte-Range. */
function promised(range: MsrpRequest['byteRange']): number {
  const end = range?.end ?? range?.total ?? null;
  return range === null || end === null ? 0 : Math.max(0, end - range.start + 1);
}

function readHeaderLine(line: string): Line | null {
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

function readByteRange(value: string): MsrpRequest['byteRange'] {
  const found = /^(\d{1,15})-(\d{1,15}|\*)\/(\d{1,15}|\*)$/.exec(value);
  if (found === null) return null;
  const [start, end, total] = [found[1], found[2], found[3]].map((part) => (part === '*' ? null : Number(part)));
  if (start === undefined || start === null || end === undefined || total === undefined) return null;
  // "1-0/0" is the range of an empty body.
  if (start < 1 || (end !== null && end < start - 1) || (end !== null && total !== null && end > total)) return null;
  return { start, end, total };
}

function readStatus(value: string): MsrpRequest['status'] {
  const found = /^000 (\d{3})(?: (.*))?$/.exec(value);
  return found === null ? null : { code: Number(found[1]), reason: found[2] ?? '' };
}
