/**
 * AKA in Digest (RFC 3310, algorithm AKAv1-MD5; 3GPP TS 33.102 section 6.3): the nonce carries the challenge to the SIM, the SIM answers
 * it, and a SIM whose sequence number is ahead of the network's tells the network its own. The Digest password is RES itself, as octets.
 *
 *   network --nonce = base64(RAND || AUTN)--> SIM:  MAC wrong   -> refuse the network (empty response, no auts)
 *                                                   SQN not new -> auts = base64((SQN_MS xor f5*) || MAC-S), response with empty password
 *                                                   otherwise   -> response with RES
 */
import { AMF_BYTES, type BlockCipher, MILENAGE_BLOCK_BYTES, type MilenageSecret, milenage, SQN_BYTES, xor } from './milenage';
import { concat } from './octets';
import { malformed, type Parsed, parsed } from './parsed';

/** The `algorithm` parameter of a challenge and of its answer. */
export const AKA_ALGORITHM = 'AKAv1-MD5';
export const RAND_BYTES = MILENAGE_BLOCK_BYTES;
const AUTN_BYTES = 16;
const AUTS_BYTES = 14;
/** Sequence numbers have 48 bits. */
export const SQN_LIMIT = 2 ** 48;
/** LAB: the SIM rejects a sequence number that jumps further than this (TS 33.102 annex C.2.1). */
export const MAX_SQN_JUMP = 2 ** 28;
/** LAB: the five lowest bits are the index of the vector (IND), so consecutive sequence numbers are this far apart. */
export const SQN_STEP = 32;
/** TS 33.102 section 6.3.3: the AMF used in a re-synchronisation. */
const RESYNC_AMF = new Uint8Array(AMF_BYTES);
/** LAB: the AMF of a challenge; its separation bit is 0. */
const DEFAULT_AMF = new Uint8Array(AMF_BYTES);
/** A longer nonce is refused unread. */
const MAX_NONCE_CHARACTERS = 1024;

/** A challenge together with the answer that proves the SIM. */
export interface AkaVector {
  /** Value of the `nonce` parameter. */
  nonce: string;
  res: Uint8Array;
}

/** Makes the challenge for `sqn`; runs in the network. */
export function akaChallenge(secret: MilenageSecret, rand: Uint8Array, sqn: number, aes: BlockCipher, amf = DEFAULT_AMF): AkaVector {
  const number = sqnOctets(sqn);
  const out = milenage(secret, rand, number, amf, aes);
  return { nonce: encodeBase64(concat([rand, xor(number, out.ak), amf, out.mac])), res: out.res };
}

/** The SIM's verdict on a nonce. */
export type AkaAnswer =
  /** Answer with RES as the password. `sqn` is the new highest sequence number: store it before answering. */
  | { kind: 'res'; res: Uint8Array; sqn: number }
  /** Answer with the same nonce, this `auts` and an empty password. */
  | { kind: 'resync'; auts: string }
  /** The network does not know K. Answer with an empty response and without `auts`, and do not use this network. */
  | { kind: 'wrongNetwork' };

/** The SIM's side: judges a nonce. `highest` is the highest sequence number accepted so far; 0 for a new SIM. */
export function akaAnswer(secret: MilenageSecret, nonce: string, highest: number, aes: BlockCipher): Parsed<AkaAnswer> {
  const octets = nonce.length > MAX_NONCE_CHARACTERS ? null : decodeBase64(nonce);
  if (octets === null || octets.length < RAND_BYTES + AUTN_BYTES) return malformed('an AKA nonce that is no RAND and AUTN');
  const rand = octets.slice(0, RAND_BYTES);
  const autn = octets.slice(RAND_BYTES, RAND_BYTES + AUTN_BYTES);
  const amf = autn.slice(SQN_BYTES, SQN_BYTES + AMF_BYTES);
  const { ak } = milenage(secret, rand, new Uint8Array(SQN_BYTES), amf, aes);
  const number = xor(autn.slice(0, SQN_BYTES), ak);
  const out = milenage(secret, rand, number, amf, aes);
  if (!same(out.mac, autn.slice(SQN_BYTES + AMF_BYTES))) return parsed({ kind: 'wrongNetwork' });
  const sqn = sqnNumber(number);
  if (sqn > highest && sqn - highest < MAX_SQN_JUMP) return parsed({ kind: 'res', res: out.res, sqn });
  return parsed({ kind: 'resync', auts: akaResync(secret, rand, highest, aes) });
}

/** AUTS: the SIM's highest sequence number, concealed and authenticated. */
export function akaResync(secret: MilenageSecret, rand: Uint8Array, highest: number, aes: BlockCipher): string {
  const number = sqnOctets(highest);
  const out = milenage(secret, rand, number, RESYNC_AMF, aes);
  return encodeBase64(concat([xor(number, out.resyncAk), out.resyncMac]));
}

/** Reads a SIM's sequence number from its AUTS for the RAND in `nonce`; runs in the network. Null when the AUTS is not from that SIM. */
export function akaResyncNumber(secret: MilenageSecret, nonce: string, auts: string, aes: BlockCipher): number | null {
  const challenge = nonce.length > MAX_NONCE_CHARACTERS ? null : decodeBase64(nonce);
  const octets = auts.length > MAX_NONCE_CHARACTERS ? null : decodeBase64(auts);
  if (challenge === null || challenge.length < RAND_BYTES || octets?.length !== AUTS_BYTES) return null;
  const rand = challenge.slice(0, RAND_BYTES);
  const { resyncAk } = milenage(secret, rand, new Uint8Array(SQN_BYTES), RESYNC_AMF, aes);
  const number = xor(octets.slice(0, SQN_BYTES), resyncAk);
  const out = milenage(secret, rand, number, RESYNC_AMF, aes);
  return same(out.resyncMac, octets.slice(SQN_BYTES)) ? sqnNumber(number) : null;
}

function sqnOctets(sqn: number): Uint8Array {
  if (!Number.isInteger(sqn) || sqn < 0 || sqn >= SQN_LIMIT) throw new Error(`${sqn} is not a sequence number`);
  const out = new Uint8Array(SQN_BYTES);
  let rest = sqn;
  for (let index = SQN_BYTES - 1; index >= 0; index -= 1) {
    out[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return out;
}

function sqnNumber(octets: Uint8Array): number {
  return octets.reduce((value, octet) => value * 256 + octet, 0);
}

/** Compares in constant time, so that the time taken does not tell where two values differ. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

function encodeBase64(octets: Uint8Array): string {
  return btoa(String.fromCharCode(...octets));
}

function decodeBase64(text: string): Uint8Array | null {
  const trimmed = text.trim();
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(trimmed) || trimmed.replace(/=+$/, '').length % 4 === 1) return null;
  return Uint8Array.from(atob(trimmed.replace(/=+$/, '')), (character) => character.charCodeAt(0));
}
