/** The SIP client and the media endpoint of an account, made from its credentials. */
import { MsrpEndpoint } from '../msrp/endpoint';
import type { RelayAccount } from '../msrp/relay';
import { type SipAccount, SipClient, softwareSim } from '../sip/client';
import { type Credentials, defaultExpiresSeconds, factoryOf } from './credentials';
import type { AccountDeps } from './deps';
import type { OwnSettings } from './own-settings';

export function createSip(credentials: Credentials, settings: OwnSettings, deps: AccountDeps): SipClient {
  const { aor, displayName, password, proxy, instanceId, deviceName, options } = credentials;
  const { authUser, registrar, ca, expiresSeconds = defaultExpiresSeconds } = options;
  const { clock, log, tap, userAgent, over, registrationState } = deps;
  const account: SipAccount = {
    ...{ aor, displayName, password, proxy, instanceId, deviceName, expiresSeconds, registrationState, icsis: settings.icsis },
    factory: factoryOf(credentials),
    ...(authUser === undefined ? {} : { authUser }),
    ...(registrar === undefined ? {} : { registrar }),
    ...(ca === undefined ? {} : { ca }),
    ...proofOf(credentials, deps),
  };
  return new SipClient(account, {
    clock,
    log,
    userAgent,
    ...(tap === null ? {} : { tap }),
    ...(over === undefined ? {} : { connect: over.connect }),
  });
}

/** @param host the address that signalling leaves from: peers can reach this device's media there */
export function createMsrp(credentials: Credentials, relay: RelayAccount | null, host: () => string, deps: AccountDeps): MsrpEndpoint {
  const { ca } = credentials.options;
  const { clock, log, tap, over } = deps;
  return new MsrpEndpoint({
    ...{ clock, log, host },
    ...(tap === null ? {} : { tap }),
    ...(over === undefined ? {} : { transport: over.media }),
    ...(ca === undefined ? {} : { ca }),
    ...(relay === null ? {} : { relay }),
  });
}

/** How this device proves who it is (R37); as the network offers where nothing is told. */
function proofOf(
  { options: { scheme, minAlgorithm, sim } }: Credentials,
  deps: AccountDeps,
): Pick<SipAccount, 'authScheme' | 'minAlgorithm' | 'sim'> {
  return {
    ...(scheme === undefined ? {} : { authScheme: scheme }),
    ...(minAlgorithm === undefined ? {} : { minAlgorithm }),
    ...(sim === undefined ? {} : { sim: softwareSim(sim, deps.simState) }),
  };
}
