/** Takes one record apart: the start line, the headers and the bodies. Lenient, because a trace also shows malformed messages. */
import { type CpimMessage, parseCpim } from '../../protocol/cpim';
import type { MsrpMessage } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import { parseContentType, parseMultipart } from '../../protocol/multipart';
import type { WireRecord } from '../../protocol/wire-record';

/** A body with its media type in lower case and without parameters. */
export interface Content {
  type: string;
  body: Uint8Array;
}

export class SipPacket {
  readonly kind = 'sip';
  readonly startLine: string;
  /** The method of a request, or of the request that a response answers. */
  readonly method: string;
  /** Null for a response. */
  readonly uri: string | null;
  /** Null for a request. */
  readonly status: number | null;
  readonly #headers: (readonly [name: string, value: string])[];
  readonly #body: Uint8Array;

  constructor(bytes: Uint8Array) {
    const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf('\r\n\r\n');
    const head = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
    // RFC 3261 section 7.3.1: a line that begins with white space continues the previous one.
    const [startLine = '', ...lines] = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
    this.startLine = startLine;
    this.#headers = lines.flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[fullName(line.slice(0, colon).trim()), line.slice(colon + 1).trim()] as const];
    });
    this.#body = end < 0 ? new Uint8Array() : bytes.subarray(end + 4);
    const response = /^SIP\/2\.0 (\d{3})/.exec(startLine);
    this.status = response === null ? null : Number(response[1]);
    const request = response === null ? startLine.split(' ') : [];
    this.uri = request[1] ?? null;
    this.method = response === null ? (request[0] ?? '') : (this.header('cseq')?.split(/\s+/)[1] ?? '');
  }

  header(name: string): string | null {
    return this.#headers.find(([each]) => each === name)?.[1] ?? null;
  }

  get callId(): string {
    return this.header('call-id') ?? '';
  }

  /** Whether a request belongs to a dialog. */
  get isInDialog(): boolean {
    return /;\s*tag=/i.test(this.header('to') ?? '');
  }

  /** Every body: the parts of a multipart, or the single body. */
  get contents(): Content[] {
    if (this.#body.length === 0) return [];
    const written = this.header('content-type') ?? '';
    const { type } = parseContentType(written);
    if (!type.startsWith('multipart/')) return [{ type, body: this.#body }];
    const parts = parseMultipart(written, this.#body);
    return parts.ok ? parts.value.map((part) => ({ type: parseContentType(part.contentType).type, body: part.body })) : [];
  }
}

export interface MsrpPacket {
  kind: 'msrp';
  startLine: string;
  message: MsrpMessage;
}

export type Packet = SipPacket | MsrpPacket;

/** Null for bytes that are not a message, such as a keep-alive or a fragment. */
export function packetOf({ protocol, bytes }: WireRecord): Packet | null {
  if (protocol === 'sip') {
    const packet = new SipPacket(bytes);
    return packet.method === '' ? null : packet;
  }
  const read = new MsrpParser().push(bytes.slice());
  const message = read.ok ? read.value[0] : undefined;
  return message === undefined ? null : { kind: 'msrp', startLine: startLineOf(bytes), message };
}

export function startLineOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 512)).split('\r\n', 1)[0] ?? '';
}

/** The envelope of a CPIM message and its inner content. Null when the content is not CPIM. */
export function envelopeOf({ type, body }: Content): (Content & { envelope: CpimMessage }) | null {
  const read = type === 'message/cpim' ? parseCpim(body) : null;
  if (read === null || !read.ok) return null;
  return { envelope: read.value, type: parseContentType(read.value.contentType).type, body: read.value.body };
}

/** RFC 3261 section 7.3.3, for the headers that the ladder reads. */
const COMPACT: Readonly<Record<string, string>> = {
  f: 'from',
  t: 'to',
  m: 'contact',
  i: 'call-id',
  c: 'content-type',
  o: 'event',
  r: 'refer-to',
};

function fullName(name: string): string {
  const lower = name.toLowerCase();
  return COMPACT[lower] ?? lower;
}
