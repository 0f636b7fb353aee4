import { describe, expect, it } from 'vitest';
import { parseTestArguments, phaseNames } from '../../../scripts/parts/test-arguments.mjs';

const asked = (line: string) => parseTestArguments(line.split(' ').filter((word) => word !== ''));

describe('npm test --', () => {
  it('nothing: every phase', () => {
    expect(asked('')).toMatchObject({ phases: [...phaseNames], named: [], isNarrow: false, trouble: null });
  });

  it('phases, in the order in which they run', () => {
    expect(asked('e2e unit').phases).toEqual(['unit', 'e2e']);
  });

  it('a part of titles, in the phases named or in all tests; no check of the whole tree', () => {
    expect(asked('unit -t upgrade')).toMatchObject({ phases: ['unit'], name: 'upgrade', isNarrow: true });
    expect(asked('-t upgrade').phases).toEqual(['unit', 'fuzz', 'interop', 'deaths', 'e2e']);
    expect(asked('unit -t').trouble).toContain('-t');
  });

  it('files, in the phases that they lie in', () => {
    expect(asked('test/unit/cpm test/e2e/start.test.ts')).toMatchObject({
      phases: ['unit', 'e2e'],
      files: ['test/unit/cpm', 'test/e2e/start.test.ts'],
    });
    expect(asked('main/app.ts').trouble).toContain('"main/app.ts" lies in no folder of tests');
  });

  it('--changed: the checks, and the tests that import what has changed', () => {
    expect(asked('--changed')).toMatchObject({
      phases: ['types', 'lint', 'generated', 'exports', 'unit', 'fuzz', 'interop'],
      changed: true,
      isNarrow: true,
    });
  });

  it('--watch: unit tests unless others are named; a check is not watched', () => {
    expect(asked('--watch')).toMatchObject({ phases: ['unit'], watch: true });
    expect(asked('--watch interop').phases).toEqual(['interop']);
    expect(asked('--watch lint').trouble).toContain('"lint"');
  });

  it('another word is refused, never left out', () => {
    expect(asked('units').trouble).toContain('"units"');
    expect(asked('--chnged').trouble).toContain('"--chnged"');
  });
});
