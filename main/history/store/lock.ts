/**
 * One process a profile. Two that wrote into one folder would each make a key and an identity, and the loser's history could never be read.
 *
 * The lock is SQLite's own on an empty database: the operating system releases it however the process ends, so there is nothing stale to mend.
 */
import { join } from 'node:path';
import Libsql from 'libsql';
import type { Disposable } from '../../../base/disposable';
import { disposable } from '../../../base/disposable';
import { AppError } from '../../../preload/contract/errors';

/**
 * Holds the profile until disposed.
 * @throws AppError `profile/in-use`, `storage/full`, `storage/unreadable`
 */
export function lockProfile(dataDir: string): Disposable {
  const file = join(dataDir, 'profile.lock');
  let database: Libsql.Database | null = null;
  try {
    database = new Libsql(file, { timeout: 0 });
    database.exec('PRAGMA busy_timeout = 0');
    database.exec('PRAGMA journal_mode = DELETE');
    database.exec('BEGIN EXCLUSIVE');
    const held = database;
    return disposable(() => held.close());
  } catch (error) {
    database?.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const cause = `${file}: ${code} ${error instanceof Error ? error.message : String(error)}`;
    if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) throw new AppError('profile/in-use', { cause }, 'user');
    if (code.startsWith('SQLITE_FULL')) throw new AppError('storage/full', { cause }, 'user');
    throw new AppError('storage/unreadable', { cause }, 'user');
  }
}
