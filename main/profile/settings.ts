/**
 * Everything that this profile keeps besides its history: the accounts, the preferences, and its protected secrets.
 *
 * The window and the command use the same JSON files, written by the same library (`conf`; `electron-store` is `conf` with the app's own
 * folder): written to a temporary file, synced, renamed. A file that cannot be read is an error, never a fresh start.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AccountValue, PreferencesValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import type { SignedOut } from '../account/sign-in';
import type { KeptOptions } from '../account/sign-in-options';
import { changed, mendFile, shortHash, type Worth, writeWhole } from './kept-twice';

/** The settings' name in their folder. */
export const settingsFile = 'settings';

/** One JSON file of named values. A value is durable when `set` returns. */
export interface KeyValueFile {
  readonly path: string;
  /** It was damaged or gone when it was opened, and its second copy has taken its place. */
  readonly wasMended?: boolean;
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  delete(key: string): void;
}

/** Opens `NAME.json` in the profile's folder. Throws the library's error when the file is damaged. */
export type OpenKeyValueFile = (name: string) => KeyValueFile;

/** Protects stored secrets. `backend` is stored beside the ciphertext, so that a change of keychain is noticed. */
export interface SecretBox {
  /** For example `gnome_libsecret`, `keychain`, `dpapi`. `file` means that only the file's permissions protect it. */
  readonly backend: string;
  /** Its key was damaged or gone, and read from its second copy. */
  readonly wasMended?: boolean;
  protect(plain: string): string;
  /** Throws AppError `storage/unreadable` when this box cannot decrypt the secret of another one. */
  reveal(stored: string): string;
}

/** `by` null: by the person, here. */
export interface Erasure {
  aor: string;
  by: string | null;
  at: number;
  isDone: boolean;
}

/** The account as stored, with its sign-in options; the secret ones are ciphertext of the SecretBox. */
export interface StoredAccount extends KeptOptions {
  kind: AccountValue['kind'];
  aor: string;
  displayName: string;
  /** Ciphertext of the SecretBox; empty after it was deleted. */
  password: string;
  secretBackend: string;
  /** The outbound proxy's URI. Null: located by the address's domain or, with kind `try`, given by its network. */
  proxy: string | null;
  deviceName: string;
  /** The instance ID that this account registered with, so that the loss of the identity file is noticed. */
  instanceId: string;
  /** Who signed this device out, until the person signs in again. True when an earlier version did not record who. */
  signedOut?: SignedOut | boolean;
  /** Services that this device could offer but does not. */
  servicesOff?: readonly string[];
  /** The address to write from, if it is not the one of the sign-in. */
  writesAs?: string;
}

/** Version 0.1.0 stored `authUser: null` for none, and the authentication scheme as one value. */
type EarlierAccount = Omit<StoredAccount, 'authUser'> & {
  authUser?: string | null;
  signIn?: { scheme: StoredAccount['scheme']; minAlgorithm: StoredAccount['minAlgorithm']; sim: StoredAccount['sim'] | null };
};

function presentForm({ signIn, authUser, ...account }: EarlierAccount): StoredAccount {
  const { sim, ...way } = signIn ?? { sim: null };
  return { ...account, ...(authUser == null ? {} : { authUser }), ...way, ...(sim == null ? {} : { sim }) } as StoredAccount;
}

/** Whether chats require TLS was a switch once. Off was what everybody had who chose nothing. */
interface WithTlsSwitch {
  securesMedia?: boolean;
}

function withTlsChoice({ securesMedia, ...account }: StoredAccount & WithTlsSwitch): StoredAccount {
  return securesMedia === true ? { ...account, mediaTls: 'always' } : account;
}

/** LAB: a 1-1 session without traffic for this long is ended, unless the person has set another time. */
const defaultIdleSeconds = 180;

/** LAB: a text waits for so many days for somebody who is away, unless the person has set another time. */
const defaultWaitDays = 7;

export const defaultPreferences: PreferencesValue = {
  theme: 'system',
  receipts: { delivered: true, displayed: true },
  composing: true,
  accept: 'auto',
  idleSeconds: defaultIdleSeconds,
  waitDays: defaultWaitDays,
};

/** Most people that one profile can block. */
export const MAX_BLOCKED = 1_000;

export class Settings {
  readonly #file: KeyValueFile;
  /** A copy in memory: the file is read at every `get`, and every message needs the preferences. */
  #preferences: PreferencesValue;

  constructor(open: OpenKeyValueFile) {
    this.#file = openOrExplain(open, settingsFile);
    this.#preferences = { ...defaultPreferences, ...(this.#file.get('preferences') as Partial<PreferencesValue> | undefined) };
    this.#raise();
  }

  /** Version 0.1.0 kept one account, as `account`. A process that ends between the two writes leaves both; the list counts. */
  #raise(): void {
    const withSwitch = this.accounts as readonly (StoredAccount & WithTlsSwitch)[];
    if (withSwitch.some(({ securesMedia }) => securesMedia !== undefined)) this.#write('accounts', withSwitch.map(withTlsChoice));
    const earlier = this.#file.get('account') as EarlierAccount | undefined;
    if (earlier === undefined) return;
    if (this.#file.get('accounts') === undefined) this.#write('accounts', [presentForm(earlier)]);
    this.#write('account', null);
  }

  /** The file was damaged or gone, and was replaced by its second copy. */
  get wasMended(): boolean {
    return this.#file.wasMended === true;
  }

  /** In the order in which they have first signed in. */
  get accounts(): readonly StoredAccount[] {
    return (this.#file.get('accounts') as StoredAccount[] | undefined) ?? [];
  }

  account(aor: string): StoredAccount | null {
    return this.accounts.find((account) => account.aor === aor) ?? null;
  }

  /** Keeps an account in the place of the one of its address, or as a further one. @throws AppError storage/* */
  keepAccount(account: StoredAccount): void {
    const { accounts } = this;
    const isKnown = accounts.some(({ aor }) => aor === account.aor);
    this.#write('accounts', isKnown ? accounts.map((one) => (one.aor === account.aor ? account : one)) : [...accounts, account]);
  }

  /** Forgets an account with its keys, and how it was registered. @throws AppError storage/* */
  forgetAccount(aor: string): void {
    this.#keep('ownKeys', aor, undefined);
    for (const name of Object.keys(this.#record('registrations')))
      if (name.endsWith(` ${aor}`)) this.#keep('registrations', name, undefined);
    this.#write(
      'accounts',
      this.accounts.filter((account) => account.aor !== aor),
    );
  }

  /** The account that was erased last, or must be: by which other device, and when. */
  get erasure(): Erasure | null {
    return (this.#file.get('erasure') as Erasure | undefined) ?? null;
  }

  set erasure(erasure: Erasure | null) {
    this.#write('erasure', erasure);
  }

  /** Addresses of blocked people. Invalid addresses, in a file edited by hand, are left out. */
  get blocked(): readonly string[] {
    const kept = this.#file.get('blocked');
    return Array.isArray(kept) ? kept.filter((each): each is string => typeof each === 'string').slice(0, MAX_BLOCKED) : [];
  }

  /** @throws AppError `ipc/refused` when there are too many */
  set blocked(addresses: readonly string[]) {
    if (addresses.length > MAX_BLOCKED) throw new AppError('ipc/refused', { cause: `no more than ${MAX_BLOCKED} people can be blocked` });
    this.#write('blocked', [...addresses]);
  }

  get preferences(): PreferencesValue {
    return this.#preferences;
  }

  set preferences(preferences: PreferencesValue) {
    this.#write('preferences', preferences);
    this.#preferences = preferences;
  }

  /**
   * Stores Call-ID and CSeq of one device's registration for one address. Another device, such as one created from a copied profile, starts
   * with new ones.
   */
  registrationState(instanceId: string, aor: string) {
    const name = `${instanceId} ${aor}`;
    return {
      load: (): { callId: string; cseq: number } | null => {
        const kept = this.#record<{ callId?: unknown; cseq?: unknown }>('registrations')[name];
        const { callId, cseq } = kept ?? {};
        return typeof callId === 'string' && typeof cseq === 'number' && Number.isSafeInteger(cseq) && cseq >= 0 ? { callId, cseq } : null;
      },
      save: (state: { callId: string; cseq: number }): void => this.#keep('registrations', name, state),
      /** Called after a failed sign-in: nothing is stored for an address without an account here. */
      forget: (): void => this.#keep('registrations', name, undefined),
    };
  }

  /** Stores the keys by which the own devices of one address share what they have, protected as a password is. */
  ownKeys(aor: string, secrets: SecretBox) {
    return {
      load: (): string | null => {
        const kept = this.#record('ownKeys')[aor];
        return typeof kept === 'string' ? secrets.reveal(kept) : null;
      },
      save: (text: string | null): void => this.#keep('ownKeys', aor, text === null ? undefined : secrets.protect(text)),
    };
  }

  /** Stores the highest sequence number of the SIM of one private identity. */
  simState(username: string) {
    return {
      load: (): number => {
        const sqn = this.#record('simNumbers')[username];
        return typeof sqn === 'number' && Number.isSafeInteger(sqn) && sqn >= 0 ? sqn : 0;
      },
      save: (sqn: number): void => this.#keep('simNumbers', username, sqn),
    };
  }

  #record<T>(key: string): Record<string, T | undefined> {
    return (this.#file.get(key) as Record<string, T | undefined> | undefined) ?? {};
  }

  /** @throws AppError storage/* */
  #keep(key: string, name: string, value: unknown): void {
    this.#write(key, { ...this.#record(key), [name]: value });
  }

  /** Durable when it returns; null deletes the value. @throws AppError storage/* */
  #write(key: string, value: unknown): void {
    try {
      if (value === null) this.#file.delete(key);
      else this.#file.set(key, value);
    } catch (error) {
      throw translateFileError(error, 'settings.json');
    }
  }

  /** Whether any registration of this profile has stored its Call-ID here. */
  get wasRegistered(): boolean {
    return Object.values(this.#record('registrations')).some((kept) => kept !== undefined);
  }

  /** The history's key, protected by the SecretBox. */
  get historyKey(): { protected: string; backend: string } | null {
    return (this.#file.get('historyKey') as { protected: string; backend: string } | undefined) ?? null;
  }

  set historyKey(value: { protected: string; backend: string }) {
    this.#write('historyKey', value);
  }
}

/** Opens a key-value file; a damaged or unreadable file or a full disk becomes an AppError. */
function openOrExplain(open: OpenKeyValueFile, name: string): KeyValueFile {
  try {
    return open(name);
  } catch (error) {
    throw translateFileError(error, `${name}.json`);
  }
}

/** Turns an error of the file system or the JSON parser into an AppError. */
export function translateFileError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const cause = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new AppError('storage/full', { cause }, 'user');
  if (error instanceof SyntaxError || code === 'EACCES' || code === 'EPERM' || code === 'EISDIR' || code === 'EROFS')
    return new AppError('storage/unreadable', { cause }, 'user');
  return new AppError('storage/failed', { cause }, 'user');
}

/** 32 random bytes in hexadecimal: the key for the history's encryption. */
export function newHistoryKey(): string {
  return randomBytes(32).toString('hex');
}

/**
 * The SecretBox of a client without a keychain: a random key in a file that only its owner may read (0600), and AES-256-GCM for each
 * secret. Anyone who can read the file can read the secrets, and the app says so.
 */
export function createFileSecretBox(keyFile: string): SecretBox {
  const { key, wasMended } = readOrMakeKey(keyFile);
  return { ...createAesSecretBox('file', key), wasMended };
}

function readOrMakeKey(keyFile: string): { key: Uint8Array; wasMended: boolean } {
  try {
    const wasMended = mendFile(keyFile, worthOfKey);
    if (existsSync(keyFile)) {
      const text = readFileSync(keyFile, 'utf8');
      const worth = worthOfKey(text);
      if (worth === 'damaged') throw new AppError('storage/unreadable', { cause: `${keyFile} does not hold a key` }, 'user');
      chmodSync(keyFile, 0o600);
      const key = Buffer.from(text.slice(0, keyDigits), 'hex');
      // An earlier version kept no checksum and no copy.
      if (worth === 'unchecked') {
        writeWhole(keyFile, keyText(key));
        changed(keyFile);
      }
      return { key, wasMended };
    }
    mkdirSync(dirname(keyFile), { recursive: true });
    const key = randomBytes(32);
    // wx: two first starts at once must not each believe in their own key.
    writeFileSync(keyFile, keyText(key), { mode: 0o600, flag: 'wx', flush: true });
    changed(keyFile);
    return { key, wasMended };
  } catch (error) {
    throw translateFileError(error, keyFile);
  }
}

const keyDigits = 64;

/** The key and, on the next line, its checksum. Earlier versions read the first line alone. */
function keyText(key: Uint8Array): string {
  const digits = Buffer.from(key).toString('hex');
  return `${digits}\n${shortHash(digits)}\n`;
}

function worthOfKey(text: string): Worth {
  const [digits = '', checksum = ''] = text.split('\n');
  if (!/^[0-9a-f]{64}$/.test(digits)) return 'damaged';
  if (checksum === '' && text.trim() === digits) return 'unchecked';
  return checksum === shortHash(digits) ? 'holds' : 'damaged';
}

const nonceBytes = 12;
const tagBytes = 16;

function createAesSecretBox(backend: string, key: Uint8Array): SecretBox {
  return {
    backend,
    protect(plain) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
    },
    reveal(stored) {
      try {
        const bytes = Buffer.from(stored, 'base64');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes));
        decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
        return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
      } catch (error) {
        throw new AppError(
          'storage/unreadable',
          { cause: `a stored secret: ${error instanceof Error ? error.message : String(error)}` },
          'user',
        );
      }
    },
  };
}

/** The key file of a profile without a keychain. */
export function secretKeyFile(dataDir: string): string {
  return join(dataDir, 'secret.key');
}
