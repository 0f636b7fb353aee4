/** The messages of RFC 4475, "SIP Torture Test Messages": the bytes of its appendix, a file each, under the names that the RFC gives them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ending = '.dat';

/** Name without ending -> bytes. */
export const tortureMessages: ReadonlyMap<string, Uint8Array> = new Map(
  readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(ending))
    .sort()
    .map((file) => [file.slice(0, -ending.length), new Uint8Array(readFileSync(join(import.meta.dirname, file)))]),
);
