/**
 * Finds out, before the history opens, whether its write-ahead log has lost commits that were acknowledged (log-mark.ts), and saves what it can.
 *
 * SQLite gives up everything behind the first frame whose checksum is wrong. The frames behind it are mostly whole, and most pages of the damaged
 * one are written again by a later frame. So a copy of the database is opened with a log whose checksums were computed again. It takes the
 * place of the database only if SQLite finds it sound and it has come further; a message that was hit is then shown as damaged, by its seal.
 * The log as it was found is kept beside the history.
 *
 * A log is a header of 32 bytes and frames of 24 bytes and a page each; all numbers are big-endian: https://www.sqlite.org/fileformat2.html#walformat
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Logger } from '../../../base/log';
import { type Progress, progressOf, readMark } from './log-mark';
import { openDatabase } from './open-file';
import { syncFolder } from './synced-names';

const headerBytes = 32;
const frameHeaderBytes = 24;
const logFormat = 3_007_000;
/** The lowest bit says in which order of bytes the checksums are computed. */
const magic = 0x377f0682;

/** What a history has lost that had been acknowledged. */
export interface LogLoss {
  /** Changes of any kind: messages, receipts, states. */
  commits: number;
  /** Messages, at most. */
  messages: number;
  /** Commits that the damaged log was made to give back. */
  saved: number;
  /** The damaged log; null where there was none. */
  keptAs: string | null;
}

/** Null where nothing is lost, or nothing is known of it. Never throws: a history that cannot be opened says so itself. `key` is hex. */
export function checkLog({ file, key, log }: { file: string; key: string; log: Logger }): LogLoss | null {
  try {
    const promised = readMark(file, key);
    if (promised === null) return null;
    const { found, keptAs } = look(file, key, promised);
    if (found.commits >= promised.commits) return null;
    const now = (keptAs === null ? null : salvage({ file, key, log, keptAs, found })) ?? found;
    const loss = {
      commits: Math.max(0, promised.commits - now.commits),
      messages: Math.max(0, promised.messages - now.messages),
      saved: now.commits - found.commits,
      keptAs,
    };
    log.error('the write-ahead log of the history had lost what was acknowledged', { ...loss, file: basename(file) });
    return loss;
  } catch (error) {
    log.warn('the log of the history cannot be compared with its mark', { error: String(error) });
    return null;
  }
}

/** The log is copied before the database is closed, which folds in what can be read and removes it. */
function look(file: string, key: string, promised: Progress): { found: Progress; keptAs: string | null } {
  if (!existsSync(file)) return { found: { commits: 0, messages: 0 }, keptAs: null };
  // Opening makes an empty one.
  const hasLog = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > headerBytes;
  const database = openDatabase(file, key);
  try {
    const found = progressOf(database);
    const isLost = found.commits < promised.commits;
    return { found, keptAs: isLost && hasLog ? keep(`${file}-wal`, promised.commits) : null };
  } finally {
    database.close();
  }
}

function keep(wal: string, commits: number): string {
  for (let attempt = 1; ; attempt += 1) {
    const name = `${wal}.damaged-${commits}${attempt === 1 ? '' : `-${attempt}`}`;
    try {
      copyFileSync(wal, name, constants.COPYFILE_EXCL);
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

interface Salvage {
  file: string;
  key: string;
  log: Logger;
  keptAs: string;
  /** How far the history has come without it. */
  found: Progress;
}

/** How far the history has come with the mended log; null where that is no further, and the history is then as it was. */
function salvage({ file, key, log, keptAs, found }: Salvage): Progress | null {
  const draft = `${file}.mended`;
  const remove = () => {
    for (const end of ['', '-wal', '-shm']) rmSync(draft + end, { force: true });
  };
  try {
    remove();
    const mended = mendedLog(readFileSync(keptAs), pageSizeOf(file, key));
    if (mended === null) return null;
    copyFileSync(file, draft, constants.COPYFILE_EXCL);
    writeFileSync(`${draft}-wal`, mended, { mode: 0o600, flag: 'wx' });
    const reached = foldIn(draft, key);
    if (reached === null || reached.commits <= found.commits) return null;
    syncFile(draft);
    renameSync(draft, file);
    syncFolder(dirname(file));
    return reached;
  } catch (error) {
    log.warn('nothing can be read behind the damage in the log', { error: String(error) });
    return null;
  } finally {
    remove();
  }
}

/** Brings the log of a copy into it. Null where SQLite finds it unsound. */
function foldIn(copy: string, key: string): Progress | null {
  const database = openDatabase(copy, key);
  try {
    const [check] = database.prepare('PRAGMA integrity_check(1)').all() as { integrity_check: string }[];
    if (check?.integrity_check !== 'ok') return null;
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return progressOf(database);
  } finally {
    database.close();
  }
}

function pageSizeOf(file: string, key: string): number {
  const database = openDatabase(file, key);
  try {
    const [row] = database.prepare('SELECT page_size FROM pragma_page_size').all() as { page_size: number }[];
    return row?.page_size ?? 0;
  } finally {
    database.close();
  }
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The log with the checksums that its frames have now, as far as they belong to it. Null where it has none. */
export function mendedLog(found: Buffer, pageSize: number): Buffer | null {
  const frameBytes = frameHeaderBytes + pageSize;
  const frames = Math.floor((found.length - headerBytes) / frameBytes);
  if (pageSize === 0 || frames < 1) return null;
  const log = Buffer.from(found.subarray(0, headerBytes + frames * frameBytes));
  const saltAt = (frame: number) => log.subarray(headerBytes + frame * frameBytes + 8, headerBytes + frame * frameBytes + 16);
  const salt = Buffer.from(headerHolds(log) ? log.subarray(16, 24) : saltAt(0));
  const isOurs = (frame: number) => frame < frames && saltAt(frame).equals(salt);

  const isBigEndian = headerHolds(log) && (log.readUInt32BE(0) & 1) === 1;
  log.writeUInt32BE(isBigEndian ? magic + 1 : magic, 0);
  log.writeUInt32BE(logFormat, 4);
  log.writeUInt32BE(pageSize, 8);
  salt.copy(log, 16);
  let sum: Sum = checksum(log.subarray(0, 24), [0, 0], isBigEndian);
  writeSum(log, 24, sum);

  let frame = 0;
  // A frame whose own salt was hit lies before one that is ours. Older frames, of before the log was begun again, have another.
  for (; isOurs(frame) || isOurs(frame + 1); frame += 1) {
    const start = headerBytes + frame * frameBytes;
    salt.copy(log, start + 8);
    sum = checksum(log.subarray(start, start + 8), sum, isBigEndian);
    sum = checksum(log.subarray(start + frameHeaderBytes, start + frameBytes), sum, isBigEndian);
    writeSum(log, start + 16, sum);
  }
  return frame === 0 ? null : log.subarray(0, headerBytes + frame * frameBytes);
}

type Sum = readonly [number, number];

function headerHolds(log: Buffer): boolean {
  const first = log.readUInt32BE(0);
  if ((first & ~1) >>> 0 !== magic) return false;
  const [one, other] = checksum(log.subarray(0, 24), [0, 0], (first & 1) === 1);
  return log.readUInt32BE(24) === one && log.readUInt32BE(28) === other;
}

/** Two running sums modulo 2^32, over pairs of 32-bit words. */
function checksum(bytes: Buffer, [first, second]: Sum, isBigEndian: boolean): Sum {
  let one = first;
  let other = second;
  for (let at = 0; at < bytes.length; at += 8) {
    const word = (place: number) => (isBigEndian ? bytes.readUInt32BE(place) : bytes.readUInt32LE(place));
    one = (one + word(at) + other) >>> 0;
    other = (other + word(at + 4) + one) >>> 0;
  }
  return [one, other];
}

function writeSum(log: Buffer, at: number, [one, other]: Sum): void {
  log.writeUInt32BE(one, at);
  log.writeUInt32BE(other, at + 4);
}
