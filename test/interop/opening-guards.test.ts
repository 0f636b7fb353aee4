/** A defect of ours in a handler of a connection that is just opening at a client: the attempt fails, and the process goes on. */
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../base/clock';
import { createSessionCertificate } from '../../main/msrp/certificate';
import { tcpTransport, tlsTransport } from '../../main/msrp/transports';
import { createConnect } from '../../main/sip/flow/connection';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import { type Network, startNetwork } from '../../network/network';

let lab: LabAuthority;
let network: Network;
beforeAll(async () => {
  lab = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
  network = await startNetwork({ tlsPort: 0, wsPort: 0, wssPort: 0, key: lab.key });
});
afterAll(() => Promise.all([network?.close(), lab?.dispose()]));

const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);
beforeEach(() => {
  uncaught.length = 0;
  process.on('uncaughtException', note);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.off('uncaughtException', note);
});

const defect = (): never => {
  throw new Error('injected');
};
/** What `localAddress` asks. */
const noAddress = () => vi.spyOn(Socket.prototype as Socket & { _getsockname(): object }, '_getsockname').mockImplementation(defect);
/** Node itself looks at a certificate in detail while an authority vouches for it; that is left alone. */
function noCertificate() {
  const real = TLSSocket.prototype.getPeerCertificate;
  return vi.spyOn(TLSSocket.prototype, 'getPeerCertificate').mockImplementation(function (this: TLSSocket, detailed?: boolean) {
    return detailed === true && this.authorizationError == null ? real.call(this, true) : defect();
  });
}
const outcome = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'connected',
    (error: { code?: string; detail?: { cause?: string } }) => [error.code, error.detail?.cause],
  );

describe('a connection to a server', () => {
  it.each([
    ['tcp', () => noAddress()],
    ['ws', () => noAddress()],
    ['tls', () => noCertificate()],
    ['wss', () => noCertificate()],
  ] as const)('over %s', async (transport, inject) => {
    const uri = network.uris[transport] ?? '';
    const port = Number(/:(\d+)/.exec(uri.replace(/^\w+:/, ''))?.[1]);
    const hop = { host: '127.0.0.1', port, transport, names: ['127.0.0.1'], path: '/' };
    const connect = () => createConnect([lab.ca])(hop, systemClock, new AbortController().signal);
    const injected = inject();
    expect(await outcome(connect())).toEqual(['net/unreachable', expect.stringContaining('injected')]);
    expect(injected).toHaveBeenCalled();
    expect(uncaught).toEqual([]);
    vi.restoreAllMocks();
    const connection = await connect();
    connection.close();
  });
});

describe('a connection for media', () => {
  const own = createSessionCertificate(Date.now());
  it.each([
    ['TCP', tcpTransport, () => noAddress()],
    ['TLS', tlsTransport(own), () => noCertificate()],
  ] as const)('over %s', async (_name, transport, inject) => {
    const listener = await transport.listen('127.0.0.1', ({ stream }) => void stream.on('error', () => undefined));
    const connect = () => transport.connect('127.0.0.1', listener.port, new AbortController().signal);
    const injected = inject();
    expect(await outcome(connect())).toEqual(['net/unreachable', expect.stringContaining('injected')]);
    expect(injected).toHaveBeenCalled();
    expect(uncaught).toEqual([]);
    vi.restoreAllMocks();
    const { stream } = await connect();
    stream.destroy();
    listener.close();
  });
});
