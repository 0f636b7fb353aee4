/**
 * Files without which nothing of a profile can be read: the settings, with the history's key, and the key file. Each carries a checksum and has a
 * second copy, `NAME.copy`, so that a flipped bit or a file that is gone costs nothing.
 *
 *   main file   copy        what happens
 *   holds       any         it counts; the copy is made equal to it (it is written second, and may lag behind by one change)
 *   unchecked   any         it counts: an earlier version wrote it, or a person did, who leaves the checksum out
 *   damaged     holds       the copy takes its place, and that is told; the damaged file stays beside it as NAME.damaged-N
 *   gone        holds       the copy takes its place, and that is told
 *   damaged     no          it stays as it is: whoever reads it says what is wrong
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, copyFileSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../history/store/synced-names';

/** What the text of a file is worth. */
export type Worth = 'holds' | 'unchecked' | 'damaged';

const copyOf = (path: string): string => `${path}.copy`;

/** Brings main file and copy in order. True: the main file had to be replaced. @throws what the file system throws, of the main file alone */
export function mendFile(path: string, worthOf: (text: string) => Worth): boolean {
  const text = textOf(path);
  const copy = copyText(path);
  const worth = text === null ? null : worthOf(text);
  if (text !== null && worth === 'holds') {
    if (copy !== text) writeCopy(path, text);
    return false;
  }
  if (worth === 'unchecked' || copy === null || worthOf(copy) !== 'holds') return false;
  if (text !== null) keepDamaged(path);
  writeWhole(path, copy);
  return true;
}

/** After each change of the main file: its name outlives a power cut, then the copy is made equal. */
export function changed(path: string): void {
  syncFolder(dirname(path));
  const text = textOf(path);
  if (text !== null) writeCopy(path, text);
}

/** Appears under its name whole, and outlives a power cut. */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.draft`;
  // A draft of a process that was killed; the lock of the profile keeps out everybody else.
  rmSync(draft, { force: true });
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** The main file is on disk: that its copy could not be written is made good at the next change or start. */
function writeCopy(path: string, text: string): void {
  try {
    writeWhole(copyOf(path), text);
  } catch {
    // An unfinished draft is replaced by the next.
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function copyText(path: string): string | null {
  try {
    return readFileSync(copyOf(path), 'utf8');
  } catch {
    return null;
  }
}

function keepDamaged(path: string): void {
  for (let number = 1; ; number += 1) {
    const name = `${path}.damaged-${number}`;
    if (existsSync(name)) continue;
    copyFileSync(path, name, constants.COPYFILE_EXCL);
    return;
  }
}

/** Finds damage, not an attacker: whoever can write the file can write its checksum. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 32);
}
