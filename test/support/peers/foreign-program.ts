/** A program of somebody else that a test talks to by its standard input and output. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a story waits for one thing that such a program does, milliseconds. */
const patienceMs = 10_000;

/** A folder that one run of such a program may fill. */
export const freshFolder = (program: string) => mkdtempSync(join(tmpdir(), `chorus-${program}-`));

export class ForeignProgram {
  /** All that it has written, on both of its outputs. */
  said = '';
  readonly #name: string;
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #checks = new Set<() => void>();

  /** `folder` is removed with it. */
  constructor(command: string, args: readonly string[], folder: string) {
    this.#name = command.split('/').at(-1) ?? command;
    this.#folder = folder;
    this.#child = spawn(command, args, { cwd: folder, env: { ...process.env, HOME: folder, TERM: 'dumb' }, stdio: 'pipe' });
    for (const output of [this.#child.stdout, this.#child.stderr])
      output.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // It may end while a line is on its way.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => this.#hear(`\n${error.message}\n`));
    this.#ended = new Promise((done) => this.#child.once('close', () => done()));
  }

  #hear(text: string): void {
    this.said += text;
    for (const check of [...this.#checks]) check();
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Resolves once it has written this. */
  hears(words: string | RegExp): Promise<void> {
    return new Promise((done, fail) => {
      const finish = () => {
        clearTimeout(limit);
        this.#checks.delete(check);
      };
      const limit = setTimeout(() => {
        finish();
        fail(new Error(`${this.#name} never said ${words}, but:\n${this.said.trim()}`));
      }, patienceMs);
      const check = () => {
        if (typeof words === 'string' ? !this.said.includes(words) : !words.test(this.said)) return;
        finish();
        done();
      };
      this.#checks.add(check);
      check();
    });
  }

  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
