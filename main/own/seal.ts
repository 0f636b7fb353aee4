/**
 * The seal around everything that siblings send each other (docs/OWN-DEVICES.md, 7): AES-256-GCM under a key that only paired devices have. It
 * binds the version, the epoch of the key, sender and addressee; whoever has the SIP password alone can neither read nor make it.
 *
 * AES rather than ChaCha20-Poly1305: Electron's BoringSSL has no such cipher in `createCipheriv`.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** The major version of the format, the first byte of everything that is sealed. */
const FORMAT_VERSION = 1;
/** LAB: how long the key before the newest one still opens, ms: what was under way when it changed. */
export const OLD_KEY_MS = 10 * 60_000;

const HEAD_BYTES = 1 + 2;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** What a seal adds to what it seals. */
export const SEAL_BYTES = HEAD_BYTES + NONCE_BYTES + TAG_BYTES;

/** The account key. A greater epoch is newer; of two with one epoch the greater writer made the one that stays. */
export interface AccountKey {
  readonly secret: Uint8Array;
  readonly epoch: number;
  readonly writer: string;
}

export function newAccountKey(writer: string, after: AccountKey | null = null): AccountKey {
  return { secret: randomBytes(KEY_BYTES), epoch: ((after?.epoch ?? 0) + 1) & 0xffff, writer };
}

/** A key that all devices were given beforehand, in hex. */
export function sharedKey(hex: string): AccountKey {
  return { secret: Buffer.from(hex, 'hex'), epoch: 1, writer: '' };
}

/** Which of two keys stays. */
export function newerKey(one: AccountKey, other: AccountKey): AccountKey {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch ? one : other;
  return one.writer >= other.writer ? one : other;
}

/** Sender and addressee, by instance ID. */
export interface Route {
  from: string;
  to: string;
}

export type Opened = { bytes: Buffer } | { refused: 'other version' | 'does not open' };

/** The keys of a device, and what they seal and open. */
export class Seal {
  #keys: { key: AccountKey; until: number }[];
  readonly #now: () => number;

  constructor(key: AccountKey, now: () => number) {
    this.#keys = [{ key, until: Number.POSITIVE_INFINITY }];
    this.#now = now;
  }

  get key(): AccountKey {
    const [newest] = this.#keys;
    if (newest === undefined) throw new Error('A seal without a key');
    return newest.key;
  }

  /** Takes a key that a sibling has made. The one before it opens for a while more. @returns false: ours is newer */
  renew(key: AccountKey): boolean {
    if (newerKey(key, this.key) === this.key) return false;
    const before = { key: this.key, until: this.#now() + OLD_KEY_MS };
    this.#keys = [{ key, until: Number.POSITIVE_INFINITY }, before];
    return true;
  }

  seal(bytes: Uint8Array, route: Route): Buffer {
    const { key } = this;
    const head = headOf(key.epoch);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', derived(key, route), nonce);
    cipher.setAAD(bound(head, route));
    const text = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([head, nonce, text, cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, route: Route): Opened {
    const all = Buffer.from(sealed);
    if (all.length < SEAL_BYTES) return { refused: 'does not open' };
    if (all[0] !== FORMAT_VERSION) return { refused: 'other version' };
    const head = all.subarray(0, HEAD_BYTES);
    const epoch = head.readUInt16BE(1);
    for (const { key, until } of this.#keys) {
      if (key.epoch !== epoch || until < this.#now()) continue;
      const bytes = decipher(all, derived(key, route), bound(head, route));
      if (bytes !== null) return { bytes };
    }
    return { refused: 'does not open' };
  }
}

function decipher(all: Buffer, key: Buffer, data: Buffer): Buffer | null {
  const nonce = all.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
  const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(data);
  cipher.setAuthTag(all.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([cipher.update(all.subarray(HEAD_BYTES + NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
  } catch {
    return null;
  }
}

function headOf(epoch: number): Buffer {
  const head = Buffer.from([FORMAT_VERSION, 0, 0]);
  head.writeUInt16BE(epoch, 1);
  return head;
}

/** One key for each sending device, so that two devices never seal under one key with one nonce. */
function derived({ secret, epoch }: AccountKey, { from }: Route): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `own1|${epoch}|${from}`, KEY_BYTES));
}

function bound(head: Buffer, { from, to }: Route): Buffer {
  return Buffer.concat([head, Buffer.from(`${from}\0${to}`)]);
}
