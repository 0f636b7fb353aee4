/** The folder of one profile, and the JSON files in it. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import Store from 'electron-store';
import { openTwice } from './durable-json';
import type { OpenKeyValueFile } from './settings';
import { settingsFile } from './settings';

/** A sentence when the folder cannot be used at all. There can be no window then, because Chromium keeps its own files there. */
export function prepareFolder(folder: string): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') return `The disk is full, and ${folder} could not be made. Make some room and start again.`;
    return `The folder ${folder} cannot be used (${code ?? String(error)}). Its owner must be able to read and write it.`;
  }
}

/** `NAME.json` in the folder. A damaged file throws: it is never taken for an empty one. */
export const openStore = (folder: string): OpenKeyValueFile =>
  openTwice(
    folder,
    [settingsFile],
    (name) =>
      new Store<Record<string, unknown>>({
        name,
        cwd: folder,
        clearInvalidConfig: false,
        configFileMode: 0o600,
        accessPropertiesByDotNotation: false,
      }),
  );
