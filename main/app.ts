/**
 * The composition root: the one file that knows every part. It opens the profile (settings, identity, history), signs in, and answers the
 * contract's calls. The window and the headless client are two doors to the object that it makes.
 */

import { type Clock, systemClock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter, setListenerErrorReporter } from '../base/emitter';
import { drop, type Logger } from '../base/log';
import type { AccountValue, AppEvent, AppEventBody, PreferencesValue, Snapshot, WarningValue } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import { Account, type OwnSettings } from './account/account';
import { type Credentials, newCredentials, outboundProxy, parseOwnAddress } from './account/credentials';
import type { SignedOut } from './account/sign-in';
import { instanceOfImei, signInTable } from './account/sign-in-options';
import type { Handlers } from './calls';
import { chatCalls } from './chat-calls';
import { deviceCalls } from './device-calls';
import { BlockedPeople, strangerKey } from './profile/blocked-people';
import { ProfileDecisions } from './profile/decisions';
import { adoptInstance, openProfile, type Profile } from './profile/profile';
import type { Rescue } from './profile/rescue';
import { defaultPreferences, type OpenKeyValueFile, type SecretBox } from './profile/settings';
import { changedAccount, keptOptions, revealedAccount, signedOutOf, storedAccount, valueOfStored } from './profile/stored-account';
import { TryNetwork, tryPassword, tryPeople } from './profile/try-network';
import { watchNetwork } from './sip/flow/network-watch';
import { checkServer } from './sip/flow/server-check';

const secretsInFile: WarningValue = {
  code: 'secrets-in-file',
  text: 'This computer offers no keychain. Your password and your messages are encrypted with a key that lies in a file only your account can read.',
};

/** How long `quit` may take before the process goes anyway. */
export const quitLimitMs = 3_000;

export interface AppOptions {
  /** The folder of everything this profile keeps. */
  dataDir: string;
  profile: string;
  /** The built `history/read-thread.ts`, which reads on a thread of its own; null: this thread reads. */
  readScript: string | null;
  version: string;
  open: OpenKeyValueFile;
  /** Made when it is first needed; what it throws is shown as a fatal error. */
  secrets: () => SecretBox;
  log: Logger;
  clock?: Clock;
  tap?: WireTap;
  /** The folder that all profiles of one person share, where the embedded network says where it is; null offers none. */
  tryDirectory: string | null;
  /** Opens a further window as another device; null where there are no windows. */
  openDevice: ((person: string) => Promise<{ profile: string }>) | null;
  /** Asks the person where a file goes; null when they would rather not. Where nobody can be asked, null: callers name a path. */
  chooseFile: ((suggestion: string) => Promise<string | null>) | null;
  /** An account from outside, for a headless client: used as it is, not stored. */
  given?: GivenAccount;
}

export interface GivenAccount extends Omit<Credentials, 'instanceId' | 'kind' | 'servicesOff'> {
  preferences: Partial<PreferencesValue>;
  /** A URN to use as instance ID at the very first start (IMEI). */
  instanceUrn: string | null;
  registerAtStart: boolean;
}

export interface App {
  readonly handlers: Handlers;
  readonly onEvent: Emitter<AppEvent>;
  /** The Instance ID of this profile's device; null while no profile is open. */
  readonly deviceInstance: string | null;
  /** The computer woke up, or may have another network: an account that has lost its server finds it now. */
  networkChanged(): void;
  /** Ends sessions, de-registers, closes the history. May be called twice. */
  quit(): Promise<void>;
}

/** Opens the profile. Trouble that the person must solve is in the snapshot's `fatal`, not thrown. */
export async function createApp(options: AppOptions): Promise<App> {
  const app = new ChorusApp(options);
  await app.open();
  return app;
}

class ChorusApp implements App {
  readonly onEvent = new Emitter<AppEvent>();
  readonly handlers: Handlers;
  readonly #options: AppOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #network: TryNetwork | null;
  readonly #warnings: WarningValue[] = [];
  readonly #watch: Disposable;
  readonly #decisions: ProfileDecisions;
  #revision = 0;
  #profile: Profile | null = null;
  #account: Account | null = null;
  #blocked: BlockedPeople | null = null;
  #isSigningIn = false;
  #fatal: AppError | null = null;
  #quitting: Promise<void> | null = null;

  constructor(options: AppOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
    this.#network = options.tryDirectory === null ? null : new TryNetwork(options.tryDirectory, this.#clock, options.log);
    setListenerErrorReporter((error) =>
      this.#log.error('a listener failed', { error: String(error instanceof Error ? error.stack : error) }),
    );
    this.#decisions = new ProfileDecisions({
      dataDir: options.dataDir,
      readScript: options.readScript,
      clock: this.#clock,
      log: options.log,
      given: options.given,
      profile: () => this.#profile,
      isQuitting: () => this.#quitting !== null,
      account: () => this.#account,
      leave: () => {
        this.#account = null;
        this.#endWarning('duplicate-device');
      },
      start: (profile) => this.#start(profile),
      announce: (event) => this.#announce(event),
    });
    this.handlers = this.#makeHandlers();
    this.#watch = watchNetwork(this.#clock, (reason) => {
      this.#log.info('The network may have changed', { reason });
      this.networkChanged();
    });
  }

  async open(): Promise<void> {
    try {
      const { open, secrets, given } = this.#options;
      const instanceUrn = given?.instanceUrn ?? null;
      this.#profile = openProfile({ open, secrets, instanceUrn, ...this.#decisions.historyParts });
      // Whoever hands the account in has the password in the open anyway.
      if (this.#profile.secrets.backend === 'file' && given === undefined) this.#warnings.push(secretsInFile);
    } catch (error) {
      this.#fatal = toAppError(error);
      this.#log.error('the profile cannot be opened', { error: this.#fatal.message });
      return;
    }
    if (this.#profile.identity.isCopied) {
      this.#log.warn('the profile was made elsewhere; nothing is registered until it is told what it is');
      // Those who are to hear it begin to listen when the app is made.
      this.#clock.setTimer(0, () => this.#announce({ event: 'clone', clone: this.#decisions.clone }));
      return;
    }
    this.#start(this.#profile);
  }

  /** Goes on with the account that is given or stored. */
  #start(profile: Profile): void {
    const { rescue } = profile;
    if (rescue !== null) {
      this.#clock.setTimer(0, () => this.#announce({ event: 'rescue', rescue: rescue.value }));
      return;
    }
    const given = this.#options.given;
    if (given === undefined) {
      drop(this.#resume(profile), { ...this.#log, error: this.#log.warn }, 'signing in again');
      return;
    }
    const { instanceId } = profile.identity;
    const deviceName = this.#decisions.givenName ?? given.deviceName;
    const account = this.#makeAccount({ ...given, deviceName, kind: 'sip', instanceId, servicesOff: [] });
    this.#enter(account);
    if (given.registerAtStart) drop(account.register(), { ...this.#log, error: this.#log.warn }, 'registration');
  }

  networkChanged(): void {
    this.#account?.networkChanged();
  }

  quit(): Promise<void> {
    this.#watch.dispose();
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  // ---------------------------------------------------------------- the profile

  /** Signs in with the stored account. The registration's state tells how it goes; it goes on by itself. */
  async #resume(profile: Profile): Promise<void> {
    const stored = profile.settings.account;
    if (stored === null) return;
    let revealed: Omit<Credentials, 'proxy'>;
    try {
      revealed = revealedAccount(stored, profile.identity.instanceId, profile.secrets);
    } catch (error) {
      this.#setFatal(toAppError(error));
      return;
    }
    const proxy = stored.kind === 'try' ? (await this.#joinTryNetwork()).proxy : stored.proxy;
    if (this.#quitting !== null || profile.rescue !== null) return;
    const account = this.#makeAccount({ ...revealed, proxy }, signedOutOf(stored));
    this.#enter(account);
    if (account.isOver) this.#announce({ event: 'registration', ...account.registration });
    else await account.register();
  }

  /** @param signedOut who signed this device out before; null for an account that is signed in with now */
  #makeAccount(credentials: Credentials, signedOut: SignedOut | null = null): Account {
    const profile = this.#open;
    const account = new Account(credentials, {
      clock: this.#clock,
      log: this.#log,
      tap: this.#options.tap ?? null,
      userAgent: `Chorus/${this.#options.version}`,
      history: profile.history ?? this.#decisions.beginUnreadable(profile),
      knownPeople: credentials.kind === 'try' ? tryPeople : [],
      preferences: () => this.#preferences,
      isBlocked: (address) => this.#openBlocked.has(address),
      registrationState: profile.settings.registrationState(credentials.instanceId, credentials.aor),
      simState: profile.settings.simState(credentials.options.authUser ?? credentials.aor),
      announce: (event) => {
        // An account that is still on trial, or gone, has nothing to say.
        if (this.#account === account) this.#announceOf(account, event);
      },
      keep: (change) => this.#keep(change),
      signedOut,
      keepSignedOut: (signedOut) => {
        if (this.#account === account) this.#keepSignedOut(signedOut);
      },
      isForgotten: () => this.#options.given === undefined && profile.settings.account?.password === '',
    });
    return account;
  }

  #enter(account: Account): void {
    this.#account = account;
    this.#announce({ event: 'account', account: account.value });
  }

  /** A device that was signed out stays so over a restart, and the password of a server is forgotten. */
  #keepSignedOut(signedOut: SignedOut | null): void {
    const { settings } = this.#open;
    const { account } = settings;
    if (account === null || this.#options.given !== undefined || (signedOut === null && !account.signedOut)) return;
    const password = signedOut !== null && account.kind === 'sip' ? '' : account.password;
    settings.account = { ...account, signedOut: signedOut ?? false, password };
  }

  #announceOf(account: Account, event: AppEventBody): void {
    this.#announce(event);
    if (event.event === 'devices') {
      if (account.isDuplicated)
        this.#warn({ code: 'duplicate-device', text: 'Another computer is registered with the ID of this device.' });
      else this.#endWarning('duplicate-device');
    }
    // The profile that hosted the embedded network may have quit: then it is found elsewhere, or started here.
    if (event.event === 'registration' && event.state === 'waiting' && account.value.kind === 'try') {
      drop(
        this.#joinTryNetwork().then(() => account.networkChanged()),
        { ...this.#log, error: this.#log.warn },
        'looking for the embedded network',
      );
    }
  }

  async #joinTryNetwork() {
    if (this.#network === null) throw new AppError('ipc/refused', { cause: 'no embedded network here' });
    return this.#network.join();
  }

  /**
   * Signs in for the first time, or anew when the server refuses what is stored or the device was signed out: identity, history and settings
   * stay. Nothing is kept, or said, before the registrar's 200.
   */
  async #signIn(credentials: Credentials, storeProxy: string | null): Promise<AccountValue> {
    const profile = this.#open;
    const ended = this.#endedAccount(credentials.aor);
    if (this.#accountValue !== null && ended === null)
      throw new AppError('ipc/refused', { cause: `already signed in as ${this.#accountValue.aor}` });
    if (this.#isSigningIn) throw new AppError('ipc/refused', { cause: 'already signing in' });
    if (profile.rescue !== null) throw profile.rescue.refusal;
    this.#isSigningIn = true;
    const account = this.#makeAccount(credentials);
    try {
      await account.register();
      profile.settings.account = storedAccount(credentials, storeProxy, profile.secrets);
    } catch (error) {
      account.dispose();
      if (ended === null) profile.settings.registrationState(credentials.instanceId, credentials.aor).forget();
      throw error;
    } finally {
      this.#isSigningIn = false;
    }
    ended?.dispose();
    this.#enter(account);
    this.#announce({ event: 'registration', ...account.registration });
    this.#announce({ event: 'devices', devices: account.devices });
    return account.value;
  }

  /** The account of this address while its server refuses it, or it is signed out: its password may be another one now. */
  #endedAccount(aor: string): Account | null {
    return this.#options.given === undefined && this.#account?.isOver === true && this.#account.value.aor === aor ? this.#account : null;
  }

  // ---------------------------------------------------------------- the contract

  #makeHandlers(): Handlers {
    return {
      snapshot: () => this.#snapshot(),
      identity: () => this.#signedIn.identity,
      register: async () => {
        await this.#signedIn.register();
        return this.#registrationAnswer();
      },
      unregister: async () => {
        await this.#signedIn.unregister();
        return this.#registrationAnswer();
      },
      ...deviceCalls({
        account: () => this.#signedIn,
      }),
      ...chatCalls({
        messenger: () => this.#signedIn.messenger,
        rescue: () => this.#rescue,
        chooseFile: this.#options.chooseFile,
        now: () => this.#clock.now(),
      }),
      resolveClone: ({ choice, name }) => this.#decisions.resolveClone(this.#open, choice, name),
      block: ({ address }) => {
        const key = strangerKey(address, this.#accountValue?.aor ?? null);
        this.#openBlocked.block(key);
        const answer = this.#announceBlocked();
        this.#account?.messenger.blocked(key);
        return answer;
      },
      unblock: ({ address }) => {
        this.#openBlocked.unblock(strangerKey(address, this.#accountValue?.aor ?? null));
        return this.#announceBlocked();
      },
      beginHistory: () => this.#decisions.beginAnew(this.#open),
      setPreferences: (preferences) => {
        this.#open.settings.preferences = preferences;
        this.#announce({ event: 'preferences', ...preferences });
        this.#account?.messenger.preferencesChanged();
        return preferences;
      },
      checkServer: async ({ address, server, ca }) => {
        const domain = parseOwnAddress(address).split('@')[1] ?? '';
        const looked = server === undefined ? `sip:${domain}` : outboundProxy(server);
        const deps = { clock: this.#clock, log: this.#log, tap: this.#options.tap };
        return { server: looked, ...(await checkServer(looked, domain, signInTable.check({ ca }).ca, deps)) };
      },
      signIn: ({ address, password, server, deviceName, options = {} }) => {
        const aor = parseOwnAddress(address);
        const stored = this.#endedAccount(aor) === null ? null : this.#open.settings.account;
        const proxy = server === undefined ? (stored?.proxy ?? null) : outboundProxy(server);
        const kept = signInTable.check(options, stored === null ? {} : keptOptions(stored, this.#open.secrets));
        if (options.imei !== undefined) adoptInstance(this.#open, instanceOfImei(options.imei));
        const credentials = newCredentials('sip', aor, deviceName, this.#instanceId);
        return this.#signIn({ ...credentials, options: kept, password, proxy }, proxy);
      },
      tryIt: async ({ person, deviceName }) => {
        const chosen = tryPeople.find((candidate) => candidate.address === person);
        if (chosen === undefined) throw new AppError('account/bad-address', { cause: person }, 'user');
        const { proxy, factory } = await this.#joinTryNetwork();
        const credentials = newCredentials('try', chosen.address, deviceName, this.#instanceId);
        return this.#signIn({ ...credentials, displayName: chosen.name, password: tryPassword, proxy, options: { factory } }, null);
      },
      openDevice: async ({ person }) => {
        if (this.#options.openDevice === null || this.#account?.value.kind !== 'try')
          throw new AppError('ipc/refused', { cause: 'only at the embedded network' });
        return this.#options.openDevice(person);
      },
      quit: async () => {
        await this.quit();
        return {};
      },
    };
  }

  /** What can be read of a damaged history, once it is known whose it is. */
  get #rescue(): Rescue | null {
    return this.#decisions.clone === null ? (this.#profile?.rescue ?? null) : null;
  }

  #warn(warning: WarningValue): void {
    if (this.#warnings.some(({ code }) => code === warning.code)) return;
    this.#warnings.push(warning);
    this.#announce({ event: 'warning', ...warning });
  }

  #endWarning(code: WarningValue['code']): void {
    const at = this.#warnings.findIndex((warning) => warning.code === code);
    if (at < 0) return;
    this.#warnings.splice(at, 1);
    this.#announce({ event: 'warningEnded', code });
  }

  #keep(change: Partial<OwnSettings>): void {
    const { settings } = this.#open;
    if (settings.account !== null) settings.account = changedAccount(settings.account, change);
  }

  #registrationAnswer() {
    const { state, expires, bindings } = this.#signedIn.registration;
    return { state, expires: expires ?? null, bindings };
  }

  #snapshot(): Snapshot {
    const account = this.#account;
    return {
      revision: this.#revision,
      profile: this.#options.profile,
      account: this.#accountValue,
      tryPeople: this.#network !== null && (this.#accountValue?.kind ?? 'try') === 'try' ? tryPeople : [],
      registration: account?.registration ?? {
        state: this.#accountValue === null || this.#profile?.rescue ? 'offline' : 'connecting',
        bindings: 0,
      },
      devices: account?.devices ?? [],
      conversations: account?.messenger.chats.all() ?? [],
      invitations: account?.messenger.invitations.list() ?? [],
      preferences: this.#preferences,
      blocked: this.#profile === null ? [] : this.#openBlocked.list,
      // The embedded network's password is no secret.
      warnings: this.#warnings.filter((warning) => warning.code !== 'secrets-in-file' || this.#accountValue?.kind !== 'try'),
      clone: this.#decisions.clone,
      rescue: this.#profile?.rescue?.value ?? null,
      fatal: this.#fatal?.toValue() ?? null,
    };
  }

  /** Who is signed in: also while a stored account is still looking for its network, so that no window asks to sign in again. */
  get #accountValue(): AccountValue | null {
    if (this.#account !== null) return this.#account.value;
    const stored = this.#profile?.settings.account ?? null;
    if (stored === null || this.#options.given !== undefined) return null;
    return valueOfStored(stored, this.#profile?.identity.instanceId ?? stored.instanceId);
  }

  get #preferences(): PreferencesValue {
    return { ...(this.#profile?.settings.preferences ?? defaultPreferences), ...this.#options.given?.preferences };
  }

  get #openBlocked(): BlockedPeople {
    this.#blocked ??= new BlockedPeople(this.#open.settings);
    return this.#blocked;
  }

  #announceBlocked(): { blocked: string[] } {
    const blocked = this.#openBlocked.list;
    this.#announce({ event: 'blocked', blocked });
    return { blocked };
  }

  get #open(): Profile {
    if (this.#profile === null) throw this.#fatal ?? new AppError('storage/failed', { cause: 'the profile is closed' });
    return this.#profile;
  }

  get deviceInstance(): string | null {
    return this.#profile?.identity.instanceId ?? null;
  }

  /** The instance ID for a new account. */
  get #instanceId(): string {
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    return this.#open.identity.instanceId;
  }

  get #signedIn(): Account {
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    if (this.#profile?.rescue) throw this.#profile.rescue.refusal;
    if (this.#account === null) throw this.#fatal ?? new AppError('account/none', {}, 'user');
    return this.#account;
  }

  #setFatal(error: AppError): void {
    this.#fatal = error;
    this.#announce({ event: 'fatal', error: error.toValue() });
  }

  #announce(event: AppEventBody): void {
    this.#revision += 1;
    this.onEvent.emit({ ...event, revision: this.#revision });
  }

  async #quit(): Promise<void> {
    const account = this.#account;
    const limit = new Promise<void>((resolve) => this.#clock.setTimer(quitLimitMs, resolve));
    if (account !== null)
      await Promise.race([
        account.close().catch((error: unknown) => this.#log.warn('closing the account', { error: String(error) })),
        limit,
      ]);
    account?.dispose();
    await Promise.race([
      this.#network?.close().catch((error: unknown) => this.#log.warn('closing the network', { error: String(error) })),
      limit,
    ]);
    await this.#profile?.history?.close();
    this.#profile?.rescue?.dispose();
    this.#profile?.lock.dispose();
    this.#announce({ event: 'exit' });
    this.#account = null;
  }
}
