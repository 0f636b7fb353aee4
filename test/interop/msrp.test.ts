import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock';
import { type Logger, silentLogger } from '../../base/log';
import { MsrpEndpoint } from '../../main/msrp/endpoint';
import { maximumUnhandledBytes } from '../../main/msrp/incoming';
import { windowBytes } from '../../main/msrp/outgoing';
import type { MsrpSession } from '../../main/msrp/session';
import { AppError } from '../../preload/contract/errors';
import { encodeMsrp } from '../../protocol/msrp';
import { VirtualClock } from '../support/doubles/virtual-clock';
import { elapse, until } from '../support/waiting';

let alice: MsrpEndpoint;
let bob: MsrpEndpoint;
let warnings: string[];
let bytesIn: { alice: number; bob: number };
const servers: Server[] = [];

beforeEach(() => {
  warnings = [];
  bytesIn = { alice: 0, bob: 0 };
  const note = (text: string) => void warnings.push(text);
  const log: Logger = { ...silentLogger, warn: note, error: note };
  const counted = (who: 'alice' | 'bob') =>
    new MsrpEndpoint({
      clock: systemClock,
      log,
      tap: (record) => {
        if (record.direction === 'in') bytesIn[who] += record.bytes.length;
      },
    });
  alice = counted('alice');
  bob = counted('bob');
});

afterEach(() => {
  alice.dispose();
  bob.dispose();
  for (const server of servers.splice(0)) server.close();
});

interface Side {
  session: MsrpSession;
  got: { messageId: string; body: Uint8Array }[];
}

async function side(endpoint: MsrpEndpoint): Promise<Side> {
  const session = await endpoint.prepare();
  const got: Side['got'] = [];
  session.handleMessage = async ({ messageId, body }) => void got.push({ messageId, body });
  return { session, got };
}

/** Alice's active session with Bob's passive one. */
async function talking(): Promise<{ a: Side; b: Side }> {
  const [a, b] = [await side(alice), await side(bob)];
  await Promise.all([a.session.start([b.session.localPath], 'active'), b.session.start([a.session.localPath], 'passive')]);
  return { a, b };
}

function send(from: Side, messageId: string, body: Uint8Array): Promise<void> {
  return from.session.send({ contentType: 'application/octet-stream', body, messageId });
}

/** Bytes of every value; each size and seed its own. */
function content(size: number, seed: number): Uint8Array {
  const clock = new VirtualClock({ seed });
  return new Uint8Array(size).map(() => Math.floor(clock.random() * 256));
}

const idsOf = (at: Side) => at.got.map((message) => message.messageId);
const same = (one: Uint8Array | undefined, other: Uint8Array) => one !== undefined && Buffer.compare(one, other) === 0;

/** Also where the other side resets it. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.resume().once('close', resolve));
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('two endpoints over TCP', () => {
  it('exchange one message both ways', async () => {
    const { a, b } = await talking();
    await Promise.all([send(a, 'to-bob', content(100, 1)), send(b, 'to-alice', content(100, 2))]);
    expect(b.got).toEqual([{ messageId: 'to-bob', body: content(100, 1) }]);
    expect(a.got).toEqual([{ messageId: 'to-alice', body: content(100, 2) }]);
  });

  it('exchange 1000 messages both ways at once, each in order', async () => {
    const { a, b } = await talking();
    const names = Array.from({ length: 1000 }, (_, index) => `m${index}`);
    await Promise.all(
      names.flatMap((name, index) => [send(a, name, content(index % 300, index)), send(b, name, content(index % 200, index))]),
    );
    for (const at of [a, b]) expect(idsOf(at)).toEqual(names);
    expect(b.got.every((message, index) => same(message.body, content(index % 300, index)))).toBe(true);
    expect(a.got.every((message, index) => same(message.body, content(index % 200, index)))).toBe(true);
  });

  it('exchange 3 MB both ways at once, with small messages around them in order', async () => {
    const { a, b } = await talking();
    const large = [content(3_000_000, 3), content(3_000_000, 4)] as const;
    const all = (
      [
        [a, large[0]],
        [b, large[1]],
      ] as const
    ).flatMap(([from, body]) => [send(from, 'before', content(10, 5)), send(from, 'large', body), send(from, 'after', content(10, 6))]);
    await Promise.all(all);
    for (const at of [a, b]) expect(idsOf(at)).toEqual(['before', 'large', 'after']);
    expect(same(b.got[1]?.body, large[0])).toBe(true);
    expect(same(a.got[1]?.body, large[1])).toBe(true);
  });

  it('carry several sessions over one listener without mixing them', async () => {
    const pairs = await Promise.all([talking(), talking(), talking()]);
    expect(new Set(pairs.map(({ b }) => b.session.port)).size).toBe(1);
    await Promise.all(pairs.map(({ a }, index) => send(a, `of-${index}`, content(100_000, index))));
    for (const [index, { b }] of pairs.entries()) expect(idsOf(b)).toEqual([`of-${index}`]);
  });

  it('close together, and the sender learns which messages were not accepted', async () => {
    const { a, b } = await talking();
    b.session.handleMessage = () => new Promise(() => {});
    const pending = send(a, 'm', content(100, 1)).catch((error: unknown) => error);
    await until('the message is at Bob', () => bytesIn.bob > 500);
    b.session.close();
    expect(await pending).toMatchObject({ code: 'msrp/closed' });
    expect([a.session.state, b.session.state]).toEqual(['closed', 'closed']);
  });

  it('an active side that nobody listens for fails with net/unreachable', async () => {
    const { session } = await side(alice);
    const server = createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await session.start([`msrp://127.0.0.1:${port}/x;tcp`], 'active').catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'net/unreachable' });
  });
});

describe('a connection that is cut', () => {
  /** Passes bytes on until `limit` of them have gone one way, then resets both sides at that very byte. */
  async function cutter(path: string, way: 'out' | 'back', limit: number): Promise<string> {
    const target = Number(/:(\d+)\//.exec(path)?.[1]);
    const port = await listening(
      createServer((client) => {
        const upstream = connectTcp({ host: '127.0.0.1', port: target });
        let left = limit;
        const pass = (from: Socket, to: Socket, counted: boolean) => {
          from.on('error', () => {});
          from.on('close', () => to.destroy());
          from.on('data', (bytes: Buffer) => {
            if (counted && bytes.length >= left) {
              from.pause();
              to.write(bytes.subarray(0, left), () => {
                client.resetAndDestroy();
                upstream.resetAndDestroy();
              });
              return;
            }
            if (counted) left -= bytes.length;
            to.write(bytes);
          });
        };
        pass(client, upstream, way === 'out');
        pass(upstream, client, way === 'back');
      }),
    );
    return path.replace(`:${target}/`, `:${port}/`);
  }

  const sizes = [3, 5000, 200_000, 0, 70_000];
  // How many bytes the whole exchange has at least, each way: the cuts fall into bindings, headers, bodies, end lines and answers.
  const span = { out: 276_000, back: 1_500 };
  const cuts = Array.from({ length: 24 }, (_, index) => {
    const clock = new VirtualClock({ seed: index + 1 });
    const way = index % 2 === 0 ? ('out' as const) : ('back' as const);
    return [way, 1 + Math.floor(clock.random() ** 2 * span[way])] as const;
  });

  it.each(cuts)('%s after %i bytes never says sent of what did not arrive, and never hangs', async (way, limit) => {
    const [a, b] = [await side(alice), await side(bob)];
    const path = await cutter(b.session.localPath, way, limit);
    const outcomes = sizes.map((size, index) =>
      send(a, `m${index}`, content(size, index)).then(
        () => 'sent',
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      ),
    );
    b.session.start([a.session.localPath], 'passive').catch(() => {});
    const started = await a.session.start([path], 'active').then(
      () => 'established',
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );
    const ends = await Promise.all(outcomes);
    await until('the session is closed', () => a.session.state === 'closed');
    expect(idsOf(b)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'].slice(0, b.got.length));
    expect(b.got.every((message, index) => same(message.body, content(sizes[index] ?? -1, index)))).toBe(true);
    const sent = ends.filter((end) => end === 'sent').length;
    expect(sent).toBeLessThanOrEqual(b.got.length);
    expect(ends).toEqual([...Array.from({ length: sent }, () => 'sent'), ...Array.from({ length: 5 - sent }, () => 'msrp/closed')]);
    expect(['established', 'msrp/closed']).toContain(started);
    expect(warnings).toEqual([]);
  });
});

describe('a reader that stops', () => {
  it('holds back a sender of ours at its window', async () => {
    const { a, b } = await talking();
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    b.session.handleMessage = () => opened;
    const size = 256 * 1024;
    const sent = Array.from({ length: 40 }, (_, index) => send(a, `m${index}`, new Uint8Array(size)));
    await elapse(300, 'nothing tells that no more is read');
    expect(bytesIn.bob).toBeLessThan(windowBytes + 2 * size);
    open();
    await Promise.all(sent);
  });

  it('does not keep more than its limit of a sender that heeds no window', async () => {
    const { session } = await side(bob);
    session.handleMessage = () => new Promise(() => {});
    const started = session.start(['msrp://127.0.0.1:9/raw;tcp'], 'passive');
    const socket = connectTcp({ host: '127.0.0.1', port: session.port });
    socket.on('error', () => {});
    const body = new Uint8Array(60_000);
    let stuck = false;
    for (let index = 0; index < 2000 && !stuck; index += 1) {
      const bytes = encodeMsrp({
        kind: 'request',
        transactionId: `flood${index}`,
        method: 'SEND',
        toPath: [session.localPath],
        fromPath: ['msrp://127.0.0.1:9/raw;tcp'],
        headers: [],
        messageId: `m${index}`,
        byteRange: null,
        contentType: 'text/plain',
        successReport: false,
        failureReport: 'no',
        status: null,
        body,
        continuation: '$',
      });
      if (socket.write(bytes)) continue;
      stuck = await Promise.race([
        once(socket, 'drain').then(() => false),
        elapse(500, 'a full window never tells that it stays full').then(() => true),
      ]);
    }
    await started;
    expect(stuck).toBe(true);
    expect(bytesIn.bob).toBeLessThan(maximumUnhandledBytes + 4 * body.length);
    socket.destroy();
  });
});

describe('hostile bytes', () => {
  const range = (path: string, value: string) =>
    `MSRP abcdefgh SEND\r\nTo-Path: ${path}\r\nFrom-Path: ${path}\r\nByte-Range: ${value}\r\n-------abcdefgh$\r\n`;
  const hostile: [string, (path: string) => Uint8Array | string][] = [
    ['noise', () => content(20_000, 99)],
    ['another protocol', () => 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a line without end', () => `MSRP ${'a'.repeat(100_000)}`],
    ['headers without end', (path) => `MSRP abcdefgh SEND\r\nTo-Path: ${path}\r\n${'X: y\r\n'.repeat(10_000)}`],
    ['no paths', () => 'MSRP abcdefgh SEND\r\nMessage-ID: x\r\n-------abcdefgh$\r\n'],
    ['an impossible range', (path) => range(path, '9-1/-3')],
  ];

  it.each(hostile)('%s costs its own connection; a session beside it goes on', async (_what, attack) => {
    const { a, b } = await talking();
    const socket = connectTcp({ host: '127.0.0.1', port: b.session.port });
    socket.on('error', () => {});
    socket.write(attack(b.session.localPath));
    await closed(socket);
    await send(a, 'm', content(100, 1));
    expect(idsOf(b)).toEqual(['m']);
    expect(warnings).toContain('malformed MSRP from the peer');
  });

  it('inside a session close that session', async () => {
    const { session } = await side(bob);
    const started = session.start(['msrp://127.0.0.1:9/raw;tcp'], 'passive');
    const socket = connectTcp({ host: '127.0.0.1', port: session.port });
    socket.on('error', () => {});
    const paths = `To-Path: ${session.localPath}\r\nFrom-Path: msrp://127.0.0.1:9/raw;tcp\r\n`;
    socket.write(`MSRP abcdefgh SEND\r\n${paths}Message-ID: x\r\n-------abcdefgh$\r\n`);
    await started;
    socket.write('\0\0\0\0\r\n');
    await closed(socket);
    expect(session.state).toBe('closed');
  });

  it('offers the address that this device has towards the network at that moment, and listens there', async () => {
    let host = '127.0.0.2';
    const moving = new MsrpEndpoint({ clock: systemClock, log: silentLogger, host: () => host });
    const caller = new MsrpEndpoint({ clock: systemClock, log: silentLogger });
    try {
      for (const address of ['127.0.0.2', '127.0.0.3']) {
        host = address;
        const [callee, calling] = [await moving.prepare(), await caller.prepare()];
        callee.handleMessage = async () => undefined;
        expect(callee.host).toBe(address);
        expect(callee.localPath).toContain(`msrp://${address}:`);
        await Promise.all([callee.start([calling.localPath], 'passive'), calling.start([callee.localPath], 'active')]);
        await calling.send({ contentType: 'text/plain', body: new TextEncoder().encode('there') });
      }
    } finally {
      moving.dispose();
      caller.dispose();
    }
  });
});
