/** Listeners for connections: TCP, TLS, and WebSocket (RFC 7118) over either. An accepted connection is ready to carry SIP. */
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { WebSocketServer } from 'ws';
import type { NetworkLog } from '../log';
import type { Carrier, TransportName } from './flow';
import { MAX_BODY_BYTES, MAX_HEAD_BYTES } from './message-parser';

/** A handshake (TLS, HTTP) must be over after this time, milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** RFC 7118 section 4.1. */
const SUBPROTOCOL = 'sip';

/** The certificate of a TLS server and its key. */
export interface ServerKey {
  /** PEM. */
  key: string;
  /** PEM, followed by the rest of the chain where there is one. */
  certificate: string;
}

export interface ListenOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** `main` when absent. */
  name?: string;
  /** `tcp` when absent. */
  transport?: TransportName;
  /** Needed for `tls` and `wss`. */
  key?: ServerKey;
}

export interface Listener {
  readonly name: string;
  readonly transport: TransportName;
  readonly host: string;
  readonly port: number;
  /** Closes the listener and every connection that it accepted. */
  close(): Promise<void>;
}

/** Opens a listener. Rejects when it cannot listen. */
export async function openListener(options: ListenOptions, accept: (carrier: Carrier) => void, log: NetworkLog): Promise<Listener> {
  const { host, transport = 'tcp', name = 'main' } = options;
  const server = createServer(transport, options.key ?? null, accept, log);
  const connected = new Set<net.Socket>();
  // A connection whose handshake never ends is in no other list, and would delay the close.
  server.on('connection', (socket: net.Socket) => {
    connected.add(socket);
    socket.once('close', () => connected.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: options.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log('error', 'a listener failed', { error: error.message }));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : options.port;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of connected) socket.destroy();
    });
  return { name, transport, host, port, close };
}

function createServer(transport: TransportName, key: ServerKey | null, accept: (carrier: Carrier) => void, log: NetworkLog): net.Server {
  if (transport === 'tcp') return net.createServer((socket) => accept({ transport, socket, webSocket: null }));
  if (transport === 'ws') return serveWebSockets(http.createServer(refuseHttp), transport, accept);
  if (key === null) throw new Error(`A listener for ${transport} needs a key and a certificate`);
  const options = { key: key.key, cert: key.certificate, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT_MS } as const;
  const server =
    transport === 'tls'
      ? tls.createServer(options, (socket) => accept({ transport, socket, webSocket: null }))
      : serveWebSockets(https.createServer(options, refuseHttp), transport, accept);
  return server.on('tlsClientError', (error: Error, socket: net.Socket) => {
    log('info', 'a TLS handshake failed', { error: error.message });
    socket.destroy();
  });
}

function refuseHttp(_request: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end();
}

function serveWebSockets(server: http.Server, transport: 'ws' | 'wss', accept: (carrier: Carrier) => void): http.Server {
  server.headersTimeout = HANDSHAKE_TIMEOUT_MS;
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_HEAD_BYTES + MAX_BODY_BYTES,
    handleProtocols: () => SUBPROTOCOL,
  });
  return server.on('upgrade', (request, socket, head) => {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim().toLowerCase());
    // RFC 7118 section 4.1: a WebSocket client that does not offer SIP is refused.
    if (!(socket instanceof net.Socket) || !offered.includes(SUBPROTOCOL)) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => accept({ transport, socket, webSocket }));
  });
}
