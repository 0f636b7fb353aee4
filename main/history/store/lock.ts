/**
 * One process a profile. Two that wrote into one folder would each make a key and an identity, and the loser's history could never be read.
 *
 * The lock is SQLite's own on an empty database: the operating system releases it however the process ends, so there is nothing stale to mend.
 */
import { accessSync, constants, statSync } from 'node:fs';
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
    throw new AppError('storage/unreadable', { cause: `${troubleOf(dataDir, file, code)} (${cause})` }, 'user');
  }
}

/** Why the lock cannot be had, and what helps. */
function troubleOf(folder: string, file: string, code: string): string {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return `the folder ${folder} is not there or cannot be written; its owner must be able to read and write it`;
  }
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() === false) return `${file} is no file; move it away and start again`;
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) return `${file} is damaged; it holds nothing: delete it and start again`;
  return `${file} cannot be opened; its owner must be able to read and write it`;
}
