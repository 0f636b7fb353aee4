import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AppError, errorCodes, toAppError } from '../../../preload/contract/errors';

describe('errors', () => {
  it('each have one row in docs/ERRORS.md, and no other code has one', () => {
    const rows = [...readFileSync('docs/ERRORS.md', 'utf8').matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]);
    expect(rows).toEqual([...errorCodes]);
  });

  it('keep what the peer said, word for word, on their way to a caller', () => {
    const error = new AppError('sip/rejected', { status: 480, reason: 'Temporarily Unavailable', warning: '399 x "y"' }, 'user');
    expect(toAppError(error).toValue()).toEqual({
      code: 'sip/rejected',
      retry: 'user',
      status: 480,
      reason: 'Temporarily Unavailable',
      warning: '399 x "y"',
    });
  });

  it('of foreign make are internal, with their cause for the log', () => {
    expect(toAppError('odd').toValue()).toEqual({ code: 'internal', retry: 'never', cause: 'odd' });
    expect(toAppError(new TypeError('broken')).detail.cause).toContain('TypeError: broken');
  });
});
