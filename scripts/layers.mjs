/** Writes the import rules of test/support/layers.ts into biome.json, where the linter reads them. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { outputFiles } = await build({ entryPoints: [`${root}test/support/layers.ts`], write: false, format: 'esm' });
const { linterOverrides } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const biome = JSON.parse(readFileSync(`${root}biome.json`, 'utf8'));
const others = (biome.overrides ?? []).filter((entry) => entry.linter?.rules?.style?.noRestrictedImports === undefined);
writeFileSync(`${root}biome.json`, `${JSON.stringify({ ...biome, overrides: [...others, ...linterOverrides()] }, null, 2)}\n`);
execFileSync(process.execPath, [`${root}node_modules/@biomejs/biome/bin/biome`, 'format', '--write', `${root}biome.json`], {
  stdio: 'ignore',
});
