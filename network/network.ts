/**
 * The embedded network: SIP/IP core, Participating Function, Controlling Function and Interworking Selection Function, each with a
 * SIP server of its own on a loopback port. They talk real SIP to each other; only this file knows that they share a process.
 *
 *   clients <--> core (registrar, proxy) <--ISC--> PF (MSRP relay)     core <--> CF (focus, MSRP switch)     PF --> ISF (mail)
 *
 * `plan.ts` says what runs; each role is started by the face of its own folder; this file tells them of one another.
 */
import { randomBytes } from 'node:crypto';
import { backgroundClock } from '../base/clock';
import { addressKey } from '../protocol/uri';
import type { GroupState } from './controlling/group';
import { readGroupsFile } from './controlling/groups-file';
import { type ControllingInstances, startControlling } from './controlling/instances';
import type { Core } from './core/core';
import type { Faults } from './core/faults';
import type { Binding, BindingEnd } from './core/registrar';
import { startSecuredCore } from './core/secured-core';
import { startInterworking } from './interworking/interworking';
import { type Participating, startParticipating } from './participating/participating';
import { Policy } from './participating/policy';
import { followPolicyFile } from './participating/policy-file';
import type { RegisteredDevice } from './participating/registration-watch';
import { type NetworkOptions, type NetworkRole, observers, type Plan, planOf } from './plan';
import { addressTarget } from './sip/proxy';
import { SipServer, type Target } from './sip/sip-server';

export type { RegisteredDevice } from './participating/registration-watch';
export { defaultUsers, type NetworkOptions, type NetworkUser } from './plan';

/** What the roles that run here hold at this moment. All of it returns to zero some time after everybody has hung up. */
interface NetworkLoad {
  /** SIP transactions, including those that only absorb retransmissions (RFC 3261: 32 s). */
  transactions: number;
  /** Groups with somebody in them. */
  groups: number;
  /** MSRP sessions and connections at the switch of the Controlling Function. */
  mediaSessions: number;
  mediaConnections: number;
  /** 1-1 sessions whose media runs through the relay of the Participating Function. */
  anchored: number;
}

export interface Network {
  domain: string;
  uris: {
    /** Where clients connect. */
    tcp: string;
    tls: string | null;
    ws: string | null;
    wss: string | null;
    /** The functions, for a core that is not ours; null when they do not run here. */
    pf: string | null;
    cf: string | null;
  };
  /** The file with the certificate of the authority that clients must trust (PEM); null without TLS, or with a key that was given. */
  ca: string | null;
  /** Where groups are made. */
  factory: string;
  users: { name: string; address: string; displayName: string; identities: string[] }[];
  /** What the Participating Function refuses; may be changed at any time. */
  policy: Policy;
  /** How the core misbehaves; may be changed at any time. Null without the role `core`. */
  faults: Faults | null;
  bindings(aor: string): Binding[];
  /** The devices of an address as the Participating Function knows them from registration events; null when it knows nothing. */
  registered(address: string): RegisteredDevice[] | null;
  /** Ends the registrations of an address, or of one instance of it, as an operator would, and gives the reason. Returns how many. */
  endBindings(address: string, why: { event: BindingEnd; instanceId?: string; retryAfter?: number }): number;
  /** Shortens the registrations of an address, or of one instance of it, as an operator would. Returns how many. */
  shortenBindings(address: string, seconds: number, instanceId?: string): number;
  /** The state of every group, including ended ones. */
  groups(): GroupState[];
  load(): NetworkLoad;
  /** Reads the groups file again. Returns how many groups it names. @throws OperatorFileError what is wrong in it; all groups stay as they were */
  rereadGroups(): number;
  /** Ends an instance of the Controlling Function without a message, as if its process had died. */
  killControlling(index?: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts the network. Rejects with one sentence that says what cannot be done, and then leaves nothing running. */
export async function startNetwork(given: NetworkOptions = {}): Promise<Network> {
  const wiring = new Wiring(given);
  try {
    return await wiring.start();
  } catch (error) {
    await wiring.close();
    throw readable(error, wiring.plan.host, wiring.plan.ports.clients);
  }
}

/** Of the secret between core and functions. */
const SECRET_BYTES = 24;

/** The roles that run here, and what has to end when the network closes. */
class Wiring {
  readonly plan: Plan;
  readonly #options: NetworkOptions;
  readonly #policy = new Policy();
  /** Known to core and functions alone; null where the core is another program and was given none. */
  readonly #secret: string | null;
  readonly #servers: SipServer[] = [];
  readonly #closers: (() => Promise<void> | void)[] = [];
  #core: Core | null = null;
  #participating: Participating | null = null;
  #controlling: ControllingInstances | null = null;
  #isClosing = false;
  #closing: Promise<void> | null = null;

  constructor(given: NetworkOptions) {
    const { log } = given;
    // Roles that end together can no longer reach one another, which is not worth a line.
    this.#options = log === undefined ? given : { ...given, log: (...line) => (this.#isClosing ? undefined : log(...line)) };
    this.plan = planOf(this.#options);
    this.#secret = given.functionSecret ?? (this.plan.roles.has('core') ? randomBytes(SECRET_BYTES).toString('hex') : null);
  }

  async start(): Promise<Network> {
    const { plan } = this;
    const { policyFile, log, core: otherCore } = this.#options;
    const ca = plan.roles.has('core') ? await this.#startCore() : null;
    const coreUri = this.#core?.uri ?? otherCore ?? '';
    const core = addressTarget(this.#core?.serviceUri ?? coreUri);
    if (this.#secret === null) log?.('warn', 'the functions believe every program on this computer: they share no secret with the core');
    if (core === null) throw new Error(`The core ${coreUri} is not an address like sip:127.0.0.1:5060`);
    if (policyFile !== undefined) {
      const following = followPolicyFile(policyFile, this.#policy, backgroundClock, log ?? (() => undefined));
      this.#closers.push(() => following.dispose());
    }
    const interworking = plan.roles.has('isf') ? await this.#startInterworking() : null;
    if (plan.roles.has('pf')) await this.#startParticipating(core, interworking);
    if (plan.roles.has('cf')) await this.#startControlling(core);
    return this.#network(coreUri, ca);
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.#closing ??= Promise.all(this.#closers.reverse().map(async (end) => end())).then(() => undefined);
    return this.#closing;
  }

  /** Returns the file with the certificate that clients must trust; null when there is none. */
  async #startCore(): Promise<string | null> {
    const { plan } = this;
    const { domain, host, users, listeners, ports } = plan;
    const { gruu = true } = this.#options;
    const { core, caFile, close } = await startSecuredCore({
      ...chosen(this.#options),
      ...observers(this.#options, 'core'),
      ...{ domain, host, users, port: ports.clients, listeners, gruu },
      ...(this.#secret !== null && { functionSecret: this.#secret }),
    });
    this.#closers.push(close);
    this.#core = core;
    return caFile;
  }

  async #startInterworking() {
    const server = await this.#newServer('isf');
    startInterworking({
      server,
      host: this.plan.hosts.isf,
      clock: backgroundClock,
      mailOutbox: () => this.#policy.mailOutbox,
      ...observers(this.#options, 'isf'),
    });
    return addressTarget(server.uri);
  }

  async #startParticipating(core: Target, interworking: Target | null): Promise<void> {
    const { host, hosts, ports, users } = this.plan;
    const addresses = new Set(users.flatMap((user) => user.addresses));
    const server = await this.#newServer('pf', ports.pf);
    this.#participating = await startParticipating({
      server,
      core,
      host: hosts.pf,
      policy: this.#policy,
      mediaHost: host,
      keepsMessages: this.#options.keepsMessages ?? true,
      ...(this.#options.stateFile === undefined ? {} : { stateFile: this.#options.stateFile }),
      ...trustOf(this.#options),
      // The users of a core that is not ours are not known here.
      ...(this.#core === null ? {} : { isUser: (address: string) => addresses.has(addressKey(address) ?? '') }),
      ...(interworking === null ? {} : { interworking }),
      ...observers(this.#options, 'pf'),
    });
    this.#closers.push(this.#participating.close);
    this.#core?.setParticipating(server.uri, `sip:${hosts.pf}`);
  }

  async #startControlling(core: Target): Promise<void> {
    const { domain, factory, host, hosts, instances, maxParticipants, ports, users } = this.plan;
    const { stateFile, log } = this.#options;
    const predefined = this.#listedGroups();
    const names = new Map(users.flatMap((user) => user.addresses.map((address) => [address.toLowerCase(), user.displayName])));
    this.#controlling = await startControlling({
      count: instances,
      newServer: (index) => this.#newServer('cf', index === 0 ? ports.cf : 0, laneOf(index)),
      media: (index) => ({ host, ...trustOf(this.#options), ...observers(this.#options, 'cf', laneOf(index)) }),
      core,
      factory,
      host: hosts.cf,
      maxParticipants,
      nameOf: (address) => names.get(address.toLowerCase()) ?? null,
      onStarted: (uri) => {
        this.#core?.addService({ host: domain, user: 'conference-factory', target: uri });
        this.#core?.addService({ host: hosts.cf, target: uri });
      },
      ...(stateFile === undefined ? {} : { stateFile }),
      ...(predefined === undefined ? {} : { predefined }),
      ...(log === undefined ? {} : { log }),
    });
    this.#closers.push(this.#controlling.close);
  }

  /** The groups of the operator's file as it is now; undefined without such a file. @throws OperatorFileError */
  #listedGroups() {
    const { groupsFile } = this.#options;
    const { hosts, maxParticipants } = this.plan;
    return groupsFile === undefined ? undefined : readGroupsFile(groupsFile, { host: hosts.cf, maxParticipants });
  }

  async #newServer(role: NetworkRole, port = 0, lane: string = role): Promise<SipServer> {
    const { host } = this.plan;
    const secret = this.#secret === null ? {} : { secret: { value: this.#secret, covers: () => true } };
    const server = new SipServer({ ...observers(this.#options, role, lane), ...secret });
    this.#closers.push(() => server.close());
    this.#servers.push(server);
    await server.listen({ host, port }).catch((error: unknown) => {
      throw readable(error, host, port);
    });
    return server;
  }

  #network(coreUri: string, ca: string | null): Network {
    const { domain, factory, users } = this.plan;
    const core = this.#core;
    const controlling = this.#controlling;
    const pf = this.#participating;
    return {
      domain,
      uris: {
        tcp: coreUri,
        tls: core?.uriOver('tls') ?? null,
        ws: core?.uriOver('ws') ?? null,
        // RFC 7118 section 5.2.2: `ws` in a sips: URI is the one over TLS.
        wss: core?.uriOver('wss')?.replace(/^sip:/, 'sips:') ?? null,
        pf: pf?.uri ?? null,
        cf: controlling?.uri ?? null,
      },
      ca,
      factory,
      users: users.map(({ name, displayName, addresses }) => ({
        name,
        address: `sip:${name}@${domain}`,
        displayName,
        identities: addresses,
      })),
      policy: this.#policy,
      faults: core?.faults ?? null,
      bindings: (aor) => core?.bindings(aor) ?? [],
      registered: (address) => pf?.function.registrations.devices(address) ?? null,
      endBindings: (address, why) => core?.endBindings(address, why) ?? 0,
      shortenBindings: (address, seconds, instanceId) => core?.shortenBindings(address, seconds, instanceId) ?? 0,
      groups: () => controlling?.groups() ?? [],
      load: () => ({
        transactions: this.#servers.reduce((sum, server) => sum + server.transactionCount, core?.transactionCount ?? 0),
        anchored: pf?.function.anchoredCount ?? 0,
        ...(controlling?.load() ?? { groups: 0, mediaSessions: 0, mediaConnections: 0 }),
      }),
      rereadGroups: () => {
        const groups = this.#listedGroups();
        if (groups !== undefined) controlling?.provide(groups);
        return groups?.length ?? 0;
      },
      killControlling: async (index = 0) => controlling?.kill(index),
      close: () => this.close(),
    };
  }
}

const laneOf = (index: number) => (index === 0 ? 'cf' : `cf-${index + 1}`);

/** The options that go to the core unchanged; absent ones stay absent. */
function chosen(options: NetworkOptions) {
  const { key, minExpiresSeconds, fullRegInfo, faults, seed, auth, qop, nextNonce, nonceLifetimeMs } = options;
  return {
    ...(key !== undefined && { key }),
    ...(auth !== undefined && { auth }),
    ...(qop !== undefined && { qop }),
    ...(nextNonce !== undefined && { nextNonce }),
    ...(nonceLifetimeMs !== undefined && { nonceLifetimeMs }),
    ...(minExpiresSeconds !== undefined && { minExpiresSeconds }),
    ...(fullRegInfo !== undefined && { fullRegInfo }),
    ...(faults !== undefined && { faults }),
    ...(seed !== undefined && { seed }),
  };
}

function trustOf({ mediaAuthorities }: NetworkOptions): { ca?: readonly string[] } {
  return mediaAuthorities === undefined ? {} : { ca: mediaAuthorities };
}

/** Turns an error of the operating system about a port or an address into a sentence. */
function readable(error: unknown, host: string, port: number): Error {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const words: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is in use by another program`,
    EACCES: `Port ${port} on ${host} may not be opened by this user`,
    EADDRNOTAVAIL: `${host} is not an address of this computer`,
    ENOTFOUND: `${host} is not an address of this computer`,
  };
  const sentence = typeof code === 'string' ? words[code] : undefined;
  if (sentence !== undefined) return new Error(sentence, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}
