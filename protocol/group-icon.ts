/**
 * The picture of a group on the wire: a `data:` URI (RFC 2397), in group data to the focus and in the conference document from it. LAB: the
 * schema is not public; so the type stands beside the octets, and a device that comes later gets it with the first document.
 */

/** LAB: octets of a group's picture; enough for 128 x 128 points. It travels in every full conference document. */
export const MAX_ICON_BYTES = 24 * 1024;

/** The kinds of picture, each with the octets that its files begin with. */
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

/** A picture as it is sent; or the code of a group data response with which it is refused, for what nobody must be shown. */
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

/** One character an octet; null for what is no base64, or nothing. */
function decoded(encoded: string): string | null {
  try {
    return atob(encoded) || null;
  } catch {
    return null;
  }
}
