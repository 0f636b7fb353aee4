/**
 * `npm run generate`: writes again every file of the project that is made from others. `--check`, as `npm test` runs it, writes nothing and fails
 * when one of them is not what would be written. A new such file gets a generator in scripts/generate/ and a line in the table.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { conformance } from './generate/conformance.mjs';
import { labConstants } from './generate/lab-constants.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @type {Readonly<Record<string, (root: string) => string | Promise<string>>>} each file, and its whole text */
const generated = {
  'docs/CONFORMANCE.md': conformanceText,
  'docs/decisions/lab-constants.md': labConstants,
};

/** @param {string} project */
function conformanceText(project) {
  const { faults, document } = conformance(project);
  if (faults.length > 0) throw new Trouble(`docs/CONFORMANCE.md cannot be written:\n  ${faults.join('\n  ')}`);
  return document;
}

await runScript(async () => {
  const [option, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (option !== undefined && option !== '--check')) throw new Trouble('npm run generate knows one option: --check');
  const stale = [];
  for (const [file, make] of Object.entries(generated)) {
    const text = await make(root);
    if ((await readFile(join(root, file), 'utf8').catch(() => null)) === text) continue;
    stale.push(file);
    if (option === undefined) await writeFile(join(root, file), text);
  }
  if (option === undefined) createTeller().say(stale.length === 0 ? 'Everything was up to date.' : `Written: ${stale.join(', ')}`);
  else if (stale.length > 0) throw new Trouble(`No longer what the code says: ${stale.join(', ')}. Run npm run generate.`);
});
