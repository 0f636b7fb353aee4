import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { cleanDeviceName, maxDeviceNameLength } from '../../../main/account/device-name';
import { type Identity, openIdentity } from '../../../main/profile/instance-id';
import type { SecretBox } from '../../../main/profile/settings';
import { keychain } from '../../support/doubles/keychain';
import { VirtualClock } from '../../support/doubles/virtual-clock';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'chorus-identity-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const openIn = (cwd: string) => (name: string) =>
  new Conf({ cwd, configName: name, configFileMode: 0o600, accessPropertiesByDotNotation: false, clearInvalidConfig: false });

const clock = new VirtualClock();

interface Start {
  expected?: string;
  given?: string;
  folder?: string;
  machine?: string;
  secrets?: SecretBox;
}

function start({ expected, given, folder = dataDir, machine = 'this machine', secrets }: Start = {}): Identity {
  const open = openIn(folder);
  const machineId = () => machine;
  return openIdentity({
    open,
    dataDir: folder,
    clock,
    log: silentLogger,
    expected: expected ?? null,
    given: given ?? null,
    machineId,
    ...(secrets === undefined ? {} : { secrets }),
  });
}

const load = (options: Start = {}): string => start(options).instanceId;

describe('the instance ID', () => {
  it('R10/R17: is a random UUID URN in lower case', () => {
    expect(load()).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('R18: is the same at every later start, and on disk before anybody can use it', () => {
    const first = load();
    expect(readFileSync(join(dataDir, 'identity.json'), 'utf8')).toContain(first);
    for (let start = 0; start < 5; start++) expect(load({ expected: first })).toBe(first);
  });

  it('R18: written by version 0.1.0 is still read, whatever later versions add to the file', () => {
    const instanceId = 'urn:uuid:0f1e2d3c-4b5a-4978-8a6b-5c4d3e2f1a0b';
    // The file of 0.1.0, byte for byte but for the ID and the hash: it must never be changed to suit a newer program.
    writeFileSync(
      join(dataDir, 'identity.json'),
      `{\n\t"identity": {\n\t\t"instanceId": "${instanceId}",\n\t\t"createdAt": 1795458000000,\n\t\t"boundTo": "${'0'.repeat(64)}"\n\t}\n}`,
    );
    expect(load({ expected: instanceId })).toBe(instanceId);
    expect(load()).toBe(instanceId);
  });

  it('R18: of another device, in a file that was put in the place of this one’s, is not believed, and nothing is changed', () => {
    const own = load();
    const file = join(dataDir, 'identity.json');
    const written = readFileSync(file, 'utf8');
    const other = 'urn:uuid:11111111-2222-4333-8444-555555555555';
    const copied = 'urn:uuid:22222222-2222-4333-8444-555555555555';
    // Also where it was once copied from a device, but not from this one.
    const withCopy = JSON.stringify({ identity: { ...JSON.parse(written).identity, instanceId: other, copyOf: copied } });
    for (const foreign of [written.replace(own, other), withCopy]) {
      writeFileSync(file, foreign);
      expect(() => load({ expected: own })).toThrow(expect.objectContaining({ code: 'identity/unreadable' }));
      expect(readFileSync(file, 'utf8')).toBe(foreign);
    }
    writeFileSync(file, written);
    expect(load({ expected: own })).toBe(own);
  });

  it('R12/R16: is the IMEI URN that was given at the first start, and never changes to another kind later', () => {
    const imei = 'urn:gsma:imei:90420156-025763-0';
    expect(load({ given: imei })).toBe(imei);
    expect(load()).toBe(imei);
    expect(load({ given: 'urn:gsma:imei:00000000-000000-0' })).toBe(imei);
  });

  it.each([
    ['damaged', '{"identity": {"instanceId": "urn:uu'],
    ['empty of an ID', '{"identity": {}}'],
    ['no URN', '{"identity": {"instanceId": "alice@lab.test"}}'],
  ])('is never silently made anew: a file that is %s stops the start and stays as it is', (_title, content) => {
    const file = join(dataDir, 'identity.json');
    writeFileSync(file, content);
    expect(() => load()).toThrow(/identity\/unreadable/);
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  it('is missed when the account remembers it and the file is gone', () => {
    const first = load();
    rmSync(join(dataDir, 'identity.json'));
    expect(() => load({ expected: first })).toThrow(/identity\/unreadable/);
  });

  it('R10: reveals nothing about the person', () => {
    expect(load()).not.toMatch(/alice|lab\.test|\+1555/);
  });
});

describe('a profile found elsewhere than where its ID was made', () => {
  let copy: string;
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'chorus-identity-copy-'));
  });
  afterEach(() => rmSync(copy, { recursive: true, force: true }));
  const copied = (): string => {
    const first = load();
    cpSync(dataDir, copy, { recursive: true });
    return first;
  };

  it('is noticed in another folder and on another machine, and not where it belongs', () => {
    const first = copied();
    expect(start({ folder: copy }).isCopied).toBe(true);
    expect(start({ folder: copy }).instanceId).toBe(first);
    expect(start({ machine: 'another machine' }).isCopied).toBe(true);
    expect(start().isCopied).toBe(false);
  });

  it('R18: keeps its ID when it was moved, and is not asked again', () => {
    const first = copied();
    const moved = start({ folder: copy });
    moved.keep();
    expect(moved.isCopied).toBe(false);
    const again = start({ folder: copy, expected: first });
    expect([again.instanceId, again.isCopied]).toEqual([first, false]);
  });

  it('has a new UUID as another device, on disk at once; the original keeps its own', () => {
    const first = copied();
    const other = start({ folder: copy });
    other.renew();
    expect(other.instanceId).toMatch(/^urn:uuid:/);
    expect(other.instanceId).not.toBe(first);
    // The account's settings still name the old ID when the program dies in between.
    const again = start({ folder: copy, expected: first });
    expect([again.instanceId, again.isCopied]).toEqual([other.instanceId, false]);
    expect(load({ expected: first })).toBe(first);
  });

  it('is the same profile by any name of its folder', () => {
    const first = load();
    const link = `${dataDir}-link`;
    symlinkSync(dataDir, link);
    const linked = start({ folder: link });
    rmSync(link);
    expect([linked.instanceId, linked.isCopied]).toEqual([first, false]);
  });
});

describe('the device name', () => {
  it('is one line of at most 64 characters, whatever was typed', () => {
    expect(cleanDeviceName('  Alice’s\r\nlaptop\u0000 ')).toBe('Alice’s laptop');
    expect([...cleanDeviceName('🙂'.repeat(100))]).toHaveLength(maxDeviceNameLength);
    expect(cleanDeviceName('   ')).toBe('');
  });
});

describe('an ID bound to the keychain', () => {
  it('is at home where the keychain can read its seal, and was copied where another one of that name cannot', () => {
    const id = start({ secrets: keychain('mine') }).instanceId;
    expect(start({ secrets: keychain('mine') })).toMatchObject({ instanceId: id, isCopied: false });
    const copy = start({ secrets: keychain('theirs') });
    expect(copy).toMatchObject({ instanceId: id, isCopied: true });
    copy.keep();
    expect(start({ secrets: keychain('theirs') })).toMatchObject({ instanceId: id, isCopied: false });
    expect(start({ secrets: keychain('mine') }).isCopied).toBe(true);
  });

  it('is not taken for a copy when the keychain is only away, or of another kind', () => {
    start({ secrets: keychain('mine') });
    expect(start({ secrets: keychain('mine', 'file') }).isCopied).toBe(false);
    expect(start({ secrets: keychain('mine', 'kwallet') }).isCopied).toBe(false);
  });

  it('is bound at the next start when it was made without one, and a key in a file binds nothing', () => {
    start();
    start({ secrets: keychain('any', 'file') });
    expect(readFileSync(join(dataDir, 'identity.json'), 'utf8')).not.toContain('seal');
    start({ secrets: keychain('mine') });
    expect(start({ secrets: keychain('theirs') }).isCopied).toBe(true);
  });

  it('that is renewed is bound to the keychain of the present computer', () => {
    const old = start({ secrets: keychain('mine') }).instanceId;
    const copy = start({ secrets: keychain('theirs') });
    copy.renew();
    expect(start({ secrets: keychain('theirs'), expected: old })).toMatchObject({ instanceId: copy.instanceId, isCopied: false });
    expect(copy.instanceId).not.toBe(old);
  });

  it('that is gone from a profile that was used, with an account of its own or one that is given, is no first start', () => {
    const open = openIn(dataDir);
    const options = { open, dataDir, clock, log: silentLogger, expected: null, given: null, machineId: () => 'this machine' };
    expect(() => openIdentity({ ...options, isUsed: true })).toThrow(/identity\/unreadable .*it is gone/);
    const made = openIdentity({ ...options, isUsed: false }).instanceId;
    expect(openIdentity({ ...options, isUsed: true }).instanceId).toBe(made);
  });
});
