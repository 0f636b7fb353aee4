import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Layer, layers, linterOverrides } from '../support/layers';

interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Every import of a source text. `import { type A }` counts as a value import: it still runs the module. */
function importsOf(source: string): Import[] {
  const text = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(import|export)\s+(type\s+)?[^'";]*?from\s*['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[3] ?? '', typeOnly: match[2] !== undefined });
  }
  for (const match of text.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm)) found.push({ specifier: match[1] ?? '', typeOnly: false });
  for (const match of text.matchAll(/(await\s+)?\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)(\.[A-Z])?/g)) {
    found.push({ specifier: match[2] ?? '', typeOnly: match[1] === undefined && match[3] !== undefined });
  }
  return found;
}

const within = (path: string, layer: string) => path === layer || path.startsWith(`${layer}/`);

function layerOf(path: string): Layer | undefined {
  return layers.filter((layer) => within(path, layer.path)).sort((a, b) => b.path.length - a.path.length)[0];
}

/** Why a file may not have this import; null when it may. */
function offence(file: string, { specifier, typeOnly }: Import): string | null {
  const path = file.replace(/\.tsx?$/, '');
  const layer = layerOf(path);
  const edge = `${file} ${typeOnly ? 'imports a type of' : 'imports'} '${specifier}'`;
  if (layer === undefined) return `${file} belongs to no layer of test/support/layers.ts`;
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(file), specifier)).replaceAll('\\', '/');
    if (within(target, layer.path) || (layer.values ?? []).some((allowed) => within(target, allowed))) return null;
    if (!(layer.types ?? []).some((allowed) => within(target, allowed))) return `${edge}, and ${layer.path} may not know ${target}`;
    return typeOnly ? null : `${edge}, and ${layer.path} may know of ${target} its types alone`;
  }
  if (specifier.startsWith('node:')) return layer.node === true ? null : `${edge}, and ${layer.path} may not use Node`;
  if (builtinModules.includes(specifier)) return `${edge}: write node:${specifier}`;
  return (layer.packages ?? []).some((name) => within(specifier, name)) ? null : `${edge}, and ${layer.path} may not use that package`;
}

function sourceFiles(): string[] {
  return ['main', 'preload', 'renderer', 'network']
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
    )
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'));
}

describe('layering', () => {
  it('every import of every source file is one that test/support/layers.ts allows', () => {
    const offences = sourceFiles().flatMap((file) => importsOf(readFileSync(file, 'utf8')).map((one) => offence(file, one)));
    expect(offences.filter((text) => text !== null)).toEqual([]);
  });

  it('every source file belongs to a layer', () => {
    expect(sourceFiles().filter((file) => layerOf(file.replace(/\.tsx?$/, '')) === undefined)).toEqual([]);
  });

  it("the linter's overrides are those of the table", () => {
    const configured = JSON.parse(readFileSync('biome.json', 'utf8')).overrides;
    const ruled = configured.filter(
      (entry: { linter?: { rules?: { style?: object } } }) => 'noRestrictedImports' in (entry.linter?.rules?.style ?? {}),
    );
    expect(ruled, 'run: node scripts/layers.mjs').toEqual(linterOverrides());
  });

  it('names the offending edge', () => {
    const fault = (file: string, source: string) => importsOf(source).map((one) => offence(file, one));
    expect(fault('main/cpm/inbox/inbox.ts', "import { SipClient } from '../sip/client';")).toEqual([
      "main/cpm/inbox/inbox.ts imports '../sip/client', and main/cpm may know of main/sip/client its types alone",
    ]);
    expect(fault('main/cpm/inbox/inbox.ts', "import type { SipClient } from '../sip/client';")).toEqual([null]);
    expect(fault('main/cpm/inbox/inbox.ts', "import { app } from 'electron';")).toEqual([
      "main/cpm/inbox/inbox.ts imports 'electron', and main/cpm may not use that package",
    ]);
    expect(fault('protocol/uri.ts', "import { createHash } from 'node:crypto';")).toEqual([
      "protocol/uri.ts imports 'node:crypto', and main/protocol may not use Node",
    ]);
    expect(fault('network/sip/proxy.ts', "export { A } from '../main/sip/client';")).toEqual([
      "network/sip/proxy.ts imports '../main/sip/client', and network may not know main/sip/client",
    ]);
    expect(fault('renderer/chat/Chat.tsx', "const x = await import('../../preload/contract/errors');")).toEqual([
      "renderer/chat/Chat.tsx imports '../../main/errors', and renderer may not know main/errors",
    ]);
    expect(fault('renderer/desk/store.ts', "import {\n  type AppEvent,\n} from '../preload/contract';")).toEqual([
      "renderer/desk/store.ts imports '../preload/contract', and renderer may know of preload/contract its types alone",
    ]);
    expect(fault('main/new-thing.ts', "import './base';")).toEqual(['main/new-thing.ts belongs to no layer of test/support/layers.ts']);
  });
});
