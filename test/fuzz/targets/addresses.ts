/** Addresses, and the values of headers that client and network share. */
import { isDeepStrictEqual } from 'node:util';
import { formatAuthorization, formatChallenge, parseAuthorization, parseChallenge } from '../../../protocol/digest';
import {
  acceptContact,
  ICSI,
  icsiValue,
  matchesAcceptContact,
  matchesRejectContact,
  parseIcsi,
  wantedServices,
} from '../../../protocol/feature-tags';
import { encodeGroupIcon, parseGroupIcon } from '../../../protocol/group-icon';
import { imeiUrn, instanceParam, meidUrn, nickname, parseInstance, sameInstance } from '../../../protocol/instance-urn';
import { parseMsrpUri, sameMsrpUri } from '../../../protocol/msrp';
import { encodeNickname, parseNickname } from '../../../protocol/nickname';
import { parsed } from '../../../protocol/parsed';
import { pictureSize } from '../../../protocol/picture-size';
import { entryTarget } from '../../../protocol/resource-lists';
import { parseServer } from '../../../protocol/server-address';
import { formatSessionExpires, parseMinSe, parseSessionExpires } from '../../../protocol/session-expires';
import { namesLookAlike, shownName } from '../../../protocol/shown-name';
import {
  addressKey,
  correspondentKey,
  formatNameAddr,
  formatUri,
  MAX_URI_CHARACTERS,
  parseNameAddr,
  parseNameAddrList,
  parseUri,
} from '../../../protocol/uri';
import { hold, survives, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

export const addresses: Target = {
  name: 'addresses',
  seeds: [
    `sip:bob%40x:pw@lab.test:5060;gr=${UUID};lr?Session-Replaces=1&Accept-Contact=*%3B%2Bsip.instance%3D%22%3C${UUID}%3E%22`,
    'sip:b@x?Call-ID=1a&From=sip:a@x%3Btag%3Da1&To=sip:b@x%3Btag%3Db1',
    'tel:+1-555-0100;phone-context=lab.test;x=y',
    `"Al \\"x\\" b" <sip:a@b;x=1,2>;+sip.instance="<${UUID}>";expires=1;q=0.5, tok en <sip:c@d>, sip:e@f;tag=1`,
    'mailto:a@b?subject=x',
    'msrp://u@[::1]:7001/abc;tcp;x',
    'wss://proxy.lab.test:8443/path?x=y',
  ],
  words: [
    'sip:',
    'sips:',
    'tel:+',
    'urn:uuid:',
    ';gr=',
    ';phone-context=',
    '?From=',
    '%40',
    '%C3%A4',
    '%3B',
    'msrp://',
    ';tcp',
    'ws://',
    '[::1]',
    ':5060',
  ],
  long: [
    { before: 'sip:', piece: '@' },
    { before: 'sip:a@b', piece: ';a' },
    { before: 'sip:a@b?', piece: 'a=b&' },
    { piece: '<sip:a@b>,' },
    { piece: '"' },
    { piece: '\\"' },
    { before: 'tel:', piece: '-' },
    { before: 'msrp://', piece: 'a.', after: '/x;tcp' },
    { before: 'msrp://h/a;tcp', piece: ';' },
    { piece: ' ' },
    { before: 'sip:a@', piece: 'a.' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    const uri = parseUri(text);
    survives(uri, formatUri, parseUri);
    if (uri.ok) hold(!/[\s<>"]/.test(formatUri(uri.value)), 'a character that ends an address', text);
    // Brackets make what is as long as it may be longer than that.
    const isShort = text.length < MAX_URI_CHARACTERS;
    if (isShort)
      survives(parseNameAddr(text), formatNameAddr, parseNameAddr, ({ uri: kept, params, displayName }) => [
        kept,
        written(params),
        oneLine(displayName),
      ]);
    if (isShort)
      survives(
        parseNameAddrList(text),
        (list) => list.map(formatNameAddr).join(', '),
        parseNameAddrList,
        (list) => list.map((one) => [one.uri, written(one.params)]),
      );
    for (const key of [addressKey, correspondentKey]) {
      const known = key(text);
      hold(known === null || key(known) === known, 'the key of an address is none', text, known, known === null ? null : key(known));
    }
    const target = entryTarget(text);
    if (target.ok) hold(!/[\r\n]/.test(`${target.value.replaces}${target.value.sessionReplaces}`), 'a line break in a header', target);
    const server = parseServer(text);
    hold(!server.ok || server.value.port === null || server.value.port <= 65_535, 'an impossible port', server);
    const msrp = parseMsrpUri(text);
    hold(msrp.ok === sameMsrpUri(text, text), 'an MSRP URI is not itself', text);
    const instance = parseInstance(text);
    if (instance !== null) {
      hold(parseInstance(instanceParam(instance)) === instance, 'an instance ID becomes another', instance, instanceParam(instance));
      hold(sameInstance(text, instance), 'an instance ID is not itself', text, instance);
    }
    imeiUrn(text);
    meidUrn(text);
    nickname(text);
  },
};

const oneLine = (name: string | null) => name?.replaceAll('\t', ' ').replace(/[\x00-\x1f\x7f]/g, '') || null;
/** Parameters whose names no header can hold are left out, and control characters of a value. */
const written = (params: ReadonlyMap<string, string | null>) =>
  [...params]
    .filter(([name]) => /^[A-Za-z0-9\-.!%*_+`'~]+$/.test(name))
    .map(([name, value]) => [name, value?.replaceAll('\t', ' ').replace(/[\x00-\x1f\x7f]/g, '') ?? null]);

export const headerValues: Target = {
  name: 'header-values',
  seeds: [
    'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o", stale=true',
    'Digest username="u", realm="r", nonce="n", uri="sip:x", response="0", algorithm=MD5-sess, cnonce="c", qop=auth, nc=00000001, auts="YQ=="',
    acceptContact({ icsis: [ICSI.session, ICSI.msg], instanceId: UUID }),
    '*;methods="INVITE,!BYE";priority="#>=3";+sip.x="<a>";description="#1:5";require',
    '1800;refresher=uas',
    '"Al \\"x\\""',
    'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ',
  ],
  words: [
    'Digest ',
    'realm="',
    'nonce=',
    'qop=',
    'auth-int',
    'SHA-512-256-SESS',
    'AKAv1-MD5',
    ';explicit',
    '#<=',
    '+g.3gpp.icsi-ref="',
    '%3A',
    'urn:urn-7:',
    'data:image/webp;base64,',
  ],
  long: [
    { before: 'Digest ', piece: 'a=b,' },
    { before: 'Digest', piece: ' ' },
    { before: '*', piece: ';a="b"' },
    { piece: '"\\' },
    { piece: 'e\u0301\u0301\u0301\u0301\u0301' },
    { piece: '\u200d\u{1f468}' },
    { before: '"', piece: '\\a', after: '"' },
    { before: 'data:image/png;base64,', piece: 'A' },
    { before: 'data:image/png;base64,', piece: ' ' },
    { before: '#', piece: '9' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    survives(parseChallenge(text), formatChallenge, parseChallenge, (one) => ({ ...one, algorithm: null, ...cleaned(one) }));
    survives(parseAuthorization(text), formatAuthorization, parseAuthorization, (one) => ({ ...one, algorithm: null, ...cleaned(one) }));
    survives(parseSessionExpires(text), formatSessionExpires, parseSessionExpires);
    parseMinSe(text);
    const preference = parseNameAddr(text);
    if (preference.ok) {
      parseIcsi(preference.value.params.get('+g.3gpp.icsi-ref') ?? '');
      const match = matchesAcceptContact(preference.value.params, preference.value);
      hold(match.score >= 0 && match.score <= 1, 'a score that is none', match);
      matchesRejectContact(preference.value.params, preference.value);
    }
    const services = wantedServices([text]);
    hold(
      isDeepStrictEqual(parseIcsi(icsiValue(services)), services),
      'a service becomes another',
      services,
      parseIcsi(icsiValue(services)),
    );
    const chosen = parseNickname(text);
    if (chosen !== null) hold(parseNickname(encodeNickname(chosen)) === chosen, 'a nickname becomes another', chosen);
    const shown = shownName(text);
    hold(shownName(shown) === shown, 'a name that was cleaned is cleaned again', text, shown, shownName(shown));
    hold(shown === '' || namesLookAlike(shown, shown) || !/[\p{L}\p{N}]/u.test(shown), 'a name does not look like itself', shown);
    const icon = parseGroupIcon(text);
    if (icon.ok) survives(parsed(icon.value), encodeGroupIcon, (again) => asParsed(parseGroupIcon(again)));
    pictureSize(bytes);
  },
};

const asParsed = <T>(result: { ok: true; value: T } | { ok: false; code: number }) =>
  result.ok ? result : { ok: false as const, reason: String(result.code) };

/** Control characters are never written. */
const cleaned = (values: object) =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([name, value]) => typeof value === 'string' && name !== 'algorithm')
      .map(([name, value]) => [
        name,
        String(value)
          .replaceAll('\t', ' ')
          .replace(/[\x00-\x1f\x7f]/g, ''),
      ]),
  );
