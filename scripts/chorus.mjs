/**
 * `npm run --silent chorus -- SUBCOMMAND ...`: the command of this checkout. Builds what it needs first and says nothing on stdout; then stdin,
 * stdout, the exit status and signals are the command's own.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { createTeller, runScript } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await runScript(async () => {
  const teller = createTeller(process.stderr);
  await ensureDependencies(root, teller);
  await ensureBuilt('command');
  const child = spawn(process.execPath, ['--enable-source-maps', join(root, 'out/cli.cjs'), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  // Ctrl+C reaches the child by the terminal; what reaches this process alone is passed on.
  for (const signal of endSignals) process.on(signal, () => child.kill(signal));
  onNpmGone(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
});
