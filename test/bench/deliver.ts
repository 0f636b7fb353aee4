/**
 * Figures of delivering, one JSON object a line: from a text written on one device to the same text shown on the other, between two real
 * processes over loopback and the embedded network, one text after the other. The floor of the same run is the least that can be done with a
 * line: two processes, a socket between them, and the line synced to disk on both sides before it goes on. With `--windows` between two real
 * windows: from the key pressed in one to the frame painted in the other.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureBuilt } from '../support/stages/built';
import { openMeasuredWindows } from '../support/windows/measured-windows';

const scale = Number(process.env.CHORUS_BENCH_SCALE ?? 1);
const TEXTS = Math.round(400 * scale);
const SESSIONS = Math.round(60 * scale);
const WARM_UP = 30;
/** The floor is measured in so many parts, between the other series: a machine has its moods. */
const FLOOR_PARTS = 4;
const LIMIT_MS = 30_000;

const root = join(__dirname, '..', '..');
const command = join(root, 'out/cli.cjs');
/** A floor process is told its file. */
const isFloor = process.argv[2] === 'floor';
const folder = isFloor ? '' : mkdtempSync(join(tmpdir(), 'chorus-bench-'));
const children = new Set<ChildProcess>();

type Line = Record<string, unknown>;

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'deliver', what, ...figures })}\n`);
}

function spread(values: number[]): { count: number; p50: number; p99: number; max: number } {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN) * 100) / 100;
  return { count: values.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** A process that is talked to in lines. */
class Talker {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<(text: string) => void>();

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    children.add(this.#child);
    if (this.#child.stdout === null) throw new Error('no stdout');
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      for (const look of [...this.#waiting]) look(text);
    });
  }

  write(text: string): void {
    this.#child.stdin?.write(`${text}\n`);
  }

  /** Resolves with the moment at which a fitting line had come, and the line. */
  line(fits: (text: string) => boolean): Promise<{ at: number; text: string }> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => finish(() => reject(new Error('a line did not come'))), LIMIT_MS);
      const ended = () => finish(() => reject(new Error('a process ended')));
      const look = (text: string) => {
        const at = performance.now();
        if (fits(text)) finish(() => resolve({ at, text }));
      };
      const finish = (settle: () => void) => {
        clearTimeout(limit);
        this.#waiting.delete(look);
        this.#child.off('exit', ended);
        settle();
      };
      this.#child.once('exit', ended);
      this.#waiting.add(look);
    });
  }

  async ask(call: string, argument: Line): Promise<unknown> {
    const id = `${call} ${performance.now()}`;
    const answer = this.line((text) => text.includes(JSON.stringify(id)) && text.includes('"re"'));
    this.write(JSON.stringify({ id, do: call, ...argument }));
    const { ok, value, error } = JSON.parse((await answer).text) as { ok: boolean; value: unknown; error: unknown };
    if (!ok) throw new Error(`${call}: ${JSON.stringify(error)}`);
    return value;
  }
}

/** `floor server FILE`: what comes over the socket is put on disk and said. `floor client FILE PORT`: what is said is put on disk and sent. */
function beFloor([role, file = '', port]: string[]): void {
  const disk = openSync(file, 'a');
  process.on('exit', () => closeSync(disk));
  const keep = (line: string) => {
    writeSync(disk, line);
    fdatasyncSync(disk);
  };
  const pass = (socket: Socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    return socket;
  };
  if (role === 'server') {
    const server = createServer((socket) => {
      createInterface({ input: pass(socket) }).on('line', (line) => {
        keep(line);
        process.stdout.write(`${line}\n`);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
    });
  } else {
    const socket = pass(connect(Number(port), '127.0.0.1', () => process.stdout.write('connected\n')));
    createInterface({ input: process.stdin }).on('line', (line) => {
      keep(line);
      socket.write(`${line}\n`);
    });
  }
}

async function startFloor(): Promise<(texts: number) => Promise<number[]>> {
  const server = new Talker([__filename, 'floor', 'server', join(folder, 'floor-server')]);
  const { text: port } = await server.line(() => true);
  const client = new Talker([__filename, 'floor', 'client', join(folder, 'floor-client'), port]);
  await client.line(() => true);
  return async (texts) => {
    const times: number[] = [];
    for (let index = 0; index < texts + WARM_UP; index += 1) {
      const text = `floor ${performance.now()}`;
      const shown = server.line((line) => line === text);
      const from = performance.now();
      client.write(text);
      if (index >= WARM_UP) times.push((await shown).at - from);
      else await shown;
    }
    return times;
  };
}

async function startClient(name: string, proxy: string): Promise<Talker> {
  const args = [command, 'client', '--data', join(folder, name), '--aor', `sip:${name}@lab.test`, '--proxy', proxy];
  const client = new Talker(args, { CHORUS_PASSWORD: 'secret' });
  await client.line((text) => text.includes('"state":"registered"'));
  return client;
}

/** From the text in one process's input to the same text, received, in the other's output. */
async function deliver(from: Talker, to: Talker, mode: 'session' | 'pager', text: string): Promise<number> {
  const quoted = JSON.stringify(text);
  const shown = to.line((line) => line.includes(quoted) && line.includes('"event":"message"') && line.includes('"direction":"in"'));
  const line = JSON.stringify({ id: text, do: 'sendText', to: 'sip:bob@lab.test', text, mode });
  const since = performance.now();
  from.write(line);
  return (await shown).at - since;
}

async function main(): Promise<void> {
  if (isFloor) {
    beFloor(process.argv.slice(3));
    return;
  }
  const floor = await startFloor();
  const floors: number[] = [];
  const measureFloor = async () => {
    floors.push(...(await floor(Math.ceil(TEXTS / FLOOR_PARTS))));
  };
  const series = process.argv.includes('--windows') ? await betweenWindows(measureFloor) : await betweenProcesses(measureFloor);
  const least = spread(floors);
  tell('machine', { cpus: cpus().length, node: process.version, load: loadavg().map((value) => Math.round(value * 10) / 10) });
  tell('floor: two processes, a socket, synced to disk on both sides, ms', least);
  const ratio = (one: number, other: number) => Math.round((one / other) * 100) / 100;
  for (const [what, times] of Object.entries(series)) {
    const figures = spread(times);
    tell(`${what}, ms`, { ...figures, p50ToFloor: ratio(figures.p50, least.p50), p99ToFloor: ratio(figures.p99, least.p99) });
  }
}

async function betweenWindows(measureFloor: () => Promise<void>): Promise<Record<string, number[]>> {
  const windows = await openMeasuredWindows();
  const times: number[] = [];
  try {
    await measureFloor();
    for (let index = 0; index < TEXTS / 2 + WARM_UP; index += 1) {
      const took = await windows.deliver(`text ${index} of these`);
      if (index >= WARM_UP) times.push(took);
    }
    await measureFloor();
  } finally {
    await windows.close();
  }
  return { 'from the key pressed in one window to the frame painted in the other': times };
}

async function betweenProcesses(measureFloor: () => Promise<void>): Promise<Record<string, number[]>> {
  ensureBuilt('command');
  const network = new Talker([command, 'network', '--tcp', '0', '--json']);
  const ready = JSON.parse((await network.line((text) => text.includes('"ready"'))).text) as { tcp: string };
  const [alice, bob] = await Promise.all([startClient('alice', ready.tcp), startClient('bob', ready.tcp)]);

  await measureFloor();
  const taken: Record<'session' | 'pager' | 'invitation', number[]> = { session: [], pager: [], invitation: [] };
  for (const mode of ['session', 'pager'] as const) {
    for (let index = 0; index < TEXTS + WARM_UP; index += 1) {
      const took = await deliver(alice, bob, mode, `${mode} ${index}`);
      if (index >= WARM_UP) taken[mode].push(took);
    }
    await measureFloor();
  }
  const [{ conversation }] = (await alice.ask('conversations', {})) as [{ conversation: string }];
  for (let index = 0; index < SESSIONS; index += 1) {
    const ended = bob.line((line) => line.includes('"event":"conversation"') && line.includes('"session":"ended"'));
    await alice.ask('closeSession', { conversation });
    await ended;
    taken.invitation.push(await deliver(alice, bob, 'session', `first ${index}`));
    await alice.ask('openSession', { to: 'sip:bob@lab.test' });
  }
  await measureFloor();
  return {
    'written on one device to shown on the other, over a session that stands': taken.session,
    'written on one device to shown on the other, by pager message': taken.pager,
    'written on one device to shown on the other, with an invitation': taken.invitation,
  };
}

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  if (!isFloor) rmSync(folder, { recursive: true, force: true });
});
main()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  })
  .finally(() => {
    if (!isFloor) process.exit();
  });
