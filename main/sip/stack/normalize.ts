/**
 * The shim between the wire and sip.js. sip.js 0.21 drops a message without an answer if any address, Via or challenge is outside its
 * grammar (tel: URIs, compact headers, folded lines, ...), handles bodies only as strings, and counts them in characters. So it is given
 * each message in a plain form that it always understands: every value that it may not parse is put into a *capsule*, `<sip:HEX@HOST>`,
 * where HEX holds the original text and HOST is a random name of this client, and bodies are replaced by a placeholder. The output of
 * sip.js is turned back into the original form, byte for byte. Requests that can be decided without sip.js are answered here: 400, 404,
 * 405, 413, 415, 416, 420, 482, 486, 505 and OPTIONS.
 */

import { URI } from 'sip.js/lib/core/index.js';
import { assertedService } from '../../../protocol/asserted-service';
import { isToken, parseParams } from '../../../protocol/generic-param';
import { parseInstance, sameInstance } from '../../../protocol/instance-urn';
import { concat, utf8 } from '../../../protocol/octets';
import { parseNameAddr, parseNameAddrList, parseUri } from '../../../protocol/uri';
import { ACCEPTED_ENCODINGS } from '../wire/content-encoding';
import { headerLine, type WireMessage } from '../wire/wire-message';

/** The methods that this client supports; listed in every Allow. */
export const ALLOWED_METHODS = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'MESSAGE', 'NOTIFY', 'OPTIONS'] as const;
/** Body types that this client can read in a dialog. */
export const ACCEPTED_TYPES = ['application/sdp', 'multipart/mixed', 'message/cpim', 'application/resource-lists+xml'] as const;
/** Further types in a MESSAGE: a sender without CPIM sends bare text and a bare composing state. */
const BARE_TYPES = ['text/plain', 'application/im-iscomposing+xml'] as const;
/** Option tags that a peer may require of this client. */
const SUPPORTED_OPTIONS = ['gruu', 'outbound', 'path', 'timer'] as const;
/** RFC 3261 section 20.16: CSeq is below 2^31. */
const MAX_CSEQ = 2 ** 31 - 1;
/** Most Via lines, and most Record-Route entries, in one message; more means a loop or an attack. */
export const MAX_HOPS = 70;

export type Inward =
  | { kind: 'deliver'; text: string }
  /** Answer the request without sip.js. */
  | { kind: 'answer'; status: number; reason: string; headers: string[] }
  | { kind: 'drop'; reason: string };

export interface NormalizerOptions {
  /** A name that no peer can guess and that never appears on the wire. */
  host: string;
  instanceId: string;
  /** Whether a Request-URI outside a dialog reaches this device. */
  isTarget(uri: string): boolean;
  /** Whether a Call-ID belongs to a pending request of this client. */
  isOwnCall(callId: string): boolean;
  /** The Contact header that answers OPTIONS, with the capabilities. */
  contact(request: WireMessage): string;
}

const DIALOG_METHODS = new Set(['ACK', 'CANCEL']);

export class Normalizer {
  readonly #options: NormalizerOptions;
  readonly #uriCapsule: RegExp;
  readonly #addressCapsule: RegExp;

  constructor(options: NormalizerOptions) {
    this.#options = options;
    const host = options.host.replaceAll('.', '\\.');
    this.#uriCapsule = new RegExp(`^sip:([0-9a-f]+)@${host}$`);
    this.#addressCapsule = new RegExp(`<sip:([0-9a-f]+)@${host}(?:;lr)?>`, 'g');
  }

  /** Wraps a URI for sip.js. */
  conceal(uri: string): URI {
    return new URI('sip', hex(uri), this.#options.host);
  }

  /** The original text of a URI that sip.js holds. */
  reveal(uri: string): string {
    const match = this.#uriCapsule.exec(uri);
    return match ? unhex(match[1] ?? '') : uri;
  }

  /** Turns a message from the wire into the form for sip.js. Never throws. */
  inward(message: WireMessage): Inward {
    return message.start.kind === 'request' ? this.#inwardRequest(message) : this.#inwardResponse(message);
  }

  #inwardRequest(message: WireMessage): Inward {
    if (message.start.kind !== 'request') return drop('not a request');
    const { method, uri, version } = message.start;
    const vias = message.list('via');
    const topVia = vias[0] === undefined ? null : parseVia(vias[0]);
    // Without a readable Via no answer can be sent (RFC 3261 section 18.2.2).
    if (topVia === null) return drop('a request without a readable Via');
    const refused = this.#refuse(message, method, uri, version, vias.length);
    if (refused !== null) return method === 'ACK' ? drop(`ACK: ${refused.reason}`) : refused;
    const lines = [`${method} ${this.conceal('me')} SIP/2.0`];
    const branch = `z9hG4bK${hex(`${topVia.sentBy} ${topVia.branch}`)}`;
    lines.push(`Via: SIP/2.0/TCP ${this.#options.host};branch=${branch};w=${hex(vias[0] ?? '')}`);
    for (const via of vias.slice(1)) lines.push(`Via: ${via}`);
    this.#pushShared(message, lines, message.first('from') ?? '');
    return { kind: 'deliver', text: finish(message, lines) };
  }

  /** The answer to a request that sip.js must not see, or null. */
  #refuse(message: WireMessage, method: string, uri: string, version: string, hops: number): (Inward & { kind: 'answer' }) | null {
    if (version !== 'SIP/2.0') return answer(505, 'Version Not Supported');
    const fault = headerFault(message, method);
    if (fault !== null) return answer(400, fault);
    if (hops > MAX_HOPS || message.list('record-route').length > MAX_HOPS) return answer(483, 'Too Many Hops');
    const target = parseUri(uri);
    if (!target.ok) return answer(400, 'Bad Request-URI');
    if (target.value.scheme === 'other') return answer(416, 'Unsupported URI Scheme');
    if (DIALOG_METHODS.has(method)) return null;
    if (!ALLOWED_METHODS.some((allowed) => allowed === method)) return answer(405, 'Method Not Allowed', [allowLine()]);
    const inDialog = tagOf(message.first('to')) !== null;
    if (!inDialog && !this.#options.isTarget(uri)) return answer(404, 'Not Found');
    const named = namedInstances(message);
    const isMeant = named.some((instance) => instance !== null && sameInstance(instance, this.#options.instanceId));
    // RFC 3261 section 16.3: the own request comes back. A test of this very device is meant to, and names it.
    if (!inDialog && !isMeant && this.#options.isOwnCall(message.first('call-id') ?? '')) return answer(482, 'Loop Detected');
    // The request names one device but reached another: 486 for any method.
    if (named.some((instance) => instance === null || !sameInstance(instance, this.#options.instanceId))) return answer(486, 'Busy Here');
    // R98: its own network vouches for one service, and the request asks for another.
    if (!inDialog && assertedService(message.list('p-asserted-service'), message.list('accept-contact')).contradicts)
      return answer(403, 'Another Service Is Asserted');
    const required = message.list('require').filter((option) => !SUPPORTED_OPTIONS.some((known) => known === option.toLowerCase()));
    if (required.length > 0) return answer(420, 'Bad Extension', [headerLine('Unsupported', required.join(', '))]);
    if (method === 'OPTIONS') return this.#answerOptions(message);
    switch (message.bodyFault) {
      case 'too-long':
        return answer(413, 'Request Entity Too Large');
      case 'unknown-encoding':
        return answer(415, 'Unsupported Media Type', [acceptEncodingLine()]);
      case 'unreadable':
        return answer(400, 'Body cannot be unpacked');
    }
    if (method === 'INVITE' && firstContact(message) === null) return answer(400, 'Missing or bad Contact');
    return null;
  }

  #answerOptions(message: WireMessage): Inward & { kind: 'answer' } {
    const headers = [
      allowLine(),
      acceptLine(),
      acceptEncodingLine(),
      `Supported: ${SUPPORTED_OPTIONS.join(', ')}`,
      headerLine('Contact', this.#options.contact(message)),
    ];
    return answer(200, 'OK', headers);
  }

  #inwardResponse(message: WireMessage): Inward {
    if (message.start.kind !== 'response') return drop('not a response');
    const { status } = message.start;
    if (status < 100 || status > 699) return drop(`a response with status ${status}`);
    const vias = message.list('via');
    const via = vias[0] === undefined ? null : parseVia(vias[0]);
    // RFC 3261 section 8.1.3.3: a response with more than one Via is not for this client.
    if (via === null || vias.length > 1) return drop('a response that is not ours by its Via');
    const fault = headerFault(message, null);
    if (fault !== null) return drop(`a response with a fault: ${fault}`);
    const final = status >= 200;
    // A final answer that cannot be used still ends the transaction: after a 2xx without a tag, sip.js would wait for ever.
    const usable = !final || tagOf(message.first('to')) !== null || status >= 300;
    const lines = [`SIP/2.0 ${usable ? status : 502} -`];
    lines.push(`Via: SIP/2.0/TCP ${this.#options.host};branch=${isToken(via.branch) ? via.branch : 'none'}`);
    this.#pushShared(message, lines, message.first('to') ?? '');
    for (const name of ['www-authenticate', 'proxy-authenticate']) {
      const stale = message.all(name).some((value) => /\bstale\s*=\s*"?true\b/i.test(value));
      // sip.js only needs to know that there is a challenge; auth.ts reads the real one.
      if (message.first(name) !== null) lines.push(`${name}: Digest realm="r", nonce="n", algorithm=MD5${stale ? ', stale=true' : ''}`);
    }
    return { kind: 'deliver', text: finish(message, lines) };
  }

  /** Adds the headers common to requests and responses. `fallback` names the peer if it gave no usable Contact. */
  #pushShared(message: WireMessage, lines: string[], fallback: string): void {
    for (const value of message.list('record-route')) lines.push(`Record-Route: <sip:${hex(value)}@${this.#options.host};lr>`);
    for (const name of ['from', 'to'] as const) {
      const value = message.first(name) ?? '';
      const tag = tagOf(value);
      lines.push(`${name}: <sip:${hex(value)}@${this.#options.host}>${tag === null ? '' : `;tag=${tag}`}`);
    }
    lines.push(`Call-ID: ${this.#concealCallId(message.first('call-id') ?? '')}`);
    const [number, method] = parseCseq(message.first('cseq')) ?? [0, 'UNKNOWN'];
    lines.push(`CSeq: ${number} ${method}`);
    const contact = firstContact(message) ?? uriOf(fallback);
    if (contact !== null) lines.push(`Contact: <sip:${hex(contact)}@${this.#options.host}>`);
    const event = /^[^\s;]+/.exec(message.first('event') ?? '')?.[0];
    if (event !== undefined && isToken(event)) lines.push(`Event: ${event}`);
    const subscription = subscriptionState(message.first('subscription-state'));
    if (subscription !== null) lines.push(`Subscription-State: ${subscription}`);
    const expires = /^\d{1,9}$/.exec(message.first('expires') ?? '')?.[0];
    if (expires !== undefined) lines.push(`Expires: ${expires}`);
  }

  /** Turns the output of sip.js into bytes for the wire. */
  outward(text: string): Uint8Array {
    const split = text.indexOf('\r\n\r\n');
    const [start = '', ...headers] = text.slice(0, split < 0 ? undefined : split).split('\r\n');
    const body = split < 0 ? new Uint8Array(0) : Uint8Array.from(Buffer.from(text.slice(split + 4), 'latin1'));
    const isResponse = start.startsWith('SIP/2.0 ');
    const words = start.split(' ');
    const startLine = isResponse ? start : [words[0], this.reveal(words[1] ?? ''), words[2]].join(' ');
    const isMultipart = headers.some((line) => /^content-type: *multipart\//i.test(line));
    const lines: string[] = [];
    for (const line of headers) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      const value = this.#outwardValue(name.toLowerCase(), line.slice(colon + 1).trim(), isResponse);
      // Only sip.js needs the hint that a multipart contains the offer.
      if (isMultipart && name.toLowerCase() === 'content-disposition') continue;
      if (value !== null) lines.push(`${name}: ${value}`);
    }
    lines.push(`Content-Length: ${body.length}`);
    lines.sort((left, right) => wireRank(left) - wireRank(right));
    return concat([utf8(`${startLine}\r\n${lines.join('\r\n')}\r\n\r\n`), body]);
  }

  /** Null removes the header. */
  #outwardValue(name: string, value: string, isResponse: boolean): string | null {
    switch (name) {
      case 'via': {
        const carried = value.startsWith(`SIP/2.0/TCP ${this.#options.host};`) ? /;w=([0-9a-f]+)/.exec(value)?.[1] : undefined;
        return carried === undefined ? value : unhex(carried);
      }
      case 'from':
      case 'to':
        return isResponse ? this.#restoreWhole(value) : this.#restoreUri(value);
      case 'route':
      case 'record-route':
        return value === '' ? null : value.replace(this.#addressCapsule, (_all, code: string) => unhex(code));
      case 'call-id':
        return this.reveal(`sip:${value}`).replace(/^sip:/, '');
      case 'allow':
        return ALLOWED_METHODS.join(', ');
      case 'supported':
        return value === '' ? null : value;
      case 'content-length':
        return null;
      default:
        return value;
    }
  }

  /** A response repeats From and To unchanged; To gets the tag of sip.js unless it already has one (RFC 3261 section 8.2.6.2). */
  #restoreWhole(value: string): string {
    const code = /^<sip:([0-9a-f]+)@/.exec(value)?.[1];
    const tag = /;tag=([^;]+)$/.exec(value)?.[1];
    if (code === undefined) return value;
    const original = unhex(code);
    return tag === undefined || tagOf(original) !== null ? original : `${original};tag=${tag}`;
  }

  /** In a request, only the URI in a capsule is written. */
  #restoreUri(value: string): string {
    return value.replace(this.#addressCapsule, (_all, code: string) => `<${uriOf(unhex(code)) ?? unhex(code)}>`);
  }

  /** RFC 3261 allows characters in a Call-ID that sip.js does not read. */
  #concealCallId(callId: string): string {
    return /^[A-Za-z0-9.@_+~-]+$/.test(callId) ? callId : `${hex(callId)}@${this.#options.host}`;
  }
}

function answer(status: number, reason: string, headers: string[] = []): Inward & { kind: 'answer' } {
  return { kind: 'answer', status, reason, headers };
}

function drop(reason: string): Inward {
  return { kind: 'drop', reason };
}

/** The wire form of a response made without sip.js. `toTag` is added unless the request has one. */
export function encodeAnswer(message: WireMessage, status: number, reason: string, headers: readonly string[], toTag: string): Uint8Array {
  const lines = [`SIP/2.0 ${status} ${reason}`];
  for (const via of message.all('via')) lines.push(`Via: ${via}`);
  const to = message.first('to');
  if (message.first('from') !== null) lines.push(`From: ${message.first('from')}`);
  if (to !== null) lines.push(`To: ${to}${tagOf(to) === null ? `;tag=${toTag}` : ''}`);
  for (const name of ['Call-ID', 'CSeq']) {
    const value = message.first(name.toLowerCase());
    if (value !== null) lines.push(`${name}: ${value}`);
  }
  return utf8([...lines, ...headers, 'Content-Length: 0', '', ''].join('\r\n'));
}

/** Ends a message for sip.js. The message itself tells where its SDP is, alone or in a part; here it only matters that there is one. */
function finish(message: WireMessage, lines: string[]): string {
  const type = (message.first('content-type') ?? '').toLowerCase();
  const holdsSdp = type.startsWith('application/sdp') || (type.startsWith('multipart/') && indexOfText(message.body, 'application/sdp'));
  const body = message.body.length === 0 ? '' : 'x';
  if (body !== '') {
    lines.push(`Content-Type: ${holdsSdp ? 'application/sdp' : 'application/octet-stream'}`);
    lines.push(`Content-Disposition: ${holdsSdp ? 'session' : 'render'}`);
  }
  return `${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function indexOfText(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1').toLowerCase().includes(text);
}

/** The fault that makes a message unreadable, or null when all mandatory headers can be read (RFC 3261 section 8.1.1). */
function headerFault(message: WireMessage, method: string | null): string | null {
  for (const name of ['from', 'to', 'call-id', 'cseq']) {
    const values = message.all(name);
    if (values.length === 0) return `Missing ${name} header`;
    if (values.length > 1) return `More than one ${name} header`;
  }
  const from = parseNameAddr(message.first('from') ?? '');
  if (!from.ok || !parseUri(from.value.uri).ok) return 'Bad From header';
  const to = parseNameAddr(message.first('to') ?? '');
  if (!to.ok || !parseUri(to.value.uri).ok) return 'Bad To header';
  for (const tag of [from.value.params.get('tag'), to.value.params.get('tag')]) {
    if (tag === null || (tag !== undefined && !isToken(tag))) return 'Bad tag';
  }
  if (!from.value.params.has('tag')) return 'Missing From tag';
  if (!/^\S+$/.test(message.first('call-id') ?? '')) return 'Bad Call-ID header';
  const cseq = parseCseq(message.first('cseq'));
  if (cseq === null) return 'Bad CSeq header';
  if (method !== null && cseq[1] !== method) return 'CSeq names another method';
  return null;
}

function parseCseq(value: string | null): [number, string] | null {
  const match = /^(\d{1,10})[ \t]+(\S+)$/.exec(value ?? '');
  if (!match || !isToken(match[2] ?? '') || Number(match[1]) > MAX_CSEQ) return null;
  return [Number(match[1]), match[2] ?? ''];
}

/** `sentBy` and `branch` together identify a transaction (RFC 3261 section 17.2.3). */
function parseVia(value: string): { sentBy: string; branch: string } | null {
  const match = /^SIP\s*\/\s*2\.0\s*\/\s*\S+\s+([^\s;]+)/i.exec(value);
  const semicolon = value.indexOf(';');
  const params = semicolon < 0 ? new Map<string, string | null>() : parseParams(value.slice(semicolon + 1));
  if (!match || params === null) return null;
  return { sentBy: (match[1] ?? '').toLowerCase(), branch: params.get('branch') ?? '' };
}

export function tagOf(value: string | null): string | null {
  if (value === null) return null;
  const address = parseNameAddr(value);
  return address.ok ? (address.value.params.get('tag') ?? null) : null;
}

function uriOf(value: string): string | null {
  const address = parseNameAddr(value);
  return address.ok ? address.value.uri : null;
}

/** The URI of the first Contact, or null when there is none that can be called back. */
function firstContact(message: WireMessage): string | null {
  const value = message.first('contact');
  const contacts = value === null ? null : parseNameAddrList(value);
  const uri = contacts?.ok ? contacts.value[0]?.uri : undefined;
  return uri === undefined || !parseUri(uri).ok ? null : uri;
}

function subscriptionState(value: string | null): string | null {
  const [state = '', ...rest] = (value ?? '').split(';').map((part) => part.trim());
  if (!isToken(state)) return null;
  const expires = /^expires\s*=\s*(\d{1,9})$/i.exec(rest.find((part) => /^expires\s*=/i.test(part)) ?? '')?.[1];
  return `${state.toLowerCase()}${expires === undefined ? '' : `;expires=${expires}`}`;
}

function allowLine(): string {
  return `Allow: ${ALLOWED_METHODS.join(', ')}`;
}

function acceptEncodingLine(): string {
  return `Accept-Encoding: ${ACCEPTED_ENCODINGS.join(', ')}`;
}

export function acceptLine(): string {
  return `Accept: ${[...ACCEPTED_TYPES, ...BARE_TYPES].join(', ')}`;
}

/** Routing headers come first, as RFC 3261 section 7.3.1 recommends; the sort is stable. */
const WIRE_ORDER = ['via', 'max-forwards', 'record-route', 'route', 'from', 'to', 'call-id', 'cseq', 'contact'];

function wireRank(line: string): number {
  const name = line.slice(0, line.indexOf(':')).toLowerCase();
  const rank = WIRE_ORDER.indexOf(name);
  if (rank >= 0) return rank;
  return name.startsWith('content-') ? WIRE_ORDER.length + 1 : WIRE_ORDER.length;
}

function hex(text: string): string {
  return Buffer.from(text, 'utf8').toString('hex');
}

/** Control characters never come out of a capsule: no header value has any. */
function unhex(code: string): string {
  return Buffer.from(code, 'hex')
    .toString('utf8')
    .replace(/[\r\n]/g, '');
}

/** The instances that Accept-Contact names; null for one that is no URN. */
function namedInstances(message: WireMessage): (string | null)[] {
  return message.list('accept-contact').flatMap((value) => {
    const named = parseParams(value.replace(/^\s*\*\s*;?/, ''))?.get('+sip.instance');
    return named === undefined || named === null ? [] : [parseInstance(named)];
  });
}
