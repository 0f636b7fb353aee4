/**
 * SIPp (Debian's sip-tester) as a registrar, and as the people behind it: plays a scenario of `test/support/peers/sipp/` over TCP and
 * judges the received messages by it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from '../waiting';

/** The name of a file in `test/support/peers/sipp/`, or the content of one. */
type Scenario = string | { xml: string };

/** Null when SIPp is installed, else one sentence with the command that installs it. */
function sippMissing(): string | null {
  const found = spawnSync('sipp', ['-v'], { stdio: 'ignore' });
  return found.error === undefined ? null : 'SIPp is not installed: apt-get install --no-install-recommends sip-tester';
}

/**
 * SIPp complains too when the machine did not give it its turn for half a second; that says nothing about the messages. "There were more errors"
 * points to the file that is read here as well.
 */
function withoutOverload(complaints: string): string {
  return complaints
    .split('\n')
    .filter(
      (line) =>
        !/Overload warning: the (minor|major) watchdog timer|^The following events occurred:$|^There were more errors, see '.*' file$/.test(
          line,
        ),
    )
    .join('\n')
    .trim();
}

/** Different TCP ports on loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    if (typeof address === 'object' && address !== null) ports.push(address.port);
  }
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export class SippRegistrar {
  readonly uri: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'chorus-sipp-'));
  readonly #errorFile = join(this.#folder, 'errors.log');
  readonly #child: ChildProcess;
  #said = '';
  #status: string | null = null;

  private constructor(scenario: Scenario, port: number) {
    this.uri = `sip:127.0.0.1:${port};transport=tcp`;
    const file = typeof scenario === 'string' ? resolve('test/support/peers/sipp', `${scenario}.xml`) : join(this.#folder, 'scenario.xml');
    if (typeof scenario !== 'string') writeFileSync(file, scenario.xml);
    const options = ['-sf', file, '-i', '127.0.0.1', '-p', String(port), '-t', 't1', '-nostdin', '-trace_err'];
    // Without this, SIPp ignores a Call-ID that returns after its scenario has ended; the client keeps one for life.
    this.#child = spawn('sipp', [...options, '-deadcall_wait', '0', '-error_file', this.#errorFile], {
      cwd: this.#folder,
      // It draws a screen even without a terminal.
      env: { ...process.env, TERM: 'dumb' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    this.#child.once('error', (error) => {
      this.#status = error.message;
    });
    this.#child.once('exit', (code, signal) => {
      this.#status = `exit ${code ?? signal}`;
    });
  }

  /** Resolves when it listens. */
  static async start(scenario: Scenario, port: number): Promise<SippRegistrar> {
    const missing = sippMissing();
    if (missing !== null) throw new Error(missing);
    const registrar = new SippRegistrar(scenario, port);
    try {
      await until('SIPp listens', () => {
        if (registrar.#status !== null) throw new Error('SIPp has ended');
        return answers(port);
      });
    } catch (error) {
      registrar.dispose();
      throw new Error(`${String(error)}: ${registrar.complaints}`);
    }
    return registrar;
  }

  /** SIPp's complaints about the received messages and its exit status; empty without complaints. */
  get complaints(): string {
    const status = this.#status === null || this.#status === 'exit 0' ? '' : this.#status;
    return [withoutOverload(this.#said), withoutOverload(this.#errors), status].filter((text) => text !== '').join('\n');
  }

  get #errors(): string {
    try {
      return readFileSync(this.#errorFile, 'utf8');
    } catch {
      // SIPp writes this file at its first complaint.
      return '';
    }
  }

  /** Waits until every started scenario is over. @returns the complaints: none when the exit status is 0 and the file is empty */
  async finish(): Promise<string> {
    // After SIGUSR1 SIPp ends once its calls have ended.
    this.#child.kill('SIGUSR1');
    const isOver = await until('every scenario is over', () => this.#status !== null).catch(() => false);
    return isOver ? this.complaints : `the scenario is not over\n${this.complaints}`;
  }

  dispose(): void {
    if (this.#status === null) this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Plays a scenario in which somebody at lab.test calls through the server at `proxy`. @returns SIPp's complaints; empty when there are none
 */
export async function callBySipp(scenario: string, proxy: string): Promise<string> {
  const missing = sippMissing();
  if (missing !== null) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), 'chorus-sipp-'));
  const errors = join(folder, 'errors.log');
  const server = /127\.0\.0\.1:\d+/.exec(proxy)?.[0] ?? '';
  const file = resolve('test/support/peers/sipp', `${scenario}.xml`);
  const limits = ['-m', '1', '-timeout', '45s', '-timeout_error'];
  const [port] = await freePorts(1);
  // Otherwise its credentials contain the server's address instead of the Request-URI (RFC 7616 section 3.4.5).
  const place = ['-i', '127.0.0.1', '-p', String(port), '-t', 't1', '-auth_uri', 'lab.test'];
  const options = ['-sf', file, ...place, ...limits, '-nostdin', '-trace_err', '-error_file', errors];
  try {
    const child = spawn('sipp', [server, ...options], { cwd: folder, env: { ...process.env, TERM: 'dumb' }, stdio: 'ignore' });
    const status = await new Promise((done) => child.once('exit', (code, signal) => done(code ?? signal)));
    const said = existsSync(errors) ? readFileSync(errors, 'utf8').trim() : '';
    return status === 0 ? said : `exit ${status}\n${said}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (isListening: boolean) => {
      socket.destroy();
      done(isListening);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
