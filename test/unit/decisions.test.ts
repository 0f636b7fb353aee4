/** Keeps the list of LAB constants in docs/decisions true: it is written from the code. `npx vitest run test/unit/decisions.test.ts -u` renews it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = 'docs/decisions';
const sources = ['base', 'protocol', 'main', 'network'].flatMap((top) =>
  readdirSync(top, { recursive: true, encoding: 'utf8' })
    .map((name) => `${top}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.ts'))
    .sort(),
);

/** A row for the constant right below each comment that says LAB first. */
const rows = sources.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/\/\*\*[\s*]*LAB:((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?const (\w+) = ([^;\n]+);/g)].map(
    ([, said = '', name = '', value = '']) =>
      `| \`${name}\` | \`${file}\` | ${value} | ${said
        .replace(/\s*\n \* ?/g, ' ')
        .trim()
        .replaceAll('|', '\\|')} |`,
  ),
);

describe('docs/decisions', () => {
  it('lists every LAB constant as it is', async () => {
    expect(rows.length).toBeGreaterThan(20);
    const head = '# LAB constants\n\nWritten from the code by `test/unit/decisions.test.ts`; why there are such is in record 13.\n\n';
    const table = `| Constant | File | Value | What |\n|---|---|---|---|\n${rows.join('\n')}\n`;
    await expect(`${head}${table}`).toMatchFileSnapshot(`../../${folder}/lab-constants.md`);
  });

  it('names files that exist', () => {
    const named = readdirSync(folder).flatMap((name) =>
      [...readFileSync(`${folder}/${name}`, 'utf8').matchAll(/`((?:main|network|test|scripts|renderer)\/[\w./-]+\.\w+)`/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });
});
