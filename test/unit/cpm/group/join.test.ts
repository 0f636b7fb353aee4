import { describe, expect, it } from 'vitest';
import { notLetIn } from '../../../../main/cpm/group/factory';
import { AppError, type ErrorCode } from '../../../../preload/contract/errors';

const codeOf = (error: unknown): string => {
  try {
    notLetIn(error);
  } catch (thrown) {
    return thrown instanceof AppError ? thrown.code : String(thrown);
  }
};

describe('a group that does not let one in', () => {
  it.each<[ErrorCode, number, ErrorCode]>([
    ['sip/rejected', 403, 'group/not-a-member'],
    ['conversation/no-session', 403, 'group/not-a-member'],
    ['sip/rejected', 404, 'group/unknown'],
    ['sip/rejected', 410, 'group/unknown'],
    ['sip/rejected', 604, 'group/unknown'],
    ['sip/rejected', 486, 'group/full'],
    ['sip/rejected', 600, 'group/full'],
    // The network, and not the group, says no.
    ['sip/rejected', 480, 'sip/rejected'],
    ['sip/rejected', 503, 'sip/rejected'],
    ['net/timeout', 404, 'net/timeout'],
  ])('%s %i is %s', (code, status, expected) => {
    expect(codeOf(new AppError(code, { status }))).toBe(expected);
  });

  it('keeps the answer as it came', () => {
    const error = new AppError('sip/rejected', { status: 403, reason: 'Forbidden', warning: '399 cf "Not a member"' });
    expect(() => notLetIn(error)).toThrow(expect.objectContaining({ detail: error.detail, retry: 'user' }));
  });

  it('lets everything else through', () => {
    expect(codeOf(new TypeError('defect'))).toBe('TypeError: defect');
  });
});
