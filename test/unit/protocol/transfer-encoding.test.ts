import { describe, expect, it } from 'vitest';
import { decodeText, decodeXml } from '../../../protocol/charset';
import { parseImdn } from '../../../protocol/imdn';
import { decodeTransfer } from '../../../protocol/transfer-encoding';
import { characters, octets, parsedValue } from './wire-text';

const decoded = (encoding: string, text: string) => {
  const body = decodeTransfer(encoding, octets(text));
  return body === null ? null : characters(body);
};
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('Content-Transfer-Encoding', () => {
  it.each([
    ['base64', 'R3LDvMOfZSBhdXMgS8O2bG4=', 'Grüße aus Köln'],
    ['BASE64', 'R3LDvMOf\r\nZSBhdXMg\r\nS8O2bG4', 'Grüße aus Köln'],
    ['base64', '  R3LD*vMOfZQ==\r\n\r\n', 'Grüße'],
    ['base64', '', ''],
    ['base64', 'R', ''],
    ['quoted-printable', 'Gr=C3=BC=C3=9Fe=\r\n aus K=c3=b6ln', 'Grüße aus Köln'],
    ['Quoted-Printable', 'a=  \r\nb=\nc', 'abc'],
    ['quoted-printable', '1+1=2, =XY, =', '1+1=2, =XY, '],
    ['7bit', 'as it is =41', 'as it is =41'],
    ['8BIT', 'grüße', 'grüße'],
    ['binary', 'R3LD', 'R3LD'],
    ['', 'none', 'none'],
    ['base64 ; x=y', 'b2s=', 'ok'],
  ])('%s of %j is %j', (encoding, written, text) => {
    expect(decoded(encoding, written)).toBe(text);
  });

  it('that nobody knows is left', () => {
    for (const encoding of ['x-uuencode', 'gzip', 'base', 'base64x']) expect(decoded(encoding, 'x')).toBeNull();
  });
});

describe('a charset', () => {
  const utf16be = bytes(0x04, 0x1f, 0x04, 0x40, 0, 0x21);
  const utf16le = bytes(0x1f, 0x04, 0x40, 0x04, 0x21, 0);
  const marked = (mark: number[], text: Uint8Array) => bytes(...mark, ...text);

  it.each([
    ['UTF-8 with its mark', marked([0xef, 0xbb, 0xbf], octets('Пр!')), 'utf-8'],
    ['UTF-8 with its mark, called something else', marked([0xef, 0xbb, 0xbf], octets('Пр!')), 'iso-8859-1'],
    ['UTF-16 with a mark, high octet first', marked([0xfe, 0xff], utf16be), 'utf-16'],
    ['UTF-16 with a mark, low octet first', marked([0xff, 0xfe], utf16le), 'UTF-16'],
    ['UTF-16 with a mark, called UTF-8', marked([0xfe, 0xff], utf16be), 'utf-8'],
    ['UTF-16 with a mark and no name', marked([0xff, 0xfe], utf16le), undefined],
    ['UTF-16 whose name tells the order', utf16be, 'utf-16be'],
    ['UTF-16 whose name tells the other order', utf16le, 'utf-16le'],
    ['UTF-16 without a mark, low octet first', utf16le, 'utf-16'],
    ['UTF-16 without a mark, high octet first', utf16be, 'utf-16'],
    ['UTF-32 with a mark', bytes(0xff, 0xfe, 0, 0, 0x1f, 4, 0, 0, 0x40, 4, 0, 0, 0x21, 0, 0, 0), 'utf-32'],
    ['UTF-32 with the other mark', bytes(0, 0, 0xfe, 0xff, 0, 0, 4, 0x1f, 0, 0, 4, 0x40, 0, 0, 0, 0x21), undefined],
    ['KOI8-R', bytes(0xf0, 0xd2, 0x21), 'koi8-r'],
    ['Windows-1251', bytes(0xcf, 0xf0, 0x21), 'windows-1251'],
    ['a name that nobody knows', octets('Пр!'), 'x-nobody'],
  ])('%s is read', (_what, body, charset) => {
    expect(decodeText(body, charset)).toBe('Пр!');
  });

  it('of UTF-32 shows what cannot be as unknown', () => {
    expect(decodeText(bytes(0, 0, 0xfe, 0xff, 0, 0x11, 0, 0, 0, 0, 0xd8, 0, 0, 0))).toBe('\u{FFFD}\u{FFFD}');
  });

  it('of an XML document is the one that it declares, or shows', () => {
    const imdn = (encoding: string) =>
      `<?xml version="1.0"${encoding}?><imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>ü</message-id><datetime>x</datetime><display-notification><status><displayed/></status></display-notification></imdn>`;
    const latin1 = (text: string) => Uint8Array.from([...text].map((letter) => letter.charCodeAt(0)));
    const utf16 = (text: string, isLittle: boolean) =>
      Uint8Array.from([...text].flatMap((letter) => (isLittle ? [letter.charCodeAt(0), 0] : [0, letter.charCodeAt(0)])));
    const documents = [
      octets(imdn('')),
      octets(imdn(' encoding="UTF-8"')),
      octets(imdn(' encoding="utf-16"')),
      latin1(imdn(' encoding="ISO-8859-1"')),
      utf16(imdn(' encoding="UTF-16"'), true),
      utf16(imdn(''), false),
      bytes(0xff, 0xfe, ...utf16(imdn(''), true)),
      bytes(0xef, 0xbb, 0xbf, ...octets(imdn(''))),
    ];
    for (const document of documents) expect(parsedValue(parseImdn(document)).messageId).toBe('ü');
    expect(decodeXml(latin1('<a>ü</a>'), 'iso-8859-1')).toBe('<a>ü</a>');
  });
});
