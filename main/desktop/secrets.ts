/**
 * Protects stored secrets: by the system's keychain if there is one, otherwise by a key file that only its owner may read, with a warning
 * in the app.
 */
import { existsSync } from 'node:fs';
import { safeStorage } from 'electron';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { createFileSecretBox, type SecretBox, secretKeyFile } from '../profile/settings';

/**
 * The name of the backend that protects secrets, or null when none does. On Linux without a keyring, Electron "encrypts" with a key that
 * every Electron has (`basic_text`). That is no protection, and reporting its name would hide this.
 */
function keychainName(): string | null {
  if (!safeStorage.isEncryptionAvailable()) return null;
  if (process.platform === 'darwin') return 'keychain';
  if (process.platform === 'win32') return 'dpapi';
  const backend = safeStorage.getSelectedStorageBackend();
  return backend === 'basic_text' || backend === 'unknown' ? null : backend;
}

function createKeychainBox(backend: string): SecretBox {
  return {
    backend,
    protect: (plain) => safeStorage.encryptString(plain).toString('base64'),
    reveal(stored) {
      try {
        return safeStorage.decryptString(Buffer.from(stored, 'base64'));
      } catch (error) {
        throw unreadable(error instanceof Error ? error.message : String(error));
      }
    },
  };
}

const unreadable = (why: string) => new AppError('storage/unreadable', { cause: `a stored secret: ${why}` }, 'user');

/**
 * Call this when Electron is ready; before that, Linux does not know its keyring. `dataDir` is the profile's folder. Each secret begins
 * with the name of its protection, so that one protected by the file is still readable after a keychain was installed. A secret of a
 * keychain that is gone stays stored, because the person may get that keychain back.
 */
export function createSecretBox(dataDir: string, log: Logger): SecretBox {
  const name = keychainName();
  const keyFile = secretKeyFile(dataDir);
  const current = name === null ? createFileSecretBox(keyFile) : createKeychainBox(name);
  log.info('Secrets are kept', { backend: current.backend });
  return {
    backend: current.backend,
    wasMended: current.wasMended === true,
    protect: (plain) => `${current.backend}:${current.protect(plain)}`,
    reveal(stored) {
      const colon = stored.indexOf(':');
      const by = stored.slice(0, Math.max(colon, 0));
      const body = stored.slice(colon + 1);
      if (by === current.backend) return current.reveal(body);
      if (by === 'file' && existsSync(keyFile)) return createFileSecretBox(keyFile).reveal(body);
      throw unreadable(`protected by ${by === '' ? 'something unknown' : by}, and this start has ${current.backend}`);
    },
  };
}
