import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../../base/log';
import { lingerMs, MsrpConnection, readPauseBytes, sendPauseBytes, stalledPeerMs } from '../../../main/msrp/connection';
import type { MsrpResponse } from '../../../protocol/msrp';
import { ScriptedPeer, streamPair } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const clock = new VirtualClock();
const path = 'msrp://127.0.0.1:1/here;tcp';

afterEach(async () => {
  await clock.advance(stalledPeerMs + lingerMs);
  expect(clock.pending).toBe(0);
});

function pair(log: Logger = silentLogger): { connection: MsrpConnection; peer: ScriptedPeer; reasons: string[] } {
  const [here, there] = streamPair();
  const connection = new MsrpConnection({ stream: here, local: 'here', remote: 'there' }, { clock, log });
  const reasons: string[] = [];
  connection.onClose.on((reason) => reasons.push(reason));
  return { connection, peer: new ScriptedPeer(there), reasons };
}

function response(index: number, reason = 'OK'): MsrpResponse {
  const transactionId = `tid${String(index).padStart(6, '0')}`;
  return { kind: 'response', transactionId, status: 200, reason, toPath: [path], fromPath: [path], continuation: '$' };
}

describe('writing', () => {
  it('of one turn leaves in one system call', async () => {
    const calls: number[] = [];
    const stream = new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        calls.push(1);
        done();
      },
      writev(chunks, done) {
        calls.push(chunks.length);
        done();
      },
    });
    const connection = new MsrpConnection({ stream, local: '', remote: '' }, { clock, log: silentLogger });
    for (let index = 0; index < 32; index += 1) connection.send(response(index));
    await settled();
    expect(calls).toEqual([1]);
    connection.destroy('done');
  });

  it('of short and long messages in one turn keeps their order, byte for byte', async () => {
    const { connection, peer } = pair();
    const bodies = [3, 70_000, 5, 4096, 0].map((size) => new Uint8Array(size).fill(0x78));
    for (const [index, body] of bodies.entries()) {
      connection.send({
        ...{ ...response(index), kind: 'request', method: 'SEND', headers: [], messageId: `m${index}`, byteRange: null },
        ...{ contentType: 'text/plain', successReport: false, failureReport: 'yes', status: null, body },
      });
    }
    expect(connection.unsentBytes).toBeGreaterThan(74_000);
    connection.end();
    await settled(20);
    expect(peer.requests.map(({ messageId, body }) => [messageId, body])).toEqual(bodies.map((body, index) => [`m${index}`, body]));
  });

  it('tells when no more should be sent, and when to go on', async () => {
    const { connection, peer } = pair();
    peer.pause();
    let drained = 0;
    connection.onDrain.on(() => {
      drained += 1;
    });
    const long = 'x'.repeat(4000);
    let count = 0;
    // The stream itself takes a little more whenever it is full; what counts is when it takes nothing.
    for (let round = 0; round < 10; round += 1) {
      for (; connection.canSend; count += 1) connection.send(response(count, long));
      await settled();
    }
    expect(connection.unsentBytes).toBeLessThan(sendPauseBytes + 8000);
    expect([connection.canSend, drained]).toEqual([false, 0]);
    peer.resume();
    await settled(50);
    expect([connection.canSend, drained > 0, peer.responses.length]).toEqual([true, true, count]);
    connection.end();
  });

  it('after the end, or after the connection is gone, does nothing', async () => {
    const { connection, peer, reasons } = pair();
    connection.send(response(1));
    connection.end();
    connection.send(response(2));
    await settled();
    expect(peer.responses).toHaveLength(1);
    expect([peer.closed, reasons]).toEqual([true, ['closed by this side']]);
    connection.send(response(3));
    connection.destroy('again');
    expect(reasons).toHaveLength(1);
  });

  it('ends by force when the peer does not take the last bytes', async () => {
    const { connection, peer, reasons } = pair();
    peer.pause();
    for (let index = 0; index < 100; index += 1) connection.send(response(index, 'x'.repeat(4000)));
    connection.end();
    await clock.advance(lingerMs - 1);
    expect(reasons).toEqual([]);
    await clock.advance(1);
    expect(reasons).toEqual(['closed by this side']);
  });
});

describe('a peer that leaves our answers unread', () => {
  it('is not read from any more, and is cut off after stalledPeerMs', async () => {
    const { connection, peer, reasons } = pair();
    let asked = 0;
    connection.onRequest = () => {
      asked += 1;
      connection.send(response(asked, 'x'.repeat(4000)));
    };
    peer.pause();
    for (let index = 0; index < 1000; index += 1) peer.say(path);
    await settled(50);
    expect(asked).toBeLessThan(1000);
    expect(connection.unsentBytes).toBeGreaterThan(readPauseBytes / 2);
    expect(connection.unsentBytes).toBeLessThan(readPauseBytes + 8000);
    await clock.advance(stalledPeerMs);
    expect(reasons).toEqual(['the peer reads nothing']);
  });

  it('is read from again once it has read them', async () => {
    const { connection, peer } = pair();
    let asked = 0;
    connection.onRequest = () => {
      asked += 1;
      connection.send(response(asked, 'x'.repeat(4000)));
    };
    peer.pause();
    for (let index = 0; index < 400; index += 1) peer.say(path);
    await settled(50);
    expect(asked).toBeLessThan(400);
    peer.resume();
    await settled(500);
    expect([asked, peer.responses.length]).toEqual([400, 400]);
    connection.end();
  });
});

describe('reading', () => {
  it('held by two goes on when both have released; responses arrive meanwhile', async () => {
    const { connection, peer } = pair();
    const asked: (string | null)[] = [];
    const [one, other] = [{}, {}];
    connection.onRequest = (request) => {
      asked.push(request.messageId);
      if (request.messageId === 'first') {
        connection.hold(one);
        connection.hold(other);
      }
    };
    let answered = 0;
    connection.request(
      {
        ...response(7),
        kind: 'request',
        method: 'SEND',
        headers: [],
        messageId: 'x',
        byteRange: null,
        contentType: null,
        successReport: false,
        failureReport: 'yes',
        status: null,
        body: null,
      },
      () => {
        answered += 1;
      },
    );
    await settled();
    const answer = peer.requests[0] ?? expect.fail('a request');
    peer.write(Buffer.concat([peer.encode(path, { messageId: 'first' }), peer.encode(path, { messageId: 'second' })]));
    peer.answer(answer);
    peer.answer(answer);
    connection.release(one);
    await settled();
    expect(asked).toEqual(['first']);
    connection.release(one);
    connection.release(other);
    await settled();
    expect([asked, answered]).toEqual([['first', 'second'], 1]);
    connection.end();
  });

  it('a handler that throws costs the connection and nothing else', async () => {
    const errors: string[] = [];
    const { connection, peer, reasons } = pair({ ...silentLogger, error: (text) => errors.push(text) });
    connection.onRequest = () => {
      throw new Error('defect');
    };
    peer.say(path);
    await settled();
    expect([reasons, errors]).toEqual([['internal error'], ['handling an MSRP connection failed']]);
    expect(connection.isOpen).toBe(false);
  });

  it('an error of the stream is a reason, not an exception', async () => {
    const [here] = streamPair();
    const connection = new MsrpConnection({ stream: here, local: '', remote: '' }, { clock, log: silentLogger });
    const reasons: string[] = [];
    connection.onClose.on((reason) => reasons.push(reason));
    here.destroy(new Error('reset'));
    await settled();
    expect(reasons).toEqual(['Error: reset']);
  });
});
