/** The JSON files of a profile: on disk, name and all, when a change returns; those that matter most with a checksum and a second copy. */
import { dirname, join } from 'node:path';
import { syncFolder } from '../history/store/synced-names';
import { changed, mendFile, shortHash, type Worth } from './kept-twice';
import type { KeyValueFile, OpenKeyValueFile } from './settings';

const checksumKey = 'checksum';

/** What `conf` and `electron-store` are to this: the whole of a JSON file. */
export interface WholeStore {
  readonly path: string;
  store: Record<string, unknown>;
  get(key: string): unknown;
}

/** Opens `NAME.json` of a folder; the files that are `keptTwice` with a checksum and a second copy. Every change is on disk when it returns. */
export function openTwice(folder: string, keptTwice: readonly string[], make: (name: string) => WholeStore): OpenKeyValueFile {
  return (name) => {
    const path = join(folder, `${name}.json`);
    const isTwice = keptTwice.includes(name);
    const wasMended = isTwice && mendFile(path, worthOfJson);
    return new DurableFile(make(name), isTwice, wasMended);
  };
}

class DurableFile implements KeyValueFile {
  readonly #store: WholeStore;
  readonly #isTwice: boolean;

  constructor(
    store: WholeStore,
    isTwice: boolean,
    readonly wasMended: boolean,
  ) {
    this.#store = store;
    this.#isTwice = isTwice;
  }

  get path(): string {
    return this.#store.path;
  }

  get(key: string): unknown {
    return this.#store.get(key);
  }

  set(key: string, value: unknown): void {
    this.#write({ ...this.#store.store, [key]: value });
  }

  delete(key: string): void {
    const { [key]: _, ...rest } = this.#store.store;
    this.#write(rest);
  }

  #write({ [checksumKey]: _, ...values }: Record<string, unknown>): void {
    this.#store.store = this.#isTwice ? { ...values, [checksumKey]: checksumOf(values) } : values;
    if (this.#isTwice) changed(this.path);
    else syncFolder(dirname(this.path));
  }
}

function worthOfJson(text: string): Worth {
  try {
    const { [checksumKey]: checksum, ...values } = JSON.parse(text) as Record<string, unknown>;
    if (checksum === undefined) return 'unchecked';
    return checksum === checksumOf(values) ? 'holds' : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Of the values as they will be read again: JSON leaves out what is undefined. */
function checksumOf(values: Record<string, unknown>): string {
  return shortHash(JSON.stringify(values));
}
