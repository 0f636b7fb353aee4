/**
 * What a network is made of: the options that an operator gives, checked and completed into a plan. The plan says which roles run here,
 * on which ports and for which people; `network.ts` starts them. Nothing here opens a socket or a file.
 */
import { addressKey } from '../protocol/uri';
import { signedBy, type WireRecord, type WireTap } from '../protocol/wire-record';
import { MAX_PARTICIPANTS } from './controlling/group';
import { type AuthenticatorOptions, authPolicies } from './core/authenticator';
import type { FaultRule } from './core/faults';
import type { SimOptions } from './core/sim-card';
import type { NetworkLog } from './log';
import type { TransportName } from './sip/flow';
import type { ServerKey } from './sip/transport-listener';

const networkRoles = ['core', 'pf', 'cf', 'isf'] as const;
export type NetworkRole = (typeof networkRoles)[number];

export interface NetworkUser {
  /** User part of the address. */
  name: string;
  password: string;
  /** The name with a capital when absent. */
  displayName?: string;
  /** Further addresses, `sip:sales@lab.test` or `tel:+15550100`, registered together with the first (3GPP implicit registration set). */
  identities?: string[];
  /** This user's SIM, for a network that authenticates by SIM (`auth: 'aka'`). */
  sim?: SimOptions;
  /** This user's network addresses, for a network that goes by addresses (`auth: 'early'`). */
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
  /** Ports of the Participating Function and of the first Controlling Function, for a core that is not ours; 0 or absent: any free one. */
  pfPort?: number;
  cfPort?: number;
  /** Certificate and key for TLS; made by an authority of this run when absent. */
  key?: ServerKey;
  /** The authorities (PEM) that vouch for a media peer whose SDP names no certificate, as behind an MSRP relay; Node's when absent. */
  mediaAuthorities?: readonly string[];
  /** False: the registrar gives no GRUUs. */
  gruu?: boolean;
  /** Shorter registrations are refused with 423, seconds; 60 when absent. */
  minExpiresSeconds?: number;
  /** True: registration events are sent as full documents only, as some networks do. */
  fullRegInfo?: boolean;
  /** Misbehaviour of the core, see `faults.ts`, and the seed for its chances. */
  faults?: readonly FaultRule[];
  seed?: number;
  /** A policy file (`policy-file.ts`), read now and whenever it changes. */
  policyFile?: string;
  /** A groups file (`groups-file.ts`) of pre-defined groups, read now and by `rereadGroups`. */
  groupsFile?: string;
  /** The file that keeps groups and waiting messages over restarts; without it they last as long as the network runs. */
  stateFile?: string;
  /** False: the network keeps no messages for people who are away. */
  keepsMessages?: boolean;
  /** The most people of one group; 50 when absent. */
  maxParticipants?: number;
  /** How many instances of the Controlling Function serve the groups, each standing by for those before it; 1 when absent. */
  controllingInstances?: number;
  /** The roles that run here; all when absent. */
  roles?: NetworkRole[];
  /** Without the role `core`: the SIP/IP core to serve, `sip:127.0.0.1:5060;transport=tcp`. */
  core?: string;
  /** The secret by which core and functions know one another, letters and digits; made at the start when absent and the core runs here. */
  functionSecret?: string;
  /** Every message of every role, in and out; what crosses between two roles is recorded by both. */
  tap?: (record: WireRecord) => void;
  log?: NetworkLog;
}

/** The people of a network that is given no users. */
export const defaultUsers = ['alice', 'bob', 'carol', 'dave'];
const DEFAULT_PASSWORD = 'secret';
/** LAB: instances of the Controlling Function. */
const MAX_INSTANCES = 8;
/** LAB: the largest group that an operator may allow. */
const MAX_GROUP_SIZE = 500;

interface PlannedUser extends NetworkUser {
  displayName: string;
  /** Every address of this user in comparable form, the default one first. */
  addresses: string[];
}

/** A network whose options are checked and whose gaps are filled in. */
export interface Plan {
  domain: string;
  /** The address to listen on. */
  host: string;
  ports: { clients: number; pf: number; cf: number };
  /** Listeners for clients beside the one over TCP. */
  listeners: { transport: TransportName; port: number; isSecure: boolean }[];
  roles: ReadonlySet<NetworkRole>;
  /** How many instances of the Controlling Function run. */
  instances: number;
  maxParticipants: number;
  users: PlannedUser[];
  /** Where groups are made. */
  factory: string;
  /** The host names of the functions, as their URIs and Warning headers show them. */
  hosts: { pf: string; cf: string; isf: string };
}

/** Checks the options. @throws Error one sentence that says what cannot be done */
export function planOf(options: NetworkOptions): Plan {
  const domain = (options.domain ?? 'lab.test').toLowerCase();
  if (!/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(domain) || domain.length > 200) throw new Error(`"${domain}" is not a domain name`);
  const ports = { clients: options.tcpPort ?? 0, pf: options.pfPort ?? 0, cf: options.cfPort ?? 0 };
  const further = [
    { transport: 'tls' as const, port: options.tlsPort, isSecure: true },
    { transport: 'ws' as const, port: options.wsPort, isSecure: false },
    { transport: 'wss' as const, port: options.wssPort, isSecure: true },
  ];
  const listeners = further.flatMap((each) => (each.port === undefined ? [] : [{ ...each, port: each.port }]));
  for (const number of [...Object.values(ports), ...listeners.map((each) => each.port)])
    if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new Error(`${number} is not a port number`);
  if (options.auth !== undefined && !authPolicies.includes(options.auth))
    throw new Error(`"${options.auth}" is not a way to sign in: ${authPolicies.join(', ')}`);
  const roles = new Set(options.roles ?? networkRoles);
  if (roles.size === 0) throw new Error('No role is chosen');
  for (const role of roles) if (!networkRoles.includes(role)) throw new Error(`"${role}" is not a role: ${networkRoles.join(', ')}`);
  if (roles.has('core') && options.core !== undefined)
    throw new Error('Either the role core runs here, or another core is named: not both');
  if (!roles.has('core') && options.core === undefined) throw new Error('Without the role core, a core to serve must be named');
  const factory = `sip:conference-factory@${domain}`;
  const users = plannedUsers(options.users ?? defaultUsers.map((name) => ({ name, password: DEFAULT_PASSWORD })), domain, factory);
  const instances = options.controllingInstances ?? 1;
  if (!Number.isInteger(instances) || instances < 1 || instances > MAX_INSTANCES)
    throw new Error(`The Controlling Function runs in 1 to ${MAX_INSTANCES} instances`);
  const maxParticipants = options.maxParticipants ?? MAX_PARTICIPANTS;
  if (!Number.isInteger(maxParticipants) || maxParticipants < 2 || maxParticipants > MAX_GROUP_SIZE)
    throw new Error(`A group holds 2 to ${MAX_GROUP_SIZE} people`);
  const hosts = { pf: `pf.${domain}`, cf: `cf.${domain}`, isf: `isf.${domain}` };
  const host = options.listen ?? '127.0.0.1';
  return { domain, host, ports, listeners, roles, instances, maxParticipants, users, factory, hosts };
}

function plannedUsers(given: readonly NetworkUser[], domain: string, factory: string): PlannedUser[] {
  const users = given.map((user) => {
    if (!/^[A-Za-z0-9._+-]{1,64}$/.test(user.name)) throw new Error(`"${user.name}" cannot be the name of a user`);
    if (user.password === '' && user.sim === undefined && user.early === undefined) throw new Error(`${user.name} has no password`);
    for (const identity of user.identities ?? []) {
      const key = addressKey(identity);
      if (key === null || !(key.startsWith('tel:') || key.endsWith(`@${domain}`)))
        throw new Error(`"${identity}" of ${user.name} is neither a telephone number nor an address of ${domain}`);
    }
    const displayName = user.displayName ?? user.name.charAt(0).toUpperCase() + user.name.slice(1);
    const addresses = [`sip:${user.name}@${domain}`, ...(user.identities ?? [])].flatMap((address) => addressKey(address) ?? []);
    return { ...user, displayName, addresses };
  });
  const names = new Set(users.map((user) => user.name.toLowerCase()));
  if (names.size !== users.length) throw new Error('Two users have the same name');
  const addresses = users.flatMap((user) => user.addresses);
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw new Error(`${twice} is the address of two users, or twice of one`);
  if (addresses.includes(factory)) throw new Error('conference-factory is the address where groups are made, no user');
  return users;
}

/** Log and trace of one role; `lane` where several instances share it. */
export function observers({ tap, log }: NetworkOptions, role: NetworkRole, lane: string = role): { log?: NetworkLog; tap?: WireTap } {
  return {
    ...(log === undefined ? {} : { log: (level, text, fields) => log(level, `${role}: ${text}`, fields) }),
    ...(tap === undefined ? {} : { tap: signedBy({ role, lane }, tap) }),
  };
}
