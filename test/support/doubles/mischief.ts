/** The faults that can strike a message in the tests' faulty network, and the interface that decides about them. */

/** Where a connection breaks, relative to one request on it. */
export type Break = 'mid head' | 'mid body' | 'before its end line' | 'after its last byte' | 'mid answer' | 'between two chunks';
/** A fault that strikes an answer. */
export type Mishap = 'lost' | 'doubled' | 'late';

/**
 * Decides which faults strike. Each method is called once for each message that it could strike; the fault happens when it returns true.
 */
export interface Mischief {
  /** `leg`: for SIP, whether this is the sender's or the receiver's connection. */
  breaks(method: string, at: Break, leg: 'sender' | 'receiver'): boolean;
  answer(method: string): Mishap | null;
  doubles(method: string): boolean;
  /** Only informs: one of several devices answered an invitation while another was ringing, or both answered at once. */
  forks(how: 'one answers' | 'both answer'): true;
}

/** A late answer is delayed by this time, up to three times as much. */
export const lateMs = 5_000;

/** The bytes up to the middle of the part after `from`. */
export function halfOf(bytes: Uint8Array, from = 0): Uint8Array {
  return bytes.subarray(0, from + Math.max(1, Math.floor((bytes.length - from) / 2)));
}
