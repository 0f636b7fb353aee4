import { describe, expect, it } from 'vitest';
import { Allowance, SharedAllowance } from '../../../protocol/msrp-allowance';

describe('an allowance', () => {
  it('gives no more than its limit and the limits above it, and takes nothing where one of them is short', () => {
    const process = new Allowance(100);
    const [one, other] = [new Allowance(80, process), new Allowance(80, process)];
    expect([one.take(80), one.take(1), other.take(30), other.take(20)]).toEqual([true, false, false, true]);
    expect([one.used, other.used, process.used]).toEqual([80, 20, 100]);
    one.give(80);
    expect([other.take(60), process.used]).toEqual([true, 80]);
  });

  it('is one for all connections of a sender, and forgotten with the last of them', () => {
    const shared = new SharedAllowance(100, 40);
    const [first, second, stranger] = [shared.of('alice'), shared.of('alice'), shared.of(null)];
    expect([first.allowance.take(30), second.allowance.take(20), stranger.allowance.take(40)]).toEqual([true, false, true]);
    expect(shared.used).toBe(70);
    first.allowance.give(30);
    first.release();
    first.release();
    expect(shared.of('alice').allowance).toBe(second.allowance);
  });
});
