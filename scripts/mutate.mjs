/**
 * `npm run mutate -- FOLDER [--every N]`: changes the code of a folder in one place at a time (StrykerJS) and runs the unit tests of that folder. A change that no
 * test notices has survived: the tests do not say what that place is for. Writes the folder's row in docs/MUTATION.md; all changes stand in
 * artifacts/mutation. `--every N` takes a sample: only changes within every Nth line.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scoreOf, testsOf, withRow } from './parts/mutation.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const table = 'docs/MUTATION.md';

/** @param {string} folder */
const sourcesIn = (folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.d)\.ts$/.test(file))
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`);

/** The patterns of StrykerJS for every Nth line of a file. @param {string} file @param {number} every */
function everyNthLine(file, every) {
  const { length } = readFileSync(join(root, file), 'utf8').split('\n');
  return Array.from({ length: Math.floor(length / every) }, (_, index) => `${file}:${(index + 1) * every}-${(index + 1) * every}`);
}

function stryker(config, env) {
  const args = ['-n', '10', process.execPath, 'node_modules/@stryker-mutator/core/bin/stryker.js', 'run', config];
  const child = spawn('nice', args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' });
  for (const signal of endSignals) process.on(signal, () => child.kill(signal));
  onNpmGone(() => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
}

await runScript(async () => {
  const [given = '', flag, number = '1'] = process.argv.slice(2);
  const folder = given.replace(/\/$/, '');
  const every = Number(number);
  if (
    !/^(?:base|protocol|main|network|renderer)\b/.test(folder) ||
    !existsSync(join(root, folder)) ||
    (flag ?? '--every') !== '--every' ||
    !(every >= 1)
  )
    throw new Trouble('Say which folder: npm run mutate -- network/msrp [--every 10]');
  const name = folder.replaceAll('/', '-');
  const report = `artifacts/mutation/${name}.json`;
  mkdirSync(join(root, 'artifacts/mutation'), { recursive: true });
  const config = `artifacts/mutation/${name}.config.json`;
  const options = {
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'test/mutation.vitest.config.ts' },
    mutate: every === 1 ? sourcesIn(folder) : sourcesIn(folder).flatMap((file) => everyNthLine(file, every)),
    coverageAnalysis: 'perTest',
    ignoreStatic: true,
    concurrency: 1,
    tempDirName: `out/mutation/${name}`,
    ignorePatterns: ['out', 'artifacts', 'dist'],
    // TypeScript 7 has no interface that could read the configuration, and esbuild needs none of it.
    tsconfigFile: 'none.json',
    mutator: { excludedMutations: ['StringLiteral'] },
    dryRunTimeoutMinutes: 30,
    timeoutMS: 30_000,
    reporters: ['clear-text', 'progress-append-only', 'json'],
    clearTextReporter: { logTests: false, allowColor: false },
    jsonReporter: { fileName: report },
  };
  writeFileSync(join(root, config), JSON.stringify(options));
  // Whole campaigns play few stories: each change runs them again.
  const status = await stryker(config, { CHORUS_MUTATION_TESTS: testsOf(folder), CHORUS_SEEDS: '20' });
  if (status !== 0) return status;
  const score = scoreOf(JSON.parse(readFileSync(join(root, report), 'utf8')));
  writeFileSync(join(root, table), withRow(readFileSync(join(root, table), 'utf8'), folder, every, score));
  return 0;
});
