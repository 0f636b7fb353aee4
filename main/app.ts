/**
 * The composition root: opens the profile (settings, identity, history), signs in, and puts the handlers of the contract's calls together. The window
 * and the headless client are two doors to the object that it makes.
 */

import { type Clock, systemClock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter, setListenerErrorReporter } from '../base/emitter';
import type { Logger } from '../base/log';
import type { AccountValue, AppEvent, AppEventBody, Snapshot } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import type { Account } from './account/account';
import type { Handlers } from './calls';
import { chatCalls } from './chat-calls';
import { deviceCalls } from './device-calls';
import { type AccountSource, accountSource, type GivenAccount } from './profile/account-source';
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

export type { GivenAccount } from './profile/account-source';

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
  #source: AccountSource | null = null;
  #blocked: BlockedPeople | null = null;
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
      source: () => this.#source,
      isQuitting: () => this.#quitting !== null,
      account: () => this.#signedIn.account,
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
      source: () => this.#openSource,
      history: (profile) => profile.history ?? this.#decisions.beginUnreadable(profile),
      isBlocked: (address) => this.#openBlocked.has(address),
      isQuitting: () => this.#quitting !== null,
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
    this.#source = accountSource(this.#profile, given);
    // A given account has its password in the open anyway.
    if (this.#profile.secrets.backend === 'file' && given === undefined) this.#warnings.begin(secretsInFile);
    if (this.#profile.settings.wasMended || this.#profile.secrets.wasMended === true) this.#warnings.begin(profileMended);
    if (this.#profile.identity.isCopied) {
      this.#log.warn('the profile was made elsewhere; nothing is registered until it is told what it is');
      this.#announceSoon(() => ({ event: 'clone', clone: this.#decisions.clone }));
      return;
    }
    this.#start(this.#profile);
  }

  /** Goes on with the account that is given or stored. */
  #start({ rescue }: Profile): void {
    if (rescue === null) this.#signedIn.resume();
    else this.#announceSoon(() => ({ event: 'rescue', rescue: rescue.value }));
  }

  networkChanged(): void {
    this.#signedIn.account?.networkChanged();
  }

  quit(): Promise<void> {
    this.#watch.dispose();
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  // ---------------------------------------------------------------- the contract

  #makeHandlers(): Handlers {
    const { chooseFile, openDevice, tap } = this.#options;
    const account = () => this.#usableAccount;
    const profile = () => this.#open;
    const source = () => this.#openSource;
    return {
      snapshot: () => this.#snapshot(),
      ...signInCalls({
        ...{ clock: this.#clock, log: this.#log, tap, signedIn: this.#signedIn, account, profile, source, openDevice },
        instanceId: () => this.#instanceId,
      }),
      ...deviceCalls({ account }),
      ...chatCalls({
        messenger: () => this.#usableAccount.messenger,
        rescue: () => this.#rescue,
        chooseFile,
        now: () => this.#clock.now(),
      }),
      ...profileCalls({
        ...{ decisions: this.#decisions, profile, source },
        blocked: () => this.#openBlocked,
        account: () => this.#signedIn.account,
        self: () => this.#accountValue?.aor ?? null,
        announce: (event) => this.#announce(event),
      }),
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
    const { account } = this.#signedIn;
    const value = this.#accountValue;
    return {
      revision: this.#revision,
      profile: this.#options.profile,
      account: value,
      tryPeople: this.#network !== null && (value?.kind ?? 'try') === 'try' ? tryPeople : [],
      registration: account?.registration ?? {
        state: value === null || this.#profile?.rescue ? 'offline' : 'connecting',
        bindings: 0,
      },
      devices: account?.devices ?? [],
      conversations: account?.messenger.chats.all() ?? [],
      invitations: account?.messenger.invitations.list() ?? [],
      preferences: this.#source?.preferences ?? { ...defaultPreferences, ...this.#options.given?.preferences },
      blocked: this.#profile === null ? [] : this.#openBlocked.list,
      // The embedded network's password is no secret.
      warnings: this.#warnings.list.filter((warning) => warning.code !== 'secrets-in-file' || value?.kind !== 'try'),
      clone: this.#decisions.clone,
      rescue: this.#profile?.rescue?.value ?? null,
      fatal: this.#fatal?.toValue() ?? null,
    };
  }

  /** Who is signed in: also while a stored account is still looking for its network, so that no window asks to sign in again. */
  get #accountValue(): AccountValue | null {
    return this.#signedIn.account?.value ?? this.#source?.shown ?? null;
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

  get #openSource(): AccountSource {
    this.#source ??= accountSource(this.#open, this.#options.given);
    return this.#source;
  }

  /** The instance ID for a new account. */
  get #instanceId(): string {
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    return this.#open.identity.instanceId;
  }

  get #usableAccount(): Account {
    const { account } = this.#signedIn;
    if (this.#decisions.clone !== null) throw new AppError('profile/copied', {}, 'user');
    if (this.#profile?.rescue) throw this.#profile.rescue.refusal;
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
    this.#signedIn.account?.dispose();
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
