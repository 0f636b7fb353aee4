/**
 * `npm test`: from a fresh clone to the verdict. Sets up what is missing, runs every phase even when an earlier one failed, and ends with a
 * table of the phases and one line `N passed, N failed`. What succeeds takes one line a file; what fails is told in full.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensurePackages, judgePackages } from './parts/debian.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { bringBack } from './parts/ordinary-user.mjs';
import { endSignals, onNpmGone, run } from './parts/processes.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';
import { parseTestArguments, phaseNames } from './parts/test-arguments.mjs';
import { withWindows } from './parts/window-stage.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const artifacts = join(root, 'artifacts');
const vitest = 'node_modules/vitest/vitest.mjs';

const help = `npm test                              everything
npm test -- unit interop              only these phases: ${phaseNames.join(', ')}
npm test -- unit -t NAME              only the tests whose title has NAME in it; a requirement, for example: R58
npm test -- test/unit/cpm/upgrade     only the files whose path begins so
npm test -- --changed                 the checks, and only tests that your uncommitted changes can reach
npm test -- unit --watch              runs tests again whenever a file changes, until Ctrl+C
npm test -- deaths                    all deaths of the upgrade; without it, the sample of the day`;

/** How many samples the deaths are shared out into: `sampleCount` of test/support/stages/death-sample.ts. */
const deathSamples = 36;
const dayMs = 86_400_000;

const wanted = parseTestArguments(process.argv.slice(2));

/**
 * A program of ours to its end, its output shown as it comes.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>} its exit status
 */
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

/** A check without tests of its own counts as one. Its output is shown when it fails. */
async function check(script, args) {
  const { status, output } = await run(process.execPath, [script, ...args], { cwd: root });
  if (status !== 0) process.stdout.write(output);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/**
 * What vitest counted. A run that failed without a failed test (a file that does not load, say) counts as one failure. Tests that `-t` leaves out
 * are not skipped: nobody wanted them.
 */
async function countsOf(file, status) {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return { passed: 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(text);
  const failed = status !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: wanted.name === null ? numPendingTests + numTodoTests : 0 };
}

/** The files of a phase that name a requirement: its ID stands literally in titles (test/unit/conformance.test.ts), so no other file need be loaded. */
function filesNaming(requirement, phase) {
  const names = new RegExp(`\\b${requirement}\\b`);
  return readdirSync(join(root, 'test', phase), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.test\.tsx?$/.test(file) && names.test(readFileSync(join(root, 'test', phase, file), 'utf8')))
    .map((file) => `test/${phase}/${file}`);
}

/** What narrows a run of vitest. */
const narrowing = (phase) => [
  ...(wanted.files.length === 0 && wanted.name !== null && /^R\d+$/.test(wanted.name) ? filesNaming(wanted.name, phase) : wanted.files),
  ...(wanted.name === null ? [] : ['-t', wanted.name]),
  ...(wanted.changed ? ['--changed'] : []),
  ...(wanted.isNarrow ? ['--passWithNoTests'] : []),
];

async function runVitest(project, { node = process.execPath, cwd = root, ...options } = {}) {
  const report = join(cwd, `artifacts/${project}.json`);
  await rm(report, { force: true });
  const quiet = ['--silent=passed-only', '--hideSkippedTests', '--slowTestThreshold=3600000'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const status = await show(node, [join(cwd, vitest), 'run', '--project', project, ...narrowing(project), ...quiet, ...reporters], {
    cwd,
    ...options,
  });
  return countsOf(report, status);
}

/** Runs the tests that a change reaches whenever a file changes, until it is ended. */
function watch() {
  const projects = wanted.phases.flatMap((name) => ['--project', name]);
  const narrow = [...new Set(wanted.phases.flatMap(narrowing))];
  const child = spawn(process.execPath, [vitest, 'watch', ...projects, ...narrow], { cwd: root, stdio: 'inherit' });
  for (const signal of endSignals) process.on(signal, () => child.kill(signal));
  onNpmGone(() => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 0)));
}

/** Each phase by its name, in order. */
const phases = {
  types: () => check('node_modules/typescript/bin/tsc', ['-b', '--noEmit', ...runtimes]),
  lint: () => check('node_modules/@biomejs/biome/bin/biome', ['check', '.']),
  generated: () => check('scripts/generate.mjs', ['--check']),
  exports: () => check('scripts/dead-exports.mjs', []),
  unit: () => runVitest('unit'),
  fuzz: () => runVitest('fuzz'),
  interop: (teller) => judged(teller).then(() => runVitest('interop')),
  deaths: playDeaths,
  e2e: endToEnd,
};
/** The folders with a tsconfig of their own. */
const runtimes = ['base', 'protocol', 'preload', 'main', 'network', 'renderer', 'test', 'scripts'];

/** Foreign judges are Debian packages. Where they cannot be installed, the tests that need them fail by themselves and say so. */
async function judged(teller) {
  if (process.platform === 'linux') {
    try {
      await ensurePackages(judgePackages, 'for the tests against foreign programs', teller);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      teller.say(error.message);
    }
  }
  await ensureBuilt('command');
  await ensureBuilt('app');
}

/** All deaths where the phase is named, otherwise the sample of the day. */
async function playDeaths(teller) {
  await judged(teller);
  const sample = (Math.floor(Date.now() / dayMs) % deathSamples) + 1;
  process.env.CHORUS_FAULTS ??= wanted.named.includes('deaths') ? 'all' : `sample ${sample}`;
  const chosen = process.env.CHORUS_FAULTS;
  teller.say(`Deaths played: ${chosen}${chosen.startsWith('sample') ? ` of ${deathSamples}; all by npm test -- deaths` : ''}`);
  return runVitest('deaths');
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
  if (wanted.help) {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  if (wanted.trouble !== null) throw new Trouble(wanted.trouble);
  const teller = createTeller();
  const since = Date.now();
  await ensureDependencies(root, teller);
  await mkdir(artifacts, { recursive: true });
  if (wanted.watch) {
    if (wanted.phases.some((name) => name !== 'unit')) await judged(teller);
    return watch();
  }
  const setUp = { name: 'set-up', passed: 0, failed: 0, skipped: 0, seconds: (Date.now() - since) / 1000 };
  const results = [setUp];
  for (const name of wanted.phases) results.push(await runPhase(name, teller));
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  teller.say(`\n${table(results)}\n${((Date.now() - since) / 1000).toFixed(1)} s in all\n`);
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
  teller.say(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
  if (wanted.name !== null && sum('passed') + sum('failed') === 0) throw new Trouble(`No test has “${wanted.name}” in its title.`);
  return sum('failed') > 0 ? 1 : 0;
});
