/**
 * Two states of a profile in which nothing runs until the person decides: it was copied or moved here (is it the same device?), or its
 * history is damaged (begin a new one?). This offers the decision and carries it out.
 */

import type { Clock } from '../../base/clock';
import { drop, type Logger } from '../../base/log';
import type { AppEventBody, CloneValue, ErasedValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { nickname } from '../../protocol/instance-urn';
import type { Account } from '../account/account';
import { cleanDeviceName } from '../account/device-name';
import type { LogLoss, ProfileHistory } from '../history/history';
import type { AccountSources } from './account-source';
import { eraseAccount } from './erasure';
import { beginHistory, type Profile, rescueProfile } from './profile';

export interface ProfileDecisionDeps {
  dataDir: string;
  readScript: string | null;
  clock: Clock;
  log: Logger;
  /** Null before the profile could be opened and after it was closed. */
  profile(): Profile | null;
  /** Null like the profile. */
  sources(): AccountSources | null;
  isQuitting(): boolean;
  /** The accounts that are signed in. */
  accounts(): readonly Account[];
  /** Has no accounts any more, without a word to the network. */
  leave(): void;
  /** Goes on with the accounts that are given or stored. */
  start(profile: Profile): void;
  announce(event: AppEventBody): void;
  foundLost(loss: LogLoss): void;
}

export class ProfileDecisions {
  readonly #deps: ProfileDecisionDeps;

  constructor(deps: ProfileDecisionDeps) {
    this.#deps = deps;
  }

  /** The copied profile that needs a decision; null when there is none. */
  get clone(): CloneValue | null {
    const profile = this.#deps.profile();
    if (profile?.identity.isCopied !== true) return null;
    const { instanceId } = profile.identity;
    const known = this.#deps.sources()?.known;
    return { instanceId, nickname: nickname(instanceId), deviceName: known?.deviceName ?? '', aor: known?.aor ?? null };
  }

  /** The options for every call that opens a history. */
  get historyParts() {
    const { dataDir, readScript, clock, log, foundLost } = this.#deps;
    // Not at once: the caller that found the damage is still in the middle of its work.
    const foundDamaged = (error: AppError) => void clock.setTimer(0, () => drop(this.#rescue(error), log, 'the rescue'));
    return { dataDir, readScript, clock, log, foundDamaged, foundLost };
  }

  /**
   * Decides whether a profile found elsewhere, or a device whose ID another computer also uses, is the same device or a new one.
   * @throws AppError `ipc/refused` when there is nothing to decide
   */
  resolveClone(profile: Profile, choice: 'moved' | 'newDevice', name: string | undefined): { instanceId: string } {
    const { identity } = profile;
    const running = this.#deps.accounts();
    if (!identity.isCopied && !running.some(({ isDuplicated }) => isDuplicated))
      throw new AppError('ipc/refused', { cause: 'there is nothing to decide' });
    if (choice === 'moved') {
      identity.keep();
    } else {
      identity.renew();
      this.#deps.sources()?.becomeDevice(identity.instanceId, name === undefined ? null : cleanDeviceName(name));
    }
    if (profile.history === null && profile.rescue === null) this.beginUnreadable(profile);
    this.#deps.announce({ event: 'clone', clone: null });
    // De-registering would end the other computer's registration, which has the same ID.
    this.#deps.leave();
    for (const account of running) account.dispose();
    this.#deps.start(profile);
    return { instanceId: identity.instanceId };
  }

  /**
   * Erases an account from this device, and everything that it has here. Lasts over a process that ends meanwhile. `by`: the device that wants it; null:
   * the person, here.
   * @throws AppError storage/*
   */
  async erase(profile: Profile, aor: string, by: string | null): Promise<void> {
    this.mustErase(profile, aor, by);
    const others = this.#deps.sources()?.all.filter((source) => source.aor !== aor) ?? [];
    const running = this.#deps.accounts();
    this.#deps.leave();
    const failed = (error: unknown) => this.#deps.log.warn('closing an account', { error: String(error) });
    await Promise.all(running.map((account) => account.close().catch(failed)));
    await this.goOnErasing(
      profile,
      others.map((source) => source.aor),
    );
    this.#deps.announce({ event: 'erased', erased: this.erased });
    if (others.length > 0) this.#deps.start(profile);
  }

  /** When it returns, it is on disk that an account must go. @throws AppError storage/* */
  mustErase({ settings }: Profile, aor: string, by: string | null): void {
    settings.erasure = { aor, by, at: this.#deps.clock.now(), isDone: false };
  }

  /** Goes on with what the process had not erased when it ended. @throws AppError storage/* */
  async goOnErasing(profile: Profile, others: readonly string[]): Promise<void> {
    const { erasure } = profile.settings;
    if (erasure === null || erasure.isDone) return;
    await eraseAccount(profile, erasure.aor, others, this.historyParts);
    profile.settings.erasure = { ...erasure, isDone: true };
  }

  /** What another device has erased here; null when there is nothing to tell. */
  get erased(): ErasedValue | null {
    const erasure = this.#deps.profile()?.settings.erasure ?? null;
    if (erasure === null || !erasure.isDone || erasure.by === null) return null;
    return { account: erasure.aor, by: erasure.by, at: erasure.at };
  }

  /** The keychain of this system reads nothing of what came along: a new history, and the password is asked for again. */
  beginUnreadable(profile: Profile): ProfileHistory {
    const { history } = beginHistory(profile, this.historyParts);
    this.#deps.sources()?.forgetSecrets();
    return history;
  }

  /** Sets the damaged history aside and starts as usual. @throws AppError `ipc/refused`, `storage/*` */
  beginAnew(profile: Profile): { keptAs: string } {
    if (profile.rescue === null) throw new AppError('ipc/refused', { cause: 'the history is not damaged' });
    const { keptAs } = beginHistory(profile, this.historyParts);
    this.#deps.announce({ event: 'rescue', rescue: null });
    if (this.clone === null) this.#deps.start(profile);
    return { keptAs };
  }

  /** The history was found damaged in use: this device leaves the network, so that it accepts no message it could not store. */
  async #rescue(error: AppError): Promise<void> {
    const { log } = this.#deps;
    const profile = this.#deps.profile();
    if (profile === null || profile.rescue !== null || this.#deps.isQuitting()) return;
    const accounts = this.#deps.accounts();
    this.#deps.leave();
    const { value } = rescueProfile(profile, error, this.historyParts);
    this.#deps.announce({ event: 'rescue', rescue: value });
    const closing = (failure: unknown) => log.warn('closing the account', { error: String(failure) });
    await Promise.all(accounts.map((account) => account.close().catch(closing)));
    for (const account of accounts) account.dispose();
  }
}
