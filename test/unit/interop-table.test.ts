/** docs/INTEROP.md says what works with whom, and each row is a test. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const rows = readFileSync('docs/INTEROP.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('.test.ts`'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

describe('docs/INTEROP.md', () => {
  it('has its rows', () => {
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter((cells) => cells.length !== 8 || cells.slice(1, 7).includes(''))).toEqual([]);
  });

  it('names in each row a test that exists', () => {
    const untrue = rows.filter(([, , , , , file = '', title = '']) => {
      const source = readFileSync(`test/interop/${file.replaceAll('`', '')}`, 'utf8');
      return !source.split('\n').some((line) => /\b(?:it|each)\b|^\s*\]\)/.test(line) && line.includes(title));
    });
    expect(untrue.map(([, name, , story]) => `${name}: ${story}`)).toEqual([]);
  });
});
