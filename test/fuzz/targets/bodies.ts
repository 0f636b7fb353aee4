/** Bodies of SIP messages and of media: envelopes, parts, SDP. */

import { ANONYMOUS_URI, CPM_NAMESPACE, encodeCpim, IMDN_NAMESPACE, parseCpim } from '../../../protocol/cpim';
import { leakInContent, leakInSip, type OwnMarks } from '../../../protocol/leak-check';
import { encodeMultipart, newBoundary, parseContentType, parseMultipart } from '../../../protocol/multipart';
import { encodeSdp, fingerprintsOf, parseSdp } from '../../../protocol/sdp';
import { hold, survives, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';

const own: OwnMarks = {
  identities: ['sip:alice@lab.test', 'tel:+15550100'],
  ...{ instanceId: 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6', pubGruu: 'sip:alice@lab.test;gr=1', deviceName: 'Laptop' },
  ...{ displayName: 'Alice', hostName: 'alices-pc', host: '10.0.0.1' },
};

export const cpim: Target = {
  name: 'cpim',
  seeds: [
    'From: "x" <sip:a@b>\r\nTo: <sip:c@d>\r\nNS: i <urn:ietf:params:imdn>\r\ni.Message-ID: 1\r\ni.Disposition-Notification: display, positive-delivery\r\nSubject:;lang=en x\\u0041\r\nDateTime: 2026-11-23T14:12:02Z\r\n\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
    `From: <${ANONYMOUS_URI}>\r\nTo: <sip:c@d>\r\nTo: <sip:e@f>\r\nNS: <${CPM_NAMESPACE}>\r\nX: y\r\nNS: <urn:ietf:params:cpim-headers:>\r\n\r\nContent-Type: message/imdn+xml\r\nContent-Disposition: notification\r\nContent-ID: <1>\r\n\r\n<imdn/>`,
    'From: <sip:a@b>\r\nContent-Type: text/plain\r\n\r\nno blank line between',
    `From: <sip:a@b>\r\nNS: dev <urn:chorus:device>\r\ndev.Gruu: sip:a@b;gr=1\r\nNS: imdn <${IMDN_NAMESPACE}>\r\nimdn.Original-To: <sip:x@y>\r\n\r\n\r\nplain`,
  ],
  words: [
    'From: ',
    'To: ',
    'cc: ',
    'NS: ',
    'NS: <urn:ietf:params:cpim-headers:>',
    '.Message-ID: ',
    'DateTime: ',
    'Subject: ',
    ';lang=fr ',
    '\\u0000',
    '\\n',
    'Content-Length: ',
    'Content-Type: ',
    'Content-',
    ' <urn:ietf:params:imdn>',
    'display',
  ],
  long: [
    { piece: 'A: b\r\n' },
    { before: 'A: b', piece: '\r\n ' },
    { before: 'Subject: ', piece: '\\' },
    { before: 'Subject:;', piece: 'a' },
    { piece: ':' },
    { before: 'A: b\r\n\r\n\r\n', piece: '\r\n' },
    { before: 'From: ', piece: '"' },
    { before: 'i.Disposition-Notification: ', piece: ',' },
  ],
  take(bytes) {
    const content = (message: Parameters<typeof encodeCpim>[0]) => encodeCpim(message);
    survives(parseCpim(bytes), content, parseCpim, (message) => ({
      from: message.from ?? ANONYMOUS_URI,
      to: message.to.length === 0 ? [ANONYMOUS_URI] : message.to,
      name: message.from === null ? null : printable(message.fromName ?? '') || null,
      at: message.dateTime,
      subject: printable(message.subject ?? '') || null,
      id: message.messageId === null ? null : printable(message.messageId),
      dispositions: message.dispositions,
      type: printable(message.contentType),
      body: Uint8Array.from(message.body),
    }));
  },
};

/** What a line can hold: nothing that would end it. */
const printable = (text: string) =>
  text
    .replaceAll('\t', ' ')
    .replace(/[\x00-\x1f\x7f]/g, '')
    .trim();

export const multipart: Target = {
  name: 'multipart',
  seeds: [
    '--b1\r\nContent-Type: application/sdp\r\nContent-ID: <1>\r\nContent-Length: 3\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b1--\r\n',
    'before\r\n--b1 \r\nc: text/plain\r\n\r\n--b1x\r\n--b1--after',
    '--b1\nContent-Disposition: recipient-list\n\n<a/>\n--b1\nfoo: bar\n\n\n--b1--\n',
  ],
  words: [
    '--b1',
    '--b1--',
    '\r\n--b1\r\n',
    '--',
    'Content-Type: ',
    'multipart/mixed;boundary=b1',
    'boundary="',
    'application/',
    'Content-Length: ',
  ],
  long: [
    { piece: '--b1' },
    { piece: '\r\n--b1\r\n' },
    { before: '--b1\r\n\r\n', piece: '\n--b' },
    { before: '--b1\r\n', piece: 'a: b\r\n' },
    { before: '--b1', piece: ' ' },
    { before: '--b1\r\n\r\n', piece: '--b1 ' },
  ],
  take(bytes) {
    const types = ['multipart/mixed;boundary=b1', utf8(bytes.subarray(0, 100))];
    for (const type of types) {
      const parts = parseMultipart(type, bytes);
      if (!parts.ok) continue;
      const boundary = newBoundary(() => 0.37, parts.value);
      survives(
        parts,
        (value) => encodeMultipart(value, boundary),
        (written) => parseMultipart(`multipart/mixed;boundary=${boundary}`, written),
        (value) => value.map((part) => [printable(part.contentType), Uint8Array.from(part.body)]),
      );
    }
    const { type, params } = parseContentType(utf8(bytes));
    hold(type === '' || /^[^\s/]+\/[^\s/]+$/.test(type), 'a media type that is none', type, params);
    leakInContent(types[0] ?? '', bytes, own, 'sip:bob@lab.test');
    leakInSip(bytes, own, 'sip:bob@lab.test');
  },
};

export const sdp: Target = {
  name: 'sdp',
  seeds: [
    'v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\na=fingerprint:sha-256 AB:CD\r\nm=message 9 TCP/TLS/MSRP *\r\na=setup:actpass\r\na=path:msrps://h:1/a;tcp msrps://g:2/b;tcp\r\na=accept-types:message/cpim text/*\r\na=accept-wrapped-types:*\r\na=msrp-cema\r\na=chatroom:nickname private-messages\r\na=sendonly\r\n',
    'v=0\no=x 1 1 IN IP6 ::1\ns=-\nt=0 0\nm=audio 1 RTP/AVP 0\na=recvonly\nm=message 0 TCP/MSRP *\nc=IN IP6 ::1\n',
  ],
  words: [
    'v=0',
    'o=- 1 1 IN IP4 h',
    'm=message 1 TCP/MSRP *',
    'm=message 1/2 ',
    'a=path:',
    'msrp://h:1/a;tcp',
    'a=inactive',
    'a=setup:',
    'c=IN IP6 ::1/127',
    'a=fingerprint:sha-512 ',
    'a=:',
    '18446744073709551615',
  ],
  long: [
    { before: 'v=0\r\n', piece: 'a=b\r\n' },
    { before: 'v=0\r\no=', piece: ' 1' },
    { before: 'v=0\r\nm=message 1 TCP/MSRP *\r\na=path:', piece: ' ' },
    { before: 'v=0\r\nm=', piece: '1' },
    { before: 'a=fingerprint:sha-256 ', piece: 'AB:' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    const read = parseSdp(text);
    survives(read, encodeSdp, parseSdp, (value) => ({
      ...value,
      attributes: value.attributes
        .filter(([name]) => /^[A-Za-z0-9-]+$/.test(name))
        .map(([name, what]) => [name, what === null ? null : printable(what)]),
    }));
    if (read.ok) for (const { value } of fingerprintsOf(read.value)) hold(/^[0-9A-F:]+$/.test(value), 'a fingerprint that is none', value);
  },
};
