import { beforeEach, describe, expect, it } from 'vitest';
import { FIRST_WAIT_MS, FORGOTTEN_AFTER_MS, MAX_COUNTS, WRONG_PASSWORDS, WrongPasswords } from '../../../../network/core/wrong-passwords';
import { VirtualClock } from '../../../support/doubles/network-doubles';

let clock: VirtualClock;
let guesses: WrongPasswords;
beforeEach(() => {
  clock = new VirtualClock();
  guesses = new WrongPasswords(clock);
});
const wrong = (times: number, user = 'alice', source = '10.0.0.1') => {
  for (let count = 0; count < times; count += 1) guesses.wrong(user, source);
};

describe('wrong passwords', () => {
  it('cost nothing at first, then twice the time each, up to a longest wait', () => {
    wrong(WRONG_PASSWORDS.pair.free - 1);
    expect(guesses.waitFor('alice', '10.0.0.1')).toBe(0);
    const waits = Array.from({ length: 9 }, () => {
      wrong(1);
      return guesses.waitFor('alice', '10.0.0.1');
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * FIRST_WAIT_MS));
    clock.advance(60_000);
    expect(guesses.waitFor('alice', '10.0.0.1')).toBe(0);
  });

  it('from one source keep nobody out who comes from another, nor another user for long', () => {
    wrong(40);
    expect([guesses.waitFor('alice', '10.0.0.2'), guesses.waitFor('bob', '10.0.0.1')]).toEqual([0, 0]);
    wrong(60);
    expect([guesses.waitFor('alice', '10.0.0.2'), guesses.waitFor('bob', '10.0.0.1')]).toEqual([2_000, 2_000]);
    expect(guesses.waitFor('bob', '10.0.0.2')).toBe(0);
  });

  it('of one source for many users, and of many sources for one user, are slowed as well', () => {
    for (let count = 0; count < 50; count += 1) wrong(1, `user${count}`);
    expect(guesses.waitFor('carol', '10.0.0.1')).toBe(FIRST_WAIT_MS);
    for (let count = 0; count < 50; count += 1) wrong(1, 'dave', `10.0.1.${count}`);
    expect(guesses.waitFor('dave', '10.9.9.9')).toBe(FIRST_WAIT_MS);
  });

  it('are forgotten after the right one, and after FORGOTTEN_AFTER_MS; no more than MAX_COUNTS are counted', () => {
    wrong(8);
    guesses.right('alice', '10.0.0.1');
    expect(guesses.waitFor('alice', '10.0.0.1')).toBe(0);
    wrong(8, 'bob');
    clock.advance(FORGOTTEN_AFTER_MS + 1);
    wrong(1, 'bob');
    expect(guesses.waitFor('bob', '10.0.0.1')).toBe(0);
    wrong(8, 'eve', '10.0.0.9');
    for (let count = 0; count < MAX_COUNTS; count += 1) wrong(1, `user${count}`, `source${count}`);
    expect(guesses.waitFor('eve', '10.0.0.9')).toBe(0);
  });
});
