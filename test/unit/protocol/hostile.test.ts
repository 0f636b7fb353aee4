import { describe, expect, it } from 'vitest';
import { encodeConferenceInfo, parseConferenceInfo } from '../../../protocol/conference-info';
import { encodeCpim, parseCpim } from '../../../protocol/cpim';
import { formatAuthorization, formatChallenge, parseAuthorization, parseChallenge } from '../../../protocol/digest';
import { acceptContact, ICSI, matchesAcceptContact, parseIcsi } from '../../../protocol/feature-tags';
import { encodeImdn, parseImdn } from '../../../protocol/imdn';
import { imeiUrn, meidUrn, nickname, parseInstance, sameInstance } from '../../../protocol/instance-urn';
import { encodeIsComposing, parseIsComposing } from '../../../protocol/is-composing';
import { encodeMsrp, parseMsrpUri } from '../../../protocol/msrp';
import { MsrpParser } from '../../../protocol/msrp-parser';
import { encodeMultipart, parseContentType, parseMultipart } from '../../../protocol/multipart';
import type { Parsed } from '../../../protocol/parsed';
import { encodeRegInfo, parseRegInfo } from '../../../protocol/reginfo';
import { encodeReplacingEntry, encodeResourceLists, entryTarget, parseResourceLists } from '../../../protocol/resource-lists';
import { encodeSdp, parseSdp } from '../../../protocol/sdp';
import { addressKey, formatNameAddr, formatUri, parseNameAddr, parseNameAddrList, parseUri } from '../../../protocol/uri';
import { seededRandom } from '../../support/doubles/seeded-random';
import { tortureMessages } from '../../support/rfc4475/messages';
import { characters, octets } from './wire-text';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

/** What was read once is written in one line and read again as the same value: nothing of it can become another header or address. */
function addressesHold(text: string): void {
  const uri = parseUri(text);
  if (uri.ok && uri.value.scheme !== 'other') {
    const written = formatUri(uri.value);
    expect(written, JSON.stringify(text)).not.toMatch(/[\s<>"]/);
    expect(parseUri(written), JSON.stringify(text)).toEqual(uri);
  }
  const list = parseNameAddrList(text);
  for (const named of [parseNameAddr(text), ...(list.ok ? list.value.map((value): Parsed<typeof value> => ({ ok: true, value })) : [])]) {
    if (!named.ok) continue;
    const written = formatNameAddr(named.value);
    expect(written, JSON.stringify(text)).not.toMatch(/[\r\n]/);
    const again = parseNameAddr(written);
    expect(again.ok && again.value.uri, JSON.stringify(text)).toBe(named.value.uri);
  }
  addressKey(text);
  entryTarget(text);
  parseInstance(text);
}

describe('RFC 4475', () => {
  it('every header value of the torture messages is read or refused, never thrown at', () => {
    const values = new Set<string>();
    for (const message of tortureMessages.values()) {
      for (const encoding of ['utf8', 'latin1'] as const) {
        const text = Buffer.from(message).toString(encoding);
        const head = (text.split('\r\n\r\n', 1)[0] ?? '').replace(/\r\n[ \t]+/g, ' ');
        for (const line of head.split('\r\n')) {
          for (const value of [line, line.slice(line.indexOf(':') + 1), ...line.split(/\s+/), ...line.split(/[<>]/)]) values.add(value);
        }
      }
    }
    for (const value of values) {
      addressesHold(value);
      parseChallenge(value);
      parseAuthorization(value);
      parseContentType(value);
    }
    expect(values.size).toBeGreaterThan(500);
  });
});

const SPICE = [
  '\r\n',
  '\n',
  '\0',
  '"',
  '\\',
  '<',
  '>',
  ';',
  ',',
  ':',
  '%',
  '%00',
  '%ff',
  '=',
  '@',
  '?',
  '&',
  ' ',
  '\t',
  '--',
  '-------',
  '*',
  '9'.repeat(30),
  'ä',
  '\ud800',
  '[',
  ']',
  '!',
  '#',
];

function spoil(text: string, random: () => number): string {
  let out = text;
  const times = 1 + Math.floor(random() * 4);
  for (let time = 0; time < times; time += 1) {
    const at = Math.floor(random() * (out.length + 1));
    const length = Math.floor(random() * 6);
    const kind = random();
    if (kind < 0.4)
      out = out.slice(0, at) + (SPICE[Math.floor(random() * SPICE.length)] ?? '') + out.slice(at + (random() < 0.5 ? 0 : length));
    else if (kind < 0.6) out = out.slice(0, at) + out.slice(at + length);
    else if (kind < 0.75) out = out.slice(0, at);
    else if (kind < 0.9) out = out.slice(0, at) + out.slice(Math.max(0, at - 20), at) + out.slice(at);
    else out = out.slice(0, at) + String.fromCharCode(Math.floor(random() * 0x180)) + out.slice(at);
  }
  return out;
}

const msrp = characters(
  encodeMsrp({
    kind: 'request',
    transactionId: 'a786hjs2',
    method: 'SEND',
    toPath: ['msrp://127.0.0.1:1/a;tcp'],
    fromPath: ['msrp://127.0.0.1:2/b;tcp'],
    headers: [['X', 'y']],
    messageId: '1',
    byteRange: { start: 1, end: 2, total: 2 },
    contentType: 'text/plain',
    successReport: true,
    failureReport: 'no',
    status: null,
    body: octets('hi'),
    continuation: '$',
  }),
);
const contact = {
  id: '1',
  state: 'active',
  event: 'created',
  uri: 'sip:a@b',
  displayName: 'x',
  expires: 1,
  durationRegistered: 1,
  retryAfter: 1,
  q: '1',
  callId: '1',
  cseq: 1,
  params: new Map([['+sip.instance', `<${UUID}>`]]),
  pubGruu: 'sip:a@b;gr=1',
  tempGruu: { uri: 'sip:t@b;gr', firstCseq: 1 },
} as const;

/** Each: an honest input, and a reader that must take anything; what it accepts must be writable and readable again. */
const readers: [name: string, honest: string, read: (text: string) => void][] = [
  [
    'URI',
    `sip:bob%40x:pw@lab.test:5060;gr=${UUID};lr?Session-Replaces=1&Accept-Contact=*%3B%2Bsip.instance%3D%22%3C${UUID}%3E%22`,
    addressesHold,
  ],
  [
    'dialog entry',
    'sip:b@x?Call-ID=1a&From=sip:a@x%3Btag%3Da1&To=sip:b@x%3Btag%3Db1',
    (text) => {
      const target = entryTarget(text);
      if (target.ok) expect(JSON.stringify([target.value.replaces, target.value.sessionReplaces])).not.toMatch(/\\[rn]/);
    },
  ],
  ['TEL URI', 'tel:+1-555-0100;phone-context=lab.test;x=y', addressesHold],
  [
    'Contact list',
    `"Al \\"x\\" b" <sip:a@b;x=1,2>;+sip.instance="<${UUID}>";expires=1;q=0.5, tok en <sip:c@d>, sip:e@f;tag=1`,
    addressesHold,
  ],
  [
    'instance',
    `"<${UUID}>"`,
    (text) => {
      for (const one of [parseInstance(text), nickname(text)]) expect(one ?? '').not.toMatch(/[\r\n"<>]/u);
      sameInstance(text, UUID);
      imeiUrn(text);
      meidUrn(text);
      encodeReplacingEntry({ uri: text, instanceId: text, contributionId: text, domain: text });
    },
  ],
  [
    'feature parameters',
    acceptContact({ icsis: [ICSI.session, ICSI.msg], instanceId: UUID }),
    (text) => {
      const named = parseNameAddr(text);
      if (!named.ok) return;
      parseIcsi(named.value.params.get('+g.3gpp.icsi-ref') ?? '');
      matchesAcceptContact(named.value.params, named.value);
    },
  ],
  [
    'challenge',
    'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o", stale=true',
    (text) => {
      const challenge = parseChallenge(text);
      if (challenge.ok) expect(formatChallenge(challenge.value)).not.toMatch(/[\r\n]/);
    },
  ],
  [
    'credentials',
    'Digest username="u", realm="r", nonce="n", uri="sip:x", response="0", algorithm=MD5, cnonce="c", qop=auth, nc=00000001',
    (text) => {
      const credentials = parseAuthorization(text);
      if (credentials.ok) expect(formatAuthorization(credentials.value)).not.toMatch(/[\r\n]/);
    },
  ],
  [
    'multipart',
    '--b1\r\nContent-Type: text/plain\r\nContent-ID: <1>\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b1--\r\n',
    (text) => {
      const parts = parseMultipart('multipart/mixed;boundary=b1', octets(text));
      if (parts.ok) expect(parseMultipart('multipart/mixed;boundary=zz9', encodeMultipart(parts.value, 'zz9')).ok).toBe(true);
      parseMultipart(text, octets(text));
    },
  ],
  [
    'CPIM',
    'From: "x" <sip:a@b>\r\nTo: <sip:c@d>\r\nNS: i <urn:ietf:params:imdn>\r\ni.Message-ID: 1\r\nSubject:;lang=en x\\u0041\r\nDateTime: 2026-11-23T14:12:02Z\r\n\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
    (text) => {
      const message = parseCpim(octets(text));
      if (!message.ok) return;
      const again = parseCpim(encodeCpim(message.value));
      expect(again.ok && again.value.body, JSON.stringify(text)).toEqual(message.value.body);
    },
  ],
  [
    'SDP',
    'v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\na=setup:actpass\r\na=path:msrp://h:1/a;tcp\r\na=accept-types:message/cpim\r\n',
    (text) => {
      const description = parseSdp(text);
      if (description.ok) expect(parseSdp(encodeSdp(description.value)).ok, JSON.stringify(text)).toBe(true);
    },
  ],
  [
    'MSRP',
    msrp + msrp,
    (text) => {
      const parser = new MsrpParser();
      const messages = parser.push(octets(text));
      for (const message of messages.ok ? messages.value : []) {
        const again = new MsrpParser().push(encodeMsrp({ ...message, transactionId: 'zz99zz99' }));
        expect(again.ok && again.value.length, JSON.stringify(text)).toBe(1);
      }
      parseMsrpUri(text);
    },
  ],
  [
    'IMDN',
    characters(encodeImdn({ messageId: '1', dateTime: 0, kind: 'delivery', status: 'delivered', recipient: 'sip:a@b' })),
    (text) => {
      const imdn = parseImdn(octets(text));
      if (imdn.ok) expect(parseImdn(encodeImdn(imdn.value)).ok, JSON.stringify(text)).toBe(true);
    },
  ],
  [
    'isComposing',
    characters(encodeIsComposing({ state: 'active', refreshSeconds: 60, contentType: 'a/b' })),
    (text) => {
      const value = parseIsComposing(octets(text));
      if (value.ok) expect(parseIsComposing(encodeIsComposing(value.value)).ok).toBe(true);
    },
  ],
  [
    'resource lists',
    encodeResourceLists([{ uri: 'sip:a@b', copyControl: 'to', displayName: 'x' }]),
    (text) => {
      const entries = parseResourceLists(text);
      if (entries.ok) expect(parseResourceLists(encodeResourceLists(entries.value)), JSON.stringify(text)).toEqual(entries);
    },
  ],
  [
    'conference-info',
    encodeConferenceInfo({
      entity: 'sip:f@x',
      state: 'full',
      version: 1,
      subject: 's',
      icon: null,
      maximumUserCount: 1,
      userCount: 1,
      active: true,
      users: [
        {
          entity: 'sip:a@b',
          state: 'full',
          displayText: 'a',
          nickname: null,
          roles: ['r'],
          yourOwn: true,
          endpoints: [
            { entity: 'e', state: 'full', displayText: 'd', status: 'connected', disconnectionMethod: null, joiningMethod: null },
          ],
        },
      ],
    }),
    (text) => {
      const info = parseConferenceInfo(text);
      if (info.ok) expect(parseConferenceInfo(encodeConferenceInfo(info.value)).ok, JSON.stringify(text)).toBe(true);
    },
  ],
  [
    'reginfo',
    encodeRegInfo({ version: 0, state: 'full', registrations: [{ aor: 'sip:a@b', id: '1', state: 'active', contacts: [contact] }] }),
    (text) => {
      const info = parseRegInfo(text);
      if (info.ok) expect(parseRegInfo(encodeRegInfo(info.value)).ok, JSON.stringify(text)).toBe(true);
    },
  ],
];

describe('spoilt input', () => {
  it.each(readers)('%s: is read or refused, never thrown at; what is read can be written and read again', (_, honest, read) => {
    const random = seededRandom(4975);
    read(honest);
    // Through octets, as from the wire: a lone surrogate cannot arrive.
    for (let round = 0; round < 400; round += 1) read(characters(octets(spoil(honest, random))));
  });
});
