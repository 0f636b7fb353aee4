/**
 * The instance ID: the URN that names this installation to the network, `+sip.instance` (RFC 5626 section 4.1).
 *
 * It is created once, stored durably before the first REGISTER, and never changes (R18): no upgrade, rename, sign-out or change of address
 * creates a new one. An unreadable file stops registration and is reported; it is never silently replaced.
 *
 * The file also records where the ID was created: the machine, the folder and, if the system has a keychain, a seal that only this keychain
 * can read, because a cloned machine has the same name and folders. A profile found elsewhere was moved or copied, and only the person knows
 * which: two devices with one ID would take over each other's registration and messages. Nothing may register while `isCopied`.
 *
 *   [unborn] --first start--> [settled] (adopt() before the first registration)
 *                             [settled] --found elsewhere--> [copied] --keep()---> [settled], same ID
 *                                                                \------renew()--> [settled], new ID
 */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import * as machineIdModule from 'node-machine-id';
import type { Clock } from '../../base/clock';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { parseInstance, uuidUrn } from '../../protocol/instance-urn';
import { type KeyValueFile, type OpenKeyValueFile, type SecretBox, translateFileError } from './settings';

/** The content of `identity.json`. */
interface StoredIdentity {
  instanceId: string;
  createdAt: number;
  /** The hash of this machine and this folder; it tells when the profile was moved or copied. */
  boundTo: string;
  /** A random word encrypted by the keychain named `by`: another keychain of that name cannot read it. */
  seal?: { by: string; text: string };
  /** The ID of the device that this profile was copied from. After a crash the account's settings may still contain it. */
  copyOf?: string;
}

export interface IdentityOptions {
  open: OpenKeyValueFile;
  dataDir: string;
  clock: Clock;
  log: Logger;
  /** The ID that the stored account registered with, if any: a missing file is then a loss, not a first start. */
  expected: string | null;
  /** This profile has been used before, with an account or without: then, too, a missing file is a loss. */
  isUsed?: boolean;
  /** A URN to use at the very first start instead of a new UUID URN: an IMEI URN (R16). */
  given: string | null;
  /** Stores secrets. Only a keychain can seal the file; a key file would be copied with the rest. */
  secrets?: SecretBox;
  /** The machine's own ID; when absent, the operating system's. */
  machineId?: () => string;
}

export interface Identity {
  readonly instanceId: string;
  /** True until the person tells whether this profile was moved here or copied. */
  readonly isCopied: boolean;
  /** The profile was moved: it stays the same device, which now belongs here. @throws AppError storage/* */
  keep(): void;
  /** Replaces the ID by the URN of this device's hardware. Only before the network has ever seen the ID. @throws AppError storage/* */
  adopt(instanceId: string): void;
  /** The profile is another device: creates a new ID, which is on disk before this returns. @throws AppError storage/* */
  renew(): void;
}

/**
 * Reads this profile's instance ID, or creates it at the very first start.
 * @throws AppError `identity/unreadable`, `storage/full`, `storage/failed`
 */
export function openIdentity(options: IdentityOptions): Identity {
  const file = openIdentityFile(options.open);
  const stored = file.get('identity') as Partial<StoredIdentity> | undefined;
  if (stored !== undefined) {
    const known = new IdentityFile(options, file, readIdentity(stored, file.path, options.expected));
    if (!known.isCopied && !known.isSealed) known.keep();
    return known;
  }
  if (options.expected !== null || options.isUsed === true) throw unreadable(file.path, 'it is gone');
  const identity = new IdentityFile(options, file, {
    instanceId: options.given ?? uuidUrn(options.clock.uuid()),
    createdAt: options.clock.now(),
    boundTo: '',
  });
  identity.keep();
  return identity;
}

function readIdentity(stored: Partial<StoredIdentity>, path: string, expected: string | null): StoredIdentity {
  const instanceId = typeof stored.instanceId === 'string' ? parseInstance(stored.instanceId) : null;
  if (instanceId === null) throw unreadable(path, 'it holds no instance ID');
  if (expected !== null && instanceId !== expected && stored.copyOf !== expected)
    throw unreadable(path, 'it names another device than the account');
  const { createdAt = 0, boundTo = '', copyOf, seal } = stored;
  const sealed = typeof seal?.by === 'string' && typeof seal.text === 'string' ? { seal: { by: seal.by, text: seal.text } } : {};
  return { instanceId, createdAt, boundTo, ...sealed, ...(copyOf === undefined ? {} : { copyOf }) };
}

class IdentityFile implements Identity {
  readonly #options: IdentityOptions;
  readonly #file: KeyValueFile;
  /** This machine and folder, with the folder's real path and with the path given: earlier versions used only the latter. */
  readonly #places: readonly string[];
  #stored: StoredIdentity;

  constructor(options: IdentityOptions, file: KeyValueFile, stored: StoredIdentity) {
    this.#options = options;
    this.#file = file;
    this.#places = placesOf(options);
    this.#stored = stored;
  }

  get instanceId(): string {
    return this.#stored.instanceId;
  }

  get isCopied(): boolean {
    return !this.#places.includes(this.#stored.boundTo) || this.#isSealedElsewhere;
  }

  /** True when the file is sealed by this system's keychain, or when there is no keychain. */
  get isSealed(): boolean {
    const { secrets } = this.#options;
    return secrets === undefined || secrets.backend === 'file' || this.#stored.seal?.by === secrets.backend;
  }

  keep(): void {
    this.#write(this.#bound(this.#stored));
  }

  adopt(instanceId: string): void {
    if (instanceId !== this.#stored.instanceId) this.#write({ ...this.#stored, instanceId });
  }

  renew(): void {
    const { clock } = this.#options;
    // An IMEI names the other device's hardware, so a copy always gets a UUID (R17).
    const instanceId = uuidUrn(clock.uuid());
    this.#write(this.#bound({ instanceId, createdAt: clock.now(), boundTo: '', copyOf: this.#stored.instanceId }));
  }

  /** A keychain of the same name that cannot read the seal is another one. A missing keychain proves nothing, because it may come back. */
  get #isSealedElsewhere(): boolean {
    const { secrets, log } = this.#options;
    const { seal } = this.#stored;
    if (seal === undefined || secrets === undefined || seal.by !== secrets.backend) return false;
    try {
      secrets.reveal(seal.text);
      return false;
    } catch (error) {
      log.info('the keychain of this system is not the one that the profile was made with', { error: String(error) });
      return true;
    }
  }

  #bound(identity: StoredIdentity): StoredIdentity {
    const { secrets, clock } = this.#options;
    const { seal: _, ...unsealed } = identity;
    const seal =
      secrets === undefined || secrets.backend === 'file' ? {} : { seal: { by: secrets.backend, text: secrets.protect(clock.uuid()) } };
    return { ...unsealed, boundTo: this.#places[0] ?? '', ...seal };
  }

  #write(identity: StoredIdentity): void {
    try {
      this.#file.set('identity', identity);
    } catch (error) {
      throw translateFileError(error, this.#file.path);
    }
    this.#stored = identity;
  }
}

function placesOf({ dataDir, log, machineId = machineIdOnce }: IdentityOptions): string[] {
  let machine = 'unknown';
  try {
    machine = machineId();
  } catch (error) {
    // A bare container may have no /etc/machine-id; the library then throws.
    log.warn('this machine has no machine ID; a copied profile is told by its folder alone', { error: String(error) });
  }
  let folder = dataDir;
  try {
    folder = realpathSync(dataDir);
  } catch (error) {
    log.debug('the folder of the profile has no other name', { error: String(error) });
  }
  return [folder, dataDir].map((name) => createHash('sha256').update(`${machine}\n${name}`).digest('hex'));
}

function openIdentityFile(open: OpenKeyValueFile): KeyValueFile {
  try {
    return open('identity');
  } catch (error) {
    const translated = translateFileError(error, 'identity.json');
    throw translated.code === 'storage/unreadable' ? new AppError('identity/unreadable', translated.detail, 'user') : translated;
  }
}

function unreadable(path: string, why: string): AppError {
  return new AppError('identity/unreadable', { cause: `${path}: ${why}` }, 'user');
}

/** In Node the CommonJS module is the default export; in our bundle its names are on the module itself. */
const { machineIdSync } = 'default' in machineIdModule ? (machineIdModule.default as typeof machineIdModule) : machineIdModule;

let ofThisMachine: string | null = null;
/** Called once, because it starts a process and its answer never changes. */
function machineIdOnce(): string {
  ofThisMachine ??= machineIdSync();
  return ofThisMachine;
}
