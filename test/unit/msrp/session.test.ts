import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../../base/log';
import { MsrpEndpoint, maximumUnboundConnections } from '../../../main/msrp/endpoint';
import { bindTimeoutMs, connectTimeoutMs, type MsrpSession } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import type { WireMessage } from '../../../protocol/wire-record';
import { MemoryNetwork, ScriptedPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let clock: VirtualClock;
let network: MemoryNetwork;
let endpoint: MsrpEndpoint;
let warnings: string[];
let trace: WireMessage[];

beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  warnings = [];
  trace = [];
  const note = (text: string) => void warnings.push(text);
  const log: Logger = { ...silentLogger, warn: note, error: note };
  endpoint = new MsrpEndpoint({ clock, log, transport: network, tap: (record) => trace.push(record) });
});

afterEach(async () => {
  endpoint.dispose();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof AppError ? { code: error.code, status: error.detail.status } : error),
  );

/** A peer that listens, for our active role. */
async function listeningPeer(): Promise<{ path: string; peers: ScriptedPeer[] }> {
  const peers: ScriptedPeer[] = [];
  const { port } = await network.listen('', (stream) => peers.push(new ScriptedPeer(stream.stream)));
  return { path: `msrp://127.0.0.1:${port}/peer;tcp`, peers };
}

/** A peer that connects, for our passive role. */
async function connectedPeer(session: MsrpSession): Promise<ScriptedPeer> {
  return new ScriptedPeer((await network.connect('', session.port)).stream);
}

async function passive(): Promise<{ session: MsrpSession; peer: ScriptedPeer; got: string[] }> {
  const session = await endpoint.prepare();
  const got: string[] = [];
  session.handleMessage = async (message) => void got.push(message.messageId);
  const started = session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
  const peer = await connectedPeer(session);
  peer.say(session.localPath, { body: null, contentType: null, messageId: 'bind' });
  await started;
  await settled();
  return { session, peer, got };
}

describe('a nickname', () => {
  it('is asked for by NICKNAME (RFC 7701), and resolves with 200', async () => {
    const { session, peer } = await passive();
    const asked = session.nickname('Alice "the" great');
    await settled();
    const request = peer.requests.at(-1);
    expect(request).toMatchObject({ method: 'NICKNAME', fromPath: [session.localPath], messageId: null, body: null });
    expect(request?.headers).toEqual([['Use-Nickname', '"Alice \\"the\\" great"']]);
    if (request) peer.answer(request);
    await asked;
  });

  it('is refused with the status of the peer, lost with the connection, and waited for no longer than an answer may take', async () => {
    const { session, peer } = await passive();
    const refused = failure(session.nickname('Bob'));
    await settled();
    const request = peer.requests.at(-1);
    if (request) peer.answer(request, 425);
    expect(await refused).toEqual({ code: 'msrp/rejected', status: 425 });
    const late = failure(session.nickname('Bob'));
    await clock.advance(30_000);
    expect(await late).toMatchObject({ code: 'net/timeout' });
    const lost = failure(session.nickname('Bob'));
    session.close();
    await settled();
    expect(await lost).toMatchObject({ code: 'msrp/closed' });
    expect(await failure(session.nickname('Bob'))).toMatchObject({ code: 'msrp/closed' });
  });
});

describe('the active side', () => {
  it('connects to the path, binds with a SEND that has no content, and is established by its 200', async () => {
    const { path, peers } = await listeningPeer();
    const session = await endpoint.prepare();
    const states: string[] = [];
    session.onState.on((state) => states.push(state));
    const started = session.start([path], 'active');
    await settled();
    const [bind] = peers[0]?.requests ?? [];
    expect(bind).toMatchObject({
      method: 'SEND',
      toPath: [path],
      fromPath: [session.localPath],
      body: null,
      contentType: null,
      byteRange: null,
    });
    expect(session.state).toBe('connecting');
    if (bind) peers[0]?.answer(bind);
    await started;
    expect([session.state, states]).toEqual(['established', ['connecting', 'established']]);
  });

  it('has a path with its own host and port and a session id that differs each time', async () => {
    const [one, two] = [await endpoint.prepare(), await endpoint.prepare()];
    expect(one.localPath).toMatch(new RegExp(`^msrp://127\\.0\\.0\\.1:${one.port}/[0-9a-f]{32};tcp$`));
    expect(two.port).toBe(one.port);
    expect(two.localPath).not.toBe(one.localPath);
  });

  it.each([481, 403, 506])('that is answered %i fails with msrp/rejected and is closed', async (status) => {
    const { path, peers } = await listeningPeer();
    const session = await endpoint.prepare();
    const started = failure(session.start([path], 'active'));
    await settled();
    const [bind] = peers[0]?.requests ?? [];
    if (bind) peers[0]?.answer(bind, status);
    expect(await started).toEqual({ code: 'msrp/rejected', status });
    expect(session.state).toBe('closed');
    await settled();
    expect(peers[0]?.closed).toBe(true);
  });

  it('that nobody answers fails with net/timeout after the response timer', async () => {
    const { path } = await listeningPeer();
    const session = await endpoint.prepare();
    const started = failure(session.start([path], 'active'));
    await clock.advance(29_999);
    expect(session.state).toBe('connecting');
    await clock.advance(1);
    expect(await started).toMatchObject({ code: 'net/timeout' });
    expect(session.state).toBe('closed');
  });

  it('that reaches nobody, or no host in time, or is given no path, fails with net/unreachable', async () => {
    const session = await endpoint.prepare();
    expect(await failure(session.start(['msrp://127.0.0.1:1/peer;tcp'], 'active'))).toMatchObject({ code: 'net/unreachable' });
    const wrong = await endpoint.prepare();
    expect(await failure(wrong.start(['sip:bob@lab.test'], 'active'))).toMatchObject({ code: 'net/unreachable' });

    const silent = new MsrpEndpoint({
      clock,
      log: silentLogger,
      transport: {
        listen: (host, onStream) => network.listen(host, onStream),
        connect: (_host, _port, signal) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new AppError('net/unreachable')))),
      },
    });
    const waiting = await silent.prepare();
    const started = failure(waiting.start(['msrp://192.0.2.1:1/peer;tcp'], 'active'));
    await clock.advance(connectTimeoutMs);
    expect(await started).toMatchObject({ code: 'net/unreachable' });
    silent.dispose();
  });

  it('calls a peer that knows CEMA where its c= and m= lines point, and still names its path (RFC 6714)', async () => {
    const { path, peers } = await listeningPeer();
    const port = Number(/:(\d+)\//.exec(path)?.[1]);
    const session = await endpoint.prepare();
    const behind = 'msrp://10.9.8.7:4000/peer;tcp';
    const started = session.start([behind], 'active', { address: { host: '127.0.0.1', port } });
    await settled();
    const bind = peers[0]?.requests[0] ?? expect.fail('a SEND at the address');
    expect(bind.toPath).toEqual([behind]);
    peers[0]?.answer(bind);
    await started;
    expect(session.state).toBe('established');
  });

  it('closed while it connects fails with msrp/closed and leaves no connection', async () => {
    const { path, peers } = await listeningPeer();
    const session = await endpoint.prepare();
    const started = failure(session.start([path], 'active'));
    session.close();
    expect(await started).toMatchObject({ code: 'msrp/closed' });
    await settled();
    expect(peers.every((peer) => peer.closed)).toBe(true);
    expect(await failure(session.start([path], 'active'))).toMatchObject({ code: 'msrp/closed' });
  });

  it('answers 506 to a peer that connects as well', async () => {
    const { path } = await listeningPeer();
    const session = await endpoint.prepare();
    const early = await connectedPeer(session);
    early.say(session.localPath, { messageId: 'early' });
    await settled();
    void failure(session.start([path], 'active'));
    await settled();
    early.say(session.localPath, { messageId: 'late' });
    await settled();
    expect(early.responses.map((response) => response.status)).toEqual([506, 506]);
    await clock.advance(bindTimeoutMs);
    expect(early.closed).toBe(true);
  });
});

describe('the passive side', () => {
  it('is established by the first request for its session, and answers it', async () => {
    const { session, peer } = await passive();
    expect(session.state).toBe('established');
    expect(peer.responses).toMatchObject([{ status: 200, toPath: [peer.path], fromPath: [session.localPath] }]);
  });

  it('that nobody binds fails with net/timeout', async () => {
    const session = await endpoint.prepare();
    const started = failure(session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive'));
    await clock.advance(bindTimeoutMs);
    expect(await started).toMatchObject({ code: 'net/timeout' });
    expect(session.state).toBe('closed');
  });

  it('keeps what a faster peer sent before start, unanswered and in order, and takes it at start', async () => {
    const session = await endpoint.prepare();
    const got: string[] = [];
    session.handleMessage = async (message) => void got.push(message.messageId);
    const peer = await connectedPeer(session);
    for (const messageId of ['one', 'two', 'three']) peer.say(session.localPath, { messageId });
    await settled();
    expect([got, peer.heard, session.state]).toEqual([[], [], 'prepared']);
    await session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    await settled();
    expect(got).toEqual(['one', 'two', 'three']);
    expect(peer.responses.map((response) => response.status)).toEqual([200, 200, 200]);
    const sent = session.send({ contentType: 'text/plain', body: new Uint8Array(3) });
    await settled();
    peer.answer(peer.requests[0] ?? expect.fail('nothing was sent'));
    await sent;
  });

  it('lets a peer come again that went away before start', async () => {
    const session = await endpoint.prepare();
    const first = await connectedPeer(session);
    first.say(session.localPath);
    await settled();
    first.destroy();
    await settled();
    const started = session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    (await connectedPeer(session)).say(session.localPath, { body: null, contentType: null });
    await started;
    expect(session.state).toBe('established');
  });

  it('answers 506 to a second connection and keeps the first', async () => {
    const { session, peer, got } = await passive();
    const second = await connectedPeer(session);
    second.say(session.localPath, { messageId: 'intruder' });
    peer.say(session.localPath, { messageId: 'mine' });
    await settled();
    expect(second.responses.map((response) => response.status)).toEqual([506]);
    expect(got).toEqual(['mine']);
  });

  it('shares a connection with another session that the peer puts on it', async () => {
    const { session, peer, got } = await passive();
    const other = await endpoint.prepare();
    const started = other.start(['msrp://127.0.0.1:9/other;tcp'], 'passive');
    peer.say(other.localPath, { body: null, contentType: null });
    await started;
    other.close();
    await settled();
    peer.say(session.localPath, { messageId: 'still-here' });
    peer.say(other.localPath, { messageId: 'gone' });
    await settled();
    expect(got).toEqual(['still-here']);
    expect(peer.responses.map((response) => response.status)).toEqual([200, 200, 200, 481]);
    session.close();
    await settled();
    expect(peer.closed).toBe(true);
  });
});

describe('a request that cannot be served', () => {
  it('for no session is answered 481, of no known method 501, and the session goes on', async () => {
    const { session, peer, got } = await passive();
    peer.say('msrp://127.0.0.1:1/nobody;tcp', { transactionId: 'nobody' });
    peer.say(session.localPath, { transactionId: 'dance', method: 'DANCE' });
    peer.say(session.localPath, { messageId: 'fine' });
    await settled();
    const answers = Object.fromEntries(peer.responses.map((response) => [response.transactionId, response.status]));
    expect(answers).toMatchObject({ nobody: 481, dance: 501 });
    expect(got).toEqual(['fine']);
  });

  it.each([
    ['has no Message-ID', { messageId: null }],
    ['has more than its range', { byteRange: { start: 1, end: 3, total: 9 }, continuation: '+' as const }],
    ['has more than its range at its end', { byteRange: { start: 3, end: 4, total: 9 } }],
    ['ends before its total', { byteRange: { start: 3, end: 7, total: 9 } }],
    ['goes past its total', { byteRange: { start: 1, end: null, total: 4 }, continuation: '+' as const }],
  ])('is answered 400 when it %s', async (_what, change) => {
    const { session, peer, got } = await passive();
    peer.say(session.localPath, change);
    await settled();
    expect(peer.responses.map((response) => response.status)).toEqual([200, 400]);
    expect(got).toEqual([]);
  });

  it('is no MSRP at all: the session closes with a word in the log, and what came before it counts', async () => {
    const { session, peer, got } = await passive();
    const pending = failure(session.send({ contentType: 'text/plain', body: new Uint8Array(9) }));
    peer.write(Buffer.concat([peer.encode(session.localPath, { messageId: 'good' }), Buffer.from('GET / HTTP/1.1\r\n\r\n')]));
    await settled();
    expect(session.state).toBe('closed');
    expect(await pending).toMatchObject({ code: 'msrp/closed' });
    expect(peer.closed).toBe(true);
    expect(got).toEqual(['good']);
    expect(warnings).toEqual(['malformed MSRP from the peer']);
  });
});

describe('the endpoint', () => {
  it('closes a connection that nobody binds, and refuses too many of them', async () => {
    const session = await endpoint.prepare();
    const peers: ScriptedPeer[] = [];
    for (let index = 0; index < maximumUnboundConnections + 3; index += 1) peers.push(await connectedPeer(session));
    await settled();
    expect(peers.filter((peer) => peer.closed)).toHaveLength(3);
    await clock.advance(bindTimeoutMs);
    expect(peers.every((peer) => peer.closed)).toBe(true);
    const late = await connectedPeer(session);
    await settled();
    expect(late.closed).toBe(false);
  });

  it('disposed, closes its sessions and fails what they were sending', async () => {
    const { session, peer } = await passive();
    const pending = failure(session.send({ contentType: 'text/plain', body: new Uint8Array(9) }));
    endpoint.dispose();
    endpoint.dispose();
    expect(await pending).toMatchObject({ code: 'msrp/closed' });
    expect(await failure(session.send({ contentType: 'text/plain', body: new Uint8Array(9) }))).toMatchObject({ code: 'msrp/closed' });
    expect(await failure(endpoint.prepare())).toMatchObject({ code: 'msrp/closed' });
    await settled();
    expect(peer.closed).toBe(true);
    expect(session.state).toBe('closed');
  });

  it('gives the trace every message byte for byte, however the stream was cut', async () => {
    const session = await endpoint.prepare();
    session.handleMessage = async () => {};
    const started = session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    const peer = await connectedPeer(session);
    const body = new Uint8Array(300).map((_, index) => index);
    const said = [
      peer.encode(session.localPath, { body: null, contentType: null }),
      peer.encode(session.localPath, { body }),
      peer.encode(session.localPath, { method: 'REPORT', body: null, contentType: null, status: { code: 200, reason: 'OK' } }),
      peer.encode(session.localPath, { body: new Uint8Array() }),
    ];
    const whole = Buffer.concat(said);
    for (let at = 0; at < whole.length; at += 7) peer.write(whole.subarray(at, at + 7));
    await started;
    await settled(100);
    const incoming = trace.filter((record) => record.direction === 'in');
    expect(incoming.map((record) => Buffer.from(record.bytes))).toEqual(said.map((bytes) => Buffer.from(bytes)));
    expect(Buffer.concat(trace.filter((record) => record.direction === 'out').map((record) => record.bytes))).toEqual(peer.bytes);
    expect(incoming[0]).toMatchObject({ protocol: 'msrp', transport: 'tcp', local: `127.0.0.1:${session.port}` });
  });
});
