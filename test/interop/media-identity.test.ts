/**
 * The network's media over real TLS: the switch of groups and the relay of 1-1 sessions hear nobody, and tell nobody anything, whose certificate is
 * not the one in the SDP (RFC 4975 section 14.4, RFC 8122).
 */
import { once } from 'node:events';
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSessionCertificate } from '../../main/msrp/certificate';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import type { MediaPlace } from '../../network/msrp/door';
import { MediaRelay } from '../../network/msrp/relay';
import { MsrpSwitch } from '../../network/msrp/switch';
import { encodeMsrp } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import { encodeSdp, type Fingerprint, parseSdp } from '../../protocol/sdp';
import type { WireTap } from '../../protocol/wire-record';
import { stir, until } from '../support/waiting';

let lab: LabAuthority;
/** One that the network does not trust, for the same host. */
let unknown: LabAuthority;
beforeAll(async () => {
  const here = { domain: 'lab.test', address: '127.0.0.1' };
  [lab, unknown] = await Promise.all([createLabAuthority(here), createLabAuthority(here)]);
});
afterAll(() => Promise.all([lab?.dispose(), unknown?.dispose()]));

type Named = Pick<LabAuthority['key'], 'key' | 'certificate'>;
const own = createSessionCertificate(Date.now());
const strange = createSessionCertificate(Date.now());

/** One session at the switch, or one side of a session at the relay, as the SDP of its peer describes it. */
interface Side {
  readonly place: MediaPlace;
  readonly uri: string;
  /** What the peer's SDP says. `waits`: the peer waits, and is called. */
  describe(path: string[], fingerprints: readonly Fingerprint[], waits: boolean): void;
  readonly isBound: boolean;
  readonly isOver: boolean;
  /** Messages that have come in. */
  readonly came: number;
}

const closers: (() => unknown)[] = [];
afterEach(() => Promise.all(closers.splice(0).map((close) => close())));

/** Counts what comes in at a carrier, and wakes whoever waits. */
function counter() {
  let count = 0;
  const tap: WireTap = ({ direction }) => {
    if (direction === 'in') count += 1;
    stir();
  };
  return { tap, count: () => count };
}

async function atSwitch(): Promise<Side> {
  const { tap, count } = counter();
  const media = new MsrpSwitch({ host: '127.0.0.1', ca: [lab.ca], tap });
  closers.push(() => media.close());
  await media.listen();
  let isOver = false;
  const ended = () => {
    isOver = true;
    stir();
  };
  const nothing = () => ({ status: 200, reason: 'OK' });
  const session = media.prepare({ onMessage: nothing, onNickname: nothing, onClose: ended }, { isSecure: true });
  return {
    place: session.place,
    uri: session.localPath,
    describe: (path, fingerprints, waits) => session.start(path, waits ? 'active' : 'passive', description(path, fingerprints)),
    get isBound() {
      return session.state === 'bound';
    },
    get isOver() {
      return isOver;
    },
    get came() {
      return count();
    },
  };
}

async function atRelay(): Promise<Side> {
  const { tap, count } = counter();
  const media = new MediaRelay({ host: '127.0.0.1', ca: [lab.ca], tap });
  closers.push(() => media.close());
  await media.listen();
  let isOver = false;
  const ended = () => {
    isOver = true;
    stir();
  };
  const pair = media.pair({ onClose: ended }, true);
  if (pair === null) throw new Error('the relay is full');
  return {
    place: pair.caller.place,
    uri: pair.caller.localPath,
    describe: (path, fingerprints, waits) => pair.caller.expect(path, waits, fingerprints),
    get isBound() {
      return pair.caller.connection !== null;
    },
    get isOver() {
      return isOver;
    },
    get came() {
      return count();
    },
  };
}

function description(path: string[], fingerprints: readonly Fingerprint[]) {
  const attributes = fingerprints.map(({ hash, value }) => ['fingerprint', `${hash} ${value}`] as const);
  const read = parseSdp(
    encodeSdp({
      ...{ host: '127.0.0.1', port: 9, path, setup: null, acceptTypes: ['*'], wrappedTypes: [], direction: 'sendrecv' },
      ...{ sessionId: '1', version: 1, transport: 'TCP/TLS/MSRP', attributes },
    }),
  );
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

/** Connects as a peer with this certificate, or none, and says hello to the session. Resolves to what it hears: nothing, while its session waits. */
async function hello({ place, uri }: Side, peer: string, shown: Named | null): Promise<{ statuses: number[]; isClosed: () => boolean }> {
  const socket: TLSSocket = tlsConnect({
    ...{ host: place.host, port: place.port, rejectUnauthorized: false },
    ...(shown === null ? {} : { key: shown.key, cert: shown.certificate }),
  });
  closers.push(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('close', stir);
  await once(socket, 'secureConnect');
  const parser = new MsrpParser();
  const statuses: number[] = [];
  socket.on('data', (bytes: Uint8Array) => {
    const messages = parser.push(bytes);
    for (const message of messages.ok ? messages.value : []) if (message.kind === 'response') statuses.push(message.status);
    stir();
  });
  const about = { headers: [], messageId: 'm1', byteRange: null, contentType: null, status: null, body: null };
  const way = { toPath: [uri], fromPath: [peer], successReport: false, failureReport: 'yes' as const, continuation: '$' as const };
  socket.write(encodeMsrp({ kind: 'request', transactionId: 'hello0001', method: 'SEND', ...about, ...way }));
  return { statuses, isClosed: () => socket.destroyed };
}

/** Waits until the session has taken the peer, or refused it and closed its connection. */
async function isTaken(side: Side, { statuses, isClosed }: Awaited<ReturnType<typeof hello>>): Promise<boolean> {
  await until('the peer is taken or refused', () => side.isBound || isClosed());
  if (!side.isBound) expect(statuses).toEqual([403]);
  return side.isBound;
}

describe.each([
  ['the switch', atSwitch],
  ['the relay', atRelay],
] as const)('%s', (_name, start) => {
  const peer = 'msrps://127.0.0.1:9/peer;tcp';

  it.each<[string, () => Named | null, () => Fingerprint[], boolean]>([
    ['the one that the SDP names', () => own, () => [own.fingerprint], true],
    ['another one', () => strange, () => [own.fingerprint], false],
    ['none', () => null, () => [own.fingerprint], false],
    ['one that an authority has signed, but not the one that the SDP names', () => lab.key, () => [own.fingerprint], false],
    ['one that an authority has signed, where the SDP names none', () => lab.key, () => [], true],
    ['one that an unknown authority has signed, where the SDP names none', () => unknown.key, () => [], false],
    ['one that nobody has signed, where the SDP names none', () => own, () => [], false],
  ])('a peer that connects and shows %s', async (_what, shown, fingerprints, isHeard) => {
    const side = await start();
    side.describe([peer], fingerprints(), false);
    expect(await isTaken(side, await hello(side, peer, shown()))).toBe(isHeard);
  });

  it('a certificate that was signed for another host is not believed, where the SDP names none', async () => {
    const side = await start();
    const elsewhere = 'msrps://127.0.0.2:9/peer;tcp';
    side.describe([elsewhere], [], false);
    expect(await isTaken(side, await hello(side, elsewhere, lab.key))).toBe(false);
  });

  it.each([
    ['the right one, is heard then', () => own, true],
    ['another one, is not', () => strange, false],
  ] as const)('a peer that comes before its SDP is known, and is %s', async (_what, shown, isHeard) => {
    const side = await start();
    const heard = await hello(side, peer, shown());
    await until('it has come', () => side.came > 0);
    expect([side.isBound, heard.statuses]).toEqual([false, []]);
    side.describe([peer], [own.fingerprint], false);
    expect(await isTaken(side, heard)).toBe(isHeard);
  });

  it('the right peer is heard after a wrong one was refused', async () => {
    const side = await start();
    side.describe([peer], [own.fingerprint], false);
    expect(await isTaken(side, await hello(side, peer, strange))).toBe(false);
    expect(await isTaken(side, await hello(side, peer, own))).toBe(true);
  });

  it.each([
    ['the one that the SDP names', () => [own.fingerprint], true],
    ['another one', () => [strange.fingerprint], false],
    ['one that nobody has signed, where the SDP names none', () => [], false],
  ] as const)('a peer that is called and shows %s', async (_what, fingerprints, isHeard) => {
    const side = await start();
    let heard = 0;
    const server = createServer({ key: own.key, cert: own.certificate }, (socket: TLSSocket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.length;
        stir();
      });
    });
    closers.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    side.describe([`msrps://127.0.0.1:${port}/peer;tcp`], fingerprints(), true);
    await until('it is believed or not', () => side.isOver || side.isBound);
    expect([side.isBound && !side.isOver, side.isOver]).toEqual([isHeard, !isHeard]);
    // The switch says hello itself; the relay only hands on.
    if (!isHeard) expect(heard).toBe(0);
  });
});
