import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { maximumChunksAhead } from '../../../main/msrp/arriving';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { maximumPartialBytes, maximumPartials, maximumUnhandledBytes, maximumUnhandledMessages } from '../../../main/msrp/incoming';
import type { MsrpSession } from '../../../main/msrp/session';
import { maximumMessageBytes } from '../../../main/msrp/sink';
import { AppError } from '../../../preload/contract/errors';
import type { MsrpRequest } from '../../../protocol/msrp';
import { MemoryNetwork, ScriptedPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let clock: VirtualClock;
let endpoint: MsrpEndpoint;
let session: MsrpSession;
let peer: ScriptedPeer;
let got: { messageId: string; contentType: string; body: Uint8Array }[];
let bound: number;

beforeEach(async () => {
  clock = new VirtualClock();
  const network = new MemoryNetwork();
  endpoint = new MsrpEndpoint({ clock, log: silentLogger, transport: network });
  session = await endpoint.prepare();
  got = [];
  session.handleMessage = async (message) => void got.push(message);
  const started = session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
  peer = new ScriptedPeer((await network.connect('', session.port)).stream);
  peer.say(session.localPath, { body: null, contentType: null });
  await started;
  await settled();
  bound = peer.responses.length;
});

afterEach(async () => {
  endpoint.dispose();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = () => got.map((message) => new TextDecoder().decode(message.body));
const statuses = () => peer.responses.slice(bound).map((response) => response.status);

async function say(...changes: Partial<MsrpRequest>[]): Promise<void> {
  for (const change of changes) peer.say(session.localPath, change);
  await settled();
}

function chunk(messageId: string, start: number, text: string, total: number | null, continuation: '$' | '+' | '#'): Partial<MsrpRequest> {
  return { messageId, body: bytes(text), byteRange: { start, end: null, total }, continuation };
}

/** Something that resolves when told. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('the 200', () => {
  it('leaves only when the message has been taken; the next one is begun before, and its 200 leaves in its turn', async () => {
    const { opened, open } = gate();
    const begun: string[] = [];
    session.handleMessage = async (message) => {
      begun.push(message.messageId);
      if (message.messageId === 'b') throw new AppError('msrp/rejected', { status: 415 });
      await opened;
    };
    await say({ messageId: 'a' }, { messageId: 'b' });
    expect([begun, statuses()]).toEqual([['a', 'b'], []]);
    open();
    await settled();
    expect(statuses()).toEqual([200, 415]);
  });

  it('for every chunk but the last leaves at once', async () => {
    const { opened } = gate();
    session.handleMessage = () => opened;
    await say(chunk('m', 1, 'one', 6, '+'), chunk('m', 4, 'two', 6, '$'));
    expect(statuses()).toEqual([200]);
  });

  it.each([
    ['an AppError with a status', new AppError('msrp/rejected', { status: 415 }), 415],
    ['an AppError without one', new AppError('storage/full'), 500],
    ['an AppError with a status that is no failure', new AppError('internal', { status: 200 }), 500],
    ['any other error', new Error('defect'), 500],
  ])('gives way to another answer after %s, and the next message is taken', async (_what, error, status) => {
    session.handleMessage = async (message) => {
      if (message.messageId === 'bad') throw error;
      got.push(message);
    };
    await say({ messageId: 'bad' }, { messageId: 'good' });
    expect(statuses()).toEqual([status, 200]);
    expect(got.map((message) => message.messageId)).toEqual(['good']);
  });

  it('is not sent while nobody takes messages', async () => {
    session.handleMessage = null;
    await say({});
    expect(statuses()).toEqual([500]);
  });

  it('and other answers heed Failure-Report', async () => {
    await say({ failureReport: 'no' }, { failureReport: 'partial' });
    expect([texts(), statuses()]).toEqual([['hello', 'hello'], []]);
    await say({ failureReport: 'no', messageId: null }, { failureReport: 'partial', messageId: null });
    expect(statuses()).toEqual([400]);
  });

  it.each([
    ['yes', [200, 400], true],
    ['no', [], true],
    ['partial', [400], true],
    ['yes', [200, 400], false],
    ['no', [], false],
    ['partial', [400], false],
  ] as const)(
    'with Failure-Report %s: answers %j, and a REPORT of the good message alone when Success-Report is %s',
    async (failureReport, answers, successReport) => {
      await say({ failureReport, successReport }, { failureReport, successReport, messageId: null });
      expect([texts(), statuses()]).toEqual([['hello'], answers]);
      expect(peer.requests.filter(({ method }) => method === 'REPORT').map(({ status }) => status?.code)).toEqual(
        successReport ? [200] : [],
      );
    },
  );

  it('is followed by a REPORT where Success-Report asks for one, on whichever chunk', async () => {
    await say({ ...chunk('m', 1, 'one', 6, '+'), successReport: true }, chunk('m', 4, 'two', 6, '$'));
    const report = peer.requests.at(-1);
    expect(report).toMatchObject({
      method: 'REPORT',
      messageId: 'm',
      toPath: [peer.path],
      fromPath: [session.localPath],
      byteRange: { start: 1, end: 6, total: 6 },
      status: { code: 200 },
    });
    expect(peer.heard.at(-1)).toBe(report);
    session.handleMessage = () => Promise.reject(new Error('no'));
    await say({ successReport: true });
    expect(peer.requests.at(-1)).toBe(report);
  });
});

describe('chunks', () => {
  it('become one message with the content type of the first', async () => {
    await say({ ...chunk('m', 1, 'one ', 13, '+'), contentType: 'message/cpim' }, { ...chunk('m', 5, 'two ', 13, '+'), contentType: null });
    expect(got).toEqual([]);
    await say(chunk('m', 9, 'three', 13, '$'));
    expect(got).toEqual([{ messageId: 'm', contentType: 'message/cpim', body: bytes('one two three') }]);
  });

  it('of several messages may be mixed, and messages count in the order they became whole', async () => {
    await say(chunk('a', 1, 'a1', 4, '+'), chunk('b', 1, 'b1', null, '+'), chunk('b', 3, 'b2', null, '$'), chunk('a', 3, 'a2', 4, '$'));
    expect(texts()).toEqual(['b1b2', 'a1a2']);
  });

  it('may come out of order, overlap and repeat', async () => {
    await say(chunk('m', 7, 'ghi', 9, '$'), chunk('m', 4, 'def', 9, '+'), chunk('m', 4, 'def', 9, '+'));
    expect(got).toEqual([]);
    await say(chunk('m', 1, 'abcd', 9, '+'));
    expect(texts()).toEqual(['abcdefghi']);
    await say(chunk('n', 1, 'abcdef', 9, '+'), chunk('n', 3, 'cdefghi', 9, '$'));
    expect(texts()).toEqual(['abcdefghi', 'abcdefghi']);
  });

  it('that announced more than they have, because they were interrupted, count with what they have', async () => {
    await say(
      { messageId: 'm', body: bytes('abc'), byteRange: { start: 1, end: 6, total: 6 }, continuation: '+' },
      chunk('m', 4, 'def', 6, '$'),
    );
    expect([texts(), statuses()]).toEqual([['abcdef'], [200, 200]]);
  });

  it('aborted with "#" leave nothing', async () => {
    await say(chunk('m', 1, 'abc', 6, '+'), chunk('m', 4, 'd', 6, '#'));
    await say(chunk('m', 4, 'def', 6, '$'));
    expect([got, statuses()]).toEqual([[], [200, 200, 200]]);
    await say(
      chunk('n', 1, 'abc', 6, '+'),
      { messageId: 'n', body: null, contentType: null, continuation: '#' },
      chunk('n', 4, 'def', 6, '$'),
    );
    expect(got).toEqual([]);
  });

  it('without any content type are malformed; without a range they are the whole', async () => {
    // The codec writes a content type with every body, as RFC 4975 section 9 asks; a peer may not.
    const text = new TextDecoder().decode(peer.encode(session.localPath, {}));
    peer.write(text.replace(/Content-Type: .*\r\n/, 'Subject: none\r\n'));
    await say({ byteRange: null, body: bytes('whole') });
    expect([texts(), statuses()]).toEqual([['whole'], [400, 200]]);
  });

  it.each([
    ['counts characters', { start: 1, end: 4, total: 4 }],
    ['ends before its octets', { start: 1, end: 2, total: 9 }],
    ['ends after its octets', { start: 1, end: 900, total: 900 }],
    ['is unknown', { start: 1, end: null, total: 3 }],
    ['is missing', null],
  ])('one with everything is the whole message when its Byte-Range %s', async (_what, byteRange) => {
    await say({ body: bytes('é€日本'), byteRange, successReport: true });
    expect([texts(), statuses()]).toEqual([['é€日本'], [200]]);
    expect(peer.requests.at(-1)).toMatchObject({ method: 'REPORT', byteRange: { start: 1, end: 11, total: 11 } });
  });

  it('a long one in several reads is whole too', async () => {
    const long = 'é'.repeat(100_000);
    await say({ body: bytes(long), byteRange: { start: 1, end: 100_000, total: 100_000 } });
    expect([texts(), statuses()]).toEqual([[long], [200]]);
  });

  it.each<[string, Partial<MsrpRequest>]>([
    ['no Byte-Range', { body: null, contentType: null, byteRange: null }],
    ['the range of nothing', { body: null, contentType: null, byteRange: { start: 7, end: 6, total: 6 } }],
    ['the range of everything', { body: null, contentType: null, byteRange: { start: 1, end: 6, total: 6 } }],
    ['the range 1-0/0', { body: null, contentType: null, byteRange: { start: 1, end: 0, total: 0 } }],
    ['an empty body', { body: new Uint8Array(), byteRange: { start: 7, end: 6, total: 6 } }],
    ['an empty body and no range', { body: new Uint8Array(), byteRange: null }],
  ])('all with "+", then "$" without octets and with %s, are a message', async (_what, end) => {
    for (const total of [6, null]) {
      got.length = 0;
      const id = `m-${total}`;
      await say(chunk(id, 1, 'one', total, '+'), chunk(id, 4, 'two', total, '+'));
      expect(got).toEqual([]);
      await say({ ...end, messageId: id });
      expect(texts()).toEqual(['onetwo']);
    }
    expect(statuses()).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it('"$" without octets does not end a message of which octets are missing', async () => {
    const end = { messageId: 'm', body: null, contentType: null };
    await say(chunk('m', 1, 'one', 9, '+'), end);
    expect(got).toEqual([]);
    await say(chunk('m', 7, 'ree', 9, '+'), chunk('m', 4, 'two', 9, '+'));
    expect(texts()).toEqual(['onetworee']);
  });

  it('that end before what has come are refused', async () => {
    await say(chunk('m', 1, 'abcdef', 9, '+'), { messageId: 'm', body: bytes('ab'), byteRange: null });
    expect([got, statuses()]).toEqual([[], [200, 400]]);
  });

  it('SENDs without content may have any Byte-Range', async () => {
    for (const range of ['0-0/0', '1-0/0', '1-*/*', '0-*/0', '1-5/5'])
      peer.write(
        `MSRP empty${range.length} SEND\r\nTo-Path: ${session.localPath}\r\nFrom-Path: ${peer.path}\r\nMessage-ID: e\r\nByte-Range: ${range}\r\n-------empty${range.length}$\r\n`,
      );
    await say({ body: bytes('still there') });
    expect([texts(), statuses()]).toEqual([['still there'], [200, 200, 200, 200, 200, 200]]);
  });

  it('an empty message is a message; a SEND without content is none', async () => {
    await say({ body: new Uint8Array(), byteRange: { start: 1, end: 0, total: 0 } }, { body: null, contentType: null });
    expect([texts(), statuses()]).toEqual([[''], [200, 200]]);
  });
});

describe('the limits', () => {
  it('refuse a message larger than maximumMessageBytes with 413, by what it announces or by what comes', async () => {
    await say(chunk('m', 1, 'abc', maximumMessageBytes + 1, '+'), chunk('m', 4, 'def', 6, '$'));
    expect(statuses()).toEqual([413, 413]);
    await say(chunk('n', maximumMessageBytes, 'ab', null, '+'), chunk('o', 1, 'fine', 4, '$'));
    expect(statuses()).toEqual([413, 413, 413, 200]);
    expect(texts()).toEqual(['fine']);
  });

  it('accept a message of exactly maximumMessageBytes', async () => {
    const half = new Uint8Array(maximumMessageBytes / 2);
    await say(
      { messageId: 'm', body: half, byteRange: { start: 1, end: null, total: maximumMessageBytes }, continuation: '+' },
      { messageId: 'm', body: half, byteRange: { start: half.length + 1, end: null, total: maximumMessageBytes } },
    );
    await settled(100);
    expect(got.map((message) => message.body.length)).toEqual([maximumMessageBytes]);
  });

  it('give up the oldest of more than maximumPartials unfinished messages', async () => {
    for (let index = 0; index <= maximumPartials; index += 1) peer.say(session.localPath, chunk(`m${index}`, 1, 'abc', 6, '+'));
    await settled();
    await say(chunk('m1', 4, 'def', 6, '$'), chunk('m0', 4, 'def', 6, '$'));
    expect(got.map((message) => message.messageId)).toEqual(['m1']);
  });

  it('hold no more than maximumPartialBytes of unfinished messages', async () => {
    const size = maximumPartialBytes / 4 - 64 * 1024;
    for (let index = 0; index < 5; index += 1) {
      await say({ messageId: `m${index}`, body: new Uint8Array(size), byteRange: { start: 1, end: null, total: null }, continuation: '+' });
      await settled(50);
    }
    expect(statuses()).toEqual([200, 200, 200, 200, 413]);
    await say({ messageId: 'm0', body: bytes('!'), byteRange: { start: size + 1, end: null, total: null } });
    expect(got.map((message) => message.body.length)).toEqual([size + 1]);
  });

  it('hold no more than maximumChunksAhead chunks before their turn', async () => {
    for (let index = 1; index <= maximumChunksAhead + 1; index += 1) {
      peer.say(session.localPath, { ...chunk('m', 2 * index, 'x', null, '+'), failureReport: 'partial' });
      if (index % 1000 === 0) await settled(2);
    }
    await settled();
    expect(statuses()).toEqual([413]);
  });

  it.each([
    ['bytes', 64 * 1024, maximumUnhandledBytes / (64 * 1024)],
    ['messages', 1, maximumUnhandledMessages],
  ])('stop the reading while too many %s wait to be taken, and go on after', async (_what, size, most) => {
    const first = gate();
    session.handleMessage = async (message) => {
      await first.opened;
      got.push(message);
    };
    const count = most * 4;
    for (let index = 0; index < count; index += 1) peer.say(session.localPath, { messageId: `m${index}`, body: new Uint8Array(size) });
    // A REPORT behind them all shows how far this side has read: its own messages are answered only after it.
    let answered = false;
    const sent = session.send({ contentType: 'text/plain', body: bytes('x'), messageId: 'ours' });
    void sent.then(() => {
      answered = true;
    });
    await settled(100);
    peer.answer(peer.requests[0] ?? expect.fail('our message'));
    await settled(100);
    expect([got.length, answered, statuses()]).toEqual([0, false, []]);
    first.open();
    await settled(400);
    expect(got.map((message) => message.messageId)).toEqual(Array.from({ length: count }, (_, index) => `m${index}`));
    expect([answered, statuses().length]).toEqual([true, count]);
  });
});
