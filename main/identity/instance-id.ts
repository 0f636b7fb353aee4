/**
 * The instance ID: the URN that names this installation to the network, `+sip.instance` (RFC 5626 section 4.1).
 *
 * It is made once, written durably before the first REGISTER, and the same ever after (R18): no upgrade, rename, sign-out or change of address
 * makes a new one. A file that cannot be read stops registration and is shown; it is never silently replaced.
 */
import { createHash } from 'node:crypto';
import * as machineIdModule from 'node-machine-id';
import type { Clock, Logger } from '../base';
import { AppError } from '../errors';
import { parseInstance, uuidUrn } from '../protocol/instance-urn';
import { type KeyValueFile, type OpenKeyValueFile, translateFileError } from '../settings';

/** What lies in `identity.json`. */
interface StoredIdentity {
  instanceId: string;
  createdAt: number;
  /** Hash of this machine and this folder, so that a copied profile can be told from a moved one. */
  boundTo: string;
}

export interface InstanceIdOptions {
  open: OpenKeyValueFile;
  dataDir: string;
  clock: Clock;
  log: Logger;
  /** The ID that the stored account registered with, if there is one: then a missing file is a loss, not a first start. */
  expected: string | null;
  /** A URN to use at the very first start instead of a new UUID URN: an IMEI URN (R16). */
  given: string | null;
}

/**
 * Reads this profile's instance ID, or makes it at the very first start.
 * @throws AppError `identity/unreadable`, `storage/full`, `storage/failed`
 */
export function loadInstanceId(options: InstanceIdOptions): string {
  const file = openIdentityFile(options.open);
  const stored = file.get('identity') as Partial<StoredIdentity> | undefined;
  if (stored !== undefined) {
    const instanceId = typeof stored.instanceId === 'string' ? parseInstance(stored.instanceId) : null;
    if (instanceId === null) throw unreadable(file.path, 'it holds no instance ID');
    if (options.expected !== null && instanceId !== options.expected)
      throw unreadable(file.path, 'it names another device than the account');
    return instanceId;
  }
  if (options.expected !== null) throw unreadable(file.path, 'it is gone');
  const identity: StoredIdentity = {
    instanceId: options.given ?? uuidUrn(options.clock.uuid()),
    createdAt: options.clock.now(),
    boundTo: machineBinding(options.dataDir, options.log),
  };
  try {
    file.set('identity', identity);
  } catch (error) {
    throw translateFileError(error, file.path);
  }
  return identity.instanceId;
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

/** A hash of the machine's ID and the profile's folder: it tells a copy from the original and says nothing about either. */
function machineBinding(dataDir: string, log: Logger): string {
  let machine = 'unknown';
  try {
    machine = machineIdSync();
  } catch (error) {
    // A bare container may have no /etc/machine-id, on which the library throws.
    log.warn('this machine has no machine ID; a copied profile is told by its folder alone', { error: String(error) });
  }
  return createHash('sha256').update(`${machine}\n${dataDir}`).digest('hex');
}
