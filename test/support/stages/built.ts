/** Builds a program before tests and benches run it, if the build is out of date. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = checkoutOf(dirname(fileURLToPath(import.meta.url)));

/** The folder with the package.json. A bench is bundled into out/, so this file's own depth tells nothing. */
function checkoutOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : checkoutOf(dirname(folder));
}

/** A target of `scripts/build.mjs`. Several test files may call this at once: one builds, the others wait. */
export function ensureBuilt(target: 'app' | 'command'): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs', target], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The ${target} could not be built:\n${stderr}`);
}
