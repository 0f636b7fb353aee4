/** A session behind an MSRP relay (RFC 4976), in virtual time. The relay is a script. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { responseTimeoutMs } from '../../../main/msrp/outgoing';
import { defaultPathSeconds, refreshShare, relayTimeoutMs } from '../../../main/msrp/relay';
import { firstProbeMs } from '../../../main/msrp/relay-health';
import { bindTimeoutMs, type MsrpSession } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import { digestResponse, formatChallenge, parseAuthorization } from '../../../protocol/digest';
import { encodeMsrp, type MsrpRequest, msrpHeader } from '../../../protocol/msrp';
import { MemoryNetwork, ScriptedPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let clock: VirtualClock;
let network: MemoryNetwork;
let endpoint: MsrpEndpoint;
let relayUri: string;
/** The relay's ends of the connections to it. */
let relays: ScriptedPeer[];

const givenPath = 'msrp://127.0.0.1:2855/path-1;tcp';
const peerPath = 'msrp://127.0.0.1:9/peer;tcp';
const challenge = {
  realm: 'lab.test',
  nonce: 'n1',
  opaque: null,
  algorithm: 'MD5',
  algorithmGiven: true,
  qop: ['auth' as const],
  stale: false,
};

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  relays = [];
  const { port } = await network.listen('', ({ stream }) => relays.push(new ScriptedPeer(stream, givenPath)));
  relayUri = `msrp://127.0.0.1:${port};tcp`;
  endpoint = new MsrpEndpoint({
    clock,
    log: silentLogger,
    transport: network,
    relay: { uris: [relayUri], username: 'alice', password: 'secret', minAlgorithm: 'MD5' },
  });
});

afterEach(async () => {
  endpoint.dispose();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const authsAt = (relay: ScriptedPeer | undefined) => (relay?.requests ?? []).filter(({ method }) => method === 'AUTH');
const sendsAt = (relay: ScriptedPeer | undefined) => (relay?.requests ?? []).filter(({ method }) => method === 'SEND');

function answer(relay: ScriptedPeer | undefined, status: number, headers: [string, string][]): void {
  const request = authsAt(relay).at(-1);
  if (relay === undefined || request === undefined) throw new Error('no AUTH has come');
  const { transactionId, toPath, fromPath } = request;
  relay.write(
    encodeMsrp({ kind: 'response', transactionId, status, reason: '', toPath: fromPath, fromPath: toPath, headers, continuation: '$' }),
  );
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) =>
      error instanceof AppError ? { code: error.code, retry: error.retry, status: error.detail.status, relay: error.detail.relay } : error,
  );

/** A session whose path the relay has given at once. */
async function prepared(expires: number | null = 600): Promise<{ session: MsrpSession; relay: ScriptedPeer }> {
  const preparing = endpoint.prepare();
  await settled();
  const relay = relays.at(-1);
  answer(relay, 200, [['Use-Path', givenPath], ...(expires === null ? [] : [['Expires', String(expires)] as [string, string]])]);
  const session = await preparing;
  if (relay === undefined) throw new Error('no relay');
  return { session, relay };
}

async function established(remotePath = [peerPath]): Promise<{ session: MsrpSession; relay: ScriptedPeer }> {
  const made = await prepared();
  const started = made.session.start(remotePath, 'passive');
  made.relay.say(made.session.localPath, { body: null, contentType: null, fromPath: [givenPath, peerPath] });
  await started;
  return made;
}

const report = (
  session: MsrpSession,
  request: MsrpRequest | undefined,
  range: MsrpRequest['byteRange'],
  code = 200,
): Partial<MsrpRequest> => ({
  method: 'REPORT',
  messageId: request?.messageId ?? '',
  byteRange: range,
  status: { code, reason: '' },
  body: null,
  contentType: null,
  fromPath: [givenPath, peerPath],
  toPath: [session.localPath],
});
const text = (length = 5) => ({ contentType: 'text/plain', body: new Uint8Array(length).fill(0x61) });

describe('a path through a relay', () => {
  it('is asked for by AUTH, and again with the answer to the challenge; the SDP names the relay first', async () => {
    const preparing = endpoint.prepare();
    await settled();
    const [relay] = relays;
    expect(authsAt(relay)).toHaveLength(1);
    expect(authsAt(relay)[0]).toMatchObject({ toPath: [relayUri], headers: [], body: null });
    answer(relay, 401, [['WWW-Authenticate', formatChallenge(challenge)]]);
    await settled();
    const header = authsAt(relay)[1]?.headers.find(([name]) => name === 'Authorization')?.[1] ?? '';
    const given = parseAuthorization(header);
    if (!given.ok) throw new Error(given.reason);
    const { username, uri, nc, cnonce, response } = given.value;
    expect([username, uri, nc]).toEqual(['alice', relayUri, 1]);
    const expected = digestResponse(
      { challenge, username: 'alice', password: 'secret', method: 'AUTH', uri: relayUri, nc: 1, cnonce: cnonce ?? '' },
      (_algorithm, data) => createHash('md5').update(data).digest('hex'),
    );
    expect(response).toBe(expected);
    answer(relay, 200, [
      ['Use-Path', givenPath],
      ['Expires', '600'],
    ]);
    const session = await preparing;
    expect(session.path).toEqual([givenPath, session.localPath]);
    expect([session.host, session.port, session.isSecure]).toEqual(['127.0.0.1', 2855, false]);
  });

  it.each([
    ['refuses the answer', 401, [['WWW-Authenticate', formatChallenge(challenge)]], 'refused'],
    ['forbids it', 403, [], 'refused'],
    ['is in trouble', 500, [], 'unreachable'],
    ['has heard nothing from the next one', 408, [], 'unreachable'],
    ['knows no AUTH', 501, [], 'unusable'],
    ['offers too weak a Digest', 401, [['WWW-Authenticate', 'Digest realm="lab.test", nonce="n", algorithm=ROT13']], 'unusable'],
    ['gives no path', 200, [['Expires', '60']], 'unusable'],
    ['gives what is no path', 200, [['Use-Path', 'relay.lab.test']], 'unusable'],
    ['gives a path over another transport than it was asked by', 200, [['Use-Path', 'msrps://127.0.0.1:2855/path-1;tcp']], 'unusable'],
    ['asks for another Expires, and says none', 423, [], 'unusable'],
  ] as [string, number, [string, string][], string][])(
    'is an error with its remedy where the relay %s',
    async (_what, status, headers, relayTrouble) => {
      const failed = failure(endpoint.prepare());
      await settled();
      const [relay] = relays;
      if (status === 401) answer(relay, 401, [['WWW-Authenticate', formatChallenge(challenge)]]);
      await settled();
      answer(relay, status, headers);
      const said = status === 200 ? undefined : status;
      const retry = relayTrouble === 'unreachable' ? 'auto' : 'user';
      expect(await failed).toEqual({ code: 'msrp/relay', retry, status: said, relay: relayTrouble });
      expect(endpoint.relay?.value).toMatchObject({ state: retry === 'auto' ? 'unreachable' : 'refused', error: { relay: relayTrouble } });
      await settled();
      expect(relay?.closed).toBe(true);
    },
  );

  it('is asked for with the Expires that the relay demands, once it has named one', async () => {
    const preparing = endpoint.prepare();
    await settled();
    answer(relays[0], 423, [['Min-Expires', '1800']]);
    await settled();
    expect(authsAt(relays[0])[1]?.headers).toEqual([['Expires', '1800']]);
    answer(relays[0], 200, [
      ['Use-Path', givenPath],
      ['Expires', '1800'],
    ]);
    expect((await preparing).path[0]).toBe(givenPath);
  });

  it('is asked for no more than a few times, whatever the relay demands', async () => {
    const failed = failure(endpoint.prepare());
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await settled();
      answer(relays[0], 423, [['Min-Expires', String(1800 + attempt)]]);
    }
    expect(await failed).toMatchObject({ code: 'msrp/relay', relay: 'unusable' });
    expect(authsAt(relays[0])).toHaveLength(4);
  });

  it('a nonce that has grown old is replaced by the new one, at the first try as at a refresh', async () => {
    const stale = (nonce: string): [string, string][] => [['WWW-Authenticate', formatChallenge({ ...challenge, nonce, stale: true })]];
    const last = () => authsAt(relays[0]).at(-1)?.headers[0]?.[1] ?? '';
    const preparing = endpoint.prepare();
    await settled();
    answer(relays[0], 401, [['WWW-Authenticate', formatChallenge(challenge)]]);
    await settled();
    answer(relays[0], 401, stale('n2'));
    await settled();
    expect(last()).toMatch(/nonce="n2".*nc=00000001/);
    answer(relays[0], 200, [['Use-Path', givenPath]]);
    const session = await preparing;
    await clock.advance(defaultPathSeconds * 1000 * refreshShare);
    expect(last()).toMatch(/nonce="n2".*nc=00000002/);
    answer(relays[0], 401, stale('n3'));
    await settled();
    expect(last()).toMatch(/nonce="n3".*nc=00000001/);
    answer(relays[0], 200, [['Use-Path', givenPath]]);
    await settled();
    await clock.advance(1_000);
    expect(session.state).toBe('prepared');
  });

  it('of a relay that went away and came back is another one: each session has the one that it was made with', async () => {
    const grant = async (path: string) => {
      const preparing = endpoint.prepare();
      await settled();
      answer(relays.at(-1), 200, [['Use-Path', path]]);
      return preparing;
    };
    const paths = ['a', 'b', 'c'].map((name) => `msrp://127.0.0.1:2855/${name};tcp`);
    const before = [await grant(paths[0] ?? ''), await grant(paths[1] ?? '')];
    expect(before.map(({ path }) => path[0])).toEqual(paths.slice(0, 2));
    const opening = failure(endpoint.prepare());
    await settled();
    for (const relay of relays) relay.destroy();
    expect(await opening).toMatchObject({ relay: 'unreachable', retry: 'auto' });
    await settled();
    expect(before.map(({ state }) => state)).toEqual(['closed', 'closed']);
    expect(endpoint.relay?.value.state).toBe('unreachable');
    expect((await grant(paths[2] ?? '')).path[0]).toBe(paths[2]);
    expect(endpoint.relay?.value.state).toBe('reachable');
  });

  it('is asked for again by itself while the relay is away, and let go again when it has come', async () => {
    const failed = failure(endpoint.prepare());
    await settled();
    relays[0]?.destroy();
    await failed;
    await clock.advance(firstProbeMs);
    expect(relays).toHaveLength(2);
    answer(relays[1], 200, [['Use-Path', givenPath]]);
    await settled();
    expect(endpoint.relay?.value).toMatchObject({ state: 'reachable', error: null });
    await clock.advance(2_000);
    expect(relays[1]?.closed).toBe(true);
  });

  it('is given up after relayTimeoutMs, and at once where nobody listens', async () => {
    const failed = failure(endpoint.prepare());
    await settled();
    await clock.advance(relayTimeoutMs);
    expect(await failed).toMatchObject({ code: 'msrp/relay', retry: 'auto' });
    const nowhere = new MsrpEndpoint({
      clock,
      log: silentLogger,
      transport: network,
      relay: { uris: ['msrp://127.0.0.1:1;tcp'], username: 'a', password: 'b', minAlgorithm: 'MD5' },
    });
    expect(await failure(nowhere.prepare())).toMatchObject({ code: 'msrp/relay', retry: 'auto' });
    nowhere.dispose();
  });

  it('is never bypassed: a session over TLS does not use a relay without TLS', async () => {
    expect(await failure(endpoint.prepare({ secure: true }))).toMatchObject({ code: 'msrp/relay', retry: 'user' });
    expect(relays).toEqual([]);
  });

  it('is tried before it is taken for every further session, and a refusal leaves things as they are; none may be wanted, too', async () => {
    const { port } = await network.listen('', ({ stream }) => relays.push(new ScriptedPeer(stream, 'msrp://127.0.0.1:2856/path-2;tcp')));
    const other = { uris: [`msrp://127.0.0.1:${port};tcp`], username: 'alice', password: 'secret', minAlgorithm: 'MD5' as const };
    const refused = failure(endpoint.goThrough(other));
    await settled();
    answer(relays.at(-1), 403, []);
    expect(await refused).toMatchObject({ code: 'msrp/relay', status: 403 });
    expect((await prepared()).session.path[0]).toBe(givenPath);

    const taken = endpoint.goThrough(other);
    await settled();
    answer(relays.at(-1), 200, [['Use-Path', 'msrp://127.0.0.1:2856/path-2;tcp']]);
    await taken;
    const preparing = endpoint.prepare();
    await settled();
    answer(relays.at(-1), 200, [['Use-Path', 'msrp://127.0.0.1:2856/path-3;tcp']]);
    expect((await preparing).path[0]).toBe('msrp://127.0.0.1:2856/path-3;tcp');

    await endpoint.goThrough(null);
    const connections = relays.length;
    expect((await endpoint.prepare()).path).toHaveLength(1);
    expect(relays).toHaveLength(connections);
  });

  it('is refreshed before it expires, with the nonce that the relay gave, and lives on where it stays the same', async () => {
    const preparing = endpoint.prepare();
    await settled();
    const [relay] = relays;
    answer(relay, 401, [['WWW-Authenticate', formatChallenge(challenge)]]);
    await settled();
    const granted: [string, string][] = [['Use-Path', givenPath]];
    answer(relay, 200, granted);
    const session = await preparing;
    for (let round = 3; round < 6; round += 1) {
      await clock.advance(defaultPathSeconds * 1000 * refreshShare - 1);
      expect(authsAt(relay)).toHaveLength(round - 1);
      await clock.advance(1);
      expect(authsAt(relay)).toHaveLength(round);
      expect(authsAt(relay).at(-1)?.headers[0]?.[1]).toContain(`nc=0000000${round - 1}`);
      answer(relay, 200, granted);
      await settled();
    }
    expect(session.state).toBe('prepared');
    expect(msrpHeader({ headers: granted }, 'use-path')).toBe(givenPath);
  });

  it.each([
    ['gives another path instead', (relay: ScriptedPeer) => answer(relay, 200, [['Use-Path', 'msrp://127.0.0.1:2855/path-2;tcp']])],
    ['refuses it', (relay: ScriptedPeer) => answer(relay, 403, [])],
    ['says nothing', () => undefined],
  ])('ends its session, which describes itself anew, where the relay %s at the refresh', async (_what, then) => {
    const { session, relay } = await established();
    const waiting = failure(session.send(text()));
    await clock.advance(600_000 * refreshShare);
    then(relay);
    await clock.advance(relayTimeoutMs);
    expect(session.state).toBe('closed');
    expect(await waiting).toMatchObject({ retry: 'auto' });
  });
});

describe('a path through a chain of relays', () => {
  const outerUri = 'msrp://outer.lab.test:2855;tcp';
  const inner = 'msrp://127.0.0.1:2855/inner-1;tcp';
  const outer = 'msrp://outer.lab.test:2855/outer-1;tcp';
  let chained: MsrpEndpoint;
  beforeEach(() => {
    chained = new MsrpEndpoint({
      clock,
      log: silentLogger,
      transport: network,
      relay: { uris: [relayUri, outerUri], username: 'alice', password: 'secret', minAlgorithm: 'MD5' },
    });
  });
  afterEach(() => chained.dispose());

  /** The inner one gives its path at once; the outer one asks who it is, and then answers so. */
  async function granted(usePath: string): Promise<MsrpSession> {
    const preparing = chained.prepare();
    await settled();
    const relay = relays.at(-1);
    answer(relay, 200, [
      ['Use-Path', inner],
      ['Expires', '900'],
    ]);
    await settled();
    answer(relay, 401, [['WWW-Authenticate', formatChallenge({ ...challenge, realm: 'outer' })]]);
    await settled();
    answer(relay, 200, [
      ['Use-Path', usePath],
      ['Expires', '600'],
    ]);
    return preparing;
  }

  it.each([
    ['that names both', `${inner} ${outer}`],
    ['that names the last alone', outer],
  ])('is asked for through the first relay; an answer %s is the way out, and the other way round the way in', async (_what, usePath) => {
    const session = await granted(usePath);
    const [relay] = relays;
    expect(relays).toHaveLength(1);
    expect(authsAt(relay).map(({ toPath }) => toPath)).toEqual([[relayUri], [inner, outerUri], [inner, outerUri]]);
    const header = authsAt(relay)[2]?.headers.find(([name]) => name === 'Authorization')?.[1] ?? '';
    expect(parseAuthorization(header)).toMatchObject({ ok: true, value: { uri: outerUri, realm: 'outer' } });
    expect(session.path).toEqual([outer, inner, session.localPath]);
    expect([session.host, session.port]).toEqual(['outer.lab.test', 2855]);
    void session.start([peerPath], 'active').catch(() => undefined);
    await settled();
    expect(sendsAt(relay)[0]?.toPath).toEqual([inner, outer, peerPath]);
  });

  it('lives as long as its shortest part, and ends when either of them becomes another one', async () => {
    const session = await granted(`${inner} ${outer}`);
    const [relay] = relays;
    await clock.advance(600_000 * refreshShare);
    expect(authsAt(relay)).toHaveLength(4);
    answer(relay, 200, [['Use-Path', inner]]);
    await settled();
    expect(authsAt(relay).at(-1)?.headers[0]?.[1]).toContain('nc=00000002');
    answer(relay, 200, [['Use-Path', `${inner} ${outer}`]]);
    await settled();
    expect(session.state).toBe('prepared');
    await clock.advance(600_000 * refreshShare);
    answer(relay, 200, [['Use-Path', inner.replace('inner-1', 'inner-2')]]);
    await settled();
    answer(relay, 200, [['Use-Path', outer]]);
    await settled();
    expect(session.state).toBe('closed');
  });

  it('fails with what the outer relay says', async () => {
    const failed = failure(chained.prepare());
    await settled();
    answer(relays[0], 200, [['Use-Path', inner]]);
    await settled();
    answer(relays[0], 403, []);
    expect(await failed).toMatchObject({ code: 'msrp/relay', status: 403, relay: 'refused' });
  });
});

describe('a session behind a relay', () => {
  it('as the active side sends through it along the path of the peer, as the passive side waits for whom it lets through', async () => {
    const { session, relay } = await prepared();
    const started = session.start([peerPath], 'active');
    await settled();
    expect(sendsAt(relay)[0]).toMatchObject({ toPath: [givenPath, peerPath], fromPath: [session.localPath], body: null });
    relay.answer(sendsAt(relay)[0] as MsrpRequest);
    await started;
    const passive = await prepared();
    const failed = failure(passive.session.start([peerPath], 'passive'));
    await clock.advance(bindTimeoutMs);
    expect(await failed).toMatchObject({ code: 'net/timeout' });
  });

  it('accepts requests that came through the relay before the answer of the other side was known', async () => {
    const { session, relay } = await prepared();
    const got: string[] = [];
    session.handleMessage = async ({ body }) => void got.push(new TextDecoder().decode(body));
    relay.say(session.localPath, { fromPath: [givenPath, peerPath] });
    await settled();
    expect([got, relay.responses]).toEqual([[], []]);
    await session.start([peerPath], 'passive');
    await settled();
    expect(got).toEqual(['hello']);
    expect(relay.responses.map(({ status }) => status)).toEqual([200]);
  });

  it('counts a message as sent when the other side has reported all of it, not when the relay has it', async () => {
    const { session, relay } = await established();
    let isSent = false;
    const sending = session.send(text(5_000)).then(() => {
      isSent = true;
    });
    await settled();
    const chunks = sendsAt(relay);
    expect(chunks.map(({ byteRange }) => byteRange)).toEqual([
      { start: 1, end: 2048, total: 5_000 },
      { start: 2049, end: 4096, total: 5_000 },
      { start: 4097, end: 5_000, total: 5_000 },
    ]);
    expect(chunks.every(({ successReport, failureReport }) => successReport && failureReport === 'yes')).toBe(true);
    for (const chunk of chunks) relay.answer(chunk);
    await settled();
    expect(isSent).toBe(false);
    relay.say(session.localPath, report(session, chunks[0], { start: 1, end: 4096, total: 5_000 }));
    await settled();
    expect(isSent).toBe(false);
    relay.say(session.localPath, report(session, chunks[0], { start: 4097, end: 5_000, total: 5_000 }));
    await sending;
    expect(isSent).toBe(true);
  });

  it('no report within responseTimeoutMs, or one of a failure: the message is failed; without any the session ends too', async () => {
    const { session, relay } = await established();
    const refused = failure(session.send(text()));
    await settled();
    relay.answer(sendsAt(relay)[0] as MsrpRequest);
    relay.say(session.localPath, report(session, sendsAt(relay)[0], { start: 1, end: 5, total: 5 }, 413));
    expect(await refused).toMatchObject({ code: 'msrp/rejected', status: 413 });
    expect(session.state).toBe('established');
    const unheard = failure(session.send(text()));
    await settled();
    relay.answer(sendsAt(relay)[1] as MsrpRequest);
    await settled();
    await clock.advance(responseTimeoutMs - 1);
    expect(session.state).toBe('established');
    await clock.advance(1);
    expect(await unheard).toMatchObject({ code: 'net/timeout', retry: 'auto' });
    expect(session.state).toBe('closed');
  });

  it('ends with its relay, and its message may go again', async () => {
    const { session, relay } = await established();
    const waiting = failure(session.send(text()));
    relay.destroy();
    expect(await waiting).toMatchObject({ code: 'msrp/closed', retry: 'auto' });
    expect(session.state).toBe('closed');
  });
});

describe('a session without a relay, the other side behind one', () => {
  it('hears the relay on any connection, and asks for success REPORTs', async () => {
    const plain = new MsrpEndpoint({ clock, log: silentLogger, transport: network });
    const session = await plain.prepare();
    const got: string[] = [];
    session.handleMessage = async ({ body }) => void got.push(new TextDecoder().decode(body));
    const { port } = await network.listen('', ({ stream }) => {
      const relay = new ScriptedPeer(stream, givenPath);
      relay.obliging = true;
      relays.push(relay);
    });
    const first = `msrp://127.0.0.1:${port}/path-1;tcp`;
    await session.start([first, peerPath], 'active');
    const further = new ScriptedPeer((await network.connect('', session.port)).stream);
    further.say(session.localPath, { fromPath: [first, peerPath] });
    await settled();
    expect(got).toEqual(['hello']);
    expect(further.responses.map(({ status }) => status)).toEqual([200]);
    further.destroy();
    await settled();
    expect(session.state).toBe('established');
    const sending = session.send(text());
    await settled();
    const chunk = sendsAt(relays[0])[1];
    expect(chunk).toMatchObject({ successReport: true, toPath: [first, peerPath] });
    relays[0]?.say(session.localPath, report(session, chunk, { start: 1, end: 5, total: 5 }));
    await sending;
    plain.dispose();
  });
});
