/**
 * The entrance for the network's media: an MSRP listener over TCP, one over TLS, and outgoing connections to sides that wait for them. The
 * switch and the relay have one each. No handshake is refused because of a certificate; the session checks the certificate against its SDP
 * (`shows`).
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type Server as TlsServer, connect as tlsConnect } from 'node:tls';
import { parseMsrpUri } from '../../protocol/msrp';
import type { Fingerprint } from '../../protocol/sdp';
import { fingerprintText, isNamedBy, selfSigned } from '../../protocol/self-signed';
import type { MsrpStream } from './connection';

/** LAB: how long a TLS handshake may take, in milliseconds. */
const MEDIA_HANDSHAKE_MS = 10_000;

/** This side's part of a session's SDP. */
export interface MediaPlace {
  host: string;
  port: number;
  scheme: 'msrp' | 'msrps';
  transport: 'TCP/MSRP' | 'TCP/TLS/MSRP';
  /** The fingerprint of this side's certificate; null over TCP. */
  fingerprint: Fingerprint | null;
}

export class MediaDoor {
  readonly #own = newCertificate(Date.now());
  readonly #trust: { ca?: string[] };
  readonly #server: Server;
  readonly #tlsServer: TlsServer;
  #port = 0;
  #securePort = 0;

  constructor(
    readonly host: string,
    onStream: (stream: Socket) => void,
    private readonly onError: (error: Error) => void,
    /** The authorities (PEM) that may vouch for a side. When absent: the authorities that Node trusts. */
    ca?: readonly string[],
  ) {
    const take = (socket: Socket) => this.#take(socket, onStream);
    this.#server = createServer(take);
    this.#trust = ca === undefined ? {} : { ca: [...ca] };
    const { key, cert } = this.#own;
    const options = { key, cert, minVersion: 'TLSv1.2' as const, requestCert: true, rejectUnauthorized: false, ...this.#trust };
    this.#tlsServer = createTlsServer({ ...options, handshakeTimeout: MEDIA_HANDSHAKE_MS }, take);
    // A failed handshake only costs that side its own connection.
    this.#tlsServer.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  get port(): number {
    return this.#port;
  }

  /** Opens both listeners; `port` is the one for TCP. */
  async listen(port = 0): Promise<number> {
    this.#port = await this.#listen(this.#server, port);
    this.#securePort = await this.#listen(this.#tlsServer, 0);
    return this.#port;
  }

  place(isSecure: boolean): MediaPlace {
    const { host } = this;
    return isSecure
      ? { host, port: this.#securePort, scheme: 'msrps', transport: 'TCP/TLS/MSRP', fingerprint: this.#own.fingerprint }
      : { host, port: this.#port, scheme: 'msrp', transport: 'TCP/MSRP', fingerprint: null };
  }

  /** Connects to a side that waits; `onOpen` is called when octets may flow. */
  call(host: string, port: number, isSecure: boolean, onOpen: () => void): Socket {
    if (!isSecure) return connect({ host, port }, onOpen);
    const { key, cert } = this.#own;
    return tlsConnect({ host, port, key, cert, minVersion: 'TLSv1.2', rejectUnauthorized: false, ...this.#trust }, onOpen);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#server, this.#tlsServer].map(
        (server) => new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve())),
      ),
    );
  }

  /** Passes an accepted connection on. One that cannot be used is closed; the listener continues. */
  #take(socket: Socket, onStream: (stream: Socket) => void): void {
    const ignore = () => undefined;
    socket.on('error', ignore);
    try {
      onStream(socket);
    } catch (error) {
      socket.destroy();
      this.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #listen(server: Server | TlsServer, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, this.host, () => {
        server.off('error', reject);
        server.on('error', (error) => this.onError(error));
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }
}

/**
 * Whether the other end of a TLS connection is the one in the SDP: the SDP names its certificate or, if it names none, a trusted authority
 * vouches for it and for the host in `uri`, the first one of the path (RFC 4975 section 14.4).
 */
export function shows(stream: MsrpStream, fingerprints: readonly Fingerprint[], uri: string): boolean {
  if (!(stream instanceof TLSSocket)) return false;
  const certificate = stream.getPeerX509Certificate();
  if (certificate === undefined) return false;
  if (fingerprints.length > 0) return isNamedBy(certificate.raw, fingerprints, hexOf);
  // On an incoming connection `authorized` does not check the name.
  const named = parseMsrpUri(uri);
  return named.ok && stream.authorized && isFor(certificate, named.value.host.replace(/^\[|\]$/g, ''));
}

function isFor(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
}

/** One certificate for all sessions; it is no secret that they belong to the network. */
function newCertificate(now: number): { key: string; cert: string; fingerprint: Fingerprint } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = selfSigned({
    now,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    serial: randomBytes(15),
    sign: (body) => sign('sha256', body, privateKey),
  });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: new X509Certificate(certificate).toString(),
    fingerprint: { hash: 'sha-256', value: fingerprintText(hexOf('sha-256', certificate)) },
  };
}

function hexOf(hash: Fingerprint['hash'], data: Uint8Array): string {
  return createHash(hash.replace('-', '')).update(data).digest('hex');
}
