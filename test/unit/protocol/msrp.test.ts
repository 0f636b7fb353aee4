import { describe, expect, it } from 'vitest';
import {
  encodeMsrp,
  MAX_MSRP_BODY_BYTES,
  MAX_MSRP_HEADERS,
  MAX_MSRP_LINE_BYTES,
  MAX_MSRP_PATH_URIS,
  type MsrpMessage,
  type MsrpRequest,
  MsrpWriter,
  newTransactionId,
  parseMsrpUri,
  sameMsrpUri,
} from '../../../protocol/msrp';
import { MsrpParser } from '../../../protocol/msrp-parser';
import { characters, octets, parsedValue, reasonOf, wire } from './wire-text';

const TO = 'msrp://127.0.0.1:9892/98cjs;tcp';
const FROM = 'msrp://127.0.0.1:7394/2s93i;tcp';
const request = (changes: Partial<MsrpRequest> = {}): MsrpRequest => ({
  kind: 'request',
  transactionId: 'a786hjs2',
  method: 'SEND',
  toPath: [TO],
  fromPath: [FROM],
  headers: [],
  messageId: '87652491',
  byteRange: null,
  contentType: null,
  successReport: false,
  failureReport: 'yes',
  status: null,
  body: null,
  continuation: '$',
  ...changes,
});
const parseAll = (bytes: Uint8Array): MsrpMessage[] => parsedValue(new MsrpParser().push(bytes));

const stream: MsrpMessage[] = [
  request(),
  request({
    transactionId: 'b786hjs2',
    headers: [['X-Lab', 'kept']],
    byteRange: { start: 1, end: null, total: 40 },
    contentType: 'message/cpim',
    successReport: true,
    failureReport: 'partial',
    body: octets('grüße -------b786hjs2 no end\r\n-------b786hjs3$\r\n-------b786hjs'),
    continuation: '+',
  }),
  request({ transactionId: 'c786hjs2', contentType: 'text/plain', body: octets('\r\n\r\n'), byteRange: { start: 38, end: 40, total: 40 } }),
  request({ transactionId: 'd786hjs2', contentType: 'text/plain', body: new Uint8Array(0), continuation: '#' }),
  request({
    transactionId: 'e786hjs2',
    method: 'REPORT',
    byteRange: { start: 1, end: 40, total: 40 },
    status: { code: 200, reason: 'OK' },
  }),
  { kind: 'response', transactionId: 'f786hjs2', status: 200, reason: 'OK', toPath: [FROM], fromPath: [TO], continuation: '$' },
  { kind: 'response', transactionId: 'g786hjs2', status: 481, reason: '', toPath: [FROM, TO], fromPath: [TO], continuation: '$' },
];
/** The second message holds its own "-------tid", which `encodeMsrp` rightly refuses to make; a peer may still send it. */
const bytesOf = (message: MsrpMessage): Uint8Array => {
  if (message.transactionId !== 'b786hjs2') return encodeMsrp(message);
  const text = characters(encodeMsrp({ ...message, transactionId: 'zzzzzzzz' }));
  return octets(text.replace(/zzzzzzzz/g, 'b786hjs2'));
};
const whole = octets(stream.map((message) => characters(bytesOf(message))).join(''));

describe('MSRP', () => {
  it('reads what it writes', () => {
    expect(parseAll(whole)).toEqual(stream);
  });

  it('reads the same messages when the stream is split at every byte', () => {
    for (let cut = 0; cut <= whole.length; cut += 1) {
      const parser = new MsrpParser();
      const first = parsedValue(parser.push(whole.subarray(0, cut)));
      const second = parsedValue(parser.push(whole.subarray(cut)));
      expect([...first, ...second], `cut at ${cut}`).toEqual(stream);
    }
  });

  it('reads the same messages byte by byte', () => {
    const parser = new MsrpParser();
    const messages: MsrpMessage[] = [];
    for (let at = 0; at < whole.length; at += 1) messages.push(...parsedValue(parser.push(whole.subarray(at, at + 1))));
    expect(messages).toEqual(stream);
  });

  it('writes the form of RFC 4975', () => {
    const text = characters(
      encodeMsrp(
        request({ contentType: 'text/plain', body: octets('Hi'), byteRange: { start: 1, end: 2, total: 2 }, successReport: true }),
      ),
    );
    expect(text).toBe(
      wire(
        'MSRP a786hjs2 SEND',
        `To-Path: ${TO}`,
        `From-Path: ${FROM}`,
        'Message-ID: 87652491',
        'Byte-Range: 1-2/2',
        'Success-Report: yes',
        'Content-Type: text/plain',
        '',
        'Hi',
        '-------a786hjs2$',
        '',
      ),
    );
    const response = stream[5];
    expect(response && characters(encodeMsrp(response))).toBe(
      wire('MSRP f786hjs2 200 OK', `To-Path: ${FROM}`, `From-Path: ${TO}`, '-------f786hjs2$', ''),
    );
  });

  it('ends a body only at dashes, transaction id, flag and line end', () => {
    for (const inside of [
      '\r\n-------a786hjs2',
      '\r\n-------a786hjs2$',
      '\r\n-------a786hjs2$x',
      '\r\n-------a786hjs2!\r\n',
      '-------a786hjs2$\r\n',
      '\r\n------a786hjs2$\r\n',
    ]) {
      const text = wire(
        'MSRP a786hjs2 SEND',
        `To-Path: ${TO}`,
        `From-Path: ${FROM}`,
        'Message-ID: 1',
        'Content-Type: text/plain',
        '',
        `x${inside}y`,
        '-------a786hjs2+',
        '',
      );
      const [message] = parseAll(octets(text));
      expect(message?.kind === 'request' && characters(message.body ?? new Uint8Array(0)), JSON.stringify(inside)).toBe(`x${inside}y`);
    }
  });

  it('takes a blank line before the end line for an absent body', () => {
    const text = wire('MSRP a786hjs2 SEND', `To-Path: ${TO}`, `From-Path: ${FROM}`, 'Message-ID: 1', '', '-------a786hjs2$', '');
    expect(parseAll(octets(text))).toMatchObject([{ body: null }]);
  });

  it('passes over line ends between messages', () => {
    expect(parseAll(octets(`\r\n\r\n${characters(encodeMsrp(request()))}\r\n`))).toEqual([request()]);
  });

  it('chooses transaction ids that the body does not hold, and refuses others', () => {
    const fractions =
      (...sequence: number[]) =>
      () =>
        sequence.shift() ?? 0;
    const body = octets('x000000000000x');
    const id = newTransactionId(fractions(0, 0, 0.5, 0.5), body);
    expect(id).toBe('i00000i00000');
    const long = octets('x'.repeat(4096) + '0'.repeat(31));
    const longId = newTransactionId(fractions(0, 0, 0.5, 0.5), long);
    expect(longId).toBe(`${'0'.repeat(19)}i00000i00000`);
    // Another body than the one that the id was taken for is searched.
    encodeMsrp(request({ transactionId: longId, contentType: 'a/b', body: long }));
    expect(() => encodeMsrp(request({ transactionId: longId, contentType: 'a/b', body: octets(`-------${longId}$`) }))).toThrow(RangeError);
    expect(() =>
      encodeMsrp(request({ transactionId: '000000000000', contentType: 'a/b', body: octets('\r\n-------000000000000$\r\n') })),
    ).toThrow(RangeError);
    expect(() => encodeMsrp(request({ transactionId: 'a\r\nb' }))).toThrow(RangeError);
  });

  it('lets no value add a header or a message', () => {
    const evil = 'x\r\nEvil: 1\r\n-------a786hjs2$\r\n';
    const bytes = encodeMsrp(
      request({
        method: `SEND${evil}`,
        toPath: [TO + evil],
        messageId: evil,
        contentType: evil,
        status: { code: 200, reason: evil },
        headers: [
          ['X-Lab', evil],
          [evil, 'x'],
          ['To-Path', 'msrp://evil:1/x;tcp'],
        ],
        body: octets('ok'),
      }),
    );
    const lines = characters(bytes).split('\r\n');
    expect(lines.filter((line) => line.startsWith('Evil') || line.startsWith('-------'))).toEqual(['-------a786hjs2$']);
    expect(lines.filter((line) => line.startsWith('To-Path'))).toHaveLength(1);
  });

  it.each([
    ['a bad start line', 'GET / HTTP/1.1\r\n'],
    ['a bad start line', 'MSRP a SEND\r\n'],
    ['a bad start line', 'MSRP a786hjs2 20 OK\r\n'],
    ['a bad header line', 'MSRP a786hjs2 SEND\r\nno colon\r\n'],
    ['a missing or bad path', 'MSRP a786hjs2 SEND\r\nTo-Path: x\r\nFrom-Path: y\r\n-------a786hjs2$\r\n'],
    ['a missing or bad path', 'MSRP a786hjs2 200 OK\r\n-------a786hjs2$\r\n'],
    ['a bad Byte-Range', `MSRP a786hjs2 SEND\r\nTo-Path: ${TO}\r\nFrom-Path: ${FROM}\r\nByte-Range: 0-5/5\r\n-------a786hjs2+\r\n`],
    ['a bad Byte-Range', `MSRP a786hjs2 SEND\r\nTo-Path: ${TO}\r\nFrom-Path: ${FROM}\r\nByte-Range: 9-1/5\r\n-------a786hjs2+\r\n`],
    ['a bad Byte-Range', `MSRP a786hjs2 SEND\r\nTo-Path: ${TO}\r\nFrom-Path: ${FROM}\r\nByte-Range: few\r\n-------a786hjs2$\r\n`],
    [
      'a bad Byte-Range',
      `MSRP a786hjs2 SEND\r\nTo-Path: ${TO}\r\nFrom-Path: ${FROM}\r\nByte-Range: 1-9999999999999999/*\r\n-------a786hjs2$\r\n`,
    ],
  ])('refuses %s, and everything after it', (reason, text) => {
    const parser = new MsrpParser();
    expect(reasonOf(parser.push(octets(text)))).toBe(reason);
    expect(parser.push(encodeMsrp(request())).ok).toBe(false);
    expect(parser.failure?.reason).toBe(reason);
  });

  it.each([
    ['0-0/0', null],
    ['0-5/5', null],
    ['0-*/*', null],
    ['9-1/5', null],
    ['1-6/5', { start: 1, end: 6, total: null }],
    ['7-9/8', { start: 7, end: 9, total: null }],
  ])('reads a message that needs no Byte-Range with the impossible %s', (range, read) => {
    const head = `MSRP a786hjs2 SEND\r\nTo-Path: ${TO}\r\nFrom-Path: ${FROM}\r\nMessage-ID: m\r\nByte-Range: ${range}\r\n`;
    for (const rest of ['', 'Content-Type: text/plain\r\n\r\nhello\r\n']) {
      const [message] = parsedValue(new MsrpParser().push(octets(`${head}${rest}-------a786hjs2$\r\n`)));
      expect(message).toMatchObject({ messageId: 'm', byteRange: read });
    }
  });

  it('a long message in one chunk ends where its octets end, whatever its Byte-Range claims', () => {
    const body = octets('é'.repeat(40_000));
    for (const byteRange of [
      { start: 1, end: 40_000, total: 40_000 },
      { start: 1, end: 99, total: 100 },
      { start: 1, end: 900_000, total: 900_000 },
    ]) {
      const parser = new MsrpParser({ partBytes: 30_000 });
      const wire = encodeMsrp(request({ body, byteRange, contentType: 'text/plain' }));
      const parts = [0, 1, 2, 3].flatMap((index) => parsedValue(parser.push(wire.slice(index * 25_000, (index + 1) * 25_000))));
      const last = parts.at(-1);
      expect(parts.length).toBeGreaterThan(1);
      expect(last?.kind === 'request' && last.byteRange).toMatchObject({ end: body.length, total: body.length });
    }
  });

  it('still gives the good messages that came before bad octets', () => {
    const parser = new MsrpParser();
    expect(parsedValue(parser.push(octets(`${characters(encodeMsrp(request()))}rubbish\r\n`)))).toHaveLength(1);
    expect(parser.failure?.reason).toBe('a bad start line');
    expect(parser.push(new Uint8Array(0)).ok).toBe(false);
  });

  it('limits lines, headers, paths and bodies', () => {
    const head = wire('MSRP a786hjs2 SEND', `To-Path: ${TO}`, `From-Path: ${FROM}`, '');
    expect(reasonOf(new MsrpParser().push(octets('x'.repeat(MAX_MSRP_LINE_BYTES + 1))))).toBe('a line too long');
    expect(reasonOf(new MsrpParser().push(octets(`${head}X: ${'x'.repeat(MAX_MSRP_LINE_BYTES)}\r\n`)))).toBe('a line too long');
    expect(reasonOf(new MsrpParser().push(octets(head + 'X: y\r\n'.repeat(MAX_MSRP_HEADERS))))).toBe('too many headers');
    const paths = (count: number) =>
      wire('MSRP a786hjs2 SEND', `To-Path: ${Array(count).fill(TO).join(' ')}`, `From-Path: ${FROM}`, '-------a786hjs2$', '');
    expect(new MsrpParser().push(octets(paths(MAX_MSRP_PATH_URIS))).ok).toBe(true);
    expect(reasonOf(new MsrpParser().push(octets(paths(MAX_MSRP_PATH_URIS + 1))))).toBe('a missing or bad path');
    const parser = new MsrpParser();
    expect(parser.push(octets(`${head}Content-Type: a/b\r\n\r\n`)).ok).toBe(true);
    const piece = new Uint8Array(1024 * 1024);
    for (let sent = 0; sent < MAX_MSRP_BODY_BYTES; sent += piece.length) expect(parser.push(piece).ok).toBe(true);
    expect(reasonOf(parser.push(new Uint8Array(64)))).toBe('a body too long');
  });
});

describe('what saves work in reading changes nothing that is read', () => {
  const body = (length: number, text = 'x') => octets(text.repeat(Math.ceil(length / text.length)).slice(0, length));
  const chunk = (id: string, byteRange: MsrpRequest['byteRange'], of: Uint8Array, continuation: MsrpRequest['continuation']) =>
    request({ transactionId: id, contentType: 'text/plain', byteRange, body: of, continuation });

  /** Read one after the other, each by a parser of its own that has everything at once. */
  const plainly = (messages: MsrpMessage[]) => messages.flatMap((message) => parseAll(encodeMsrp(message)));
  const joined = (messages: MsrpMessage[]) => Buffer.concat(messages.map(encodeMsrp));
  const inPieces = (bytes: Uint8Array, ...sizes: number[]) => {
    const parser = new MsrpParser();
    const messages: MsrpMessage[] = [];
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      messages.push(...parsedValue(parser.push(Uint8Array.from(bytes.subarray(at, at + size)))));
      at += size;
    }
    return messages;
  };

  it('a Byte-Range longer or shorter than its body, or missing, however the stream is cut', () => {
    const near = '\r\n-------iiiiiiii$\r\n-------aaaaaaaa\r\n-----';
    const messages = [
      chunk('aaaaaaaa', { start: 1, end: null, total: 5000 }, body(90), '+'),
      chunk('bbbbbbbb', { start: 91, end: 5000, total: 5000 }, body(1), '#'),
      chunk('cccccccc', { start: 1, end: 3, total: 3 }, body(40), '$'),
      chunk('dddddddd', { start: 1, end: null, total: null }, body(40, near), '$'),
      chunk('eeeeeeee', null, body(60, near), '$'),
      chunk('ffffffff', { start: 7, end: 6, total: null }, body(0), '$'),
      chunk('gggggggg', { start: 1, end: 999_999_999_999_999, total: null }, body(30), '+'),
      request({ transactionId: 'hhhhhhhh' }),
    ];
    expect(plainly(messages)).toEqual(messages);
    const bytes = joined(messages);
    for (let cut = 1; cut < bytes.length; cut += 1) expect(joined(inPieces(bytes, cut)).equals(bytes), `cut at ${cut}`).toBe(true);
    for (const size of [1, 2, 3, 7, 21, 22, 23, 24, 25, 100]) expect(inPieces(bytes, size), `${size} at a time`).toEqual(messages);
  });

  it('bodies as long as what is taken for them at first, a little shorter, longer and much longer', () => {
    for (const length of [65_535, 65_536, 65_537, 65_536 + 60, 200_000]) {
      const messages = [
        chunk('aaaaaaaa', { start: 1, end: null, total: length }, body(length, 'abc\r\n-------aaaaaaa$'), '$'),
        chunk('bbbbbbbb', { start: 1, end: null, total: 2 * length }, body(length), '+'),
        chunk('cccccccc', null, body(length), '$'),
      ];
      const bytes = joined(messages);
      for (const sizes of [[65_536], [1400], [length + 200, 5], [length + 180, 1, 1, 1]])
        expect(joined(inPieces(bytes, ...sizes)).equals(bytes), `${length} in ${sizes}`).toBe(true);
    }
  });

  it('a line that nearly is the one at its place in the head before', () => {
    const types = ['text/plain', 'text/plain', 'text/plain;x', 'text/plai', 'text/plain', 'message/cpim', 'message/cpim'];
    const messages: MsrpMessage[] = types.flatMap((contentType, index) => {
      const changes = { transactionId: `tid-${index}`, contentType, body: octets('hi'), successReport: index % 3 === 0 };
      const toPath = index % 2 === 0 ? [TO] : [FROM, TO];
      const responses = { ...{ kind: 'response' as const, status: 200 + (index % 2), reason: 'OK' }, ...{ toPath, fromPath: [FROM] } };
      return [
        request({ ...changes, byteRange: { start: 1, end: 2, total: index === 4 ? null : 2 } }),
        { ...responses, transactionId: `tid-${index}r`, continuation: '$' as const },
        request({ ...changes, toPath, headers: index === 5 ? [['X-Lab', '1']] : [], messageId: `m${index}` }),
      ];
    });
    expect(plainly(messages)).toEqual(messages);
    const bytes = joined(messages);
    for (const size of [bytes.length, 1, 2, 50, 333]) expect(inPieces(bytes, size), `${size} at a time`).toEqual(messages);
  });

  it('gives each message paths and ranges of its own, and a body that keeps little else alive', () => {
    const parser = new MsrpParser();
    const long = body(60_000);
    const [one, other] = parsedValue(
      parser.push(joined([chunk('aaaaaaaa', { start: 1, end: 5, total: 5 }, body(5), '$'), chunk('bbbbbbbb', null, long, '$')])),
    );
    const [again] = parsedValue(parser.push(joined([chunk('cccccccc', { start: 1, end: 5, total: 5 }, body(5), '$')])));
    one?.toPath.push('changed');
    if (one?.kind === 'request' && one.byteRange !== null) one.byteRange.start = 3;
    expect(again).toMatchObject({ toPath: [TO], byteRange: { start: 1, end: 5, total: 5 } });
    const memory = (message: MsrpMessage | undefined) => (message?.kind === 'request' && message.body?.buffer.byteLength) || 0;
    expect([memory(one), memory(other) <= 4 * long.length]).toEqual([5, true]);
    // A promise that is not kept costs its maker nothing, so it must cost us nothing either.
    const lied = encodeMsrp(chunk('dddddddd', { start: 1, end: null, total: 10_000_000 }, body(10), '#'));
    parser.push(lied.slice(0, -20));
    const [short] = parsedValue(parser.push(lied.slice(-20)));
    expect([short?.kind === 'request' && short.body?.length, memory(short)]).toEqual([10, 10]);
  });
});

describe('a writer', () => {
  it('writes what encodeMsrp does, neighbours as one piece and a long body as it is', () => {
    const long = octets('y'.repeat(5000));
    const messages: MsrpMessage[] = [
      ...Array.from({ length: 200 }, (_, index) => request({ transactionId: `tid-${index}`, toPath: [index % 3 ? TO : FROM] })),
    ];
    messages.splice(50, 0, request({ transactionId: 'long-one', contentType: 'text/plain', body: long }));
    const writer = new MsrpWriter();
    for (const message of messages) writer.write(message);
    const { length } = writer;
    const pieces = writer.take();
    expect(Buffer.concat(pieces).equals(Buffer.concat(messages.map(encodeMsrp)))).toBe(true);
    expect([pieces.includes(long), pieces.length < 8, length]).toEqual([true, true, Buffer.concat(pieces).length]);
    expect([writer.length, writer.take()]).toEqual([0, []]);
    // What was given away is not written over.
    const before = Buffer.concat(pieces);
    for (const message of messages) writer.write(message);
    expect(Buffer.concat(pieces).equals(before)).toBe(true);
  });

  it('writes nothing of a refused message, and writes text in any alphabet', () => {
    const writer = new MsrpWriter();
    expect(() => writer.write(request({ transactionId: 'a\r\nb' }))).toThrow(RangeError);
    expect(() => writer.write(request({ contentType: 'a/b', body: octets('-------a786hjs2#') }))).toThrow(RangeError);
    expect(writer.length).toBe(0);
    const named = request({ headers: [['Use-Nickname', '"Zoë 漢字 🙂"']] });
    writer.write(named);
    expect(parseAll(Buffer.concat(writer.take()))).toEqual([named]);
  });
});

describe('every message that the parser accepts can be written, and reads the same again', () => {
  const end = '-------a786hjs2$';
  const head = ['MSRP a786hjs2 SEND', `To-Path: ${TO}`, `From-Path: ${FROM}`, 'Message-ID: m'];
  it.each([
    [
      'its own transaction id in the body',
      wire(...head, 'Content-Type: a/b', '', '-------a786hjs2', 'x-------a786hjs2$', '-------a786hjs2$ ', end, ''),
    ],
    ['an end line without the line end before it', wire(...head, 'Content-Type: a/b', '', 'x-------a786hjs2$', end, '')],
    ['a body that ends like an end line', wire(...head, 'Content-Type: a/b', '', '-------a786hjs2', end, '')],
    ['a body without a content type', wire(...head, '', 'x', end, '')],
    ['as many headers as there may be, and no content type', wire(...head, ...Array(MAX_MSRP_HEADERS - 3).fill('X: y'), '', 'x', end, '')],
    ['the longest transaction id', wire(`MSRP ${'a'.repeat(32)} SEND`, ...head.slice(1), `-------${'a'.repeat(32)}+`, '')],
    ['the largest Byte-Range', wire(...head, 'Byte-Range: 999999999999999-999999999999999/999999999999999', '', 'x', end, '')],
    ['a status of leading zeros', wire('MSRP a786hjs2 007', ...head.slice(1, 3), end, '')],
    ['a report of leading zeros', wire('MSRP a786hjs2 REPORT', ...head.slice(1), 'Status: 000 007 odd', end, '')],
    ['the longest header line', wire(...head, `X: ${'x'.repeat(MAX_MSRP_LINE_BYTES - 3)}`, end, '')],
    ['a header value of other alphabets', wire(...head, `X: ${'漢'.repeat(1000)}`, end, '')],
    ['a Message-ID with a space', wire(...head.slice(0, 3), 'Message-ID: a b', end, '')],
    ['a tab in a header', wire(...head, 'X: a\tb', 'Status: 000 200 a\tb', end, '')],
    ['a content type without a body', wire(...head, 'Content-Type: a/b', end, '')],
  ])('%s', (_what, text) => {
    const [message] = parseAll(octets(text));
    if (message === undefined) throw new Error('not read');
    expect(parseAll(encodeMsrp(message))).toEqual([message]);
  });

  it.each([
    ['a bad start line', wire(`MSRP ${'a'.repeat(33)} SEND`, '')],
    ['a line too long', wire(...head, `X:${'x'.repeat(MAX_MSRP_LINE_BYTES - 2)}`, '')],
    ['a bad start line', wire('MSRP a786hjs2 200 a\0b', '')],
    ['a bad header line', wire(...head, 'X: a\0b', '')],
    ['a bad header line', wire(...head, 'X: a\rb', '')],
    ['a head too long', wire(...head, ...Array(9).fill(`X: ${'x'.repeat(4000)}`), '')],
  ])('refuses %s', (reason, text) => expect(reasonOf(new MsrpParser().push(octets(text)))).toBe(reason));

  it('refuses a line that would grow when it is written, since it is not UTF-8', () => {
    const line = Uint8Array.from([...octets(wire(...head)), 88, 58, 32, ...new Uint8Array(4000).fill(0xff), 13, 10]);
    expect(reasonOf(new MsrpParser().push(line))).toBe('a line that is not UTF-8');
  });
});

describe('a parser that gives long chunks in parts', () => {
  const body = new Uint8Array(30_000).map((_, index) => (index * 7) & 0xff);
  const long = (changes: Partial<MsrpRequest> = {}) =>
    encodeMsrp(request({ contentType: 'a/b', byteRange: { start: 11, end: null, total: 30_010 }, body, ...changes }));
  const read = (bytes: Uint8Array, size: number, options: ConstructorParameters<typeof MsrpParser>[0]) => {
    const parser = new MsrpParser(options);
    const messages: MsrpRequest[] = [];
    for (let at = 0; at < bytes.length; at += size)
      for (const message of parsedValue(parser.push(bytes.slice(at, at + size)))) if (message.kind === 'request') messages.push(message);
    return messages;
  };

  it.each([1, 43, 1400, 9_999, 100_000])('keeps no more than a part, each with its range, in pieces of %d', (size) => {
    const parts = read(long(), size, { partBytes: 1000 });
    let next = 11;
    for (const [index, part] of parts.entries()) {
      expect(part.byteRange?.start).toBe(next);
      expect([part.goesOn, part.continuation]).toEqual(index < parts.length - 1 ? [true, '+'] : [undefined, '$']);
      expect([part.transactionId, part.byteRange?.total]).toEqual(['a786hjs2', 30_010]);
      if (size < 1000) expect(part.body?.length).toBeLessThan(1000 + 2 * size);
      next += part.body?.length ?? 0;
    }
    expect(next).toBe(30_011);
    expect(Buffer.concat(parts.map((part) => part.body ?? new Uint8Array(0))).equals(body)).toBe(true);
    if (size < 10_000) expect(parts.length).toBeGreaterThan(2);
  });

  it('gives a range to the parts of a chunk that has none, and short chunks whole', () => {
    const parts = read(long({ byteRange: null }), 5000, { partBytes: 1000 });
    expect(parts.map(({ byteRange }) => byteRange?.start)).toEqual(
      parts.map((_, index) => 1 + parts.slice(0, index).reduce((sum, { body: of }) => sum + (of?.length ?? 0), 0)),
    );
    expect(read(encodeMsrp(request({ contentType: 'a/b', body: octets('short') })), 3, { partBytes: 1000 })).toEqual([
      request({ contentType: 'a/b', body: octets('short') }),
    ]);
  });

  it('skips a body that nobody wants, holds nothing of it, and reads on behind it', () => {
    const asked: string[] = [];
    const admits = (toPath: readonly string[]) => {
      asked.push(toPath.join(' '));
      return false;
    };
    for (const size of [1, 42, 1400]) {
      asked.length = 0;
      const [skipped, next, ...rest] = read(Buffer.concat([long(), encodeMsrp(request())]), size, { partBytes: 1000, admits });
      expect([asked, rest, next]).toEqual([[TO], [], request()]);
      expect([skipped?.isSkipped, skipped?.body?.length, skipped?.goesOn]).toEqual([true, 0, undefined]);
    }
  });
});

describe('MSRP URIs', () => {
  it('are read and compared by RFC 4975 section 6.1', () => {
    expect(parsedValue(parseMsrpUri('MSRPS://user@Host.Example:7394/2s93i;TCP;x=y'))).toEqual({
      scheme: 'msrps',
      host: 'host.example',
      port: 7394,
      sessionId: '2s93i',
      transport: 'tcp',
    });
    expect(sameMsrpUri('msrp://A:1/x;tcp', 'msrp://u@a:1/x;TCP;p')).toBe(true);
    for (const other of [
      'msrps://a:1/x;tcp',
      'msrp://b:1/x;tcp',
      'msrp://a:2/x;tcp',
      'msrp://a/x;tcp',
      'msrp://a:1/X;tcp',
      'msrp://a:1/x;ws',
      'bad',
    ]) {
      expect(sameMsrpUri('msrp://a:1/x;tcp', other), other).toBe(false);
    }
    expect(sameMsrpUri('bad', 'bad')).toBe(false);
    expect(parsedValue(parseMsrpUri('msrp://[2001:db8::1]:7394/a;tcp')).host).toBe('[2001:db8::1]');
  });

  it.each(['', 'msrp://', 'msrp://a:1/x', 'sip:a@b', 'msrp://a:99999/x;tcp', 'msrp://a b:1/x;tcp', 'msrp://a:1/x;tcp\r\n'])(
    'refuses %j',
    (text) => {
      expect(parseMsrpUri(text).ok).toBe(false);
    },
  );
});
