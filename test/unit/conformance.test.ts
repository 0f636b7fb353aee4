/** Holds docs/CONFORMANCE.md and the titles of the tests to one another: no claim without a test, no test whose claim is not listed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const requirementCount = 80;
const statuses = ['proven', 'partly', 'not yet'];
const peers = ['embedded', 'Kamailio', 'SIPp', 'scripted', 'windows', 'unit'];

interface Title {
  file: string;
  /** As it stands in the file, escapes undone. */
  text: string;
  /** The words after the ids. */
  words: string;
  /** Named one by one: each must be listed. */
  named: number[];
  /** From the first to the last of a range such as R50-R69: each counts only where its row lists the test. */
  ranged: number[];
}

interface Row {
  id: number;
  cells: string[];
  status: string;
  proofs: { file: string; words: string; peers: string[] }[];
  missing: string | null;
}

const literal = /(?:\b(?:it|test)(?:\.[a-zA-Z]+)*\(|\]\)?(?:\s*as const)?,?\s*\)\()\s*(?:(['"`])((?:\\.|(?!\1)[^\\])*)\1)/g;

/** R ids of a title, anywhere in it. */
function idsOf(text: string): Pick<Title, 'named' | 'ranged'> {
  const ranged: number[] = [];
  const rest = text.replace(/\bR(\d{1,2})\s*[-–]\s*R(\d{1,2})\b/g, (_, first: string, last: string) => {
    for (let id = Number(first); id <= Number(last); id += 1) ranged.push(id);
    return '';
  });
  return { named: [...rest.matchAll(/\bR([1-9]\d?)\b/g)].map((match) => Number(match[1])), ranged };
}

const withoutIds = (text: string) => text.replace(/^(?:R\d{1,2}[\s,/–-]*)+:\s*/, '');

function titlesOf(file: string, source: string): Title[] {
  return [...source.matchAll(literal)].map((match) => {
    const text = (match[2] ?? '').replace(/\\(.)/g, '$1');
    return { file, text, words: withoutIds(text), ...idsOf(text) };
  });
}

const proof = /`(test\/[^`]+\.test\.tsx?)` “([^”]+)” \(([^)]+)\)/g;

function rowsOf(document: string): Row[] {
  return document
    .split('\n')
    .filter((line) => /^\| R\d+ \|/.test(line))
    .map((line) => {
      const cells = line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|'));
      const last = cells[4] ?? '';
      return {
        id: Number((cells[0] ?? '').slice(1)),
        cells,
        status: cells[3] ?? '',
        proofs: [...last.matchAll(proof)].map(([, file = '', words = '', where = '']) => ({ file, words, peers: where.split(', ') })),
        missing: /Missing: (.+)$/.exec(last)?.[1] ?? null,
      };
    });
}

/** Everything that is wrong with a document, given the titles of all tests. */
function faults(document: string, titles: readonly Title[]): string[] {
  const rows = rowsOf(document);
  const found: string[] = [];
  for (let id = 1; id <= requirementCount; id += 1) {
    const count = rows.filter((row) => row.id === id).length;
    if (count !== 1) found.push(`R${id} has ${count} rows`);
  }
  for (const row of rows) {
    const name = `R${row.id}`;
    if (row.cells.length !== 5) found.push(`${name} has ${row.cells.length} cells, not 5`);
    if (row.id < 1 || row.id > requirementCount) found.push(`${name} is no requirement`);
    if (!statuses.includes(row.status)) found.push(`${name} has the status "${row.status}", not one of ${statuses.join(', ')}`);
    if (row.status === 'proven' && row.missing !== null) found.push(`${name} is proven and yet says what is missing`);
    if (row.status !== 'proven' && row.missing === null) found.push(`${name} is ${row.status} and does not say what is missing`);
    if (row.status !== 'not yet' && row.proofs.length === 0) found.push(`${name} names no test and must say "not yet"`);
    if (row.status === 'not yet' && row.proofs.length > 0) found.push(`${name} names tests and says "not yet"`);
    for (const { file, words, peers: where } of row.proofs) {
      const title = titles.find((one) => one.file === file && one.words === words);
      if (title === undefined) found.push(`${name}: ${file} has no test “${words}”`);
      else if (![...title.named, ...title.ranged].includes(row.id))
        found.push(`${name}: the title of “${words}” in ${file} does not name it`);
      for (const peer of where) if (!peers.includes(peer)) found.push(`${name}: "${peer}" is none of ${peers.join(', ')}`);
    }
  }
  for (const title of titles) {
    for (const id of title.named) {
      const row = rows.find((one) => one.id === id);
      const listed = row?.proofs.some((one) => one.file === title.file && one.words === title.words) ?? false;
      if (!listed) found.push(`R${id} does not list ${title.file} “${title.words}”`);
    }
    for (const id of title.ranged) if (id < 1 || id > requirementCount) found.push(`${title.file}: R${id} is no requirement`);
  }
  return found;
}

/** This file's own examples are no claims. */
const own = 'test/unit/conformance.test.ts';
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name.replaceAll('\\', '/')}`)
  .filter((name) => /\.test\.tsx?$/.test(name) && name !== own)
  .sort();
const titles = files.flatMap((file) => titlesOf(file, readFileSync(file, 'utf8')));
const document = readFileSync('docs/CONFORMANCE.md', 'utf8');

describe('docs/CONFORMANCE.md', () => {
  it('and the titles of the tests say the same', () => {
    expect(faults(document, titles)).toEqual([]);
  });

  it('counts its rows as they are', () => {
    const count = (status: string) => rowsOf(document).filter((row) => row.status === status).length;
    expect(document).toContain(`${count('proven')} proven, ${count('partly')} partly, ${count('not yet')} not yet`);
  });

  it('is read together with every title that begins with an id', () => {
    const known = new Set(titles.map((title) => `${title.file} ${title.text}`));
    const begun = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/(['"`])(R\d{1,2}[^'"`\n]*)/g)].map((match) => `${file} ${match[2] ?? ''}`),
    );
    expect(begun.filter((start) => ![...known].some((title) => title.startsWith(start.replace(/\\$/, ''))))).toEqual([]);
  });

  it('names files that exist', () => {
    const named = [...document.matchAll(/`((?:test|main|network|renderer|preload|scripts|docs)\/[^`*]+)`/g)].map((match) => match[1] ?? '');
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });
});

describe('the check itself', () => {
  const quote = "'";
  const one = (title: string) => titlesOf('test/a.test.ts', `it(${quote}${title}${quote}, () => undefined);`);
  const table = (changed: number, rest: string) =>
    Array.from({ length: requirementCount }, (_, index) =>
      index + 1 === changed ? `| R${changed} | client | words | ${rest} |` : `| R${index + 1} | client | words | not yet | Missing: all |`,
    ).join('\n');
  const listed = 'proven | `test/a.test.ts` “is so” (embedded)';

  it('reads ids in every form that titles use', () => {
    const ids = (title: string) => one(title).map(({ named, ranged, words }) => ({ named, ranged: ranged.length, words }));
    expect(ids('R31: both')).toEqual([{ named: [31], ranged: 0, words: 'both' }]);
    expect(ids('R38/R40, R41 R42: goes')).toEqual([{ named: [38, 40, 41, 42], ranged: 0, words: 'goes' }]);
    expect(ids('R50-R69: grows')).toEqual([{ named: [], ranged: 20, words: 'grows' }]);
    expect(ids('grows (R50)')).toEqual([{ named: [50], ranged: 0, words: 'grows (R50)' }]);
    const rows = "it.each<[number]>([[1]])('R7: %s', () => undefined); test.skipIf(x)('no', f); it(\n  `R8: b`, f); it('it\\'s R9', f);";
    expect(titlesOf('f', rows).map((title) => title.named)).toEqual([[7], [8], [9]]);
  });

  it('finds a claim without a test, a test without a claim, and a row that is not there', () => {
    expect(faults(table(5, listed), one('R5: is so'))).toEqual([]);
    expect(faults(table(5, listed), one('R5: was so'))).toEqual([
      'R5: test/a.test.ts has no test “is so”',
      'R5 does not list test/a.test.ts “was so”',
    ]);
    expect(faults(table(5, listed), one('R6: is so'))).toEqual([
      'R5: the title of “is so” in test/a.test.ts does not name it',
      'R6 does not list test/a.test.ts “is so”',
    ]);
    expect(faults(table(5, 'proven | words'), [])).toEqual(['R5 names no test and must say "not yet"']);
    expect(faults(table(5, 'partly | `test/a.test.ts` “is so” (embedded)'), one('R5: is so'))).toEqual([
      'R5 is partly and does not say what is missing',
    ]);
    expect(faults(table(5, 'done | words'), [])).toHaveLength(3);
    expect(faults(table(5, listed.replace('embedded', 'Asterisk')), one('R5: is so'))).toHaveLength(1);
    expect(faults(table(0, ''), one('R81: is so'))).toEqual(['R81 does not list test/a.test.ts “is so”']);
    expect(faults(table(0, '').replace('| R7 |', '| R8 |'), [])).toEqual(['R7 has 0 rows', 'R8 has 2 rows']);
  });

  it('takes a range for those rows alone that list it', () => {
    expect(faults(table(5, listed), one('R4-R6: is so'))).toEqual([]);
    expect(faults(table(9, listed), one('R4-R6: is so'))).toEqual(['R9: the title of “is so” in test/a.test.ts does not name it']);
  });
});
