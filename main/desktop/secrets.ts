/** Secrets at rest: the system's keychain where there is one, otherwise a key file that only its owner may read, and a warning in the app. */
import { existsSync } from 'node:fs';
import { safeStorage } from 'electron';
import type { Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import { createFileSecretBox, type SecretBox, secretKeyFile } from '../profile/settings';

/**
 * The backend that keeps secrets, by its name, or null where none protects them. On Linux without a keyring Electron "encrypts" with a
 * key that every Electron has (`basic_text`), which is no protection, and its name would hide that.
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
 * Call when Electron is ready: before, Linux does not know its keyring. `dataDir` is the profile's folder.
 * Each secret begins with the name of what protects it, so that one which the file protected is still read when a keychain came later; what
 * a keychain wrote that is gone now stays where it is, since the person may get that keychain back.
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
