/** An account as `settings.json` keeps it and as a registration needs it: what is secret is protected on the way there, revealed on the way back. */
import type { AccountValue } from '../../preload/contract';
import { nickname } from '../../protocol/instance-urn';
import { type Credentials, type OwnSettings, offersOf, type SignInWay } from '../account/account';
import { defaultExpiresSeconds } from '../account/credentials';
import type { SignedOut } from '../account/sign-in';
import type { SecretBox, StoredAccount } from './settings';
import type { SignInParts } from './sign-in-options';

/** What is kept of an account that the registrar has accepted. `proxy` null: found anew at every start. */
export function storedAccount(credentials: Credentials, proxy: string | null, secrets: SecretBox): StoredAccount {
  const { kind, aor, displayName, authUser, password, factory, registrar, ca, expiresSeconds, deviceName, instanceId } = credentials;
  const { servicesOff, signIn, securesMedia, msrpRelay } = credentials;
  return {
    kind,
    aor,
    displayName,
    authUser,
    password: secrets.protect(password),
    secretBackend: secrets.backend,
    proxy,
    factory,
    ...(registrar === null ? {} : { registrar }),
    ...(ca === undefined ? {} : { ca }),
    ...(expiresSeconds === defaultExpiresSeconds ? {} : { expiresSeconds }),
    ...(securesMedia === true ? { securesMedia } : {}),
    ...(msrpRelay === undefined ? {} : { msrpRelay }),
    deviceName,
    instanceId,
    servicesOff,
    ...(signIn === undefined ? {} : { signIn: mapSecrets(signIn, (secret) => secrets.protect(secret)) }),
  };
}

/** The stored account after a change of the person. */
export function changedAccount(stored: StoredAccount, change: Partial<OwnSettings>): StoredAccount {
  const { deviceName = stored.deviceName, servicesOff, writesAs, securesMedia, msrpRelay } = change;
  const { writesAs: oldName, securesMedia: oldSecures, msrpRelay: oldRelay, ...plain } = stored;
  const name = writesAs === undefined ? oldName : writesAs;
  const secures = securesMedia ?? oldSecures;
  const relay = msrpRelay === undefined ? oldRelay : msrpRelay;
  return {
    ...plain,
    deviceName,
    ...(servicesOff === undefined ? {} : { servicesOff }),
    ...(name ? { writesAs: name } : {}),
    ...(secures ? { securesMedia: secures } : {}),
    ...(relay ? { msrpRelay: relay } : {}),
  };
}

/** The account to sign in with again, all but the way to its server. @throws AppError storage/unreadable */
export function revealedAccount(stored: StoredAccount, instanceId: string, secrets: SecretBox): Omit<Credentials, 'proxy'> {
  const { kind, aor, displayName, authUser, password, factory, ca, deviceName, writesAs, signIn } = stored;
  const isForgotten = signedOutOf(stored) !== null && password === '';
  return {
    kind,
    aor,
    displayName,
    authUser,
    password: isForgotten ? '' : secrets.reveal(password),
    registrar: stored.registrar ?? null,
    ...(ca === undefined ? {} : { ca }),
    factory,
    deviceName,
    instanceId,
    expiresSeconds: stored.expiresSeconds ?? defaultExpiresSeconds,
    servicesOff: stored.servicesOff ?? [],
    ...(stored.securesMedia === true ? { securesMedia: true } : {}),
    ...(stored.msrpRelay === undefined ? {} : { msrpRelay: stored.msrpRelay }),
    ...(writesAs === undefined ? {} : { writesAs }),
    ...(signIn === undefined ? {} : { signIn: mapSecrets(signIn, (secret) => secrets.reveal(secret)) }),
  };
}

/** Who signed this device out, as it is kept. */
export function signedOutOf(stored: StoredAccount | null): SignedOut | null {
  const { signedOut = false } = stored ?? {};
  return typeof signedOut === 'object' ? signedOut : signedOut ? { by: 'network' } : null;
}

/** What a stored account was signed in with, for a sign-in that says less. @throws AppError storage/unreadable */
export function keptParts(stored: StoredAccount, secrets: SecretBox): SignInParts {
  const { authUser, registrar, factory, ca, expiresSeconds, signIn, securesMedia, msrpRelay } = stored;
  return {
    authUser,
    factory,
    ...(registrar === undefined ? {} : { registrar }),
    ...(ca === undefined ? {} : { ca }),
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
    ...(securesMedia === undefined ? {} : { securesMedia }),
    ...(msrpRelay === undefined ? {} : { msrpRelay }),
    ...(signIn === undefined ? {} : { signIn: mapSecrets(signIn, (secret) => secrets.reveal(secret)) }),
  };
}

/** The account whose secrets no keychain here can read: the embedded network's password is none, every other one is asked for again. */
export function withoutSecrets(stored: StoredAccount, tryPassword: string, secrets: SecretBox): StoredAccount {
  const { signIn: _, ...kept } = stored;
  return stored.kind === 'try'
    ? { ...kept, password: secrets.protect(tryPassword), secretBackend: secrets.backend }
    : { ...kept, password: '', signedOut: true };
}

/** The account as it is shown before its network has been found. */
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
    securesMedia: stored.securesMedia === true,
    msrpRelay: stored.msrpRelay ?? null,
    // Nothing has been asked of it yet.
    relay: null,
  };
}

/** The numbers of a SIM are protected and revealed like passwords. */
function mapSecrets(way: SignInWay, map: (secret: string) => string): SignInWay {
  const each = (secret: string | null) => (secret === null ? null : map(secret));
  return { ...way, sim: way.sim === null ? null : { k: map(way.sim.k), op: each(way.sim.op), opc: each(way.sim.opc) } };
}
