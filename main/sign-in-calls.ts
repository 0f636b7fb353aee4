/** The calls of the contract about getting in: signing in, looking at a server, the registration of this device. */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import { AppError } from '../preload/contract/errors';
import type { WireTap } from '../protocol/wire-record';
import type { Account } from './account/account';
import { newCredentials, outboundProxy, parseOwnAddress } from './account/credentials';
import { instanceOfImei, signInTable } from './account/sign-in-options';
import type { Handlers } from './calls';
import type { AccountSource } from './profile/account-source';
import { adoptInstance, type Profile } from './profile/profile';
import { tryPassword, tryPeople } from './profile/try-network';
import type { SignedIn } from './signed-in';
import { checkServer } from './sip/flow/server-check';

export interface SignInCallDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | undefined;
  signedIn: SignedIn;
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in */
  account(): Account;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  source(): AccountSource;
  /** The instance ID for a new account. @throws AppError profile/copied */
  instanceId(): string;
  /** Opens a further window as another device; null where there are no windows. */
  openDevice: ((person: string) => Promise<{ profile: string }>) | null;
}

export function signInCalls({ clock, log, tap, signedIn, account, profile, source, instanceId, openDevice }: SignInCallDeps) {
  const registration = () => {
    const { state, expires, bindings } = account().registration;
    return { state, expires: expires ?? null, bindings };
  };
  return {
    identity: () => account().identity,
    register: async () => {
      await account().register();
      return registration();
    },
    unregister: async () => {
      await account().unregister();
      return registration();
    },
    checkServer: async ({ address, server, ca }) => {
      const domain = parseOwnAddress(address).split('@')[1] ?? '';
      const looked = server === undefined ? `sip:${domain}` : outboundProxy(server);
      return { server: looked, ...(await checkServer(looked, domain, signInTable.check({ ca }).ca, { clock, log, tap })) };
    },
    signIn: ({ address, password, server, deviceName, options = {} }) => {
      const aor = parseOwnAddress(address);
      const isAgain = signedIn.overAccount(aor) !== null;
      const keptProxy = isAgain ? (source().credentials?.proxy ?? null) : null;
      const proxy = server === undefined ? keptProxy : outboundProxy(server);
      const checked = signInTable.check(options, isAgain ? source().options : {});
      if (options.imei !== undefined) adoptInstance(profile(), instanceOfImei(options.imei));
      const credentials = newCredentials('sip', aor, deviceName, instanceId());
      return signedIn.signIn({ ...credentials, options: checked, password, proxy }, proxy);
    },
    tryIt: async ({ person, deviceName }) => {
      const chosen = tryPeople.find((candidate) => candidate.address === person);
      if (chosen === undefined) throw new AppError('account/bad-address', { cause: person }, 'user');
      const { proxy, factory } = await signedIn.joinTryNetwork();
      const credentials = newCredentials('try', chosen.address, deviceName, instanceId());
      return signedIn.signIn({ ...credentials, displayName: chosen.name, password: tryPassword, proxy, options: { factory } }, null);
    },
    openDevice: async ({ person }) => {
      if (openDevice === null || signedIn.account?.value.kind !== 'try')
        throw new AppError('ipc/refused', { cause: 'only at the embedded network' });
      return openDevice(person);
    },
  } satisfies Partial<Handlers>;
}
