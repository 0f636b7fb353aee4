/** The account that is signed in: made at the start or by a sign-in, and let go. What it tells becomes the client's events. */
import type { Clock } from '../base/clock';
import { drop, type Logger } from '../base/log';
import type { AccountValue, AppEventBody } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import { Account } from './account/account';
import type { Credentials } from './account/credentials';
import type { SignedOut } from './account/sign-in';
import type { AccountSource } from './profile/account-source';
import type { Profile } from './profile/profile';
import { type TryNetwork, type TryNetworkAddress, tryPeople } from './profile/try-network';
import type { Warnings } from './warnings';

export interface SignedInDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | null;
  version: string;
  network: TryNetwork | null;
  warnings: Warnings;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  source(): AccountSource;
  /** The history of the profile; a new one where this system cannot open the one that came along. */
  history(profile: Profile): NonNullable<Profile['history']>;
  isBlocked(address: string): boolean;
  isQuitting(): boolean;
  announce(event: AppEventBody): void;
  setFatal(error: AppError): void;
}

export class SignedIn {
  readonly #deps: SignedInDeps;
  #account: Account | null = null;
  #isSigningIn = false;

  constructor(deps: SignedInDeps) {
    this.#deps = deps;
  }

  get account(): Account | null {
    return this.#account;
  }

  /** Signs in at the start, with the account that the profile keeps or was given. The registration goes on by itself if that fails. */
  resume(): void {
    drop(this.#resume(), { ...this.#deps.log, error: this.#deps.log.warn }, 'signing in again');
  }

  async #resume(): Promise<void> {
    const { log } = this.#deps;
    const profile = this.#deps.profile();
    const source = this.#deps.source();
    let credentials: Credentials | null;
    try {
      credentials = source.credentials;
    } catch (error) {
      this.#deps.setFatal(toAppError(error));
      return;
    }
    if (credentials === null) return;
    if (credentials.kind === 'try') {
      const { proxy } = await this.joinTryNetwork();
      if (this.#deps.isQuitting() || profile.rescue !== null) return;
      credentials = { ...credentials, proxy };
    }
    const account = this.#make(credentials, source.signedOut);
    this.#enter(account);
    if (account.isOver) this.#deps.announce({ event: 'registration', ...account.registration });
    else if (source.registersAtStart) drop(account.register(), { ...log, error: log.warn }, 'registration');
  }

  /**
   * Signs in for the first time, or again when the server refuses the kept account or this device was signed out: identity, history and
   * settings stay. Nothing is kept or announced before the registrar's 200.
   * @param keptProxy the way to the server, for the next start; null: found again
   * @throws AppError ipc/refused, storage/*, or the registrar's or the network's refusal; nothing changes then
   */
  async signIn(credentials: Credentials, keptProxy: string | null): Promise<AccountValue> {
    const { announce } = this.#deps;
    const profile = this.#deps.profile();
    const source = this.#deps.source();
    const over = this.overAccount(credentials.aor);
    const present = this.#account?.value ?? source.shown;
    if (!source.takesSignIn || (present !== null && over === null))
      throw new AppError('ipc/refused', { cause: `already signed in as ${present?.aor ?? source.known?.aor}` });
    if (this.#isSigningIn) throw new AppError('ipc/refused', { cause: 'already signing in' });
    if (profile.rescue !== null) throw profile.rescue.refusal;
    this.#isSigningIn = true;
    const account = this.#make(credentials, null);
    try {
      await account.register();
      source.accept(credentials, keptProxy);
    } catch (error) {
      account.dispose();
      if (over === null) profile.settings.registrationState(credentials.instanceId, credentials.aor).forget();
      throw error;
    } finally {
      this.#isSigningIn = false;
    }
    over?.dispose();
    this.#enter(account);
    announce({ event: 'registration', ...account.registration });
    announce({ event: 'devices', devices: account.devices });
    return account.value;
  }

  /** The account of this address while its server refuses it, or it is signed out: it may be signed in with again. */
  overAccount(aor: string): Account | null {
    return this.#account?.isOver === true && this.#account.value.aor === aor ? this.#account : null;
  }

  /** Drops the account without telling the network. */
  leave(): void {
    this.#account = null;
    this.#deps.warnings.end('duplicate-device');
  }

  /** Ends sessions and signs off. What fails is in the log. */
  async close(): Promise<void> {
    await this.#account?.close().catch((error: unknown) => this.#deps.log.warn('closing the account', { error: String(error) }));
  }

  dispose(): void {
    this.#account?.dispose();
    this.#account = null;
  }

  async joinTryNetwork(): Promise<TryNetworkAddress> {
    if (this.#deps.network === null) throw new AppError('ipc/refused', { cause: 'no embedded network here' });
    return this.#deps.network.join();
  }

  /** @param signedOut who signed this device out before; null for an account that is signed in with now */
  #make(credentials: Credentials, signedOut: SignedOut | null): Account {
    const { clock, log, tap, version, isBlocked, history } = this.#deps;
    const profile = this.#deps.profile();
    const source = this.#deps.source();
    const { settings } = profile;
    const account: Account = new Account(credentials, {
      ...{ clock, log, tap, isBlocked, signedOut, userAgent: `Chorus/${version}` },
      history: history(profile),
      knownPeople: credentials.kind === 'try' ? tryPeople : [],
      preferences: () => source.preferences,
      registrationState: settings.registrationState(credentials.instanceId, credentials.aor),
      simState: settings.simState(credentials.options.authUser ?? credentials.aor),
      // An account that is on trial, or gone, announces and keeps nothing.
      announce: (event) => {
        if (this.#account === account) this.#announce(account, event);
      },
      keep: (change) => source.keep(change),
      keepSignedOut: (by) => {
        if (this.#account === account) source.keepSignedOut(by);
      },
      isForgotten: () => source.isForgotten,
    });
    return account;
  }

  #enter(account: Account): void {
    this.#account = account;
    this.#deps.announce({ event: 'account', account: account.value });
  }

  #announce(account: Account, event: AppEventBody): void {
    const { warnings, log, announce } = this.#deps;
    if (event.event === 'warning') {
      warnings.begin({ code: event.code, text: event.text });
      return;
    }
    announce(event);
    if (event.event === 'devices') {
      if (account.isDuplicated)
        warnings.begin({ code: 'duplicate-device', text: 'Another computer is registered with the ID of this device.' });
      else warnings.end('duplicate-device');
    }
    // The profile that hosted the embedded network may have quit: then it is found elsewhere, or started here.
    if (event.event === 'registration' && event.state === 'waiting' && account.value.kind === 'try') {
      drop(
        this.joinTryNetwork().then(() => account.networkChanged()),
        { ...log, error: log.warn },
        'looking for the embedded network',
      );
    }
  }
}
