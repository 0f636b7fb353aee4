/**
 * Figures of registering, one JSON object a line: REGISTERs a second of the embedded network by how many devices there are, the time
 * from launch to the 200, and from the network's return to the 200. Every figure stands beside its floor of the same run: what the
 * machine does at the same moment without our registrar, client or program.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { SipClient } from '../../main/sip/client';
import { digestHash } from '../../main/sip/stack/auth';
import { answerChallenge, chooseChallenge, type DigestChallenge } from '../../protocol/digest';
import { ensureBuilt } from '../support/stages/built';
import { Relay } from '../support/stages/relay';

/** How long each rate is measured. */
const SECONDS = Number(process.env.CHORUS_BENCH_SECONDS ?? 4);
/** Connections, and so REGISTERs that are under way at once. */
const WINDOW = 32;
const LAUNCHES = 5;
const RETURNING = 20;
const OUTAGE_MS = 7_300;

const children = new Set<ChildProcess>();

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'registration', what, ...figures })}\n`);
}

const rounded = (value: number) => Math.round(value * 10) / 10;

function spread(values: number[]): { median: number; p95: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
  return { median: at(0.5), p95: at(0.95), max: at(1) };
}

/** Starts a process and resolves with the first line that it prints. */
function started(args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${args.join(' ').slice(0, 80)} ended with ${code}`)));
    createInterface({ input: child.stdout }).once('line', (line) => resolve({ child, line }));
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  children.delete(child);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

const root = join(__dirname, '..', '..');
const command = join(root, 'out/cli.cjs');

async function startNetworkProcess(users: number): Promise<{ child: ChildProcess; port: number; uri: string }> {
  const names = Array.from({ length: users }, (_, index) => `u${index}:s`).join(',');
  const { child, line } = await started([command, 'network', '--users', names]);
  const uri = (JSON.parse(line) as { tcp: string }).tcp;
  return { child, uri, port: Number(/:(\d+)/.exec(uri.slice(5))?.[1]) };
}

/** The least that a server can do with a REGISTER: find its end and answer with bytes that were ready before. */
function serveFloor(): void {
  const lines = [
    'SIP/2.0 200 OK',
    'Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKfloor',
    `Contact: <sip:u@127.0.0.1>;x="${'x'.repeat(400)}"`,
  ];
  const answer = [...lines, 'Content-Length: 0', '', ''].join('\r\n');
  const server = createServer((socket) => {
    let rest = '';
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const messages = (rest + bytes.toString('latin1')).split('\r\n\r\n');
      rest = messages.pop() ?? '';
      if (messages.length > 0) socket.write(answer.repeat(messages.length));
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
  });
}

/** One connection: what is asked over it is answered in order. */
class Line {
  readonly port: number;
  readonly #socket: Socket;
  #waiting: { resolve(answer: string): void; reject(error: Error): void } | null = null;
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#waiting?.reject(new Error('the connection was closed')));
    socket.on('data', (bytes) => {
      this.#text += bytes.toString('latin1');
      const end = this.#text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const answer = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 4);
      this.#waiting?.resolve(answer);
    });
  }

  static open(port: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Line(socket)));
      socket.once('error', reject);
    });
  }

  ask(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(text);
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }
}

/** One device as bytes: no more of a client than a REGISTER needs. */
class Registrant {
  readonly #user: string;
  readonly #instance = systemClock.uuid();
  readonly #callId = systemClock.uuid();
  #challenge: DigestChallenge | null = null;
  #uses = 0;
  #cseq = 0;

  constructor(user: string) {
    this.#user = user;
  }

  async register(line: Line): Promise<void> {
    const answer = await line.ask(this.#request(line.port));
    if (answer.startsWith('SIP/2.0 200')) return;
    const challenges = [...answer.matchAll(/^WWW-Authenticate: (.*)$/gim)].map((match) => match[1] ?? '');
    this.#challenge = chooseChallenge(challenges);
    this.#uses = 0;
    const second = this.#challenge === null ? answer : await line.ask(this.#request(line.port));
    if (!second.startsWith('SIP/2.0 200')) throw new Error(`REGISTER of ${this.#user}: ${second.split('\r\n')[0]}`);
  }

  #request(port: number): string {
    this.#cseq += 1;
    const own = `sip:${this.#user}@lab.test`;
    const contact = `"Device" <sip:${this.#user}@127.0.0.1:${port};transport=tcp>;+sip.instance="<urn:uuid:${this.#instance}>";reg-id=1;expires=3600`;
    const lines = [
      'REGISTER sip:lab.test SIP/2.0',
      `Via: SIP/2.0/TCP 127.0.0.1:${port};branch=z9hG4bK${this.#instance.slice(0, 8)}${this.#cseq};rport`,
      'Max-Forwards: 70',
      `From: <${own}>;tag=b`,
      `To: <${own}>`,
      `Call-ID: ${this.#callId}`,
      `CSeq: ${this.#cseq} REGISTER`,
      `Contact: ${contact};+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"`,
      'Supported: path, gruu, outbound',
      ...this.#authorization(),
      'Content-Length: 0',
    ];
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  #authorization(): string[] {
    if (this.#challenge === null) return [];
    this.#uses += 1;
    const request = { username: this.#user, password: 's', method: 'REGISTER', uri: 'sip:lab.test', nc: this.#uses, cnonce: 'c0ffee' };
    return [`Authorization: ${answerChallenge(this.#challenge, request, digestHash)}`];
  }
}

/** REGISTERs a second of devices that register once, and of devices that go on refreshing. */
async function rates(port: number, devices: readonly Registrant[]): Promise<{ first: number; refresh: number }> {
  const workers = Math.min(WINDOW, devices.length);
  const lines = await Promise.all(Array.from({ length: workers }, () => Line.open(port)));
  // Each device belongs to one connection.
  const shares = lines.map((line, worker) => ({ line, own: devices.filter((_, index) => index % workers === worker) }));
  const from = Date.now();
  await Promise.all(
    shares.map(async ({ line, own }) => {
      for (const device of own) await device.register(line);
    }),
  );
  const registered = Date.now();
  const end = registered + SECONDS * 1000;
  let answered = 0;
  await Promise.all(
    shares.map(async ({ line, own }) => {
      for (let turn = 0; Date.now() < end; turn += 1) {
        await own[turn % own.length]?.register(line);
        answered += 1;
      }
    }),
  );
  const perSecond = (count: number, ms: number) => Math.round((count * 1000) / Math.max(1, ms));
  const figures = { first: perSecond(devices.length, registered - from), refresh: perSecond(answered, Date.now() - registered) };
  for (const line of lines) line.close();
  return figures;
}

async function measureRates(): Promise<void> {
  const floor = await started([__filename, 'floor']);
  const network = await startNetworkProcess(2_000);
  try {
    // Code that runs for the first time runs slowly: that is not what grows with the devices.
    await rates(
      network.port,
      Array.from({ length: WINDOW }, (_, index) => new Registrant(`u${1_000 + index}`)),
    );
    for (const [people, each] of [
      [1, 1],
      [100, 1],
      [2_000, 1],
      [1, 10],
      [1, 32],
    ] as const) {
      // People that no series before has used alone: from the end of the list for several devices each.
      const user = (index: number) => `u${each === 1 ? index : 2_000 - each}`;
      const count = people * (each === 1 ? 1 : each - 1);
      const devices = Array.from({ length: count }, (_, index) => new Registrant(user(index)));
      const { first, refresh } = await rates(network.port, devices);
      const idle = Array.from({ length: Math.min(WINDOW, count) }, () => new Registrant('u'));
      const { refresh: floorPerSecond } = await rates(Number(floor.line), idle);
      tell('REGISTER (SHA-256) a second', { people, devicesOfOne: each, connections: idle.length, refresh, first, floor: floorPerSecond });
    }
  } finally {
    await stopped(network.child);
    await stopped(floor.child);
  }
}

async function measureLaunch(): Promise<void> {
  const network = await startNetworkProcess(1);
  const toTheEnd = async (args: string[], isIt: (line: string) => boolean) => {
    const from = performance.now();
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(child);
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => isIt(line) && resolve());
      child.once('exit', () => reject(new Error('the process ended first')));
    });
    const took = performance.now() - from;
    await stopped(child);
    return took;
  };
  const times: number[] = [];
  const floors: number[] = [];
  try {
    for (let run = 0; run < LAUNCHES; run += 1) {
      const data = mkdtempSync(join(tmpdir(), 'chorus-bench-'));
      const args = [command, 'client', '--data', data, '--aor', 'sip:u0@lab.test', '--password', 's', '--proxy', network.uri];
      times.push(await toTheEnd(args, (line) => line.includes('"state":"registered"')));
      rmSync(data, { recursive: true, force: true });
      const bare = `require('node:net').connect(${network.port},'127.0.0.1',()=>console.log('connected'))`;
      floors.push(await toTheEnd(['-e', bare], () => true));
    }
  } finally {
    await stopped(network.child);
  }
  tell('launch of the command to the 200, ms (first start of a profile)', { runs: LAUNCHES, ...spread(times), floor: spread(floors) });
}

async function measureReturn(): Promise<void> {
  const network = await startNetworkProcess(RETURNING);
  const relay = await Relay.to(network.uri);
  const make = (user: number, proxy: string) =>
    new SipClient(
      {
        ...{ aor: `sip:u${user}@lab.test`, displayName: '', password: 's', proxy, deviceName: '', expiresSeconds: 3600, icsis: [] },
        instanceId: `urn:uuid:${systemClock.uuid()}`,
      },
      { clock: systemClock, log: silentLogger, userAgent: 'Chorus/bench' },
    );
  const clients = Array.from({ length: RETURNING }, (_, user) => make(user, relay.uri));
  const registeredAgain = (client: SipClient, from: number) =>
    new Promise<number>((resolve) => {
      const listener = client.registration.onState.on((state) => {
        if (state !== 'registered') return;
        listener.dispose();
        resolve(performance.now() - from);
      });
    });
  try {
    const floors: number[] = [];
    for (const client of clients) {
      const from = performance.now();
      await client.registration.register();
      floors.push(performance.now() - from);
    }
    await relay.cut();
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    const returned = performance.now();
    const again = clients.map((client) => registeredAgain(client, returned));
    await relay.mend();
    const unaided = await Promise.all(again);
    relay.freeze();
    const hinted = performance.now();
    const probed = clients.map((client) => registeredAgain(client, hinted));
    for (const client of clients) client.registration.networkChanged();
    const aided = await Promise.all(probed);
    const shared = { devices: RETURNING, floor: spread(floors) };
    tell('return of the network to the 200, ms, without a hint', { outageMs: OUTAGE_MS, ...spread(unaided), ...shared });
    tell('hint of another network to the 200, ms, over a connection that died silently', { ...spread(aided), ...shared });
  } finally {
    for (const client of clients) client.dispose();
    await relay.close();
    await stopped(network.child);
  }
}

async function main(): Promise<void> {
  if (process.argv[2] === 'floor') {
    serveFloor();
    return;
  }
  ensureBuilt('command');
  tell('machine', { cpus: cpus().length, node: process.version, secondsEach: SECONDS });
  await measureRates();
  await measureLaunch();
  await measureReturn();
}

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
