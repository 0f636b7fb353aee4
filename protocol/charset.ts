/**
 * Octets as text, whatever charset they are in. A byte order mark says more than the parameter: `utf-16` alone leaves the order open (RFC 2781
 * section 3.2), and clients name a charset that their text is not in.
 */

const MARKS: readonly (readonly [charset: string, octets: readonly number[]])[] = [
  // Before UTF-16, whose mark begins in the same way.
  ['utf-32le', [0xff, 0xfe, 0, 0]],
  ['utf-32be', [0, 0, 0xfe, 0xff]],
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** UTF-8 where nothing is said, or where nobody knows the charset that is said (RFC 3862 section 2.5: every client knows UTF-8). */
export function decodeText(body: Uint8Array, charset = 'utf-8'): string {
  const mark = MARKS.find(([, octets]) => octets.every((octet, index) => body[index] === octet));
  if (mark !== undefined) return decode(body.subarray(mark[1].length), mark[0]);
  const named = charset.trim().toLowerCase();
  return decode(body, named === 'utf-16' ? utf16Order(body) : named);
}

/** RFC 2781 section 4.3: without a mark the order is that of the network, unless the octets show another. */
function utf16Order(body: Uint8Array): string {
  let littleEndian = 0;
  for (const [index, octet] of body.entries()) if (octet === 0) littleEndian += index % 2 === 1 ? 1 : -1;
  return littleEndian > 0 ? 'utf-16le' : 'utf-16be';
}

function decode(body: Uint8Array, charset: string): string {
  if (charset.startsWith('utf-32')) return decodeUtf32(body, charset === 'utf-32le');
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    return new TextDecoder().decode(body);
  }
}

const LAST_CODE_POINT = 0x10ffff;

function decodeUtf32(body: Uint8Array, isLittleEndian: boolean): string {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let text = '';
  for (let at = 0; at + 4 <= body.length; at += 4) {
    const code = view.getUint32(at, isLittleEndian);
    const isCharacter = code <= LAST_CODE_POINT && !(code >= 0xd800 && code <= 0xdfff);
    text += isCharacter ? String.fromCodePoint(code) : '\u{FFFD}';
  }
  return text;
}

/** An XML document: its own declaration names the charset where nothing else does (XML 1.0 appendix F). */
export function decodeXml(body: Uint8Array, charset?: string): string {
  const [first, second] = body;
  // Without a mark, "<" tells UTF-16.
  if (first === 0x3c && second === 0) return decode(body, 'utf-16le');
  if (first === 0 && second === 0x3c) return decode(body, 'utf-16be');
  const head = new TextDecoder('latin1').decode(body.subarray(0, 100));
  const declared = /^(?:\xEF\xBB\xBF)?\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]{1,40})["']/.exec(head)?.[1];
  // A declaration that can be read octet by octet is not in UTF-16.
  return decodeText(body, charset ?? (declared === undefined || /^utf-?(?:16|32)/i.test(declared) ? 'utf-8' : declared));
}
