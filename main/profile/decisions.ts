/**
 * The two states of a profile in which nothing goes on before the person has decided: it was copied or moved here (is this the same device?),
 * or its history is damaged (begin a new one?). Says what there is to decide, and carries the decision out.
 */

import type { Clock } from '../../base/clock';
import { drop, type Logger } from '../../base/log';
import type { AppEventBody, CloneValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { nickname } from '../../protocol/instance-urn';
import type { Account } from '../account/account';
import { cleanDeviceName } from '../account/device-name';
import type { History } from '../history/history';
import { beginHistory, type Profile, rescueProfile } from './profile';
import { withoutSecrets } from './stored-account';
import { tryPassword } from './try-network';

export interface ProfileDecisionDeps {
  dataDir: string;
  readScript: string | null;
  clock: Clock;
  log: Logger;
  /** Null while the profile could not be opened, and after it was closed. */
  profile(): Profile | null;
  isQuitting(): boolean;
  /** The account that is signed in. */
  account(): Account | null;
  /** Has no account any more, without a word to the network. */
  leave(): void;
  /** Goes on with the account that is given or stored. */
  start(profile: Profile): void;
  announce(event: AppEventBody): void;
  /** The account from outside, if one is given. */
  given: { aor: string; deviceName: string } | undefined;
}

export class ProfileDecisions {
  readonly #deps: ProfileDecisionDeps;
  /** What `resolveClone` called a device whose account is given from outside. */
  #givenName: string | null = null;

  constructor(deps: ProfileDecisionDeps) {
    this.#deps = deps;
  }

  get givenName(): string | null {
    return this.#givenName;
  }

  /** The copied profile that is to be decided on. */
  get clone(): CloneValue | null {
    const { given } = this.#deps;
    const profile = this.#deps.profile();
    if (profile?.identity.isCopied !== true) return null;
    const { instanceId } = profile.identity;
    const known = given ?? profile.settings.account;
    return { instanceId, nickname: nickname(instanceId), deviceName: known?.deviceName ?? '', aor: known?.aor ?? null };
  }

  /** What every part needs that opens a history. */
  get historyParts() {
    const { dataDir, readScript, clock, log } = this.#deps;
    // Not at once: whoever asked the history is still in the middle of it.
    const foundDamaged = (error: AppError) => void clock.setTimer(0, () => drop(this.#rescue(error), log, 'the rescue'));
    return { dataDir, readScript, clock, log, foundDamaged };
  }

  /**
   * What a profile found elsewhere is, or a device whose ID another computer uses too: the same device as ever, or one of its own.
   * @throws AppError `ipc/refused` where there is nothing to decide
   */
  resolveClone(profile: Profile, choice: 'moved' | 'newDevice', name: string | undefined): { instanceId: string } {
    const { identity, settings } = profile;
    const running = this.#deps.account();
    if (!identity.isCopied && running?.isDuplicated !== true) throw new AppError('ipc/refused', { cause: 'there is nothing to decide' });
    if (choice === 'moved') {
      identity.keep();
    } else {
      identity.renew();
      const deviceName = name === undefined ? null : cleanDeviceName(name);
      this.#givenName = deviceName ?? this.#givenName;
      const { account } = settings;
      if (account !== null)
        settings.account = { ...account, instanceId: identity.instanceId, deviceName: deviceName ?? account.deviceName };
    }
    if (profile.history === null && profile.rescue === null) this.beginUnreadable(profile);
    this.#deps.announce({ event: 'clone', clone: null });
    // Signing off would end the other computer's registration, which has the same ID.
    this.#deps.leave();
    running?.dispose();
    this.#deps.start(profile);
    return { instanceId: identity.instanceId };
  }

  /** The keychain of this system reads nothing of what came along: a new history, and the password is asked for again. */
  beginUnreadable(profile: Profile): History {
    const { settings, secrets } = profile;
    const { account } = settings;
    const { history } = beginHistory(profile, this.historyParts);
    if (account !== null) settings.account = withoutSecrets(account, tryPassword, secrets);
    return history;
  }

  /** What was damaged is set aside, and everything starts as at any other start. @throws AppError `ipc/refused`, `storage/*` */
  beginAnew(profile: Profile): { keptAs: string } {
    if (profile.rescue === null) throw new AppError('ipc/refused', { cause: 'the history is not damaged' });
    const { keptAs } = beginHistory(profile, this.historyParts);
    this.#deps.announce({ event: 'rescue', rescue: null });
    if (this.clone === null) this.#deps.start(profile);
    return { keptAs };
  }

  /** The history was found damaged while it was in use: this device leaves the network, and takes nothing that it could not keep. */
  async #rescue(error: AppError): Promise<void> {
    const { log } = this.#deps;
    const profile = this.#deps.profile();
    if (profile === null || profile.rescue !== null || this.#deps.isQuitting()) return;
    const account = this.#deps.account();
    this.#deps.leave();
    const { value } = rescueProfile(profile, error, this.historyParts);
    this.#deps.announce({ event: 'rescue', rescue: value });
    await account?.close().catch((failure: unknown) => log.warn('closing the account', { error: String(failure) }));
    account?.dispose();
  }
}
