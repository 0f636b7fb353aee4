import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../main/base';
import { cleanDeviceName, maxDeviceNameLength } from '../../../main/identity/device-name';
import { loadInstanceId } from '../../../main/identity/instance-id';
import { VirtualClock } from '../../support/virtual-clock';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'chorus-identity-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (name: string) =>
  new Conf({ cwd: dataDir, configName: name, configFileMode: 0o600, accessPropertiesByDotNotation: false, clearInvalidConfig: false });

const clock = new VirtualClock();

function load(options: { expected?: string; given?: string } = {}): string {
  return loadInstanceId({ open, dataDir, clock, log: silentLogger, expected: options.expected ?? null, given: options.given ?? null });
}

describe('the instance ID', () => {
  it('R10/R17: is a random UUID URN in lower case', () => {
    expect(load()).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('R18: is the same at every later start, and on disk before anybody can use it', () => {
    const first = load();
    expect(readFileSync(join(dataDir, 'identity.json'), 'utf8')).toContain(first);
    for (let start = 0; start < 5; start++) expect(load({ expected: first })).toBe(first);
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

  it('R10: says nothing about the person', () => {
    expect(load()).not.toMatch(/alice|lab\.test|\+1555/);
  });
});

describe('the device name', () => {
  it('is one line of at most 64 characters, whatever was typed', () => {
    expect(cleanDeviceName('  Alice’s\r\nlaptop\u0000 ')).toBe('Alice’s laptop');
    expect([...cleanDeviceName('🙂'.repeat(100))]).toHaveLength(maxDeviceNameLength);
    expect(cleanDeviceName('   ')).toBe('');
  });
});
