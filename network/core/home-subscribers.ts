/**
 * The part of the home subscriber server (HSS) that knows SIMs: for each subscriber with one the sequence number, which rises with every
 * challenge (TS 33.102 section 6.3.2), and how its SIM puts it right.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { type AkaVector, akaChallenge, akaResyncNumber, RAND_BYTES, SQN_LIMIT, SQN_STEP } from '../../protocol/aka';
import { type BlockCipher, type MilenageSecret, opcOf } from '../../protocol/milenage';
import type { Subscriber } from './directory';

/** AES-128 for `main/protocol/milenage`. */
export const aes128: BlockCipher = (key, block) => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);

/** A SIM as an operator enters it: hexadecimal of 16 octets each. */
export interface SimOptions {
  k: string;
  /** OPc, or OP, from which it is made. */
  opc?: string;
  op?: string;
  /** The sequence number of the first challenge is one step higher; 0 when absent. */
  sqn?: number;
}

export interface SimCard {
  secret: MilenageSecret;
  /** The sequence number to begin with. */
  sqn: number;
}

/** Throws on what is no SIM: a mistake of the operator. */
export function simCard(options: SimOptions): SimCard {
  const octets = (name: string, hex: string) => {
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw new Error(`${name} of a SIM is not 32 hexadecimal digits`);
    return Uint8Array.from(Buffer.from(hex, 'hex'));
  };
  const k = octets('K', options.k);
  const sqn = options.sqn ?? 0;
  if (!Number.isInteger(sqn) || sqn < 0 || sqn >= SQN_LIMIT - SQN_STEP) throw new Error(`${sqn} is not a sequence number of a SIM`);
  if (options.opc !== undefined) return { secret: { k, opc: octets('OPc', options.opc) }, sqn };
  if (options.op === undefined) throw new Error('A SIM has neither OP nor OPc');
  return { secret: { k, opc: opcOf(k, octets('OP', options.op), aes128) }, sqn };
}

export class HomeSubscribers {
  readonly #sqn = new Map<Subscriber, number>();

  /** The next challenge for a subscriber's SIM; null when it has none. */
  vector(subscriber: Subscriber): AkaVector | null {
    if (subscriber.sim === null) return null;
    const sqn = ((this.#sqn.get(subscriber) ?? subscriber.sim.sqn) + SQN_STEP) % SQN_LIMIT;
    this.#sqn.set(subscriber, sqn);
    return akaChallenge(subscriber.sim.secret, new Uint8Array(randomBytes(RAND_BYTES)), sqn, aes128);
  }

  /** TS 33.102 section 6.3.5: takes over the sequence number that a SIM tells. False when it is not that SIM that tells. */
  resynchronise(subscriber: Subscriber, nonce: string, auts: string): boolean {
    const sqn = subscriber.sim === null ? null : akaResyncNumber(subscriber.sim.secret, nonce, auts, aes128);
    if (sqn === null) return false;
    this.#sqn.set(subscriber, sqn);
    return true;
  }
}
