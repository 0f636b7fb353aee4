import { describe, expect, it } from 'vitest';
import { Authenticator, type AuthenticatorOptions, digestHash } from '../../../../network/core/authenticator';
import { Directory } from '../../../../network/core/directory';
import { aes128, simCard } from '../../../../network/core/sim-card';
import { newRequest } from '../../../../network/sip/dialog';
import type { SipRequest } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import { AKA_ALGORITHM, akaAnswer, akaChallenge, SQN_STEP } from '../../../../protocol/aka';
import { answerChallenge, type DigestChallenge, formatAuthorization, parseChallenge } from '../../../../protocol/digest';
import { connectServers, VirtualClock } from '../../../support/doubles/network-doubles';

/** TS 35.207 test set 1. */
const SIM = { k: '465b5ce8b199b49faa5f0a2ee238a6bc', op: 'cdc202d5123e20f62b6d676ac72cb318' };
const { secret } = simCard(SIM);

function lab(options: AuthenticatorOptions = {}) {
  const clock = new VirtualClock();
  const directory = new Directory('lab.test', [
    { name: 'alice', password: 'secret', sim: { ...SIM, sqn: 1000 }, early: ['127.0.0.1', '192.0.2.7'] },
    { name: 'bob', password: '', sim: { k: SIM.op, opc: SIM.k }, early: ['192.0.2.8'] },
    { name: 'carol', password: 'secret' },
  ]);
  const authenticator = new Authenticator(directory, clock, options);
  const request = (name = 'alice', method = 'REGISTER', body = '') => {
    const made = newRequest(method, 'sip:lab.test', { from: `<sip:${name}@lab.test>`, to: `<sip:${name}@lab.test>` });
    return body === '' ? made : made.setBody('text/plain', body);
  };
  const ask = (asked = request()): DigestChallenge[] =>
    authenticator.challenges(false, asked).map((value) => {
      const read = parseChallenge(value);
      if (!read.ok) throw new Error(read.reason);
      return read.value;
    });
  const answer = (
    challenge: DigestChallenge,
    change: { password?: string | Uint8Array; nc?: number; username?: string; auts?: string; on?: SipRequest; body?: Uint8Array } = {},
  ) => {
    const asked = change.on ?? request(change.username?.split('@')[0]);
    const { password = 'secret', nc = 1, username = 'alice', auts, body = asked.body } = change;
    const shared = {
      username,
      password,
      method: asked.method,
      uri: 'sip:lab.test',
      nc,
      cnonce: 'c0',
      body,
      ...(auts !== undefined && { auts }),
    };
    return asked.append('Authorization', answerChallenge(challenge, shared, digestHash));
  };
  const verify = (asked: SipRequest) => authenticator.verify(asked, 'authorization');
  return { clock, directory, authenticator, request, ask, answer, verify };
}

const first = (challenges: DigestChallenge[]): DigestChallenge => {
  const [challenge] = challenges;
  if (challenge === undefined) throw new Error('no challenge');
  return challenge;
};

describe('Digest by the policy of the network', () => {
  it.each([
    ['md5', ['MD5']],
    ['sha256', ['SHA-256']],
    ['sha512-256', ['SHA-512-256']],
    ['both', ['SHA-256', 'MD5']],
  ] as const)('R36: %s offers and accepts exactly that', (auth, algorithms) => {
    const the = lab({ auth });
    const challenges = the.ask();
    expect(challenges.map(({ algorithm }) => algorithm)).toEqual(algorithms);
    challenges.forEach((challenge, index) => {
      expect(the.verify(the.answer(challenge, { nc: index + 1 }))).toMatchObject({
        ok: true,
        subscriber: { name: 'alice' },
        nextNonce: null,
      });
    });
    const other = { ...first(challenges), algorithm: auth === 'sha512-256' ? 'MD5' : 'SHA-512-256' };
    expect(the.verify(the.answer(other, { nc: 9 }))).toMatchObject({ ok: false, stale: false, forbidden: false });
  });

  it('auth-int covers the body, and is taken only where it is offered', () => {
    const the = lab({ qop: ['auth-int'] });
    const challenge = first(the.ask());
    expect(challenge.qop).toEqual(['auth-int']);
    const message = () => the.request('alice', 'MESSAGE', 'hello');
    expect(the.verify(the.answer(challenge, { on: message() })).ok).toBe(true);
    expect(the.verify(the.answer(challenge, { on: message(), nc: 2, body: new TextEncoder().encode('changed') })).ok).toBe(false);
    expect(lab().verify(the.answer(challenge, { on: message() }))).toMatchObject({ ok: false, reason: 'no qop' });
  });

  it('the next nonce comes with the proof, and is good', () => {
    const the = lab({ nextNonce: true });
    const challenge = first(the.ask());
    const verdict = the.verify(the.answer(challenge));
    if (!verdict.ok || verdict.nextNonce === null) throw new Error('no next nonce');
    expect(the.verify(the.answer({ ...challenge, nonce: verdict.nextNonce })).ok).toBe(true);
  });

  it('the life of a nonce is as the network says', () => {
    const the = lab({ nonceLifetimeMs: 1_000 });
    const challenge = first(the.ask());
    the.clock.advance(1_001);
    expect(the.verify(the.answer(challenge))).toMatchObject({ ok: false, stale: true });
  });

  it('R28: a user without a password cannot sign in with an empty one', () => {
    const the = lab();
    expect(the.verify(the.answer(first(the.ask()), { username: 'bob', password: '' }))).toMatchObject({ ok: false, stale: false });
  });
});

describe('AKA', () => {
  const sqnOf = (challenge: DigestChallenge) => {
    const read = akaAnswer(secret, challenge.nonce, 0, aes128);
    if (!read.ok || read.value.kind !== 'res') throw new Error('no RES');
    return read.value;
  };

  it('R28: challenges the SIM with a rising sequence number and accepts only its RES', () => {
    const the = lab({ auth: 'aka' });
    expect(the.verify(the.request())).toMatchObject({ ok: false, forbidden: false });
    const challenges = the.ask();
    expect(challenges.map(({ algorithm, qop }) => [algorithm, qop])).toEqual([[AKA_ALGORITHM, ['auth']]]);
    const { res, sqn } = sqnOf(first(challenges));
    expect(sqn).toBe(1000 + SQN_STEP);
    expect(the.verify(the.answer(first(challenges), { password: res }))).toMatchObject({ ok: true, subscriber: { name: 'alice' } });
    const second = first(the.ask());
    expect(sqnOf(second).sqn).toBe(1000 + 2 * SQN_STEP);
    expect(the.verify(the.answer(second, { password: 'secret' }))).toMatchObject({ ok: false, forbidden: true });
    // A failed attempt uses its nonce up.
    expect(the.verify(the.answer(second, { password: sqnOf(second).res }))).toMatchObject({ ok: false, stale: true });
  });

  it('a nonce may be used again while it lives, with a higher count', () => {
    const the = lab({ auth: 'aka' });
    const challenge = first(the.ask());
    const { res: password } = sqnOf(challenge);
    expect(the.verify(the.answer(challenge, { password })).ok).toBe(true);
    expect(the.verify(the.answer(challenge, { password }))).toMatchObject({ ok: false, stale: true });
    expect(the.verify(the.answer(challenge, { password, nc: 2 })).ok).toBe(true);
  });

  it('a SIM that is ahead puts the number right: the next challenge is one step above it', () => {
    const the = lab({ auth: 'aka' });
    const challenge = first(the.ask());
    const judged = akaAnswer(secret, challenge.nonce, 900_000, aes128);
    if (!judged.ok || judged.value.kind !== 'resync') throw new Error('no AUTS');
    const { auts } = judged.value;
    expect(the.verify(the.answer(challenge, { password: '', auts }))).toMatchObject({ ok: false, forbidden: false });
    expect(sqnOf(first(the.ask())).sqn).toBe(900_000 + SQN_STEP);
  });

  it('an AUTS of another SIM, for another nonce or without proof changes nothing', () => {
    const the = lab({ auth: 'aka' });
    const forged = akaAnswer(secret, akaChallenge(secret, new Uint8Array(16), 32, aes128).nonce, 900_000, aes128);
    if (!forged.ok || forged.value.kind !== 'resync') throw new Error('no AUTS');
    const { auts } = forged.value;
    expect(the.verify(the.answer(first(the.ask()), { password: '', auts }))).toMatchObject({ ok: false, forbidden: true });
    const challenge = first(the.ask());
    const own = akaAnswer(secret, challenge.nonce, 900_000, aes128);
    if (!own.ok || own.value.kind !== 'resync') throw new Error('no AUTS');
    expect(the.verify(the.answer(challenge, { password: 'x', auts: own.value.auts }))).toMatchObject({ ok: false, forbidden: true });
    expect(sqnOf(first(the.ask())).sqn).toBe(1000 + 3 * SQN_STEP);
  });

  it('a SIM that does not know this network ends it with 403', () => {
    const the = lab({ auth: 'aka' });
    const { realm, nonce, algorithm } = first(the.ask());
    const empty = { username: 'alice', realm, uri: 'sip:lab.test', response: '', opaque: null, qop: null, cnonce: null, nc: null };
    const refused = the.request().append('Authorization', formatAuthorization({ ...empty, nonce, algorithm }));
    expect(the.verify(refused)).toMatchObject({ ok: false, forbidden: true, reason: 'the SIM does not know this network' });
    // The first REGISTER of an IMS client names its private identity only (TS 24.229 5.1.1.2).
    const initial = the.request().append('Authorization', formatAuthorization({ ...empty, nonce: '', algorithm: null }));
    expect(the.verify(initial)).toMatchObject({ ok: false, forbidden: false });
  });

  it('nobody signs in with the nonce of another, nor without a SIM', () => {
    const the = lab({ auth: 'aka' });
    const challenge = first(the.ask());
    const { res: password } = sqnOf(challenge);
    expect(the.verify(the.answer(challenge, { password, username: 'bob' }))).toMatchObject({ ok: false, forbidden: true });
    expect(the.verify(the.request('carol'))).toMatchObject({ ok: false, forbidden: true });
    expect(the.authenticator.challenges(false, the.request('carol'))).toEqual([]);
    expect(the.authenticator.challenges(false, the.request('nobody'))).toEqual([]);
  });

  it('an invalid SIM is refused when it is entered', () => {
    expect(() => simCard({ k: 'abc', op: SIM.op })).toThrow('K of a SIM');
    expect(() => simCard({ k: SIM.k })).toThrow('neither OP nor OPc');
    expect(() => simCard({ ...SIM, sqn: -1 })).toThrow('not a sequence number');
  });
});

describe('early IMS', () => {
  it('R28: the source address of a request identifies its subscriber, and nobody else', () => {
    const the = lab({ auth: 'early' });
    const { atA: flow } = connectServers(new SipServer(), new SipServer());
    expect(flow.remote).toMatch(/^127\.0\.0\.1:/);
    const from = (name: string) => the.authenticator.verify(the.request(name), 'authorization', flow);
    expect(from('alice')).toMatchObject({ ok: true, subscriber: { name: 'alice' } });
    for (const name of ['bob', 'carol', 'nobody']) expect(from(name)).toMatchObject({ ok: false, forbidden: true });
    expect(the.authenticator.verify(the.request(), 'authorization')).toMatchObject({ ok: false, forbidden: true });
    expect(the.ask()).toEqual([]);
  });
});
