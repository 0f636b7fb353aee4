/**
 * Which deaths of the table in docs/UPGRADE-FAULTS.md a run plays: all of them, some by name, or one sample of 36. The samples share out the
 * table, so that 36 of them in a row have played every death behind Kamailio, and every death at our own core four times.
 */
import { type CoreKind, type PartName, parts } from './upgrade-stage';

export const stepCount = 18;
/** How many samples each table is shared out into. At our core a sample has 12 deaths, two of each part; behind Kamailio it has 3. */
const shares: Readonly<Record<CoreKind, number>> = { embedded: 9, kamailio: 36 };
export const sampleCount = 36;

/** Whether a death belongs to the sample with this number, 1 to 36. */
export function isInSample(core: CoreKind, dead: PartName, step: number, sample: number): boolean {
  const part = parts.indexOf(dead);
  // At our core neighbouring parts die two steps apart, so that a sample touches most of the flow.
  const place = core === 'embedded' ? step - 1 + 2 * part : step - 1 + stepCount * part;
  return place % shares[core] === (sample - 1) % shares[core];
}

/** Whether this run plays a death. `CHORUS_FAULTS` says which: `all`, `sample 7`, or pairs such as `bob 9,cf 12`. */
export function isPlayed(core: CoreKind, dead: PartName, step: number, asked = process.env.CHORUS_FAULTS ?? 'sample 1'): boolean {
  if (asked === 'all') return true;
  const sample = /^sample (\d+)$/.exec(asked)?.[1];
  return sample === undefined ? asked.split(',').includes(`${dead} ${step}`) : isInSample(core, dead, step, Number(sample));
}
