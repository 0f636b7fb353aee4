/**
 * Builds Chorus into out/: the main process, the command and the preload by esbuild, the renderer by vite. What is up to date is left alone.
 * `node scripts/build.mjs [app] [command]`
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Both start it beside themselves. */
export const readThread = { entry: 'main/history/reading/read-thread.ts', out: 'out/read-thread.cjs' };

/** What Electron runs: main with the network inside it, the preload, and the thread that reads. */
export const appBundles = [
  { entry: 'main/main.ts', out: 'out/main.cjs' },
  { entry: 'preload/preload.ts', out: 'out/preload.cjs' },
  readThread,
];

/** A target consists of bundles. It is rebuilt when any of its source files has changed. */
const targets = {
  app: {
    bundles: appBundles,
    renderer: true,
    sources: ['base', 'protocol', 'main', 'network', 'preload', 'renderer', 'vite.config.ts'],
  },
  command: {
    bundles: [{ entry: 'main/command/cli.ts', out: 'out/cli.cjs', banner: '#!/usr/bin/env node\n' }, readThread],
    renderer: false,
    sources: ['base', 'protocol', 'main', 'network', 'preload'],
  },
};
const alwaysSources = ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build.mjs'];

async function filesOf(path) {
  const full = join(root, path);
  const found = await stat(full).catch(() => null);
  if (found === null) return [];
  if (found.isFile()) return [path];
  const entries = await readdir(full, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length));
}

/** A name for exactly these sources. */
export async function fingerprint(target) {
  const hash = createHash('sha256').update(process.versions.node.split('.')[0] ?? '');
  const files = (await Promise.all([...alwaysSources, ...targets[target].sources].map(filesOf))).flat().sort();
  for (const file of files) hash.update(`\n${file}\0`).update(await readFile(join(root, file)));
  return hash.digest('hex');
}

const stamp = (target) => join(root, `out/.built-${target}`);
const isBuilt = async (target, print) => (await readFile(stamp(target), 'utf8').catch(() => '')) === print;

/**
 * How esbuild makes a bundle. CommonJS throughout: Electron must run main synchronously before it is ready, and a sandboxed preload knows no modules.
 * @param {{ entry: string, out: string, banner?: string }} bundle
 * @returns {import('esbuild').BuildOptions}
 */
export function bundleOptions({ entry, out, banner = '' }) {
  const isPreload = entry.startsWith('preload/');
  return {
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.18',
    external: ['electron', 'libsql', 'playwright'],
    ...(isPreload ? {} : { define: { 'import.meta.url': '__importMetaUrl' } }),
    banner: { js: isPreload ? '' : `${banner}const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;` },
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  };
}

export async function buildBundle(bundle) {
  const { build } = await import('esbuild');
  await build(bundleOptions(bundle));
}

async function buildRenderer() {
  const { build } = await import('vite');
  await build({ root: join(root, 'renderer'), configFile: join(root, 'vite.config.ts'), logLevel: 'warn' });
}

/** One build at a time: `npm run chorus` may be called many times at once. A lock of a build that died is taken over. */
async function withLock(work) {
  const file = join(root, 'out/.lock');
  await mkdir(join(root, 'out'), { recursive: true });
  for (;;) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (await isLeft(file)) await rm(file, { force: true });
      else await pause(100);
    }
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function isLeft(file) {
  const pid = Number(await readFile(file, 'utf8').catch(() => '0'));
  if (pid === 0) return Date.now() - (await stat(file).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs > 5_000;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Builds a target where it is not up to date and answers its fingerprint. `wrap` runs the work when there is any. */
export async function ensureBuilt(target, wrap = (work) => work()) {
  const print = await fingerprint(target);
  if (await isBuilt(target, print)) return print;
  return wrap(() =>
    withLock(async () => {
      if (await isBuilt(target, print)) return print;
      const { bundles, renderer } = targets[target];
      await rm(stamp(target), { force: true });
      try {
        await Promise.all([...bundles.map(buildBundle), ...(renderer ? [buildRenderer()] : [])]);
      } catch (error) {
        throw new Trouble(`Chorus could not be built: ${error.message}`);
      }
      await writeFile(stamp(target), print);
      return print;
    }),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { runScript, createTeller } = await import('./parts/terminal.mjs');
  const wanted = process.argv.slice(2);
  await runScript(async () => {
    const unknown = wanted.find((name) => !(name in targets));
    if (unknown !== undefined) throw new Trouble(`There is no target "${unknown}"; there are ${Object.keys(targets).join(' and ')}.`);
    for (const target of wanted.length > 0 ? wanted : Object.keys(targets)) {
      await ensureBuilt(target, (work) => createTeller().step(`Building the ${target}`, work));
    }
  });
}
