/** How a person, a setting or a Contact names a SIP server: by a SIP URI or the URL of a WebSocket (RFC 7118). */
import { malformed, type Parsed, parsed } from './parsed';
import { parseUri } from './uri';

/** The transport of SIP; `wss` is WebSocket over TLS. */
export type SipTransport = 'tcp' | 'tls' | 'ws' | 'wss';

/** The default port of each transport (RFC 3261 section 19.1.2, RFC 7118 section 5.2). */
export const DEFAULT_PORTS: Readonly<Record<SipTransport, number>> = { tcp: 5060, tls: 5061, ws: 80, wss: 443 };

/** A server as a person or a Contact names it. Discovery fills in what is null. */
export interface ServerAddress {
  /** The host; an IPv6 address has no brackets. */
  host: string;
  port: number | null;
  transport: SipTransport | null;
  /** True for a `sips:` URI: only transports with TLS may be used. */
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
  // RFC 7118 section 5.2.2: secure WebSocket is `ws` in a sips: URI, but `wss` is common too.
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
