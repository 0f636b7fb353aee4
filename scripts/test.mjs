/**
 * `npm test`: from a fresh clone to the verdict. Sets up what is missing, runs every phase even when an earlier one failed, and ends with a
 * table of the phases and one line `N passed, N failed`.
 *
 *   npm test                  everything
 *   npm test -- unit e2e      only these phases
 *   npm test -- e2e test/e2e/security.test.ts
 *                             only these files of the phases
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensurePackages, judgePackages } from './parts/debian.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { bringBack } from './parts/ordinary-user.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';
import { withWindows } from './parts/window-stage.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const artifacts = join(root, 'artifacts');
const vitest = 'node_modules/vitest/vitest.mjs';

const isFile = (argument) => argument.includes('/');
const files = process.argv.slice(2).filter(isFile);

/** A program of ours to its end, its output shown as it comes. */
function show(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, ...options, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** A check without tests of its own counts as one. */
const counted = (status) => ({ passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 });

/** What vitest counted. A run that failed without a failed test (a file that does not load, say) counts as one failure. */
async function countsOf(file, status) {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(text);
  const failed = status !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
}

async function runVitest(project, { node = process.execPath, cwd = root, ...options } = {}) {
  const report = join(cwd, `artifacts/${project}.json`);
  await rm(report, { force: true });
  const args = [
    join(cwd, vitest),
    'run',
    '--project',
    project,
    ...files,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const status = await show(node, args, { cwd, ...options });
  return countsOf(report, status);
}

const phases = {
  types: async () => counted(await show(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'])),
  lint: async () => counted(await show(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '.'])),
  unit: () => runVitest('unit'),
  interop: (teller) => judged(teller).then(() => runVitest('interop')),
  e2e: endToEnd,
};

/** Foreign judges are Debian packages. Where they cannot be installed, the tests that need them fail by themselves and say so. */
async function judged(teller) {
  if (process.platform !== 'linux') return;
  try {
    await ensurePackages(judgePackages, 'for the tests against foreign programs', teller);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    teller.say(error.message);
  }
  await ensureBuilt('command');
  await ensureBuilt('app');
}

/** Real windows on a screen of their own, as an ordinary user, with Chromium's real sandbox. */
function endToEnd(teller) {
  return withWindows(root, teller, async ({ user, screen, ...stage }) => {
    try {
      return await runVitest('e2e', stage);
    } finally {
      if (screen !== null) await screen.picture().then(({ png }) => writeFile(join(artifacts, 'last-screen.png'), png));
      if (user !== null) await bringBack(join(stage.cwd, 'artifacts'), artifacts);
    }
  });
}

async function runPhase(name, teller) {
  const since = Date.now();
  teller.say(`\n== ${name}`);
  try {
    return { name, ...(await phases[name](teller)), seconds: (Date.now() - since) / 1000 };
  } catch (error) {
    process.stderr.write(`${error instanceof Trouble ? error.message : error.stack}\n`);
    return { name, passed: 0, failed: 1, skipped: 0, seconds: (Date.now() - since) / 1000 };
  }
}

function table(results) {
  const row = (cells) => cells.map((cell, index) => (index === 0 ? String(cell).padEnd(10) : String(cell).padStart(9))).join('');
  const rows = results.map(({ name, passed, failed, skipped, seconds }) => row([name, passed, failed, skipped, seconds.toFixed(1)]));
  return [row(['phase', 'passed', 'failed', 'skipped', 'seconds']), ...rows].join('\n');
}

await runScript(async () => {
  const wanted = process.argv.slice(2).filter((argument) => !isFile(argument));
  const unknown = wanted.find((name) => !(name in phases));
  if (unknown !== undefined) throw new Trouble(`There is no phase "${unknown}"; there are ${Object.keys(phases).join(', ')}.`);
  const teller = createTeller();
  const since = Date.now();
  await ensureDependencies(root, teller);
  await mkdir(artifacts, { recursive: true });
  const setUp = { name: 'set-up', passed: 0, failed: 0, skipped: 0, seconds: (Date.now() - since) / 1000 };
  const results = [setUp];
  for (const name of Object.keys(phases)) if (wanted.length === 0 || wanted.includes(name)) results.push(await runPhase(name, teller));
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  teller.say(`\n${table(results)}\n${((Date.now() - since) / 1000).toFixed(1)} s in all\n`);
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
  teller.say(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
  return sum('failed') > 0 ? 1 : 0;
});
