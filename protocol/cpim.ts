/**
 * The envelope around every CPM message: message/cpim (RFC 3862) with the IMDN headers of RFC 5438. Reading is tolerant, writing is strict.
 * Headers are matched by the URI of their namespace; each sender chooses its own prefixes.
 */
import { hasControl, oneLine } from './generic-param';
import { concat, readHeaderBlock, startsWithAt, text, utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';
import { decodeTransfer } from './transfer-encoding';
import { parseNameAddr } from './uri';

export const IMDN_NAMESPACE = 'urn:ietf:params:imdn';
export const CPM_NAMESPACE = 'http://www.openmobilealliance.org/cpm/';
/** The anonymous URI of RFC 3323. A CPM client also writes it as From and To inside a 1-1 session. */
export const ANONYMOUS_URI = 'sip:anonymous@anonymous.invalid';

/** Most header lines in the envelope, and most in the content. */
export const MAX_CPIM_HEADERS = 64;
/** Most octets in the envelope's header block, and most in the content's. */
export const MAX_CPIM_HEADER_BYTES = 16_384;

const DISPOSITIONS = ['positive-delivery', 'negative-delivery', 'processing', 'display', 'interworking'] as const;
type Disposition = (typeof DISPOSITIONS)[number];

interface CpimHeader {
  /** The namespace URI; null for the headers of RFC 3862 itself and for a prefix that was never declared. */
  namespace: string | null;
  /** The name without its prefix; with the prefix if that was never declared. */
  name: string;
  value: string;
}

export interface CpimMessage {
  /** The URI of the From header; `fromName` is the formal name before it. */
  from: string | null;
  fromName: string | null;
  to: string[];
  /** Epoch milliseconds; null when absent or unreadable. */
  dateTime: number | null;
  subject: string | null;
  /** imdn.Message-ID */
  messageId: string | null;
  /** The values of imdn.Disposition-Notification; unknown tokens are left out. */
  dispositions: Disposition[];
  /** Every envelope header in order, including those above. NS lines are left out. */
  headers: CpimHeader[];
  contentType: string;
  /** The content's other headers with lower-case names. Content-Length is left out, and so is an encoding that was undone. */
  contentHeaders: ReadonlyMap<string, string>;
  body: Uint8Array;
}

/** The input of `encodeCpim`: a CpimMessage or its essential fields. Only the `headers` of foreign namespaces are written. */
export type CpimDraft = Pick<CpimMessage, 'from' | 'to' | 'contentType' | 'body'> & Partial<CpimMessage>;

export function parseCpim(bytes: Uint8Array): Parsed<CpimMessage> {
  const limits = { lines: MAX_CPIM_HEADERS, bytes: MAX_CPIM_HEADER_BYTES };
  const start = afterBlankLines(bytes, 0);
  const envelope = readHeaderBlock(bytes, start, limits);
  if (typeof envelope === 'string') return malformed(envelope, start);
  if (envelope.lines.length === 0) return malformed('no CPIM headers', 0);
  const contentLines = envelope.lines.filter(([name]) => /^content-/i.test(name));
  let bodyAt = envelope.bodyAt;
  // Some senders forget the blank line between envelope and content. Then the first block also holds the content's headers.
  if (contentLines.length === 0) {
    if (bodyAt === null) return malformed('no blank line after the CPIM headers');
    const content = readHeaderBlock(bytes, contentStart(bytes, bodyAt), limits);
    if (typeof content === 'string') return malformed(content, bodyAt);
    contentLines.push(...content.lines);
    bodyAt = content.bodyAt;
  }
  const contentHeaders = new Map<string, string>();
  for (const [name, value] of contentLines) {
    const key = name.toLowerCase();
    if (!contentHeaders.has(key)) contentHeaders.set(key, value);
  }
  if (bodyAt === null && Number(contentHeaders.get('content-length')) > 0)
    return malformed('no blank line before the content', bytes.length);
  const body = cutBody(bodyAt === null ? new Uint8Array(0) : bytes.subarray(bodyAt), contentHeaders.get('content-length'));
  // RFC 2045 section 5.2: a missing type is that of plain text, and so is an empty one.
  const contentType = contentHeaders.get('content-type') || 'text/plain';
  const decoded = decodeTransfer(contentHeaders.get('content-transfer-encoding'), body);
  // What stays encoded keeps the name of its encoding.
  if (decoded !== null) contentHeaders.delete('content-transfer-encoding');
  contentHeaders.delete('content-type');
  contentHeaders.delete('content-length');
  const headers = resolveNamespaces(envelope.lines.filter(([name]) => !/^content-/i.test(name)));
  const first = (namespace: string | null, name: string) =>
    headers.find((header) => header.namespace === namespace && header.name.toLowerCase() === name)?.value ?? null;
  const from = first(null, 'from');
  const sender = from === null ? null : address(from);
  const time = Date.parse(first(null, 'datetime') ?? '');
  const subject = first(null, 'subject');
  const requested = (first(IMDN_NAMESPACE, 'disposition-notification') ?? '').split(',').map((token) => token.trim().toLowerCase());
  return parsed({
    from: sender?.uri ?? null,
    fromName: sender?.displayName ?? null,
    to: headers.flatMap((header) =>
      header.namespace === null && header.name.toLowerCase() === 'to' ? (address(header.value)?.uri ?? []) : [],
    ),
    dateTime: Number.isNaN(time) ? null : time,
    subject: subject === null ? null : unescapeValue(subject),
    messageId: first(IMDN_NAMESPACE, 'message-id') || null,
    dispositions: DISPOSITIONS.filter((disposition) => requested.includes(disposition)),
    headers,
    contentType,
    contentHeaders,
    body: decoded ?? body,
  });
}

const BYTE_ORDER_MARK = new Uint8Array([0xef, 0xbb, 0xbf]);

/** Where the first line with something in it begins: some senders put line ends, or a byte order mark, before the envelope. */
function afterBlankLines(bytes: Uint8Array, from: number): number {
  let at = startsWithAt(bytes, BYTE_ORDER_MARK, from) ? from + BYTE_ORDER_MARK.length : from;
  while (bytes[at] === 13 || bytes[at] === 10) at += 1;
  return at;
}

/** Content without headers begins with a blank line (RFC 3862 section 2). Blank lines before headers of the content are none of it. */
function contentStart(bytes: Uint8Array, from: number): number {
  const at = afterBlankLines(bytes, from);
  return /^content-[a-z-]+:/i.test(text(bytes.subarray(at, at + 64))) ? at : from;
}

/** The carrier (MSRP, SIP) says where a message ends. A Content-Length beyond that counts otherwise, and takes nothing away. */
function cutBody(rest: Uint8Array, contentLength: string | undefined): Uint8Array {
  if (contentLength === undefined || !/^\d{1,10}$/.test(contentLength)) return rest.slice();
  const length = Number(contentLength);
  // Content-Length counts octets (RFC 3862 section 2.4), but some clients count characters. After a correct length only line ends can
  // follow; anything else is the end of their text.
  const remainder = rest.subarray(length);
  return remainder.every((octet) => octet === 13 || octet === 10) ? rest.slice(0, length) : rest.slice();
}

/** Prefixes that mean the same to everybody: some senders do not declare them. A declaration counts for more. */
const USUAL_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['imdn', IMDN_NAMESPACE],
  ['cpm', CPM_NAMESPACE],
]);

const CPIM_NAMESPACE = 'urn:ietf:params:cpim-headers:';

/** The header lines under the URIs of their namespaces, without those of a namespace that is no URI: written again it would be another one. */
function resolveNamespaces(lines: readonly (readonly [string, string])[]): CpimHeader[] {
  /** By prefix, '' for headers without one. A message may change any of them several times. */
  const namespaces = new Map<string, string | null>([['', CPIM_NAMESPACE]]);
  const headers: CpimHeader[] = [];
  for (const [name, rawValue] of lines) {
    // ";lang=fr" and other parameters stand between the colon and the value (RFC 3862 section 2.3.2).
    const value = rawValue.startsWith(';') ? rawValue.replace(/^\S*\s*/, '') : rawValue;
    if (name.toLowerCase() === 'ns') {
      const [, prefix = '', uri] = /^([^<\s]*)\s*<([^>]*)>$/.exec(value) ?? [];
      if (uri !== undefined) namespaces.set(prefix, isUri(uri.trim()) ? uri.trim() : null);
      continue;
    }
    const dot = name.indexOf('.');
    const prefix = dot > 0 ? name.slice(0, dot) : '';
    const declared = namespaces.get(prefix);
    const namespace = declared === undefined ? USUAL_PREFIXES.get(prefix.toLowerCase()) : declared;
    if (namespace === null) continue;
    if (namespace === undefined) headers.push({ namespace: null, name, value });
    else headers.push({ namespace: namespace === CPIM_NAMESPACE ? null : namespace, name: dot > 0 ? name.slice(dot + 1) : name, value });
  }
  return headers;
}

function isUri(text: string): boolean {
  return !hasControl(text) && !/[\s<>"]/.test(text);
}

function address(value: string): { displayName: string | null; uri: string } | null {
  const named = parseNameAddr(value);
  return named.ok ? named.value : null;
}

const ESCAPES: Record<string, string> = { b: '\b', t: '\t', n: '\n', r: '\r' };

/** RFC 3862 section 2.3.1. */
function unescapeValue(value: string): string {
  return value.replace(/\\(?:u([0-9A-Fa-f]{4})|([\s\S]))/g, (_, hex: string | undefined, plain: string | undefined) =>
    hex === undefined ? (ESCAPES[plain ?? ''] ?? plain ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function escapeValue(value: string): string {
  return oneLine(value.replace(/\\/g, '\\\\').replace(/\r/g, '\\r').replace(/\n/g, '\\n').replace(/\t/g, '\\t'));
}

/** Encodes the envelope. A null `from` or an empty `to` becomes the anonymous address. No value can add a header. */
export function encodeCpim(message: CpimDraft): Uint8Array {
  const lines: string[] = [];
  const uri = (address: string) => `<${oneLine(address).replace(/[\s<>"]/g, '')}>`;
  const name = message.fromName ? `"${oneLine(message.fromName).replace(/["\\]/g, '\\$&')}" ` : '';
  lines.push(`From: ${name}${uri(message.from ?? ANONYMOUS_URI)}`);
  for (const to of message.to.length === 0 ? [ANONYMOUS_URI] : message.to) lines.push(`To: ${uri(to)}`);
  if (message.dateTime !== undefined && message.dateTime !== null) lines.push(`DateTime: ${new Date(message.dateTime).toISOString()}`);
  if (message.subject) lines.push(`Subject: ${escapeValue(message.subject)}`);
  const dispositions = message.dispositions ?? [];
  if (message.messageId || dispositions.length > 0) lines.push(`NS: imdn <${IMDN_NAMESPACE}>`);
  if (message.messageId) lines.push(`imdn.Message-ID: ${oneLine(message.messageId)}`);
  if (dispositions.length > 0) lines.push(`imdn.Disposition-Notification: ${dispositions.join(', ')}`);
  lines.push(...foreignLines(message.headers ?? [], dispositions.length > 0 || Boolean(message.messageId)));
  lines.push('', `Content-Type: ${oneLine(message.contentType)}`);
  for (const [key, value] of message.contentHeaders ?? []) {
    if (/^content-[a-z-]+$/i.test(key) && !/^content-(?:type|length)$/i.test(key)) lines.push(`${contentName(key)}: ${oneLine(value)}`);
  }
  lines.push(`Content-Length: ${message.body.length}`, '', '');
  return concat([utf8(lines.join('\r\n')), message.body]);
}

/** Headers of other namespaces, and IMDN headers without a field here. Each follows the NS line that declares its prefix. */
function foreignLines(headers: readonly CpimHeader[], imdnDeclared: boolean): string[] {
  const prefixes = new Map<string, string>(imdnDeclared ? [[IMDN_NAMESPACE, 'imdn']] : []);
  const lines: string[] = [];
  for (const header of headers) {
    const typed = header.namespace === IMDN_NAMESPACE && /^(?:message-id|disposition-notification)$/i.test(header.name);
    if (header.namespace === null || typed || !/^[A-Za-z0-9_-]+$/.test(header.name)) continue;
    let prefix = prefixes.get(header.namespace);
    if (prefix === undefined) {
      prefix = header.namespace === CPM_NAMESPACE ? 'cpm' : header.namespace === IMDN_NAMESPACE ? 'imdn' : `ns${prefixes.size}`;
      prefixes.set(header.namespace, prefix);
      lines.push(`NS: ${prefix} <${oneLine(header.namespace).replace(/[\s<>]/g, '')}>`);
    }
    lines.push(`${prefix}.${header.name}: ${oneLine(header.value)}`);
  }
  return lines;
}

function contentName(key: string): string {
  return key
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('-')
    .replace(/-Id$/, '-ID');
}
