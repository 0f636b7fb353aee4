/**
 * The instance ID: the URN that names this installation to the network, `+sip.instance` (RFC 5626 section 4.1).
 *
 * It is made once, written durably before the first REGISTER, and the same ever after (R18): no upgrade, rename, sign-out or change of address
 * makes a new one. A file that cannot be read stops registration and is shown; it is never silently replaced.
 *
 * The file also says where the ID was made: on which machine, in which folder, and, where the system has a keychain, with something that
 * this keychain alone can read, since a copied machine has the same name and folders. A profile found elsewhere was moved or copied, and only
 * the person knows which: two devices with one ID would take each other's registration and messages. Nothing may register while `isCopied`.
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

/** What lies in `identity.json`. */
interface StoredIdentity {
  instanceId: string;
  createdAt: number;
  /** Hash of this machine and this folder, so that a profile found elsewhere is noticed. */
  boundTo: string;
  /** What the keychain named `by` made of a random word: another keychain of that name cannot read it. */
  seal?: { by: string; text: string };
  /** The ID that this profile had as a copy of another device's. The account's settings may still name it after a crash in between. */
  copyOf?: string;
}

export interface IdentityOptions {
  open: OpenKeyValueFile;
  dataDir: string;
  clock: Clock;
  log: Logger;
  /** The ID that the stored account registered with, if there is one: then a missing file is a loss, not a first start. */
  expected: string | null;
  /** This profile has been used before, with an account or without: then, too, a missing file is a loss. */
  isUsed?: boolean;
  /** A URN to use at the very first start instead of a new UUID URN: an IMEI URN (R16). */
  given: string | null;
  /** Where secrets are kept; only a keychain seals, a file is copied with the rest. */
  secrets?: SecretBox;
  /** The machine's own ID; absent: what the operating system says. */
  machineId?: () => string;
}

export interface Identity {
  readonly instanceId: string;
  /** True while nobody has said whether this profile was moved here or copied. */
  readonly isCopied: boolean;
  /** It was moved: the same device, from now on here. @throws AppError storage/* */
  keep(): void;
  /** The URN of this device's hardware is known after all. Only before the network has ever had the ID. @throws AppError storage/* */
  adopt(instanceId: string): void;
  /** It is another device: a new ID, on disk before this returns. @throws AppError storage/* */
  renew(): void;
}

/**
 * Reads this profile's instance ID, or makes it at the very first start.
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
  /** This place as it really is, and as it was named: earlier versions took the name alone. */
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

  /** Bound to this system's keychain, or there is none to bind it to. */
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
    // The hardware that an IMEI names is the other device's: a copy is always a UUID (R17).
    const instanceId = uuidUrn(clock.uuid());
    this.#write(this.#bound({ instanceId, createdAt: clock.now(), boundTo: '', copyOf: this.#stored.instanceId }));
  }

  /** A keychain of the same name that cannot read the seal is another one. A keychain that is gone says nothing: it may come back. */
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
    // A bare container may have no /etc/machine-id, on which the library throws.
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

/** Under Node the CommonJS module is the default export; in our bundle its names stand on the module itself. */
const { machineIdSync } = 'default' in machineIdModule ? (machineIdModule.default as typeof machineIdModule) : machineIdModule;

let ofThisMachine: string | null = null;
/** It starts a process to find out, and the answer stays the same. */
function machineIdOnce(): string {
  ofThisMachine ??= machineIdSync();
  return ofThisMachine;
}
