/**
 * What one device seals for one other by the keys of the two (docs/OWN-DEVICES.md, 7), not by the account key: a new account key, and the order
 * to leave. A device that was removed, or that missed a key, can still be written to in this way, and nobody else can have written it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { Route } from './seal';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The X25519 keys of a device, DER in base64. */
export interface DeviceKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

export function newDeviceKeys(): DeviceKeys {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
  };
}

/** What both of two devices can compute and nobody else; null: the other one's key is none. */
export function sharedSecret(own: DeviceKeys, theirs: string): Buffer | null {
  try {
    return diffieHellman({
      privateKey: createPrivateKey({ key: Buffer.from(own.privateKey, 'base64'), type: 'pkcs8', format: 'der' }),
      publicKey: createPublicKey({ key: Buffer.from(theirs, 'base64'), type: 'spki', format: 'der' }),
    });
  } catch {
    return null;
  }
}

/** Null: the addressee's key is none. */
export function writeLetter(value: unknown, own: DeviceKeys, theirs: string, route: Route): string | null {
  const key = letterKey(own, theirs, route);
  return key === null ? null : wrap(value, key);
}

/** Null: the other device did not write it, or not for this one. */
export function readLetter(sealed: string, own: DeviceKeys, theirs: string, route: Route): { value: unknown } | null {
  const key = letterKey(own, theirs, route);
  return key === null ? null : unwrap(sealed, key);
}

/** The route is in the key, so that a letter cannot be sent back to who wrote it. */
function letterKey(own: DeviceKeys, theirs: string, { from, to }: Route): Buffer | null {
  const secret = sharedSecret(own, theirs);
  return secret === null ? null : Buffer.from(hkdfSync('sha256', secret, '', `own1|letter|${from}\0${to}`, 32));
}

/** A value as JSON under AES-256-GCM: nonce, tag, ciphertext, in base64. */
export function wrap(value: unknown, key: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** Null: it was not wrapped under this key. */
export function unwrap(sealed: string, key: Buffer): { value: unknown } | null {
  const all = Buffer.from(sealed, 'base64');
  if (all.length < NONCE_BYTES + TAG_BYTES) return null;
  const cipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  cipher.setAuthTag(all.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    const opened = Buffer.concat([cipher.update(all.subarray(NONCE_BYTES + TAG_BYTES)), cipher.final()]);
    return { value: JSON.parse(opened.toString('utf8')) };
  } catch {
    return null;
  }
}
