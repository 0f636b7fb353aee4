/** Holds the list of LAB decisions in docs/decisions against the constants of the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const sources = ['main', 'network'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.ts')),
);

/** The constant right below each comment that begins with LAB: its name, file and value. */
const constants = sources.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/\/\*\*[\s*]*LAB:(?:(?!\*\/)[\s\S])*\*\/\n(?:export )?const (\w+) = ([^;\n]+);/g)].map(
    ([, name = '', value = '']) => `| \`${name}\` | \`${file}\` | ${value} |`,
  ),
);

describe('docs/decisions', () => {
  const document = readFileSync('docs/decisions/0013-lab-decisions.md', 'utf8');
  const listed = [...document.matchAll(/^\| `\w+` \| `[^`]+` \| [^|]+ \|/gm)].map(([row]) => row);

  it('lists every LAB constant with its file and its value, and no other', () => {
    expect(constants.length).toBeGreaterThan(20);
    expect([...listed].sort()).toEqual([...constants].sort());
  });

  it('names files that exist, and every file that decides something', () => {
    const named = new Set([...document.matchAll(/`((?:main|network)\/[^`]+\.ts)`/g)].map((match) => match[1] ?? ''));
    expect([...named].filter((file) => !sources.includes(file))).toEqual([]);
    const deciding = sources.filter((file) => /\bLAB[:)]|\(LAB\b/.test(readFileSync(file, 'utf8')));
    expect(deciding.filter((file) => !named.has(file))).toEqual([]);
  });
});
