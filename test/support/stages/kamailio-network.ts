/** A network whose SIP/IP core is a real Kamailio, with our Participating, Controlling and Interworking Functions beside it. */
import { randomBytes } from 'node:crypto';
import { freePort, type Kamailio, type KamailioOptions, startKamailio } from '../../../network/kamailio/start-kamailio.mjs';
import { type Network, type NetworkOptions, startNetwork } from '../../../network/network';

/** The networks on which a story runs. */
export const networks: { name: string; start(options?: Omit<NetworkOptions, 'roles' | 'core'>): Promise<Network> }[] = [
  { name: 'the embedded network', start: startNetwork },
  { name: 'a real Kamailio, the functions beside it', start: (options) => startBehindKamailio(options) },
];

/** Starts both. `uris` are the clients' servers, with the same transports as our own core; `close` ends the functions and Kamailio. */
export async function startBehindKamailio(
  options: Omit<NetworkOptions, 'roles' | 'core'> = {},
  ofCore: Pick<KamailioOptions, 'minExpires' | 'gruu' | 'verbose'> = {},
): Promise<Network & { core: Kamailio }> {
  const servicePort = await freePort();
  const secret = randomBytes(24).toString('hex');
  // Clients never connect to the functions.
  const { tlsPort, wsPort, wssPort, key, ...rest } = options;
  const asked = { tls: tlsPort, ws: wsPort, wss: wssPort };
  const transports = (['tls', 'ws', 'wss'] as const).filter((transport) => asked[transport] !== undefined);
  const functions = await startNetwork({
    ...rest,
    roles: ['pf', 'cf', 'isf'],
    core: `sip:127.0.0.1:${servicePort};transport=tcp`,
    functionSecret: secret,
  });
  try {
    const { pf, cf } = functions.uris;
    if (pf === null || cf === null) throw new Error('a function is missing');
    const core = await startKamailio({
      ...ofCore,
      servicePort,
      functions: { pf, cf, secret },
      transports,
      ...(key === undefined ? {} : { certificate: key }),
    });
    const close = async () => {
      await functions.close();
      await core.stop();
    };
    return { ...functions, core, uris: { ...functions.uris, ...core.uris, tcp: core.uri }, close };
  } catch (error) {
    await functions.close();
    throw error;
  }
}
