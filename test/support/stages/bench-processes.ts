/**
 * What the benches of several processes share: processes that are talked to in lines, clients of the built command, and the floor that each measures
 * beside: two processes, a socket between them, and the line synced to disk on both sides before it goes on.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureBuilt } from './built';

/** How many texts are sent before any is measured. */
export const WARM_UP = 30;
const LIMIT_MS = 30_000;

/** A bench runs as out/bench/NAME.cjs. */
const command = join(__dirname, '..', 'cli.cjs');
/** A floor process is told its file. */
const isFloor = process.argv[2] === 'floor';
const folder = isFloor ? '' : mkdtempSync(join(tmpdir(), 'chorus-bench-'));
const children = new Set<ChildProcess>();

type Line = Record<string, unknown>;

type Spread = { count: number; p50: number; p99: number; max: number };

export function spread(values: number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN) * 100) / 100;
  return { count: values.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** A process that is talked to in lines. */
export class Talker {
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

export async function startFloor(): Promise<(texts: number) => Promise<number[]>> {
  const server = new Talker([process.argv[1] ?? '', 'floor', 'server', join(folder, 'floor-server')]);
  const { text: port } = await server.line(() => true);
  const client = new Talker([process.argv[1] ?? '', 'floor', 'client', join(folder, 'floor-client'), port]);
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

/** The embedded network, without a client. @returns where it listens */
export async function startNetworkProcess(): Promise<string> {
  ensureBuilt('command');
  const network = new Talker([command, 'network', '--tcp', '0', '--json']);
  return (JSON.parse((await network.line((text) => text.includes('"ready"'))).text) as { tcp: string }).tcp;
}

/** @param profile the folder of this device; devices of one person have one name */
export async function startClientProcess(name: string, proxy: string, profile = name): Promise<Talker> {
  const args = [
    command,
    'client',
    '--data',
    join(folder, profile),
    '--aor',
    `sip:${name}@lab.test`,
    '--proxy',
    proxy,
    '--device-name',
    profile,
  ];
  const client = new Talker(args, { CHORUS_PASSWORD: 'secret' });
  await client.line((text) => text.includes('"state":"registered"'));
  return client;
}

/** Runs a bench to its end, and leaves nothing behind: neither its processes nor its files. */
export function runBench(bench: () => Promise<void>): void {
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    if (!isFloor) rmSync(folder, { recursive: true, force: true });
  });
  if (isFloor) {
    beFloor(process.argv.slice(3));
    return;
  }
  bench()
    .catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exitCode = 1;
    })
    .finally(() => process.exit());
}

/** The machine, as a figure of a bench tells it. */
export const machine = () => ({ cpus: cpus().length, node: process.version, load: loadavg().map((value) => Math.round(value * 10) / 10) });
