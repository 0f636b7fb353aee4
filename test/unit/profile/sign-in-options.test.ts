import { describe, expect, it } from 'vitest';
import { instanceOfImei, signInParts } from '../../../main/profile/sign-in-options';
import type { SignInOptions } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';

const k = '465b5ce8b199b49faa5f0a2ee238a6bc';
const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
const sim = { k, op: null, opc: k };

function fault(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, field: error.detail.field, reason: error.detail.reason };
    throw error;
  }
  return 'no fault';
}

describe('what a sign-in may be told', () => {
  it('is taken where it is told, and stays as it was where it is not', () => {
    const kept = { authUser: 'a', factory: 'sip:f@x', signIn: { scheme: 'aka', minAlgorithm: 'SHA-256', sim } } as const;
    expect(signInParts({}, kept)).toEqual(kept);
    expect(signInParts({ minAlgorithm: 'SHA-512-256', authUser: ' b ' }, kept)).toEqual({
      authUser: 'b',
      factory: 'sip:f@x',
      signIn: { scheme: 'aka', minAlgorithm: 'SHA-512-256', sim },
    });
    const told: SignInOptions = {
      registrar: 'lab.test',
      factory: 'sip:f@lab.test',
      ca: `x\n${certificate}\n${certificate}`,
      expiresSeconds: 60,
    };
    expect(signInParts(told, {})).toEqual({
      registrar: 'sip:lab.test',
      factory: 'sip:f@lab.test',
      ca: [certificate, certificate],
      expiresSeconds: 60,
    });
  });

  it('a media relay is kept until it is taken away, with its transport; chats over TLS stay so until told otherwise', () => {
    const kept = { msrpRelay: 'msrps://relay.lab.test:2855;tcp', securesMedia: true };
    expect(signInParts({}, kept)).toEqual(kept);
    expect(signInParts({ msrpRelay: ' msrps://relay.lab.test:2855 ' }, {})).toEqual({ msrpRelay: kept.msrpRelay });
    expect(signInParts({ msrpRelay: '', securesMedia: false }, kept)).toEqual({ securesMedia: false });
    const chain = 'msrps://inner.lab.test;tcp msrps://outer.lab.test:2855;tcp';
    expect(signInParts({ msrpRelay: ' msrps://inner.lab.test  msrps://outer.lab.test:2855;tcp ' }, {})).toEqual({ msrpRelay: chain });
  });

  it.each<[SignInOptions, string]>([
    [{ msrpRelay: 'sip:relay.lab.test' }, 'msrpRelay'],
    [{ msrpRelay: 'msrp://relay.lab.test/session;tcp' }, 'msrpRelay'],
    [{ msrpRelay: 'msrp://relay.lab.test:2855;tcp', securesMedia: true }, 'msrpRelay'],
    [{ msrpRelay: 'msrps://inner.lab.test msrp://outer.lab.test' }, 'msrpRelay'],
    [{ msrpRelay: Array(5).fill('msrps://relay.lab.test').join(' ') }, 'msrpRelay'],
    [{ registrar: 'not a uri' }, 'registrar'],
    [{ factory: 'mailto:a@b' }, 'factory'],
    [{ ca: 'no certificate' }, 'ca'],
    [{ sim: { k: 'short', op: null, opc: k } }, 'sim'],
    [{ sim: { k, op: k, opc: k } }, 'sim'],
    [{ sim: { k, op: null, opc: null } }, 'sim'],
    [{ scheme: 'aka' }, 'sim'],
  ])('is refused by the name of its field: %j', (options, field) => {
    expect(fault(() => signInParts(options, {}))).toMatchObject({
      code: 'account/bad-option',
      field,
      reason: expect.stringMatching(/.{10,}/),
    });
  });

  it('R16: an IMEI is checked by its check digit, and is the ID without it', () => {
    expect(instanceOfImei('90420156-025763-7')).toBe('urn:gsma:imei:90420156-025763-0');
    expect(fault(() => instanceOfImei('90420156-025763-1'))).toMatchObject({
      field: 'imei',
      reason: 'The check digit of the IMEI is wrong.',
    });
    expect(fault(() => instanceOfImei('12'))).toMatchObject({ field: 'imei' });
  });
});
