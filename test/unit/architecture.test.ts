/** Compares docs/ARCHITECTURE.md with the tree. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../support/imports';

const document = readFileSync('docs/ARCHITECTURE.md', 'utf8');

/** The folders that the first drawing names, two blanks a level. */
function foldersIn(text: string): string[] {
  const drawing = /```\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const path: string[] = [];
  return [...drawing.matchAll(/^( *)([\w-]+)\/ {2,}\S/gm)].map(([, indent = '', name = '']) => {
    path.splice(indent.length / 2);
    path.push(name);
    return path.join('/');
  });
}

/** Every folder on the way to these. */
const withParents = (folders: readonly string[]) =>
  folders.flatMap((folder) => folder.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/')));

const foldersUnder = (folder: string) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`);

/** The product by its source files; of the tests and scripts the first level that the drawing goes into. */
const real = [
  ...withParents(sourceFiles().map((file) => dirname(file))),
  ...['renderer/style', 'network/kamailio'].filter((folder) => existsSync(folder)),
  ...['test', 'test/support', ...foldersUnder('test/support'), 'scripts', ...foldersUnder('scripts')],
];

describe('docs/ARCHITECTURE.md', () => {
  it('draws every folder of the house once, and none that is not there', () => {
    const drawn = foldersIn(document);
    expect(new Set(drawn).size).toBe(drawn.length);
    expect([...drawn].sort()).toEqual([...new Set(real)].sort());
  });

  it('names files and folders that exist', () => {
    const paths = [...document.matchAll(/`((?:base|docs|main|network|preload|protocol|renderer|scripts|test)\/[\w./-]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
    const files = new Set(sourceFiles().map((file) => basename(file)));
    const named = [...document.matchAll(/`([\w-]+\.ts)`/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !files.has(name))).toEqual([]);
  });

  it('has lines of 120 characters at most', () => {
    expect(document.split('\n').filter((line) => line.length > 120)).toEqual([]);
  });

  it('reads a drawing by its indentation', () => {
    expect(foldersIn('text\n```\na/   one\n  b/   two\n    c/   three\nd/  four\n```\n```\ne/  no\n```')).toEqual([
      'a',
      'a/b',
      'a/b/c',
      'd',
    ]);
  });
});
