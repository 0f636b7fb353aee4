/**
 * The composition root: the one file that knows every part. It opens the profile (settings, identity, history), signs in, and answers the
 * contract's calls. The window and the headless client are two doors to the object that it makes.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AccountValue, AppEvent, AppEventBody, PreferencesValue, Snapshot, WarningValue } from '../preload/contract';
import { Account, type Credentials } from './account';
import { type Clock, type Disposable, drop, Emitter, type Logger, setListenerErrorReporter, systemClock } from './base';
import type { Handlers } from './calls';
import { defaultPage } from './cpm/messenger';
import { AppError, toAppError } from './errors';
import { type History, openHistory } from './history/history';
import { lockProfile } from './history/profile-lock';
import { cleanDeviceName } from './identity/device-name';
import { loadInstanceId } from './identity/instance-id';
import { nickname } from './protocol/instance-urn';
import { addressKey, parseUri } from './protocol/uri';
import type { WireTap } from './protocol/wire-record';
import { defaultPreferences, newHistoryKey, type OpenKeyValueFile, type SecretBox, Settings, translateFileError } from './settings';
import { TryNetwork, tryPassword, tryPeople } from './try-network';

/** LAB: how long a registration is asked for (TS 24.229 asks for 600000 s, deployed clients for about an hour). */
export const defaultExpiresSeconds = 3600;
/** How long `quit` may take before the process goes anyway. */
export const quitLimitMs = 3_000;

export interface AppOptions {
  /** The folder of everything this profile keeps. */
  dataDir: string;
  profile: string;
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
  /** An account from outside, for a headless client: used as it is, not stored. */
  given?: GivenAccount;
}

export interface GivenAccount extends Omit<Credentials, 'instanceId' | 'kind'> {
  preferences: Partial<PreferencesValue>;
  /** A URN to use as instance ID at the very first start (IMEI). */
  instanceUrn: string | null;
  registerAtStart: boolean;
}

export interface App {
  readonly handlers: Handlers;
  readonly onEvent: Emitter<AppEvent>;
  /** Ends sessions, de-registers, closes the history. May be called twice. */
  quit(): Promise<void>;
}

/** Opens the profile. Trouble that the person must solve is in the snapshot's `fatal`, not thrown. */
export async function createApp(options: AppOptions): Promise<App> {
  const app = new ChorusApp(options);
  await app.open();
  return app;
}

/** What is open once the profile could be read. */
interface Profile {
  lock: Disposable;
  settings: Settings;
  secrets: SecretBox;
  history: History;
  instanceId: string;
}

class ChorusApp implements App {
  readonly onEvent = new Emitter<AppEvent>();
  readonly handlers: Handlers;
  readonly #options: AppOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #network: TryNetwork | null;
  readonly #warnings: WarningValue[] = [];
  #revision = 0;
  #profile: Profile | null = null;
  #account: Account | null = null;
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
    this.handlers = this.#makeHandlers();
  }

  async open(): Promise<void> {
    try {
      this.#profile = this.#openProfile();
    } catch (error) {
      this.#fatal = toAppError(error);
      this.#log.error('the profile cannot be opened', { error: this.#fatal.message });
      return;
    }
    const given = this.#options.given;
    if (given !== undefined) {
      const account = this.#makeAccount({ ...given, kind: 'sip', instanceId: this.#profile.instanceId });
      this.#enter(account);
      if (given.registerAtStart) drop(account.register(), { ...this.#log, error: this.#log.warn }, 'registration');
      return;
    }
    drop(this.#resume(this.#profile), this.#log, 'signing in again');
  }

  quit(): Promise<void> {
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  // ---------------------------------------------------------------- the profile

  #openProfile(): Profile {
    const { dataDir, open, given } = this.#options;
    try {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw translateFileError(error, dataDir);
    }
    const lock = lockProfile(dataDir);
    try {
      const settings = new Settings(open);
      const secrets = this.#options.secrets();
      if (secrets.backend === 'file' && given === undefined) {
        this.#warnings.push({
          code: 'secrets-in-file',
          text: 'This computer offers no keychain. Your password and your messages are encrypted with a key that lies in a file only your account can read.',
        });
      }
      const instanceId = loadInstanceId({
        open,
        dataDir,
        clock: this.#clock,
        log: this.#log,
        expected: settings.account?.instanceId ?? null,
        given: given?.instanceUrn ?? null,
      });
      const file = join(dataDir, 'history.db');
      const history = openHistory({ file, key: historyKey(settings, secrets, file), log: this.#log });
      return { lock, settings, secrets, history, instanceId };
    } catch (error) {
      lock.dispose();
      throw error;
    }
  }

  /** Signs in with the stored account. The registration's state tells how it goes; it goes on by itself. */
  async #resume(profile: Profile): Promise<void> {
    const stored = profile.settings.account;
    if (stored === null) return;
    let password: string;
    try {
      password = profile.secrets.reveal(stored.password);
    } catch (error) {
      this.#setFatal(toAppError(error));
      return;
    }
    const proxy = stored.proxy ?? (await this.#joinTryNetwork()).proxy;
    if (this.#quitting !== null) return;
    const account = this.#makeAccount({
      kind: stored.kind,
      aor: stored.aor,
      displayName: stored.displayName,
      authUser: stored.authUser,
      password,
      proxy,
      registrar: null,
      factory: stored.factory,
      deviceName: stored.deviceName,
      instanceId: profile.instanceId,
      expiresSeconds: defaultExpiresSeconds,
    });
    this.#enter(account);
    await account.register();
  }

  #makeAccount(credentials: Credentials): Account {
    const profile = this.#open;
    const account = new Account(credentials, {
      clock: this.#clock,
      log: this.#log,
      tap: this.#options.tap ?? null,
      userAgent: `Chorus/${this.#options.version}`,
      history: profile.history,
      knownPeople: credentials.kind === 'try' ? tryPeople : [],
      preferences: () => this.#preferences,
      announce: (event) => {
        // An account that is still on trial, or gone, has nothing to say.
        if (this.#account === account) this.#announceOf(account, event);
      },
    });
    return account;
  }

  #enter(account: Account): void {
    this.#account = account;
    this.#announce({ event: 'account', account: account.value });
  }

  #announceOf(account: Account, event: AppEventBody): void {
    this.#announce(event);
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

  /** Signs in for the first time, or anew when the server refuses what is stored. Nothing is kept, or said, before the registrar's 200. */
  async #signIn(credentials: Credentials, storeProxy: string | null): Promise<AccountValue> {
    const profile = this.#open;
    const refused = this.#refusedAccount(credentials.aor);
    if (this.#accountValue !== null && refused === null)
      throw new AppError('ipc/refused', { cause: `already signed in as ${this.#accountValue.aor}` });
    if (this.#isSigningIn) throw new AppError('ipc/refused', { cause: 'already signing in' });
    this.#isSigningIn = true;
    const account = this.#makeAccount(credentials);
    try {
      await account.register();
      profile.settings.account = {
        kind: credentials.kind,
        aor: credentials.aor,
        displayName: credentials.displayName,
        authUser: credentials.authUser,
        password: profile.secrets.protect(credentials.password),
        secretBackend: profile.secrets.backend,
        proxy: storeProxy,
        factory: credentials.factory,
        deviceName: credentials.deviceName,
        instanceId: credentials.instanceId,
      };
    } catch (error) {
      account.dispose();
      throw translateStoreError(error);
    } finally {
      this.#isSigningIn = false;
    }
    refused?.dispose();
    this.#enter(account);
    this.#announce({ event: 'registration', ...account.registration });
    this.#announce({ event: 'devices', devices: account.devices });
    return account.value;
  }

  /** The account of this address while its server refuses it: its password may be another one now. */
  #refusedAccount(aor: string): Account | null {
    return this.#account?.registration.state === 'rejected' && this.#account.value.aor === aor ? this.#account : null;
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
      devices: () => this.#signedIn.devices,
      renameDevice: async ({ name }) => {
        const deviceName = cleanDeviceName(name);
        await this.#signedIn.rename(deviceName);
        const { settings } = this.#open;
        if (settings.account !== null) settings.account = { ...settings.account, deviceName };
        return { name: deviceName };
      },
      conversations: () => this.#messenger.conversations(),
      messages: ({ conversation, before, limit }) => this.#messenger.messages(conversation, before, limit ?? defaultPage),
      sendText: ({ to, conversation, text, mode }) => this.#messenger.sendText({ to, conversation }, text, mode ?? 'session'),
      openConversation: ({ to }) => ({ conversation: this.#messenger.openConversation(to) }),
      openSession: ({ to }) => this.#messenger.openSession(to),
      closeSession: ({ conversation }) => this.#messenger.closeSession(conversation),
      answer: async ({ invitation, accept, everywhere }) => {
        await this.#messenger.invitations.answer(invitation, accept, everywhere ?? false);
        return { state: accept ? 'established' : 'ended' };
      },
      addPeople: ({ conversation, people, subject }) => this.#messenger.addPeople(conversation, people, subject),
      participants: ({ conversation }) => this.#messenger.participants(conversation),
      leave: async ({ conversation }) => {
        await this.#messenger.leave(conversation);
        return {};
      },
      composing: ({ conversation, active }) => {
        this.#messenger.composing(conversation, active);
        return {};
      },
      markDisplayed: ({ conversation, upTo }) => {
        this.#messenger.markDisplayed(conversation, upTo);
        return {};
      },
      retry: ({ message }) => {
        this.#messenger.retry(message);
        return {};
      },
      discard: ({ message }) => {
        this.#messenger.discard(message);
        return {};
      },
      setPreferences: (preferences) => {
        this.#open.settings.preferences = preferences;
        this.#announce({ event: 'preferences', ...preferences });
        return preferences;
      },
      signIn: ({ address, password, server, deviceName }) => {
        const { aor, domain } = parseOwnAddress(address);
        const known = this.#refusedAccount(aor) === null ? null : (this.#open.settings.account?.proxy ?? null);
        const proxy = server === undefined && known !== null ? known : outboundProxy(server ?? domain);
        return this.#signIn({ ...this.#newCredentials('sip', aor, deviceName), password, proxy }, proxy);
      },
      tryIt: async ({ person, deviceName }) => {
        const chosen = tryPeople.find((candidate) => candidate.address === person);
        if (chosen === undefined) throw new AppError('account/bad-address', { cause: person }, 'user');
        const { proxy, factory } = await this.#joinTryNetwork();
        const credentials = this.#newCredentials('try', chosen.address, deviceName);
        return this.#signIn({ ...credentials, displayName: chosen.name, password: tryPassword, proxy, factory }, null);
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

  #newCredentials(kind: Credentials['kind'], aor: string, deviceName: string): Omit<Credentials, 'password' | 'proxy'> {
    const uri = parseUri(aor);
    const user = uri.ok && uri.value.scheme !== 'other' ? (uri.value.scheme === 'tel' ? uri.value.number : uri.value.user) : null;
    return {
      kind,
      aor,
      displayName: user ?? aor,
      authUser: null,
      registrar: null,
      factory: `sip:conference-factory@${aor.split('@')[1] ?? ''}`,
      deviceName: cleanDeviceName(deviceName),
      instanceId: this.#open.instanceId,
      expiresSeconds: defaultExpiresSeconds,
    };
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
      registration: account?.registration ?? { state: this.#accountValue === null ? 'offline' : 'connecting', bindings: 0 },
      devices: account?.devices ?? [],
      conversations: account?.messenger.conversations() ?? [],
      invitations: account?.messenger.invitations.list() ?? [],
      preferences: this.#preferences,
      // The embedded network's password is no secret.
      warnings: this.#warnings.filter((warning) => warning.code !== 'secrets-in-file' || this.#accountValue?.kind !== 'try'),
      fatal: this.#fatal?.toValue() ?? null,
    };
  }

  /** Who is signed in: also while a stored account is still looking for its network, so that no window asks to sign in again. */
  get #accountValue(): AccountValue | null {
    if (this.#account !== null) return this.#account.value;
    const stored = this.#profile?.settings.account ?? null;
    if (stored === null || this.#options.given !== undefined) return null;
    const { aor, displayName, deviceName, instanceId, kind } = stored;
    return { aor, displayName, deviceName, instanceId, nickname: nickname(instanceId), kind };
  }

  get #preferences(): PreferencesValue {
    return { ...(this.#profile?.settings.preferences ?? defaultPreferences), ...this.#options.given?.preferences };
  }

  get #open(): Profile {
    if (this.#profile === null) throw this.#fatal ?? new AppError('storage/failed', { cause: 'the profile is closed' });
    return this.#profile;
  }

  get #signedIn(): Account {
    if (this.#account === null) throw this.#fatal ?? new AppError('account/none', {}, 'user');
    return this.#account;
  }

  get #messenger() {
    return this.#signedIn.messenger;
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
    this.#profile?.history.dispose();
    this.#profile?.lock.dispose();
    this.#announce({ event: 'exit' });
    this.#account = null;
  }
}

/** The history's key: made at the first start and protected like a password. Never made for a history that is already there. */
function historyKey(settings: Settings, secrets: SecretBox, historyFile: string): string {
  const stored = settings.historyKey;
  if (stored !== null) return secrets.reveal(stored.protected);
  if (existsSync(historyFile))
    throw new AppError('storage/unreadable', { cause: `settings.json: the key of ${historyFile} is gone` }, 'user');
  const key = newHistoryKey();
  try {
    settings.historyKey = { protected: secrets.protect(key), backend: secrets.backend };
  } catch (error) {
    throw translateFileError(error, 'settings.json');
  }
  return key;
}

/** Own address: `alice@example.org` or `sip:alice@example.org`. */
function parseOwnAddress(text: string): { aor: string; domain: string } {
  const trimmed = text.trim();
  const aor = addressKey(/^[a-z]+:/i.test(trimmed) ? trimmed : `sip:${trimmed}`);
  const uri = aor === null ? null : parseUri(aor);
  if (aor === null || uri === null || !uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips') || uri.value.user === null) {
    throw new AppError('account/bad-address', { cause: trimmed }, 'user');
  }
  return { aor, domain: uri.value.host };
}

/** What a person may type as server: a host, host:port, or a whole SIP URI. */
function outboundProxy(server: string): string {
  const trimmed = server.trim();
  const uri = parseUri(/^sips?:/i.test(trimmed) ? trimmed : `sip:${trimmed};transport=tcp`);
  if (!uri.ok || uri.value.scheme === 'tel' || uri.value.scheme === 'other')
    throw new AppError('account/bad-address', { cause: trimmed }, 'user');
  return /^sips?:/i.test(trimmed) ? trimmed : `sip:${trimmed};transport=tcp`;
}

function translateStoreError(error: unknown): AppError {
  return error instanceof AppError ? error : translateFileError(error, 'settings.json');
}
