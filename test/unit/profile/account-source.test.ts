import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Credentials } from '../../../main/account/credentials';
import { accountSources, type GivenAccount } from '../../../main/profile/account-source';
import type { Profile } from '../../../main/profile/profile';
import { createFileSecretBox, defaultPreferences, type KeyValueFile, Settings } from '../../../main/profile/settings';

const instanceId = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const given: GivenAccount = {
  ...{ aor: 'sip:alice@lab.test', displayName: 'alice', password: 'pw', proxy: null, deviceName: 'Script', options: {} },
  ...{ preferences: { accept: 'ask' }, instanceUrn: null, registerAtStart: false },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** The parts of a profile that an account source knows, over a file in memory. */
function profile() {
  const values = new Map<string, unknown>();
  const file: KeyValueFile = {
    path: '',
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, JSON.parse(JSON.stringify(value))),
    delete: (key) => void values.delete(key),
  };
  const folder = mkdtempSync(join(tmpdir(), 'chorus-source-'));
  folders.push(folder);
  const parts = { settings: new Settings(() => file), secrets: createFileSecretBox(join(folder, 'secret.key')), identity: { instanceId } };
  return parts as unknown as Profile;
}

const credentials: Credentials = {
  kind: 'sip',
  ...{ aor: 'sip:alice@lab.test', displayName: 'alice', password: 'pw', proxy: 'sip:lab.test', deviceName: 'Laptop' },
  ...{ instanceId, servicesOff: [], options: { authUser: 'a' } },
};
const { aor } = credentials;
const carols: Credentials = { ...credentials, aor: 'sip:carol@lab.test', displayName: 'carol', password: 'other', options: {} };

describe('an account that the profile keeps', () => {
  it('is nobody’s before the first sign-in, and then the same at every start', () => {
    const at = profile();
    const sources = accountSources(at, undefined);
    const source = sources.of(aor);
    expect([sources.known, sources.all, source.shown, source.credentials]).toEqual([null, [], null, null]);
    sources.accept(credentials, credentials.proxy);
    expect(accountSources(at, undefined).all.map((one) => one.credentials)).toEqual([credentials]);
    expect(source.shown).toMatchObject({ aor, deviceName: 'Laptop', untold: false });
  });

  it('keeps each change of the person, and takes back what is undone', () => {
    const at = profile();
    const sources = accountSources(at, undefined);
    const source = sources.of(aor);
    source.keep({ deviceName: 'Too early' });
    expect(at.settings.accounts).toEqual([]);
    sources.accept(credentials, null);
    source.keep({ deviceName: 'Kitchen' });
    source.keep({ servicesOff: ['pager'], writesAs: 'tel:+1' });
    source.keep({ mediaTls: 'always', msrpRelay: 'msrps://relay.lab.test;tcp' });
    expect(accountSources(at, undefined).of(aor).credentials).toMatchObject({
      ...{ deviceName: 'Kitchen', servicesOff: ['pager'], writesAs: 'tel:+1' },
      options: { authUser: 'a', mediaTls: 'always', msrpRelay: 'msrps://relay.lab.test;tcp' },
    });
    source.keep({ writesAs: null, msrpRelay: null, mediaTls: 'auto' });
    const { writesAs, options } = accountSources(at, undefined).of(aor).credentials ?? {};
    expect([writesAs, options]).toEqual([undefined, { authUser: 'a' }]);
  });

  it('forgets the password when this device is signed out, and nothing when it is signed in', () => {
    const sources = accountSources(profile(), undefined);
    const source = sources.of(aor);
    sources.accept(credentials, null);
    source.keepSignedOut(null);
    expect([source.isForgotten, source.signedOut]).toEqual([false, null]);
    source.keepSignedOut({ by: 'device', device: 'Tablet' });
    expect([source.isForgotten, source.signedOut, source.credentials?.password]).toEqual([true, { by: 'device', device: 'Tablet' }, '']);
  });
});

describe('two accounts that the profile keeps', () => {
  it('stand in the order of their sign-ins; a change or a sign-out of one leaves the other alone', () => {
    const at = profile();
    const sources = accountSources(at, undefined);
    for (const one of [credentials, carols]) sources.accept(one, null);
    sources.of(carols.aor).keepSignedOut({ by: 'network' });
    sources.of(aor).keep({ deviceName: 'Kitchen' });
    sources.accept({ ...credentials, deviceName: 'Kitchen' }, null);
    expect(sources.all.map((one) => [one.aor, one.isForgotten, one.shown?.deviceName])).toEqual([
      [aor, false, 'Kitchen'],
      [carols.aor, true, 'Laptop'],
    ]);
  });

  it('become another device together, and lose their secrets together', () => {
    const at = profile();
    const sources = accountSources(at, undefined);
    for (const one of [credentials, carols]) sources.accept(one, null);
    sources.becomeDevice('urn:uuid:new', null);
    expect(at.settings.accounts.map((one) => one.instanceId)).toEqual(['urn:uuid:new', 'urn:uuid:new']);
    sources.forgetSecrets();
    expect(sources.all.map((one) => one.isForgotten)).toEqual([true, true]);
  });
});

describe('an account that is given at every start', () => {
  it('is used as it is, and nothing of it is stored', () => {
    const at = profile();
    const sources = accountSources(at, given);
    const source = sources.of(aor);
    sources.accept({ ...given, kind: 'sip', instanceId, servicesOff: [] }, null);
    source.keep({ deviceName: 'Kitchen' });
    source.keepSignedOut({ by: 'network' });
    expect(at.settings.accounts).toEqual([]);
    expect(source.credentials).toMatchObject({ aor: given.aor, password: 'pw', deviceName: 'Script', instanceId });
    expect([source.registersAtStart, sources.isGiven(aor), source.isForgotten]).toEqual([false, true, false]);
  });

  it('comes before the stored ones, and in the place of the one of its own address', () => {
    const at = profile();
    for (const one of [credentials, carols]) accountSources(at, undefined).accept(one, null);
    const sources = accountSources(at, given);
    expect(sources.all.map((one) => [one.aor, one.credentials?.deviceName])).toEqual([
      [aor, 'Script'],
      [carols.aor, 'Laptop'],
    ]);
    expect([sources.isGiven(carols.aor), sources.known?.aor]).toEqual([false, aor]);
  });

  it('wants preferences of its own until the person sets others', () => {
    const sources = accountSources(profile(), given);
    expect(sources.preferences.accept).toBe('ask');
    sources.preferences = { ...defaultPreferences, accept: 'open' };
    expect(sources.preferences.accept).toBe('open');
  });
});
