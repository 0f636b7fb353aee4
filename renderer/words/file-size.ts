/** Sizes of files in the units that file managers show, rounded up: "1 byte", "2 kB", "1.5 MB". */
import { counted } from './counted';

export function fileSize(bytes: number): string {
  if (bytes < 1000) return counted(bytes, 'byte', 'bytes');
  if (bytes < 999_001) return `${Math.ceil(bytes / 1000)} kB`;
  return `${(Math.ceil(bytes / 100_000) / 10).toFixed(1).replace(/\.0$/, '')} MB`;
}
