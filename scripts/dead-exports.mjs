/**
 * `node scripts/dead-exports.mjs`: finds exported names, files and packages that nothing uses, by knip. `scripts/dead-exports.json` holds those that
 * may stay for a while; an entry that is no longer needed is a fault, too.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './parts/processes.mjs';
import { runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const allowList = 'scripts/dead-exports.json';
const kinds = /** @type {const} */ (['files', 'exports', 'types', 'dependencies', 'devDependencies', 'unlisted', 'unresolved']);

/**
 * What knip finds, as `file: name`. Node 20.18 cannot require() the ES modules of its parser without the switch; newer ones take it and need it not.
 * @returns {Promise<Set<string>>}
 */
async function deadNames() {
  const args = ['--experimental-require-module', '--no-warnings', 'node_modules/knip/bin/knip.js'];
  const { status, output } = await run(process.execPath, [...args, '--reporter', 'json', '--no-exit-code', '--include', kinds.join()], {
    cwd: root,
  });
  if (status !== 0) throw new Trouble(`knip could not read the project:\n${output}`);
  const { issues } = JSON.parse(output.slice(output.indexOf('{')));
  /** @type {(issue: any) => string[]} */
  const namesOf = (issue) => kinds.flatMap((kind) => (issue[kind] ?? []).map(({ name }) => (kind === 'files' ? '(the whole file)' : name)));
  return new Set(issues.flatMap((issue) => namesOf(issue).map((name) => `${issue.file}: ${name}`)));
}

await runScript(async () => {
  /** @type {Record<string, string[]>} */
  const allowed = JSON.parse(await readFile(join(root, allowList), 'utf8'));
  const kept = new Set(Object.entries(allowed).flatMap(([file, names]) => names.map((name) => `${file}: ${name}`)));
  const found = await deadNames();
  const dead = [...found].filter((one) => !kept.has(one));
  const stale = [...kept].filter((one) => !found.has(one));
  const told = [
    ...(dead.length === 0 ? [] : ['Used by nobody; remove it, or what it is exported for:', ...dead]),
    ...(stale.length === 0 ? [] : [`No longer needed in ${allowList}:`, ...stale]),
  ];
  if (told.length > 0) throw new Trouble(told.join('\n  '));
});
