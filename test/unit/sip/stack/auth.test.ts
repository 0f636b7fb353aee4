import { createCipheriv } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { digestHash, MAX_RESYNCS, MAX_STALE, type Sim } from '../../../../main/sip/stack/auth';
import type { WireMessage } from '../../../../main/sip/wire/wire-message';
import { akaChallenge, akaResyncNumber } from '../../../../protocol/aka';
import { digestResponse, parseAuthorization, parseChallenge } from '../../../../protocol/digest';
import { type BlockCipher, opcOf } from '../../../../protocol/milenage';
import { closeMemoryLabs, type MemoryServer, memoryLab, registered } from '../../../support/doubles/sip-memory';

afterEach(closeMemoryLabs);

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
  });
});

const asks = (...challenges: string[]) => ({
  status: 401,
  reason: 'Unauthorized',
  headers: challenges.map((value) => `WWW-Authenticate: ${value}`),
});
const given = (request: WireMessage | undefined) => {
  const read = parseAuthorization(request?.first('authorization') ?? '');
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};
const md5 = 'Digest realm="lab.test", nonce="n-md5", algorithm=MD5, qop="auth"';
const sha = 'Digest realm="lab.test", nonce="n-sha", algorithm=SHA-256, qop="auth"';

describe('Digest', () => {
  it.each([
    [[sha, md5], 'SHA-256'],
    [[md5, sha], 'SHA-256'],
    [[md5], 'MD5'],
    [[md5, 'Digest realm="r", nonce="n", algorithm=AKAv1-MD5', 'Basic realm="r"'], 'MD5'],
  ])('R37: without a SIM the strongest one offered is answered, in whatever order: %#', async (offers, algorithm) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) =>
      server.reply(request, request.first('authorization') === null ? asks(...offers) : registered(request));
    await lab.client.registration.register();
    expect(given(lab.server.requests('REGISTER')[1]).algorithm).toBe(algorithm);
  });

  it('nothing below the floor that the person set is answered, and no hash of the password leaves', async () => {
    const lab = memoryLab({ minAlgorithm: 'SHA-256' });
    lab.server.onRequest = (request, server) => server.reply(request, asks(md5));
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'account/weak-sign-in' });
    expect(lab.client.registration.state).toBe('rejected');
    expect(lab.server.requests('REGISTER')).toHaveLength(1);
    lab.server.onRequest = (request, server) =>
      server.reply(request, request.first('authorization') === null ? asks(md5, sha) : registered(request));
    await lab.client.registration.register();
    expect(given(lab.server.requests('REGISTER').at(-1)).algorithm).toBe('SHA-256');
  });

  it('the floor holds for other requests too', async () => {
    const lab = memoryLab({ minAlgorithm: 'SHA-256' });
    await lab.client.registration.register();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 407, headers: [`Proxy-Authenticate: ${md5}`] });
    await expect(lab.client.queryCapabilities('sip:bob@lab.test')).rejects.toMatchObject({ detail: { status: 407 } });
    expect(lab.server.requests('OPTIONS')).toHaveLength(1);
  });

  it('auth-int covers the octets of the body where auth is not offered', async () => {
    const lab = memoryLab({ password: 'secret' });
    await lab.client.registration.register();
    const asked = parseChallenge('Digest realm="lab.test", nonce="n", algorithm=SHA-256, qop="auth-int"');
    if (!asked.ok) throw new Error(asked.reason);
    const body = new TextEncoder().encode('h\u00e9llo \u{1f389}');
    lab.server.onRequest = (request, server) => {
      const value = request.first('proxy-authorization');
      if (value === null) {
        server.reply(request, {
          status: 407,
          headers: ['Proxy-Authenticate: Digest realm="lab.test", nonce="n", algorithm=SHA-256, qop="auth-int"'],
        });
        return;
      }
      const answer = parseAuthorization(value);
      if (!answer.ok) throw new Error(answer.reason);
      const { uri, cnonce, nc } = answer.value;
      const right = digestResponse(
        { challenge: asked.value, username: 'alice', password: 'secret', method: 'MESSAGE', uri, nc: nc ?? 0, cnonce: cnonce ?? '', body },
        digestHash,
      );
      server.reply(request, { status: answer.value.response === right && answer.value.qop === 'auth-int' ? 200 : 403 });
    };
    const pager = { target: 'sip:bob@lab.test', icsi: 'urn:x', conversationId: 'c', contributionId: 'd', contentType: 'text/plain', body };
    await expect(lab.client.sendPager(pager)).resolves.toEqual({ status: 200 });
  });

  it('stale nonces are followed, but not for ever', async () => {
    const lab = memoryLab();
    let asked = 0;
    lab.server.onRequest = (request, server) => {
      asked += 1;
      server.reply(request, asks(`Digest realm="lab.test", nonce="n${asked}", algorithm=MD5, qop="auth", stale=true`));
    };
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'sip/rejected', retry: 'auto' });
    expect(lab.client.registration.state).toBe('waiting');
    expect(asked).toBe(MAX_STALE + 2);
  });

  it('a nonce that the registrar has forgotten costs one round trip, not the password', async () => {
    const lab = memoryLab();
    let nonce = 'first';
    lab.server.onRequest = (request, server) => {
      const value = request.first('authorization');
      const isFresh = value !== null && given(request).nonce === nonce;
      server.reply(request, isFresh ? registered(request) : asks(`Digest realm="lab.test", nonce="${nonce}", algorithm=MD5, qop="auth"`));
    };
    await lab.client.registration.register();
    nonce = 'second';
    await lab.client.registration.register();
    expect(lab.client.registration.state).toBe('registered');
    expect(lab.server.requests('REGISTER').map((request) => request.first('authorization') && given(request).nonce)).toEqual([
      null,
      'first',
      'first',
      'second',
    ]);
  });

  it('nextnonce saves the next challenge, and its count starts at 1 again', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const reply = request.first('authorization') === null ? asks(sha) : registered(request);
      server.reply(request, { ...reply, headers: [...(reply.headers ?? []), 'Authentication-Info: qop=auth, nextnonce="n-next"'] });
    };
    await lab.client.registration.register();
    await lab.client.registration.register();
    const last = given(lab.server.requests('REGISTER').at(-1));
    expect([last.nonce, last.nc]).toEqual(['n-next', 1]);
    expect(lab.server.requests('REGISTER')).toHaveLength(3);
  });

  it('a proxy and a registrar that both ask are both answered', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      if (request.first('proxy-authorization') === null) server.reply(request, { status: 407, headers: [`Proxy-Authenticate: ${md5}`] });
      else if (request.first('authorization') === null) server.reply(request, asks(sha));
      else server.reply(request, registered(request));
    };
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER')).toHaveLength(3);
  });
});

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const aes: BlockCipher = (key, block) => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);
// Test set 1 of TS 35.208.
const K = octets('465b5ce8b199b49faa5f0a2ee238a6bc');
const OP = octets('cdc202d5123e20f62b6d676ac72cb318');
const RAND = octets('23553cbe9637a89d218ae64dae47bf35');
const AMF = octets('b9b9');
const SECRET = { k: K, opc: opcOf(K, OP, aes) };
const SQN = 0xff9bb4d0b607;

function simOf(highest: number, secret = SECRET): Sim & { saved: number[] } {
  const saved: number[] = [];
  return { secret, saved, loadSqn: () => saved.at(-1) ?? highest, saveSqn: (sqn) => void saved.push(sqn) };
}

const akaAsks = (sqn: number, rand = RAND) =>
  asks(`Digest realm="lab.test", nonce="${akaChallenge(SECRET, rand, sqn, aes, AMF).nonce}", algorithm=AKAv1-MD5, qop="auth"`);

/** A registrar that knows the SIM. `sqn` is its next sequence number. */
function hss(server: MemoryServer, start: { sqn: number }): void {
  let vector = akaChallenge(SECRET, RAND, start.sqn, aes, AMF);
  server.onRequest = (request) => {
    const answer = given(request);
    if (answer.nonce !== vector.nonce) {
      server.reply(request, akaAsks(start.sqn));
      return;
    }
    if (answer.auts) {
      const known = akaResyncNumber(SECRET, vector.nonce, answer.auts, aes);
      if (known === null) throw new Error('a bad AUTS');
      start.sqn = known + 32;
      vector = akaChallenge(SECRET, RAND, start.sqn, aes, AMF);
      server.reply(request, akaAsks(start.sqn));
      return;
    }
    const asked = parseChallenge(`Digest realm="lab.test", nonce="${vector.nonce}", algorithm=AKAv1-MD5, qop="auth"`);
    if (!asked.ok) throw new Error(asked.reason);
    const { username, uri, nc, cnonce } = answer;
    const right = digestResponse(
      { challenge: asked.value, username, password: vector.res, method: 'REGISTER', uri, nc: nc ?? 0, cnonce: cnonce ?? '' },
      digestHash,
    );
    server.reply(request, answer.response === right ? registered(request) : { status: 403, reason: 'Forbidden' });
  };
}

describe('AKA', () => {
  it('R37: sends the private identity unasked and answers with the SIM; the sequence number is stored first', async () => {
    const sim = simOf(SQN - 32);
    const lab = memoryLab({ sim, authUser: 'alice-private@lab.test', password: '' });
    hss(lab.server, { sqn: SQN });
    await lab.client.registration.register();
    const [first, second] = lab.server.requests('REGISTER').map(given);
    expect(first).toMatchObject({ username: 'alice-private@lab.test', realm: 'lab.test', nonce: '', response: '', uri: 'sip:lab.test' });
    expect(second).toMatchObject({ algorithm: 'AKAv1-MD5', nonce: 'I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=', auts: null });
    expect(sim.saved).toEqual([SQN]);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('R37: a network whose sequence number is behind is re-synchronised by AUTS, once', async () => {
    const sim = simOf(SQN);
    const lab = memoryLab({ sim, password: '' });
    const network = { sqn: SQN - 64 };
    hss(lab.server, network);
    await lab.client.registration.register();
    const answers = lab.server.requests('REGISTER').map(given);
    expect(answers.map(({ auts }) => auts)).toEqual([null, 'uoU/PBI8z0TpNZbjVcY=', null]);
    expect(network.sqn).toBe(SQN + 32);
    expect(sim.saved).toEqual([SQN + 32]);
  });

  it('a network that never follows is given up', async () => {
    const lab = memoryLab({ sim: simOf(SQN), password: '' });
    let asked = 0;
    lab.server.onRequest = (request, server) => {
      asked += 1;
      server.reply(request, akaAsks(SQN - 64 * asked));
    };
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'account/unproven-network' });
    expect(asked).toBe(MAX_RESYNCS + 1);
    expect(lab.client.registration.state).toBe('rejected');
  });

  it.each([
    ['refuses', { status: 403, reason: 'Forbidden' }],
    ['asks again', null],
    ['says yes all the same', 'ok'],
  ])('R37: a network that cannot prove itself gets an empty response without AUTS and is not used: it %s', async (_what, then) => {
    const sim = simOf(0, { ...SECRET, k: octets('00000000000000000000000000000000') });
    const lab = memoryLab({ sim, password: '' });
    let asked = 0;
    lab.server.onRequest = (request, server) => {
      asked += 1;
      if (asked === 1 || then === null) server.reply(request, akaAsks(SQN));
      else server.reply(request, then === 'ok' ? registered(request) : (then as { status: number }));
    };
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'account/unproven-network' });
    const last = lab.server.requests('REGISTER').at(-1);
    expect(given(last)).toMatchObject({ response: '', auts: null, nonce: akaChallenge(SECRET, RAND, SQN, aes, AMF).nonce });
    expect(asked).toBe(2);
    expect(sim.saved).toEqual([]);
    expect(lab.client.registration.state).toBe('rejected');
  });

  it('R37: with a SIM, AKA is preferred to Digest when both are offered; Digest alone is answered too; a setting of the person overrides this', async () => {
    const algorithm = async (changes: Parameters<typeof memoryLab>[0], offers: string[]) => {
      const lab = memoryLab({ password: 'secret', ...changes });
      lab.server.onRequest = (request, server) => {
        const answered = request.first('authorization') !== null && given(request).response !== '';
        server.reply(request, answered ? registered(request) : asks(...offers));
      };
      const failed = await lab.client.registration.register().then(
        () => null,
        (error: { code: string }) => error.code,
      );
      return failed ?? given(lab.server.requests('REGISTER').at(-1)).algorithm;
    };
    const aka = akaAsks(SQN).headers[0]?.replace('WWW-Authenticate: ', '') ?? '';
    const sim = simOf(SQN - 32);
    expect(await algorithm({ sim }, [sha, aka])).toBe('AKAv1-MD5');
    expect(await algorithm({ sim: simOf(SQN - 32), authScheme: 'digest' }, [sha, aka])).toBe('SHA-256');
    expect(await algorithm({ sim: simOf(SQN - 32) }, [md5])).toBe('MD5');
    expect(await algorithm({ sim: simOf(SQN - 32), authScheme: 'aka' }, [sha])).toBe('sip/rejected');
    expect(await algorithm({}, [aka])).toBe('sip/rejected');
  });

  it('a nonce that is no RAND and AUTN is an answer like any other bad one', async () => {
    const lab = memoryLab({ sim: simOf(0), password: '' });
    lab.server.onRequest = (request, server) => server.reply(request, asks('Digest realm="x", nonce="!!", algorithm=AKAv1-MD5'));
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'sip/malformed' });
  });
});

describe('early IMS', () => {
  it('R37: carries no Authorization, and only when configured', async () => {
    const lab = memoryLab({ authScheme: 'early-ims', sim: simOf(0), password: '' });
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER')[0]?.first('authorization')).toBeNull();
    lab.server.onRequest = (request, server) => server.reply(request, asks(sha));
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 401 } });
    expect(lab.server.requests('REGISTER').every((request) => request.first('authorization') === null)).toBe(true);
  });
});
