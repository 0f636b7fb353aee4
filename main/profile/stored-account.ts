/**
 * Converts an account between its form in `settings.json` and its form for a registration. Secrets are protected before they are stored.
 */
import type { AccountValue } from '../../preload/contract';
import { nickname } from '../../protocol/instance-urn';
import type { Credentials } from '../account/credentials';
import type { SettingsChange } from '../account/own-settings';
import { offersOf } from '../account/services';
import type { SignedOut } from '../account/sign-in';
import { type KeptOptions, signInTable } from '../account/sign-in-options';
import type { SecretBox, StoredAccount } from './settings';

/** The stored form of an account that the registrar has accepted. `proxy` null: located at every start. */
export function storedAccount(credentials: Credentials, proxy: string | null, secrets: SecretBox): StoredAccount {
  const { kind, aor, displayName, password, deviceName, instanceId, servicesOff, options } = credentials;
  return {
    ...signInTable.mapSecrets(options, (secret) => secrets.protect(secret)),
    ...{ kind, aor, displayName, password: secrets.protect(password), secretBackend: secrets.backend },
    ...{ proxy, deviceName, instanceId, servicesOff },
  };
}

/** The stored account with the person's changes applied. */
export function changedAccount(stored: StoredAccount, change: Partial<SettingsChange>): StoredAccount {
  const { deviceName = stored.deviceName, servicesOff, writesAs, mediaTls, msrpRelay } = change;
  const { writesAs: oldName, mediaTls: oldTls, msrpRelay: oldRelay, ...plain } = stored;
  const name = writesAs === undefined ? oldName : writesAs;
  const tls = mediaTls ?? oldTls;
  const relay = msrpRelay === undefined ? oldRelay : msrpRelay;
  return {
    ...plain,
    deviceName,
    ...(servicesOff === undefined ? {} : { servicesOff }),
    ...(name ? { writesAs: name } : {}),
    ...(tls === undefined || tls === 'auto' ? {} : { mediaTls: tls }),
    ...(relay ? { msrpRelay: relay } : {}),
  };
}

/** The account to sign in with again. @throws AppError storage/unreadable */
export function revealedAccount(stored: StoredAccount, instanceId: string, secrets: SecretBox): Credentials {
  const { kind, aor, displayName, password, proxy, deviceName, servicesOff = [], writesAs } = stored;
  const isForgotten = signedOutOf(stored) !== null && password === '';
  return {
    ...{ kind, aor, displayName, password: isForgotten ? '' : secrets.reveal(password), proxy, deviceName, instanceId, servicesOff },
    ...(writesAs === undefined ? {} : { writesAs }),
    options: keptOptions(stored, secrets),
  };
}

/** Who signed this device out, according to the stored account. */
export function signedOutOf(stored: StoredAccount | null): SignedOut | null {
  const { signedOut = false } = stored ?? {};
  return typeof signedOut === 'object' ? signedOut : signedOut ? { by: 'network' } : null;
}

/** The options that a stored account signed in with. @throws AppError storage/unreadable */
export function keptOptions(stored: StoredAccount, secrets: SecretBox): KeptOptions {
  return signInTable.mapSecrets(signInTable.pick(stored), (secret) => secrets.reveal(secret));
}

/** An account whose secrets no keychain here can read. The embedded network's password is no secret; all others are asked for again. */
export function withoutSecrets(stored: StoredAccount, tryPassword: string, secrets: SecretBox): StoredAccount {
  const kept = signInTable.withoutSecrets(stored);
  return stored.kind === 'try'
    ? { ...kept, password: secrets.protect(tryPassword), secretBackend: secrets.backend }
    : { ...kept, password: '', signedOut: true };
}

/** The account as shown before its network has been found. */
export function valueOfStored(stored: StoredAccount, instanceId: string): AccountValue {
  const { aor, displayName, deviceName, kind } = stored;
  return {
    aor,
    displayName,
    deviceName,
    instanceId,
    nickname: nickname(instanceId),
    kind,
    addresses: [aor],
    writesAs: stored.writesAs ?? null,
    offers: offersOf(stored.servicesOff ?? []),
    untold: false,
    mediaTls: stored.mediaTls ?? 'auto',
    msrpRelay: stored.msrpRelay ?? null,
    // It has not been used yet.
    relay: null,
  };
}
