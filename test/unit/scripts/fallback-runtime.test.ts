import { describe, expect, it } from 'vitest';
import { isFallback } from '../../../scripts/parts/electron-runtime.mjs';

describe('a runtime that is not shipped unasked', () => {
  it('is the fallback and everything older, and what has no version', () => {
    expect(['33.2.1', '33.4.0', '28.0.0', ''].map(isFallback)).toEqual([true, true, true, true]);
    expect(['34.0.0', '43.1.2'].map(isFallback)).toEqual([false, false]);
  });
});
