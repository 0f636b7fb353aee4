/** The name under which something that came is saved. Its sender chose name and type, and may have wished to deceive. */
import type { MessageValue } from '../preload/contract';

/** The longest name suggested for a file, without its ending. */
const maxNameLength = 80;

/** The endings of types that are common in chats. */
const endings: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/xml': 'xml',
  'application/zip': 'zip',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'image/gif': 'gif',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'text/calendar': 'ics',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/vcard': 'vcf',
  'text/x-vcard': 'vcf',
  'text/xml': 'xml',
  'video/mp4': 'mp4',
};
/** What is of another type opens in nothing by itself: an ending of the sender's choice might be one that runs. */
const plainEnding = 'bin';

/** A name that every file system takes, with the ending of its type. */
export function fileName({ type, name }: Extract<MessageValue['content'], { kind: 'file' }>): string {
  const said = (name ?? '').replace(/\.[\p{L}\p{N}]{1,10}$/u, '');
  const plain = said
    .replace(/[^\p{L}\p{N} ,-]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const words = plain.slice(0, maxNameLength).trim() || `Chorus ${type.replace(/[^a-z0-9]+/gi, '-').slice(0, maxNameLength)}`;
  return `${isReserved(words) ? `${words}-` : words}.${endings[type] ?? plainEnding}`;
}

/** Names of devices on Windows, whatever their ending. */
function isReserved(name: string): boolean {
  return /^(?:con|prn|aux|nul|com\d|lpt\d)$/i.test(name);
}
