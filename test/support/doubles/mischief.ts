/** What can befall a message on its way through the faulty network of the tests, and who decides about it. */

/** Where a connection breaks, seen from one request that it carries. */
export type Break = 'mid head' | 'mid body' | 'before its end line' | 'after its last byte' | 'mid answer' | 'between two chunks';
/** What happens to an answer. */
export type Mishap = 'lost' | 'doubled' | 'late';

/** Decides what goes wrong. Each question is asked once for each message that it could befall; a yes is done. */
export interface Mischief {
  /** `leg`: of SIP, whether it is the connection of who asks or of who is asked. */
  breaks(method: string, at: Break, leg: 'sender' | 'receiver'): boolean;
  answer(method: string): Mishap | null;
  doubles(method: string): boolean;
  /** Told, not asked: an invitation that went to several devices was answered by one, the other having rung, or by both at once. */
  forks(how: 'one answers' | 'both answer'): true;
}

/** A late answer comes so much later than it should, and up to three times that. */
export const lateMs = 5_000;

/** Up to the middle of what follows `from`. */
export function halfOf(bytes: Uint8Array, from = 0): Uint8Array {
  return bytes.subarray(0, from + Math.max(1, Math.floor((bytes.length - from) / 2)));
}
