/**
 * MILENAGE (3GPP TS 35.206): the functions f1 to f5, f1* and f5* that a SIM and its home network share, over AES-128. Pure: the caller
 * passes the block cipher. All values are octets, most significant first.
 */

import { concat } from './octets';

/** Octets of K, OP, OPc and RAND. */
export const MILENAGE_BLOCK_BYTES = 16;
export const SQN_BYTES = 6;
export const AMF_BYTES = 2;

/** One block of AES-128 in the forward direction: 16 octets of key, 16 octets in, 16 octets out. */
export type BlockCipher = (key: Uint8Array, block: Uint8Array) => Uint8Array;

/** The secrets shared by a SIM and its home network: the subscriber key, and the operator's constant derived for it. */
export interface MilenageSecret {
  k: Uint8Array;
  opc: Uint8Array;
}

export interface MilenageOutput {
  /** f1: MAC-A, 8 octets. Proves the network to the SIM. */
  mac: Uint8Array;
  /** f1*: MAC-S, 8 octets. Authenticates the SIM's own SQN. */
  resyncMac: Uint8Array;
  /** f2: RES, 8 octets. Proves the SIM to the network. */
  res: Uint8Array;
  /** f3: CK, 16 octets. */
  ck: Uint8Array;
  /** f4: IK, 16 octets. */
  ik: Uint8Array;
  /** f5: AK, 6 octets. Conceals SQN. */
  ak: Uint8Array;
  /** f5*: AK for the re-synchronisation, 6 octets. */
  resyncAk: Uint8Array;
}

/** TS 35.206 section 4.1: rotations r1 to r5 in octets (64, 0, 32, 64, 96 bits) and the last octets of c1 to c5. */
const ROTATIONS = [8, 0, 4, 8, 12] as const;
const CONSTANTS = [0, 1, 2, 4, 8] as const;

/** OPc: the operator's constant bound to one subscriber key. */
export function opcOf(k: Uint8Array, op: Uint8Array, aes: BlockCipher): Uint8Array {
  return xor(encrypted(aes, k, sized(op, MILENAGE_BLOCK_BYTES)), op);
}

/**
 * Every output for one RAND.
 * @throws Error for an input of the wrong length: a mistake of the caller, not of a peer
 */
export function milenage(secret: MilenageSecret, rand: Uint8Array, sqn: Uint8Array, amf: Uint8Array, aes: BlockCipher): MilenageOutput {
  const k = sized(secret.k, MILENAGE_BLOCK_BYTES);
  const opc = sized(secret.opc, MILENAGE_BLOCK_BYTES);
  const encrypt = (block: Uint8Array) => encrypted(aes, k, block);
  const temp = encrypt(xor(sized(rand, MILENAGE_BLOCK_BYTES), opc));
  const half = concat([sized(sqn, SQN_BYTES), sized(amf, AMF_BYTES)]);
  const out1 = xor(encrypt(xor(temp, shifted(xor(concat([half, half]), opc), 0))), opc);
  const out = (index: 1 | 2 | 3 | 4) => xor(encrypt(shifted(xor(temp, opc), index)), opc);
  const out2 = out(1);
  return {
    mac: out1.slice(0, 8),
    resyncMac: out1.slice(8),
    res: out2.slice(8),
    ck: out(2),
    ik: out(3),
    ak: out2.slice(0, SQN_BYTES),
    resyncAk: out(4).slice(0, SQN_BYTES),
  };
}

export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((octet, index) => octet ^ (b[index] ?? 0));
}

/** One block as a plain Uint8Array. A cipher of Node returns a Buffer, whose slices would share its memory. */
function encrypted(aes: BlockCipher, k: Uint8Array, block: Uint8Array): Uint8Array {
  return new Uint8Array(sized(aes(sized(k, MILENAGE_BLOCK_BYTES), block), MILENAGE_BLOCK_BYTES));
}

/** Rotates left by r octets, then adds the constant c. */
function shifted(block: Uint8Array, index: 0 | 1 | 2 | 3 | 4): Uint8Array {
  const rotation = ROTATIONS[index];
  const out = concat([block.subarray(rotation), block.subarray(0, rotation)]);
  out[MILENAGE_BLOCK_BYTES - 1] = (out[MILENAGE_BLOCK_BYTES - 1] ?? 0) ^ CONSTANTS[index];
  return out;
}

function sized(octets: Uint8Array, length: number): Uint8Array {
  if (octets.length !== length) throw new Error(`${octets.length} octets where MILENAGE needs ${length}`);
  return octets;
}
