import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  answerChallenge,
  chooseAka,
  chooseChallenge,
  digestResponse,
  formatAuthorization,
  formatChallenge,
  type HashFunction,
  MAX_DIGEST_CHARACTERS,
  parseAuthorization,
  parseChallenge,
} from '../../../protocol/digest';
import { parsedValue } from './wire-text';

const hash: HashFunction = (algorithm, data) =>
  createHash({ MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' }[algorithm]).update(data).digest('hex');

const answer = {
  username: 'alice@lab.example',
  password: 'secret-a',
  method: 'REGISTER',
  uri: 'sip:lab.example',
  nc: 1,
  cnonce: '0a4f113b',
};
const challengeOf = (algorithm: string, qop = 'auth') =>
  parsedValue(
    parseChallenge(`Digest realm="lab.example", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", algorithm=${algorithm}, qop="${qop}"`),
  );

describe('Digest', () => {
  it('computes the MD5 and the SHA-256 response', () => {
    expect(digestResponse({ ...answer, challenge: challengeOf('MD5') }, hash)).toBe('47c897d0dfa5b6e5b68d93c34089ae6d');
    expect(digestResponse({ ...answer, challenge: challengeOf('SHA-256') }, hash)).toBe(
      'c7ba0d9261be23e4777466ada7bf5ab33a035d0f655fc0ea6d16d1b7ad998a7b',
    );
  });

  it('computes what RFC 2617 section 3.5 shows, and RFC 7616 section 3.9.1', () => {
    const old = {
      ...answer,
      username: 'Mufasa',
      password: 'Circle Of Life',
      method: 'GET',
      uri: '/dir/index.html',
      challenge: parsedValue(
        parseChallenge('Digest realm="testrealm@host.com",qop="auth,auth-int",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'),
      ),
    };
    expect(digestResponse(old, hash)).toBe('6629fae49393a05397450978507c4ef1');
    const newer = {
      ...old,
      password: 'Circle of Life',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
      challenge: parsedValue(
        parseChallenge(
          'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"',
        ),
      ),
    };
    expect(digestResponse(newer, hash)).toBe('753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  });

  it('covers RFC 2069, -sess and auth-int by their own definitions', () => {
    const h = (text: string) => hash('MD5', text);
    const nonce = 'dcd98b7102dd2f0e8b11d0f600bfb0c093';
    const secret = h('alice@lab.example:lab.example:secret-a');
    const ha2 = h('REGISTER:sip:lab.example');
    const bare = parsedValue(parseChallenge(`Digest realm="lab.example", nonce="${nonce}"`));
    expect(digestResponse({ ...answer, challenge: bare }, hash)).toBe(h(`${secret}:${nonce}:${ha2}`));
    expect(digestResponse({ ...answer, challenge: challengeOf('md5-SESS') }, hash)).toBe(
      h(`${h(`${secret}:${nonce}:0a4f113b`)}:${nonce}:00000001:0a4f113b:auth:${ha2}`),
    );
    expect(digestResponse({ ...answer, challenge: challengeOf('MD5', 'auth-int'), body: 'x' }, hash)).toBe(
      h(`${secret}:${nonce}:00000001:0a4f113b:auth-int:${h(`REGISTER:sip:lab.example:${h('x')}`)}`),
    );
  });

  it('chooses the strongest challenge it can answer, never below the minimum', () => {
    const offers = ['MD5', 'SHA-256', 'AKAv1-MD5', 'SHA-512-256', 'FUTURE'].map(
      (algorithm) => `Digest realm="r", nonce="${algorithm}", algorithm=${algorithm}`,
    );
    expect(chooseChallenge(['Basic realm="x"', ...offers])?.nonce).toBe('SHA-512-256');
    expect(chooseChallenge(offers.slice(0, 2))?.nonce).toBe('SHA-256');
    expect(chooseChallenge(['Digest realm="r", nonce="n"'])?.algorithm).toBe('MD5');
    expect(chooseChallenge(offers.slice(0, 1), 'SHA-256')).toBeNull();
    expect(chooseChallenge([offers[2] ?? ''])).toBeNull();
  });

  it('carries credentials and challenges both ways, hostile values included', () => {
    const challenge = { ...challengeOf('SHA-256'), opaque: 'a"b\\c\r\nX: y', stale: true };
    expect(parsedValue(parseChallenge(formatChallenge(challenge)))).toEqual({ ...challenge, opaque: 'a"b\\cX: y' });
    const header = answerChallenge(challenge, { ...answer, username: 'al"ice\r\nEvil: 1', nc: 26 }, hash);
    expect(header).not.toMatch(/[\r\n]/);
    const credentials = parsedValue(parseAuthorization(header));
    expect(credentials).toMatchObject({ username: 'al"iceEvil: 1', nc: 26, qop: 'auth', algorithm: 'SHA-256', cnonce: '0a4f113b' });
    expect(header).toContain('nc=0000001a');
    expect(parsedValue(parseAuthorization(formatAuthorization(credentials)))).toEqual(credentials);
    const empty = parsedValue(parseAuthorization('Digest username=u, uri=sip:x, auts=""'));
    expect(parsedValue(parseAuthorization(formatAuthorization(empty)))).toEqual(empty);
  });

  it('leaves qop, nc and cnonce out where the challenge is of RFC 2069', () => {
    const header = answerChallenge(parsedValue(parseChallenge('Digest realm="r",nonce="n"')), answer, hash);
    expect(header).not.toMatch(/qop|nc=|algorithm/);
  });

  it('reads the first REGISTER of an IMS client, with nothing in nonce and response', () => {
    const text = 'Digest username="alice@lab.example",realm="lab.example",nonce="",uri="sip:lab.example",response=""';
    expect(parsedValue(parseAuthorization(text))).toMatchObject({ nonce: '', response: '', qop: null, nc: null });
  });

  it.each([
    '',
    'Digest',
    'Basic abc',
    'Digest realm="x"',
    'Digest realm="x, nonce="y',
    'Digest realm="a", nonce="1", username="u", uri="v", Digest realm="a", nonce="2", algorithm=SHA-256',
    `Digest realm="${'x'.repeat(MAX_DIGEST_CHARACTERS)}", nonce="n"`,
  ])('refuses %.40j', (text) => {
    expect(parseChallenge(text).ok).toBe(false);
    expect(parseAuthorization(text).ok).toBe(false);
  });

  it('refuses a bad nonce count and an unknown qop', () => {
    expect(parseAuthorization('Digest username="a",uri="b",nc=zz').ok).toBe(false);
    expect(parseAuthorization('Digest username="a",uri="b",qop=other').ok).toBe(false);
  });
});

describe('AKA (RFC 3310)', () => {
  const nonce = 'I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=';
  const offers = [
    'Digest realm="home1.net", nonce="x", algorithm=MD5',
    `Digest realm="home1.net", nonce="${nonce}", algorithm=AKAv1-MD5, qop="auth"`,
  ];
  const sim = { username: 'user1_private@home1.net', method: 'REGISTER', uri: 'sip:home1.net', nc: 1, cnonce: '0a4f113b' };

  it('is found among other challenges, and answered with the octets of RES as password', () => {
    const challenge = chooseAka(offers);
    if (challenge === null) throw new Error('not found');
    expect(challenge.nonce).toBe(nonce);
    const res = Uint8Array.from([0xa5, 0x42, 0x11, 0xd5, 0xe3, 0xba, 0x50, 0xbf]);
    expect(digestResponse({ ...sim, challenge, password: res }, hash)).toBe('d631c17126f6ad3a5984ced4459958df');
    expect(chooseAka(offers.slice(0, 1))).toBeNull();
  });

  it('carries AUTS both ways', () => {
    const challenge = chooseAka(offers);
    if (challenge === null) throw new Error('not found');
    const header = answerChallenge(challenge, { ...sim, password: '', auts: 'uoU/PBI8z0TpNZbjVcY=' }, hash);
    expect(parsedValue(parseAuthorization(header))).toMatchObject({ auts: 'uoU/PBI8z0TpNZbjVcY=', algorithm: 'AKAv1-MD5' });
  });
});

describe('auth-int', () => {
  it('covers the octets of the body, text or not', () => {
    const challenge = challengeOf('SHA-256', 'auth-int');
    const text = digestResponse({ ...answer, challenge, body: 'héllo' }, hash);
    expect(digestResponse({ ...answer, challenge, body: new TextEncoder().encode('héllo') }, hash)).toBe(text);
    expect(digestResponse({ ...answer, challenge, body: Uint8Array.from([0xff, 0]) }, hash)).not.toBe(text);
  });
});
