import { describe, expect, it } from 'vitest';
import { Attempt } from '../../../../main/cpm/outbox/attempt';
import { AppError } from '../../../../preload/contract/errors';

function begun() {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  let stepAside: () => void = () => {};
  const attempt = new Attempt((aside) => {
    stepAside = aside;
    return new Promise((yes, no) => {
      resolve = yes;
      reject = no;
    });
  });
  return { attempt, resolve: () => resolve(), reject: (error: unknown) => reject(error), stepAside: () => stepAside() };
}

describe('an attempt', () => {
  it('ends once, as whatever comes first says', async () => {
    const { attempt, resolve, reject } = begun();
    attempt.reached();
    resolve();
    reject(new Error('too late'));
    expect([await attempt.first, await attempt.end]).toEqual([{ how: 'thereByReceipt' }, { how: 'thereByReceipt' }]);
  });

  it('may step aside before it ends, not after', async () => {
    const one = begun();
    one.stepAside();
    one.resolve();
    expect([await one.attempt.first, await one.attempt.end]).toEqual([{ how: 'aside' }, { how: 'carried' }]);
    const other = begun();
    other.resolve();
    await other.attempt.end;
    other.stepAside();
    expect(await other.attempt.first).toEqual({ how: 'carried' });
  });

  it('fails with an AppError, whatever was thrown', async () => {
    const { attempt, reject } = begun();
    reject(new Error('odd'));
    const ending = await attempt.end;
    expect(ending).toMatchObject({ how: 'failed', error: { code: 'internal' } });
    expect(ending.how === 'failed' && ending.error).toBeInstanceOf(AppError);
  });
});
