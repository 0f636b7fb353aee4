/** Keeps docs/decisions true. `npm run generate` writes its list of LAB constants. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rowsOf } from '../../scripts/generate/lab-constants.mjs';

const folder = 'docs/decisions';
describe('docs/decisions', () => {
  it('the list of LAB constants has a row for each constant whose comment says LAB first, however it is written', () => {
    const source = [
      '/** LAB: how long a | b. */\nexport const FIRST_MS = 30_000;',
      '/**\n * LAB: over\n * two lines.\n */\nconst SECOND = [1, 2];',
      '/** No decision of ours. */\nexport const THIRD = 3;',
    ].join('\n');
    expect(rowsOf('main/a.ts', source)).toEqual([
      '| `FIRST_MS` | `main/a.ts` | 30_000 | how long a \\| b. |',
      '| `SECOND` | `main/a.ts` | [1, 2] | over two lines. |',
    ]);
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
