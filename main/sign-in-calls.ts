/** The calls of the contract about getting in: signing in, looking at a server, the registration of this device. */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import { AppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import type { Account } from './account/account';
import { newCredentials, outboundProxy, parseOwnAddress } from './account/credentials';
import { instanceOfImei, signInTable } from './account/sign-in-options';
import type { Handlers } from './calls';
import type { AccountSources } from './profile/account-source';
import { adoptInstance, type Profile } from './profile/profile';
import { tryPassword, tryPeople } from './profile/try-network';
import type { SignedIn } from './signed-in';
import { checkServer } from './sip/flow/server-check';
import type { Which } from './which-account';

export interface SignInCallDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | undefined;
  signedIn: SignedIn;
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in, or it is not clear which account is meant */
  account(which: Which): Account;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  sources(): AccountSources;
  /** The instance ID for a new account. @throws AppError profile/copied */
  instanceId(): string;
  /** Opens a further window as another device; null where there are no windows. */
  openDevice: ((person: string) => Promise<{ profile: string }>) | null;
}

export function signInCalls({ clock, log, tap, signedIn, account, profile, sources, instanceId, openDevice }: SignInCallDeps) {
  const registrationOf = (one: Account) => {
    const { state, expires, bindings } = one.registration;
    return { state, expires: expires ?? null, bindings };
  };
  return {
    identity: (which) => account(which).identity,
    register: async (which) => {
      const one = account(which);
      await one.register();
      return registrationOf(one);
    },
    unregister: async (which) => {
      const one = account(which);
      await one.unregister();
      return registrationOf(one);
    },
    checkServer: async ({ address, server, ca }) => {
      const domain = parseOwnAddress(address).split('@')[1] ?? '';
      const looked = server === undefined ? `sip:${domain}` : outboundProxy(server);
      return { server: looked, ...(await checkServer(looked, domain, signInTable.check({ ca }).ca, { clock, log, tap })) };
    },
    signIn: ({ address, password, server, deviceName, options = {}, add = false }) => {
      const aor = parseOwnAddress(address);
      const isAgain = signedIn.overAccount(aor) !== null;
      const kept = isAgain ? sources().of(aor) : null;
      const keptProxy = kept?.credentials?.proxy ?? null;
      const proxy = server === undefined ? keptProxy : outboundProxy(server);
      const checked = signInTable.check(options, kept?.options ?? {});
      if (options.imei !== undefined) adoptInstance(profile(), instanceOfImei(options.imei));
      const credentials = newCredentials('sip', aor, deviceName, instanceId());
      return signedIn.signIn({ ...credentials, options: checked, password, proxy }, proxy, add);
    },
    tryIt: async ({ person, deviceName }) => {
      const chosen = tryPeople.find((candidate) => candidate.address === person);
      if (chosen === undefined) throw new AppError('account/bad-address', { cause: person }, 'user');
      const { proxy, factory } = await signedIn.joinTryNetwork();
      const credentials = newCredentials('try', chosen.address, deviceName, instanceId());
      return signedIn.signIn({ ...credentials, displayName: chosen.name, password: tryPassword, proxy, options: { factory } }, null, false);
    },
    openDevice: async ({ person }) => {
      if (openDevice === null || signedIn.accounts[0]?.value.kind !== 'try')
        throw new AppError('ipc/refused', { cause: 'only at the embedded network' });
      return openDevice(person);
    },
  } satisfies Partial<Handlers>;
}
