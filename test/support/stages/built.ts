/** What tests and benches run as a program is built first, where it is not up to date. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A name of `scripts/build.mjs`. Several files of tests may ask at once: one builds, the others wait. */
export function ensureBuilt(target: 'app' | 'command'): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs', target], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The ${target} could not be built:\n${stderr}`);
}
