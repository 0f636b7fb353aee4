/** A SIM as the home network sees it. */
import { createCipheriv } from 'node:crypto';
import { SQN_LIMIT, SQN_STEP } from '../../protocol/aka';
import { type BlockCipher, type MilenageSecret, opcOf } from '../../protocol/milenage';

/** AES-128 for `protocol/milenage`. */
export const aes128: BlockCipher = (key, block) => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);

/** A SIM as an operator enters it: 16 octets each, in hexadecimal. */
export interface SimOptions {
  k: string;
  /** OPc, or OP, from which OPc is computed. */
  opc?: string;
  op?: string;
  /** The first challenge uses the next higher sequence number; 0 when absent. */
  sqn?: number;
}

export interface SimCard {
  secret: MilenageSecret;
  /** The initial sequence number. */
  sqn: number;
}

/** @throws Error when the options make no SIM: a mistake of the operator */
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
