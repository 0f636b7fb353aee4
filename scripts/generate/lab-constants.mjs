/** The list of our own decisions: every constant whose comment says `LAB:` first. Why there are such is in docs/decisions/0013. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folders = ['base', 'protocol', 'main', 'network'];
const labConstant = /\/\*\*[\s*]*LAB:((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?const (\w+) = ([^;\n]+);/g;

/** @param {string} root @returns {string[]} TypeScript files, as paths from the root with forward slashes */
const sourcesOf = (root) =>
  folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((name) => name.endsWith('.ts'))
      .sort(),
  );

/** One row of the table for each LAB constant of a source text. @param {string} file @param {string} source */
export const rowsOf = (file, source) =>
  [...source.matchAll(labConstant)].map(([, said = '', name = '', value = '']) => {
    const sentence = said
      .replace(/\s*\n \* ?/g, ' ')
      .trim()
      .replaceAll('|', '\\|');
    return `| \`${name}\` | \`${file}\` | ${value} | ${sentence} |`;
  });

/** @param {string} root */
export function labConstants(root) {
  const rows = sourcesOf(root).flatMap((file) => rowsOf(file, readFileSync(join(root, file), 'utf8')));
  const head = '# LAB constants\n\nWritten from the code by `npm run generate`; why there are such is in record 13.\n\n';
  return `${head}| Constant | File | Value | What |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}
