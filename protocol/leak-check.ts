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

/**
 * What is looked for, and the recipient's address, which is passed over where it stands whole: it is no news to them. A mark that is a part of
 * that address is a mark everywhere else.
 */
interface Search {
  marks: readonly Mark[];
  peer: string | null;
}

/** Looks through one SIP message for `peer`. Null: it tells nothing. */
export function leakInSip(bytes: Uint8Array, own: OwnMarks, peer: string): Leak | null {
  const at = headEnd(bytes);
  const head = decode(bytes.subarray(0, at)).split('\r\n');
  const body = bytes.subarray(Math.min(bytes.length, at + 4));
  const search = searchFor(own, peer);
  const isResponse = head[0]?.startsWith('SIP/2.0 ') === true;
  let type = '';
  for (const line of head.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    if (/^(?:content-type|c)$/i.test(name)) type = line.slice(colon + 1).trim();
    const isKnown = OWN_NETWORK.has(name.toLowerCase()) || (isResponse && REPEATED.has(name.toLowerCase()));
    const found = isKnown ? null : leakIn(line.slice(colon + 1), search, !VOCABULARY.test(name));
    if (found !== null) return { what: found, where: name };
  }
  const start = leakIn(head[0]?.replace(/^\S+ /, '') ?? '', search, true);
  if (start !== null) return { what: start, where: 'Request-URI' };
  return leakInBody(type, body, search);
}

/** Searches the content of an MSRP message or one part of a SIP body. */
export function leakInContent(contentType: string, body: Uint8Array, own: OwnMarks, peer: string): Leak | null {
  return leakInBody(contentType, body, searchFor(own, peer));
}

function leakInBody(contentType: string, body: Uint8Array, search: Search): Leak | null {
  if (body.length === 0) return null;
  const { type } = parseContentType(contentType);
  if (type.startsWith('multipart/')) {
    const parts = parseMultipart(contentType, body);
    for (const part of parts.ok ? parts.value : []) {
      const found = leakInBody(part.contentType, part.body, search);
      if (found !== null) return found;
    }
    return parts.ok ? null : plain(body, search, 'content');
  }
  if (type === 'application/sdp') return leakInSdp(body, search);
  if (type === 'message/cpim') {
    const envelope = parseCpim(body);
    if (!envelope.ok) return plain(body, search, 'CPIM');
    // The octets of the inner content stand at the end; what is before is all of the envelope.
    const found = plain(body.subarray(0, body.length - envelope.value.body.length), search, 'CPIM');
    return found ?? leakInBody(envelope.value.contentType, envelope.value.body, search);
  }
  return type === 'text/plain' ? null : plain(body, search, 'content');
}

function leakInSdp(body: Uint8Array, search: Search): Leak | null {
  const known = { ...search, marks: search.marks.filter((mark) => mark.what !== 'network address') };
  for (const line of decode(body).split(/\r?\n/)) {
    const found = leakIn(line.slice(2), known, /^[osiuepc]=/.test(line));
    if (found !== null) return { what: found, where: 'SDP' };
  }
  return null;
}

function plain(bytes: Uint8Array, search: Search, where: string): Leak | null {
  for (const line of decode(bytes).split(/\r?\n/)) {
    const name = line.slice(0, Math.max(0, line.indexOf(':'))).trim();
    const found = leakIn(line, search, !VOCABULARY.test(name));
    if (found !== null) return { what: found, where };
  }
  return null;
}

function leakIn(text: string, { marks, peer }: Search, withNames: boolean): LeakKind | null {
  const whole = (text.includes('%') ? unescaped(text) : text).toLowerCase();
  const readable = peer === null ? whole : without(whole, peer);
  return marks.find((mark) => (mark.isWord ? withNames && hasWord(readable, mark.text) : readable.includes(mark.text)))?.what ?? null;
}

function searchFor(own: OwnMarks, peer: string): Search {
  const address = (addressKey(peer) ?? peer).toLowerCase().replace(/^(?:sips?|tel):/, '');
  return { marks: marksOf(own), peer: address === '' ? null : address };
}

function marksOf(own: OwnMarks): Mark[] {
  const marks: Mark[] = [];
  const add = (what: LeakKind, text: string | null | undefined, isWord = false) => {
    const lower = text?.trim().toLowerCase() ?? '';
    if (lower.length < (isWord ? SHORTEST_NAME : 1)) return;
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

/** Where `word` stands in `text`, and no letter, digit, dot or dash continues it; -1 for nowhere. */
function wordAt(text: string, word: string, from = 0): number {
  const joins = /[\p{L}\p{N}._-]/u;
  for (let at = text.indexOf(word, from); at >= 0; at = text.indexOf(word, at + 1))
    if (!joins.test(text[at - 1] ?? ' ') && !joins.test(text[at + word.length] ?? ' ')) return at;
  return -1;
}

function hasWord(text: string, word: string): boolean {
  return wordAt(text, word) >= 0;
}

function without(text: string, word: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let at = wordAt(text, word); at >= 0; at = wordAt(text, word, from)) {
    parts.push(text.slice(from, at));
    from = at + word.length;
  }
  return [...parts, text.slice(from)].join(' ');
}

/** Percent-encoded octets are UTF-8 (RFC 3986 section 2.5). */
function unescaped(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
    decode(Uint8Array.from(run.slice(1).split('%'), (code) => Number.parseInt(code, 16))),
  );
}

function headEnd(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at += 1)
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  return bytes.length;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
