/**
 * `npm run bench -- NAME [--electron | --windows] [arguments]`: bundles test/bench/NAME.ts and runs it with Node, with the checkout's Electron
 * as Node, or where it can open real windows. A bench prints one JSON line a figure on stdout, measures a floor in the same run, and leaves nothing behind.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBundle, readThread } from './build.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { ensureElectron } from './parts/electron-runtime.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';
import { withWindows } from './parts/window-stage.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A bench to its end. */
function ended(program, args, options) {
  const child = spawn(program, ['--enable-source-maps', ...args], { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
  for (const signal of endSignals) process.on(signal, () => child.kill(signal));
  onNpmGone(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

await runScript(async () => {
  const [name, ...rest] = process.argv.slice(2);
  const known = readdirSync(join(root, 'test/bench'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
  if (name === undefined || !known.includes(name) || !existsSync(join(root, `test/bench/${name}.ts`))) {
    throw new Trouble(`Say which: npm run bench -- ${known.join(' | ')}`);
  }
  const teller = createTeller(process.stderr);
  await ensureDependencies(root, teller);
  const out = `out/bench/${name}.cjs`;
  await Promise.all([buildBundle({ entry: `test/bench/${name}.ts`, out }), buildBundle(readThread)]);
  if (rest.includes('--windows'))
    return withWindows(root, teller, ({ node, cwd, env, uid, gid }) => ended(node, [join(cwd, out), ...rest], { cwd, env, uid, gid }));
  const inElectron = rest.includes('--electron');
  const program = inElectron ? await ensureElectron(root, teller) : process.execPath;
  const env = inElectron ? { ...process.env, ELECTRON_RUN_AS_NODE: '1' } : process.env;
  return ended(program, [join(root, out), ...rest.filter((word) => word !== '--electron')], { env });
});
