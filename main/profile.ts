/**
 * One profile's folder, opened: the lock first, then what is needed to read the rest, each before what stands on it.
 *
 *   profile.lock   one process a profile        settings.json  account, preferences, the history's key (protected)
 *   identity.json  the instance ID              history.db     what was said, and what still has to leave
 */
import { existsSync, mkdirSync } from 'node:fs';
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
  history: History;
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
  const lock = lockProfile(dataDir);
  try {
    const settings = new Settings(open);
    const secrets = openSecrets();
    const { account } = settings;
    const identity = openIdentity({ open, dataDir, clock, log, expected: account?.instanceId ?? null, given: instanceUrn });
    // A new ID that was decided on, and a process that ended before the account had learnt of it.
    if (account !== null && account.instanceId !== identity.instanceId) settings.account = { ...account, instanceId: identity.instanceId };
    const file = join(dataDir, 'history.db');
    const history = openHistory({ file, key: historyKey(settings, secrets, file), log });
    return { lock, settings, secrets, history, identity };
  } catch (error) {
    lock.dispose();
    throw error;
  }
}

/** The history's key: made at the first start and protected like a password. Never made for a history that is already there. */
function historyKey(settings: Settings, secrets: SecretBox, historyFile: string): string {
  const stored = settings.historyKey;
  if (stored !== null) return secrets.reveal(stored.protected);
  if (existsSync(historyFile))
    throw new AppError('storage/unreadable', { cause: `settings.json: the key of ${historyFile} is gone` }, 'user');
  const key = newHistoryKey();
  try {
    settings.historyKey = { protected: secrets.protect(key), backend: secrets.backend };
  } catch (error) {
    throw translateFileError(error, 'settings.json');
  }
  return key;
}
