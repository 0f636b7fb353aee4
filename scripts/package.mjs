/**
 * `node scripts/package.mjs [--old-runtime]`: an installable folder of Chorus in dist/, made of the Electron that runs it here. The runtime that stands in
 * where Electron's own cannot be downloaded (decision 9) is old, with known holes: it is shipped only by whoever says so.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { ensureElectron, isFallback } from './parts/electron-runtime.mjs';
import { mustRun } from './parts/processes.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await runScript(async () => {
  const teller = createTeller();
  await ensureDependencies(root, teller);
  const dist = dirname(await ensureElectron(root, teller));
  const version = (await readFile(join(dist, 'version'), 'utf8')).trim().replace(/^v/, '');
  if (isFallback(version) && !process.argv.includes('--old-runtime')) {
    throw new Trouble(
      `The only Electron here is ${version}, which gets no security fixes any more. Get a current one (its download, or ELECTRON_OVERRIDE_DIST_PATH), or say --old-runtime to ship this one all the same.`,
    );
  }
  await ensureBuilt('app', (work) => teller.step('Building Chorus', work));
  const options = ['--dir', '--publish', 'never', `-c.electronDist=${dist}`, `-c.electronVersion=${version}`];
  await teller.step('Packaging', () =>
    mustRun(process.execPath, [join(root, 'node_modules/electron-builder/cli.js'), ...options], {
      cwd: root,
      sentence: 'The folder could not be made:',
    }),
  );
  teller.say(`Chorus is in ${join(root, 'dist')}.`);
});
