/**
 * MSRP over TCP (RFC 4975 section 5.4) and over TLS (section 14.4). Over TLS both sides present a certificate. The session checks it later
 * against the SDP, which a connection does not know; so no handshake is refused because of its certificate.
 */
import { connect as connectTcp, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls';
import { AppError } from '../../preload/contract/errors';
import type { SessionCertificate } from './certificate';
import type { MsrpStream, MsrpTransport } from './connection';

/** How long a handshake may take. The next constant limits the connections of a TLS listener, which serves one session. */
const handshakeTimeoutMs = 10_000;
const maximumConnections = 8;

const lively = { noDelay: true, keepAlive: true };

export const tcpTransport: MsrpTransport = {
  listen: (host, onStream) =>
    listening(
      createServer(lively, (socket) => take(socket, onStream)),
      host,
    ),
  connect: (host, port, signal) => connected(() => connectTcp({ host, port, ...lively }), 'connect', `${host}:${port}`, signal),
};

/**
 * Presents `certificate`. `ca`: the authorities (PEM) that may vouch for a peer without a fingerprint. When absent: the authorities that
 * Node trusts.
 */
export function tlsTransport({ key, certificate }: SessionCertificate, ca?: readonly string[]): MsrpTransport {
  const trust = ca === undefined ? {} : { ca: [...ca] };
  const own = { key, cert: certificate, minVersion: 'TLSv1.2' as const, rejectUnauthorized: false, ...trust };
  return {
    listen(host, onStream) {
      const server = createTlsServer({ ...own, requestCert: true, handshakeTimeout: handshakeTimeoutMs, ...lively });
      server.maxConnections = maximumConnections;
      server.on('secureConnection', (socket) => take(socket, onStream));
      // A failed handshake only costs the peer its own connection.
      server.on('tlsClientError', (_error, socket) => socket.destroy());
      return listening(server, host);
    },
    connect: (host, port, signal) => {
      const name = isIP(host) === 0 ? { servername: host } : {};
      return connected(() => connectTls({ ...own, host, port, ...name }), 'secureConnect', `${host}:${port}`, signal);
    },
  };
}

/** Passes an accepted connection on. One that cannot be used is closed; the listener continues. */
function take(socket: Socket, onStream: (stream: MsrpStream) => void): void {
  const ignore = () => undefined;
  socket.on('error', ignore);
  try {
    onStream(streamOf(socket));
    // The connection has its own error listener now.
    if (socket.listenerCount('error') > 1) socket.off('error', ignore);
  } catch {
    socket.destroy();
  }
}

function listening(server: Server, host: string): Promise<{ port: number; close(): void }> {
  return new Promise((resolve, reject) => {
    // This listener stays as long as the server: a later failed accept must not end the process.
    server.on('error', (error) => reject(new AppError('net/unreachable', { cause: `cannot listen on ${host}: ${error.message}` }, 'auto')));
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new AppError('internal', { cause: 'the listener has no port' }));
      else resolve({ port: address.port, close: () => void server.close() });
    });
  });
}

function connected(open: () => Socket, ready: 'connect' | 'secureConnect', place: string, signal: AbortSignal): Promise<MsrpStream> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new AppError('net/unreachable', { cause: 'given up' }, 'auto'));
    const socket = open();
    const fail = (cause: string) => {
      socket.destroy();
      reject(new AppError('net/unreachable', { cause }, 'auto'));
    };
    const abort = () => fail(`no connection to ${place} in time`);
    const onError = (error: Error) => fail(error.message);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', onError);
    socket.once(ready, () => {
      signal.removeEventListener('abort', abort);
      try {
        socket.setNoDelay(true).setKeepAlive(true);
        resolve(streamOf(socket));
      } catch (error) {
        // A defect of ours costs this connection, and not the process.
        return fail(String(error));
      }
      // The connection listens for errors from the next microtask on; until then this listener takes its place.
      setImmediate(() => socket.off('error', onError));
    });
  });
}

function streamOf(socket: Socket): MsrpStream {
  const wire = {
    stream: socket,
    local: `${socket.localAddress}:${socket.localPort}`,
    remote: `${socket.remoteAddress}:${socket.remotePort}`,
  };
  if (!(socket instanceof TLSSocket)) return wire;
  const peer: { raw?: Uint8Array } = socket.getPeerCertificate(true);
  const problem = socket.authorized ? {} : { problem: String(socket.authorizationError) };
  return { ...wire, tls: { certificate: peer.raw ?? null, isAuthorized: socket.authorized, ...problem } };
}
