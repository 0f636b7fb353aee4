/** liblinphone (Debian's liblinphone-dev) as a chat partner: compiles `test/support/peers/linphone/agent.c` once and starts it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { ForeignProgram, freshFolder } from './foreign-program';

const packages = ['liblinphone-dev', 'linphone-common', 'gcc', 'libc6-dev'];

/**
 * The program, compiled unless this source was already compiled with this liblinphone. @throws Error with the command that installs a
 * missing package
 */
function agentProgram(): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
  const found = spawnSync('dpkg-query', ['-W', '-f=${Package} ${Version} ${db:Status-Status}\\n', ...packages], { encoding: 'utf8' });
  if (found.error !== undefined || found.stdout.split('\n').filter((line) => line.endsWith(' installed')).length < packages.length)
    throw new Error(`liblinphone and a C compiler are needed: apt-get install --no-install-recommends ${packages.join(' ')}`);
  const source = resolve('test/support/peers/linphone/agent.c');
  const key = createHash('sha256').update(readFileSync(source)).update(found.stdout).digest('hex').slice(0, 16);
  const folder = join(tmpdir(), `chorus-linphone-${userInfo().uid}`);
  const program = join(folder, `linphone-agent-${key}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = `${program}.${process.pid}`;
  execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-Wno-deprecated-declarations', '-o', fresh, source, '-llinphone', '-lbctoolbox']);
  renameSync(fresh, program);
  return program;
}

/** Starts it and resolves when it is registered. The head of `agent.c` describes its commands and output; `words` formats such a line. */
export async function startLinphone(options: {
  identity: string;
  password?: string;
  proxy: string;
  /** The authorities it trusts over TLS, a PEM file. */
  ca?: string | undefined;
}): Promise<ForeignProgram> {
  const { identity, password = 'secret', proxy, ca } = options;
  const folder = freshFolder('linphone');
  const agent = new ForeignProgram(agentProgram(), [identity, password, proxy, folder, ...(ca === undefined ? [] : [ca])], folder);
  try {
    await agent.hears('registered');
  } catch (error) {
    await agent.dispose();
    throw error;
  }
  return agent;
}

/** Formats a line to or from it. */
export const words = (...all: string[]): string => all.join('\t');
