/** The imports in a tree of source files, and their circles. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Every import in a source text. `import { type A }` counts as a value import: it still runs the module. */
export function importsOf(source: string): Import[] {
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

/** Every TypeScript file of the product, as paths from the project's root. */
export function sourceFiles(): string[] {
  return ['base', 'protocol', 'preload', 'main', 'network', 'renderer']
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
    )
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'));
}

/** The path of a relative import without extension; a folder stands for its index. */
export function targetOf(file: string, specifier: string): string {
  const path = normalize(join(dirname(file), specifier)).replaceAll('\\', '/');
  return existsSync(`${path}.ts`) || existsSync(`${path}.tsx`) || !existsSync(`${path}/index.ts`) ? path : `${path}/index`;
}

export type Edge = readonly [from: string, to: string];

/** Every import between source files, as paths without extensions. */
export function edgesOf(files: readonly string[]): Edge[] {
  return files.flatMap((file) =>
    importsOf(readFileSync(file, 'utf8'))
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier }): Edge => [file.replace(/\.tsx?$/, ''), targetOf(file, specifier)]),
  );
}

/**
 * The imports that are part of a circle, each with the two siblings that it connects. Siblings are files or folders in the same folder:
 * `main/cpm/group/x -> main/history/y` connects `main/cpm` and `main/history`. If no siblings form a circle, no files do.
 */
export function circularEdges(edges: readonly Edge[]): string[] {
  const joined = edges.map(([from, to]) => {
    const [a, b] = [from.split('/'), to.split('/')];
    const depth = a.findIndex((part, index) => part !== b[index]) + 1;
    return { from, to, pair: [a.slice(0, depth).join('/'), b.slice(0, depth).join('/')] as const };
  });
  const next = new Map<string, Set<string>>();
  for (const { pair } of joined) next.set(pair[0], (next.get(pair[0]) ?? new Set()).add(pair[1]));
  const reaches = (from: string, goal: string): boolean => {
    const seen = new Set<string>();
    const open = [from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at === goal) return true;
      if (!seen.has(at)) open.push(...(next.get(at) ?? []));
      seen.add(at);
    }
    return false;
  };
  return joined
    .filter(({ pair }) => pair[0] !== pair[1] && reaches(pair[1], pair[0]))
    .map(({ from, to, pair }) => `${from} -> ${to} (${pair[0]} <-> ${pair[1]})`);
}
