import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createFileSecretBox,
  defaultPreferences,
  MAX_BLOCKED,
  Settings,
  secretKeyFile,
  translateFileError,
} from '../../../main/profile/settings';
import { AppError } from '../../../preload/contract/errors';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'chorus-settings-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (name: string) =>
  new Conf({ cwd: dataDir, configName: name, configFileMode: 0o600, accessPropertiesByDotNotation: false, clearInvalidConfig: false });

describe('settings', () => {
  it('come back as they were written, and defaults fill what an older version did not know', () => {
    const settings = new Settings(open);
    settings.preferences = { ...defaultPreferences, theme: 'dark', accept: 'ask' };
    expect(new Settings(open).preferences).toMatchObject({ theme: 'dark', accept: 'ask' });
    writeFileSync(join(dataDir, 'settings.json'), '{"preferences":{"theme":"light"}}');
    expect(new Settings(open).preferences).toEqual({ ...defaultPreferences, theme: 'light' });
  });

  it('keep the blocked people, up to a limit, and leave out invalid addresses', () => {
    const settings = new Settings(open);
    expect(settings.blocked).toEqual([]);
    settings.blocked = ['sip:bob@lab.test', 'tel:+15550111'];
    expect(new Settings(open).blocked).toEqual(['sip:bob@lab.test', 'tel:+15550111']);
    const tooMany = Array.from({ length: MAX_BLOCKED + 1 }, (_each, index) => `sip:p${index}@lab.test`);
    expect(() => {
      settings.blocked = tooMany;
    }).toThrow(/ipc\/refused/);
    expect(new Settings(open).blocked).toHaveLength(2);
    writeFileSync(join(dataDir, 'settings.json'), '{"blocked":[1,"sip:bob@lab.test",null]}');
    expect(new Settings(open).blocked).toEqual(['sip:bob@lab.test']);
  });

  it('are not thrown away when their file is damaged', () => {
    writeFileSync(join(dataDir, 'settings.json'), '{"account": {');
    expect(() => new Settings(open)).toThrow(/storage\/unreadable/);
    expect(readFileSync(join(dataDir, 'settings.json'), 'utf8')).toBe('{"account": {');
  });

  it('say which trouble of the disk it was', () => {
    const withCode = (code: string) => translateFileError(Object.assign(new Error(code), { code }), 'x').code;
    expect(withCode('ENOSPC')).toBe('storage/full');
    expect(withCode('EDQUOT')).toBe('storage/full');
    expect(withCode('EACCES')).toBe('storage/unreadable');
    expect(withCode('EIO')).toBe('storage/failed');
  });
});

describe('a secret box of a client without a keychain', () => {
  it('gives back what it protected, also at the next start, and shows nothing of it', () => {
    const box = createFileSecretBox(secretKeyFile(dataDir));
    const stored = box.protect('s3cret-päss');
    expect(stored).not.toContain('s3cret');
    expect(createFileSecretBox(secretKeyFile(dataDir)).reveal(stored)).toBe('s3cret-päss');
    expect(box.protect('s3cret-päss')).not.toBe(stored);
  });

  it('keeps its key where only the owner reads it, and says that it is a file', () => {
    const box = createFileSecretBox(secretKeyFile(dataDir));
    expect(statSync(secretKeyFile(dataDir)).mode & 0o777).toBe(0o600);
    expect(box.backend).toBe('file');
  });

  it('refuses what was changed, or protected by another key', () => {
    const box = createFileSecretBox(secretKeyFile(dataDir));
    const bytes = Buffer.from(box.protect('secret'), 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(() => box.reveal(bytes.toString('base64'))).toThrow(AppError);
    expect(() => box.reveal('')).toThrow(/storage\/unreadable/);
    const other = createFileSecretBox(join(dataDir, 'other.key'));
    expect(() => other.reveal(box.protect('secret'))).toThrow(/storage\/unreadable/);
  });

  it('does not make a new key over a damaged one', () => {
    writeFileSync(secretKeyFile(dataDir), 'half a key');
    expect(() => createFileSecretBox(secretKeyFile(dataDir))).toThrow(/storage\/unreadable/);
    expect(readFileSync(secretKeyFile(dataDir), 'utf8')).toBe('half a key');
  });
});

describe('accounts whose choice about TLS was a switch', () => {
  it('keep it: on is “always”, and off, which everybody had who chose nothing, is no choice', () => {
    const account = (name: string, more: object) => ({ kind: 'sip', aor: `sip:${name}@lab.test`, password: '', ...more });
    const accounts = [account('alice', { securesMedia: true }), account('bob', { securesMedia: false }), account('carol', {})];
    writeFileSync(join(dataDir, 'settings.json'), JSON.stringify({ accounts }));
    const expected = [account('alice', { mediaTls: 'always' }), account('bob', {}), account('carol', {})];
    expect(new Settings(open).accounts).toEqual(expected);
    expect(new Settings(open).accounts).toEqual(expected);
  });
});

describe('what the registration keeps', () => {
  const phone = 'urn:uuid:11111111-2222-4333-8444-555555555555';
  const laptop = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

  it('is there after a restart, for that device and that address alone', () => {
    new Settings(open).registrationState(laptop, 'sip:alice@lab.test').save({ callId: 'c1', cseq: 32 });
    const settings = new Settings(open);
    expect(settings.registrationState(laptop, 'sip:alice@lab.test').load()).toEqual({ callId: 'c1', cseq: 32 });
    expect(settings.registrationState(phone, 'sip:alice@lab.test').load()).toBeNull();
    expect(settings.registrationState(laptop, 'sip:bob@lab.test').load()).toBeNull();
  });

  it('starts again when the stored value is invalid', () => {
    writeFileSync(join(dataDir, 'settings.json'), JSON.stringify({ registrations: { [`${laptop} sip:a@b`]: { callId: 7, cseq: -1 } } }));
    expect(new Settings(open).registrationState(laptop, 'sip:a@b').load()).toBeNull();
  });

  it('holds the sequence number of each SIM', () => {
    new Settings(open).simState('alice-private@lab.test').save(2 ** 48 - 1);
    const settings = new Settings(open);
    expect(settings.simState('alice-private@lab.test').load()).toBe(2 ** 48 - 1);
    expect(settings.simState('another').load()).toBe(0);
  });
});
