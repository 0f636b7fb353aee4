/** liblinphone (Debian's liblinphone-dev) as somebody to chat with: builds `test/support/linphone/agent.c` once and drives it. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

const lineLimitMs = 10_000;
const packages = ['liblinphone-dev', 'linphone-common', 'gcc', 'libc6-dev'];

/** The program, compiled where this source and this liblinphone have not been compiled before. @throws Error with the command that installs what is missing */
function agentProgram(): string {
  const install = `liblinphone and a C compiler are needed: apt-get install --no-install-recommends ${packages.join(' ')}`;
  const found = spawnSync('dpkg-query', ['-W', '-f=$' + '{Package} $' + '{Version} $' + '{db:Status-Status}\\n', ...packages], {
    encoding: 'utf8',
  });
  if (found.error !== undefined || found.stdout.split('\n').filter((line) => line.endsWith(' installed')).length < packages.length)
    throw new Error(install);
  const source = resolve('test/support/linphone/agent.c');
  const key = createHash('sha256').update(readFileSync(source)).update(found.stdout).digest('hex').slice(0, 16);
  const folder = join(tmpdir(), `chorus-linphone-${userInfo().uid}`);
  const program = join(folder, key);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = `${program}.${process.pid}`;
  execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-Wno-deprecated-declarations', '-o', fresh, source, '-llinphone', '-lbctoolbox']);
  renameSync(fresh, program);
  return program;
}

export class LinphoneAgent {
  /** What it said: the words of each line. */
  readonly said: string[][] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'chorus-linphone-agent-'));
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #checks = new Set<() => void>();
  #stderr = '';
  #rest = '';

  private constructor(identity: string, password: string, proxy: string) {
    this.#child = spawn(agentProgram(), [identity, password, proxy, this.#folder], { stdio: 'pipe' });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.said.push(...lines.map((line) => line.split('\t')));
      for (const check of [...this.#checks]) check();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // It may end while a command is on its way.
    this.#child.stdin.on('error', () => undefined);
    this.#ended = new Promise((done) => this.#child.once('close', () => done()));
  }

  /** Resolves when it is registered. */
  static async start(options: { identity: string; password?: string; proxy: string }): Promise<LinphoneAgent> {
    const agent = new LinphoneAgent(options.identity, options.password ?? 'secret', options.proxy);
    try {
      await agent.hears('registered');
    } catch (error) {
      await agent.dispose();
      throw error;
    }
    return agent;
  }

  tell(...words: string[]): void {
    this.#child.stdin.write(`${words.join('\t')}\n`);
  }

  /** Resolves with the first line that begins with these words. */
  hears(...words: string[]): Promise<string[]> {
    return new Promise((done, fail) => {
      const finish = () => {
        clearTimeout(limit);
        this.#checks.delete(check);
      };
      const limit = setTimeout(() => {
        finish();
        const heard = this.said.map((line) => line.join(' ')).join('\n');
        fail(new Error(`liblinphone never said “${words.join(' ')}”, but:\n${heard}\n${this.#stderr.trim()}`));
      }, lineLimitMs);
      const check = () => {
        const line = this.said.find((candidate) => words.every((word, index) => candidate[index] === word));
        if (line === undefined) return;
        finish();
        done(line);
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
