/**
 * `npm run fuzz -- [TARGET [SECONDS [SEED]]]`: bundles test/fuzz/run.ts with a counter in every branch of the product's code, and runs it. Without a
 * target it takes them all, each for a minute.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { createInstrumenter } from 'istanbul-lib-instrument';
import { bundleOptions } from './build.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { createTeller, runScript } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = { entry: 'test/fuzz/run.ts', out: 'out/fuzz/run.cjs' };

/** @type {import('esbuild').Plugin} */
const counters = {
  name: 'counters',
  setup(builder) {
    const instrumenter = createInstrumenter({ esModules: true, compact: true });
    builder.onLoad({ filter: /[\\/](?:base|protocol|main|network)[\\/][^.]*\.ts$/ }, async ({ path }) => {
      if (path.includes('node_modules')) return null;
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'ts', target: 'node20.18' });
      return { contents: instrumenter.instrumentSync(code, relative(root, path)), loader: 'js' };
    });
  },
};

await runScript(async () => {
  await ensureDependencies(root, createTeller(process.stderr));
  await build({ ...bundleOptions(bundle), plugins: [counters] });
  const child = spawn(process.execPath, [join(root, bundle.out), ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  for (const signal of endSignals) process.on(signal, () => child.kill(signal));
  onNpmGone(() => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
});
