/** The built `chorus` command as scripts use it: real processes, one JSON object a line. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFailed } from 'vitest';
import { isNotYet, type NotYet, stir, until } from '../waiting';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** How long a story waits for one line, or for the end of a process, before it fails. */
export const lineLimitMs = 25_000;

export type Line = Record<string, unknown>;
/** How a process ended. */
export interface Exit {
  status: number | null;
  signal: NodeJS.Signals | null;
}

export class Command {
  /** Every line of stdout in order. A line that is not a JSON object fails the story. */
  readonly lines: Line[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  #stderr = '';
  #noJson: string | null = null;
  #rest = '';
  #count = 0;
  #exit: Exit | null = null;

  constructor(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#name = name;
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'pipe' });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // The process may be killed while a line is on its way to it.
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => {
        this.#exit = { status, signal };
        stir();
        resolve(this.#exit);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Writes one line unchanged. */
  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Sends a command without waiting. */
  tell(name: string, argument: Line = {}): string {
    this.#count += 1;
    const id = `${this.#name}-${this.#count}`;
    this.write(JSON.stringify({ id, do: name, ...argument }));
    return id;
  }

  /** Sends a command and waits for its answer, whether success or error. */
  answer(name: string, argument: Line = {}): Promise<Line> {
    const id = this.tell(name, argument);
    return this.until(`“${name}” is answered`, () => this.lines.find((line) => line.re === id));
  }

  /** The value returned by a command, which must succeed. */
  async ask<T = Line>(name: string, argument: Line = {}): Promise<T> {
    const line = await this.answer(name, argument);
    if (line.ok !== true) throw new Error(`${this.#name}: ${name}: ${JSON.stringify(line)}`);
    return line.value as T;
  }

  /** The error returned by a command, which must fail. */
  async refusal(name: string, argument: Line = {}): Promise<Line> {
    const line = await this.answer(name, argument);
    if (line.ok !== false) throw new Error(`${this.#name}: ${name} should have failed: ${JSON.stringify(line)}`);
    return line.error as Line;
  }

  /** The first event with this name and these fields, from line `from` on. */
  event(name: string, fields: Line = {}, from = 0): Promise<Line> {
    const fits = (line: Line) => line.event === name && Object.entries(fields).every(([key, value]) => line[key] === value);
    return this.until(`the event ${name} ${JSON.stringify(fields)}`, () => this.lines.slice(from).find(fits));
  }

  /** `until` of test/support/waiting. Fails at once when the process has ended, or has written a line that is no JSON object. */
  until<T>(what: string, look: () => NotYet<T> | Promise<NotYet<T>>, limitMs = lineLimitMs): Promise<T> {
    const checked = async () => {
      if (this.#noJson !== null) throw new Error(`${this.#name}: a line on stdout is no JSON object: ${this.#noJson}`);
      // Read before the look: what a process has said by its end counts.
      const exit = this.#exit;
      const value = await look();
      if (isNotYet(value) && exit !== null) throw new Error(`${this.#name} has ended before ${what}: ${JSON.stringify(exit)}`);
      return value;
    };
    return until(`${what} (${this.#name} waits)`, checked, limitMs);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** Sends a signal to this process only. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** How it ended; waits at most `lineLimitMs`. */
  async ended(): Promise<Exit> {
    return this.until('it ends', () => this.#exit);
  }

  #read(text: string): void {
    const whole = (this.#rest + text).split('\n');
    this.#rest = whole.pop() ?? '';
    for (const line of whole) {
      try {
        const value: unknown = JSON.parse(line);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
        this.lines.push(value as Line);
      } catch {
        this.#noJson ??= line;
      }
    }
    stir();
  }

  /** Its log and its last lines. */
  report(): string {
    const lines = this.lines.slice(-15).map((line) => JSON.stringify(line).slice(0, 300));
    return [`== ${this.#name} ${JSON.stringify(this.#exit)}`, this.#stderr, ...lines].join('\n');
  }
}

const running: Command[] = [];
/** All processes of the running test, including ended ones: a failure prints them. */
const cast: Command[] = [];
const folders: string[] = [];

/** Starts `chorus ARGS` from the built file. `endCommands` ends it if the story does not. */
export function chorus(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  return keep(new Command(name, process.execPath, [join(root, 'out/cli.cjs'), ...args], env));
}

/** Starts `npm run --silent chorus -- ARGS`. */
export function npmChorus(name: string, args: readonly string[]): Command {
  return keep(new Command(name, 'npm', ['run', '--silent', 'chorus', '--', ...args]));
}

function keep(command: Command): Command {
  running.push(command);
  cast.push(command);
  return command;
}

/** Prints the output of every process when the running test fails. */
export function printCommandsOnFailure(): void {
  cast.length = 0;
  onTestFailed(() => console.error(cast.map((command) => command.report()).join('\n')));
}

/** A folder that `endCommands` removes. */
export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `chorus-${name}-`));
  folders.push(folder);
  return folder;
}

/** Kills every process that still runs and removes the folders. */
export async function endCommands(): Promise<void> {
  for (const command of running) command.kill('SIGKILL');
  await Promise.all(running.splice(0).map((command) => command.exited.catch(() => null)));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
