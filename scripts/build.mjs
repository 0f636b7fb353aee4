/** Builds Chorus: the main process, the command and the preload by esbuild, the renderer by vite, all into out/. Node >= 20.18. */
import { mkdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const bundles = [
  { entry: 'main/main.ts', out: 'out/main.cjs' },
  { entry: 'main/cli.ts', out: 'out/cli.cjs', banner: '#!/usr/bin/env node' },
  { entry: 'preload/preload.ts', out: 'out/preload.cjs' },
];

const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** CommonJS throughout: Electron must run main synchronously before it is ready, and a sandboxed preload knows no modules. */
async function buildBundle({ entry, out, banner }) {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.18',
    external: ['electron', 'libsql'],
    define: { 'import.meta.url': '__importMetaUrl' },
    banner: { js: `${banner ? `${banner}\n` : ''}const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;` },
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
}

async function buildRenderer() {
  const { build } = await import('vite');
  await build({ root: `${root}renderer`, configFile: `${root}vite.config.ts`, logLevel: 'warn' });
}

/** `only` names bundles by their entry; without it everything is built, the renderer too. */
export async function buildAll({ only } = {}) {
  await mkdir(`${root}out`, { recursive: true });
  const wanted = bundles.filter(({ entry }) => only === undefined || only.includes(entry));
  const missing = [];
  for (const { entry } of wanted) if (!(await exists(root + entry))) missing.push(entry);
  if (missing.length > 0) throw new Error(`Cannot build: missing ${missing.join(', ')}.`);
  await Promise.all([...wanted.map(buildBundle), ...(only === undefined ? [buildRenderer()] : [])]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  buildAll({ only: process.argv.length > 2 ? process.argv.slice(2) : undefined }).catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
