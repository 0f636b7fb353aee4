/** SDP for one MSRP stream (RFC 4566, RFC 4975 section 8, RFC 6135 for the connection's direction). Other streams are ignored. */
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
  /** Every other a= line of the stream, in order; the value is null for an attribute without one. */
  attributes: ReadonlyArray<readonly [string, string | null]>;
}

const MODELLED = new Set<string>(['path', 'setup', 'accept-types', 'accept-wrapped-types', ...DIRECTIONS]);

/** The first MSRP stream of the description. */
export function parseSdp(text: string): Parsed<MsrpDescription> {
  if (text.length > MAX_SDP_CHARACTERS) return malformed('SDP too long');
  const lines = text.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines.length > MAX_SDP_LINES) return malformed('too many SDP lines');
  if (lines[0] !== 'v=0') return malformed('SDP does not begin with v=0');
  let origin: RegExpExecArray | null = null;
  let sessionHost: string | null = null;
  let sessionDirection: MsrpDescription['direction'] | null = null;
  const sessionFingerprints: [string, string | null][] = [];
  let stream: { port: number; transport: MsrpDescription['transport']; host: string | null; attributes: [string, string | null][] } | null =
    null;
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
      const media = /^(\S+) (\d{1,5})(?:\/\d+)? (\S+) /.exec(`${value} `);
      if (media === null) return malformed('a bad m= line');
      const transport = media[3]?.toUpperCase();
      inStream = stream === null && media[1] === 'message' && (transport === 'TCP/MSRP' || transport === 'TCP/TLS/MSRP');
      if (inStream) {
        const port = Number(media[2]);
        if (port > 65_535) return malformed('a bad port');
        stream = { port, transport: transport === 'TCP/MSRP' ? 'TCP/MSRP' : 'TCP/TLS/MSRP', host: null, attributes: [] };
      }
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

/** A whole description with this one stream. No value can add a line. */
export function encodeSdp(description: MsrpDescription): string {
  const host = word(description.host);
  const family = host.includes(':') ? 'IP6' : 'IP4';
  const lines = [
    'v=0',
    `o=- ${description.sessionId.replace(/\D/g, '') || '0'} ${Math.max(0, Math.trunc(description.version))} IN ${family} ${host}`,
    's=-',
    `c=IN ${family} ${host}`,
    't=0 0',
    `m=message ${Math.trunc(description.port)} ${description.transport} *`,
  ];
  if (description.acceptTypes.length > 0) lines.push(`a=accept-types:${description.acceptTypes.map(word).join(' ')}`);
  if (description.wrappedTypes.length > 0) lines.push(`a=accept-wrapped-types:${description.wrappedTypes.map(word).join(' ')}`);
  if (description.setup !== null) lines.push(`a=setup:${description.setup}`);
  if (description.path.length > 0) lines.push(`a=path:${description.path.map(word).join(' ')}`);
  for (const [name, value] of description.attributes) {
    if (/^[A-Za-z0-9-]+$/.test(name) && !MODELLED.has(name)) lines.push(`a=${name}${value === null ? '' : `:${oneLine(value)}`}`);
  }
  lines.push(`a=${description.direction}`);
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
