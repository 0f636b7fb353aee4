/**
 * The part of the home subscriber server (HSS) that knows SIMs: the sequence number of each SIM, which rises with every challenge (TS
 * 33.102 section 6.3.2), and its resynchronisation.
 */
import { randomBytes } from 'node:crypto';
import { type AkaVector, akaChallenge, akaResyncNumber, RAND_BYTES, SQN_LIMIT, SQN_STEP } from '../../protocol/aka';
import type { Subscriber } from './directory';
import { aes128 } from './sim-card';

export class HomeSubscribers {
  readonly #sqn = new Map<Subscriber, number>();

  /** The next challenge for a subscriber's SIM; null when it has none. */
  vector(subscriber: Subscriber): AkaVector | null {
    if (subscriber.sim === null) return null;
    const sqn = ((this.#sqn.get(subscriber) ?? subscriber.sim.sqn) + SQN_STEP) % SQN_LIMIT;
    this.#sqn.set(subscriber, sqn);
    return akaChallenge(subscriber.sim.secret, new Uint8Array(randomBytes(RAND_BYTES)), sqn, aes128);
  }

  /** TS 33.102 section 6.3.5: takes over the sequence number that a SIM reports. False when the report is not from that SIM. */
  resynchronise(subscriber: Subscriber, nonce: string, auts: string): boolean {
    const sqn = subscriber.sim === null ? null : akaResyncNumber(subscriber.sim.secret, nonce, auts, aes128);
    if (sqn === null) return false;
    this.#sqn.set(subscriber, sqn);
    return true;
  }
}
