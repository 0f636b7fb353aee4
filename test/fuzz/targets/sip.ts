/** SIP messages, as network and client read them, and the values in their headers. */
import { isDeepStrictEqual } from 'node:util';
import { unpackBody } from '../../../main/sip/wire/content-encoding';
import { Framer as ClientFramer } from '../../../main/sip/wire/framer';
import { parseWireMessage } from '../../../main/sip/wire/wire-message';
import { readContact } from '../../../network/core/contact';
import { type Frame, Framer } from '../../../network/sip/framer';
import { addressDefect, hostPort, isForeign, paramOf, parseCSeq, parseVia, splitValues, uriOf } from '../../../network/sip/header-value';
import { responseTo, type SipMessage, SipRequest } from '../../../network/sip/message';
import { parseMessage } from '../../../network/sip/message-parser';
import { cut, hold, survives, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

const head = (start: string, method: string, more: readonly string[] = [], body = '') =>
  [
    start,
    'Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK1;rport, SIP/2.0/WSS [2001:db8::1];branch=z9hG4bK2',
    'Max-Forwards: 70',
    'From: "Al \\"x\\"" <sip:alice@lab.test;x=y>;tag=a1',
    'To: <sip:bob@lab.test>',
    'Call-ID: c1@h',
    `CSeq: 1 ${method}`,
    ...more,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');

const CPM = 'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"';

/** Honest messages, which the targets of sockets begin with too. */
export const sipMessages: readonly string[] = [
  head('OPTIONS sip:lab.test SIP/2.0', 'OPTIONS'),
  head('REGISTER sip:lab.test SIP/2.0', 'REGISTER', [
    `Contact: <sip:alice@10.0.0.1:5071;transport=tcp>;+sip.instance="<${UUID}>";reg-id=1;expires=600`,
    'Supported: path, gruu, outbound',
    'Authorization: Digest username="alice", realm="lab.test", nonce="", uri="sip:lab.test", response=""',
  ]),
  head(
    'INVITE sip:bob@lab.test;gr=1 SIP/2.0',
    'INVITE',
    [
      'm: <sip:alice@10.0.0.1>;+sip.instance="<urn:uuid:1>"',
      CPM,
      'Supported: timer, gruu',
      'Session-Expires: 1800;refresher=uac',
      'Content-Type: application/sdp',
    ],
    'v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n',
  ),
  head('MESSAGE sip:bob@lab.test SIP/2.0', 'MESSAGE', [CPM, 'Privacy: id', 'Content-Type: text/plain'], 'hello'),
  head('MESSAGE tel:+15550100 SIP/2.0', 'MESSAGE', ['Subject: a\r\n b', 'c: text/plain', 'Content-Encoding: gzip']),
  head('SUBSCRIBE sip:alice@lab.test SIP/2.0', 'SUBSCRIBE', ['Event: reg', 'Expires: 600', 'Accept: application/reginfo+xml']),
  head('REFER sip:bob@lab.test SIP/2.0', 'REFER', ['Refer-To: <sip:carol@lab.test?method=INVITE>', 'Referred-By: <sip:alice@lab.test>']),
  head('CANCEL sip:bob@lab.test SIP/2.0', 'CANCEL', ['Route: <sip:pf@h;lr>, <sip:core@h;lr;odi=1>', 'Reason: SIP;cause=200;text="x, y"']),
  head('BYE sip:bob@lab.test SIP/2.0', 'BYE'),
  head('ACK sip:bob@lab.test SIP/2.0', 'ACK'),
  head('SIP/2.0 200 OK', 'INVITE', ['Contact: *', 'Record-Route: <sip:core;lr>']),
  head('SIP/2.0 401 Unauthorized', 'REGISTER', ['WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"']),
];

const words = [
  ...[
    'SIP/2.0',
    'sip:',
    'sips:',
    'tel:',
    'mailto:a@b',
    'INVITE',
    'REGISTER',
    'ACK',
    'PRACK',
    'SIP/2.0/TCP h;branch=z9hG4bK',
    ';tag=',
    ';lr',
  ],
  ...[
    'Content-Length: ',
    'l: ',
    'Content-Length: 1000001\r\n',
    'Via: ',
    'v: ',
    'Contact: ',
    'Route: ',
    'Record-Route: ',
    'Call-ID: ',
    'i: ',
  ],
  ...['Max-Forwards: 0\r\n', 'Require: x\r\n', 'Expires: 0\r\n', '<sip:a@b>', ';expires=', ';+sip.instance="<', 'urn:uuid:', ';gr', ';ob'],
  ...['Replaces: c;to-tag=a;from-tag=b\r\n', 'Join: ', 'Event: conference\r\n', 'Content-Type: multipart/mixed;boundary=b\r\n', ';isfocus'],
];

const comparable = (message: SipMessage) => [
  message.startLine(),
  message.entries().filter(([name]) => !/^(?:content-length|l)$/i.test(name)),
  Uint8Array.from(message.body),
];

/** The messages of a stream, and whether it is broken. Which blank lines are an answer to a ping depends on the pieces at the client. */
const framesOf = (frames: readonly { kind: string; bytes?: Uint8Array }[]): unknown[] =>
  frames.filter(({ kind }) => kind === 'message' || kind === 'broken').map(({ kind, bytes }) => [kind, Uint8Array.from(bytes ?? [])]);

export const sipMessage: Target = {
  name: 'sip-message',
  seeds: sipMessages,
  words,
  long: [
    { before: 'OPTIONS sip:a SIP/2.0\r\n', piece: 'Via: SIP/2.0/TCP h\r\n', after: '\r\n' },
    { before: 'OPTIONS sip:a SIP/2.0\r\nVia: ', piece: 'SIP/2.0/TCP h,', after: '\r\n\r\n' },
    { before: 'OPTIONS sip:a SIP/2.0\r\nFrom: ', piece: '"', after: '\r\n\r\n' },
    { before: 'OPTIONS sip:a SIP/2.0\r\nFrom: <sip:a>', piece: ';a', after: '\r\n\r\n' },
    { piece: ' ' },
    { before: 'OPTIONS', piece: ' \t', after: 'SIP/2.0\r\n\r\n' },
    { before: 'OPTIONS sip:a SIP/2.0\r\nA: b', piece: '\r\n ', after: '\r\n\r\n' },
    { before: 'OPTIONS sip:', piece: '@', after: ' SIP/2.0\r\n\r\n' },
  ],
  take(bytes) {
    const read = parseMessage(bytes);
    if (read.ok)
      survives(
        read,
        (message) => message.encode(),
        (written) => parseMessage(written),
        comparable,
      );
    const request = read.ok ? read.value : read.request;
    if (!(request instanceof SipRequest)) return;
    const answer = responseTo(request, 400, { toTag: 't' }).encode();
    const again = parseMessage(answer);
    hold(!read.ok || again.ok, 'the answer to a message that was accepted is refused', utf8(bytes), utf8(answer), again);
    for (const name of ['via', 'route', 'contact']) request.shift(name);
    request.insert('Via', 'SIP/2.0/TCP h;branch=z9hG4bK1');
    const clone = request.clone().set('Subject', utf8(bytes.subarray(0, 40)));
    hold(!read.ok || parseMessage(clone.encode()).ok, 'a message that is passed on is refused', utf8(bytes), utf8(clone.encode()));
    for (const contact of request.all('contact')) readContact(contact, request, { domain: 'lab.test', outbound: true });
  },
};

/** In pieces the network reads the same frames as at once. */
function samePieces<T extends { kind: string }>(make: () => { push(bytes: Uint8Array): T[] }, bytes: Uint8Array): T[] {
  const whole = make().push(bytes);
  const slow = make();
  const pieces = cut(bytes).flatMap((piece) => slow.push(piece));
  hold(isDeepStrictEqual(framesOf(pieces), framesOf(whole)), 'in pieces it reads something else', framesOf(whole), framesOf(pieces));
  return whole;
}

export const sipStream: Target = {
  name: 'sip-stream',
  seeds: [`${sipMessages.join('')}\r\n\r\n`, `\r\n\r\n\r\n${sipMessages[3]}\r\n\r\n${sipMessages[0]}`, `\r\n\r\n${sipMessages[2]}`],
  words,
  long: [
    { piece: '\r\n' },
    { piece: '\r' },
    { before: 'A', piece: '\r\n\r' },
    { before: 'OPTIONS sip:a SIP/2.0\r\n', piece: 'l: 0\r\n', after: '\r\n' },
    { piece: 'OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n' },
  ],
  take(bytes) {
    const frames: Frame[] = samePieces(() => new Framer(), bytes);
    const pings = frames.filter(({ kind }) => kind === 'ping').length;
    const slow = new Framer();
    const slowPings = cut(bytes)
      .flatMap((piece) => slow.push(piece))
      .filter(({ kind }) => kind === 'ping').length;
    hold(pings === slowPings, 'in pieces other pings are read', pings, slowPings);
    for (const frame of frames) if (frame.kind === 'message') parseMessage(frame.bytes);
    for (const frame of samePieces(() => new ClientFramer(), bytes)) {
      if (frame.kind !== 'message') continue;
      const message = parseWireMessage(frame.bytes, frame.bodyAt, frame.bodySkipped);
      if (!message.ok) continue;
      for (const [name, value] of message.value.headers) hold(!/[\r\n]/.test(name + value), 'a line break in a value', name, value);
      for (const name of ['via', 'route', 'contact', 'content-encoding']) message.value.list(name);
      unpackBody(message.value);
    }
    for (const framer of [new Framer(true), new ClientFramer(true)]) framer.push(bytes);
  },
};

export const sipValues: Target = {
  name: 'sip-values',
  seeds: [
    'SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK1;rport',
    'SIP / 2.0 / WSS [2001:db8::1]:5061 ;branch=z9hG4bK2;received=10.0.0.2',
    '"Al \\"x\\", y" <sip:alice@lab.test;x=1,2>;tag=a1;q=0.5, <tel:+15550100>',
    'Bob <sips:bob@[2001:db8::1]:5061?Subject=x>;tag=b',
    '4711 INVITE',
    `<sip:a@b:5060;transport=tcp;ob>;+sip.instance="<${UUID}>";reg-id=1;expires=60`,
  ],
  words,
  long: [
    { piece: '"' },
    { piece: '<' },
    { piece: '<>,' },
    { piece: ' ' },
    { before: 'sip:', piece: '@' },
    { piece: ';a="' },
    { piece: '\\' },
    { before: 'SIP/2.0/TCP', piece: ' ', after: ':' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    for (const value of [text, ...splitValues(text)]) {
      parseVia(value);
      parseCSeq(value);
      hostPort(value);
      hostPort(uriOf(value));
      isForeign(value);
      paramOf(value, 'tag');
      const wrong = addressDefect(value);
      if (wrong !== null || /[\r\n]/.test(value)) continue;
      const request = new SipRequest('INVITE', 'sip:b@h')
        .append('Via', 'SIP/2.0/TCP h;branch=z9hG4bK1')
        .append('From', value)
        .append('To', '<sip:b@h>');
      request.append('Call-ID', 'c').append('CSeq', '1 INVITE');
      const again = parseMessage(request.encode());
      hold(again.ok || value.trim().length > 16_000, 'an address without a defect is refused in a message', value, again);
    }
  },
};
