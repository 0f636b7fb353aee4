/** Messages that somebody unfriendly, careless or broken might send, each with the verdict the parser must reach. Our own set, beside RFC 4475. */
import { MAX_BODY_BYTES, MAX_HEADER_CHARACTERS, MAX_HEADER_LINES } from '../../../network/sip/message-parser';

export interface HostileMessage {
  name: string;
  bytes: Uint8Array;
  /** What `parseMessage` says: accepted, or refused for a reason that matches. */
  verdict: 'parsed' | RegExp;
  /** Whether a refusal can be answered. */
  answerable?: boolean;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** An INVITE in order, with one thing changed. `head` lines are added; `replace` swaps one line of the head for others. */
function invite(change: { start?: string; head?: string[]; replace?: Record<string, string[]>; body?: string; end?: string }): Uint8Array {
  const lines = [
    'Via: SIP/2.0/TCP 127.0.0.1:5071;branch=z9hG4bKhostile1;rport',
    'Max-Forwards: 70',
    'From: "Mallory" <sip:mallory@lab.test>;tag=m1',
    'To: <sip:bob@lab.test>',
    'Call-ID: hostile-1@lab.test',
    'CSeq: 1 INVITE',
    `Content-Length: ${encode(change.body ?? '').length}`,
  ].flatMap((line) => change.replace?.[line.slice(0, line.indexOf(':'))] ?? [line]);
  const start = change.start ?? 'INVITE sip:bob@lab.test SIP/2.0';
  return encode(`${[start, ...lines, ...(change.head ?? [])].join('\r\n')}${change.end ?? '\r\n\r\n'}${change.body ?? ''}`);
}

function notUtf8(): Uint8Array {
  const bytes = invite({ head: ['Subject: ??'] });
  const at = bytes.lastIndexOf(63);
  bytes.set([0xc3, 0x28], at - 1);
  return bytes;
}

export const HOSTILE_MESSAGES: readonly HostileMessage[] = [
  { name: 'nothing at all', bytes: encode(''), verdict: /start line/ },
  { name: 'only line breaks', bytes: encode('\r\n\r\n\r\n'), verdict: /start line/ },
  { name: 'a web request', bytes: encode('GET / HTTP/1.1\r\nHost: lab.test\r\n\r\n'), verdict: /start line/ },
  {
    name: 'a TLS hello on the plain port',
    bytes: new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 13, 10, 13, 10]),
    verdict: /start line/,
  },
  { name: 'zero bytes', bytes: new Uint8Array(512), verdict: /start line/ },
  { name: 'a head that never ends', bytes: invite({ end: '\r\n' }), verdict: /no empty line/, answerable: true },
  {
    name: 'line breaks of Unix',
    bytes: encode(new TextDecoder().decode(invite({})).replace(/\r\n/g, '\n')),
    verdict: /start line|no empty line/,
  },
  {
    name: 'a lone LF inside a header',
    bytes: invite({ head: ['Subject: one\nRoute: <sip:evil.test;lr>'] }),
    verdict: /lone CR or LF/,
    answerable: true,
  },
  {
    name: 'a lone CR inside a header',
    bytes: invite({ head: ['Subject: one\rRoute: <sip:evil.test;lr>'] }),
    verdict: /lone CR or LF/,
    answerable: true,
  },
  { name: 'bytes that are no UTF-8', bytes: notUtf8(), verdict: /not UTF-8/, answerable: true },
  {
    name: 'a header without a colon',
    bytes: invite({ head: ['This is no header'] }),
    verdict: /header line is not readable/,
    answerable: true,
  },
  {
    name: 'a header name with a blank',
    bytes: invite({ head: ['Bad Name: x'] }),
    verdict: /header line is not readable/,
    answerable: true,
  },
  { name: 'two Content-Lengths that differ', bytes: invite({ head: ['Content-Length: 4'] }), verdict: /more than once/, answerable: true },
  { name: 'a compact and a long Content-Length', bytes: invite({ head: ['l: 0'] }), verdict: /more than once/, answerable: true },
  {
    name: 'a Content-Length in hexadecimal',
    bytes: invite({ replace: { 'Content-Length': ['Content-Length: 0x10'] } }),
    verdict: /Content-Length/,
    answerable: true,
  },
  {
    name: 'a Content-Length with a sign',
    bytes: invite({ replace: { 'Content-Length': ['Content-Length: +0'] } }),
    verdict: /Content-Length/,
    answerable: true,
  },
  {
    name: 'a Content-Length beyond the limit',
    bytes: invite({ replace: { 'Content-Length': [`Content-Length: ${MAX_BODY_BYTES + 1}`] } }),
    verdict: /too long/,
    answerable: true,
  },
  {
    name: 'two From headers',
    bytes: invite({ head: ['f: <sip:alice@lab.test>;tag=a1'] }),
    verdict: /from header is there more than once/,
    answerable: true,
  },
  { name: 'no Via', bytes: invite({ replace: { Via: [] } }), verdict: /via header is missing/, answerable: false },
  {
    name: 'a Via of another protocol',
    bytes: invite({ replace: { Via: ['Via: HTTP/1.1/TCP 127.0.0.1'] } }),
    verdict: /Via/,
    answerable: true,
  },
  {
    name: 'a Via with an impossible port',
    bytes: invite({ replace: { Via: ['Via: SIP/2.0/TCP 127.0.0.1:99999;branch=z9hG4bKx'] } }),
    verdict: /port/,
    answerable: true,
  },
  {
    name: 'an empty Call-ID',
    bytes: invite({ replace: { 'Call-ID': ['Call-ID:'] } }),
    verdict: /call-id header is missing/,
    answerable: true,
  },
  {
    name: 'a CSeq number of 2^31',
    bytes: invite({ replace: { CSeq: ['CSeq: 2147483648 INVITE'] } }),
    verdict: /CSeq is too large/,
    answerable: true,
  },
  { name: 'a negative CSeq', bytes: invite({ replace: { CSeq: ['CSeq: -1 INVITE'] } }), verdict: /CSeq/, answerable: true },
  {
    name: 'an ACK with a broken CSeq gets no answer',
    bytes: invite({ start: 'ACK sip:bob@lab.test SIP/2.0' }),
    verdict: /CSeq/,
    answerable: false,
  },
  {
    name: 'Max-Forwards of 256',
    bytes: invite({ replace: { 'Max-Forwards': ['Max-Forwards: 256'] } }),
    verdict: /Max-Forwards/,
    answerable: true,
  },
  {
    name: 'a From with an open quote',
    bytes: invite({ replace: { From: ['From: "Mallory <sip:mallory@lab.test>;tag=m1'] } }),
    verdict: /not closed/,
    answerable: true,
  },
  {
    name: 'a To with an open bracket',
    bytes: invite({ replace: { To: ['To: <sip:bob@lab.test'] } }),
    verdict: /not closed/,
    answerable: true,
  },
  {
    name: 'a To with two addresses',
    bytes: invite({ replace: { To: ['To: sip:bob@lab.test, sip:carol@lab.test'] } }),
    verdict: /to:/,
    answerable: true,
  },
  { name: 'a Contact that is no address', bytes: invite({ head: ['Contact: ;;;'] }), verdict: /contact:/, answerable: true },
  { name: 'a Request-URI without a scheme', bytes: invite({ start: 'INVITE bob SIP/2.0' }), verdict: /scheme/, answerable: true },
  {
    name: 'two blanks in the request line',
    bytes: invite({ start: 'INVITE  sip:bob@lab.test SIP/2.0' }),
    verdict: /request line/,
    answerable: true,
  },
  { name: 'a request line of blanks', bytes: invite({ start: `INVITE${' '.repeat(16_000)}x` }), verdict: /start line/ },
  {
    name: 'a start line beyond the limit',
    bytes: invite({ start: `INVITE sip:${'a'.repeat(MAX_HEADER_CHARACTERS)}@lab.test SIP/2.0` }),
    verdict: /start line is too long/,
  },
  {
    name: 'a header beyond the limit',
    bytes: invite({ head: [`Subject: ${'a'.repeat(MAX_HEADER_CHARACTERS)}`] }),
    verdict: /header is longer/,
    answerable: true,
  },
  {
    name: 'a header folded beyond the limit',
    bytes: invite({ head: ['Subject: a', ...Array.from({ length: 9000 }, () => ' b')] }),
    verdict: /header is longer/,
    answerable: true,
  },
  {
    name: 'headers beyond the limit',
    bytes: invite({ head: Array.from({ length: MAX_HEADER_LINES }, (_, index) => `X-${index}: y`) }),
    verdict: /header lines/,
    answerable: true,
  },
  {
    name: 'a head beyond the limit',
    bytes: invite({ head: Array.from({ length: 9 }, (_, index) => `X-${index}: ${'y'.repeat(8000)}`) }),
    verdict: /head is longer/,
  },
  {
    name: 'a status code of 99',
    bytes: encode('SIP/2.0 099 Low\r\nVia: SIP/2.0/TCP 127.0.0.1\r\n\r\n'),
    verdict: /status code/,
    answerable: false,
  },
  { name: 'a status code of four digits', bytes: encode('SIP/2.0 2000 Ok\r\n\r\n'), verdict: /status line/ },
  // What only looks wrong must pass: a proxy that refuses it breaks somebody's call.
  {
    name: 'an escaped line break in a display name',
    bytes: invite({ replace: { From: ['From: "%0d%0aRoute: x" <sip:mallory@lab.test>;tag=m1'] } }),
    verdict: 'parsed',
  },
  { name: 'commas and semicolons of no meaning in an unknown header', bytes: invite({ head: ['X-Odd: ;;,,<">,"'] }), verdict: 'parsed' },
  {
    name: 'a method nobody knows',
    bytes: invite({ start: 'FROBNICATE sip:bob@lab.test SIP/2.0', replace: { CSeq: ['CSeq: 1 FROBNICATE'] } }),
    verdict: 'parsed',
  },
  {
    name: 'names of Object.prototype as headers',
    bytes: invite({ head: ['constructor: x', '__proto__: y', 'hasOwnProperty: z'] }),
    verdict: 'parsed',
  },
  {
    name: 'a name of the people in a display name',
    bytes: invite({ replace: { From: ['From: Zoë 🦊 <sip:zoe@lab.test>;tag=z'] } }),
    verdict: 'parsed',
  },
  {
    name: 'a body of every byte',
    bytes: invite({ body: String.fromCharCode(...Array.from({ length: 256 }, (_, index) => index)) }),
    verdict: 'parsed',
  },
];
