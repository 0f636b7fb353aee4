import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { instanceOfImei, OptionTable, signInTable } from '../../../main/account/sign-in-options';
import { parse, UsageError } from '../../../main/command/command-line';
import { optionFlags, optionHelp, readOptions } from '../../../main/command/sign-in-flags';
import { createFileSecretBox, Settings } from '../../../main/profile/settings';
import { keptOptions, storedAccount, withoutSecrets } from '../../../main/profile/stored-account';
import type { SignInOptions } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { type OptionsOf, signInOptions } from '../../../preload/contract/sign-in-options';

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

describe('the options of a sign-in', () => {
  it('are taken where they are told, and stay as they were where they are not', () => {
    const kept = { authUser: 'a', factory: 'sip:f@x', scheme: 'aka', minAlgorithm: 'SHA-256', sim } as const;
    expect(signInTable.check({}, kept)).toEqual(kept);
    expect(signInTable.check({ minAlgorithm: 'SHA-512-256', authUser: ' b ' }, kept)).toEqual({
      authUser: 'b',
      factory: 'sip:f@x',
      scheme: 'aka',
      minAlgorithm: 'SHA-512-256',
      sim,
    });
    const told: SignInOptions = {
      registrar: 'lab.test',
      factory: 'sip:f@lab.test',
      ca: `x\n${certificate}\n${certificate}`,
      expiresSeconds: 60,
    };
    expect(signInTable.check(told)).toEqual({
      registrar: 'sip:lab.test',
      factory: 'sip:f@lab.test',
      ca: [certificate, certificate],
      expiresSeconds: 60,
    });
  });

  it('a media relay is kept until it is taken away, with its transport; chats over TLS stay so until told otherwise', () => {
    const kept = { msrpRelay: 'msrps://relay.lab.test:2855;tcp', mediaTls: 'always' } as const;
    expect(signInTable.check({}, kept)).toEqual(kept);
    expect(signInTable.check({ msrpRelay: ' msrps://relay.lab.test:2855 ' })).toEqual({ msrpRelay: kept.msrpRelay });
    expect(signInTable.check({ msrpRelay: '', mediaTls: 'never' }, kept)).toEqual({ mediaTls: 'never' });
    const chain = 'msrps://inner.lab.test;tcp msrps://outer.lab.test:2855;tcp';
    expect(signInTable.check({ msrpRelay: ' msrps://inner.lab.test  msrps://outer.lab.test:2855;tcp ' })).toEqual({ msrpRelay: chain });
  });

  it.each<[SignInOptions, string]>([
    [{ msrpRelay: 'sip:relay.lab.test' }, 'msrpRelay'],
    [{ msrpRelay: 'msrp://relay.lab.test/session;tcp' }, 'msrpRelay'],
    [{ msrpRelay: 'msrp://relay.lab.test:2855;tcp', mediaTls: 'always' }, 'msrpRelay'],
    [{ msrpRelay: 'msrps://inner.lab.test msrp://outer.lab.test' }, 'msrpRelay'],
    [{ msrpRelay: Array(5).fill('msrps://relay.lab.test').join(' ') }, 'msrpRelay'],
    [{ registrar: 'not a uri' }, 'registrar'],
    [{ factory: 'mailto:a@b' }, 'factory'],
    [{ ca: 'no certificate' }, 'ca'],
    [{ sim: { k: 'short', op: null, opc: k } }, 'sim'],
    [{ sim: { k, op: k, opc: k } }, 'sim'],
    [{ sim: { k, op: null, opc: null } }, 'sim'],
    [{ scheme: 'aka' }, 'sim'],
  ])('are refused by the name of the field: %j', (options, field) => {
    expect(fault(() => signInTable.check(options))).toMatchObject({
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

describe('one row of the table', () => {
  const table = new OptionTable({
    ...signInOptions,
    pin: { kind: 'text', secret: true, flags: [{ name: 'pin', takes: 'DIGITS', help: 'a throw-away secret' }] },
  });
  // The contract's type is made from the table: a wrong one does not compile.
  const told: OptionsOf<typeof table.rows> = { pin: ' 1234 ', minAlgorithm: 'SHA-256' };

  it('is a field of the call, and checked there', () => {
    expect(v.parse(table.schema, told)).toEqual(told);
    expect(v.safeParse(table.schema, { pin: 1234 }).success).toBe(false);
    expect(v.safeParse(signInTable.schema, told).success).toBe(false);
  });

  it('is a flag of the command with its line of help, and checked like the call', () => {
    expect(optionHelp(table.rows)).toMatch(/^ {2}--pin DIGITS +a throw-away secret$/m);
    const options = parse(['--pin', ' 1234 ', '--min-algorithm', 'SHA-256'], optionFlags(table.rows));
    expect(readOptions(table, options, {})).toEqual({ pin: '1234', minAlgorithm: 'SHA-256' });
    expect(() => readOptions(table, parse(['--pin', 'x'.repeat(1_001)], optionFlags(table.rows)), {})).toThrow(UsageError);
  });

  it('is kept, protected where it is secret, and dropped with the other secrets', () => {
    const kept = table.check(told);
    const stored = table.mapSecrets(kept, (secret) => `<${secret}>`);
    expect(stored).toEqual({ pin: '<1234>', minAlgorithm: 'SHA-256' });
    expect(table.mapSecrets(table.pick({ ...stored, aor: 'sip:a@x' }), (secret) => secret.slice(1, -1))).toEqual(kept);
    expect(table.withoutSecrets({ ...stored, aor: 'sip:a@x' })).toEqual({ minAlgorithm: 'SHA-256', aor: 'sip:a@x' });
  });
});

describe('the options on the disk', () => {
  const secrets = createFileSecretBox(join(mkdtempSync(join(tmpdir(), 'chorus-options-')), 'secret.key'));
  const options = { scheme: 'aka', sim, authUser: 'a', expiresSeconds: 60 } as const;
  const base = { kind: 'sip', aor: 'sip:a@x', displayName: 'a', password: 'pw', proxy: null, deviceName: '', instanceId: 'urn:x' } as const;

  it('hold no secret in the open, and come back as they were', () => {
    const stored = storedAccount({ ...base, servicesOff: [], options }, null, secrets);
    expect(JSON.stringify(stored)).not.toContain(k);
    expect(keptOptions(JSON.parse(JSON.stringify(stored)), secrets)).toEqual(options);
  });

  it('lose their secrets alone where nothing can read those: a floor for the password method stays', () => {
    const stored = storedAccount({ ...base, servicesOff: [], options: { ...options, minAlgorithm: 'SHA-256' } }, null, secrets);
    const kept = keptOptions(withoutSecrets(stored, 'secret', secrets), secrets);
    expect(kept).toEqual({ scheme: 'aka', authUser: 'a', expiresSeconds: 60, minAlgorithm: 'SHA-256' });
    expect(fault(() => signInTable.check({}, kept))).toMatchObject({ code: 'account/bad-option', field: 'sim' });
  });

  it('of an earlier version are read', () => {
    const protectedSim = { k: secrets.protect(k), op: null, opc: secrets.protect(k) };
    const earlier = { ...base, authUser: null, factory: 'sip:f@x', signIn: { scheme: 'aka', minAlgorithm: 'MD5', sim: protectedSim } };
    const values = new Map<string, unknown>([['account', earlier]]);
    const file = {
      path: '',
      get: (key: string) => values.get(key),
      set: (key: string, value: unknown) => void values.set(key, value),
      delete: (key: string) => void values.delete(key),
    };
    const stored = new Settings(() => file).account(base.aor);
    if (stored === null) throw new Error('no account was read');
    expect([...values.keys()]).toEqual(['accounts']);
    expect(keptOptions(stored, secrets)).toEqual({ factory: 'sip:f@x', scheme: 'aka', minAlgorithm: 'MD5', sim });
  });
});

describe('the command line', () => {
  const read = (args: string[], environment: NodeJS.ProcessEnv = {}) =>
    readOptions(signInTable, parse(args, optionFlags(signInTable.rows)), environment);

  it('tells every option but has the key of a SIM from the environment alone', () => {
    const args = [
      '--auth-user',
      'a',
      '--msrps',
      'always',
      '--msrp-relay',
      'msrps://relay.lab.test',
      '--registrar',
      'lab.test',
      '--factory',
      'sip:f@lab.test',
    ];
    expect(read([...args, '--expires', '60', '--auth', 'aka', '--min-algorithm', 'MD5', '--sim-opc', k], { CHORUS_SIM_K: k })).toEqual({
      ...{
        authUser: 'a',
        mediaTls: 'always',
        msrpRelay: 'msrps://relay.lab.test;tcp',
        registrar: 'sip:lab.test',
        factory: 'sip:f@lab.test',
      },
      ...{ expiresSeconds: 60, scheme: 'aka', minAlgorithm: 'MD5', sim },
    });
    expect(read([])).toEqual({});
  });

  it.each([
    [['--auth', 'magic'], '--auth takes auto or digest or aka or early-ims'],
    [['--expires', 'soon'], '--expires takes SECONDS'],
    [['--expires', '0'], '--expires takes SECONDS'],
    [['--registrar', 'not a uri'], '--registrar: Not a uri is no SIP URI.'],
    [['--msrps', 'always', '--msrp-relay', 'msrp://relay.lab.test'], '--msrp-relay: Chats over TLS need a relay with msrps:.'],
    [['--sim-op', k], '--sim-op or --sim-opc need the key of the SIM in CHORUS_SIM_K'],
    [['--auth', 'aka'], '--sim-op or --sim-opc: Signing in by SIM needs the numbers of a SIM.'],
    [['--ca', '/nowhere.pem'], '--ca: ENOENT'],
    [['--imei', '12'], '--imei: '],
  ])('refuses by the name of the flag: %j', (args, sentence) => {
    let said = '';
    try {
      read(args);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      said = error.message;
    }
    expect(said).toContain(sentence);
  });
});
