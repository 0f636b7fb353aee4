import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { MsrpEndpoint, maximumHeldBytes, maximumSenderBytes } from '../../../main/msrp/endpoint';
import { unfinishedMessageMs } from '../../../main/msrp/incoming';
import type { MessageHead, MessageSink, MsrpSession } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import { encodeMsrp, MSRP_PART_BYTES, type MsrpRequest } from '../../../protocol/msrp';
import { MemoryNetwork, ScriptedPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let clock: VirtualClock;
let network: MemoryNetwork;
let endpoint: MsrpEndpoint;
let session: MsrpSession;
let peer: ScriptedPeer;
let heads: MessageHead[];
let log: string[];

/** Notes what it is given; slow or failing where a test says so. */
class NotingSink implements MessageSink {
  limit?: number;
  takesAnyPosition?: boolean;
  open: (() => void)[] = [];
  isSlow = false;
  failsAt: number | null = null;

  write(octets: Uint8Array, at: number): void | Promise<void> {
    log.push(`${at}:${new TextDecoder().decode(octets.subarray(0, 8))}`);
    if (this.failsAt !== null && at >= this.failsAt) throw new AppError('storage/full', { status: 413 });
    if (this.isSlow) return new Promise((resolve) => this.open.push(resolve));
  }

  end(size: number): void {
    log.push(`end ${size}`);
  }

  abort(): void {
    log.push('abort');
  }
}

async function established(sender?: string): Promise<{ session: MsrpSession; peer: ScriptedPeer }> {
  const made = await endpoint.prepare();
  const started = made.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive', sender === undefined ? {} : { sender });
  const other = new ScriptedPeer((await network.connect('', made.port)).stream);
  other.say(made.localPath, { body: null, contentType: null });
  await started;
  await settled();
  other.heard.length = 0;
  return { session: made, peer: other };
}

let sink: NotingSink;

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  endpoint = new MsrpEndpoint({ clock, log: silentLogger, transport: network });
  [heads, log, sink] = [[], [], new NotingSink()];
  ({ session, peer } = await established());
  session.openSink = (head) => {
    heads.push(head);
    return sink;
  };
});

afterEach(async () => {
  endpoint.dispose();
  await settled();
  expect(endpoint.heldBytes).toBe(0);
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const statuses = (of = peer) => of.responses.map((response) => response.status);
async function say(...changes: Partial<MsrpRequest>[]): Promise<void> {
  for (const change of changes) peer.say(session.localPath, change);
  await settled();
}
const chunk = (start: number, text: string, total: number | null, continuation: '$' | '+' | '#'): Partial<MsrpRequest> => ({
  messageId: 'm',
  body: new TextEncoder().encode(text),
  byteRange: { start, end: null, total },
  continuation,
});

describe('a sink', () => {
  it('is chosen by the head, before any body is kept, and gets the octets as they come', async () => {
    await say({ ...chunk(1, 'abc', 6, '+'), contentType: 'image/png' });
    expect(heads).toEqual([{ messageId: 'm', contentType: 'image/png', size: 6, from: peer.path }]);
    expect([log, statuses(), endpoint.heldBytes]).toEqual([['0:abc'], [200], 0]);
    await say(chunk(4, 'def', 6, '$'));
    expect([log, heads.length, statuses()]).toEqual([['0:abc', '3:def', 'end 6'], 1, [200, 200]]);
  });

  it('may be memory for one message and something else for another, and messages keep their order', async () => {
    const texts: string[] = [];
    session.handleMessage = async ({ body }) => void texts.push(new TextDecoder().decode(body));
    session.openSink = ({ contentType }) => (contentType === 'text/plain' ? null : sink);
    await say(
      { ...chunk(1, 'file', 8, '+'), contentType: 'a/b' },
      { messageId: 'text' },
      { ...chunk(5, 'more', 8, '$'), contentType: 'a/b' },
    );
    expect([texts, log, statuses()]).toEqual([['hello'], ['0:file', '4:more', 'end 8'], [200, 200, 200]]);
  });

  it('gets chunks in their order, or by position where it can take that; no octet twice', async () => {
    const chunks = [chunk(7, 'ghi', 9, '$'), chunk(4, 'def', 9, '+'), chunk(3, 'cde', 9, '+'), chunk(1, 'abc', 9, '+')];
    await say(...chunks);
    expect([log, endpoint.heldBytes]).toEqual([['0:ab', '2:c', '3:def', '6:ghi', 'end 9'], 0]);
    log.length = 0;
    sink.takesAnyPosition = true;
    await say(...chunks.map((each) => ({ ...each, messageId: 'n' })));
    expect(log).toEqual(['6:ghi', '3:def', '2:c', '0:ab', 'end 9']);
  });

  it.each([
    ['415 by its head', new AppError('msrp/rejected', { status: 415 }), 415],
    ['413 by its head', new AppError('msrp/rejected', { status: 413 }), 413],
    ['500 when choosing fails', new Error('defect'), 500],
  ])('is refused with %s, and so are further chunks', async (_what, error, status) => {
    session.openSink = () => {
      throw error;
    };
    await say(chunk(1, 'abc', 6, '+'), chunk(4, 'def', 6, '$'));
    expect([log, statuses()]).toEqual([[], [status, status]]);
  });

  it('has the limit that it names, and what it throws is the answer', async () => {
    sink.limit = 5;
    await say(chunk(1, 'abc', 6, '+'));
    expect([log, statuses()]).toEqual([['abort'], [413]]);
    sink = new NotingSink();
    sink.failsAt = 3;
    await say({ ...chunk(1, 'abc', null, '+'), messageId: 'n' }, { ...chunk(4, 'def', null, '$'), messageId: 'n' });
    expect([log, statuses()]).toEqual([
      ['abort', '0:abc', '3:def', 'abort'],
      [413, 200, 413],
    ]);
  });

  it('that is slow stops the reading of its own connection alone, and the chunk is answered when it is taken', async () => {
    const other = await established();
    const texts: string[] = [];
    other.session.handleMessage = async ({ messageId }) => void texts.push(messageId);
    sink.isSlow = true;
    await say(chunk(1, 'abc', 9, '+'), chunk(4, 'def', 9, '+'), chunk(7, 'ghi', 9, '$'));
    other.peer.say(other.session.localPath, { messageId: 'elsewhere' });
    await settled();
    expect([log, statuses(), texts, statuses(other.peer)]).toEqual([['0:abc'], [], ['elsewhere'], [200]]);
    sink.open.shift()?.();
    await settled();
    expect([log, statuses()]).toEqual([['0:abc', '3:def'], [200]]);
    sink.isSlow = false;
    sink.open.shift()?.();
    await settled();
    expect([log, statuses()]).toEqual([
      ['0:abc', '3:def', '6:ghi', 'end 9'],
      [200, 200, 200],
    ]);
  });

  it('is told to drop a message that is aborted, or that does not go on for unfinishedMessageMs, or whose session ends', async () => {
    await say(chunk(1, 'abc', 9, '+'), chunk(4, 'd', 9, '#'));
    expect(log).toEqual(['0:abc', 'abort']);
    await say(chunk(1, 'abc', 9, '+'));
    await clock.advance(unfinishedMessageMs - 1);
    await say(chunk(4, 'def', 9, '+'));
    await clock.advance(unfinishedMessageMs - 1);
    expect(log.filter((line) => line === 'abort')).toHaveLength(1);
    await clock.advance(unfinishedMessageMs);
    expect(log.filter((line) => line === 'abort')).toHaveLength(2);
    await say({ ...chunk(1, 'abc', 9, '+'), messageId: 'n' });
    session.close();
    expect(log.filter((line) => line === 'abort')).toHaveLength(3);
  });

  it('gets one chunk of any length in parts; a refusal stops its sender before the end, and is said once', async () => {
    const body = new Uint8Array(10 * MSRP_PART_BYTES).fill(97);
    const bytes = encodeMsrp({
      ...{ kind: 'request', transactionId: 'long1234', method: 'SEND', toPath: [session.localPath], fromPath: [peer.path], headers: [] },
      ...{ messageId: 'm', byteRange: { start: 1, end: null, total: body.length }, contentType: 'a/b', successReport: false },
      ...{ failureReport: 'yes', status: null, body, continuation: '$' },
    });
    for (let at = 0; at < bytes.length; at += 50_000) peer.write(bytes.subarray(at, at + 50_000));
    await settled(50);
    expect([log.length > 5, log.at(-1), statuses()]).toEqual([true, `end ${body.length}`, [200]]);
    session.openSink = () => {
      throw new AppError('msrp/rejected', { status: 413 });
    };
    peer.write(bytes.subarray(0, 3 * MSRP_PART_BYTES));
    await settled(50);
    expect(statuses()).toEqual([200, 413]);
    peer.write(bytes.subarray(3 * MSRP_PART_BYTES));
    await settled(50);
    await say({ messageId: 'next', contentType: null, body: null });
    expect(statuses()).toEqual([200, 413, 200]);
  });
});

describe('what peers make this device hold', () => {
  /** Begins messages and finishes none, until it is refused. */
  async function flood(sender: string | undefined): Promise<number> {
    const stranger = await established(sender);
    for (let index = 0; index < 5; index += 1) {
      const half = { body: new Uint8Array(8 * 1024 * 1024 - 65_536), byteRange: { start: 1, end: null, total: null } };
      stranger.peer.say(stranger.session.localPath, { ...half, messageId: `m${index}`, continuation: '+' });
      await settled(20);
    }
    return statuses(stranger.peer).filter((status) => status === 200).length;
  }

  it('is shared by all sessions of one sender, and bounded for all senders together', async () => {
    expect([await flood('sip:mallory'), await flood('sip:mallory'), await flood('sip:mallory')]).toEqual([4, 2, 0]);
    expect(endpoint.heldBytes).toBeLessThanOrEqual(maximumSenderBytes);
    for (const sender of ['a', 'b', 'c', 'd']) await flood(sender);
    expect(endpoint.heldBytes).toBeLessThanOrEqual(maximumHeldBytes);
    expect(endpoint.heldBytes).toBeGreaterThan(maximumHeldBytes / 2);
  });

  it('is nothing for a stranger without a session: its body is skipped', async () => {
    const strangers = await Promise.all(
      Array.from({ length: 60 }, async () => new ScriptedPeer((await network.connect('', session.port)).stream)),
    );
    const before = process.memoryUsage().arrayBuffers;
    const body = new Uint8Array(1024 * 1024);
    const bytes = strangers[0]?.encode('msrp://127.0.0.1:9/nobody;tcp', { body }) ?? body;
    for (const stranger of strangers) stranger.write(bytes.subarray(0, -30));
    await settled(50);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024);
    for (const stranger of strangers) stranger.write(bytes.subarray(-30));
    await settled(50);
    expect(strangers.map(({ responses }) => responses.map(({ status }) => status))).toEqual(strangers.map(() => [481]));
  });
});
