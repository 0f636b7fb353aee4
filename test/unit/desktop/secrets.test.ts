import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../base/log';
import { createSecretBox } from '../../../main/desktop/secrets';

const keyring = vi.hoisted(() => ({ available: true, backend: 'gnome_libsecret', lost: false }));
vi.mock('electron', () => ({
  safeStorage: {
    isEncryptionAvailable: () => keyring.available,
    getSelectedStorageBackend: () => keyring.backend,
    encryptString: (text: string) => Buffer.from(`sealed ${text}`),
    decryptString(bytes: Buffer) {
      if (keyring.lost) throw new Error('no key');
      return bytes.toString().slice('sealed '.length);
    },
  },
}));

let folder = '';
beforeEach(() => {
  Object.assign(keyring, { available: true, backend: 'gnome_libsecret', lost: false });
  folder = mkdtempSync(join(tmpdir(), 'chorus-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const box = () => createSecretBox(folder, silentLogger);

describe.runIf(process.platform === 'linux')('secrets', () => {
  it('are kept by the keyring where there is one', () => {
    expect(box().backend).toBe('gnome_libsecret');
    expect(box().reveal(box().protect('pa:ss'))).toBe('pa:ss');
  });

  it.each([{ available: false }, { backend: 'basic_text' }])(
    'are kept by a file that only its owner reads where there is none: %j',
    (state) => {
      Object.assign(keyring, state);
      const stored = box().protect('password');
      expect(box().backend).toBe('file');
      expect(stored).not.toContain('password');
      expect(box().reveal(stored)).toBe('password');
      expect(statSync(join(folder, 'secret.key')).mode & 0o777).toBe(0o600);
    },
  );

  it('of the file are still read when a keyring came later', () => {
    keyring.backend = 'basic_text';
    const stored = box().protect('password');
    keyring.backend = 'kwallet6';
    expect(box().backend).toBe('kwallet6');
    expect(box().reveal(stored)).toBe('password');
  });

  it('of a keyring that is gone are an error that names it', () => {
    const stored = box().protect('password');
    keyring.available = false;
    expect(() => box().reveal(stored)).toThrow(/storage\/unreadable.*gnome_libsecret/);
    Object.assign(keyring, { available: true, lost: true });
    expect(() => box().reveal(stored)).toThrow(/storage\/unreadable/);
  });
});
