/** The one place where SQLite's and the file system's errors become ours. */
import { statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { AppError } from '../../../preload/contract/errors';

/** A damaged index for search (SQLITE_CORRUPT_VTAB) is no damage to what was said. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CORRUPT(?!_VTAB)|NOTADB)/.test(code);
}

export function translate(error: unknown, file: string): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const cause = `${basename(file)}: ${error instanceof Error ? `${code} ${error.message}`.trim() : String(error)}`;
  const full = /^(SQLITE_FULL|ENOSPC|EDQUOT)/.test(code) || (code.startsWith('SQLITE_IOERR') && !hasRoom(file));
  if (full) return new AppError('storage/full', { cause }, 'user');
  const unreadable = /^(SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|PERM|AUTH|FORMAT)|EACCES|EPERM|EROFS|EISDIR|ENOTDIR|ENOENT)/.test(code);
  // The driver gives no code when it cannot open; JSON that does not parse is a column that was damaged.
  const damaged = (code === '' && cause.includes('ConnectionFailed')) || error instanceof SyntaxError;
  if (unreadable || damaged) return new AppError('storage/unreadable', { cause }, 'user');
  return new AppError('storage/failed', { cause }, 'auto');
}

/** A write into the memory-mapped -shm file reports a full disk only as an I/O error. */
function hasRoom(file: string): boolean {
  try {
    return statfsSync(dirname(file)).bavail > 0;
  } catch {
    return true; // unknown; the original error then speaks for itself
  }
}
