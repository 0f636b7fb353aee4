import { describe, expect, it } from 'vitest';
import {
  answerSetup,
  cemaAddress,
  encodeSdp,
  fingerprintsOf,
  MAX_PATH_URIS,
  MAX_SDP_CHARACTERS,
  MAX_SDP_LINES,
  type MsrpDescription,
  mirrored,
  parseSdp,
  receives,
} from '../../../protocol/sdp';
import { parsedValue, wire } from './wire-text';

const offer = wire(
  'v=0',
  'o=- 3910000000 3910000001 IN IP4 10.0.0.11',
  's=-',
  'c=IN IP4 10.0.0.11',
  't=0 0',
  'm=message 9 TCP/TLS/MSRP *',
  'a=accept-types:message/cpim application/im-iscomposing+xml',
  'a=accept-wrapped-types:text/plain message/imdn+xml',
  'a=setup:actpass',
  'a=connection:new',
  'a=path:msrps://10.0.0.11:7394/2s93i9ek2a;tcp',
  'a=msrp-cema',
  'a=fingerprint:SHA-256 AB:CD',
  'a=sendrecv',
  '',
);

describe('SDP', () => {
  it('reads an MSRP offer', () => {
    expect(parsedValue(parseSdp(offer))).toEqual({
      host: '10.0.0.11',
      port: 9,
      path: ['msrps://10.0.0.11:7394/2s93i9ek2a;tcp'],
      setup: 'actpass',
      acceptTypes: ['message/cpim', 'application/im-iscomposing+xml'],
      wrappedTypes: ['text/plain', 'message/imdn+xml'],
      direction: 'sendrecv',
      sessionId: '3910000000',
      version: 3_910_000_001,
      transport: 'TCP/TLS/MSRP',
      attributes: [
        ['connection', 'new'],
        ['msrp-cema', null],
        ['fingerprint', 'SHA-256 AB:CD'],
      ],
    } satisfies MsrpDescription);
  });

  it('reads what it writes', () => {
    const description = { ...parsedValue(parseSdp(offer)), host: '2001:db8::1', transport: 'TCP/MSRP', direction: 'sendonly' } as const;
    expect(parsedValue(parseSdp(encodeSdp(description)))).toEqual(description);
  });

  const lines = (...media: string[]) =>
    wire('v=0', 'o=- 1 1 IN IP4 h', 's=-', 'c=IN IP4 h', 't=0 0', ...media.flatMap((line) => [line, 'a=path:msrp://h:1/s;tcp']), '');

  it.each([
    [
      'the MSRP stream in the middle',
      ['m=audio 4000 RTP/AVP 0 8', 'm=message 9 TCP/MSRP *', 'm=video 5000/2 UDP/TLS/RTP/SAVPF 96'],
      ['m=audio 0 RTP/AVP 0 8', 'm=message 9 TCP/MSRP *', 'm=video 0 UDP/TLS/RTP/SAVPF 96'],
    ],
    [
      'a second MSRP stream',
      ['m=message 9 TCP/MSRP *', 'm=message 9 TCP/TLS/MSRP *'],
      ['m=message 9 TCP/MSRP *', 'm=message 0 TCP/TLS/MSRP *'],
    ],
    [
      'a first MSRP stream that is refused',
      ['m=message 0 TCP/MSRP *', 'm=message 9 TCP/MSRP *'],
      ['m=message 0 TCP/MSRP *', 'm=message 9 TCP/MSRP *'],
    ],
    [
      'an m-line without formats',
      ['m=application 9 UDP/BFCP', 'm=message 9 TCP/MSRP *'],
      ['m=application 0 UDP/BFCP *', 'm=message 9 TCP/MSRP *'],
    ],
    ['other messages', ['m=message 5060 sip sip:a@b', 'm=message 9 TCP/MSRP *'], ['m=message 0 sip sip:a@b', 'm=message 9 TCP/MSRP *']],
  ])('answers %s m-line by m-line, and refuses every other one', (_, offered, answered) => {
    const read = parsedValue(parseSdp(lines(...offered)));
    const written = encodeSdp({ ...read, path: ['msrp://h:1/t;tcp'] });
    expect(written.match(/^m=.*$/gm)).toEqual(answered);
    expect(parsedValue(parseSdp(written)).streams).toEqual(read.streams);
    expect(written.indexOf('a=path')).toBeGreaterThan(written.indexOf('m=message 9'));
  });

  it('mirrors directions', () => {
    expect((['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const).map((one) => [mirrored(one), receives({ direction: one })])).toEqual(
      [
        ['sendrecv', true],
        ['recvonly', false],
        ['sendonly', true],
        ['inactive', false],
      ],
    );
  });

  it('passes over other streams and takes the stream c= before the session one', () => {
    const text = wire(
      'v=0',
      'o=alice 1 2 IN IP4 host.test',
      's= ',
      'c=IN IP4 10.0.0.1',
      't=0 0',
      'a=recvonly',
      'm=audio 4000 RTP/AVP 0',
      'c=IN IP4 10.0.0.9',
      'a=path:no',
      'm=message 7394 tcp/msrp *',
      'c=IN IP4 10.0.0.2',
      'a=path:msrp://10.0.0.2:7394/a;tcp msrp://10.0.0.3:1/b;tcp',
      'm=message 1 TCP/MSRP *',
      'a=path:msrp://10.0.0.4:1/c;tcp',
    );
    expect(parsedValue(parseSdp(text))).toMatchObject({
      host: '10.0.0.2',
      port: 7394,
      direction: 'recvonly',
      setup: null,
      transport: 'TCP/MSRP',
      path: ['msrp://10.0.0.2:7394/a;tcp', 'msrp://10.0.0.3:1/b;tcp'],
    });
  });

  it('reads a refused stream without a path', () => {
    expect(parsedValue(parseSdp(offer.replace('message 9', 'message 0').replace(/a=path.*\r\n/, '')))).toMatchObject({ port: 0, path: [] });
  });

  it.each([
    ['nothing', ''],
    ['no version', offer.replace('v=0\r\n', '')],
    ['no origin', offer.replace(/o=.*\r\n/, '')],
    ['an origin that is not numeric', offer.replace('3910000000', 'abc')],
    ['no connection', offer.replace(/c=.*\r\n/, '')],
    ['no stream', offer.replace(/m=.*\r\n/, '')],
    ['another stream alone', offer.replace('m=message 9 TCP/TLS/MSRP', 'm=audio 9 RTP/AVP')],
    ['no path', offer.replace(/a=path.*\r\n/, '')],
    ['a bad port', offer.replace('message 9', 'message 70000')],
    ['a path that is no MSRP URI', offer.replace('msrps://', 'https://')],
    ['a NUL', offer.replace('c=IN IP4 ', 'c=IN IP4 \0')],
    ['rubbish', `${offer}rubbish\r\n`],
    ['too many URIs', offer.replace(/a=path.*/, `a=path:${'msrp://a:1/b;tcp '.repeat(MAX_PATH_URIS + 1)}`)],
    ['too many lines', offer + 'a=x\r\n'.repeat(MAX_SDP_LINES)],
    ['too many characters', `${offer}a=${'x'.repeat(MAX_SDP_CHARACTERS)}`],
  ])('refuses %s', (_, text) => {
    expect(parseSdp(text).ok).toBe(false);
  });

  it('lets no value add a line', () => {
    const evil = '1\r\na=evil\r\nm=audio 1 RTP/AVP 0';
    const text = encodeSdp({
      ...parsedValue(parseSdp(offer)),
      host: evil,
      path: [evil],
      acceptTypes: [evil],
      wrappedTypes: [evil],
      sessionId: evil,
      attributes: [
        ['x', evil],
        [evil, null],
        ['path', 'msrp://evil:1/x;tcp'],
      ],
    });
    expect(text.split('\r\n').filter((line) => line === 'a=evil' || line.startsWith('m=audio'))).toEqual([]);
    expect(text.match(/^a=path/gm)).toHaveLength(1);
  });

  it('answers with the other role', () => {
    expect((['actpass', 'active', 'passive', null] as const).map((setup) => answerSetup({ setup }))).toEqual([
      'active',
      'passive',
      'active',
      'active',
    ]);
  });
});

describe('the fingerprints of a certificate (RFC 8122)', () => {
  const pairs = (count: number, pair = 'aB') => Array.from({ length: count }, () => pair).join(':');

  it('are those whose hash is still good and whose form is right; there may be several', () => {
    const named = [
      `sha-256 ${pairs(32)}`,
      `SHA-512 ${pairs(64)}`,
      `sha-1 ${pairs(20)}`,
      `md5 ${pairs(16)}`,
      `sha-256 ${pairs(31)}`,
      `sha-256 ${pairs(33)}`,
      `sha-384 ${pairs(32)}`,
      'sha-256',
    ];
    expect(fingerprintsOf({ attributes: [...named.map((value) => ['fingerprint', value] as const), ['fingerprint', null]] })).toEqual([
      { hash: 'sha-256', value: pairs(32, 'AB') },
      { hash: 'sha-512', value: pairs(64, 'AB') },
    ]);
  });

  it('may stand before the streams, for those without their own', () => {
    const whole = offer.replace('t=0 0', `t=0 0\r\na=fingerprint:sha-256 ${pairs(32, '11')}`);
    expect(fingerprintsOf(parsedValue(parseSdp(whole)))).toEqual([]);
    const without = whole.replace('a=fingerprint:SHA-256 AB:CD\r\n', '');
    expect(fingerprintsOf(parsedValue(parseSdp(without)))).toEqual([{ hash: 'sha-256', value: pairs(32, '11') }]);
  });
});

describe('CEMA (RFC 6714)', () => {
  it('is the address of c= and m=, when the peer supports CEMA and offers a stream', () => {
    const described = parsedValue(parseSdp(offer));
    expect(cemaAddress({ ...described, port: 7394 })).toEqual({ host: '10.0.0.11', port: 7394 });
    expect(cemaAddress({ ...described, port: 0 })).toBeNull();
    expect(cemaAddress({ ...described, attributes: [] })).toBeNull();
  });
});
