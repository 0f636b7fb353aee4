/**
 * Where a profile's account is stored: in the settings file, which remembers the last sign-in, or with the caller of the command, who
 * passes it at every start.
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

export interface AccountSource {
  /** The owner of the account; null when nobody has signed in. */
  readonly known: { aor: string; deviceName: string } | null;
  /** The account as shown before it runs. */
  readonly shown: AccountValue | null;
  /** The credentials for the sign-in at start; null when nobody has signed in. @throws AppError storage/unreadable */
  readonly credentials: Credentials | null;
  readonly registersAtStart: boolean;
  /** Who signed this device out before this process started. */
  readonly signedOut: SignedOut | null;
  /** True when the password was deleted as this device was signed out. */
  readonly isForgotten: boolean;
  /** The options of the last sign-in, used for those that the next one omits. @throws AppError storage/unreadable */
  readonly options: KeptOptions;
  /** False when signing in with another account is not possible. */
  readonly takesSignIn: boolean;
  preferences: PreferencesValue;
  /** Called after the registrar's 200. `proxy` null: it is located at every start. @throws AppError storage/* */
  accept(credentials: Credentials, proxy: string | null): void;
  /** @throws AppError storage/* */
  keep(change: Partial<SettingsChange>): void;
  /** @throws AppError storage/* */
  keepSignedOut(signedOut: SignedOut | null): void;
  /** Makes this profile another device; a null name keeps the old one. @throws AppError storage/* */
  becomeDevice(instanceId: string, deviceName: string | null): void;
  /** Deletes the stored secrets, because this system's keychain cannot read them. @throws AppError storage/* */
  forgetSecrets(): void;
}

export function accountSource(profile: Profile, given: GivenAccount | undefined): AccountSource {
  return given === undefined ? new StoredSource(profile) : new GivenSource(profile, given);
}

class StoredSource implements AccountSource {
  readonly registersAtStart = true;
  readonly takesSignIn = true;
  readonly #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  get known(): { aor: string; deviceName: string } | null {
    return this.#stored;
  }

  get shown(): AccountValue | null {
    return this.#stored === null ? null : valueOfStored(this.#stored, this.#profile.identity.instanceId);
  }

  get credentials(): Credentials | null {
    const { identity, secrets } = this.#profile;
    return this.#stored === null ? null : revealedAccount(this.#stored, identity.instanceId, secrets);
  }

  get signedOut(): SignedOut | null {
    return signedOutOf(this.#stored);
  }

  get isForgotten(): boolean {
    return this.#stored?.password === '';
  }

  get options(): KeptOptions {
    return this.#stored === null ? {} : keptOptions(this.#stored, this.#profile.secrets);
  }

  get preferences(): PreferencesValue {
    return this.#profile.settings.preferences;
  }

  set preferences(preferences: PreferencesValue) {
    this.#profile.settings.preferences = preferences;
  }

  accept(credentials: Credentials, proxy: string | null): void {
    this.#profile.settings.account = storedAccount(credentials, proxy, this.#profile.secrets);
  }

  keep(change: Partial<SettingsChange>): void {
    if (this.#stored !== null) this.#profile.settings.account = changedAccount(this.#stored, change);
  }

  /** A sign-out deletes the password for a server; the embedded network's password is no secret. */
  keepSignedOut(signedOut: SignedOut | null): void {
    const stored = this.#stored;
    if (stored === null || (signedOut === null && signedOutOf(stored) === null)) return;
    const password = signedOut !== null && stored.kind === 'sip' ? '' : stored.password;
    this.#profile.settings.account = { ...stored, signedOut: signedOut ?? false, password };
  }

  becomeDevice(instanceId: string, deviceName: string | null): void {
    const stored = this.#stored;
    if (stored !== null) this.#profile.settings.account = { ...stored, instanceId, deviceName: deviceName ?? stored.deviceName };
  }

  forgetSecrets(): void {
    const { settings, secrets } = this.#profile;
    if (this.#stored !== null) settings.account = withoutSecrets(this.#stored, tryPassword, secrets);
  }

  get #stored() {
    return this.#profile.settings.account;
  }
}

class GivenSource implements AccountSource {
  readonly shown = null;
  readonly signedOut = null;
  readonly isForgotten = false;
  readonly takesSignIn = false;
  readonly #profile: Profile;
  readonly #given: GivenAccount;
  #deviceName: string;
  /** Preferences from the command line that override the profile's until the person changes them. */
  #overrides: Partial<PreferencesValue>;

  constructor(profile: Profile, given: GivenAccount) {
    this.#profile = profile;
    this.#given = given;
    this.#deviceName = given.deviceName;
    this.#overrides = given.preferences;
  }

  get known(): { aor: string; deviceName: string } {
    return { aor: this.#given.aor, deviceName: this.#deviceName };
  }

  get credentials(): Credentials {
    const { aor, displayName, password, proxy, options, writesAs } = this.#given;
    const { instanceId } = this.#profile.identity;
    const name = writesAs === undefined ? {} : { writesAs };
    return { kind: 'sip', aor, displayName, password, proxy, options, deviceName: this.#deviceName, instanceId, servicesOff: [], ...name };
  }

  get registersAtStart(): boolean {
    return this.#given.registerAtStart;
  }

  get options(): KeptOptions {
    return this.#given.options;
  }

  get preferences(): PreferencesValue {
    return { ...this.#profile.settings.preferences, ...this.#overrides };
  }

  set preferences(preferences: PreferencesValue) {
    this.#profile.settings.preferences = preferences;
    this.#overrides = {};
  }

  // The caller keeps the account and passes it again at the next start.
  accept(): void {}
  keep(): void {}
  keepSignedOut(): void {}
  forgetSecrets(): void {}

  becomeDevice(_instanceId: string, deviceName: string | null): void {
    this.#deviceName = deviceName ?? this.#deviceName;
  }
}
