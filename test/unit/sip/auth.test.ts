import { describe, expect, it } from 'vitest';
import { chooseChallenge, digestResponse, parseAuthorization, parseChallenge } from '../../../main/protocol/digest';
import { challengeOf, digestHash } from '../../../main/sip/auth';
import { parseWireMessage } from '../../../main/sip/wire-message';
import { closeMemoryLabs, memoryLab, registered } from '../../support/sip-memory';

const VECTOR = {
  username: 'alice@lab.example',
  password: 'secret-a',
  method: 'REGISTER',
  uri: 'sip:lab.example',
  nc: 1,
  cnonce: '0a4f113b',
};
const challenge = (algorithm: string) => {
  const parsed = parseChallenge(
    `Digest realm="lab.example", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", algorithm=${algorithm}, qop="auth"`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
};

describe('digestHash', () => {
  it.each([
    ['MD5', '47c897d0dfa5b6e5b68d93c34089ae6d'],
    ['SHA-256', 'c7ba0d9261be23e4777466ada7bf5ab33a035d0f655fc0ea6d16d1b7ad998a7b'],
  ])('gives the known answer for %s', (algorithm, response) => {
    expect(digestResponse({ challenge: challenge(algorithm), ...VECTOR }, digestHash)).toBe(response);
  });

  it('knows SHA-512-256, with the answer of RFC 7616 section 3.9.2', () => {
    // 32 octets, and not SHA-512 cut off: the initial values differ (FIPS 180-4 section 5.3.6.2).
    expect(digestHash('SHA-512-256', 'abc')).toBe('53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23');
  });
});

describe('challengeOf', () => {
  const response = (lines: string[]) => {
    const bytes = new TextEncoder().encode([...lines, '', ''].join('\r\n'));
    const message = parseWireMessage(bytes, bytes.length);
    if (!message.ok) throw new Error(message.reason);
    return message.value;
  };
  const md5 = 'Digest realm="r", nonce="n", algorithm=MD5';
  const sha = 'Digest realm="r", nonce="n", algorithm=SHA-256';

  it('takes the strongest one offered, in whatever order, and none that it cannot answer', () => {
    expect(challengeOf(response(['SIP/2.0 401 x', `WWW-Authenticate: ${sha}`, `WWW-Authenticate: ${md5}`]))?.algorithm).toBe('SHA-256');
    expect(challengeOf(response(['SIP/2.0 401 x', `WWW-Authenticate: ${md5}`, `WWW-Authenticate: ${sha}`]))?.algorithm).toBe('SHA-256');
    expect(challengeOf(response(['SIP/2.0 401 x', 'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=AKAv1-MD5']))).toBeNull();
    expect(challengeOf(response(['SIP/2.0 401 x', `Proxy-Authenticate: ${md5}`]))).toBeNull();
    expect(chooseChallenge([])).toBeNull();
  });
});

describe('the client with each algorithm', () => {
  it.each(['MD5', 'SHA-256', 'SHA-512-256'])('answers %s so that the registrar can verify it', async (algorithm) => {
    const lab = memoryLab({ authUser: 'alice@lab.example', password: 'Pässwörd 🎉' });
    lab.server.onRequest = (request, server) => {
      const given = request.first('authorization');
      const asked = challenge(algorithm);
      if (given === null) {
        const header = `WWW-Authenticate: Digest realm="${asked.realm}", nonce="${asked.nonce}", algorithm=${algorithm}, qop="auth-int,auth", opaque="o"`;
        server.reply(request, { status: 401, headers: [header] });
        return;
      }
      const answer = parseAuthorization(given);
      if (!answer.ok) throw new Error(answer.reason);
      const { username, uri, cnonce, nc, response } = answer.value;
      const right = digestResponse(
        { challenge: asked, username, password: 'Pässwörd 🎉', method: 'REGISTER', uri, nc: nc ?? 0, cnonce: cnonce ?? '' },
        digestHash,
      );
      server.reply(request, response === right && uri === 'sip:lab.test' ? registered(request) : { status: 403 });
    };
    await lab.client.registration.register();
    expect(lab.client.registration.state).toBe('registered');
    closeMemoryLabs();
  });
});
