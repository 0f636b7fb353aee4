/**
 * MSRP over TLS (RFC 4975 section 14.4). Both sides show a certificate; whether it is the right one is asked later, by the session, since
 * what vouches for it stands in the SDP, which a connection knows nothing of: so none is turned away here.
 */
import { isIP } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { AppError } from '../errors';
import type { SessionCertificate } from './certificate';
import type { MsrpStream, MsrpTransport } from './connection';

/** How long a handshake may take, and how many connections may be in one or open at a listener, which serves one session. */
const handshakeTimeoutMs = 10_000;
const maximumConnections = 8;

/** Shows `certificate`. `ca`: the authorities (PEM) that may vouch for a peer without a fingerprint; those that Node trusts when absent. */
export function tlsTransport({ key, certificate }: SessionCertificate, ca?: readonly string[]): MsrpTransport {
  const own = {
    key,
    cert: certificate,
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  };
  return {
    listen(host, onStream) {
      return new Promise((resolve, reject) => {
        const server = createServer({ ...own, requestCert: true, handshakeTimeout: handshakeTimeoutMs, noDelay: true, keepAlive: true });
        server.maxConnections = maximumConnections;
        server.on('secureConnection', (socket) => {
          // The connection listens for errors from its making on.
          onStream(streamOf(socket));
        });
        // Who fails the handshake has only lost its own connection.
        server.on('tlsClientError', (_error, socket) => socket.destroy());
        server.once('error', (error) =>
          reject(new AppError('net/unreachable', { cause: `cannot listen on ${host}: ${error.message}` }, 'auto')),
        );
        server.listen({ host, port: 0 }, () => {
          const address = server.address();
          if (address === null || typeof address === 'string') reject(new AppError('internal', { cause: 'the listener has no port' }));
          else resolve({ port: address.port, close: () => void server.close() });
        });
      });
    },

    connect(host, port, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(new AppError('net/unreachable', { cause: 'given up' }, 'auto'));
        const socket = connect({ ...own, host, port, ...(isIP(host) === 0 ? { servername: host } : {}) });
        const fail = (cause: string) => {
          socket.destroy();
          reject(new AppError('net/unreachable', { cause }, 'auto'));
        };
        const abort = () => fail(`no connection to ${host}:${port} in time`);
        const onError = (error: Error) => fail(error.message);
        signal.addEventListener('abort', abort, { once: true });
        socket.on('error', onError);
        socket.once('secureConnect', () => {
          signal.removeEventListener('abort', abort);
          socket.setNoDelay(true).setKeepAlive(true);
          resolve(streamOf(socket));
          // As in tcpTransport: the connection listens from the next microtask on.
          setImmediate(() => socket.off('error', onError));
        });
      });
    },
  };
}

function streamOf(socket: TLSSocket): MsrpStream {
  const peer: { raw?: Uint8Array } = socket.getPeerCertificate(true);
  return {
    stream: socket,
    local: `${socket.localAddress}:${socket.localPort}`,
    remote: `${socket.remoteAddress}:${socket.remotePort}`,
    tls: { certificate: peer.raw ?? null, isAuthorized: socket.authorized },
  };
}
