import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Credentials } from '../../../main/account/credentials';
import { accountSource, type GivenAccount } from '../../../main/profile/account-source';
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

describe('an account that the profile keeps', () => {
  const credentials: Credentials = {
    kind: 'sip',
    ...{ aor: 'sip:alice@lab.test', displayName: 'alice', password: 'pw', proxy: 'sip:lab.test', deviceName: 'Laptop' },
    ...{ instanceId, servicesOff: [], options: { authUser: 'a' } },
  };

  it('is nobody’s before the first sign-in, and then the same at every start', () => {
    const at = profile();
    const source = accountSource(at, undefined);
    expect([source.known, source.shown, source.credentials]).toEqual([null, null, null]);
    source.accept(credentials, credentials.proxy);
    expect(accountSource(at, undefined).credentials).toEqual(credentials);
    expect(source.shown).toMatchObject({ aor: credentials.aor, deviceName: 'Laptop', untold: false });
  });

  it('keeps each change of the person, and takes back what is undone', () => {
    const at = profile();
    const source = accountSource(at, undefined);
    source.accept(credentials, null);
    source.keep({ deviceName: 'Kitchen' });
    source.keep({ servicesOff: ['pager'], writesAs: 'tel:+1' });
    source.keep({ securesMedia: true, msrpRelay: 'msrps://relay.lab.test;tcp' });
    expect(accountSource(at, undefined).credentials).toMatchObject({
      ...{ deviceName: 'Kitchen', servicesOff: ['pager'], writesAs: 'tel:+1' },
      options: { authUser: 'a', securesMedia: true, msrpRelay: 'msrps://relay.lab.test;tcp' },
    });
    source.keep({ writesAs: null, msrpRelay: null, securesMedia: false });
    const { writesAs, options } = accountSource(at, undefined).credentials ?? {};
    expect([writesAs, options]).toEqual([undefined, { authUser: 'a' }]);
  });

  it('forgets the password when this device is signed out, and nothing when it is signed in', () => {
    const source = accountSource(profile(), undefined);
    source.accept(credentials, null);
    source.keepSignedOut(null);
    expect([source.isForgotten, source.signedOut]).toEqual([false, null]);
    source.keepSignedOut({ by: 'device', device: 'Tablet' });
    expect([source.isForgotten, source.signedOut, source.credentials?.password]).toEqual([true, { by: 'device', device: 'Tablet' }, '']);
  });
});

describe('an account that is given at every start', () => {
  it('is used as it is, and nothing of it is stored', () => {
    const at = profile();
    const source = accountSource(at, given);
    source.accept({ ...given, kind: 'sip', instanceId, servicesOff: [] }, null);
    source.keep({ deviceName: 'Kitchen' });
    source.keepSignedOut({ by: 'network' });
    expect(at.settings.account).toBeNull();
    expect(source.credentials).toMatchObject({ aor: given.aor, password: 'pw', deviceName: 'Script', instanceId });
    expect([source.registersAtStart, source.takesSignIn, source.isForgotten]).toEqual([false, false, false]);
  });

  it('wants preferences of its own until the person sets others', () => {
    const source = accountSource(profile(), given);
    expect(source.preferences.accept).toBe('ask');
    source.preferences = { ...defaultPreferences, accept: 'open' };
    expect(source.preferences.accept).toBe('open');
  });
});
