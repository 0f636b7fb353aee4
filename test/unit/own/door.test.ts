import { describe, expect, it } from 'vitest';
import { decide, type Path, rules } from '../../../main/own/door';

const paths = Object.keys(rules) as Path[];
const fresh = { isHere: false, isRead: false, isDeleted: false, wantsReceipt: true };

describe('the one door', () => {
  it('makes one row, whatever paths follow one another', () => {
    for (const first of paths) {
      expect(decide(first, fresh).row).toBe('make');
      for (const second of paths)
        expect(decide(second, { ...fresh, isHere: true })).toMatchObject({ row: 'add path', tells: 'never', writes: false });
    }
  });

  it('answers with a receipt what the network brought to this device alone', () => {
    expect(paths.filter((path) => decide(path, fresh).receipt)).toEqual(['direct', 'deferred']);
    expect(paths.filter((path) => decide(path, { ...fresh, wantsReceipt: false }).receipt)).toEqual([]);
  });

  it('writes nothing for what a sibling has told', () => {
    expect(paths.filter((path) => !decide(path, fresh).writes)).toEqual(['sibling']);
  });

  it('tells the person at once, after a while, or not at all', () => {
    expect(paths.map((path) => decide(path, fresh).tells)).toEqual(['at once', 'at once', 'never', 'after a while', 'never']);
    expect(paths.map((path) => decide(path, { ...fresh, isRead: true }).tells)).toEqual(paths.map(() => 'never'));
  });

  it('does nothing for what was deleted', () => {
    for (const path of paths)
      expect(decide(path, { ...fresh, isDeleted: true })).toEqual({ row: 'none', receipt: false, tells: 'never', writes: false });
  });
});
