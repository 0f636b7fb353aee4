/**
 * Connections to the next hop: TCP, TLS, and WebSocket over either (RFC 7118). Each is opened in two steps, so that all are checked and
 * timed alike: first a socket that is ready (with TLS: after its certificate was accepted), then the protocol on it.
 */
import { isUtf8 } from 'node:buffer';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import WebSocket from 'ws';
import type { Clock } from '../../../base/clock';
import { AppError } from '../../../preload/contract/errors';
import type { SipTransport } from '../../../protocol/server-address';
import { MAX_BODY_BYTES, MAX_HEAD_BYTES } from '../wire/wire-message';
import { identitiesOf, speaksFor } from './identity';

/** LAB: how long a connection may take until it can carry SIP, including TLS and WebSocket handshakes. */
const CONNECT_TIMEOUT_MS = 10_000;
/** RFC 7118 section 4.1. */
const SUBPROTOCOL = 'sip';

/** One address to connect to. */
export interface NextHop {
  /** An IP address or a name. */
  host: string;
  port: number;
  transport: SipTransport;
  /** The certificate must be valid for one of these names: the domain that was looked up, never a name from DNS (RFC 5922 section 7.2). */
  names: readonly string[];
  /** Path of a WebSocket URI. */
  path: string;
}

/** What the person is shown of an accepted certificate. */
export interface ShownCertificate {
  /** The SIP domains and addresses for which it is valid. */
  names: string[];
  issuer: string;
  /** When it expires, epoch milliseconds. */
  until: number;
}

/** Carries bytes to the next hop. After `close` or `onClose` it does nothing more. */
export interface Connection {
  readonly local: { host: string; port: number };
  readonly remote: { host: string; port: number };
  /** True when every `send` and every `onBytes` is one whole message, so that the bytes need no framing (RFC 7118 section 5). */
  readonly isMessageBased?: boolean;
  /** Only for TLS and for WebSocket over TLS. */
  readonly certificate?: ShownCertificate;
  /** Rejects when the bytes cannot be handed to the network. */
  send(bytes: Uint8Array): Promise<void>;
  /** Sends a ping in the connection's own way, if it has one; `onPong` follows. Otherwise a double CRLF is sent. */
  ping?(): Promise<void>;
  /** Stops the reading, or goes on with it. */
  pause?(): void;
  resume?(): void;
  close(): void;
  onBytes: (bytes: Uint8Array) => void;
  onPong?: () => void;
  onClose: (reason: string) => void;
}

/** Opens a Connection or throws AppError net/unreachable, net/timeout or net/untrusted. `givenUp` aborts the attempt. */
export type Connect = (hop: NextHop, clock: Clock, givenUp: AbortSignal) => Promise<Connection>;

/** A Connect that trusts only `ca` (PEM), or without it the authorities that Node trusts. */
export function createConnect(ca?: readonly string[]): Connect {
  return (hop, clock, givenUp) =>
    new Promise((resolve, reject) => {
      const socket = openSocket(hop, ca);
      const settle = (error: AppError | null, connection?: Connection) => {
        timer.dispose();
        givenUp.removeEventListener('abort', abandoned);
        if (connection !== undefined) return resolve(connection);
        socket.destroy();
        reject(error);
      };
      const abandoned = () => settle(new AppError('net/unreachable', { cause: 'the attempt was given up' }, 'auto'));
      const timer = clock.setTimer(CONNECT_TIMEOUT_MS, () =>
        settle(new AppError('net/timeout', { cause: `${hop.host} did not answer over ${hop.transport}` }, 'auto')),
      );
      const failed = (error: Error) => settle(connectError(hop, socket, error));
      /** A defect of ours in a handler costs this attempt, and not the process. */
      const guarded = (handle: () => void) => {
        try {
          handle();
        } catch (error) {
          failed(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const lost = () => settle(new AppError('net/unreachable', { cause: 'the connection was closed at once' }, 'auto'));
      if (givenUp.aborted) return abandoned();
      givenUp.addEventListener('abort', abandoned);
      socket.once('error', failed);
      socket.once('close', lost);
      socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () =>
        guarded(() => {
          if (hop.transport === 'tcp' || hop.transport === 'tls') {
            const connection = streamConnection(socket, hop);
            socket.off('error', failed).off('close', lost);
            settle(null, connection);
          } else shakeHands(socket, hop, failed, (opened) => guarded(() => settle(null, opened())));
        }),
      );
    });
}

function openSocket(hop: NextHop, ca: readonly string[] | undefined): Socket {
  const { host, port, transport, names } = hop;
  if (transport === 'tcp' || transport === 'ws') return connectTcp({ host, port, noDelay: true });
  // RFC 6066 section 3: a server name is never an IP address.
  const servername = names.find((name) => isIP(name) === 0);
  const socket = connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    // Node lets an environment variable disable the check; this client does not.
    rejectUnauthorized: true,
    checkServerIdentity: (_name, certificate) =>
      speaksFor(certificate, names) ? undefined : new Error(`the certificate is not one of ${names.join(' or ')}`),
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: [...ca] }),
  });
  return socket.setNoDelay(true);
}

/** Whether the certificate caused the failure. Then a retry cannot help, and no weaker transport may be used instead. */
function connectError(hop: NextHop, socket: Socket, error: Error): AppError {
  const refused = socket instanceof TLSSocket && Boolean(socket.authorizationError);
  const cause = `${hop.host}:${hop.port} over ${hop.transport}: ${error.message}`;
  return refused ? new AppError('net/untrusted', { cause }, 'user') : new AppError('net/unreachable', { cause }, 'auto');
}

function addressesOf(socket: Socket, hop: NextHop): Pick<Connection, 'local' | 'remote' | 'certificate'> {
  return {
    ...(socket instanceof TLSSocket ? { certificate: shown(socket) } : {}),
    local: { host: socket.localAddress ?? '127.0.0.1', port: socket.localPort ?? 0 },
    remote: { host: socket.remoteAddress ?? hop.host, port: socket.remotePort ?? hop.port },
  };
}

function shown(socket: TLSSocket): ShownCertificate {
  const certificate = socket.getPeerCertificate();
  const { domains, addresses } = identitiesOf(certificate);
  const { O, CN } = certificate.issuer;
  return { names: [...domains, ...addresses], issuer: [O ?? CN ?? ''].flat().join(', '), until: Date.parse(certificate.valid_to) };
}

function streamConnection(socket: Socket, hop: NextHop): Connection {
  let reason = 'closed by the other side';
  const connection: Connection = {
    ...addressesOf(socket, hop),
    send: (bytes) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) {
          reject(new Error('the connection is closed'));
          return;
        }
        // What is sent at one moment leaves by one call of the system.
        socket.cork();
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
        process.nextTick(() => socket.uncork());
      }),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => socket.destroy(),
    onBytes: () => undefined,
    onClose: () => undefined,
  };
  socket.on('error', (error) => {
    reason = error.message;
  });
  socket.on('close', () => connection.onClose(reason));
  socket.on('data', (bytes) => connection.onBytes(bytes));
  return connection;
}

/** The WebSocket handshake over an open socket. The scheme in the URL plays no part in connecting. */
function shakeHands(socket: Socket, hop: NextHop, failed: (error: Error) => void, done: (open: () => Connection) => void): void {
  const name = hop.names[0] ?? hop.host;
  const host = isIP(name) === 6 ? `[${name}]` : name;
  const webSocket = new WebSocket(`ws://${host}:${hop.port}${hop.path}`, SUBPROTOCOL, {
    createConnection: () => socket,
    perMessageDeflate: false,
    maxPayload: MAX_HEAD_BYTES + MAX_BODY_BYTES,
  });
  let reason = 'closed by the other side';
  webSocket.on('error', (error) => {
    reason = error.message;
    failed(error);
  });
  const opened = () => {
    const connection: Connection = {
      ...addressesOf(socket, hop),
      isMessageBased: true,
      send: (bytes) =>
        new Promise((resolve, reject) => {
          // RFC 7118 section 4.2: a text frame must be UTF-8, but a body need not be.
          webSocket.send(bytes, { binary: !isUtf8(bytes) }, (error) => (error ? reject(error) : resolve()));
        }),
      ping: () => new Promise((resolve, reject) => webSocket.ping((error?: Error) => (error ? reject(error) : resolve()))),
      pause: () => webSocket.pause(),
      resume: () => webSocket.resume(),
      close: () => webSocket.terminate(),
      onBytes: () => undefined,
      onPong: () => undefined,
      onClose: () => undefined,
    };
    webSocket.on('message', (data) => connection.onBytes(bytesOf(data)));
    webSocket.on('pong', () => connection.onPong?.());
    webSocket.on('close', () => connection.onClose(reason));
    return connection;
  };
  webSocket.once('open', () => done(opened));
}

function bytesOf(data: WebSocket.RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
