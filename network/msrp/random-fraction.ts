import { randomFillSync } from 'node:crypto';

/** Drawn many at once, because each message to each member of a group needs a dozen. */
const fractions = new Uint32Array(1024);
let drawn = fractions.length;

/** At least 0 and less than 1; unpredictable. */
export function randomFraction(): number {
  if (drawn === fractions.length) {
    randomFillSync(fractions);
    drawn = 0;
  }
  const fraction = (fractions[drawn] ?? 0) / 0x1_0000_0000;
  drawn += 1;
  return fraction;
}
