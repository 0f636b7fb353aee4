/**
 * The embedded network: SIP/IP core, Participating Function, Controlling Function and Interworking Selection Function, each with a
 * SIP server of its own on a loopback port. They talk real SIP to each other; nothing but this file knows that they share a process.
 *
 *   clients <--> core (registrar, proxy) <--ISC--> PF (MSRP relay)     core <--> CF (focus, MSRP switch)     PF --> ISF (mail)
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backgroundClock } from '../base/clock';
import { addressKey } from '../protocol/uri';
import type { WireRecord, WireTap } from '../protocol/wire-record';
import { ControllingFunction } from './controlling/controlling';
import type { GroupState } from './controlling/group';
import { MAX_PARTICIPANTS } from './controlling/group';
import { readGroupsFile } from './controlling/groups-file';
import { type AuthenticatorOptions, authPolicies } from './core/authenticator';
import { type Core, startCore } from './core/core';
import type { FaultRule, Faults } from './core/faults';
import { createLabAuthority, type LabAuthority } from './core/lab-authority';
import type { Binding, BindingEnd } from './core/registrar';
import type { SimOptions } from './core/sim-card';
import { InterworkingFunction } from './interworking/interworking';
import type { NetworkLog } from './log';
import { MediaRelay } from './msrp/relay';
import { MsrpSwitch } from './msrp/switch';
import { ParticipatingFunction } from './participating/participating';
import { Policy } from './participating/policy';
import { followPolicyFile } from './participating/policy-file';
import type { RegisteredDevice } from './participating/registration-watch';
import type { TransportName } from './sip/flow';
import { addressTarget } from './sip/proxy';
import { SipServer } from './sip/sip-server';
import type { ServerKey } from './sip/transport-listener';

export type { Binding, BindingEnd } from './core/registrar';
export type { RegisteredDevice } from './participating/registration-watch';

export const networkRoles = ['core', 'pf', 'cf', 'isf'] as const;
export type NetworkRole = (typeof networkRoles)[number];

export interface NetworkUser {
  /** User part of the address. */
  name: string;
  password: string;
  /** The name, capitalised, when absent. */
  displayName?: string;
  /** Further addresses, `sip:sales@lab.test` or `tel:+15550100`: registered together with the first (3GPP implicit registration set). */
  identities?: string[];
  /** Where the network asks SIMs (`auth: 'aka'`): this user's. */
  sim?: SimOptions;
  /** Where the network goes by addresses (`auth: 'early'`): the network addresses that are this user's. */
  early?: string[];
}

export interface NetworkOptions extends AuthenticatorOptions {
  /** `lab.test` when absent. */
  domain?: string;
  /** alice, bob, carol and dave with the password `secret` when absent. */
  users?: NetworkUser[];
  /** Address to listen on; 127.0.0.1 when absent. */
  listen?: string;
  /** Port for clients; 0 takes any free one. */
  tcpPort?: number;
  /** Ports for clients over TLS, WebSocket and WebSocket over TLS; 0 takes any free one. No such listener when absent. */
  tlsPort?: number;
  wsPort?: number;
  wssPort?: number;
  /** Ports of the Participating and the (first) Controlling Function, which a core that is not ours knows; 0 or absent: any free one. */
  pfPort?: number;
  cfPort?: number;
  /** What TLS shows; made by an authority of its own at the start when absent. */
  key?: ServerKey;
  /** The authorities (PEM) that the media of the functions trusts where a side's SDP names no certificate, as behind an MSRP relay; else those of Node. */
  mediaAuthorities?: readonly string[];
  /** False: the registrar gives no GRUUs. */
  gruu?: boolean;
  /** Shorter registrations are refused with 423, seconds; 60 when absent. */
  minExpiresSeconds?: number;
  /** Registration events are told in full documents alone, as some networks do. */
  fullRegInfo?: boolean;
  /** Oddities of the core, see `faults.ts`; and what chance is drawn from in them. */
  faults?: readonly FaultRule[];
  seed?: number;
  /** A policy file (`policy-file.ts`), read now and whenever it changes. */
  policyFile?: string;
  /** A groups file (`groups-file.ts`), read now and by `rereadGroups`: groups that stand from the start. */
  groupsFile?: string;
  /** The file that keeps the groups over restarts; without it they are kept as long as the network runs. */
  stateFile?: string;
  /** The most people of one group; 50 when absent. */
  maxParticipants?: number;
  /** How many instances of the Controlling Function serve the groups, each standing by for those before it; 1 when absent. */
  controllingInstances?: number;
  /** The parts that run here; all when absent. */
  roles?: NetworkRole[];
  /** Without the role `core`: the SIP/IP core to serve, `sip:127.0.0.1:5060;transport=tcp`. */
  core?: string;
  /** Every message of every role, in and out; what goes between two roles is told by both. */
  tap?: (record: WireRecord & { role: string }) => void;
  log?: NetworkLog;
}

/** What the parts that run here hold at this moment. All of it is zero a while after everybody has hung up. */
export interface NetworkLoad {
  /** SIP transactions, those among them that only absorb repetitions (RFC 3261: 32 s). */
  transactions: number;
  /** Groups with somebody in them. */
  groups: number;
  /** MSRP sessions and connections at the switch of the Controlling Function. */
  mediaSessions: number;
  mediaConnections: number;
  /** 1-1 sessions whose media the Participating Function has put through its relay. */
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
    /** The functions, for a core that is not ours; null when not among the roles. */
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
  /** The devices of an address as the Participating Function knows them, from registration events; null when it knows nothing. */
  registered(address: string): RegisteredDevice[] | null;
  /** The operator ends the registrations of an address, or of one instance of it, and says why. Returns how many. */
  endBindings(address: string, why: { event: BindingEnd; instanceId?: string; retryAfter?: number }): number;
  /** The operator lets registrations end sooner. Returns how many. */
  shortenBindings(address: string, seconds: number, instanceId?: string): number;
  /** The state of every group, ended ones among them. */
  groups(): GroupState[];
  load(): NetworkLoad;
  /** Reads the groups file again. Returns how many groups it names. @throws OperatorFileError what is wrong in it; all groups stay as they were */
  rereadGroups(): number;
  /** Ends an instance of the Controlling Function without a word, as if its process had died. */
  killControlling(index?: number): Promise<void>;
  close(): Promise<void>;
}

/** The people of a network that is told of none. */
export const defaultUsers = ['alice', 'bob', 'carol', 'dave'];
const DEFAULT_PASSWORD = 'secret';
/** LAB: instances of the Controlling Function. */
const MAX_INSTANCES = 8;
/** LAB: the largest group that an operator may allow. */
const MAX_GROUP_SIZE = 500;

/** Starts the network. Rejects with one sentence that says what cannot be done, and then leaves nothing running. */
export async function startNetwork(given: NetworkOptions = {}): Promise<Network> {
  const { log } = given;
  let isClosing = false;
  // Parts that end together do not reach one another any more, which is no news.
  const options: NetworkOptions = log === undefined ? given : { ...given, log: (...line) => (isClosing ? undefined : log(...line)) };
  const plan = checked(options);
  const { domain, host, users } = plan;
  const hosts = { pf: `pf.${domain}`, cf: `cf.${domain}`, isf: `isf.${domain}` };
  const factory = `sip:conference-factory@${domain}`;
  const closers: (() => Promise<void> | void)[] = [];
  let closing: Promise<void> | null = null;
  const close = () => {
    isClosing = true;
    closing ??= Promise.all(closers.reverse().map(async (end) => end())).then(() => undefined);
    return closing;
  };
  const servers: SipServer[] = [];
  const newServer = async (role: NetworkRole, ownPort = 0) => {
    const server = new SipServer(equipment(options, role));
    closers.push(() => server.close());
    servers.push(server);
    await server.listen({ host, port: ownPort }).catch((error: unknown) => {
      throw readable(error, host, ownPort);
    });
    return server;
  };

  try {
    let core: Core | null = null;
    let authority: LabAuthority | null = null;
    if (plan.roles.has('core')) {
      if (plan.listeners.some(({ isSecure }) => isSecure) && options.key === undefined) {
        authority = await createLabAuthority({ domain, address: host });
        closers.push(authority.dispose);
      }
      const key = options.key ?? authority?.key;
      const listeners = plan.listeners.map(({ transport, port }) => ({ transport, port, ...(key === undefined ? {} : { key }) }));
      const wanted = { domain, users, host, port: plan.port, listeners, gruu: options.gruu ?? true };
      core = await startCore({ ...wanted, ...kept(options), ...equipment(options, 'core') });
      closers.push(core.close.bind(core));
    }
    const coreUri = core?.uri ?? options.core ?? '';
    const coreTarget = addressTarget(core?.serviceUri ?? coreUri);
    if (coreTarget === null) throw new Error(`The core ${coreUri} is not an address like sip:127.0.0.1:5060`);

    const policy = new Policy();
    if (options.policyFile !== undefined) {
      const following = followPolicyFile(options.policyFile, policy, backgroundClock, options.log ?? (() => undefined));
      closers.push(() => following.dispose());
    }
    const isf = plan.roles.has('isf') ? await newServer('isf') : null;
    if (isf !== null)
      new InterworkingFunction({
        server: isf,
        host: hosts.isf,
        clock: backgroundClock,
        mailOutbox: () => policy.mailOutbox,
        ...equipment(options, 'isf'),
      });
    const isfTarget = isf === null ? null : addressTarget(isf.uri);

    const pf = plan.roles.has('pf') ? await newServer('pf', options.pfPort) : null;
    let participating: ParticipatingFunction | null = null;
    if (pf !== null) {
      const relay = new MediaRelay({ host, ...trustOf(options), ...equipment(options, 'pf') });
      closers.push(() => relay.close());
      await relay.listen();
      const addresses = new Set(users.flatMap((user) => addressesOf(user, domain)));
      participating = new ParticipatingFunction({
        server: pf,
        core: coreTarget,
        host: hosts.pf,
        policy,
        media: relay,
        // The users of a core that is not ours are not known here.
        ...(core === null ? {} : { isUser: (address) => addresses.has(addressKey(address) ?? '') }),
        ...(isfTarget === null ? {} : { interworking: isfTarget }),
        ...equipment(options, 'pf'),
      });
      closers.push(() => participating?.close());
      core?.setParticipating(pf.uri, `sip:${hosts.pf}`);
    }

    const most = options.maxParticipants ?? MAX_PARTICIPANTS;
    const { groupsFile } = options;
    const listed = () => (groupsFile === undefined ? undefined : readGroupsFile(groupsFile, { host: hosts.cf, maxParticipants: most }));
    const predefined = listed();
    const controlling: { functions: ControllingFunction; media: MsrpSwitch; uri: string; end: () => Promise<void> }[] = [];
    if (plan.roles.has('cf')) {
      const names = new Map(users.flatMap((user) => addressesOf(user, domain).map((address) => [address.toLowerCase(), user.displayName])));
      // Several instances need a file to share; without one it is theirs for this run.
      const shared = plan.instances > 1 && options.stateFile === undefined ? await mkdtemp(join(tmpdir(), 'groups-')) : null;
      if (shared !== null) closers.push(() => rm(shared, { recursive: true, force: true }));
      const stateFile = shared === null ? options.stateFile : join(shared, 'groups.db');
      for (let instance = 0; instance < plan.instances; instance += 1) {
        const server = await newServer('cf', instance === 0 ? options.cfPort : 0);
        const media = new MsrpSwitch({ host, ...trustOf(options), ...equipment(options, 'cf') });
        closers.push(() => media.close());
        await media.listen();
        const functions = new ControllingFunction({
          server,
          media,
          core: coreTarget,
          factory,
          host: hosts.cf,
          resolve: (uri) => addressTarget(uri) ?? coreTarget,
          nameOf: (address) => names.get(address.toLowerCase()) ?? null,
          ...(stateFile === undefined ? {} : { stateFile }),
          ...(predefined === undefined ? {} : { predefined }),
          ...(options.maxParticipants === undefined ? {} : { maxParticipants: options.maxParticipants }),
          ...(options.log === undefined ? {} : { log: options.log }),
        });
        closers.push(() => functions.close());
        const end = async () => {
          functions.close();
          await Promise.all([server.close(), media.close()]);
        };
        controlling.push({ functions, media, uri: server.uri, end });
        core?.addService({ host: domain, user: 'conference-factory', target: server.uri });
        core?.addService({ host: hosts.cf, target: server.uri });
      }
    }

    return {
      domain,
      uris: {
        tcp: coreUri,
        tls: core?.uriOver('tls') ?? null,
        ws: core?.uriOver('ws') ?? null,
        // RFC 7118 section 5.2.2: `ws` in a sips: URI is the one over TLS.
        wss: core?.uriOver('wss')?.replace(/^sip:/, 'sips:') ?? null,
        pf: pf?.uri ?? null,
        cf: controlling[0]?.uri ?? null,
      },
      ca: authority?.caFile ?? null,
      factory,
      users: users.map((user) => ({
        name: user.name,
        address: `sip:${user.name}@${domain}`,
        displayName: user.displayName,
        identities: addressesOf(user, domain),
      })),
      policy,
      faults: core?.faults ?? null,
      bindings: (aor) => core?.bindings(aor) ?? [],
      registered: (address) => participating?.registrations.devices(address) ?? null,
      endBindings: (address, why) => core?.endBindings(address, why) ?? 0,
      shortenBindings: (address, seconds, instanceId) => core?.shortenBindings(address, seconds, instanceId) ?? 0,
      groups: () => controlling.find(({ functions }) => !functions.isClosed)?.functions.groups() ?? [],
      load: () => {
        const sum = (counts: readonly number[]) => counts.reduce((total, one) => total + one, 0);
        return {
          transactions: sum(servers.map((server) => server.transactionCount)) + (core?.transactionCount ?? 0),
          groups: sum(controlling.map(({ functions }) => functions.liveCount)),
          mediaSessions: sum(controlling.map(({ media }) => media.sessionCount)),
          mediaConnections: sum(controlling.map(({ media }) => media.connectionCount)),
          anchored: participating?.anchoredCount ?? 0,
        };
      },
      rereadGroups: () => {
        const groups = listed();
        for (const { functions } of controlling) if (groups !== undefined && !functions.isClosed) functions.provide(groups);
        return groups?.length ?? 0;
      },
      killControlling: async (index = 0) => controlling[index]?.end(),
      close,
    };
  } catch (error) {
    await close();
    throw readable(error, host, plan.port);
  }
}

/** What of the options is the core's as it stands. */
function kept({ minExpiresSeconds, fullRegInfo, faults, seed, auth, qop, nextNonce, nonceLifetimeMs }: NetworkOptions) {
  return {
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

/** Log and trace of one role. */
function equipment(options: NetworkOptions, role: NetworkRole): { log?: NetworkLog; tap?: WireTap } {
  const { tap, log } = options;
  return {
    ...(log === undefined ? {} : { log: (level, text, fields) => log(level, `${role}: ${text}`, fields) }),
    ...(tap === undefined ? {} : { tap: (record) => tap({ ...record, role }) }),
  };
}

function trustOf({ mediaAuthorities }: NetworkOptions): { ca?: readonly string[] } {
  return mediaAuthorities === undefined ? {} : { ca: mediaAuthorities };
}

interface Plan {
  domain: string;
  host: string;
  port: number;
  listeners: { transport: TransportName; port: number; isSecure: boolean }[];
  roles: ReadonlySet<NetworkRole>;
  instances: number;
  users: (NetworkUser & { displayName: string })[];
}

function checked(options: NetworkOptions): Plan {
  const domain = (options.domain ?? 'lab.test').toLowerCase();
  if (!/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(domain) || domain.length > 200) throw new Error(`"${domain}" is not a domain name`);
  const port = options.tcpPort ?? 0;
  const further = [
    { transport: 'tls' as const, port: options.tlsPort, isSecure: true },
    { transport: 'ws' as const, port: options.wsPort, isSecure: false },
    { transport: 'wss' as const, port: options.wssPort, isSecure: true },
  ];
  const listeners = further.flatMap((each) => (each.port === undefined ? [] : [{ ...each, port: each.port }]));
  for (const number of [port, options.pfPort ?? 0, options.cfPort ?? 0, ...listeners.map((each) => each.port)])
    if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new Error(`${number} is not a port number`);
  if (options.auth !== undefined && !authPolicies.includes(options.auth))
    throw new Error(`"${options.auth}" is not a way to sign in: ${authPolicies.join(', ')}`);
  const roles = new Set(options.roles ?? networkRoles);
  if (roles.size === 0) throw new Error('No role is chosen');
  for (const role of roles) if (!networkRoles.includes(role)) throw new Error(`"${role}" is not a role: ${networkRoles.join(', ')}`);
  if (roles.has('core') && options.core !== undefined)
    throw new Error('Either the role core runs here, or another core is named: not both');
  if (!roles.has('core') && options.core === undefined) throw new Error('Without the role core, a core to serve must be named');
  const users = (options.users ?? defaultUsers.map((name) => ({ name, password: DEFAULT_PASSWORD }))).map((user: NetworkUser) => {
    if (!/^[A-Za-z0-9._+-]{1,64}$/.test(user.name)) throw new Error(`"${user.name}" cannot be the name of a user`);
    if (user.password === '' && user.sim === undefined && user.early === undefined) throw new Error(`${user.name} has no password`);
    for (const identity of user.identities ?? []) {
      const key = addressKey(identity);
      if (key === null || !(key.startsWith('tel:') || key.endsWith(`@${domain}`)))
        throw new Error(`"${identity}" of ${user.name} is neither a telephone number nor an address of ${domain}`);
    }
    return { ...user, displayName: user.displayName ?? user.name.charAt(0).toUpperCase() + user.name.slice(1) };
  });
  const names = new Set(users.map((user) => user.name.toLowerCase()));
  if (names.size !== users.length) throw new Error('Two users have the same name');
  const addresses = users.flatMap((user) => addressesOf(user, domain));
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw new Error(`${twice} is the address of two users, or twice of one`);
  if (addresses.includes(`sip:conference-factory@${domain}`))
    throw new Error('conference-factory is the address where groups are made, no user');
  const instances = options.controllingInstances ?? 1;
  if (!Number.isInteger(instances) || instances < 1 || instances > MAX_INSTANCES)
    throw new Error(`The Controlling Function runs in 1 to ${MAX_INSTANCES} instances`);
  const most = options.maxParticipants;
  if (most !== undefined && (!Number.isInteger(most) || most < 2 || most > MAX_GROUP_SIZE))
    throw new Error(`A group holds 2 to ${MAX_GROUP_SIZE} people`);
  return { domain, host: options.listen ?? '127.0.0.1', port, listeners, roles, instances, users };
}

/** Every address of a user, comparable, the default one first. */
function addressesOf(user: NetworkUser, domain: string): string[] {
  return [`sip:${user.name}@${domain}`, ...(user.identities ?? [])].flatMap((address) => addressKey(address) ?? []);
}

/** What the operating system says of a port or address, as a sentence. */
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
