import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunkBytes, maximumReportedRanges, windowBytes } from '../../../main/msrp/outgoing';
import type { MessageSource, MsrpSession } from '../../../main/msrp/session';
import { sourceOf } from '../../../main/msrp/session';
import { MsrpAssembly } from '../../../network/msrp/assembly';
import { AppError } from '../../../preload/contract/errors';
import { type ScriptedPeer, sessionWithPeer } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

let session: MsrpSession;
let peer: ScriptedPeer;

beforeEach(async () => {
  ({ session, peer } = await sessionWithPeer(new VirtualClock()));
});
afterEach(() => session.close());

const piece = (length: number, fill = 97) => new Uint8Array(length).fill(fill);
const chunksOf = (messageId: string) => peer.requests.filter((request) => request.messageId === messageId);

/** A source by hand: gives what it is told to, and counts. */
class HandSource implements MessageSource {
  given = 0;
  closed = 0;
  #wanting: ((octets: Uint8Array | null) => void) | null = null;
  fail: (error: Error) => void = () => {};
  constructor(readonly size: number | null) {}

  read(): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      this.#wanting = resolve;
      this.fail = reject;
    });
  }

  get isWanted(): boolean {
    return this.#wanting !== null;
  }

  async give(octets: Uint8Array | null): Promise<void> {
    this.given += octets?.length ?? 0;
    const wanting = this.#wanting;
    this.#wanting = null;
    wanting?.(octets);
    await settled();
  }

  close(): void {
    this.closed += 1;
  }
}

function outcome(promise: Promise<void>): { value: string } {
  const box = { value: 'open' };
  promise.then(
    () => {
      box.value = 'sent';
    },
    (error: unknown) => {
      box.value = error instanceof AppError ? error.code : String(error);
    },
  );
  return box;
}

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

function assembled(messageId: string): number | undefined {
  const assembly = new MsrpAssembly();
  const steps = chunksOf(messageId).map((request) => assembly.take(request));
  return steps.flatMap((step) => (step.kind === 'complete' ? [step.message.body.length] : [])).at(0);
}

describe('a message from a source', () => {
  it.each([
    ['known', 300_000],
    ['unknown', null],
  ])('of %s size leaves whole, in chunks of chunkBytes, however the pieces are cut', async (_what, size) => {
    for (const cut of [1000, chunkBytes, 100_000, 300_000]) {
      const messageId = `m${cut}`;
      const pieces = Array.from({ length: 300_000 / cut }, () => piece(cut));
      const rest = 300_000 - pieces.length * cut;
      const box = outcome(session.send({ contentType: 'a/b', messageId, body: sourceOf([...pieces, piece(Math.floor(rest))], size) }));
      await settled(2000);
      await answerAll();
      expect([box.value, assembled(messageId)]).toEqual(['sent', 300_000]);
      const chunks = chunksOf(messageId);
      expect(chunks.map(({ body }) => body?.length)).toEqual([chunkBytes, chunkBytes, chunkBytes, chunkBytes, 300_000 - 4 * chunkBytes]);
      expect(chunks.at(-1)).toMatchObject({ continuation: '$', byteRange: { total: 300_000 } });
      expect(chunks[0]).toMatchObject({ continuation: '+', byteRange: { start: 1, total: size } });
    }
  });

  it.each([[0], [null]])('may be empty (size %s)', async (size) => {
    const box = outcome(session.send({ contentType: 'a/b', messageId: 'm', body: sourceOf([], size) }));
    await settled();
    await answerAll();
    expect([box.value, assembled('m')]).toEqual(['sent', 0]);
  });

  it('is read no further than the peer takes, and closed when it has left', async () => {
    const source = new HandSource(null);
    const box = outcome(session.send({ contentType: 'a/b', messageId: 'm', body: source }));
    await settled();
    for (let turn = 0; turn < 1000 && source.isWanted; turn += 1) await source.give(piece(chunkBytes));
    expect(source.given).toBeLessThanOrEqual(windowBytes + 2 * chunkBytes);
    expect(source.given).toBeGreaterThanOrEqual(windowBytes);
    for (const chunk of chunksOf('m').slice(0, 4)) peer.answer(chunk);
    await settled();
    expect(source.isWanted).toBe(true);
    await source.give(null);
    await answerAll();
    expect([box.value, source.closed]).toEqual(['sent', 1]);
  });

  it('that has nothing ready lets one pass that may overtake, and no other', async () => {
    const source = new HandSource(10);
    const long = outcome(session.send({ contentType: 'a/b', messageId: 'long', body: source }));
    const late = outcome(session.send({ contentType: 'a/b', messageId: 'late', body: piece(5) }));
    const short = outcome(session.send({ contentType: 'a/b', messageId: 'short', body: piece(5), overtakes: true }));
    await settled();
    await answerAll();
    expect([long.value, late.value, short.value]).toEqual(['open', 'open', 'sent']);
    await source.give(piece(10));
    await answerAll();
    expect([long.value, late.value]).toEqual(['sent', 'sent']);
    expect(peer.requests.map(({ messageId }) => messageId).slice(-3)).toEqual(['short', 'long', 'late']);
  });

  it.each([
    ['gives less than it announced', 200_000, (source: HandSource) => source.give(null)],
    ['gives more than it announced', 100_000, (source: HandSource) => source.give(piece(50_000))],
    ['fails', 200_000, (source: HandSource) => source.fail(new Error('disk'))],
  ])('that %s ends the message, tells the peer, and the next message goes', async (_what, size, act) => {
    const source = new HandSource(size);
    const box = outcome(session.send({ contentType: 'a/b', messageId: 'm', body: source }));
    await settled();
    await source.give(piece(70_000));
    await act(source);
    await settled();
    expect([box.value, source.closed, chunksOf('m').map(({ continuation }) => continuation)]).toEqual(['internal', 1, ['+', '#']]);
    const next = outcome(session.send({ contentType: 'a/b', messageId: 'next', body: piece(5) }));
    await settled();
    await answerAll();
    expect(next.value).toBe('sent');
  });

  it('is given up, refused or lost like any other, and closed each time', async () => {
    const sources = [new HandSource(null), new HandSource(null), new HandSource(null), new HandSource(null)] as const;
    const giving = new AbortController();
    const send = (messageId: string, body: HandSource, signal?: AbortSignal) =>
      outcome(session.send({ contentType: 'a/b', messageId, body, ...(signal === undefined ? {} : { signal }) }));
    const first = send('a', sources[0], giving.signal);
    await settled();
    await sources[0].give(piece(chunkBytes + 1));
    giving.abort();
    await settled();
    expect([first.value, sources[0].closed, chunksOf('a').at(-1)?.continuation]).toEqual(['message/skipped', 1, '#']);
    const second = send('b', sources[1]);
    await settled();
    await sources[1].give(piece(chunkBytes + 1));
    peer.answer(chunksOf('b')[0] ?? expect.fail('no chunk'), 413);
    await settled();
    expect([second.value, sources[1].closed]).toEqual(['msrp/rejected', 1]);
    const third = send('c', sources[2]);
    session.close();
    await settled();
    expect([third.value, sources[2].closed]).toEqual(['msrp/closed', 1]);
    const fourth = send('d', sources[3]);
    await settled();
    expect([fourth.value, sources[3].closed]).toEqual(['msrp/closed', 1]);
  });
});

describe('success REPORTs', () => {
  it('in any order make a message done; beyond maximumReportedRanges gaps they count no more', async () => {
    const total = 3 * maximumReportedRanges;
    const send = (messageId: string) =>
      outcome(session.send({ contentType: 'a/b', messageId, body: piece(total), reports: { success: true, failure: 'no' } }));
    const report = (messageId: string, start: number, end: number) =>
      peer.say(session.localPath, {
        ...{ method: 'REPORT', messageId, body: null, contentType: null, byteRange: { start, end, total } },
        status: { code: 200, reason: 'OK' },
      });
    const [good, bad] = [send('good'), send('bad')];
    await settled();
    for (let at = total - 2; at >= 1; at -= 3) report('good', at, at + 2);
    for (let at = 1; at < total; at += 2) report('bad', at, at);
    for (let at = 2; at <= total; at += 2) report('bad', at, at);
    await settled(500);
    expect([good.value, bad.value]).toEqual(['sent', 'open']);
  });
});
