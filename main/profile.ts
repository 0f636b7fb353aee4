/**
 * One profile's folder, opened: the lock first, then what is needed to read the rest, each before what stands on it.
 *
 *   profile.lock   one process a profile        settings.json  account, preferences, the history's key (protected)
 *   identity.json  the instance ID              history.db     what was said, and what still has to leave
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Disposable, Logger } from './base';
import { AppError } from './errors';
import { type History, openHistory } from './history/history';
import { lockProfile } from './history/profile-lock';
import { type Identity, openIdentity } from './identity/instance-id';
import { newHistoryKey, type OpenKeyValueFile, type SecretBox, Settings, translateFileError } from './settings';

/** What is open once the profile could be read. */
export interface Profile {
  lock: Disposable;
  settings: Settings;
  secrets: SecretBox;
  /** Null while the profile is a copied one whose history this system's keychain cannot open: `beginHistory` makes a new one. */
  history: History | null;
  identity: Identity;
}

export interface ProfileOptions {
  dataDir: string;
  open: OpenKeyValueFile;
  secrets: () => SecretBox;
  clock: Clock;
  log: Logger;
  /** A URN to use as instance ID at the very first start. */
  instanceUrn: string | null;
}

/** Opens a profile, making it at the first start. @throws AppError `profile/in-use`, `storage/*`, `identity/unreadable`; nothing stays open */
export function openProfile({ dataDir, open, secrets: openSecrets, clock, log, instanceUrn }: ProfileOptions): Profile {
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
    const { account } = settings;
    const identity = openIdentity({ open, dataDir, clock, log, secrets, expected: account?.instanceId ?? null, given: instanceUrn });
    // A new ID that was decided on, and a process that ended before the account had learnt of it.
    if (account !== null && account.instanceId !== identity.instanceId) settings.account = { ...account, instanceId: identity.instanceId };
    const key = historyKey(settings, secrets, file, identity.isCopied);
    const history = key === null ? null : openHistory({ file, key, log });
    return { lock, settings, secrets, history, identity };
  } catch (error) {
    lock.dispose();
    throw error;
  }
}

/**
 * Begins a new history where the one that came along with a copied profile cannot be opened here. That one stays in the folder, under another
 * name: who still has its keychain can read it there. @throws AppError storage/*
 */
export function beginHistory(
  { settings, secrets }: Profile,
  { dataDir, clock, log }: Pick<ProfileOptions, 'dataDir' | 'clock' | 'log'>,
): History {
  const file = historyFile(dataDir);
  const aside = join(dataDir, `history-of-another-device-${clock.now()}.db`);
  try {
    for (const end of ['', '-wal', '-shm']) if (existsSync(file + end)) renameSync(file + end, aside + end);
  } catch (error) {
    throw translateFileError(error, file);
  }
  return openHistory({ file, key: newKey(settings, secrets), log });
}

function historyFile(dataDir: string): string {
  return join(dataDir, 'history.db');
}

/**
 * The history's key: made at the first start and protected like a password. Never made for a history that is already there. Null where it
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
  try {
    settings.historyKey = { protected: secrets.protect(key), backend: secrets.backend };
  } catch (error) {
    throw translateFileError(error, 'settings.json');
  }
  return key;
}
