/**
 * Content-Transfer-Encoding (RFC 2045 section 6). CPIM and MIME parts need none on an eight-bit path; mail gateways and libraries for mail write one all
 * the same. Decoding is lenient, as the RFC asks: octets that the encoding does not have are passed over.
 */

/** The decoded octets; null for an encoding that nobody knows. */
export function decodeTransfer(encoding: string | undefined, body: Uint8Array): Uint8Array | null {
  switch (encoding?.split(';')[0]?.trim().toLowerCase()) {
    case undefined:
    case '':
    case '7bit':
    case '8bit':
    case 'binary':
      return body;
    case 'base64':
      return fromBase64(body);
    case 'quoted-printable':
      return fromQuotedPrintable(body);
    default:
      return null;
  }
}

const EQUALS = 61;
const LF = 10;
const CR = 13;
const BLANKS: ReadonlySet<number> = new Set([32, 9]);

const sextets = new Int8Array(256).fill(-1);
for (const [value, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  sextets[letter.charCodeAt(0)] = value;

function fromBase64(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.floor((body.length * 3) / 4));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (const octet of body) {
    if (octet === EQUALS) break;
    const sextet = sextets[octet] ?? -1;
    if (sextet < 0) continue;
    held = ((held << 6) | sextet) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[length] = (held >> bits) & 0xff;
    length += 1;
  }
  return out.slice(0, length);
}

function fromQuotedPrintable(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length);
  let length = 0;
  for (let at = 0; at < body.length; at += 1) {
    const octet = body[at] ?? 0;
    const soft = octet === EQUALS ? softBreak(body, at + 1) : null;
    const high = octet === EQUALS ? hexDigit(body[at + 1]) : null;
    const low = octet === EQUALS ? hexDigit(body[at + 2]) : null;
    if (soft !== null) {
      at = soft - 1;
      continue;
    }
    out[length] = high === null || low === null ? octet : high * 16 + low;
    length += 1;
    if (high !== null && low !== null) at += 2;
  }
  return out.slice(0, length);
}

/** Where the next line begins if only blanks stand between `=` and the line's end; else null. */
function softBreak(body: Uint8Array, from: number): number | null {
  let at = from;
  while (BLANKS.has(body[at] ?? 0)) at += 1;
  if (at >= body.length) return at;
  if (body[at] === CR && body[at + 1] === LF) return at + 2;
  return body[at] === LF ? at + 1 : null;
}

function hexDigit(octet: number | undefined): number | null {
  const value = octet === undefined ? Number.NaN : Number.parseInt(String.fromCharCode(octet), 16);
  return Number.isNaN(value) ? null : value;
}
