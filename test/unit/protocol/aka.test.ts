import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AKA_ALGORITHM, akaAnswer, akaChallenge, akaResync, akaResyncNumber, MAX_SQN_JUMP, SQN_LIMIT } from '../../../protocol/aka';
import { answerChallenge, formatAuthorization, parseAuthorization, parseChallenge } from '../../../protocol/digest';
import { type BlockCipher, type MilenageSecret, milenage, opcOf } from '../../../protocol/milenage';
import { parsedValue, reasonOf } from './wire-text';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
const aes: BlockCipher = (key, block) => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);

/** TS 35.207 test set 1. */
const K = bytes('465b5ce8b199b49faa5f0a2ee238a6bc');
const OP = bytes('cdc202d5123e20f62b6d676ac72cb318');
const RAND = bytes('23553cbe9637a89d218ae64dae47bf35');
const SQN = bytes('ff9bb4d0b607');
const SQN_NUMBER = 0xff9bb4d0b607;
const AMF = bytes('b9b9');
const NONCE = 'I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=';
const secret: MilenageSecret = { k: K, opc: bytes('cd63cb71954a9f4e48a5994e37a02baf') };

describe('Milenage', () => {
  it('computes the published test set 1', () => {
    expect(hex(opcOf(K, OP, aes))).toBe('cd63cb71954a9f4e48a5994e37a02baf');
    const out = milenage(secret, RAND, SQN, AMF, aes);
    expect(Object.fromEntries(Object.entries(out).map(([name, octets]) => [name, hex(octets)]))).toEqual({
      mac: '4a9ffac354dfafb3',
      resyncMac: '01cfaf9ec4e871e9',
      res: 'a54211d5e3ba50bf',
      ck: 'b40ba9a3c58b2a05bbf0d987b21bf8cb',
      ik: 'f769bcd751044604127672711c6d3441',
      ak: 'aa689c648370',
      resyncAk: '451e8beca43b',
    });
  });

  it('refuses a key or a RAND of another length', () => {
    expect(() => milenage({ ...secret, k: K.subarray(1) }, RAND, SQN, AMF, aes)).toThrow('15 octets');
    expect(() => milenage(secret, RAND.subarray(2), SQN, AMF, aes)).toThrow('14 octets');
  });
});

describe('AKA', () => {
  it('the network writes RAND and AUTN into the nonce', () => {
    const vector = akaChallenge(secret, RAND, SQN_NUMBER, aes, AMF);
    expect(vector.nonce).toBe(NONCE);
    expect(hex(vector.res)).toBe('a54211d5e3ba50bf');
  });

  it('the SIM accepts a higher number once, but not one that jumps too far', () => {
    const judge = (highest: number) => parsedValue(akaAnswer(secret, NONCE, highest, aes));
    expect(judge(SQN_NUMBER - 1)).toEqual({ kind: 'res', res: bytes('a54211d5e3ba50bf'), sqn: SQN_NUMBER });
    expect(judge(SQN_NUMBER - MAX_SQN_JUMP + 1).kind).toBe('res');
    expect(judge(SQN_NUMBER - MAX_SQN_JUMP).kind).toBe('resync');
    expect(judge(0).kind).toBe('resync');
    expect(judge(SQN_NUMBER)).toEqual({ kind: 'resync', auts: 'uoU/PBI8z0TpNZbjVcY=' });
  });

  it('AUTS brings the number of the SIM to the network, and only its own', () => {
    expect(akaResync(secret, RAND, SQN_NUMBER, aes)).toBe('uoU/PBI8z0TpNZbjVcY=');
    expect(akaResyncNumber(secret, NONCE, 'uoU/PBI8z0TpNZbjVcY=', aes)).toBe(SQN_NUMBER);
    for (const auts of ['uoU/PBI8z0TpNZbjVcc=', 'uoU/', '', '*', 'A'.repeat(2000)])
      expect(akaResyncNumber(secret, NONCE, auts, aes)).toBeNull();
    expect(akaResyncNumber({ ...secret, k: OP }, NONCE, 'uoU/PBI8z0TpNZbjVcY=', aes)).toBeNull();
    expect(akaResyncNumber(secret, 'I1U8', 'uoU/PBI8z0TpNZbjVcY=', aes)).toBeNull();
  });

  it('a network that does not know K is found out', () => {
    const { nonce } = akaChallenge({ ...secret, k: OP }, RAND, SQN_NUMBER, aes);
    expect(parsedValue(akaAnswer(secret, nonce, 0, aes))).toEqual({ kind: 'wrongNetwork' });
  });

  it('an invalid nonce is malformed; server data after AUTN is allowed', () => {
    for (const nonce of ['', 'abc', 'dcd98b7102dd2f0e8b11d0f600bfb0c0-_', 'I1U8vpY3qJ0h', 'A'.repeat(1025)])
      expect(reasonOf(akaAnswer(secret, nonce, 0, aes))).toContain('nonce');
    const longer = Buffer.concat([Buffer.from(NONCE, 'base64'), Buffer.from('server data')]).toString('base64');
    expect(parsedValue(akaAnswer(secret, longer, SQN_NUMBER - 1, aes)).kind).toBe('res');
    expect(() => akaChallenge(secret, RAND, SQN_LIMIT, aes)).toThrow('sequence number');
  });

  it('RES is the Digest password as octets (AKAv1-MD5), and auts goes with an empty one', () => {
    const challenge = parsedValue(parseChallenge(`Digest realm="home1.net", nonce="${NONCE}", algorithm=${AKA_ALGORITHM}, qop="auth"`));
    const answer = { username: 'user1_private@home1.net', method: 'REGISTER', uri: 'sip:home1.net', nc: 1, cnonce: '0a4f113b' };
    const value = answerChallenge(challenge, { ...answer, password: bytes('a54211d5e3ba50bf') }, (_, text) =>
      createHash('md5').update(text).digest('hex'),
    );
    const credentials = parsedValue(parseAuthorization(value));
    expect(credentials).toMatchObject({ response: 'd631c17126f6ad3a5984ced4459958df', algorithm: AKA_ALGORITHM, nonce: NONCE, auts: null });
    expect(parsedValue(parseAuthorization(formatAuthorization({ ...credentials, auts: 'uoU/PBI8z0TpNZbjVcY=' }))).auts).toBe(
      'uoU/PBI8z0TpNZbjVcY=',
    );
  });
});
