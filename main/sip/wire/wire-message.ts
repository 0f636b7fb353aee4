/**
 * A SIP message on the wire: a start line, headers, a body of bytes (RFC 3261 section 7). Compact names are expanded and folded lines
 * joined; nothing else is interpreted here. Values never contain CR or LF, so a value may be written to the wire unchanged.
 */
import { isToken, oneLine, splitOutside } from '../../../protocol/generic-param';
import { malformed, type Parsed, parsed } from '../../../protocol/parsed';

/** Most bytes of start line and headers together; a longer head ends the connection. */
export const MAX_HEAD_BYTES = 65_536;
/** Most header lines in one message. */
export const MAX_HEADERS = 500;
/** A longer body is skipped on the wire and answered 413. */
export const MAX_BODY_BYTES = 1_048_576;

/** The compact forms of RFC 3261 section 7.3.3 and of later registrations. */
const COMPACT_NAMES: ReadonlyMap<string, string> = new Map([
  ['a', 'accept-contact'],
  ['b', 'referred-by'],
  ['c', 'content-type'],
  ['d', 'request-disposition'],
  ['e', 'content-encoding'],
  ['f', 'from'],
  ['i', 'call-id'],
  ['j', 'reject-contact'],
  ['k', 'supported'],
  ['l', 'content-length'],
  ['m', 'contact'],
  ['n', 'identity-info'],
  ['o', 'event'],
  ['r', 'refer-to'],
  ['s', 'subject'],
  ['t', 'to'],
  ['u', 'allow-events'],
  ['v', 'via'],
  ['x', 'session-expires'],
  ['y', 'identity'],
]);

export type StartLine =
  | { kind: 'request'; method: string; uri: string; version: string }
  | { kind: 'response'; status: number; reason: string };

/** `too-long`: beyond MAX_BODY_BYTES, on the wire or unpacked. */
export type BodyFault = 'too-long' | 'unknown-encoding' | 'unreadable';

export class WireMessage {
  constructor(
    readonly start: StartLine,
    /** Names in lower case and long form, values trimmed and unfolded, in wire order. */
    readonly headers: ReadonlyArray<readonly [string, string]>,
    readonly body: Uint8Array,
    /** Why there is no body although one was sent. */
    readonly bodyFault: BodyFault | null = null,
  ) {}

  withBody(body: Uint8Array, fault: BodyFault | null): WireMessage {
    return new WireMessage(this.start, this.headers, body, fault);
  }

  /** The first value of a header, null when it is absent. */
  first(name: string): string | null {
    return this.headers.find(([each]) => each === name)?.[1] ?? null;
  }

  /** One value for each line with that name. */
  all(name: string): string[] {
    return this.headers.filter(([each]) => each === name).map(([, value]) => value);
  }

  /** Every value of a header that may have several in one line, split at commas outside quotes and brackets. */
  list(name: string): string[] {
    return this.all(name).flatMap(splitList);
  }
}

/** Splits at commas outside quoted strings and angle brackets and drops empty items. A value that cannot be split stays whole. */
function splitList(value: string): string[] {
  return (splitOutside(value, ',', true) ?? [value]).map((item) => item.trim()).filter((item) => item !== '');
}

/** The unfolded lines of a message's head. A bare CR or LF also ends a line, so that no value can contain one. */
export function headLines(head: Uint8Array): string[] {
  const text = new TextDecoder().decode(head).replace(/(?:\r\n|\r|\n)[ \t]+/g, ' ');
  return text.split(/\r\n|\r|\n/).filter((line) => line !== '');
}

/** Parses a whole message. `bodyAt`, from the framer, is where the body starts in `bytes`. */
export function parseWireMessage(bytes: Uint8Array, bodyAt: number, bodySkipped = false): Parsed<WireMessage> {
  const [startText = '', ...lines] = headLines(bytes.subarray(0, bodyAt));
  const start = parseStartLine(startText);
  if (!start.ok) return start;
  if (lines.length > MAX_HEADERS) return malformed(`more than ${MAX_HEADERS} headers`);
  const headers: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    if (!isToken(name)) return malformed(`a header line without a name: ${line.slice(0, 40)}`);
    headers.push([COMPACT_NAMES.get(name) ?? name, line.slice(colon + 1).trim()]);
  }
  return parsed(new WireMessage(start.value, headers, bytes.subarray(bodyAt), bodySkipped ? 'too-long' : null));
}

function parseStartLine(line: string): Parsed<StartLine> {
  const response = /^SIP\/\d+\.\d+ +(\d{3})(?: (.*))?$/i.exec(line);
  if (response) return parsed({ kind: 'response', status: Number(response[1]), reason: (response[2] ?? '').trim() });
  const trimmed = line.trimEnd();
  const space = trimmed.indexOf(' ');
  const last = trimmed.lastIndexOf(' ');
  const version = trimmed.slice(last + 1).toUpperCase();
  if (space <= 0 || last === space || !/^SIP\/\d+\.\d+$/.test(version)) return malformed('neither a request nor a status line');
  const method = line.slice(0, space);
  if (!isToken(method)) return malformed('a method that is no token');
  return parsed({ kind: 'request', method, uri: trimmed.slice(space + 1, last), version });
}

/** A header for the wire, always on one line. */
export function headerLine(name: string, value: string): string {
  return `${name}: ${oneLine(value)}`;
}

/** Converts bytes to a string of one character a byte, and back: the form in which binary bodies pass through sip.js. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
