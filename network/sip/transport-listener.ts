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
  const server = createServer(transport, options.key ?? null, { accept, log });
  const connected = new Set<net.Socket>();
  // A connection whose handshake never ends is in no other list, and would delay the close.
  server.on('connection', (socket: net.Socket) => {
    connected.add(socket);
    socket.once('close', () => connected.delete(socket));
    heed(socket, log);
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

/** What a listener does with its connections. */
interface Reception {
  accept: (carrier: Carrier) => void;
  log: NetworkLog;
}

/** A socket without a listener for its errors ends the process with the first one: a reset in a handshake is enough. */
function heed(socket: net.Socket, log: NetworkLog): void {
  socket.on('error', (error) => log('debug', 'a connection failed', { error: error.message }));
}

/** Hands a connection on. A defect of ours costs this connection and nothing else. */
function guarded(socket: net.Socket, log: NetworkLog, handle: () => void): void {
  try {
    handle();
  } catch (error) {
    log('error', 'a connection could not be taken', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    socket.destroy();
  }
}

function createServer(transport: TransportName, key: ServerKey | null, reception: Reception): net.Server {
  const { accept, log } = reception;
  const take = (socket: net.Socket) => guarded(socket, log, () => accept({ transport, socket, webSocket: null }));
  if (transport === 'tcp') return net.createServer(take);
  if (transport === 'ws') return serveWebSockets(http.createServer(refuseHttp), transport, reception);
  if (key === null) throw new Error(`A listener for ${transport} needs a key and a certificate`);
  const options = { key: key.key, cert: key.certificate, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT_MS } as const;
  const server =
    transport === 'tls' ? tls.createServer(options, take) : serveWebSockets(https.createServer(options, refuseHttp), transport, reception);
  server.on('secureConnection', (socket: net.Socket) => heed(socket, log));
  return server.on('tlsClientError', (error: Error, socket: net.Socket) => {
    log('info', 'a TLS handshake failed', { error: error.message });
    socket.destroy();
  });
}

function refuseHttp(_request: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end();
}

/**
 * Why a WebSocket may not open, as an HTTP status line; null when it may. RFC 7118 section 4.1: a client that does not offer SIP is refused.
 * RFC 6455 section 10.2: a browser names the page that asks. LAB: no page is a client of this network, and any page can ask.
 */
function upgradeRefusal({ headers }: http.IncomingMessage): string | null {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim().toLowerCase());
  if (headers.origin !== undefined) return '403 Forbidden';
  return offered.includes(SUBPROTOCOL) ? null : '400 Bad Request';
}

function serveWebSockets(server: http.Server, transport: 'ws' | 'wss', { accept, log }: Reception): http.Server {
  server.headersTimeout = HANDSHAKE_TIMEOUT_MS;
  server.requestTimeout = HANDSHAKE_TIMEOUT_MS;
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_HEAD_BYTES + MAX_BODY_BYTES,
    handleProtocols: () => SUBPROTOCOL,
  });
  return server.on('upgrade', (request, socket, head) => {
    if (!(socket instanceof net.Socket)) {
      socket.destroy();
      return;
    }
    guarded(socket, log, () => {
      // From here on Node's HTTP server listens for errors no longer.
      heed(socket, log);
      const refusal = upgradeRefusal(request);
      if (refusal === null)
        webSockets.handleUpgrade(request, socket, head, (webSocket) =>
          guarded(socket, log, () => accept({ transport, socket, webSocket })),
        );
      else {
        socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        // A peer that keeps its end open is not waited for.
        socket.destroySoon();
      }
    });
  });
}
