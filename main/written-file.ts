/**
 * A file that the person has asked for. It appears under its name only when it is whole. It is not encrypted: it belongs to whoever asked for it, and
 * only they can read it.
 */
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '../preload/contract/errors';

/** How much text is gathered before it is written, in UTF-16 code units. */
const writeLength = 64 * 1024;
/** Names tried for the unfinished file. */
const maxDrafts = 100;

/**
 * `replaces`: a file of that name gives way; else it stays, and this fails.
 * @throws AppError `export/failed`, and then there is no new file
 */
export async function writeFile(options: {
  path: string;
  replaces: boolean;
  parts: AsyncIterable<string> | readonly Uint8Array[];
}): Promise<void> {
  const { path, replaces, parts } = options;
  let draft: string | null = null;
  try {
    const made = await makeDraft(path);
    const { file } = made;
    draft = made.name;
    try {
      let gathered = '';
      for await (const part of parts) {
        if (typeof part !== 'string') {
          await file.appendFile(part);
          continue;
        }
        gathered += part;
        if (gathered.length < writeLength) continue;
        await file.appendFile(gathered);
        gathered = '';
      }
      await file.appendFile(gathered);
      await file.sync();
    } finally {
      await file.close();
    }
    if (replaces) await rename(draft, path);
    else {
      await link(draft, path);
      await rm(draft);
    }
    await syncFolder(dirname(path));
  } catch (error) {
    if (draft !== null) await rm(draft, { force: true }).catch(() => undefined);
    throw error instanceof AppError ? error : new AppError('export/failed', { cause: String(error) }, 'user');
  }
}

/** A file beside `path` that was not there before: whatever has such a name already belongs to somebody else, and stays. */
async function makeDraft(path: string): Promise<{ name: string; file: FileHandle }> {
  for (let attempt = 1; ; attempt += 1) {
    const name = attempt === 1 ? `${path}.part` : `${path}.part${attempt}`;
    try {
      return { name, file: await open(name, 'wx', 0o600) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === maxDrafts) throw error;
    }
  }
}

/** The new name outlives a power cut. Windows sees to names by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
