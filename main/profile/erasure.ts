/**
 * Erases an account from this device: its chats, its keys, its settings. The instance ID stays, for this is the same device. What shall be erased is
 * written down first, so that a process that ends in the middle goes on at the next start.
 *
 * The last account takes the whole history with it: every file of it, and the key that opened it. Of several, one takes its rows alone, and the file is
 * written again without them.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { REMOVED } from '../devices/pairing/keyring';
import { syncFolder } from '../history/store/synced-names';
import { newHistory, type Profile, type ProfileOptions } from './profile';
import { translateFileError } from './settings';

/** The files of a history, of its copies, and whatever was set aside as damaged: settings among it, with protected secrets. */
const ERASED = /^history[.-]|\.damaged-\d+$/;

/** Begins a history as `openProfile` does. */
type Begin = Pick<ProfileOptions, 'dataDir' | 'clock' | 'log' | 'foundDamaged' | 'foundLost' | 'readScript'>;

/** Nothing may use the history meanwhile. @throws AppError storage/* */
export async function eraseAccount(profile: Profile, aor: string, others: readonly string[], options: Begin): Promise<void> {
  const { settings } = profile;
  if (others.length > 0) profile.history?.forget(aor);
  else {
    await profile.history?.close();
    profile.history = null;
    eraseFiles(options.dataDir);
    profile.history = newHistory(profile, options);
  }
  const keys = settings.ownKeys(aor, profile.secrets);
  const wasRemoved = keys.load() === REMOVED;
  settings.forgetAccount(aor);
  if (wasRemoved) keys.save(REMOVED);
}

function eraseFiles(dataDir: string): void {
  try {
    for (const name of readdirSync(dataDir)) if (ERASED.test(name)) rmSync(join(dataDir, name), { force: true });
    syncFolder(dataDir);
  } catch (error) {
    throw translateFileError(error, dataDir);
  }
}
