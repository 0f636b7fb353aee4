/** How a SIP server is named by a person, a setting or a Contact: a SIP URI, or the URL of a WebSocket (RFC 7118). */
import { malformed, type Parsed, parsed } from './parsed';
import { parseUri } from './uri';

/** How SIP travels; `wss` is WebSocket over TLS. */
export type SipTransport = 'tcp' | 'tls' | 'ws' | 'wss';

/** RFC 3261 section 19.1.2, RFC 7118 section 5.2: the port of a transport that names none. */
export const DEFAULT_PORTS: Readonly<Record<SipTransport, number>> = { tcp: 5060, tls: 5061, ws: 80, wss: 443 };

/** A server as a person or a Contact names it. What is null is to be found out. */
export interface ServerAddress {
  /** Without the brackets of IPv6. */
  host: string;
  port: number | null;
  transport: SipTransport | null;
  /** A `sips:` URI: only ways with TLS. */
  isSecure: boolean;
  path: string;
}

/** Reads `sip:` and `sips:` URIs, with or without `;transport=`, and `ws:` and `wss:` URLs. */
export function parseServer(text: string): Parsed<ServerAddress> {
  const trimmed = text.trim();
  if (/^wss?:/i.test(trimmed)) return parseWebSocketUrl(trimmed);
  const uri = parseUri(trimmed);
  if (!uri.ok) return uri;
  if (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips') return malformed('the server is no SIP URI');
  const isSecure = uri.value.scheme === 'sips';
  const given = uri.value.params.get('transport')?.toLowerCase() ?? null;
  const transport = given === null ? null : transportOf(given, isSecure);
  if (given !== null && transport === null) return malformed(`no transport ${given}`);
  return parsed({ host: uri.value.host.replace(/^\[|\]$/g, ''), port: uri.value.port, transport, isSecure, path: '/' });
}

function transportOf(name: string, isSecure: boolean): SipTransport | null {
  if (name === 'tcp' || name === 'tls') return isSecure ? 'tls' : name;
  // RFC 7118 section 5.2.2: secure WebSocket is `ws` in a sips: URI; `wss` is written often enough.
  if (name === 'ws' || name === 'wss') return isSecure ? 'wss' : name;
  return null;
}

function parseWebSocketUrl(text: string): Parsed<ServerAddress> {
  if (!URL.canParse(text)) return malformed('the server is no WebSocket URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return malformed('a server URL holds no password');
  const transport = url.protocol === 'wss:' ? 'wss' : 'ws';
  return parsed({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORTS[transport] : Number(url.port),
    transport,
    isSecure: transport === 'wss',
    path: `${url.pathname}${url.search}`,
  });
}
