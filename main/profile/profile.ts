/**
 * Opens one profile's folder: the lock first, then each part before the parts that depend on it.
 *
 *   profile.lock   one process a profile        settings.json   accounts, preferences, the history's key (protected); also as .copy
 *   identity.json  the instance ID              secret.key      where there is no keychain: protects secrets; also as .copy
 *   history.db     what was said, and what still has to leave; history.db-mark: how far it had come on the disk
 */
import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { type LogLoss, openHistory, type ProfileHistory } from '../history/history';
import { lockProfile } from '../history/store/lock';
import { markFile } from '../history/store/log-mark';
import { copiesOf } from '../history/store/migrations';
import { syncFolder } from '../history/store/synced-names';
import { type Identity, openIdentity } from './instance-id';
import { Rescue } from './rescue';
import { newHistoryKey, type OpenKeyValueFile, type SecretBox, Settings, translateFileError } from './settings';

export type { LogLoss };

/** The open parts of a profile. */
export interface Profile {
  lock: Disposable;
  settings: Settings;
  secrets: SecretBox;
  /**
   * Null while there is a `rescue`, and while the profile is a copied one whose history this system's keychain cannot open (`beginHistory`
   * then creates a new one).
   */
  history: ProfileHistory | null;
  /** The history that is damaged, to be read and set aside. */
  rescue: Rescue | null;
  identity: Identity;
}

export interface ProfileOptions {
  dataDir: string;
  open: OpenKeyValueFile;
  secrets: () => SecretBox;
  clock: Clock;
  log: Logger;
  /** The URN to use as instance ID at the very first start. */
  instanceUrn: string | null;
  /** Called when SQLite finds that the history is damaged, so that `rescueProfile` is due. Never called while the profile opens. */
  foundDamaged: (error: AppError) => void;
  /** The history had lost what was acknowledged. Called while it opens. */
  foundLost: (loss: LogLoss) => void;
  /** The built `history/read-thread.ts`; null: long reads run on this thread. */
  readScript: string | null;
}

/**
 * Opens a profile, or creates it at the first start. @throws AppError `profile/in-use`, `storage/*`, `identity/unreadable`; nothing stays
 * open
 */
export function openProfile(options: ProfileOptions): Profile {
  const { dataDir, open, secrets: openSecrets, clock, log, instanceUrn } = options;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw translateFileError(error, dataDir);
  }
  const file = historyFile(dataDir);
  const lock = lockProfile(dataDir);
  try {
    const settings = new Settings(open);
    const secrets = openSecrets();
    // The identity is made before the history, and before anything is registered.
    const isUsed = wasThere(settings) || existsSync(file);
    const expected = settings.accounts[0]?.instanceId ?? null;
    const identity = openIdentity({ open, dataDir, clock, log, secrets, expected, isUsed, given: instanceUrn });
    const { instanceId } = identity;
    // A new ID that was decided on, and a process that ended before every account had learnt of it.
    for (const account of settings.accounts) if (account.instanceId !== instanceId) settings.keepAccount({ ...account, instanceId });
    const key = historyKey(settings, secrets, file, identity.isCopied);
    if (key === null) return { lock, settings, secrets, history: null, rescue: null, identity };
    const profile: Profile = { lock, settings, secrets, history: null, rescue: null, identity };
    try {
      if (wasThere(settings) && isGone(file)) throw new AppError('storage/unreadable', { cause: 'history.db is gone' }, 'user');
      profile.history = openFor(file, key, options);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage/unreadable' || !isInReach(file)) throw error;
      profile.rescue = new Rescue({ file, key, log, error });
    }
    return profile;
  } catch (error) {
    lock.dispose();
    throw error;
  }
}

/**
 * Replaces the created ID by one of the hardware. R18: not allowed once the network has seen an ID of this device.
 * @throws AppError `account/bad-option`
 */
export function adoptInstance({ identity, settings }: Profile, instanceId: string): void {
  if (identity.instanceId === instanceId) return;
  if (settings.accounts.length > 0 || settings.wasRegistered)
    throw new AppError(
      'account/bad-option',
      { field: 'imei', reason: 'This device was registered with another ID, which never changes.' },
      'user',
    );
  identity.adopt(instanceId);
}

/** Closes a history that was found damaged in use, and opens its readable part. */
export function rescueProfile(profile: Profile, error: AppError, { dataDir, log }: Pick<ProfileOptions, 'dataDir' | 'log'>): Rescue {
  const stored = profile.settings.historyKey;
  if (stored === null) throw error;
  profile.history?.dispose();
  profile.history = null;
  profile.rescue = new Rescue({ file: historyFile(dataDir), key: profile.secrets.reveal(stored.protected), log, error });
  return profile.rescue;
}

/**
 * Begins a new history and keeps the unusable one, with all its files, under another name in the folder. After a rescue the old history
 * keeps its key, so it stays readable. One that came with a copied profile can only be read with its original keychain.
 * @throws AppError storage/*
 */
export function beginHistory(
  profile: Profile,
  options: Pick<ProfileOptions, 'dataDir' | 'clock' | 'log' | 'foundDamaged' | 'foundLost' | 'readScript'>,
): { history: ProfileHistory; keptAs: string } {
  const { settings, secrets, rescue } = profile;
  const stored = settings.historyKey;
  const file = historyFile(options.dataDir);
  const what = rescue === null ? 'history-of-another-device' : 'history-damaged';
  const aside = join(options.dataDir, `${what}-${options.clock.now()}.db`);
  const key = rescue !== null && stored !== null ? secrets.reveal(stored.protected) : newKey(settings, secrets);
  rescue?.dispose();
  try {
    const parts = [...copiesOf(file), `${file}-wal`, `${file}-shm`, markFile(file), file];
    for (const part of parts) if (existsSync(part)) renameSync(part, aside + part.slice(file.length));
    syncFolder(options.dataDir);
  } catch (error) {
    throw translateFileError(error, file);
  }
  profile.history = openFor(file, key, options);
  profile.rescue = null;
  return { history: profile.history, keptAs: aside };
}

/** An empty history with a key of its own, where the files of the one before are gone. */
export function newHistory(profile: Profile, options: Parameters<typeof openFor>[2] & Pick<ProfileOptions, 'dataDir'>): ProfileHistory {
  return openFor(historyFile(options.dataDir), newKey(profile.settings, profile.secrets), options);
}

/** Damage found while the history opens is thrown; later damage goes to `foundDamaged`. */
function openFor(
  file: string,
  key: string,
  { clock, log, foundDamaged, foundLost, readScript }: Pick<ProfileOptions, 'clock' | 'log' | 'foundDamaged' | 'foundLost' | 'readScript'>,
): ProfileHistory {
  let isOpen = false;
  const thread = readScript === null ? undefined : { script: readScript, clock };
  const found = { foundLost, foundDamaged: (error: AppError) => (isOpen ? foundDamaged(error) : undefined) };
  const history = openHistory({ file, key, log, thread, clock, ...found });
  isOpen = true;
  return history;
}

/** Whether this profile has used a network before; it must then have a history. */
function wasThere(settings: Settings): boolean {
  return settings.accounts.length > 0 || settings.wasRegistered;
}

/** An empty file counts as missing: SQLite would silently create a new history in it. */
function isGone(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

/** False when only permissions are missing or a folder has the file's name: the person can repair that, and nothing may be set aside. */
function isInReach(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return true;
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return found.isFile();
  } catch {
    return false;
  }
}

function historyFile(dataDir: string): string {
  return join(dataDir, 'history.db');
}

/**
 * The history's key, created at the first start and protected like a password. It is never created for an existing history. Null when it
 * cannot be read because the profile is a copied one.
 */
function historyKey(settings: Settings, secrets: SecretBox, historyFile: string, isCopied: boolean): string | null {
  const stored = settings.historyKey;
  if (stored !== null) {
    try {
      return secrets.reveal(stored.protected);
    } catch (error) {
      if (isCopied && error instanceof AppError && error.code === 'storage/unreadable') return null;
      throw error;
    }
  }
  if (existsSync(historyFile))
    throw new AppError('storage/unreadable', { cause: `settings.json: the key of ${historyFile} is gone` }, 'user');
  return newKey(settings, secrets);
}

function newKey(settings: Settings, secrets: SecretBox): string {
  const key = newHistoryKey();
  settings.historyKey = { protected: secrets.protect(key), backend: secrets.backend };
  return key;
}
