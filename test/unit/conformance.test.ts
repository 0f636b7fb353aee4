/** docs/CONFORMANCE.md is what its generator writes from the requirements and the titles of the tests: no claim without a test that runs. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { conformance, documentOf, faultsOf, type Peers, peersOf, type Requirement, titlesOf } from '../../scripts/generate/conformance.mjs';

const made = conformance('');

describe('docs/CONFORMANCE.md', () => {
  it('has data without a fault: every claim has a test that runs, and every test that names a requirement is a claim', () => {
    expect(made.faults).toEqual([]);
  });

  it('is what node scripts/generate/conformance.mjs writes', () => {
    expect(readFileSync('docs/CONFORMANCE.md', 'utf8')).toBe(made.document);
  });

  it('reads every title that begins with an id', () => {
    const known = made.titles.map(({ file, ids, words }) => `${file} ${ids[0]} ${words}`);
    const begun = [...new Set(made.titles.map(({ file }) => file))].flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/(['"`])(R\d{1,2})(?:[\s,/]*R\d{1,2})*: ((?:\\.|(?!\1)[^\\])*)\1/g)].map(
        ([, , id = '', words = '']) => `${file} ${id} ${words.replace(/\\(.)/g, '$1')}`,
      ),
    );
    expect(begun.filter((title) => !known.includes(title))).toEqual([]);
    expect(begun.length).toBeGreaterThan(250);
  });

  it('names files that exist', () => {
    const named = [...made.document.matchAll(/`((?:test|main|network|renderer|preload|scripts|docs)\/[^`*]+)`/g)].map(
      ([, path]) => path ?? '',
    );
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('counts no group of tests that is switched off', () => {
    const off = [...new Set(made.titles.map(({ file }) => file))].filter((file) =>
      /\bdescribe\.(?:skip|todo)\b/.test(readFileSync(file, 'utf8')),
    );
    expect(off).toEqual([]);
  });
});

describe('the generator', () => {
  const proven: Requirement = {
    id: 'R1',
    level: 'must',
    who: 'client',
    what: 'words',
    status: 'proven',
    judges: [],
    missing: '',
    remark: '',
  };
  const everywhere: Peers[] = [{ tests: 'test/', peers: ['embedded'] }];
  const titles = (call: string) => titlesOf('test/a.test.ts', call);
  const faults = (requirement: Partial<Requirement>, call: string, all = everywhere) =>
    faultsOf([{ ...proven, ...requirement }], titles(call), all);

  it('reads ids in every form that titles use', () => {
    const ids = (call: string) => titles(call).map((title) => title.ids);
    expect(ids("it('R38/R40, R41 R42: goes', f)")).toEqual([['R38', 'R40', 'R41', 'R42']]);
    expect(ids("it('grows (R50)', f)")).toEqual([['R50']]);
    expect(ids("it.each<[number]>([[1]])('R7: %s', f); it.skipIf(x)('R8: no', f); it(\n  `R9: b`, f); it('it\\'s R10', f);")).toEqual([
      ['R9'],
      ['R10'],
      ['R7'],
      ['R8'],
    ]);
    expect(titles("it('R38 R41: goes', f); it('no id', f)")).toMatchObject([{ words: 'goes', runs: true }]);
  });

  it.each([
    ['a proof', {}, "it('R1: is so', f)", []],
    ['no proof', {}, "it('is so', f)", ['R1 is proven, and no test that runs names it']],
    ['a skipped proof', {}, "it.skip('R1: is so', f)", ['R1 is proven, and no test that runs names it']],
    ['an intended proof', {}, "it.todo('R1: is so')", ['R1 is proven, and no test that runs names it']],
    ['a skipped table', {}, "it.skip.each<[number]>([[1]])('R1: is %s', f)", ['R1 is proven, and no test that runs names it']],
    ['a proof that some computers skip', {}, "it.skipIf(x())('R1: is so', f)", ['R1 is proven, and no test that runs names it']],
    ['a proof that fails', {}, "it.fails('R1: is so', f)", ['R1 is proven, and no test that runs names it']],
    ['a skipped group of tests', {}, "describe.skip('a', () => it('R1: is so', f))", ['R1 is proven, and no test that runs names it']],
    ['a table after one that is skipped', {}, "it.skip.each([1])('x', f); it.each([1])('R1: is %s', f)", []],
    ['proven, and yet something missing', { missing: 'half' }, "it('R1: is so', f)", ['R1 is proven and says what is missing']],
    ['partly, and nothing missing', { status: 'partly' }, "it('R1: is so', f)", ['R1 is partly and does not say what is missing']],
    ['not yet, and a test', { status: 'not yet', missing: 'all' }, "it('R1: is so', f)", ['R1 is not yet there, and 1 tests name it']],
    ['an unknown status', { status: 'done', missing: 'x' }, "it('R1: is so', f)", ['R1 has the status "done"']],
    ['a judge that no test meets', { judges: ['Kamailio'] }, "it('R1: is so', f)", ['R1 is judged by Kamailio, and no test meets it']],
    ['an unknown id', {}, "it('R1 R99: is so', f)", ['test/a.test.ts “is so” names R99, which is no requirement']],
    ['a row out of its place', { id: 'R2' }, "it('R2: is so', f)", ['R2 stands where R1 belongs']],
  ])('finds its faults: %s', (_what, requirement, call, found) => {
    expect(faults(requirement, call).filter((fault) => !fault.includes('fits no test'))).toEqual(found);
  });

  it('takes the longest entry for the other side of a test, and finds entries that fit none or name nobody', () => {
    const all = [...everywhere, { tests: 'test/a.test.ts: is', peers: ['Kamailio'] }];
    expect(titles("it('R1: is so', f); it('R1: was so', f)").map((title) => peersOf(title, all))).toEqual([['Kamailio'], ['embedded']]);
    expect(faults({}, "it('R1: is so', f)", [...everywhere, { tests: 'test/b', peers: ['Asterisk'] }])).toEqual([
      'test/b: "Asterisk" is none of embedded, windows, unit, Kamailio, SIPp',
      'test/b fits no test that names a requirement',
    ]);
  });

  it('says of Kamailio that it judges only where it does', () => {
    const kamailio = [{ tests: 'test/', peers: ['Kamailio'] }];
    const text = (judges: string[]) => documentOf([{ ...proven, judges }], titles("it('R1: is so', f)"), kamailio);
    expect(text([])).toContain('“is so” (through Kamailio)');
    expect(text(['Kamailio'])).toContain('“is so” (Kamailio)');
  });
});
