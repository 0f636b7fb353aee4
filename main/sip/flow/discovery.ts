/**
 * Locates the SIP server (RFC 3263, with RFC 7118 for WebSocket): turns a proxy's URI or a domain into addresses, in the order
 * in which to try them. UDP is never among them: our messages exceed a datagram.
 *
 *   transport or port given, or an address --------------------------------------------> [addresses]
 *   a name alone --NAPTR--> SRV names --SRV--> targets with ports ---------------------> [addresses]
 *             \--no NAPTR--> _sips._tcp, _sip._tcp --SRV--> ... --no SRV--> the name --> [addresses]
 */
import { Resolver as DnsResolver, lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { DEFAULT_PORTS, type ServerAddress, type SipTransport } from '../../../protocol/server-address';
import type { NextHop } from './connection';

/** Most addresses of one server; further ones are not tried. */
export const MAX_TARGETS = 16;
/** LAB: the timeout of one query to a name server, and how often it is sent. */
const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;
/** The NAPTR services that this client can use: RFC 3263 section 4.1 and RFC 7118 section 7. */
const SERVICES: ReadonlyMap<string, SipTransport> = new Map([
  ['sip+d2t', 'tcp'],
  ['sips+d2t', 'tls'],
  ['sip+d2w', 'ws'],
  ['sips+d2w', 'wss'],
]);

export interface NaptrRecord {
  order: number;
  preference: number;
  flags: string;
  service: string;
  replacement: string;
}

export interface SrvRecord {
  priority: number;
  weight: number;
  name: string;
  port: number;
}

/** DNS. A name without such records gives an empty list; any other failure rejects. */
export interface Resolver {
  naptr(name: string): Promise<NaptrRecord[]>;
  srv(name: string): Promise<SrvRecord[]>;
  addresses(name: string): Promise<string[]>;
}

/** This computer's DNS. With `servers` (`address:port`) it asks only these and ignores the computer's hosts file. */
export function createResolver(servers?: readonly string[]): Resolver {
  const dns = new DnsResolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  if (servers !== undefined) dns.setServers(servers);
  return {
    naptr: (name) => orNone(dns.resolveNaptr(name)),
    srv: (name) => orNone(dns.resolveSrv(name)),
    addresses: async (name) => {
      if (servers === undefined) return (await orNone(lookup(name, { all: true }))).map(({ address }) => address);
      return (await Promise.all([orNone(dns.resolve4(name)), orNone(dns.resolve6(name))])).flat();
    },
  };
}

async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw error;
  }
}

/**
 * The addresses of a server, best first; empty when DNS has none. Rejects when DNS cannot be asked. `domain` is the account's domain: a
 * server given by address has no name to prove, so its certificate may be valid for that domain instead.
 */
export async function discover(server: ServerAddress, domain: string, resolver: Resolver, random: () => number): Promise<NextHop[]> {
  const { host, port, isSecure, path } = server;
  const usual: SipTransport = isSecure ? 'tls' : 'tcp';
  if (isIP(host) !== 0) {
    const transport = server.transport ?? usual;
    return [{ host, port: port ?? DEFAULT_PORTS[transport], transport, names: [host, domain], path }];
  }
  // RFC 5922 section 7.2: the certificate must be valid for the requested name, whatever DNS resolved it to.
  const names = [host];
  const at = async (name: string, atPort: number, transport: SipTransport): Promise<NextHop[]> =>
    (isIP(name) === 0 ? await resolver.addresses(name) : [name]).map((address) => ({
      host: address,
      port: atPort,
      transport,
      names,
      path,
    }));
  if (port !== null) return limited(await at(host, port, server.transport ?? usual));

  const hops: NextHop[] = [];
  for (const service of await servicesOf(server, resolver)) {
    const records = inOrder(await patient(resolver.srv(service.name)), random);
    // RFC 2782: a single root target means that the service is not available here.
    for (const record of records)
      if (record.name !== '.' && record.name !== '') hops.push(...(await at(record.name, record.port, service.transport)));
  }
  if (hops.length > 0) return limited(withoutStepDown(hops));
  const transport = server.transport ?? usual;
  return limited(await at(host, DEFAULT_PORTS[transport], transport));
}

/** The SRV names to query, in order (RFC 3263 section 4.1). */
async function servicesOf(server: ServerAddress, resolver: Resolver): Promise<{ name: string; transport: SipTransport }[]> {
  const { host, transport, isSecure } = server;
  const plain = { name: `_sip._tcp.${host}`, transport: 'tcp' as const };
  const secure = { name: `_sips._tcp.${host}`, transport: 'tls' as const };
  if (transport === 'tcp') return [plain];
  if (transport === 'tls') return [secure];
  // No SRV name is defined for WebSocket; only NAPTR can lead to one.
  if (transport !== null) return [];
  const records = await patient(resolver.naptr(host));
  const usable = records
    .toSorted((a, b) => a.order - b.order || a.preference - b.preference)
    .flatMap(({ flags, service, replacement }) => {
      const found = SERVICES.get(service.toLowerCase());
      if (flags.toLowerCase() !== 's' || found === undefined || (isSecure && found !== 'tls' && found !== 'wss')) return [];
      return [{ name: replacement, transport: found }];
    });
  if (usable.length > 0) return usable;
  return isSecure ? [secure] : [secure, plain];
}

/** Many home routers fail on records they do not know. That counts as no records, and the plain address lookup decides. */
async function patient<T>(records: Promise<T[]>): Promise<T[]> {
  return records.catch(() => []);
}

/** RFC 2782: lower priorities first; equal ones in random order, weighted. */
export function inOrder(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = [];
  const left = records.toSorted((a, b) => a.priority - b.priority || a.weight - b.weight);
  while (left.length > 0) {
    const group = left.filter(({ priority }) => priority === left[0]?.priority);
    const total = group.reduce((sum, { weight }) => sum + weight, 0);
    let ticket = random() * total;
    const chosen = group.find(({ weight }) => {
      ticket -= weight;
      return ticket < 0;
    });
    const taken = chosen ?? group[0];
    if (taken === undefined) break;
    ordered.push(taken);
    left.splice(left.indexOf(taken), 1);
  }
  return ordered;
}

/** LAB: once TLS is offered, blocking it must not make the client use a plain connection instead. */
function withoutStepDown(hops: readonly NextHop[]): NextHop[] {
  const isSecure = ({ transport }: NextHop) => transport === 'tls' || transport === 'wss';
  const first = hops.findIndex(isSecure);
  return hops.filter((hop, index) => first < 0 || index < first || isSecure(hop));
}

function limited(hops: readonly NextHop[]): NextHop[] {
  return hops.slice(0, MAX_TARGETS);
}
