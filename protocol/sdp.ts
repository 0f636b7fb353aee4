/**
 * SDP for one MSRP stream (RFC 4566, RFC 4975 section 8, RFC 6135 for the connection's direction). Of other streams only the m-line is kept, so that each
 * can be refused in its place: an answer has as many m-lines as the offer, in the same order (RFC 3264 section 6).
 */
import { hasControl, oneLine } from './generic-param';
import { parseMsrpUri } from './msrp';
import { malformed, type Parsed, parsed } from './parsed';

export const MAX_SDP_CHARACTERS = 65_536;
export const MAX_SDP_LINES = 512;
/** Most URIs in one a=path. */
export const MAX_PATH_URIS = 16;

const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const;

/** RFC 8122 section 5: the hash that identifies a side's certificate. Weaker hash functions are no longer trusted. */
export interface Fingerprint {
  hash: 'sha-256' | 'sha-384' | 'sha-512';
  /** Pairs of upper-case hexadecimal digits separated by colons. */
  value: string;
}

/** A stream that is not the MSRP stream in use, as its m-line names it. */
export interface OtherStream {
  media: string;
  transport: string;
  formats: string;
}

export interface MsrpDescription {
  /** The address of the c= line. */
  host: string;
  /** The port of the m= line: 9 for a side that only connects (RFC 6135), 0 for a refused stream. */
  port: number;
  /** The MSRP URIs of a=path, in order. */
  path: string[];
  /** Null when the peer does not say; `answerSetup` supplies the default. */
  setup: 'active' | 'passive' | 'actpass' | null;
  acceptTypes: string[];
  wrappedTypes: string[];
  direction: (typeof DIRECTIONS)[number];
  /** The sess-id of the o= line. Digits only, since strict parsers refuse anything else. */
  sessionId: string;
  /** The sess-version of the o= line. */
  version: number;
  transport: 'TCP/MSRP' | 'TCP/TLS/MSRP';
  /** Every m-line in order, where there are others; `null` stands for the MSRP stream. */
  streams?: readonly (OtherStream | null)[];
  /** Every other a= line of the stream, in order; the value is null for an attribute without one. */
  attributes: ReadonlyArray<readonly [string, string | null]>;
}

const MODELLED = new Set<string>(['path', 'setup', 'accept-types', 'accept-wrapped-types', ...DIRECTIONS]);

interface MsrpStream {
  port: number;
  transport: MsrpDescription['transport'];
  host: string | null;
  attributes: [string, string | null][];
}

/** The first MSRP stream of the description that is offered; where all are refused (port 0), the first one. */
export function parseSdp(text: string): Parsed<MsrpDescription> {
  if (text.length > MAX_SDP_CHARACTERS) return malformed('SDP too long');
  const lines = text.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines.length > MAX_SDP_LINES) return malformed('too many SDP lines');
  if (lines[0] !== 'v=0') return malformed('SDP does not begin with v=0');
  let origin: RegExpExecArray | null = null;
  let sessionHost: string | null = null;
  let sessionDirection: MsrpDescription['direction'] | null = null;
  const sessionFingerprints: [string, string | null][] = [];
  let stream: MsrpStream | null = null;
  const streams: (OtherStream & { msrp: MsrpStream | null })[] = [];
  let inSession = true;
  let inStream = false;
  for (const line of lines) {
    const kind = /^([a-z])=(.*)$/.exec(line);
    if (kind === null || hasControl(line.replaceAll('\t', ' '))) return malformed('a line that is not SDP');
    const [, letter, value = ''] = kind;
    if (letter === 'o') origin = /^\S+ (\d{1,20}) (\d{1,20}) IN IP[46] \S+$/.exec(value);
    else if (letter === 'c') {
      const host = /^IN IP[46] ([^\s/]{1,255})/.exec(value)?.[1];
      if (host === undefined) return malformed('a bad c= line');
      if (inSession) sessionHost = host;
      else if (inStream && stream !== null) stream.host = host;
    } else if (letter === 'm') {
      inSession = false;
      const [, media, digits, transport, formats = ''] = /^(\S+) (\d{1,5})(?:\/\d+)? (\S+)(?: (.*))?$/.exec(value) ?? [];
      if (media === undefined || transport === undefined) return malformed('a bad m= line');
      const port = Number(digits);
      const kind = transport.toUpperCase();
      const isMsrp = media.toLowerCase() === 'message' && (kind === 'TCP/MSRP' || kind === 'TCP/TLS/MSRP');
      inStream = isMsrp && (stream === null || (stream.port === 0 && port !== 0));
      if (inStream && port > 65_535) return malformed('a bad port');
      const msrp: MsrpStream | null = inStream
        ? { port, transport: kind === 'TCP/MSRP' ? 'TCP/MSRP' : 'TCP/TLS/MSRP', host: null, attributes: [] }
        : null;
      stream = msrp ?? stream;
      streams.push({ media, transport, formats: formats.trim() || '*', msrp });
    } else if (letter === 'a') {
      const colon = value.indexOf(':');
      const name = colon < 0 ? value : value.slice(0, colon);
      if (inStream && stream !== null) stream.attributes.push([name, colon < 0 ? null : value.slice(colon + 1).trim()]);
      else if (inSession && name === 'fingerprint') sessionFingerprints.push([name, value.slice(colon + 1).trim()]);
      else if (inSession) sessionDirection = DIRECTIONS.find((direction) => direction === name) ?? sessionDirection;
    }
  }
  if (origin === null) return malformed('no usable o= line');
  if (stream === null) return malformed('no MSRP stream');
  const { attributes } = stream;
  // RFC 8122 section 5: a fingerprint of the whole session applies to each stream that has none.
  if (!attributes.some(([name]) => name === 'fingerprint')) attributes.push(...sessionFingerprints);
  const host = stream.host ?? sessionHost;
  if (host === null) return malformed('no c= line for the MSRP stream');
  const words = (name: string) => (attributes.find(([key]) => key === name)?.[1] ?? '').split(/\s+/).filter((word) => word !== '');
  const path = words('path');
  if (path.length === 0 && stream.port !== 0) return malformed('an MSRP stream without a=path');
  if (path.length > MAX_PATH_URIS) return malformed('too many URIs in a=path');
  if (!path.every((uri) => parseMsrpUri(uri).ok)) return malformed('a bad URI in a=path');
  const setup = words('setup')[0];
  return parsed({
    host,
    port: stream.port,
    path,
    setup: setup === 'active' || setup === 'passive' || setup === 'actpass' ? setup : null,
    acceptTypes: words('accept-types').map((type) => type.toLowerCase()),
    wrappedTypes: words('accept-wrapped-types').map((type) => type.toLowerCase()),
    direction: DIRECTIONS.find((direction) => attributes.some(([name]) => name === direction)) ?? sessionDirection ?? 'sendrecv',
    sessionId: origin[1] ?? '0',
    version: Number(origin[2]),
    transport: stream.transport,
    ...(streams.length === 1 ? {} : { streams: streams.map(({ msrp, ...other }) => (msrp === stream ? null : other)) }),
    attributes: attributes.filter(([name]) => !MODELLED.has(name)),
  });
}

/** The attribute of a side that supports RFC 6714 (CEMA): the address in c= and m= is used for the connection, whatever the path says. */
export const CEMA = 'msrp-cema';

/** The address to connect to when the peer supports CEMA. Null: connect to the first URI of its path. */
export function cemaAddress({ attributes, host, port }: MsrpDescription): { host: string; port: number } | null {
  return attributes.some(([name]) => name === CEMA) && port !== 0 ? { host, port } : null;
}

/**
 * LAB: an offer over TLS with this transport capability (RFC 5939 section 3.4.2) may be refused for its TLS: the offerer then goes on over TCP.
 * Without it the offerer takes nothing but TLS. No potential configuration names it, since those are preferred to the offer itself.
 */
export const CLEAR_CAPABILITY = ['tcap', '1 TCP/MSRP'] as const;

/** Whether the offerer also takes the stream over TCP, without TLS. */
export function takesClear({ transport, attributes }: Pick<MsrpDescription, 'transport' | 'attributes'>): boolean {
  const [name, value] = CLEAR_CAPABILITY;
  return transport === 'TCP/MSRP' || attributes.some(([key, said]) => key === name && said === value);
}

const GOOD_HASHES = [
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
] as const;

/**
 * The fingerprints of a description whose hash function is still trusted. There may be several for one certificate (RFC 8122 section 5.1).
 */
export function fingerprintsOf({ attributes }: Pick<MsrpDescription, 'attributes'>): Fingerprint[] {
  return attributes.flatMap(([name, value]) => {
    const [, written, digits = ''] = (name === 'fingerprint' ? /^(\S+) ([0-9a-f]{2}(?::[0-9a-f]{2})*)$/i.exec(value ?? '') : null) ?? [];
    const hash = GOOD_HASHES.find(([good, octets]) => good === written?.toLowerCase() && digits.length === octets * 3 - 1)?.[0];
    return hash === undefined ? [] : [{ hash, value: digits.toUpperCase() }];
  });
}

/** The direction of an answer, from the answerer's side (RFC 3264 section 6.1). */
export function mirrored(direction: MsrpDescription['direction']): MsrpDescription['direction'] {
  return direction === 'sendonly' ? 'recvonly' : direction === 'recvonly' ? 'sendonly' : direction;
}

/** Whether the side that wrote this description takes messages now. */
export function receives({ direction }: Pick<MsrpDescription, 'direction'>): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

/** A stream that is refused, in its place. */
export function refusedLine({ media, transport, formats }: OtherStream): string {
  return `m=${word(media)} 0 ${word(transport)} ${oneLine(formats)}`;
}

/** A whole description with this one stream, and every other one refused. No value can add a line. */
export function encodeSdp(description: MsrpDescription): string {
  const host = word(description.host);
  const family = host.includes(':') ? 'IP6' : 'IP4';
  const lines = [
    'v=0',
    `o=- ${description.sessionId.replace(/\D/g, '') || '0'} ${Math.max(0, Math.trunc(description.version))} IN ${family} ${host}`,
    's=-',
    `c=IN ${family} ${host}`,
    't=0 0',
  ];
  const streams = description.streams ?? [null];
  const place = streams.indexOf(null);
  const refused = (from: number, to: number) => streams.slice(from, to).flatMap((stream) => (stream === null ? [] : [refusedLine(stream)]));
  lines.push(...refused(0, place), `m=message ${Math.trunc(description.port)} ${description.transport} *`);
  if (description.acceptTypes.length > 0) lines.push(`a=accept-types:${description.acceptTypes.map(word).join(' ')}`);
  if (description.wrappedTypes.length > 0) lines.push(`a=accept-wrapped-types:${description.wrappedTypes.map(word).join(' ')}`);
  if (description.setup !== null) lines.push(`a=setup:${description.setup}`);
  if (description.path.length > 0) lines.push(`a=path:${description.path.map(word).join(' ')}`);
  for (const [name, value] of description.attributes) {
    if (/^[A-Za-z0-9-]+$/.test(name) && !MODELLED.has(name)) lines.push(`a=${name}${value === null ? '' : `:${oneLine(value)}`}`);
  }
  lines.push(`a=${description.direction}`, ...refused(place + 1, streams.length));
  return `${lines.join('\r\n')}\r\n`;
}

function word(text: string): string {
  return oneLine(text).replace(/\s/g, '');
}

/**
 * Our role when we answer this offer: active for actpass and passive, passive for active. LAB: an offer without a=setup counts as passive,
 * as chat clients in the field treat it, though RFC 4975 lets the offerer connect.
 */
export function answerSetup(offer: Pick<MsrpDescription, 'setup'>): 'active' | 'passive' {
  return offer.setup === 'active' ? 'passive' : 'active';
}
