/** The warnings that stay on the screen until their cause has gone, each code once for each account that it concerns. */
import type { AppEventBody, WarningValue } from '../preload/contract';

export const secretsInFile: WarningValue = {
  code: 'secrets-in-file',
  text: 'This computer offers no keychain. Your password and your messages are encrypted with a key that lies in a file only your account can read.',
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
