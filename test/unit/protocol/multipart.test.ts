import { describe, expect, it } from 'vitest';
import {
  type BodyPart,
  encodeMultipart,
  MAX_BOUNDARY_CHARACTERS,
  MAX_PART_HEADER_BYTES,
  MAX_PART_HEADERS,
  MAX_PARTS,
  multipartType,
  newBoundary,
  parseContentType,
  parseMultipart,
} from '../../../protocol/multipart';
import { characters, octets, parsedValue, reasonOf, wire } from './wire-text';

const mixed = (boundary: string) => `multipart/mixed;boundary="${boundary}"`;
const bodies = (boundary: string, text: string): string[] =>
  parsedValue(parseMultipart(mixed(boundary), octets(text))).map((part) => characters(part.body));

describe('multipart', () => {
  const parts: BodyPart[] = [
    { contentType: 'application/sdp', headers: new Map(), body: octets('v=0\r\n') },
    {
      contentType: 'application/resource-lists+xml',
      headers: new Map([
        ['content-disposition', 'recipient-list'],
        ['content-id', '<1@lab.test>'],
      ]),
      body: octets('<x/>'),
    },
    { contentType: 'image/png', headers: new Map(), body: Uint8Array.from({ length: 256 }, (_, index) => index) },
    { contentType: 'text/plain', headers: new Map(), body: new Uint8Array(0) },
  ];

  it('reads what it writes', () => {
    const bytes = encodeMultipart(parts, 'b1');
    expect(parsedValue(parseMultipart('Multipart/Mixed; boundary=b1', bytes))).toEqual(parts);
    expect(characters(bytes)).toContain('\r\nContent-Disposition: recipient-list\r\nContent-ID: <1@lab.test>\r\n');
  });

  it('takes odd boundaries', () => {
    for (const boundary of ["'()+_,-./:=?", 'a b', '----', 'x'.repeat(MAX_BOUNDARY_CHARACTERS)]) {
      const [, parameters = ''] = multipartType(boundary).split('boundary=');
      expect(parsedValue(parseMultipart(`multipart/mixed;boundary=${parameters}`, encodeMultipart(parts, boundary)))).toEqual(parts);
    }
  });

  it('does not take a longer line, or one inside a line, for a delimiter', () => {
    expect(bodies('b1', wire('--b1', '', '--b1x', 'a --b1', ' --b1', '--b', '--b1', '', 'two', '--b1--', ''))).toEqual([
      wire('--b1x', 'a --b1', ' --b1', '--b'),
      'two',
    ]);
  });

  it('passes over preamble, epilogue and padding, and takes bare line feeds', () => {
    expect(
      bodies('b1', wire('preamble', '--b1 \t', 'Content-Type: a/b', '', 'one', '--b1--  ', 'epilogue --b1', '--b1', '', 'no')),
    ).toEqual(['one']);
    expect(bodies('b1', '--b1\nContent-Type: a/b\n\none\n\n--b1\n\ntwo\n--b1--')).toEqual(['one\n', 'two']);
  });

  it('reads empty parts and parts without headers', () => {
    expect(bodies('b1', wire('--b1', '', '', '--b1', '', '--b1', 'Content-Type: a/b', '--b1--'))).toEqual(['', '', '']);
    expect(parsedValue(parseMultipart(mixed('b1'), octets(wire('--b1', '', 'x', '--b1--'))))[0]?.contentType).toBe('text/plain');
  });

  it('keeps the last part when the closing delimiter is forgotten', () => {
    expect(bodies('b1', wire('--b1', '', 'one'))).toEqual(['one']);
    expect(bodies('b1', wire('--b1', '', 'one', '--b1'))).toEqual(['one']);
  });

  it('folds, compact names and repeated headers are read', () => {
    const [part] = parsedValue(
      parseMultipart(mixed('b'), octets(wire('--b', 'c: text/html;', '  charset=utf-8', 'l: 99', 'X: 1', 'x: 2', '', 'y', '--b--'))),
    );
    expect(part).toEqual({ contentType: 'text/html; charset=utf-8', headers: new Map([['x', '1']]), body: octets('y') });
  });

  it.each([
    ['another type', 'text/plain;boundary=b1'],
    ['no boundary', 'multipart/mixed'],
    ['an empty boundary', 'multipart/mixed;boundary=""'],
    ['a boundary that ends in a blank', 'multipart/mixed;boundary="b1 "'],
    ['a boundary with a line end', 'multipart/mixed;boundary="b\r\n1"'],
    ['a boundary too long', mixed('x'.repeat(MAX_BOUNDARY_CHARACTERS + 1))],
    ['a boundary that does not occur', mixed('b2')],
    ['an open quote', 'multipart/mixed;boundary="b1'],
  ])('refuses %s', (_, contentType) => {
    expect(parseMultipart(contentType, octets(wire('--b1', '', 'x', '--b1--'))).ok).toBe(false);
  });

  it('has limits', () => {
    const many = (count: number) => octets(`${wire('--b', '', 'x', '').repeat(count)}--b--`);
    expect(parsedValue(parseMultipart(mixed('b'), many(MAX_PARTS)))).toHaveLength(MAX_PARTS);
    expect(reasonOf(parseMultipart(mixed('b'), many(MAX_PARTS + 1)))).toBe('too many parts');
    const headers = (count: number, length: number) => octets(`--b\r\n${`X: ${'y'.repeat(length)}\r\n`.repeat(count)}\r\nx\r\n--b--`);
    expect(parseMultipart(mixed('b'), headers(MAX_PART_HEADERS, 1)).ok).toBe(true);
    expect(reasonOf(parseMultipart(mixed('b'), headers(MAX_PART_HEADERS + 1, 1)))).toBe('too many headers');
    expect(reasonOf(parseMultipart(mixed('b'), headers(1, MAX_PART_HEADER_BYTES)))).toBe('header block too long');
  });

  it('lets no value add a header and no body end its part', () => {
    const evil = 'x\r\nEvil: 1\r\n\r\n--b1--';
    const bytes = encodeMultipart(
      [
        {
          contentType: `text/plain${evil}`,
          headers: new Map([
            ['content-id', evil],
            [evil, 'x'],
          ]),
          body: octets('ok'),
        },
      ],
      'b1',
    );
    const [part, ...more] = parsedValue(parseMultipart(mixed('b1'), bytes));
    expect(more).toEqual([]);
    expect([...(part?.headers.keys() ?? [])]).toEqual(['content-id']);
    expect(part?.body).toEqual(octets('ok'));
    expect(() => encodeMultipart([{ contentType: 'a/b', headers: new Map(), body: octets('x\r\n--b1--') }], 'b1')).toThrow(RangeError);
    expect(() => encodeMultipart([], 'b\r\n1')).toThrow(RangeError);
  });

  it('makes boundaries that occur in no part', () => {
    const numbers = [...Array<number>(16).fill(0), ...Array<number>(16).fill(0.5)];
    const boundary = newBoundary(
      () => numbers.shift() ?? 0,
      [{ contentType: 'a/b', headers: new Map(), body: octets(`chorus-${'0'.repeat(16)}`) }],
    );
    expect(boundary).toBe(`chorus-${'i'.repeat(16)}`);
  });
});

describe('content types', () => {
  it('are read in lower case with their parameters', () => {
    expect(parseContentType(' Text/Plain ; Charset="UTF-8" ; x')).toEqual({ type: 'text/plain', params: new Map([['charset', 'UTF-8']]) });
    for (const bad of ['', 'text', 'text/', '/plain', 'a/b/c', 'te xt/plain']) expect(parseContentType(bad).type, bad).toBe('');
  });

  it('undoes the transfer encoding of a part', () => {
    const lines = ['--b', 'Content-Type: message/cpim', 'Content-Transfer-Encoding: base64', '', 'b2s=', '--b--', ''];
    const [part] = parsedValue(parseMultipart('multipart/mixed;boundary=b', octets(lines.join('\r\n'))));
    expect(characters(part?.body ?? new Uint8Array())).toBe('ok');
    expect([...(part?.headers ?? [])]).toEqual([]);
  });
});
