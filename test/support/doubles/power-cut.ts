/**
 * What a power cut leaves of the files that were written through `node:fs`: of each file its bytes at its last fsync, of each folder the names at
 * its own. A test mocks `node:fs` with `recorded(original)`; the files are really written, and this watches.
 */
import type * as Fs from 'node:fs';
import { dirname } from 'node:path';

export interface Opened {
  path: string;
  flags: string;
  mode: number | undefined;
}

const names = new Map<string, string>();
const synced = new Map<number, Buffer>();
/** Every file that was opened to be written. */
export const opened: Opened[] = [];

export function forget(): void {
  opened.length = 0;
  names.clear();
  synced.clear();
}

/** Takes a folder as it is for synced. */
export function settle(fs: typeof Fs, folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    const path = `${folder}/${name}`;
    synced.set(fs.statSync(path).ino, fs.readFileSync(path));
    names.set(path, String(fs.statSync(path).ino));
  }
}

/** The text under this name after a power cut; null: the name is not there. */
export function left(path: string): string | null {
  const inode = names.get(path);
  return inode === undefined ? null : (synced.get(Number(inode))?.toString('utf8') ?? '');
}

export function recorded(original: typeof Fs): typeof Fs {
  const paths = new Map<number, string>();
  const sync = (descriptor: number) => {
    const found = original.fstatSync(descriptor);
    const path = paths.get(descriptor) ?? '';
    if (!found.isDirectory()) {
      // By its descriptor: its name may be another one by now.
      const bytes = Buffer.alloc(found.size);
      const reading = original.openSync(`/proc/self/fd/${descriptor}`, 'r');
      original.readSync(reading, bytes, 0, found.size, 0);
      original.closeSync(reading);
      synced.set(found.ino, bytes);
      return;
    }
    for (const known of [...names.keys()]) if (dirname(known) === path) names.delete(known);
    for (const name of original.readdirSync(path)) names.set(`${path}/${name}`, String(original.statSync(`${path}/${name}`).ino));
  };
  const openSync = ((path: string, flags: string, mode?: number) => {
    const descriptor = original.openSync(path, flags, mode);
    paths.set(descriptor, path);
    if (flags !== 'r') opened.push({ path, flags, mode });
    return descriptor;
  }) as typeof original.openSync;
  const fsyncSync = (descriptor: number) => {
    original.fsyncSync(descriptor);
    sync(descriptor);
  };
  const writeFileSync = ((path: string, data: string, options?: { flag?: string; mode?: number; flush?: boolean }) => {
    const descriptor = openSync(path, options?.flag ?? 'w', options?.mode);
    original.writeSync(descriptor, data);
    if (options?.flush === true) fsyncSync(descriptor);
    original.closeSync(descriptor);
  }) as typeof original.writeFileSync;
  return { ...original, openSync, fsyncSync, fdatasyncSync: fsyncSync, writeFileSync };
}
