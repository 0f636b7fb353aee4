import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../../main/sip/flow/connection';
import { Flow, KEEPALIVE_INTERVAL_MS, MESSAGES_A_TURN, PONG_TIMEOUT_MS, SILENCE_MS } from '../../../../main/sip/flow/flow';
import { silent } from '../../../support/doubles/sip-memory';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

const bytes = (text: string) => new TextEncoder().encode(text);
const REQUEST = bytes('MESSAGE sip:bob@lab.test SIP/2.0\r\nContent-Length: 0\r\n\r\n');
const ACK = bytes('ACK sip:bob@lab.test SIP/2.0\r\nContent-Length: 0\r\n\r\n');
const ANSWER = bytes('SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n');

/** A flow over a connection in memory that keeps what was sent and says nothing by itself. */
function lab(more: Partial<Connection> = {}) {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const place = { host: '127.0.0.1', port: 1 };
  const connection: Connection = {
    local: place,
    remote: place,
    send: async (piece) => void sent.push(new TextDecoder().decode(piece)),
    close: () => undefined,
    onBytes: () => undefined,
    onClose: () => undefined,
    ...more,
  };
  const flow = new Flow(connection, more.isMessageBased ? 'wss' : 'tcp', { clock, log: silent });
  const lost: string[] = [];
  const heard: string[] = [];
  flow.onLost = (reason) => lost.push(reason);
  flow.onMessage = (message) => heard.push(new TextDecoder().decode(message));
  return { clock, sent, connection, flow, lost, heard };
}

describe('a flow whose other end has vanished', () => {
  it('is lost when a request meets silence and the ping after it too', async () => {
    const { clock, flow, sent, lost } = lab();
    await flow.send(REQUEST);
    await clock.advance(SILENCE_MS);
    expect(sent.at(-1)).toBe('\r\n\r\n');
    await clock.advance(PONG_TIMEOUT_MS - 1);
    expect(lost).toEqual([]);
    await clock.advance(1);
    expect(lost).toHaveLength(1);
    expect(flow.alive).toBe(false);
    expect(clock.pending).toBe(0);
  });

  it('is not suspected when anything came back, or when nothing was to come', async () => {
    const { clock, flow, sent, lost, connection } = lab();
    await flow.send(REQUEST);
    connection.onBytes(bytes('SIP/2.0 100'));
    await flow.send(ACK);
    await flow.send(ANSWER);
    await clock.advance(60_000);
    expect(sent).toHaveLength(3);
    expect(lost).toEqual([]);
  });

  it('differs from a server that never answers pings: a ping is only a proof if an answer was promised or came before', async () => {
    const old = lab();
    old.flow.keepAlive(KEEPALIVE_INTERVAL_MS);
    await old.clock.advance(5 * KEEPALIVE_INTERVAL_MS);
    expect(old.sent.length).toBeGreaterThanOrEqual(5);
    expect(old.lost).toEqual([]);
    old.connection.onBytes(bytes('\r\n'));
    await old.clock.advance(KEEPALIVE_INTERVAL_MS + PONG_TIMEOUT_MS);
    expect(old.lost).toHaveLength(1);
    const promised = lab();
    promised.flow.keepAlive(KEEPALIVE_INTERVAL_MS, true);
    await promised.clock.advance(KEEPALIVE_INTERVAL_MS + PONG_TIMEOUT_MS);
    expect(promised.lost).toHaveLength(1);
  });

  it('is found out by a probe, which ends nothing', async () => {
    const { clock, flow, sent, connection } = lab();
    const silentProbe = flow.probe(2_000);
    expect(sent).toEqual(['\r\n\r\n']);
    await clock.advance(2_000);
    expect(await silentProbe).toBe(false);
    expect(flow.alive).toBe(true);
    const answered = flow.probe(2_000);
    connection.onBytes(bytes('\r\n'));
    expect(await answered).toBe(true);
    const cut = flow.probe(2_000);
    flow.dispose();
    expect(await cut).toBe(false);
    expect(await flow.probe(2_000)).toBe(false);
    expect(clock.pending).toBe(0);
  });
});

describe('a flow over WebSocket', () => {
  it('pings in the WebSocket’s own way, and its pong counts', async () => {
    const pings: number[] = [];
    const { clock, flow, sent, lost, connection } = lab({ isMessageBased: true, ping: async () => void pings.push(1) });
    flow.keepAlive(KEEPALIVE_INTERVAL_MS);
    await clock.advance(KEEPALIVE_INTERVAL_MS);
    expect([pings.length, sent.length]).toEqual([1, 0]);
    connection.onPong?.();
    await clock.advance(PONG_TIMEOUT_MS);
    expect(lost).toEqual([]);
    await clock.advance(KEEPALIVE_INTERVAL_MS + PONG_TIMEOUT_MS);
    expect(lost).toHaveLength(1);
  });

  it('takes each piece as a message, with or without Content-Length', () => {
    const { connection, heard, lost } = lab({ isMessageBased: true });
    connection.onBytes(bytes('MESSAGE sip:a@b SIP/2.0\r\nSubject: x\r\n\r\nGrüße'));
    connection.onBytes(bytes('MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 2\r\n\r\nGrüße'));
    expect(heard.map((text) => text.split('\r\n\r\n')[1])).toEqual(['Grüße', 'Gr']);
    expect(lost).toEqual([]);
    connection.onBytes(bytes('MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 20\r\n\r\nGrüße'));
    expect(lost).toHaveLength(1);
  });

  it('is ws in a Contact, secure or not', () => {
    expect(lab({ isMessageBased: true }).flow.contactTransport).toBe('ws');
    expect(lab().flow.contactTransport).toBe('tcp');
  });
});

describe('a backlog', () => {
  const backlog = (count: number) =>
    bytes(Array.from({ length: count }, (_, index) => `NOTIFY sip:${index}@b SIP/2.0\r\nContent-Length: 0\r\n\r\n`).join(''));
  const numbers = (heard: readonly string[]) => heard.map((text) => Number(/sip:(\d+)@/.exec(text)?.[1]));
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('is handed on a few messages a turn, in order, and nothing more is read meanwhile', async () => {
    const reading: string[] = [];
    const { connection, heard } = lab({ pause: () => void reading.push('pause'), resume: () => void reading.push('resume') });
    connection.onBytes(backlog(2 * MESSAGES_A_TURN + 1));
    expect([heard.length, reading]).toEqual([MESSAGES_A_TURN, ['pause']]);
    connection.onBytes(backlog(1));
    expect(heard).toHaveLength(MESSAGES_A_TURN);
    await turn();
    expect(heard).toHaveLength(2 * MESSAGES_A_TURN);
    await turn();
    expect(numbers(heard)).toEqual([...Array.from({ length: 2 * MESSAGES_A_TURN + 1 }, (_, index) => index), 0]);
    expect(reading.at(-1)).toBe('resume');
  });

  it('is handled before the end of its connection is told', async () => {
    const { connection, heard, lost } = lab();
    connection.onBytes(backlog(MESSAGES_A_TURN + 1));
    connection.onClose('closed by the other side');
    expect(lost).toEqual([]);
    await turn();
    expect([heard.length, lost]).toEqual([MESSAGES_A_TURN + 1, ['closed by the other side']]);
  });

  it('of a flow that was given up is dropped', async () => {
    const { connection, flow, heard, lost } = lab();
    connection.onBytes(backlog(2 * MESSAGES_A_TURN));
    flow.dispose();
    await turn();
    expect([heard.length, lost]).toEqual([MESSAGES_A_TURN, []]);
  });
});

describe('a throw at a handler of the socket', () => {
  const defect = () => {
    throw new Error('injected');
  };

  it.each<[string, Partial<Connection>, (connection: Connection) => void]>([
    ['the answer to a ping', { send: defect }, (connection) => connection.onBytes(bytes('\r\n\r\n'))],
    ['a pause', { pause: defect }, (connection) => connection.onBytes(bytes(many(MESSAGES_A_TURN + 1)))],
    ['closing', { close: defect }, (connection) => connection.onBytes(bytes('nonsense\r\n\r\n'))],
    ['closing at the end', { close: defect }, (connection) => connection.onClose('gone')],
  ])('costs the flow alone: %s', (_where, broken, provoke) => {
    const { connection, flow, lost, clock } = lab(broken);
    expect(() => provoke(connection)).not.toThrow();
    expect([flow.alive, lost.length, clock.pending]).toEqual([false, 1, 0]);
  });

  it('costs the flow alone: going on in a later turn', async () => {
    const { connection, flow, lost } = lab({ resume: defect });
    connection.onBytes(bytes(many(MESSAGES_A_TURN + 1)));
    for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    expect([flow.alive, lost.length]).toEqual([false, 1]);
  });

  function many(count: number): string {
    return new TextDecoder().decode(REQUEST).repeat(count);
  }
});
