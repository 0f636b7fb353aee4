import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { createSessionCertificate, isNamedBy } from '../../../main/msrp/certificate';
import type { MsrpTransport } from '../../../main/msrp/connection';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { bindTimeoutMs } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import { MemoryNetwork, ScriptedPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const right = createSessionCertificate(Date.now());
const other = createSessionCertificate(Date.now());
const raw = ({ certificate }: { certificate: string }) => new Uint8Array(new X509Certificate(certificate).raw);

let clock: VirtualClock;
let network: MemoryNetwork;
let endpoint: MsrpEndpoint;
/** What the peer shows in its handshake. */
let shown: { certificate: Uint8Array | null; isAuthorized: boolean };

beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  shown = { certificate: raw(right), isAuthorized: false };
  const secured: MsrpTransport = {
    listen: (host, onStream) => network.listen(host, (stream) => onStream({ ...stream, tls: shown })),
    connect: async (host, port) => ({ ...(await network.connect(host, port)), tls: shown }),
  };
  endpoint = new MsrpEndpoint({ clock, log: silentLogger, transport: network, secureTransport: () => secured });
});

afterEach(async () => {
  endpoint.dispose();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof AppError ? error.code : error),
  );
const binding = { body: null, contentType: null };

describe('a certificate of a session', () => {
  it('is signed by its own key, valid now, named by its fingerprint and by no other, and tells nothing', () => {
    const read = new X509Certificate(right.certificate);
    expect(read.verify(read.publicKey)).toBe(true);
    expect([Date.parse(read.validFrom) < Date.now(), Date.parse(read.validTo) > Date.now()]).toEqual([true, true]);
    expect(right.fingerprint).toEqual({ hash: 'sha-256', value: read.fingerprint256 });
    expect([read.subject, read.issuer]).toEqual(['CN=msrp', 'CN=msrp']);
    expect(isNamedBy(raw(right), [right.fingerprint])).toBe(true);
    expect(isNamedBy(raw(right), [other.fingerprint, { hash: 'sha-512', value: read.fingerprint512 }])).toBe(true);
    expect(isNamedBy(raw(right), [other.fingerprint])).toBe(false);
    expect(isNamedBy(raw(right), [])).toBe(false);
  });

  it('is another one for each session', async () => {
    const [one, two] = [await endpoint.prepare({ secure: true }), await endpoint.prepare({ secure: true })];
    expect(one.fingerprint).not.toEqual(two.fingerprint);
    expect(one.port).not.toBe(two.port);
    expect(one.localPath).toMatch(/^msrps:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32};tcp$/);
    expect((await endpoint.prepare()).fingerprint).toBeNull();
  });
});

describe('over TLS, the passive side', () => {
  it.each(['before start', 'after start'])(
    'turns away with 403 who shows another certificate than the SDP names, %s, and takes the right one',
    async (when) => {
      const session = await endpoint.prepare({ secure: true });
      const start = () => session.start(['msrps://127.0.0.1:9/peer;tcp'], 'passive', { fingerprints: [right.fingerprint] });
      let started = when === 'after start' ? start() : null;
      shown = { certificate: raw(other), isAuthorized: false };
      const wrong = new ScriptedPeer((await network.connect('', session.port)).stream);
      wrong.say(session.localPath, binding);
      await settled();
      started ??= start();
      await settled();
      expect([wrong.responses.map(({ status }) => status), wrong.closed, session.state]).toEqual([[403], true, 'connecting']);
      shown = { certificate: raw(right), isAuthorized: false };
      const good = new ScriptedPeer((await network.connect('', session.port)).stream);
      good.say(session.localPath, binding);
      await started;
      expect(session.state).toBe('established');
    },
  );

  it.each([
    ['no certificate', { certificate: null, isAuthorized: false }],
    ['one that an authority vouches for, but the SDP does not', { certificate: raw(other), isAuthorized: true }],
  ])('is never bound by a peer with %s', async (_what, tls) => {
    const session = await endpoint.prepare({ secure: true });
    const started = failure(session.start(['msrps://127.0.0.1:9/peer;tcp'], 'passive', { fingerprints: [right.fingerprint] }));
    shown = tls;
    const peer = new ScriptedPeer((await network.connect('', session.port)).stream);
    peer.say(session.localPath, binding);
    await settled();
    expect(peer.responses.map(({ status }) => status)).toEqual([403]);
    await clock.advance(bindTimeoutMs);
    expect(await started).toBe('net/timeout');
  });

  it('where the SDP names no certificate, is not bound by one that an authority vouches for under another name', async () => {
    const session = await endpoint.prepare({ secure: true });
    const started = failure(session.start(['msrps://relay.lab.test:9/peer;tcp', 'msrps://127.0.0.1:9/peer;tcp'], 'passive'));
    shown = { certificate: raw(right), isAuthorized: true };
    const peer = new ScriptedPeer((await network.connect('', session.port)).stream);
    peer.say(session.localPath, binding);
    await settled();
    expect(peer.responses.map(({ status }) => status)).toEqual([403]);
    await clock.advance(bindTimeoutMs);
    expect(await started).toBe('net/timeout');
  });

  it('is not bound over plain TCP', async () => {
    const [session, plain] = [await endpoint.prepare({ secure: true }), await endpoint.prepare()];
    const started = failure(session.start(['msrps://127.0.0.1:9/peer;tcp'], 'passive', { fingerprints: [right.fingerprint] }));
    const peer = new ScriptedPeer((await network.connect('', plain.port)).stream);
    peer.say(session.localPath, binding);
    await settled();
    expect([peer.responses.map(({ status }) => status), session.state]).toEqual([[403], 'connecting']);
    session.close();
    expect(await started).toBe('msrp/closed');
  });
});

describe('over TLS, the active side', () => {
  async function called(path: (port: number) => string, fingerprints: Parameters<typeof isNamedBy>[1]) {
    const peers: ScriptedPeer[] = [];
    const { port } = await network.listen('', ({ stream }) => {
      const peer = new ScriptedPeer(stream);
      peer.obliging = true;
      peers.push(peer);
    });
    const session = await endpoint.prepare({ secure: true });
    const outcome = await failure(session.start([path(port)], 'active', { fingerprints }));
    await settled();
    return { outcome, heard: peers.flatMap((peer) => peer.heard).length, closed: peers.every((peer) => peer.closed), state: session.state };
  }
  const secure = (port: number) => `msrps://127.0.0.1:${port}/peer;tcp`;

  it('binds to the peer with the certificate named in the SDP', async () => {
    expect(await called(secure, [right.fingerprint])).toMatchObject({ outcome: null, heard: 1, state: 'established' });
  });

  it.each([
    ['another certificate', [other.fingerprint], false],
    ['no fingerprint in its SDP and no authority behind it', [], false],
    ['another certificate that an authority vouches for', [other.fingerprint], true],
  ])('sends nothing to who has %s', async (_what, fingerprints, isAuthorized) => {
    shown = { ...shown, isAuthorized };
    expect(await called(secure, fingerprints)).toEqual({ outcome: 'net/untrusted', heard: 0, closed: true, state: 'closed' });
  });

  it('accepts a certificate from an authority when the SDP names no fingerprint', async () => {
    shown = { ...shown, isAuthorized: true };
    expect(await called(secure, [])).toMatchObject({ outcome: null, state: 'established' });
  });

  it('does not follow a path that does without TLS', async () => {
    const outcome = await called((port) => secure(port).replace('msrps', 'msrp'), [right.fingerprint]);
    expect(outcome).toMatchObject({ outcome: 'net/untrusted', heard: 0, state: 'closed' });
  });
});
