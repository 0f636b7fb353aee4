/**
 * Where the accounts of a profile come from, and where their changes go: the settings file, which remembers every sign-in, or whoever started the
 * command, who tells one account at every start and keeps it. That one comes first.
 */
import type { AccountValue, PreferencesValue } from '../../preload/contract';
import type { Credentials } from '../account/credentials';
import type { SettingsChange } from '../account/own-settings';
import type { SignedOut } from '../account/sign-in';
import type { KeptOptions } from '../account/sign-in-options';
import type { Profile } from './profile';
import { changedAccount, keptOptions, revealedAccount, signedOutOf, storedAccount, valueOfStored, withoutSecrets } from './stored-account';
import { tryPassword } from './try-network';

/** An account passed to a headless client; it is used as it is and not stored. */
export interface GivenAccount extends Omit<Credentials, 'instanceId' | 'kind' | 'servicesOff'> {
  preferences: Partial<PreferencesValue>;
  /** The URN to use as instance ID at the very first start (IMEI, MEID). */
  instanceUrn: string | null;
  registerAtStart: boolean;
}

/** One account, whether it is known already or on trial. */
export interface AccountSource {
  readonly aor: string;
  /** The account as it is shown before it runs; null for one that the command was started with, or on trial. */
  readonly shown: AccountValue | null;
  /** What to sign in with at the start; null where it never signed in. @throws AppError storage/unreadable */
  readonly credentials: Credentials | null;
  readonly registersAtStart: boolean;
  /** Who signed this device out before this process started. */
  readonly signedOut: SignedOut | null;
  /** True when the password was deleted as this device was signed out. */
  readonly isForgotten: boolean;
  /** The options of the last sign-in, used for those that the next one omits. @throws AppError storage/unreadable */
  readonly options: KeptOptions;
  /** @throws AppError storage/* */
  keep(change: Partial<SettingsChange>): void;
  /** @throws AppError storage/* */
  keepSignedOut(signedOut: SignedOut | null): void;
}

/** All accounts of a profile, and what belongs to the profile as a whole. */
export interface AccountSources {
  /** Those that have signed in, the first one first. */
  readonly all: readonly AccountSource[];
  /** The first account and the name of this device; null where nobody has signed in. */
  readonly known: { aor: string; deviceName: string } | null;
  preferences: PreferencesValue;
  of(aor: string): AccountSource;
  /** Whether the command was started with this account: then nobody signs in as it. */
  isGiven(aor: string): boolean;
  /** After the registrar's 200. `proxy` null: found at every start. @throws AppError storage/* */
  accept(credentials: Credentials, proxy: string | null): void;
  /** This profile is another device from now on; null keeps its name. @throws AppError storage/* */
  becomeDevice(instanceId: string, deviceName: string | null): void;
  /** Deletes the stored secrets, because this system's keychain cannot read them. @throws AppError storage/* */
  forgetSecrets(): void;
}

export function accountSources(profile: Profile, given: GivenAccount | undefined): AccountSources {
  return given === undefined ? new StoredSources(profile) : new GivenAndStoredSources(profile, given);
}

class StoredSources implements AccountSources {
  protected readonly profile: Profile;

  constructor(profile: Profile) {
    this.profile = profile;
  }

  get all(): readonly AccountSource[] {
    return this.profile.settings.accounts.map(({ aor }) => this.of(aor));
  }

  get known(): { aor: string; deviceName: string } | null {
    return this.profile.settings.accounts[0] ?? null;
  }

  get preferences(): PreferencesValue {
    return this.profile.settings.preferences;
  }

  set preferences(preferences: PreferencesValue) {
    this.profile.settings.preferences = preferences;
  }

  of(aor: string): AccountSource {
    return new StoredSource(this.profile, aor);
  }

  isGiven(_aor: string): boolean {
    return false;
  }

  accept(credentials: Credentials, proxy: string | null): void {
    this.profile.settings.keepAccount(storedAccount(credentials, proxy, this.profile.secrets));
    if (this.profile.settings.erasure !== null) this.profile.settings.erasure = null;
  }

  becomeDevice(instanceId: string, deviceName: string | null): void {
    const { settings } = this.profile;
    for (const stored of settings.accounts) settings.keepAccount({ ...stored, instanceId, deviceName: deviceName ?? stored.deviceName });
  }

  forgetSecrets(): void {
    const { settings, secrets } = this.profile;
    for (const stored of settings.accounts) settings.keepAccount(withoutSecrets(stored, tryPassword, secrets));
  }
}

class GivenAndStoredSources extends StoredSources {
  readonly #given: GivenSource;
  /** What the command line wants otherwise than the profile, until the person decides otherwise. */
  #overrides: Partial<PreferencesValue>;

  constructor(profile: Profile, given: GivenAccount) {
    super(profile);
    this.#given = new GivenSource(profile, given);
    this.#overrides = given.preferences;
  }

  override get all(): readonly AccountSource[] {
    return [this.#given, ...super.all.filter(({ aor }) => !this.isGiven(aor))];
  }

  override get known(): { aor: string; deviceName: string } {
    return this.#given;
  }

  override get preferences(): PreferencesValue {
    return { ...super.preferences, ...this.#overrides };
  }

  override set preferences(preferences: PreferencesValue) {
    super.preferences = preferences;
    this.#overrides = {};
  }

  override of(aor: string): AccountSource {
    return this.isGiven(aor) ? this.#given : super.of(aor);
  }

  override isGiven(aor: string): boolean {
    return aor === this.#given.aor;
  }

  override accept(credentials: Credentials, proxy: string | null): void {
    if (!this.isGiven(credentials.aor)) super.accept(credentials, proxy);
  }

  override becomeDevice(instanceId: string, deviceName: string | null): void {
    super.becomeDevice(instanceId, deviceName);
    if (deviceName !== null) this.#given.deviceName = deviceName;
  }
}

class StoredSource implements AccountSource {
  readonly registersAtStart = true;
  readonly aor: string;
  readonly #profile: Profile;

  constructor(profile: Profile, aor: string) {
    this.#profile = profile;
    this.aor = aor;
  }

  get shown(): AccountValue | null {
    const stored = this.#stored;
    return stored === null ? null : valueOfStored(stored, this.#profile.identity.instanceId);
  }

  get credentials(): Credentials | null {
    const { identity, secrets } = this.#profile;
    const stored = this.#stored;
    return stored === null ? null : revealedAccount(stored, identity.instanceId, secrets);
  }

  get signedOut(): SignedOut | null {
    return signedOutOf(this.#stored);
  }

  get isForgotten(): boolean {
    return this.#stored?.password === '';
  }

  get options(): KeptOptions {
    const stored = this.#stored;
    return stored === null ? {} : keptOptions(stored, this.#profile.secrets);
  }

  keep(change: Partial<SettingsChange>): void {
    const stored = this.#stored;
    if (stored !== null) this.#profile.settings.keepAccount(changedAccount(stored, change));
  }

  /** A sign-out deletes the password for a server; the embedded network's password is no secret. */
  keepSignedOut(signedOut: SignedOut | null): void {
    const stored = this.#stored;
    if (stored === null || (signedOut === null && signedOutOf(stored) === null)) return;
    const password = signedOut !== null && stored.kind === 'sip' ? '' : stored.password;
    this.#profile.settings.keepAccount({ ...stored, signedOut: signedOut ?? false, password });
  }

  get #stored() {
    return this.#profile.settings.account(this.aor);
  }
}

class GivenSource implements AccountSource {
  readonly shown = null;
  readonly signedOut = null;
  readonly isForgotten = false;
  deviceName: string;
  readonly #profile: Profile;
  readonly #given: GivenAccount;

  constructor(profile: Profile, given: GivenAccount) {
    this.#profile = profile;
    this.#given = given;
    this.deviceName = given.deviceName;
  }

  get aor(): string {
    return this.#given.aor;
  }

  get credentials(): Credentials {
    const { aor, displayName, password, proxy, options, writesAs, ownKey } = this.#given;
    const { instanceId } = this.#profile.identity;
    const more = { ...(writesAs === undefined ? {} : { writesAs }), ...(ownKey === undefined ? {} : { ownKey }) };
    return { kind: 'sip', aor, displayName, password, proxy, options, deviceName: this.deviceName, instanceId, servicesOff: [], ...more };
  }

  get registersAtStart(): boolean {
    return this.#given.registerAtStart;
  }

  get options(): KeptOptions {
    return this.#given.options;
  }

  // Whoever gave the account keeps it: the next start tells it again.
  keep(): void {}
  keepSignedOut(): void {}
}
