/**
 * The SDP of a session whose media runs through the relay: the relay's address and path replace those of the side, everything else stays as
 * that side wrote it. The body may be the SDP alone, or a multipart with the first message.
 */
import { encodeMultipart, multipartType, newBoundary, parseContentType, parseMultipart } from '../../protocol/multipart';
import { type Fingerprint, type MsrpDescription, parseSdp, refusedLine } from '../../protocol/sdp';
import type { SipMessage } from '../sip/message';

/** The relay's place for one side, and who opens the connection. */
export interface AnchorPlace {
  host: string;
  port: number;
  path: readonly string[];
  setup: 'active' | 'passive' | 'actpass';
  /** The fingerprint of the relay's certificate, in place of the side's; null over TCP. */
  fingerprint: Fingerprint | null;
}

export interface FoundSdp {
  text: string;
  description: MsrpDescription;
}

/** The SDP of a message: null when there is none, 'unreadable' when it has no MSRP stream that can be read. */
export function sdpOf(message: SipMessage): FoundSdp | 'unreadable' | null {
  const written = message.get('content-type');
  if (written === null || message.body.length === 0) return null;
  const { type } = parseContentType(written);
  if (type === 'application/sdp') return read(message.text);
  if (!type.startsWith('multipart/')) return null;
  const parts = parseMultipart(written, message.body);
  if (!parts.ok) return 'unreadable';
  const part = parts.value.find((one) => parseContentType(one.contentType).type === 'application/sdp');
  return part === undefined ? null : read(new TextDecoder().decode(part.body));
}

function read(text: string): FoundSdp | 'unreadable' {
  const description = parseSdp(text);
  return description.ok ? { text, description: description.value } : 'unreadable';
}

/** Replaces the SDP in the body of a message that has one. */
export function replaceSdp(message: SipMessage, sdp: string, random: () => number): void {
  const written = message.get('content-type') ?? '';
  const { type, params } = parseContentType(written);
  if (type === 'application/sdp') {
    message.setBody(written, sdp);
    return;
  }
  const parts = parseMultipart(written, message.body);
  if (!parts.ok) return;
  const body = new TextEncoder().encode(sdp);
  const changed = parts.value.map((part) => (parseContentType(part.contentType).type === 'application/sdp' ? { ...part, body } : part));
  // The sender chose its boundary for its own parts; it may occur in ours.
  try {
    message.setBody(written, encodeMultipart(changed, params.get('boundary') ?? ''));
  } catch {
    const boundary = newBoundary(random, changed);
    message.setBody(multipartType(boundary).replace('multipart/mixed', type), encodeMultipart(changed, boundary));
  }
}

/**
 * An answer that refuses the media, each m-line of the offer in its place (RFC 3264 section 6): an answer that the relay cannot carry must not lead
 * around it.
 */
export function refusedSdp(host: string, { streams = [null], transport }: Pick<MsrpDescription, 'streams' | 'transport'>): string {
  const address = `IN ${host.includes(':') ? 'IP6' : 'IP4'} ${host}`;
  const lines = streams.map((stream) => refusedLine(stream ?? { media: 'message', transport, formats: '*' }));
  return `${['v=0', `o=- 0 0 ${address}`, 's=-', `c=${address}`, 't=0 0', ...lines].join('\r\n')}\r\n`;
}

/**
 * `sdp` with the relay in it. Streams other than MSRP are refused (port 0): the relay cannot carry them, and they would show the side's
 * address. `hides`: whatever may identify the writer is removed too (RFC 3323 section 5.3).
 */
export function anchoredSdp(sdp: string, place: AnchorPlace, hides: boolean): string {
  const address = `IN ${place.host.includes(':') ? 'IP6' : 'IP4'} ${place.host}`;
  const written: string[] = [];
  let stream: 'none' | 'msrp' | 'other' = 'none';
  const endStream = () => {
    if (stream !== 'msrp') return;
    written.push(`a=setup:${place.setup}`, `a=path:${place.path.join(' ')}`);
    if (place.fingerprint !== null) written.push(`a=fingerprint:${place.fingerprint.hash} ${place.fingerprint.value}`);
  };
  const read = parseSdp(sdp);
  const msrpLine = (read.ok ? read.value.streams?.indexOf(null) : null) ?? 0;
  let count = -1;
  for (const line of sdp.split(/\r\n|\n|\r/).filter((each) => each !== '')) {
    if (line.startsWith('m=')) {
      endStream();
      count += 1;
      const isMsrp = count === msrpLine;
      stream = isMsrp ? 'msrp' : 'other';
      const port = !isMsrp ? 0 : place.setup === 'active' ? 9 : place.port;
      written.push(line.replace(/^(m=\S+ )\d+/, `$1${port}`));
    } else if (line.startsWith('o=')) {
      const [, user, id, version] = /^o=(\S+) (\d+) (\d+) /.exec(line) ?? [];
      written.push(`o=${hides ? '-' : user} ${id} ${version} ${address}`);
    } else if (line.startsWith('c=')) written.push(`c=${address}`);
    else if (hides && line.startsWith('s=')) written.push('s=-');
    else if (hides && /^[iuep]=/.test(line)) continue;
    else if (stream === 'other' && line.startsWith('a=')) continue;
    else if (stream === 'msrp' && /^a=(?:path|setup|msrp-cema)(?::|$)/i.test(line)) continue;
    else if (/^a=fingerprint:/i.test(line)) continue;
    else written.push(line);
  }
  endStream();
  return `${written.join('\r\n')}\r\n`;
}
