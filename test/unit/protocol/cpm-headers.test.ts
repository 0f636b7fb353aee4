import { describe, expect, it } from 'vitest';
import { isContributionId, MAX_CPM_ID_CHARACTERS } from '../../../protocol/cpm-headers';

describe('CPM identities', () => {
  it('takes UUIDs, digests and the id@host form', () => {
    for (const id of [
      '0f9d2c44-9d5e-4a57-8a55-6f4a6f0d1c11',
      'f81d4fae7dec41d0a76500a0c91e6bf6',
      '1j9FpLxk3uxtm8tn@10.0.0.11',
      'a'.repeat(MAX_CPM_ID_CHARACTERS),
    ]) {
      expect(isContributionId(id), id).toBe(true);
    }
  });

  it('refuses what could be more than an identity', () => {
    for (const id of ['', ' ', 'a b', 'a\r\nEvil: 1', '<x>', 'a;b', 'a,b', '"a"', '-a', 'ä', 'a'.repeat(MAX_CPM_ID_CHARACTERS + 1)]) {
      expect(isContributionId(id), JSON.stringify(id)).toBe(false);
    }
  });
});
