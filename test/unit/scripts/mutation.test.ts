import { describe, expect, it } from 'vitest';
import { scoreOf, testsOf, withRow } from '../../../scripts/parts/mutation.mjs';

describe('npm run mutate', () => {
  it('runs the unit tests that mirror the folder', () => {
    expect(testsOf('main/cpm/outbox')).toBe('test/unit/cpm/outbox/**/*.test.ts');
    expect(testsOf('network/msrp')).toBe('test/unit/network/msrp/**/*.test.ts');
    expect(testsOf('main')).toBe('test/unit/main/**/*.test.ts');
  });

  it('counts what no test runs as survived, and what cannot run not at all', () => {
    const states = ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'Ignored', 'RuntimeError', 'Killed'];
    const report = { files: { 'a.ts': { mutants: states.map((status) => ({ status })) } } };
    expect(scoreOf(report)).toEqual({ mutants: 5, killed: 3, survived: 2 });
  });

  it('writes one row for a folder, in the place of the one before', () => {
    const score = { mutants: 4, killed: 3, survived: 1 };
    const empty = '# Title\n\n| Code |\n|---|\n';
    const once = withRow(withRow(empty, 'network/msrp', 1, score), 'main/own', 10, score);
    expect(once).toBe(
      '# Title\n\n| Code |\n|---|\n| `main/own` | 1 of 10 | 4 | 3 | 1 | 75 % |\n| `network/msrp` | all | 4 | 3 | 1 | 75 % |\n',
    );
    expect(withRow(once, 'main/own', 10, score)).toBe(once);
  });
});
