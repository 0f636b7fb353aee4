import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circularEdges, edgesOf, type Import, importsOf, sourceFiles, targetOf } from '../support/imports';
import { exceptions, type Layer, layers } from '../support/layers';

const layerOf = (path: string): Layer | undefined => layers.find((layer) => layer.path === dirname(path));

/** Why a file may not have this import; null when it may. */
function offence(file: string, { specifier, typeOnly }: Import): string | null {
  const path = file.replace(/\.tsx?$/, '');
  const layer = layerOf(path);
  const edge = `${file} ${typeOnly ? 'imports a type of' : 'imports'} '${specifier}'`;
  if (layer === undefined) return `${file} lies in no folder of test/support/layers.ts`;
  if (specifier.startsWith('.')) {
    if (specifier.endsWith('.css') || specifier.endsWith('package.json')) return null;
    const target = targetOf(file, specifier);
    const folder = dirname(target);
    if (folder === layer.path) return null;
    const isValue = (layer.values ?? []).includes(folder);
    if (!isValue && !(layer.types ?? []).includes(folder)) return `${edge}, and ${layer.path} may not know ${folder}`;
    if (!isValue && !typeOnly) return `${edge}, and ${layer.path} may know of ${folder} its types alone`;
    const faces = layerOf(target)?.faces;
    return faces === undefined || faces.includes(target.slice(folder.length + 1)) ? null : `${edge}, which is no face of ${folder}`;
  }
  if (specifier.startsWith('node:')) return layer.node === true ? null : `${edge}, and ${layer.path} may not use Node`;
  if (builtinModules.includes(specifier)) return `${edge}: write node:${specifier}`;
  const packages = [...(layer.packages ?? []), ...(exceptions[path] ?? [])];
  return packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))
    ? null
    : `${edge}, and ${layer.path} may not use that package`;
}

const files = sourceFiles();

describe('layering', () => {
  it('every import of every source file is one that test/support/layers.ts allows', () => {
    const offences = files.flatMap((file) => importsOf(readFileSync(file, 'utf8')).map((one) => offence(file, one)));
    expect(offences.filter((text) => text !== null)).toEqual([]);
  });

  it('no import closes a circle, neither of values nor of types', () => {
    expect(circularEdges(edgesOf(files))).toEqual([]);
  });

  it('every row is a folder with files, and names no face and no neighbour that is not there', () => {
    const folders = new Set(files.map((file) => dirname(file)));
    const names = new Set(files.map((file) => file.replace(/\.tsx?$/, '')));
    const wrong = layers.flatMap(({ path, faces = [], values = [], types = [] }) => [
      ...[path, ...values, ...types].filter((folder) => !folders.has(folder)),
      ...faces.map((face) => `${path}/${face}`).filter((file) => !names.has(file)),
    ]);
    expect(wrong).toEqual([]);
    expect([...folders].filter((folder) => !layers.some(({ path }) => path === folder))).toEqual([]);
  });

  it('a row allows nothing that nobody uses', () => {
    const used = new Set(edgesOf(files).map(([from, to]) => `${dirname(from)} -> ${dirname(to)}`));
    const ground = ['base', 'protocol', 'preload/contract', 'renderer/words', 'renderer/parts', 'renderer/desk'];
    const unused = layers.flatMap(({ path, values = [], types = [] }) =>
      [...values, ...types]
        .filter((folder) => !ground.includes(folder) && !used.has(`${path} -> ${folder}`))
        .map((folder) => `${path} -> ${folder}`),
    );
    expect(unused).toEqual([]);
  });

  it('names the offending edge', () => {
    const fault = (file: string, source: string) => importsOf(source).map((one) => offence(file, one));
    expect(fault('main/cpm/inbox/inbox.ts', "import { SipClient } from '../../sip/client';")).toEqual([
      "main/cpm/inbox/inbox.ts imports '../../sip/client', and main/cpm/inbox may know of main/sip its types alone",
    ]);
    expect(fault('main/cpm/inbox/inbox.ts', "import type { SipClient } from '../../sip/client';")).toEqual([null]);
    expect(fault('main/cpm/inbox/inbox.ts', "import type { A } from '../../sip/pager';")).toEqual([
      "main/cpm/inbox/inbox.ts imports a type of '../../sip/pager', which is no face of main/sip",
    ]);
    expect(fault('main/cpm/inbox/inbox.ts', "import { app } from 'electron';")).toEqual([
      "main/cpm/inbox/inbox.ts imports 'electron', and main/cpm/inbox may not use that package",
    ]);
    expect(fault('protocol/uri.ts', "import { createHash } from 'node:crypto';")).toEqual([
      "protocol/uri.ts imports 'node:crypto', and protocol may not use Node",
    ]);
    expect(fault('network/sip/proxy.ts', "export { A } from '../../main/sip/client';")).toEqual([
      "network/sip/proxy.ts imports '../../main/sip/client', and network/sip may not know main/sip",
    ]);
    expect(fault('renderer/chat/Chat.tsx', "const x = await import('../../preload/contract');")).toEqual([
      "renderer/chat/Chat.tsx imports '../../preload/contract', and renderer/chat may know of preload/contract its types alone",
    ]);
    expect(fault('renderer/desk/store.ts', "import {\n  type AppEvent,\n} from '../../preload/contract';")).toEqual([
      "renderer/desk/store.ts imports '../../preload/contract', and renderer/desk may know of preload/contract its types alone",
    ]);
    expect(fault('main/attic/thing.ts', "import './base';")).toEqual(['main/attic/thing.ts lies in no folder of test/support/layers.ts']);
  });

  it('prints the edges of a circle, also of one between folders alone', () => {
    expect(
      circularEdges([
        ['a/x', 'a/y'],
        ['a/y', 'a/x'],
      ]),
    ).toEqual(['a/x -> a/y (a/x <-> a/y)', 'a/y -> a/x (a/y <-> a/x)']);
    expect(
      circularEdges([
        ['m/a/1', 'm/b/1'],
        ['m/b/2', 'm/a/2'],
        ['m/b/2', 'm/c/1'],
      ]),
    ).toEqual(['m/a/1 -> m/b/1 (m/a <-> m/b)', 'm/b/2 -> m/a/2 (m/b <-> m/a)']);
    expect(
      circularEdges([
        ['m/a/1', 'm/b/1'],
        ['m/b/2', 'm/c/1'],
      ]),
    ).toEqual([]);
  });
});
