/** The warnings that stay on the screen until their cause has gone, each code once for each account that it concerns. */
import type { AppEventBody, WarningValue } from '../preload/contract';
import type { LogLoss } from './profile/profile';

export const secretsInFile: WarningValue = {
  code: 'secrets-in-file',
  text: 'This computer offers no keychain. Your password and your messages are encrypted with a key that lies in a file only your account can read.',
};

/** What a history says that has lost what was acknowledged, or nearly so. */
export function lossWarning({ commits, messages, keptAs }: LogLoss): WarningValue {
  const aside = keptAs === null ? '' : ` The damaged log was kept as ${keptAs}.`;
  if (commits === 0) return { code: 'history-mended', text: `The log of the history was damaged, and nothing of it is missing.${aside}` };
  const what = messages === 0 ? 'no message, but receipts or states' : messages === 1 ? 'up to one message' : `up to ${messages} messages`;
  return { code: 'history-lost', text: `The log of the history was damaged or is gone: it has lost ${what}.${aside}` };
}

export const profileMended: WarningValue = {
  code: 'profile-mended',
  text: 'A damaged file of the profile was replaced by its second copy; the damaged one was kept beside it.',
};

export class Warnings {
  readonly #announce: (event: AppEventBody) => void;
  readonly #present: WarningValue[] = [];

  constructor(announce: (event: AppEventBody) => void) {
    this.#announce = announce;
  }

  get list(): readonly WarningValue[] {
    return this.#present;
  }

  begin(warning: WarningValue): void {
    if (this.#present.some((other) => other.code === warning.code && other.account === warning.account)) return;
    this.#present.push(warning);
    this.#announce({ event: 'warning', ...warning });
  }

  end(code: WarningValue['code'], account?: string): void {
    const at = this.#present.findIndex((warning) => warning.code === code && warning.account === account);
    if (at < 0) return;
    this.#present.splice(at, 1);
    this.#announce({ event: 'warningEnded', code, ...(account === undefined ? {} : { account }) });
  }
}
