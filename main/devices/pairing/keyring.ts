/** What a paired device keeps: the account key that all of them share, and the keys by which this one alone is written to. */
import * as v from 'valibot';
import { type DeviceKeys, newDeviceKeys } from '../../own/letter';
import { type AccountKey, newAccountKey } from '../../own/seal';

export interface Keyring {
  account: AccountKey;
  device: DeviceKeys;
}

/** Where the keys of one account are kept, protected as its password is. `save` with null erases them. */
export interface KeyStore {
  load(): string | null;
  save(text: string | null): void;
}

/** Kept in the place of the keys by a device that was removed, where the key was given: it takes part again only when it is paired. */
export const REMOVED = 'removed';

const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const epoch = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff));
const accountKey = v.object({ secret: hex, epoch, writer: v.pipe(v.string(), v.maxLength(64)) });
const keyring = v.object({ account: accountKey, device: v.object({ publicKey: v.string(), privateKey: v.string() }) });

/** An account key as it is told to another device. */
export interface ToldKey {
  secret: string;
  epoch: number;
  writer: string;
}

export const told = ({ secret, epoch, writer }: AccountKey): ToldKey => ({ secret: Buffer.from(secret).toString('hex'), epoch, writer });

/** Null: it is no account key. */
export function readKey(value: unknown): AccountKey | null {
  const read = v.safeParse(accountKey, value);
  return read.success ? { ...read.output, secret: Buffer.from(read.output.secret, 'hex') } : null;
}

/** Null: nothing is kept, or what is kept is no keyring; the device is not paired then. */
export function readKeyring(text: string | null): Keyring | null {
  if (text === null) return null;
  try {
    const read = v.safeParse(keyring, JSON.parse(text));
    const account = read.success ? readKey(read.output.account) : null;
    return read.success && account !== null ? { account, device: read.output.device } : null;
  } catch {
    return null;
  }
}

export function keyringText({ account, device }: Keyring): string {
  return JSON.stringify({ account: told(account), device });
}

/** The keys of the first device that pairs another one. */
export function newKeyring(instance: string): Keyring {
  return { account: newAccountKey(instance), device: newDeviceKeys() };
}
