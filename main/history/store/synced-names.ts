/** Names of files that outlive a power cut. */
import { closeSync, fsyncSync, openSync } from 'node:fs';

/** A name that was made or changed outlives a power cut once its folder is synced. Windows sees to names by itself. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
