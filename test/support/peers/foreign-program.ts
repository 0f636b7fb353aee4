/** A foreign program that a test drives over its standard input and output. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stir, until } from '../waiting';

/** A folder for one run of such a program. */
export const freshFolder = (program: string) => mkdtempSync(join(tmpdir(), `chorus-${program}-`));

export class ForeignProgram {
  /** Everything it has written to both of its outputs. */
  said = '';
  readonly #name: string;
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;

  /** `folder` is removed together with it. */
  constructor(command: string, args: readonly string[], folder: string) {
    this.#name = command.split('/').at(-1) ?? command;
    this.#folder = folder;
    this.#child = spawn(command, args, { cwd: folder, env: { ...process.env, HOME: folder, TERM: 'dumb' }, stdio: 'pipe' });
    for (const output of [this.#child.stdout, this.#child.stderr])
      output.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // It may end while a line is on its way to it.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => this.#hear(`\n${error.message}\n`));
    this.#ended = new Promise((done) => this.#child.once('close', () => done()));
  }

  #hear(text: string): void {
    this.said += text;
    stir();
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Resolves once it has written this. */
  async hears(words: string | RegExp): Promise<void> {
    const isSaid = () => (typeof words === 'string' ? this.said.includes(words) : words.test(this.said));
    await until(`it says ${words}`, isSaid).catch((error) => {
      throw new Error(`${this.#name} ${error.message}, but said:\n${this.said.trim()}`);
    });
  }

  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
