import { describe, expect, it } from 'vitest';
import { indexOfBytes } from '../../../protocol/octets';
import { VirtualClock } from '../../support/doubles/virtual-clock';
import { octets } from './wire-text';

describe('the search among octets', () => {
  it('finds what a search at every place finds, in octets that nearly match', () => {
    const clock = new VirtualClock({ seed: 7 });
    const some = (length: number) => octets(Array.from({ length }, () => 'a-\r'[Math.floor(clock.random() * 3)]).join(''));
    let found = 0;
    for (let round = 0; round < 2000; round += 1) {
      const [hay, needle, from] = [some(40), some(1 + Math.floor(clock.random() * 6)), Math.floor(clock.random() * 42)];
      const expected = Buffer.from(hay).indexOf(Buffer.from(needle), from);
      expect(indexOfBytes(hay, needle, from)).toBe(expected);
      if (expected >= 0) found += 1;
    }
    expect(found).toBeGreaterThan(500);
  });
});
