/**
 * The composition root: opens the profile (settings, identity, history), signs its accounts in, and puts the handlers of the contract's calls together. The window
 * and the headless client are two doors to the object that it makes.
 */

import { type Clock, systemClock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter, setListenerErrorReporter } from '../base/emitter';
import { drop, type Logger } from '../base/log';
import type { AccountSnapshot, AppEvent, AppEventBody, OwnDevicesValue, Snapshot } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import type { Account } from './account/account';
import { BlockListChanges } from './block-list';
import type { Handlers } from './calls';
import { chatCalls } from './chat-calls';
import { deviceCalls } from './device-calls';
import { type AccountSources, accountSources, type GivenAccount } from './profile/account-source';
import { BlockedPeople } from './profile/blocked-people';
import { ProfileDecisions } from './profile/decisions';
import { openProfile, type Profile } from './profile/profile';
import type { Rescue } from './profile/rescue';
import { defaultPreferences, type OpenKeyValueFile, type SecretBox } from './profile/settings';
import { TryNetwork, tryPeople } from './profile/try-network';
import { profileCalls } from './profile-calls';
import { signInCalls } from './sign-in-calls';
import { SignedIn } from './signed-in';
import { watchNetwork } from './sip/flow/network-watch';
import { lossWarning, profileMended, secretsInFile, Warnings } from './warnings';
import { type Which, whichAccount } from './which-account';

export type { GivenAccount } from './profile/account-source';

/** LAB: how long a device that shall erase its chats waits, so that its answer gets through and it has signed out, ms. */
const ERASE_AFTER_MS = 500;
/** How long `quit` may take before the process goes anyway. */
const quitLimitMs = 3_000;

export interface AppOptions {
  /** The folder of everything this profile keeps. */
  dataDir: string;
  profile: string;
  /** The built `history/read-thread.ts`, which reads on a thread of its own; null: this thread reads. */
  readScript: string | null;
  version: string;
  open: OpenKeyValueFile;
  /** Called when it is first needed; its error is shown as fatal. */
  secrets: () => SecretBox;
  log: Logger;
  clock?: Clock;
  tap?: WireTap;
  /** The folder that all profiles of one person share, where the embedded network says where it is; null offers none. */
  tryDirectory: string | null;
  /** Opens a further window as another device; null where there are no windows. */
  openDevice: ((person: string) => Promise<{ profile: string }>) | null;
  /** Asks the person where a file goes; null when they cancel. Where nobody can be asked, null: callers name a path. */
  chooseFile: ((suggestion: string) => Promise<string | null>) | null;
  /** An account from outside, for a headless client: used as it is, not stored. */
  given?: GivenAccount;
}

export interface App {
  readonly handlers: Handlers;
  readonly onEvent: Emitter<AppEvent>;
  /** The Instance ID of this profile's device; null while no profile is open. */
  readonly deviceInstance: string | null;
  /** The computer woke up, or may have another network: an account that has lost its server connects at once. */
  networkChanged(): void;
  /** Ends sessions, de-registers, closes the history. May be called twice. */
  quit(): Promise<void>;
}

/** As long as no account runs. */
const aloneValue: OwnDevicesValue = { paired: false, with: [], pairing: null, filling: [], removals: [] };

/** Opens the profile. An error that the person must solve is in the snapshot's `fatal`, not thrown. */
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
  readonly #warnings = new Warnings((event) => this.#announce(event));
  readonly #watch: Disposable;
  readonly #decisions: ProfileDecisions;
  readonly #signedIn: SignedIn;
  #revision = 0;
  #profile: Profile | null = null;
  #sources: AccountSources | null = null;
  #blocked: BlockedPeople | null = null;
  readonly #blockList = new BlockListChanges({
    blocked: () => this.#openBlocked,
    accounts: () => this.#signedIn.accounts,
    announce: (event) => this.#announce(event),
  });
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
    const announce = (event: AppEventBody) => this.#announce(event);
    this.#decisions = new ProfileDecisions({
      dataDir: options.dataDir,
      readScript: options.readScript,
      clock: this.#clock,
      log: options.log,
      profile: () => this.#profile,
      sources: () => this.#sources,
      isQuitting: () => this.#quitting !== null,
      accounts: () => this.#signedIn.accounts,
      leave: () => this.#signedIn.leave(),
      start: (profile) => this.#start(profile),
      announce,
      foundLost: (loss) => this.#warnings.begin(lossWarning(loss)),
    });
    this.#signedIn = new SignedIn({
      clock: this.#clock,
      log: options.log,
      tap: options.tap ?? null,
      version: options.version,
      network: this.#network,
      warnings: this.#warnings,
      profile: () => this.#open,
      sources: () => this.#openSources,
      history: (profile) => profile.history ?? this.#decisions.beginUnreadable(profile),
      ...this.#blockList,
      isQuitting: () => this.#quitting !== null,
      eraseChats: (aor, by) => this.#eraseSoon(aor, by),
      announce,
      setFatal: (error) => this.#setFatal(error),
    });
    this.handlers = this.#makeHandlers();
    this.#watch = watchNetwork(this.#clock, (reason) => {
      this.#log.info('The network may have changed', { reason });
      this.networkChanged();
    });
  }

  async open(): Promise<void> {
    const { open, secrets, given } = this.#options;
    try {
      this.#profile = openProfile({ open, secrets, instanceUrn: given?.instanceUrn ?? null, ...this.#decisions.historyParts });
    } catch (error) {
      this.#fatal = toAppError(error);
      this.#log.error('the profile cannot be opened', { error: this.#fatal.message });
      return;
    }
    this.#sources = accountSources(this.#profile, given);
    // A given account has its password in the open anyway.
    if (this.#profile.secrets.backend === 'file' && given === undefined) this.#warnings.begin(secretsInFile);
    if (this.#profile.settings.wasMended || this.#profile.secrets.wasMended === true) this.#warnings.begin(profileMended);
    if (this.#profile.identity.isCopied) {
      this.#log.warn('the profile was made elsewhere; nothing is registered until it is told what it is');
      this.#announceSoon(() => ({ event: 'clone', clone: this.#decisions.clone }));
      return;
    }
    if (this.#profile.settings.erasure?.isDone === false) {
      const { aor } = this.#profile.settings.erasure;
      const others = this.#sources.all.flatMap((source) => (source.aor === aor ? [] : [source.aor]));
      await this.#decisions.goOnErasing(this.#profile, others);
    }
    this.#start(this.#profile);
  }

  /** Another device wants an account erased. It is on disk when this returns; the answer to that device leaves first. */
  #eraseSoon(aor: string, by: string): void {
    const profile = this.#open;
    this.#decisions.mustErase(profile, aor, by);
    this.#clock.setTimer(ERASE_AFTER_MS, () => drop(this.#decisions.erase(profile, aor, by), this.#log, 'erasing an account'));
  }

  /** Goes on with the accounts that are given or stored. */
  #start({ rescue }: Profile): void {
    if (rescue === null) this.#signedIn.resume();
    else this.#announceSoon(() => ({ event: 'rescue', rescue: rescue.value }));
  }

  networkChanged(): void {
    for (const account of this.#signedIn.accounts) account.networkChanged();
  }

  quit(): Promise<void> {
    this.#watch.dispose();
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  // ---------------------------------------------------------------- the contract

  #makeHandlers(): Handlers {
    const { chooseFile, openDevice, tap } = this.#options;
    const account = (which: Which) => this.#usableAccount(which);
    const profile = () => this.#open;
    const sources = () => this.#openSources;
    return {
      snapshot: () => this.#snapshot(),
      ...signInCalls({
        ...{ clock: this.#clock, log: this.#log, tap, signedIn: this.#signedIn, account, profile, sources, openDevice },
        instanceId: () => this.#instanceId,
      }),
      ...deviceCalls({ account }),
      ...chatCalls({
        messenger: (which) => this.#usableAccount(which).messenger,
        rescue: () => this.#rescue,
        chooseFile,
        now: () => this.#clock.now(),
      }),
      ...profileCalls({
        ...{ decisions: this.#decisions, profile, sources },
        blockList: this.#blockList,
        accounts: () => this.#signedIn.accounts,
        selves: () => this.#sources?.all.map(({ aor }) => aor) ?? [],
        announce: (event) => this.#announce(event),
      }),
      signOut: async ({ chats, ...which }) => {
        const one = this.#usableAccount(which);
        await one.leave();
        if (chats === 'erase') await this.#decisions.erase(this.#open, one.aor, null);
        return {};
      },
      quit: async () => {
        await this.quit();
        return {};
      },
    };
  }

  /** The readable part of a damaged history, once it is known whose it is. */
  get #rescue(): Rescue | null {
    return this.#decisions.clone === null ? (this.#profile?.rescue ?? null) : null;
  }

  #snapshot(): Snapshot {
    const accounts = this.#accountSnapshots;
    const first = accounts[0] ?? {
      account: null,
      registration: { state: 'offline', bindings: 0 },
      devices: [],
      conversations: [],
      invitations: [],
      ownDevices: aloneValue,
    };
    const kind = first.account?.kind ?? 'try';
    return {
      revision: this.#revision,
      profile: this.#options.profile,
      accounts,
      ...first,
      tryPeople: this.#network !== null && kind === 'try' ? tryPeople : [],
      preferences: this.#sources?.preferences ?? { ...defaultPreferences, ...this.#options.given?.preferences },
      blocked: this.#profile === null ? [] : this.#openBlocked.list,
      // The embedded network's password is no secret.
      warnings: this.#warnings.list.filter((warning) => warning.code !== 'secrets-in-file' || first.account?.kind !== 'try'),
      clone: this.#decisions.clone,
      erased: this.#decisions.erased,
      rescue: this.#profile?.rescue?.value ?? null,
      fatal: this.#fatal?.toValue() ?? null,
    };
  }

  /** Who is signed in: also while a stored account is still looking for its network, so that no window asks to sign in again. */
  get #accountSnapshots(): AccountSnapshot[] {
    return (this.#sources?.all ?? []).flatMap((source) => {
      const running = this.#signedIn.account(source.aor);
      const account = running?.value ?? source.shown;
      if (account === null) return [];
      const { devices = [], messenger } = running ?? {};
      const registration = running?.registration ?? { state: this.#profile?.rescue ? 'offline' : 'connecting', bindings: 0 };
      const conversations = messenger?.chats.all() ?? [];
      const ownDevices = running?.ownDevices ?? aloneValue;
      return [{ account, registration, devices, conversations, invitations: messenger?.invitations.list() ?? [], ownDevices }];
    });
  }

  get #openBlocked(): BlockedPeople {
    this.#blocked ??= new BlockedPeople(this.#open.settings);
    return this.#blocked;
  }

  get #open(): Profile {
    if (this.#profile === null) throw this.#fatal ?? new AppError('storage/failed', { cause: 'the profile is closed' });
    return this.#profile;
  }

  get deviceInstance(): string | null {
    return this.#profile?.identity.instanceId ?? null;
  }

  get #openSources(): AccountSources {
    this.#sources ??= accountSources(this.#open, this.#options.given);
    return this.#sources;
  }

  /** The instance ID for a new account. */
  get #instanceId(): string {
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    return this.#open.identity.instanceId;
  }

  #usableAccount(which: Which): Account {
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    if (this.#profile?.rescue) throw this.#profile.rescue.refusal;
    const account = whichAccount(this.#signedIn.accounts, which);
    if (account === null) throw this.#fatal ?? new AppError('account/none', {}, 'user');
    return account;
  }

  #setFatal(error: AppError): void {
    this.#fatal = error;
    this.#announce({ event: 'fatal', error: error.toValue() });
  }

  #announce(event: AppEventBody): void {
    this.#revision += 1;
    this.onEvent.emit({ ...event, revision: this.#revision });
  }

  /** Drivers begin to listen once the app is made. */
  #announceSoon(event: () => AppEventBody): void {
    this.#clock.setTimer(0, () => this.#announce(event()));
  }

  async #quit(): Promise<void> {
    const limit = new Promise<void>((resolve) => this.#clock.setTimer(quitLimitMs, resolve));
    await Promise.race([this.#signedIn.close(), limit]);
    for (const account of this.#signedIn.accounts) account.dispose();
    await Promise.race([
      this.#network?.close().catch((error: unknown) => this.#log.warn('closing the network', { error: String(error) })),
      limit,
    ]);
    await this.#profile?.history?.close();
    this.#profile?.rescue?.dispose();
    this.#profile?.lock.dispose();
    this.#announce({ event: 'exit' });
    this.#signedIn.dispose();
  }
}
