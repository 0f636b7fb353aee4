/** `node scripts/package.mjs`: an installable folder of Chorus in dist/, made of the Electron that runs it here. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { ensureElectron } from './parts/electron-runtime.mjs';
import { mustRun } from './parts/processes.mjs';
import { createTeller, runScript } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await runScript(async () => {
  const teller = createTeller();
  await ensureDependencies(root, teller);
  const dist = dirname(await ensureElectron(root, teller));
  await ensureBuilt('app', (work) => teller.step('Building Chorus', work));
  const version = (await readFile(join(dist, 'version'), 'utf8')).trim().replace(/^v/, '');
  const options = ['--dir', '--publish', 'never', `-c.electronDist=${dist}`, `-c.electronVersion=${version}`];
  await teller.step('Packaging', () =>
    mustRun(process.execPath, [join(root, 'node_modules/electron-builder/cli.js'), ...options], {
      cwd: root,
      sentence: 'The folder could not be made:',
    }),
  );
  teller.say(`Chorus is in ${join(root, 'dist')}.`);
});
