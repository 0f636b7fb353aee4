/**
 * The picture of a group on the wire: a `data:` URI (RFC 2397), in group data to the focus and in the conference document from it. LAB: the
 * schema is not public. The media type comes with the octets, and a device that joins later gets the picture with its first document.
 */

/** LAB: most octets in a group's picture, enough for 128 x 128 pixels. Every full conference document carries the picture. */
export const MAX_ICON_BYTES = 24 * 1024;

/** The supported kinds of picture, each with the octets at the start of its files. */
const SIGNATURES = {
  'image/png': /^\x89PNG\r\n\x1a\n/,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/webp': /^RIFF[\s\S]{4}WEBP/,
} as const;

export type IconType = keyof typeof SIGNATURES;
const ICON_TYPES = Object.keys(SIGNATURES) as IconType[];

export interface GroupIcon {
  type: IconType;
  bytes: Uint8Array;
}

/** Reads a picture. A refusal carries the code of the group data response: such a picture must not be shown to anybody. */
export function parseGroupIcon(uri: string): { ok: true; value: GroupIcon } | { ok: false; code: 400 | 413 | 415 } {
  if (uri.length > MAX_ICON_BYTES * 2) return { ok: false, code: 413 };
  const [, type = '', encoded = ''] = /^data:([^;,]{1,100});base64,([A-Za-z0-9+/\s]+={0,2})\s*$/i.exec(uri) ?? [];
  const octets = decoded(encoded);
  if (octets === null) return { ok: false, code: 400 };
  const known = ICON_TYPES.find((one) => one === type.toLowerCase());
  if (known === undefined || !SIGNATURES[known].test(octets.slice(0, 16))) return { ok: false, code: 415 };
  if (octets.length > MAX_ICON_BYTES) return { ok: false, code: 413 };
  return { ok: true, value: { type: known, bytes: Uint8Array.from(octets, (character) => character.charCodeAt(0)) } };
}

export function encodeGroupIcon({ type, bytes }: GroupIcon): string {
  let octets = '';
  for (const octet of bytes) octets += String.fromCharCode(octet);
  return `data:${type};base64,${btoa(octets)}`;
}

/** Decodes base64 to one character per octet. Null when the text is empty or not base64. */
function decoded(encoded: string): string | null {
  try {
    return atob(encoded) || null;
  } catch {
    return null;
  }
}
