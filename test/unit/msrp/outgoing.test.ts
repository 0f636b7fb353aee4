import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { chunkBytes, maximumWaitingBytes, responseTimeoutMs, windowBytes, windowChunks } from '../../../main/msrp/outgoing';
import type { MsrpSession } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import type { MsrpRequest } from '../../../protocol/msrp';
import { MemoryNetwork, ScriptedPeer, sessionWithPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let clock: VirtualClock;
let endpoint: MsrpEndpoint;
let session: MsrpSession;
let peer: ScriptedPeer;

beforeEach(async () => {
  clock = new VirtualClock();
  ({ endpoint, session, peer } = await sessionWithPeer(clock));
});

afterEach(async () => {
  endpoint.dispose();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const send = (size: number, messageId: string) =>
  session.send({ contentType: 'application/octet-stream', body: new Uint8Array(size).map((_, index) => index), messageId });

/** Keeps a promise's end for later, so that a rejection is never unhandled. */
function outcome(promise: Promise<unknown>): { value: unknown } {
  const box: { value: unknown } = { value: 'open' };
  promise.then(
    () => {
      box.value = 'sent';
    },
    (error: unknown) => {
      box.value = error instanceof AppError ? { code: error.code, status: error.detail.status, retry: error.retry } : error;
    },
  );
  return box;
}

const requestsOf = (messageId: string) => peer.requests.filter((request) => request.messageId === messageId);

function joined(requests: MsrpRequest[]): Buffer {
  return Buffer.concat(requests.map((request) => request.body ?? new Uint8Array()));
}

describe('a message', () => {
  it.each([0, 1, 5, 2048])('of %i bytes is one chunk that says its whole range', async (size) => {
    void outcome(send(size, 'small'));
    await settled();
    expect(requestsOf('small')).toMatchObject([
      { byteRange: { start: 1, end: size, total: size }, continuation: '$', failureReport: 'yes' },
    ]);
    expect(requestsOf('small')[0]?.body).toHaveLength(size);
  });

  it.each([
    ['just longer than an uninterruptible chunk', 2049],
    ['of exactly two chunks', 2 * chunkBytes],
    ['of two chunks and a bit', 2 * chunkBytes + 1],
  ])('%s goes in interruptible chunks that join to it', async (_what, size) => {
    void outcome(send(size, 'large'));
    await settled();
    const chunks = requestsOf('large');
    expect(joined(chunks)).toEqual(Buffer.from(new Uint8Array(size).map((_, index) => index)));
    expect(chunks.map((chunk) => chunk.continuation).join('')).toBe('+'.repeat(Math.ceil(size / chunkBytes) - 1).concat('$'));
    let start = 1;
    for (const chunk of chunks) {
      const length = chunk.body?.length ?? 0;
      expect(chunk.byteRange).toEqual({ start, end: length > 2048 ? null : start + length - 1, total: size });
      start += length;
    }
    expect(new Set(chunks.map((chunk) => chunk.transactionId)).size).toBe(chunks.length);
  });

  it('is sent when every chunk has its 200, in whatever order they come', async () => {
    const sent = outcome(send(3 * chunkBytes, 'm'));
    await settled();
    const [one, two, three] = requestsOf('m');
    for (const request of [three, one]) peer.answer(request ?? expect.fail('three chunks'));
    await settled();
    expect(sent.value).toBe('open');
    peer.answer(two ?? expect.fail('three chunks'));
    await settled();
    expect(sent.value).toBe('sent');
  });

  it('follows the one before it without waiting for its answer', async () => {
    for (const id of ['a', 'b', 'c']) void outcome(send(100, id));
    await settled();
    expect(peer.requests.map((request) => request.messageId)).toEqual(['a', 'b', 'c']);
  });

  it('without an answer fails in time, even though the clock was set back meanwhile', async () => {
    const sent = outcome(send(10, 'm'));
    await settled();
    clock.sleep(-3_600_000);
    await clock.advance(responseTimeoutMs + 1_000);
    expect(sent.value).toMatchObject({ code: 'net/timeout' });
  });

  it('refused by the peer fails with the peer’s words, the rest of it is not sent, and the next one goes', async () => {
    const size = windowBytes + 3 * chunkBytes;
    const refused = outcome(send(size, 'huge'));
    const next = outcome(send(10, 'next'));
    await settled();
    const before = requestsOf('huge').length;
    expect(joined(requestsOf('huge')).length).toBeLessThan(size);
    peer.answer(peer.requests[0] ?? expect.fail('chunks'), 413, 'Too much');
    await settled();
    expect(refused.value).toEqual({ code: 'msrp/rejected', status: 413, retry: 'user' });
    expect(requestsOf('huge')).toHaveLength(before);
    for (const request of requestsOf('huge').slice(1)) peer.answer(request, 413);
    peer.answer(requestsOf('next')[0] ?? expect.fail('the next message'));
    await settled();
    expect(next.value).toBe('sent');
    expect(session.state).toBe('established');
  });

  it.each([481, 506])('answered %i ends the session: it is rejected, the others are closed', async (status) => {
    const [first, second] = [outcome(send(10, 'a')), outcome(send(10, 'b'))];
    await settled();
    peer.answer(requestsOf('a')[0] ?? expect.fail('a message'), status);
    await settled();
    expect([first.value, second.value]).toMatchObject([{ code: 'msrp/rejected', status, retry: 'auto' }, { code: 'msrp/closed' }]);
    expect(session.state).toBe('closed');
  });

  it('without an answer in time fails as 408 and ends the session', async () => {
    const first = outcome(send(10, 'a'));
    await clock.advance(responseTimeoutMs - 1000);
    const second = outcome(send(10, 'b'));
    await clock.advance(999);
    expect([first.value, session.state]).toEqual(['open', 'established']);
    await clock.advance(1);
    expect([first.value, second.value]).toMatchObject([{ code: 'net/timeout', status: 408 }, { code: 'msrp/closed' }]);
    expect(session.state).toBe('closed');
  });

  it('has its own 30 seconds, however long the session has been busy', async () => {
    for (let index = 0; index < 10; index += 1) {
      const sent = outcome(send(10, `m${index}`));
      await clock.advance(responseTimeoutMs - 1);
      peer.answer(requestsOf(`m${index}`)[0] ?? expect.fail('a message'));
      await settled();
      expect(sent.value).toBe('sent');
    }
    expect(session.state).toBe('established');
  });

  it('lost with the connection fails with msrp/closed', async () => {
    const sent = outcome(send(5 * windowBytes, 'm'));
    await settled();
    peer.destroy();
    await settled();
    expect(sent.value).toEqual({ code: 'msrp/closed', status: undefined, retry: 'auto' });
    expect(session.state).toBe('closed');
  });
});

describe('a REPORT', () => {
  const report = (messageId: string, code: number) =>
    peer.say(session.localPath, { method: 'REPORT', messageId, body: null, contentType: null, status: { code, reason: 'why' } });

  it('is never answered, and success changes nothing', async () => {
    const sent = outcome(send(10, 'm'));
    await settled();
    const before = peer.responses.length;
    report('m', 200);
    report('unknown', 408);
    await settled();
    expect(peer.responses).toHaveLength(before);
    expect(sent.value).toBe('open');
    peer.answer(requestsOf('m')[0] ?? expect.fail('a message'));
    await settled();
    expect(sent.value).toBe('sent');
  });

  it('of failure ends the message it names, if that is still on its way', async () => {
    const [one, other] = [outcome(send(10, 'one')), outcome(send(10, 'other'))];
    await settled();
    report('one', 408);
    await settled();
    expect([one.value, other.value]).toMatchObject([{ code: 'msrp/rejected', status: 408 }, 'open']);
  });
});

describe('a peer that answers nothing', () => {
  it('gets no more than windowBytes', async () => {
    void outcome(send(3 * windowBytes, 'm'));
    await settled(50);
    const got = joined(requestsOf('m')).length;
    expect(got).toBeGreaterThan(windowBytes / 2);
    expect(got).toBeLessThanOrEqual(windowBytes + chunkBytes);
    peer.obliging = true;
    for (const request of requestsOf('m')) peer.answer(request);
    await settled(100);
    expect(joined(requestsOf('m')).length).toBe(3 * windowBytes);
  });

  it('gets no more than windowChunks messages', async () => {
    for (let index = 0; index < windowChunks + 50; index += 1) void outcome(send(1, `m${index}`));
    await settled(50);
    expect(peer.requests).toHaveLength(windowChunks);
  });

  it('and reads nothing leaves most of a message unwritten', async () => {
    peer.pause();
    void outcome(send(8 * windowBytes, 'm'));
    await settled(50);
    peer.resume();
    await settled(50);
    expect(joined(requestsOf('m')).length).toBeLessThanOrEqual(windowBytes + chunkBytes);
  });

  it('cannot make more than maximumWaitingBytes wait: a further message fails at once', async () => {
    const size = maximumWaitingBytes / 4;
    const waiting = [1, 2, 3, 4].map((index) =>
      outcome(session.send({ contentType: 'a/b', body: new Uint8Array(size), messageId: `m${index}` })),
    );
    const further = outcome(session.send({ contentType: 'a/b', body: new Uint8Array(1) }));
    await settled();
    expect(further.value).toMatchObject({ code: 'net/timeout', retry: 'auto' });
    expect(waiting.map((each) => each.value)).toEqual(['open', 'open', 'open', 'open']);
    session.close();
    await settled();
    expect(waiting.map((each) => each.value)).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'msrp/closed' })));
  });
});

describe('before the session stands', () => {
  it('messages wait, and leave in order once it does', async () => {
    const early = await endpoint.prepare();
    const sent = ['a', 'b'].map((messageId) => outcome(early.send({ contentType: 'text/plain', body: new Uint8Array(4), messageId })));
    const listener = await new Promise<ScriptedPeer>((resolve) => {
      const network = new MemoryNetwork();
      const other = new MsrpEndpoint({ clock, log: silentLogger, transport: network });
      void other.prepare().then(async (active) => {
        const { port } = await network.listen('', (stream) => resolve(new ScriptedPeer(stream.stream)));
        for (const messageId of ['x', 'y']) void outcome(active.send({ contentType: 'text/plain', body: new Uint8Array(4), messageId }));
        void outcome(active.start([`msrp://127.0.0.1:${port}/peer;tcp`], 'active'));
      });
    });
    await settled();
    expect(listener.requests.map((request) => request.body)).toEqual([null]);
    listener.answer(listener.requests[0] ?? expect.fail('a binding'));
    await settled();
    expect(listener.requests.slice(1).map((request) => request.messageId)).toEqual(['x', 'y']);
    expect(sent.map((each) => each.value)).toEqual(['open', 'open']);
    early.close();
    listener.destroy();
    await settled();
  });
});
