/** What a sender may choose (RFC 4975 section 7.1.1), and what it may do to a message on its way: seen by a peer of bytes, put together by the network's assembly. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { chunkBytes, responseTimeoutMs, type SendOptions, windowBytes } from '../../../main/msrp/outgoing';
import type { MsrpSession } from '../../../main/msrp/session';
import { MAX_MESSAGE_BYTES, MsrpAssembly } from '../../../network/msrp/assembly';
import { AppError } from '../../../preload/contract/errors';
import type { MsrpRequest } from '../../../protocol/msrp';
import { type ScriptedPeer, sessionWithPeer } from '../../support/doubles/msrp-memory';
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

const send = (size: number, messageId: string, options: SendOptions = {}) =>
  session.send({ contentType: 'text/plain', body: new Uint8Array(size).fill(0x61), messageId, ...options });

/** How a promise has ended by now. */
function outcome(promise: Promise<unknown>): { value: unknown } {
  const box: { value: unknown } = { value: 'open' };
  promise.then(
    () => {
      box.value = 'sent';
    },
    (error: unknown) => {
      box.value = error instanceof AppError ? `${error.code} ${error.detail.status ?? ''}`.trim() : error;
    },
  );
  return box;
}

const chunksOf = (messageId: string) => peer.requests.filter((request) => request.messageId === messageId);
const first = (messageId: string) => chunksOf(messageId)[0] as MsrpRequest;

function report(messageId: string, code: number, byteRange: MsrpRequest['byteRange']): void {
  const status = { code, reason: '' };
  peer.say(session.localPath, { method: 'REPORT', messageId, byteRange, status, body: null, contentType: null });
}

describe('a success report that is only hoped for', () => {
  it('is asked for; the message is done without it, and it is told once when every octet is reported', async () => {
    let reports = 0;
    const onReport = () => {
      reports += 1;
    };
    const box = outcome(send(5, 'm', { onReport }));
    await settled();
    expect([first('m').successReport, first('m').failureReport]).toEqual([true, 'yes']);
    peer.answer(first('m'));
    await settled();
    expect([box.value, reports]).toEqual(['sent', 0]);
    report('m', 200, { start: 1, end: 3, total: 5 });
    await settled();
    expect(reports).toBe(0);
    for (let time = 0; time < 2; time++) report('m', 200, { start: 4, end: 5, total: 5 });
    await settled();
    expect(reports).toBe(1);
  });

  it('may come before the answer, and may not come at all', async () => {
    let reports = 0;
    const onReport = () => {
      reports += 1;
    };
    const [early, never] = [outcome(send(5, 'early', { onReport })), outcome(send(5, 'never', { onReport }))];
    await settled();
    report('early', 200, { start: 1, end: 5, total: 5 });
    await settled();
    expect([early.value, reports]).toEqual(['open', 0]);
    for (const id of ['early', 'never']) peer.answer(first(id));
    await settled();
    await clock.advance(responseTimeoutMs + 1);
    expect([early.value, never.value, reports, session.state]).toEqual(['sent', 'sent', 1, 'established']);
    report('never', 200, { start: 1, end: 5, total: 5 });
    await settled();
    expect(reports).toBe(1);
  });
});

describe('Failure-Report', () => {
  it.each([
    ['yes', 'open', undefined],
    ['partial', 'sent', 'partial'],
    ['no', 'sent', 'no'],
  ] as const)('%s: when all is written the message is %s, and the header says so', async (failure, then, said) => {
    const box = outcome(send(5, 'm', { reports: { failure } }));
    await settled();
    expect(box.value).toBe(then);
    expect(first('m').failureReport).toBe(said ?? 'yes');
    expect(peer.bytes.toString('latin1').includes('Failure-Report:')).toBe(said !== undefined);
  });

  it.each([
    ['yes', 'net/timeout 408', 'closed'],
    ['partial', 'sent', 'established'],
    ['no', 'sent', 'established'],
  ] as const)('%s: no answer for responseTimeoutMs is %s, and the session is %s', async (failure, then, state) => {
    const box = outcome(send(5, 'm', { reports: { failure } }));
    await settled();
    await clock.advance(responseTimeoutMs);
    expect([box.value, session.state]).toEqual([then, state]);
  });

  it('partial: a failure that comes later is told, one after responseTimeoutMs is not waited for', async () => {
    const told: (number | undefined)[] = [];
    const options: SendOptions = { reports: { failure: 'partial' }, onFailure: (error) => told.push(error.detail.status) };
    await send(5, 'one', options);
    await send(5, 'two', options);
    await settled();
    peer.answer(first('one'), 413);
    await settled();
    expect(told).toEqual([413]);
    await clock.advance(responseTimeoutMs);
    peer.answer(first('two'), 413);
    await settled();
    expect([told, session.state]).toEqual([[413], 'established']);
  });
});

describe('Success-Report', () => {
  it('asked for: the message is sent when REPORTs have named every octet, in whatever order, however often', async () => {
    const box = outcome(send(5_000, 'm', { reports: { success: true } }));
    await settled();
    expect(first('m').successReport).toBe(true);
    peer.answer(first('m'));
    report('m', 200, { start: 3_001, end: 5_000, total: 5_000 });
    report('m', 200, { start: 3_001, end: 5_000, total: 5_000 });
    report('m', 200, { start: 1, end: 2_999, total: 5_000 });
    await settled();
    expect(box.value).toBe('open');
    report('m', 200, { start: 2_000, end: 3_000, total: 5_000 });
    await settled();
    expect(box.value).toBe('sent');
  });

  it('that never comes fails the message as 408; the session, whose peer does answer, goes on', async () => {
    const box = outcome(send(5, 'm', { reports: { success: true, failure: 'no' } }));
    await settled();
    await clock.advance(responseTimeoutMs);
    expect([box.value, session.state]).toEqual(['net/timeout 408', 'established']);
  });

  it('of a message that did not ask, or that nobody has sent, changes nothing', async () => {
    const box = outcome(send(5, 'm'));
    report('m', 200, null);
    report('other', 200, null);
    await settled();
    expect(box.value).toBe('open');
    peer.answer(first('m'));
    await settled();
    expect(box.value).toBe('sent');
  });

  it('is sent by this side once its handler has taken the message, and not before', async () => {
    let take = () => {};
    session.handleMessage = () =>
      new Promise((resolve) => {
        take = resolve;
      });
    peer.say(session.localPath, { messageId: 'in', successReport: true, failureReport: 'no' });
    await settled();
    // The one response is the binding's.
    expect([peer.responses.length, peer.requests.length]).toEqual([1, 0]);
    take();
    await settled();
    expect(peer.responses.length).toBe(1);
    expect(peer.requests).toMatchObject([
      { method: 'REPORT', messageId: 'in', byteRange: { start: 1, end: 5, total: 5 }, status: { code: 200 } },
    ]);
  });
});

describe('a message that is given up by its sender', () => {
  it('ends with a chunk that says so, and the other side keeps nothing of it', async () => {
    const giving = new AbortController();
    const [long, next] = [outcome(send(3 * windowBytes, 'long', { signal: giving.signal })), outcome(send(5, 'next'))];
    await settled();
    giving.abort();
    await settled();
    expect(long.value).toBe('message/skipped');
    const chunks = chunksOf('long');
    expect(chunks.map(({ continuation }) => continuation).slice(-2)).toEqual(['+', '#']);
    const assembly = new MsrpAssembly();
    const steps = chunks.map((chunk) => assembly.take(chunk).kind);
    expect(steps.at(-1) === 'aborted' || steps.includes('refused')).toBe(true);
    expect(assembly.openCount).toBe(0);
    for (const chunk of peer.requests) peer.answer(chunk);
    await settled();
    expect(next.value).toBe('sent');
  });

  it.each([
    ['before the first chunk', 0],
    ['already before it is sent', -1],
  ])('%s leaves no octet', async (_when, stage) => {
    const giving = new AbortController();
    if (stage < 0) giving.abort();
    const before = outcome(send(2 * windowBytes, 'before'));
    const box = outcome(send(5, 'm', { signal: giving.signal }));
    giving.abort();
    await settled();
    expect([box.value, before.value, chunksOf('m')]).toEqual(['message/skipped', 'open', []]);
  });

  it('too late, or twice, changes nothing', async () => {
    const giving = new AbortController();
    const box = outcome(send(5, 'm', { signal: giving.signal }));
    await settled();
    peer.answer(first('m'));
    await settled();
    giving.abort();
    await settled();
    expect([box.value, peer.requests.length]).toEqual(['sent', 1]);
  });
});

describe('a message that is refused by the other side', () => {
  it('413 in its middle: nothing more of it leaves, its sender is told, the next one goes', async () => {
    const [long, next] = [outcome(send(4 * windowBytes, 'long')), outcome(send(5, 'next'))];
    await settled();
    const before = chunksOf('long').length;
    peer.answer(first('long'), 413, 'Message Too Large');
    await settled();
    expect(long.value).toBe('msrp/rejected 413');
    expect(chunksOf('long').length).toBe(before);
    peer.answer(first('next'));
    await settled();
    expect([next.value, session.state]).toEqual(['sent', 'established']);
  });
});

describe('a short message that may overtake', () => {
  /** Answers everything, a turn at a time, until nothing new comes. */
  async function answerAll(): Promise<void> {
    let answered = 0;
    for (let quiet = 0; quiet < 3; ) {
      const fresh = peer.requests.slice(answered);
      quiet = fresh.length === 0 ? quiet + 1 : 0;
      answered += fresh.length;
      for (const request of fresh) peer.answer(request);
      await settled();
    }
  }

  it('leaves between two chunks of a longer one, which goes on at the right octet; each is whole at the other side', async () => {
    const size = MAX_MESSAGE_BYTES;
    const before = outcome(send(windowBytes, 'before'));
    const long = outcome(send(size, 'long'));
    await settled();
    for (const chunk of chunksOf('before').slice(0, 4)) peer.answer(chunk);
    await settled();
    expect(chunksOf('long').length).toBe(4);
    const short = outcome(send(5, 'short', { overtakes: true }));
    const late = outcome(send(5, 'late'));
    await answerAll();
    expect([before.value, long.value, short.value, late.value]).toEqual(['sent', 'sent', 'sent', 'sent']);
    const order = peer.requests.map(({ messageId }) => messageId);
    expect(order.indexOf('short')).toBeLessThan(order.lastIndexOf('long'));
    expect(order.indexOf('late')).toBeGreaterThan(order.lastIndexOf('long'));
    const chunks = chunksOf('long');
    expect(chunks.map(({ byteRange }) => byteRange?.start)).toEqual(chunks.map((_, index) => index * chunkBytes + 1));
    expect(chunks.slice(0, -1).every(({ continuation, byteRange }) => continuation === '+' && byteRange?.end === null)).toBe(true);
    const assembly = new MsrpAssembly();
    const whole = peer.requests
      .map((request) => assembly.take(request))
      .flatMap((step) => (step.kind === 'complete' ? [step.message] : []));
    expect(whole.map(({ messageId, body }) => [messageId, body.length])).toEqual([
      ['before', windowBytes],
      ['short', 5],
      ['long', size],
      ['late', 5],
    ]);
  });

  it('many of them do not hold up the long one: they take turns', async () => {
    const long = outcome(send(4 * windowBytes, 'long'));
    for (let index = 0; index < 200; index += 1) void outcome(send(5, `short ${index}`, { overtakes: true }));
    await answerAll();
    expect(long.value).toBe('sent');
    const order = peer.requests.map(({ messageId }) => messageId === 'long');
    const start = order.indexOf(false);
    expect(order.slice(start, start + 60).filter(Boolean).length).toBe(30);
  });
});
