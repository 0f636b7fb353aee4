/** A system's keychain for tests: no keychain can read what another one sealed. */

import type { SecretBox } from '../../../main/profile/settings';
import { AppError } from '../../../preload/contract/errors';

export function keychain(secret: string, backend = 'keychain'): SecretBox {
  const mark = `${secret}:`;
  return {
    backend,
    protect: (plain) => Buffer.from(mark + plain).toString('base64'),
    reveal(stored) {
      const text = Buffer.from(stored, 'base64').toString('utf8');
      if (!text.startsWith(mark)) throw new AppError('storage/unreadable', { cause: 'another keychain' }, 'user');
      return text.slice(mark.length);
    },
  };
}
