/**
 * Checks that an outgoing message does not reveal an anonymous sender. Reads the exact octets, either SIP with its SDP and CPIM or the
 * content of an MSRP message, and looks for the sender's address, number, device or names. Pure.
 *
 * LAB: three places are not searched: the headers that the home network uses and removes (Via, Route, P-Preferred-Identity, credentials),
 * the network address in an SDP, which the network's relay replaces, and the text the person wrote.
 */
import { parseCpim } from './cpim';
import { parseContentType, parseMultipart } from './multipart';
import { addressKey, parseUri } from './uri';

const leakKinds = [
  'address',
  'number',
  'device ID',
  'public GRUU',
  'device name',
  'name',
  'user name',
  'computer name',
  'network address',
] as const;
type LeakKind = (typeof leakKinds)[number];

/** The marks of the sender that the other side must not read. */
export interface OwnMarks {
  /** Every own address, SIP and TEL. */
  identities: readonly string[];
  instanceId: string;
  pubGruu: string | null;
  deviceName: string;
  displayName: string;
  hostName: string;
  /** This computer's network address. */
  host: string;
}

export interface Leak {
  what: LeakKind;
  /** The place of the leak: the name of a header, `SDP`, `CPIM` or `content`. */
  where: string;
}

/** LAB: shorter names occur everywhere by chance and reveal little. */
const SHORTEST_NAME = 3;

/** Headers of the first hop: the home network removes them, or needs them to identify its user (RFC 3325). */
const OWN_NETWORK = new Set(['via', 'v', 'route', 'p-preferred-identity', 'proxy-authorization', 'authorization', 'max-forwards']);
/** Headers that a response copies from its request, as the peer and the proxies wrote them (RFC 3261 section 8.2.6). */
const REPEATED = new Set(['from', 'f', 'to', 't', 'call-id', 'i', 'record-route']);
/** Headers with a fixed vocabulary, where a name could only match by chance. */
const VOCABULARY =
  /^(?:cseq|content-[a-z-]+|[celk]|mime-version|accept[a-z-]*|allow[a-z-]*|supported|require|privacy|p-preferred-service|session-expires|min-se|expires|event|subscription-state|reason|datetime|ns|imdn\.disposition-notification)$/i;

interface Mark {
  what: LeakKind;
  text: string;
  /** The mark only matches as a whole word. */
  isWord: boolean;
}

/** Searches one SIP message. `peer` is the receiver; a mark that its address contains is no news to it. Null when nothing leaks. */
export function leakInSip(bytes: Uint8Array, own: OwnMarks, peer: string): Leak | null {
  const at = headEnd(bytes);
  const head = decode(bytes.subarray(0, at)).split('\r\n');
  const body = bytes.subarray(Math.min(bytes.length, at + 4));
  const marks = marksOf(own, peer);
  const isResponse = head[0]?.startsWith('SIP/2.0 ') === true;
  let type = '';
  for (const line of head.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    if (/^(?:content-type|c)$/i.test(name)) type = line.slice(colon + 1).trim();
    const isKnown = OWN_NETWORK.has(name.toLowerCase()) || (isResponse && REPEATED.has(name.toLowerCase()));
    const found = isKnown ? null : leakIn(line.slice(colon + 1), marks, !VOCABULARY.test(name));
    if (found !== null) return { what: found, where: name };
  }
  const start = leakIn(head[0]?.replace(/^\S+ /, '') ?? '', marks, true);
  if (start !== null) return { what: start, where: 'Request-URI' };
  return leakInBody(type, body, marks);
}

/** Searches the content of an MSRP message or one part of a SIP body. */
export function leakInContent(contentType: string, body: Uint8Array, own: OwnMarks, peer: string): Leak | null {
  return leakInBody(contentType, body, marksOf(own, peer));
}

function leakInBody(contentType: string, body: Uint8Array, marks: readonly Mark[]): Leak | null {
  if (body.length === 0) return null;
  const { type } = parseContentType(contentType);
  if (type.startsWith('multipart/')) {
    const parts = parseMultipart(contentType, body);
    for (const part of parts.ok ? parts.value : []) {
      const found = leakInBody(part.contentType, part.body, marks);
      if (found !== null) return found;
    }
    return parts.ok ? null : plain(body, marks, 'content');
  }
  if (type === 'application/sdp') return leakInSdp(body, marks);
  if (type === 'message/cpim') {
    const envelope = parseCpim(body);
    if (!envelope.ok) return plain(body, marks, 'CPIM');
    // The inner content is at the end; everything before it belongs to the envelope.
    const found = plain(body.subarray(0, body.length - envelope.value.body.length), marks, 'CPIM');
    return found ?? leakInBody(envelope.value.contentType, envelope.value.body, marks);
  }
  return type === 'text/plain' ? null : plain(body, marks, 'content');
}

function leakInSdp(body: Uint8Array, marks: readonly Mark[]): Leak | null {
  const known = marks.filter((mark) => mark.what !== 'network address');
  for (const line of decode(body).split(/\r?\n/)) {
    const found = leakIn(line.slice(2), known, /^[osiuepc]=/.test(line));
    if (found !== null) return { what: found, where: 'SDP' };
  }
  return null;
}

function plain(bytes: Uint8Array, marks: readonly Mark[], where: string): Leak | null {
  for (const line of decode(bytes).split(/\r?\n/)) {
    const name = line.slice(0, Math.max(0, line.indexOf(':'))).trim();
    const found = leakIn(line, marks, !VOCABULARY.test(name));
    if (found !== null) return { what: found, where };
  }
  return null;
}

function leakIn(text: string, marks: readonly Mark[], withNames: boolean): LeakKind | null {
  const lower = text.toLowerCase();
  const readable = lower.includes('%') ? `${lower} ${unescaped(lower)}` : lower;
  return marks.find((mark) => (mark.isWord ? withNames && hasWord(readable, mark.text) : readable.includes(mark.text)))?.what ?? null;
}

function marksOf(own: OwnMarks, peer: string): Mark[] {
  const marks: Mark[] = [];
  const add = (what: LeakKind, text: string | null | undefined, isWord = false) => {
    const lower = text?.trim().toLowerCase() ?? '';
    if (lower.length < (isWord ? SHORTEST_NAME : 1) || peer.toLowerCase().includes(lower)) return;
    marks.push({ what, text: lower, isWord });
  };
  add('device ID', own.instanceId.replace(/^urn:[a-z-]+:(?:[a-z]+:)?/i, ''));
  add('public GRUU', own.pubGruu);
  for (const identity of own.identities) {
    const uri = parseUri(identity);
    if (!uri.ok || uri.value.scheme === 'other') continue;
    if (uri.value.scheme === 'tel') add('number', uri.value.number.replace(/[^0-9]/g, ''));
    else {
      add('address', addressKey(identity)?.replace(/^sip:/, ''));
    }
  }
  add('device name', own.deviceName, true);
  add('name', own.displayName, true);
  for (const identity of own.identities) add('user name', userOf(identity), true);
  add('computer name', own.hostName === 'localhost' ? null : own.hostName, true);
  add('network address', own.host, true);
  return marks;
}

function userOf(address: string): string | null {
  const uri = parseUri(address);
  return uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips') ? uri.value.user : null;
}

/** Whether `text` contains `word` with no letter, digit, dot or dash directly beside it. */
function hasWord(text: string, word: string): boolean {
  const joins = /[\p{L}\p{N}._-]/u;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!joins.test(text[at - 1] ?? ' ') && !joins.test(text[at + word.length] ?? ' ')) return true;
  return false;
}

function unescaped(text: string): string {
  return text.replace(/%([0-9a-f]{2})/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function headEnd(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at += 1)
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  return bytes.length;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
