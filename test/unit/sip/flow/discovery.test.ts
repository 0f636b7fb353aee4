import { describe, expect, it } from 'vitest';
import { discover, inOrder, MAX_TARGETS, type NaptrRecord, type Resolver, type SrvRecord } from '../../../../main/sip/flow/discovery';
import { parseServer } from '../../../../protocol/server-address';

interface Zone {
  naptr?: Record<string, NaptrRecord[]>;
  srv?: Record<string, SrvRecord[]>;
  addresses?: Record<string, string[]>;
}

/** A name service that knows this zone; names of the list fail in place of an answer. */
function resolver(zone: Zone, broken: readonly string[] = []): Resolver & { asked: string[] } {
  const asked: string[] = [];
  const answer =
    <T>(kind: string, table: Record<string, T[]> = {}) =>
    async (name: string) => {
      asked.push(`${kind} ${name}`);
      if (broken.includes(kind)) throw new Error('SERVFAIL');
      return table[name] ?? [];
    };
  return {
    asked,
    naptr: answer('NAPTR', zone.naptr),
    srv: answer('SRV', zone.srv),
    addresses: answer('A', zone.addresses),
  };
}

const naptr = (order: number, service: string, replacement: string, preference = 1, flags = 's'): NaptrRecord => ({
  order,
  preference,
  flags,
  service,
  replacement,
});
const srv = (priority: number, weight: number, name: string, port: number): SrvRecord => ({ priority, weight, name, port });

async function places(text: string, names: Resolver, domain = 'lab.test') {
  const server = parseServer(text);
  if (!server.ok) throw new Error(server.reason);
  return (await discover(server.value, domain, names, () => 0)).map(({ host, port, transport }) => `${transport} ${host}:${port}`);
}

const addresses = { 'lab.test': ['10.0.0.1', 'fd00::1'], 'one.lab.test': ['10.0.0.11', '10.0.0.12'], 'two.lab.test': ['10.0.0.21'] };

describe('where a server is', () => {
  it('an address needs no name service, and its usual port follows from the transport', async () => {
    const names = resolver({});
    expect(await places('sip:10.0.0.9', names)).toEqual(['tcp 10.0.0.9:5060']);
    expect(await places('sip:10.0.0.9;transport=tls', names)).toEqual(['tls 10.0.0.9:5061']);
    expect(await places('sips:[fd00::9]', names)).toEqual(['tls fd00::9:5061']);
    expect(await places('wss://10.0.0.9/ws', names)).toEqual(['wss 10.0.0.9:443']);
    expect(names.asked).toEqual([]);
  });

  it('a port means addresses alone, all of them', async () => {
    const names = resolver({ addresses });
    expect(await places('sip:lab.test:5080', names)).toEqual(['tcp 10.0.0.1:5080', 'tcp fd00::1:5080']);
    expect(names.asked).toEqual(['A lab.test']);
  });

  it('NAPTR decides by order and preference; services of others, UDP and other flags are passed over', async () => {
    const names = resolver({
      naptr: {
        'lab.test': [
          naptr(20, 'SIP+D2T', '_sip._tcp.lab.test'),
          naptr(10, 'SIPS+D2T', '_late.lab.test', 2),
          naptr(10, 'sips+d2t', '_sips._tcp.lab.test', 1),
          naptr(1, 'SIP+D2U', '_sip._udp.lab.test'),
          naptr(1, 'E2U+sip', '_sip._tcp.lab.test'),
          naptr(1, 'SIPS+D2T', '_wrong.lab.test', 1, 'a'),
        ],
      },
      srv: {
        '_sips._tcp.lab.test': [srv(1, 1, 'one.lab.test', 5061)],
        '_late.lab.test': [srv(1, 1, 'two.lab.test', 5062)],
        '_sip._tcp.lab.test': [srv(1, 1, 'two.lab.test', 5060)],
      },
      addresses,
    });
    expect(await places('sip:lab.test', names)).toEqual(['tls 10.0.0.11:5061', 'tls 10.0.0.12:5061', 'tls 10.0.0.21:5062']);
    expect(names.asked).not.toContain('SRV _sip._udp.lab.test');
    expect(names.asked).not.toContain('SRV _wrong.lab.test');
  });

  it('after a place with TLS no plain one follows; before it, as the domain wants, it may', async () => {
    const srvs = { plain: [srv(1, 1, 'one.lab.test', 5060)], secure: [srv(1, 1, 'two.lab.test', 443)] };
    const zone = (first: number, second: number): Zone => ({
      naptr: { 'lab.test': [naptr(first, 'SIP+D2T', 'plain'), naptr(second, 'SIPS+D2W', 'secure')] },
      srv: srvs,
      addresses,
    });
    expect(await places('sip:lab.test', resolver(zone(2, 1)))).toEqual(['wss 10.0.0.21:443']);
    expect(await places('sip:lab.test', resolver(zone(1, 2)))).toEqual(['tcp 10.0.0.11:5060', 'tcp 10.0.0.12:5060', 'wss 10.0.0.21:443']);
  });

  it('a sips: URI takes ways with TLS alone', async () => {
    const zone: Zone = {
      naptr: { 'lab.test': [naptr(1, 'SIP+D2T', '_sip._tcp.lab.test'), naptr(2, 'SIPS+D2T', '_sips._tcp.lab.test')] },
      srv: { '_sip._tcp.lab.test': [srv(1, 1, 'one.lab.test', 5060)], '_sips._tcp.lab.test': [srv(1, 1, 'two.lab.test', 5061)] },
      addresses,
    };
    expect(await places('sips:lab.test', resolver(zone))).toEqual(['tls 10.0.0.21:5061']);
    expect(
      await places('sips:lab.test', resolver({ srv: { '_sip._tcp.lab.test': [srv(1, 1, 'one.lab.test', 5060)] }, addresses })),
    ).toEqual(['tls 10.0.0.1:5061', 'tls fd00::1:5061']);
  });

  it('without NAPTR the SRV names are asked for, with a transport only its own', async () => {
    const zone: Zone = { srv: { '_sip._tcp.lab.test': [srv(1, 1, 'two.lab.test', 5070)] }, addresses };
    const names = resolver(zone);
    expect(await places('sip:lab.test', names)).toEqual(['tcp 10.0.0.21:5070']);
    expect(names.asked).toEqual(['NAPTR lab.test', 'SRV _sips._tcp.lab.test', 'SRV _sip._tcp.lab.test', 'A two.lab.test']);
    const chosen = resolver(zone);
    expect(await places('sip:lab.test;transport=tls', chosen)).toEqual(['tls 10.0.0.1:5061', 'tls fd00::1:5061']);
    expect(chosen.asked).toEqual(['SRV _sips._tcp.lab.test', 'A lab.test']);
    expect(await places('sip:lab.test;transport=ws', resolver(zone))).toEqual(['ws 10.0.0.1:80', 'ws fd00::1:80']);
  });

  it('a target of a lone dot says that there is no such service', async () => {
    const names = resolver({ srv: { '_sip._tcp.lab.test': [srv(0, 0, '', 0)], '_sips._tcp.lab.test': [srv(0, 0, '.', 0)] }, addresses });
    expect(await places('sip:lab.test', names)).toEqual(['tcp 10.0.0.1:5060', 'tcp fd00::1:5060']);
  });

  it('a name service that fails on NAPTR and SRV leaves the addresses; one that fails on these too is told', async () => {
    expect(await places('sip:lab.test', resolver({ addresses }, ['NAPTR', 'SRV']))).toEqual(['tcp 10.0.0.1:5060', 'tcp fd00::1:5060']);
    await expect(places('sip:lab.test', resolver({ addresses }, ['NAPTR', 'SRV', 'A']))).rejects.toThrow('SERVFAIL');
  });

  it('the certificate must speak for the name that was asked for; for an address, for it or for the account’s domain', async () => {
    const at = async (text: string, names: Resolver) => {
      const server = parseServer(text);
      return server.ok ? (await discover(server.value, 'account.test', names, () => 0)).map((hop) => hop.names) : [];
    };
    const zone: Zone = { srv: { '_sips._tcp.lab.test': [srv(1, 1, 'two.lab.test', 5061)] }, addresses };
    expect(await at('sip:lab.test', resolver(zone))).toEqual([['lab.test']]);
    expect(await at('sip:10.0.0.9;transport=tls', resolver(zone))).toEqual([['10.0.0.9', 'account.test']]);
  });

  it('does not follow more places than it has a limit for', async () => {
    const many = Array.from({ length: 40 }, (_each, index) => srv(index, 1, 'two.lab.test', 1000 + index));
    expect(await places('sip:lab.test', resolver({ srv: { '_sip._tcp.lab.test': many }, addresses }))).toHaveLength(MAX_TARGETS);
  });
});

describe('RFC 2782: the order of SRV records', () => {
  it('is by priority first', () => {
    const records = [srv(2, 100, 'c', 1), srv(1, 0, 'a', 1), srv(3, 1, 'd', 1)];
    expect(inOrder(records, () => 0.5).map(({ name }) => name)).toEqual(['a', 'c', 'd']);
  });

  it('is by lot among equals, each with its weight’s share, and every record comes once', () => {
    const records = [srv(1, 1, 'light', 1), srv(1, 3, 'heavy', 1), srv(1, 0, 'spare', 1)];
    const firsts = Array.from({ length: 100 }, (_each, index) => inOrder(records, () => index / 100).map(({ name }) => name));
    expect(firsts.every((names) => new Set(names).size === 3)).toBe(true);
    expect(firsts.filter(([name]) => name === 'heavy')).toHaveLength(75);
    expect(firsts.filter(([name]) => name === 'light')).toHaveLength(25);
  });
});
