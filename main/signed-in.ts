/**
 * The accounts that are signed in: made at the start or by a sign-in, and let go. Each has its own connections, and all are the same device. What one
 * tells becomes the client's events, with its address.
 */
import type { Clock } from '../base/clock';
import { drop, type Logger } from '../base/log';
import type { AccountValue, AppEventBody, ToldByAccount } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import { Account } from './account/account';
import type { Credentials } from './account/credentials';
import type { AccountDeps } from './account/deps';
import type { SignedOut } from './account/sign-in';
import type { AccountSource, AccountSources } from './profile/account-source';
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
  sources(): AccountSources;
  /** The history of the profile; a new one where this system cannot open the one that came along. */
  history(profile: Profile): NonNullable<Profile['history']>;
  isBlocked(address: string): boolean;
  alsoBlock(addresses: readonly string[]): void;
  blocks: AccountDeps['blocks'];
  isQuitting(): boolean;
  /** Another device has removed this one from an account, and its chats shall go. */
  eraseChats(aor: string, by: string): void;
  announce(event: AppEventBody): void;
  setFatal(error: AppError): void;
}

export class SignedIn {
  readonly #deps: SignedInDeps;
  /** By address, in the order of their sources. */
  #accounts: ReadonlyMap<string, Account> = new Map();
  #isSigningIn = false;

  constructor(deps: SignedInDeps) {
    this.#deps = deps;
  }

  /** The first is the one that a window shows. */
  get accounts(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  account(aor: string): Account | null {
    return this.#accounts.get(aor) ?? null;
  }

  /** Signs in at the start, with the accounts that the profile keeps or was given. A registration goes on by itself if that fails. */
  resume(): void {
    const log = { ...this.#deps.log, error: this.#deps.log.warn };
    for (const source of this.#deps.sources().all) drop(this.#resume(source), log, 'signing in again');
  }

  async #resume(source: AccountSource): Promise<void> {
    const { log } = this.#deps;
    const profile = this.#deps.profile();
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
    if (account.isOver) this.#announceRegistration(account);
    else if (source.registersAtStart) drop(account.register(), { ...log, error: log.warn }, 'registration');
  }

  /**
   * Signs in for the first time, or again when the server refuses the kept account or this device was signed out: identity, history and
   * settings stay. Nothing is kept or announced before the registrar's 200.
   * @param keptProxy the way to the server, for the next start; null: found again
   * @param isFurther there may be other accounts already
   * @throws AppError ipc/refused, storage/*, or the registrar's or the network's refusal; nothing changes then
   */
  async signIn(credentials: Credentials, keptProxy: string | null, isFurther: boolean): Promise<AccountValue> {
    const { announce } = this.#deps;
    const { aor, instanceId } = credentials;
    const profile = this.#deps.profile();
    const sources = this.#deps.sources();
    const over = this.overAccount(aor);
    const present = sources.all.map((source) => source.aor);
    const isRefused = over === null && (isFurther ? present.includes(aor) : present.length > 0);
    if (isRefused || sources.isGiven(aor)) throw new AppError('ipc/refused', { cause: `already signed in as ${present.join(', ')}` });
    if (this.#isSigningIn) throw new AppError('ipc/refused', { cause: 'already signing in' });
    if (profile.rescue !== null) throw profile.rescue.refusal;
    this.#isSigningIn = true;
    const account = this.#make(credentials, null);
    try {
      await account.register();
      sources.accept(credentials, keptProxy);
    } catch (error) {
      account.dispose();
      if (over === null) profile.settings.registrationState(instanceId, aor).forget();
      throw error;
    } finally {
      this.#isSigningIn = false;
    }
    over?.dispose();
    this.#enter(account);
    this.#announceRegistration(account);
    announce({ event: 'devices', account: aor, devices: account.devices });
    return account.value;
  }

  /** The account of this address while its server refuses it, or it is signed out: it may be signed in with again. */
  overAccount(aor: string): Account | null {
    const account = this.account(aor);
    return account?.isOver === true ? account : null;
  }

  /** Has no accounts any more, without a word to the network. */
  leave(): void {
    for (const { aor } of this.accounts) this.#deps.warnings.end('duplicate-device', aor);
    this.#accounts = new Map();
  }

  /** Ends sessions and signs off. What fails is in the log. */
  async close(): Promise<void> {
    const failed = (error: unknown) => this.#deps.log.warn('closing the account', { error: String(error) });
    await Promise.all(this.accounts.map((account) => account.close().catch(failed)));
  }

  dispose(): void {
    for (const account of this.accounts) account.dispose();
    this.#accounts = new Map();
  }

  async joinTryNetwork(): Promise<TryNetworkAddress> {
    if (this.#deps.network === null) throw new AppError('ipc/refused', { cause: 'no embedded network here' });
    return this.#deps.network.join();
  }

  /** @param signedOut who signed this device out before; null for an account that is signed in with now */
  #make(credentials: Credentials, signedOut: SignedOut | null): Account {
    const { clock, log, tap, version, isBlocked, alsoBlock, blocks, history } = this.#deps;
    const profile = this.#deps.profile();
    const { aor } = credentials;
    const sources = this.#deps.sources();
    const source = sources.of(aor);
    const { settings } = profile;
    const account: Account = new Account(credentials, {
      ...{ clock, log, tap, isBlocked, alsoBlock, blocks, signedOut, userAgent: `Chorus/${version}` },
      history: history(profile).of(aor),
      knownPeople: credentials.kind === 'try' ? tryPeople : [],
      preferences: () => sources.preferences,
      registrationState: settings.registrationState(credentials.instanceId, aor),
      simState: settings.simState(credentials.options.authUser ?? aor),
      // An account that is on trial, or gone, announces and keeps nothing.
      announce: (event) => {
        if (this.account(aor) === account) this.#announce(account, event);
      },
      keep: (change) => source.keep(change),
      ownKey: this.#ownKey(credentials),
      keys: settings.ownKeys(aor, profile.secrets),
      eraseChats: (by) => this.#deps.eraseChats(aor, by),
      keepSignedOut: (by) => {
        if (this.account(aor) === account) source.keepSignedOut(by);
      },
      isForgotten: () => source.isForgotten,
    });
    return account;
  }

  /** In the embedded network the windows of one person on this computer are paired by a key in its folder. */
  #ownKey({ kind, aor, ownKey }: Credentials): string | null {
    return kind === 'try' ? (this.#deps.network?.ownKeyOf(aor) ?? null) : (ownKey ?? null);
  }

  #enter(account: Account): void {
    const entered = new Map(this.#accounts).set(account.aor, account);
    const inOrder = this.#deps.sources().all.flatMap(({ aor }) => entered.get(aor) ?? []);
    this.#accounts = new Map(inOrder.map((one) => [one.aor, one]));
    this.#deps.announce({ event: 'account', account: account.value });
  }

  #announceRegistration(account: Account): void {
    this.#deps.announce({ event: 'registration', account: account.aor, ...account.registration });
  }

  #announce(account: Account, event: ToldByAccount): void {
    const { warnings, log, announce } = this.#deps;
    const { aor } = account;
    if (event.event === 'warning') {
      warnings.begin({ code: event.code, text: event.text, account: aor });
      return;
    }
    announce(event.event === 'account' ? event : { ...event, account: aor });
    if (event.event === 'devices') {
      const text = 'Another computer is registered with the ID of this device.';
      if (account.isDuplicated) warnings.begin({ code: 'duplicate-device', text, account: aor });
      else warnings.end('duplicate-device', aor);
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
