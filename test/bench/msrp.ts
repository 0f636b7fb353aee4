/**
 * MSRP between two processes over loopback, each figure beside its floor of the same run, in turns: what the same bytes cost without us.
 * Goals: 64 KiB chunks >= 0.6 of raw TCP, 200-byte messages one way >= 100,000 a second, lockstep >= 0.8 of a bare SEND and 200.
 * The receiver is the product's: validating parser, session, assembly, and a handler that resolves before each 200 leaves.
 * Where a goal is a ratio there is a third: the floor with the one piece of work in it that no MSRP can leave out. Long chunks: the reader
 * gives each of them out in memory of its own. Lockstep: SEND and 200 are written and read by the codec, and there is no session. A machine
 * that does other things as well, or counts a clock's second for two processes on few cores, blurs all three: see the ratio by processor.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { MsrpConnection } from '../../main/msrp/connection';
import { MsrpEndpoint } from '../../main/msrp/endpoint';
import type { MsrpSession } from '../../main/msrp/session';
import { tcpTransport } from '../../main/msrp/transports';
import { encodeMsrp, type MsrpRequest, newTransactionId } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';

const rounds = 5;
const roundMs = Number(process.env.CHORUS_BENCH_SECONDS ?? 1.2) * 1000;
/** Messages on their way at a time where many are: as a person's outbox never has. */
const inFlight = 64;
const mebi = 1024 * 1024;
const large = new Uint8Array(64 * 1024).map((_, index) => (index * 31) & 0xff);
const small = new Uint8Array(200).fill(0x61);

/** What the receiver's process says of a session; later it tells how many messages it has taken. */
interface Receiver {
  sink: number;
  copying: number;
  bare: number;
  codec: number;
  path: string;
}

function send(path: string, from: string, body: Uint8Array, failureReport: 'yes' | 'no'): MsrpRequest {
  return {
    kind: 'request',
    transactionId: newTransactionId(systemClock.random, body),
    method: 'SEND',
    toPath: [path],
    fromPath: [from],
    headers: [],
    messageId: systemClock.uuid(),
    byteRange: { start: 1, end: body.length, total: body.length },
    contentType: 'text/plain',
    successReport: false,
    failureReport,
    status: null,
    body,
    continuation: '$',
  };
}

const oneWayFrom = 'msrp://127.0.0.1:9/bench;tcp';
const bareSend = encodeMsrp({
  ...send('msrp://127.0.0.1:9/bare;tcp', 'msrp://127.0.0.1:9/bare;tcp', small, 'yes'),
  transactionId: 'bare12345678',
});
const bareAnswer = encodeMsrp({
  ...{ kind: 'response', transactionId: 'bare12345678', status: 200, reason: 'OK', continuation: '$' },
  ...{ toPath: ['msrp://127.0.0.1:9/bare;tcp'], fromPath: ['msrp://127.0.0.1:9/bare;tcp'] },
});

async function listening(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The other process: the floors, and a session for each path that it is told. */
async function receive(): Promise<void> {
  // Answers each mebibyte with a byte: the sender knows what has arrived.
  const sink = await listening((socket) => {
    let left = mebi;
    socket.on('data', (bytes) => {
      left -= bytes.length;
      if (left > 0) return;
      left += mebi;
      socket.write('.');
    });
  });
  const copying = await listening((socket) => {
    let chunk = new Uint8Array(large.length);
    let filled = 0;
    let left = mebi;
    socket.on('data', (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + chunk.length - filled);
        chunk.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < chunk.length) continue;
        chunk = new Uint8Array(large.length);
        filled = 0;
      }
      left -= bytes.length;
      if (left > 0) return;
      left += mebi;
      socket.write('.');
    });
  });
  // One SEND after the other: each is whole when its length has come.
  const bare = await listening((socket) => {
    let length = 0;
    socket.on('data', (bytes) => {
      length += bytes.length;
      for (; length >= bareSend.length; length -= bareSend.length) socket.write(bareAnswer);
    });
  });
  const codec = await listening((socket) => {
    const parser = new MsrpParser();
    socket.on('data', (bytes) => {
      const requests = parser.push(bytes);
      for (const { transactionId, toPath, fromPath } of requests.ok ? requests.value : [])
        socket.write(
          encodeMsrp({ kind: 'response', transactionId, status: 200, reason: 'OK', toPath: fromPath, fromPath: toPath, continuation: '$' }),
        );
    });
  });
  const endpoint = new MsrpEndpoint({ clock: systemClock, log: silentLogger });
  process.on('message', async (from: string) => {
    if (from === 'cpu') {
      process.send?.({ cpu: cpuMs() });
      return;
    }
    const session = await endpoint.prepare();
    let taken = 0;
    let announced = 0;
    session.handleMessage = async () => {
      taken += 1;
    };
    // Only where no 200 tells it: it would cost the other figures something that the floor does not pay.
    if (from === oneWayFrom) {
      const telling = setInterval(() => {
        if (taken !== announced) process.send?.({ taken });
        announced = taken;
      }, 5);
      session.onState.on((state) => state === 'closed' && clearInterval(telling));
    }
    process.send?.({ session: { sink, copying, bare, codec, path: session.localPath } });
    await session.start([from], 'passive').catch(() => undefined);
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ ready: true });
}

const child: ChildProcess | null = process.argv[2] === 'receiver' ? null : fork(__filename, ['receiver']);

/** The latest that the receiver said, by its name; nothing is missed while nobody waits. */
const said = new Map<string, unknown>();
let wake = () => {};
child?.on('message', (message: Record<string, unknown>) => {
  for (const [name, value] of Object.entries(message)) said.set(name, value);
  wake();
});

async function heard<T>(name: string, isIt: (value: T) => boolean = () => true): Promise<T> {
  for (;;) {
    const value = said.get(name) as T | undefined;
    if (value !== undefined && isIt(value)) {
      said.delete(name);
      return value;
    }
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

function opened(from: string): Promise<Receiver> {
  child?.send(from);
  return heard<Receiver>('session');
}

/** Runs `work` until the round is over, `lanes` at a time; what was done in a second. */
async function perSecond(lanes: number, work: () => Promise<void>): Promise<number> {
  const since = performance.now();
  let done = 0;
  const lane = async () => {
    while (performance.now() - since < roundMs) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (done * 1000) / (performance.now() - since);
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Mebibytes a second of raw writes of so many octets. */
async function rawBytes(port: number, piece: Uint8Array): Promise<number> {
  const socket = await connected(port);
  let arrived = 0;
  socket.on('data', (bytes) => {
    arrived += bytes.length;
  });
  const since = performance.now();
  let written = 0;
  while (performance.now() - since < roundMs) {
    socket.cork();
    for (let index = 0; index < Math.ceil(large.length / piece.length); index += 1) socket.write(piece);
    written += Math.ceil(large.length / piece.length);
    socket.uncork();
    if (socket.writableNeedDrain) await once(socket, 'drain');
  }
  while (arrived < Math.floor((written * piece.length) / mebi)) await once(socket, 'data');
  const rate = ((written * piece.length) / mebi) * (1000 / (performance.now() - since));
  socket.destroy();
  return rate;
}

/** Raw writes of a SEND's octets, many in one system call, a second. */
async function rawMessages(port: number): Promise<number> {
  return ((await rawBytes(port, bareSend)) * mebi) / bareSend.length;
}

async function bareLockstep(port: number): Promise<number> {
  const socket = await connected(port);
  let length = 0;
  let answered = () => {};
  socket.on('data', (bytes) => {
    length += bytes.length;
    if (length < bareAnswer.length) return;
    length -= bareAnswer.length;
    answered();
  });
  const rate = await perSecond(1, () => {
    socket.write(bareSend);
    return new Promise((resolve) => {
      answered = resolve;
    });
  });
  socket.destroy();
  return rate;
}

/** A SEND and its 200, each written and read as the product does, and nothing else. */
async function codecLockstep(port: number): Promise<number> {
  const socket = await connected(port);
  const parser = new MsrpParser();
  let answered = () => {};
  socket.on('data', (bytes) => {
    const responses = parser.push(bytes);
    if (responses.ok && responses.value.length > 0) answered();
  });
  const rate = await perSecond(1, () => {
    socket.write(encodeMsrp(send('msrp://127.0.0.1:9/bare;tcp', 'msrp://127.0.0.1:9/bare;tcp', small, 'yes')));
    return new Promise((resolve) => {
      answered = resolve;
    });
  });
  socket.destroy();
  return rate;
}

/** SENDs that want no answer, until the receiver has handled the last. */
async function oneWay({ path }: Receiver): Promise<number> {
  const from = oneWayFrom;
  const wire = await tcpTransport.connect('127.0.0.1', Number(/:(\d+)\//.exec(path)?.[1]), new AbortController().signal);
  const connection = new MsrpConnection(wire, { clock: systemClock, log: silentLogger });
  const since = performance.now();
  let written = 0;
  while (performance.now() - since < roundMs) {
    while (connection.canSend && written % 512 !== 511) {
      connection.send(send(path, from, small, 'no'));
      written += 1;
    }
    if (connection.canSend) {
      connection.send(send(path, from, small, 'no'));
      written += 1;
      await new Promise(setImmediate);
    } else
      await new Promise<void>((resolve) => {
        const waiting = connection.onDrain.on(() => {
          waiting.dispose();
          resolve();
        });
      });
  }
  await heard<number>('taken', (taken) => taken === written);
  const rate = (written * 1000) / (performance.now() - since);
  connection.end();
  return rate;
}

const sessionWith = async (work: (session: MsrpSession) => Promise<number>): Promise<number> => {
  const endpoint = new MsrpEndpoint({ clock: systemClock, log: silentLogger });
  const session = await endpoint.prepare();
  const { path } = await opened(session.localPath);
  await session.start([path], 'active');
  const rate = await work(session);
  endpoint.dispose();
  return rate;
};
const sending = (body: Uint8Array, lanes: number) =>
  sessionWith((session) => perSecond(lanes, () => session.send({ contentType: 'text/plain', body })));

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const tell = (figure: string, value: Record<string, unknown>) =>
  process.stdout.write(`${JSON.stringify({ bench: 'msrp', figure, ...value })}\n`);

async function bothCpuMs(): Promise<number> {
  child?.send('cpu');
  return (await heard<number>('cpu')) + cpuMs();
}

/** What is done in a second of the clock, and in a second of the processor (both processes together), which a busy machine blurs less. */
interface Rate {
  clock: number;
  processor: number;
}

async function rated(work: () => Promise<number>): Promise<Rate> {
  const [before, since] = [await bothCpuMs(), performance.now()];
  const clock = await work();
  const seconds = (performance.now() - since) / 1000;
  return { clock, processor: (clock * seconds * 1000) / ((await bothCpuMs()) - before) };
}

/** Ours, the floor and what is between them in turns, so that all meet the same machine; the first round only warms up. */
async function measured(ours: () => Promise<number>, floor: () => Promise<number>, unavoidable?: () => Promise<number>) {
  const turns: { ours: Rate; floor: Rate; unavoidable: Rate | null }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const turn = {
      floor: await rated(floor),
      ours: await rated(ours),
      unavoidable: unavoidable === undefined ? null : await rated(unavoidable),
    };
    if (round > 0) turns.push(turn);
  }
  const whole = (of: 'ours' | 'floor', by: keyof Rate) => Math.round(median(turns.map((turn) => turn[of][by])));
  const ratio = (of: 'ours' | 'unavoidable', by: keyof Rate) =>
    Math.round(median(turns.map((turn) => (turn[of]?.[by] ?? Number.NaN) / turn.floor[by])) * 100) / 100;
  return {
    ...{ ours: whole('ours', 'clock'), floor: whole('floor', 'clock'), ratio: ratio('ours', 'clock') },
    ...{ perCpuSecond: whole('ours', 'processor'), floorPerCpuSecond: whole('floor', 'processor'), cpuRatio: ratio('ours', 'processor') },
    ...(unavoidable === undefined
      ? {}
      : { ceilingRatio: ratio('unavoidable', 'clock'), ceilingCpuRatio: ratio('unavoidable', 'processor') }),
  };
}

async function main(): Promise<void> {
  await heard('ready');
  tell('machine', { cpus: cpus().length, node: process.version, load: loadavg()[0], rounds, roundMs });
  const { sink, copying, bare, codec } = await opened('msrp://127.0.0.1:9/floor;tcp');

  const figures: Record<string, () => Promise<void>> = {
    chunks: async () => {
      const chunks = await measured(
        () => sending(large, inFlight).then((rate) => (rate * large.length) / mebi),
        () => rawBytes(sink, large),
        () => rawBytes(copying, large),
      );
      tell('messages of one 64 KiB chunk, each answered', { unit: 'MiB/s', ...chunks, goalRatio: 0.6, reached: chunks.ratio >= 0.6 });
    },
    way: async () => {
      const way = await measured(
        async () => oneWay(await opened(oneWayFrom)),
        () => rawMessages(sink),
      );
      tell('200-byte messages one way', { unit: '1/s', ...way, goal: 100_000, reached: way.ours >= 100_000 });
    },
    answered: async () => {
      const answered = await measured(
        () => sending(small, 512),
        () => rawMessages(sink),
      );
      tell('200-byte messages, 512 on their way, each answered', { unit: '1/s', ...answered });
    },
    lockstep: async () => {
      const lockstep = await measured(
        () => sending(small, 1),
        () => bareLockstep(bare),
        () => codecLockstep(codec),
      );
      tell('200-byte messages, one after the other', { unit: '1/s', ...lockstep, goalRatio: 0.8, reached: lockstep.ratio >= 0.8 });
    },
  };
  const asked = process.argv.slice(2);
  for (const [name, figure] of Object.entries(figures)) if (asked.length === 0 || asked.includes(name)) await figure();
  tell('machine at the end', { load: loadavg()[0] });
}

if (child === null) void receive();
else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  main().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
}
