/** The MSRP parser: at once, in pieces, and in parts of long chunks. */
import { isDeepStrictEqual } from 'node:util';
import { encodeMsrp, type MsrpMessage } from '../../../protocol/msrp';
import { MsrpParser, type MsrpParserOptions } from '../../../protocol/msrp-parser';
import { answerTo } from '../../../protocol/msrp-rules';
import { cut, hold } from '../engine/properties';
import type { Target } from '../engine/target';

const msrpSend = (to: string, from: string, more = '', body: string | null = 'hello', flag = '$') =>
  `MSRP a786hjs2 SEND\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\nMessage-ID: 87652491\r\n${more}${
    body === null ? '' : `Content-Type: text/plain\r\n\r\n${body}\r\n`
  }-------a786hjs2${flag}\r\n`;

const TO = 'msrp://10.0.0.1:7001/here;tcp';
const FROM = 'msrp://10.0.0.2:7002/there;tcp';

export const msrpMessages = (to: string, from: string): readonly string[] => [
  msrpSend(to, from, 'Byte-Range: 1-5/5\r\nSuccess-Report: yes\r\nFailure-Report: partial\r\n'),
  msrpSend(to, from, 'Byte-Range: 1-*/*\r\n', 'ab\r\n-------a786hjs2 no end', '+'),
  msrpSend(to, from, '', null),
  msrpSend(to, from, 'X-Other: y\r\nByte-Range: 6-10/10\r\n', 'world', '#'),
  `MSRP d93kswow 200 OK\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\n-------d93kswow$\r\n`,
  `MSRP dkei38sd REPORT\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\nMessage-ID: 1\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n-------dkei38sd$\r\n`,
  `MSRP nick1234 NICKNAME\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\nUse-Nickname: "Al"\r\n-------nick1234$\r\n`,
  `MSRP auth1234 AUTH\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\nAuthorization: Digest username="a"\r\n-------auth1234$\r\n`,
];

export const msrpWords = [
  ...['MSRP ', ' SEND', ' REPORT', ' 200 OK', ' 413', 'To-Path: ', 'From-Path: ', 'Byte-Range: 1-*/*', 'Byte-Range: 1-0/0', 'Status: 000 '],
  ...[
    '-------',
    '-------a786hjs2',
    '-------a786hjs2$\r\n',
    '-------a786hjs2+\r\n',
    '-------a786hjs2#\r\n',
    'msrp://h:1/a;tcp',
    'msrps://',
    '$',
    '+',
  ],
  ...['Success-Report: yes\r\n', 'Failure-Report: no\r\n', 'Content-Type: message/cpim\r\n\r\n', 'Message-ID: ', '999999999999999'],
];

/** Messages, and where reading ended. */
function read(pieces: readonly Uint8Array[], options?: MsrpParserOptions): (MsrpMessage | 'failed')[] {
  const parser = new MsrpParser(options);
  const out: (MsrpMessage | 'failed')[] = [];
  for (const piece of pieces) {
    const result = parser.push(piece);
    if (result.ok) out.push(...result.value);
    if (parser.failure !== null) return [...out, 'failed'];
  }
  return out;
}

const plain = (message: MsrpMessage | 'failed') =>
  message === 'failed' || message.kind === 'response' || message.body === null
    ? message
    : { ...message, body: Uint8Array.from(message.body) };

/** The parts of each chunk put together again. */
function joined(messages: readonly (MsrpMessage | 'failed')[]): unknown[] {
  const out: unknown[] = [];
  let parts: Uint8Array[] = [];
  let start: number | null = null;
  for (const message of messages) {
    if (message === 'failed' || message.kind === 'response') out.push(message);
    else if (message.goesOn === true) {
      if (parts.length === 0) start = message.byteRange?.start ?? null;
      parts.push(message.body ?? new Uint8Array(0));
    } else {
      const body = parts.length === 0 ? message.body : Buffer.concat([...parts, message.body ?? new Uint8Array(0)]);
      const range = start ?? message.byteRange?.start ?? null;
      out.push([
        message.transactionId,
        message.method,
        message.messageId,
        message.headers,
        message.continuation,
        range ?? 1,
        body === null ? null : Uint8Array.from(body),
      ]);
      parts = [];
      start = null;
    }
  }
  return out;
}

export const msrp: Target = {
  name: 'msrp',
  seeds: [...msrpMessages(TO, FROM), msrpMessages(TO, FROM).join('')],
  words: msrpWords,
  long: [
    { piece: msrpSend(TO, FROM) },
    { before: msrpSend(TO, FROM).slice(0, -30), piece: '\r\n-------a786hjs2' },
    { before: msrpSend(TO, FROM).slice(0, -30), piece: '-' },
    { before: msrpSend(TO, FROM).slice(0, -30), piece: '\r\n-------a786hjs2$ ' },
    { piece: '\r\n' },
    { before: 'MSRP a786hjs2 SEND\r\n', piece: 'A: b\r\n' },
    { before: 'MSRP a786hjs2 SEND\r\nTo-Path: ', piece: `${TO} ` },
    { before: 'MSRP a786hjs2 SEND\r\nByte-Range: ', piece: '9' },
  ],
  take(bytes) {
    const whole = read([bytes]).map(plain);
    const pieces = read(cut(bytes)).map(plain);
    hold(isDeepStrictEqual(pieces, whole), 'in pieces it reads something else', whole, pieces);
    const inParts = joined(read(cut(bytes), { partBytes: 16 }));
    // A chunk that never ends is given in parts, and is no message otherwise.
    hold(
      isDeepStrictEqual(inParts.filter(isWhole), joined(whole as (MsrpMessage | 'failed')[]).filter(isWhole)),
      'in parts it reads something else',
      whole,
      inParts,
    );
    for (const message of whole) {
      if (message === 'failed') continue;
      const again = read([encodeMsrp(message)]).map(plain);
      hold(isDeepStrictEqual(again, [withoutLineBreaks(message)]), 'what was written is read as another value', message, again);
      const answer = message.kind === 'request' ? answerTo(message, 200) : null;
      if (answer !== null) hold(read([encodeMsrp(answer)]).length === 1, 'an answer that cannot be read', answer);
    }
    read(cut(bytes), { partBytes: 16, admits: () => false });
  },
};

const isWhole = (message: unknown) => message !== 'failed';
const withoutLineBreaks = (message: MsrpMessage) => plain(message);
