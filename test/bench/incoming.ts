/**
 * What an incoming text takes of the main thread, one JSON object a line: a backlog of texts, all on their way at once, from a scripted network
 * to a real client process, as pager messages and over one MSRP session. Each text asks for a delivery receipt; the end is the last receipt.
 * Goals: at most 1.5 ms of the main thread a text, its receipt included, and no hold of the thread above 16 ms.
 * The floor of the same run is a process that only cuts the bytes into messages, writes them to a file with one fdatasync for each read, and answers.
 *
 * The machine may do other things as well. So the time that the main thread was busy, by the clock, stands beside its processor time, and
 * the longest hold beside the longest one without the time in which another process had the processor, and the longest one by processor time, without
 * the time in which the thread waited for the disk (/proc/self/schedstat; Linux alone).
 *
 * `--only pager|session`, `--texts N`; `--profile FOLDER` has the client write a processor profile there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Framer } from '../../main/sip/wire/framer';
import { parseWireMessage, type WireMessage } from '../../main/sip/wire/wire-message';
import { encodeCpim } from '../../protocol/cpim';
import { ICSI, icsiParam } from '../../protocol/feature-tags';
import { encodeMsrp, type MsrpMessage, type MsrpRequest } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import { encodeSdp, parseSdp } from '../../protocol/sdp';
import { ensureBuilt } from '../support/stages/built';

type Way = 'pager' | 'session';
const ways: readonly Way[] = ['pager', 'session'];
const limitMs = 5 * 60_000;
const holdGoalMs = 16;
/** How often the event loop is looked at; every sample of its delay contains this much. */
const samplingMs = 4;
const text = 'Shall we meet at the station at eight, or would you rather come by the house first? I have the tickets with me.';

const argument = (name: string): string | null => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? null);
};
const root = join(__dirname, '..', '..');
const role = process.env.CHORUS_BENCH_INCOMING;
const children = new Set<ChildProcess>();

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'incoming', what, ...figures })}\n`);
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;

// ---------------------------------------------------------------- inside the measured process

interface Figures {
  /** Time that the main thread did not spend waiting for events, by the clock. */
  busyMs: number;
  /** Processor time of the main thread; null where the system does not tell. */
  threadMs: number | null;
  /** Processor time of the whole process, every thread of it. */
  processorMs: number;
  holds: {
    meanMs: number;
    p99Ms: number;
    longestMs: number;
    longestUnstolenMs: number | null;
    unstolenAbove16: number | null;
    longestProcessorMs: number | null;
  };
}

/** Loaded before the client's own code (`node --require`): measures between the messages `begin` and `end` of its parent. */
function beProbe(): void {
  const delay = monitorEventLoopDelay({ resolution: samplingMs });
  const schedule = openSchedule();
  let timer: NodeJS.Timeout | null = null;
  let begun: { elu: EventLoopUtilization; cpu: NodeJS.CpuUsage; ranMs: number } | null = null;
  let longestUnstolen = 0;
  let longestRan = 0;
  let above = 0;
  process.on('message', (word) => {
    if (word === 'begin') {
      const first = schedule();
      begun = { elu: performance.eventLoopUtilization(), cpu: process.cpuUsage(), ranMs: first?.ranMs ?? 0 };
      let at = performance.now();
      let waited = first?.waitedMs ?? 0;
      let ran = first?.ranMs ?? 0;
      delay.enable();
      timer = setInterval(() => {
        const now = performance.now();
        const { waitedMs: waitedNow, ranMs: ranNow } = schedule() ?? { waitedMs: 0, ranMs: 0 };
        const unstolen = now - at - samplingMs - (waitedNow - waited);
        longestUnstolen = Math.max(longestUnstolen, unstolen);
        if (unstolen > holdGoalMs) above += 1;
        longestRan = Math.max(longestRan, ranNow - ran);
        at = now;
        waited = waitedNow;
        ran = ranNow;
      }, samplingMs);
    } else if (word === 'end' && begun !== null) {
      if (timer !== null) clearInterval(timer);
      delay.disable();
      const { user, system } = process.cpuUsage(begun.cpu);
      const last = schedule();
      const hold = (nanoseconds: number) => rounded(Math.max(0, nanoseconds / 1e6 - samplingMs));
      const figures: Figures = {
        busyMs: performance.eventLoopUtilization(begun.elu).active,
        threadMs: last === null ? null : last.ranMs - begun.ranMs,
        processorMs: (user + system) / 1000,
        holds: {
          meanMs: hold(delay.mean),
          p99Ms: hold(delay.percentile(99)),
          longestMs: hold(delay.max),
          longestUnstolenMs: last === null ? null : rounded(longestUnstolen),
          unstolenAbove16: last === null ? null : above,
          longestProcessorMs: last === null ? null : rounded(longestRan),
        },
      };
      process.send?.(figures);
    }
    // In order: a thread that is cut off inside SQLite takes the process with it.
    else if (word === 'exit') process.kill(process.pid, 'SIGTERM');
  });
  process.channel?.unref();
}

/** How long the main thread has had a processor since it began, and how long it has waited for one. */
function openSchedule(): () => { ranMs: number; waitedMs: number } | null {
  const bytes = Buffer.alloc(128);
  let file: number;
  try {
    file = openSync('/proc/self/schedstat', 'r');
  } catch {
    return () => null;
  }
  return () => {
    const [ran, waited] = bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0)).split(' ');
    return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
  };
}

/** The least that can be done with a backlog. Told its port as the client is told its proxy. */
function beFloor(): void {
  const disk = openSync(process.env.CHORUS_BENCH_FILE ?? '', 'a');
  process.on('exit', () => closeSync(disk));
  const port = Number(process.env.CHORUS_BENCH_PORT);
  const way = process.env.CHORUS_BENCH_WAY as Way;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const framer = new Framer();
  const parser = new MsrpParser();
  socket.on('error', () => process.exit());
  socket.on('data', (bytes: Uint8Array) => {
    const answers: Uint8Array[] = [];
    if (way === 'pager') {
      for (const frame of framer.push(bytes)) {
        if (frame.kind !== 'message') continue;
        const message = parseWireMessage(frame.bytes, frame.bodyAt);
        if (message.ok) answers.push(sipAnswer(message.value, 200));
      }
    } else {
      const messages = parser.push(bytes);
      for (const message of messages.ok ? messages.value : []) if (message.kind === 'request') answers.push(msrpAnswer(message));
    }
    if (answers.length === 0) return;
    writeSync(disk, bytes);
    fdatasyncSync(disk);
    socket.write(Buffer.concat(answers));
  });
}

// ---------------------------------------------------------------- the scripted network

const utf8 = (written: string) => new TextEncoder().encode(written);

function sipAnswer(request: WireMessage, status: number, extra: readonly string[] = [], body = ''): Uint8Array {
  const to = request.first('to') ?? '';
  const lines = [
    `SIP/2.0 ${status} ${status === 200 ? 'OK' : 'No'}`,
    ...request.all('via').map((via) => `Via: ${via}`),
    `From: ${request.first('from')}`,
    `To: ${to}${/;tag=/.test(to) ? '' : ';tag=lab'}`,
    `Call-ID: ${request.first('call-id')}`,
    `CSeq: ${request.first('cseq')}`,
    ...extra,
    `Content-Length: ${utf8(body).length}`,
  ];
  return utf8(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

function msrpAnswer({ transactionId, fromPath, toPath }: MsrpRequest): Uint8Array {
  return encodeMsrp({
    kind: 'response',
    transactionId,
    status: 200,
    reason: 'OK',
    toPath: [fromPath[0] ?? ''],
    fromPath: toPath,
    continuation: '$',
  });
}

function envelope(index: number, of: Way): Uint8Array {
  return encodeCpim({
    from: 'sip:bob@lab.test',
    to: ['sip:alice@lab.test'],
    dateTime: Date.now(),
    messageId: `${of}-${index}-5f2c9a7e1d`,
    dispositions: ['positive-delivery', 'display'],
    contentType: 'text/plain;charset=utf-8',
    body: utf8(`${index} ${text}`),
  });
}

const peer = {
  contact: `"Bob's desk" <sip:bob@127.0.0.1:5099;transport=tcp>;+sip.instance="<urn:uuid:5a7f2f0a-1111-4222-8333-444455556666>";${icsiParam([ICSI.session])}`,
  conversationId: 'c0ffee00-1111-4222-8333-444455556666',
};

/** A request of Bob's outside a dialog, as a core hands it to a device: two hops, an asserted identity, the CPM headers. */
function request(
  method: string,
  target: string,
  index: number,
  extra: readonly string[],
  contentType: string,
  body: Uint8Array,
): Uint8Array {
  const lines = [
    `${method} ${target} SIP/2.0`,
    `Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKcore${index}x4f9a`,
    `Via: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bKbob${index}x81cc;rport=40112`,
    'Max-Forwards: 68',
    `From: "Bob" <sip:bob@lab.test>;tag=b${index}f00`,
    'To: <sip:alice@lab.test>',
    `Call-ID: ${method}-${index}-7c1d4be2@127.0.0.1`,
    `CSeq: 1 ${method}`,
    'P-Asserted-Identity: "Bob" <sip:bob@lab.test>',
    `Conversation-ID: ${peer.conversationId}`,
    `Contribution-ID: ${method}${index}-1111-4222-8333-444455556666`,
    'User-Agent: Scripted/1',
    ...extra,
    `Content-Type: ${contentType}`,
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([utf8(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

/** What has come back of a backlog. */
class Ledger {
  acknowledged = 0;
  receipts = 0;
  refused = 0;
  #look: (() => void) | null = null;

  note(kind: 'acknowledged' | 'receipts' | 'refused'): void {
    this[kind] += 1;
    this.#look?.();
  }

  until(what: string, holds: () => boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`${what} did not come: ${JSON.stringify(this)}`)), limitMs);
      const look = () => {
        if (this.refused > 0) reject(new Error(`${this.refused} texts were refused`));
        if (!holds()) return;
        clearTimeout(limit);
        this.#look = null;
        resolve(performance.now());
      };
      this.#look = look;
      look();
    });
  }
}

async function listening(onSocket: (socket: Socket) => void): Promise<{ port: number; close(): void }> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, close: () => server.close() };
}

interface Stage {
  child: ChildProcess;
  ledger: Ledger;
  /** Puts the whole backlog on its way. */
  pour(): void;
  close(): void;
}

function started(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const profile = argument('--profile');
  const profiling = profile === null || env.CHORUS_BENCH_INCOMING !== 'probe' ? [] : ['--cpu-prof', '--cpu-prof-dir', profile];
  const child = spawn(process.execPath, ['--enable-source-maps', ...profiling, ...args], {
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  children.add(child);
  child.once('exit', (code, signal) => {
    if (children.has(child)) process.stderr.write(`a measured process ended early: ${code ?? signal}\n`);
    if (children.has(child)) process.exit(1);
  });
  child.stdout?.resume();
  return child;
}

/** A client that is registered with this process, and with whom Bob has a session where the way is one. */
async function stageClient(way: Way, count: number, folder: string): Promise<Stage> {
  const ledger = new Ledger();
  let device: Socket | null = null;
  let target = '';
  const answers: ((answer: WireMessage) => void)[] = [];
  let registered = () => {};
  const isRegistered = new Promise<void>((resolve) => {
    registered = resolve;
  });
  const network = await listening((socket) => {
    const framer = new Framer();
    socket.on('data', (bytes: Uint8Array) => {
      for (const frame of framer.push(bytes)) {
        if (frame.kind === 'ping') socket.write('\r\n');
        if (frame.kind !== 'message') continue;
        const read = parseWireMessage(frame.bytes, frame.bodyAt);
        if (!read.ok) throw new Error(read.reason);
        const message = read.value;
        const { start } = message;
        if (start.kind === 'response') {
          if (/MESSAGE$/.test(message.first('cseq') ?? '')) ledger.note(start.status === 200 ? 'acknowledged' : 'refused');
          else if (start.status >= 200) answers.shift()?.(message);
        } else if (start.method === 'REGISTER') {
          const contact = message.first('contact') ?? '';
          target = /<([^>]+)>/.exec(contact)?.[1] ?? '';
          device = socket;
          socket.write(sipAnswer(message, 200, [`Contact: ${contact}${/;expires=/.test(contact) ? '' : ';expires=600'}`]));
          registered();
        } else if (start.method === 'MESSAGE') {
          socket.write(sipAnswer(message, 200));
          ledger.note('receipts');
        } else if (start.method !== 'ACK') socket.write(sipAnswer(message, 489));
      }
    });
  });
  const child = started(
    [
      ...['--require', __filename, join(root, 'out/cli.cjs'), 'client', '--data', folder],
      ...['--aor', 'sip:alice@lab.test', '--proxy', `sip:127.0.0.1:${network.port};transport=tcp`],
    ],
    { CHORUS_PASSWORD: 'secret', CHORUS_BENCH_INCOMING: 'probe' },
  );
  await isRegistered;
  const send = (bytes: Uint8Array) => device?.write(bytes);
  if (way === 'pager') {
    const backlog = Array.from({ length: count }, (_, index) =>
      request('MESSAGE', target, index, [`Accept-Contact: *;${icsiParam([ICSI.msg])}`], 'message/cpim', envelope(index, way)),
    );
    return { child, ledger, pour: () => send(Buffer.concat(backlog)), close: network.close };
  }
  const path = 'msrp://127.0.0.1:PORT/bobs-session;tcp';
  let media: Socket | null = null;
  let bound = () => {};
  const isBound = new Promise<void>((resolve) => {
    bound = resolve;
  });
  const switchboard = await listening((socket) => {
    media = socket;
    const parser = new MsrpParser();
    socket.on('data', (bytes: Uint8Array) => {
      const messages = parser.push(bytes);
      const out: Uint8Array[] = [];
      for (const message of messages.ok ? messages.value : ([] as MsrpMessage[])) {
        if (message.kind === 'response') ledger.note(message.status === 200 ? 'acknowledged' : 'refused');
        else {
          if (message.method === 'SEND') out.push(msrpAnswer(message));
          if (message.body === null) bound();
          else ledger.note('receipts');
        }
      }
      if (out.length > 0) socket.write(Buffer.concat(out));
    });
  });
  const own = path.replace('PORT', String(switchboard.port));
  const offer = encodeSdp({
    ...{ host: '127.0.0.1', port: switchboard.port, path: [own], setup: 'actpass', acceptTypes: ['message/cpim'], wrappedTypes: ['*'] },
    ...{ direction: 'sendrecv', sessionId: '1', version: 1, transport: 'TCP/MSRP', attributes: [] },
  });
  const invite = [`Contact: ${peer.contact}`, `Accept-Contact: *;${icsiParam([ICSI.session])}`, 'Supported: timer'];
  const answered = new Promise<WireMessage>((resolve) => answers.push(resolve));
  send(request('INVITE', target, 0, invite, 'application/sdp', utf8(offer)));
  const answer = await answered;
  if (answer.start.kind !== 'response' || answer.start.status !== 200) throw new Error(`INVITE: ${JSON.stringify(answer.start)}`);
  const ack = [
    `ACK ${/<([^>]+)>/.exec(answer.first('contact') ?? '')?.[1] ?? target} SIP/2.0`,
    'Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKack',
    'Max-Forwards: 68',
    `From: ${answer.first('from')}`,
    `To: ${answer.first('to')}`,
    `Call-ID: ${answer.first('call-id')}`,
    'CSeq: 1 ACK',
    'Content-Length: 0',
  ];
  send(utf8(`${ack.join('\r\n')}\r\n\r\n`));
  await isBound;
  const description = parseSdp(new TextDecoder().decode(answer.body));
  if (!description.ok) throw new Error(description.reason);
  const theirs = description.value.path;
  const backlog = Array.from({ length: count }, (_, index) => sendOf(index, theirs, own, envelope(index, way)));
  return {
    child,
    ledger,
    pour: () => media?.write(Buffer.concat(backlog)),
    close: () => {
      network.close();
      switchboard.close();
    },
  };
}

function sendOf(index: number, toPath: string[], own: string, body: Uint8Array): Uint8Array {
  return encodeMsrp({
    ...{
      kind: 'request',
      transactionId: `b3nch${index}x9q`,
      method: 'SEND',
      toPath,
      fromPath: [own],
      headers: [],
      messageId: `m${index}x77`,
    },
    ...{ byteRange: { start: 1, end: body.length, total: body.length }, contentType: 'message/cpim', successReport: false },
    ...{ failureReport: 'yes', status: null, body, continuation: '$' },
  });
}

async function stageFloor(way: Way, count: number, folder: string): Promise<Stage> {
  const ledger = new Ledger();
  let arrived: (socket: Socket) => void = () => {};
  const connected = new Promise<Socket>((resolve) => {
    arrived = resolve;
  });
  const network = await listening((socket) => {
    const framer = new Framer();
    const parser = new MsrpParser();
    socket.on('data', (bytes: Uint8Array) => {
      const pieces = way === 'pager' ? framer.push(bytes) : parser.push(bytes);
      const answers = Array.isArray(pieces) ? pieces.length : pieces.ok ? pieces.value.length : 0;
      for (let index = 0; index < answers; index += 1) ledger.note('acknowledged');
    });
    arrived(socket);
  });
  const child = started([__filename], {
    CHORUS_BENCH_INCOMING: 'floor',
    CHORUS_BENCH_PORT: String(network.port),
    CHORUS_BENCH_FILE: `${folder}.floor`,
    CHORUS_BENCH_WAY: way,
  });
  const socket = await connected;
  const own = 'msrp://127.0.0.1:9/bobs-session;tcp';
  const extra = [`Accept-Contact: *;${icsiParam([ICSI.msg])}`];
  const backlog = Array.from({ length: count }, (_, index) =>
    way === 'pager'
      ? request('MESSAGE', 'sip:alice@lab.test', index, extra, 'message/cpim', envelope(index, way))
      : sendOf(index, ['msrp://127.0.0.1:9/alices-session;tcp'], own, envelope(index, way)),
  );
  return { child, ledger, pour: () => socket.write(Buffer.concat(backlog)), close: network.close };
}

// ---------------------------------------------------------------- the measurement

async function measure(what: string, { child, ledger, pour, close }: Stage, count: number, withReceipts: boolean): Promise<void> {
  // What the start left to do is not the backlog's.
  await pause(1_000);
  child.send('begin');
  await pause(50);
  const since = performance.now();
  pour();
  const last = await ledger.until('the acknowledgements', () => ledger.acknowledged >= count);
  const end = withReceipts ? await ledger.until('the receipts', () => ledger.receipts >= count) : last;
  const told = once(child, 'message') as Promise<[Figures]>;
  child.send('end');
  const [figures] = await told;
  const { busyMs, threadMs, processorMs, holds } = figures;
  tell(what, {
    texts: count,
    mainThreadBusyMsEach: rounded(busyMs / count),
    mainThreadProcessorMsEach: threadMs === null ? null : rounded(threadMs / count),
    processorMsEach: rounded(processorMs / count),
    holds,
    allAcknowledgedMs: rounded(last - since),
    allReceiptsOutMs: withReceipts ? rounded(end - since) : null,
  });
  children.delete(child);
  child.send('exit');
  await once(child, 'exit');
  close();
}

async function main(): Promise<void> {
  ensureBuilt('command');
  const folder = mkdtempSync(join(tmpdir(), 'chorus-bench-incoming-'));
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const only = argument('--only');
  const texts = argument('--texts');
  for (const count of texts === null ? [1_000, 10_000] : texts.split(',').map(Number)) {
    for (const way of ways.filter((each) => only === null || each === only)) {
      const load = () => loadavg().map((value) => Math.round(value * 10) / 10);
      tell('machine', { cpus: cpus().length, node: process.version, load: load() });
      const name = way === 'pager' ? 'pager messages' : 'texts over one MSRP session';
      const place = join(folder, `${way}-${count}`);
      await measure(`floor: ${name}, cut, synced once a read, answered`, await stageFloor(way, count, place), count, false);
      await measure(`client: ${name}, kept, shown, receipts out`, await stageClient(way, count, place), count, true);
    }
  }
}

if (role === 'probe') beProbe();
else if (role === 'floor') {
  beProbe();
  beFloor();
} else {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(1));
  main()
    .catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exitCode = 1;
    })
    .finally(() => process.exit());
}
