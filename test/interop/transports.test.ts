import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { systemClock } from '../../base/clock';
import type { SipAccount } from '../../main/sip/client';
import { createConnect } from '../../main/sip/flow/connection';
import { createResolver } from '../../main/sip/flow/discovery';
import type { Flow } from '../../main/sip/flow/flow';
import { ServerLocator } from '../../main/sip/flow/locator';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { type Network, startNetwork } from '../../network/network';
import { SipServer } from '../../network/sip/sip-server';
import type { SipTransport } from '../../protocol/server-address';
import type { WireMessage } from '../../protocol/wire-record';
import { LabDns } from '../support/doubles/lab-dns';
import { silent } from '../support/doubles/sip-memory';
import { Devices, ICSIS, next } from '../support/stages/sip-clients';
import { until } from '../support/waiting';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 7394 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=path:msrp://127.0.0.1:7394/offer;tcp\r\na=setup:actpass\r\n';
const ANSWER = SDP.replace('/offer', '/answer').replace('actpass', 'active');
const BYTES = Uint8Array.from({ length: 700 }, (_each, index) => index % 256);
const TRANSPORTS = ['tcp', 'tls', 'ws', 'wss'] as const;

let authority: LabAuthority;
let network: Network;
let kamailio: Kamailio;
const devices = new Devices();
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  authority = await lab('lab.test');
  network = await startNetwork({ tlsPort: 0, wsPort: 0, wssPort: 0, key: authority.key });
  kamailio = await startKamailio({ transports: ['tls', 'ws', 'wss'], certificate: authority.key });
});
afterEach(async () => {
  await devices.close();
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  await Promise.all([network?.close(), kamailio?.stop(), authority?.dispose()]);
});

const lab = (domain: string, address = '127.0.0.1') => createLabAuthority({ domain, address });
const uriOf = (peer: 'embedded' | 'Kamailio', transport: SipTransport): string => {
  const uris = peer === 'embedded' ? network.uris : { tcp: kamailio.uri, ...kamailio.uris };
  return uris[transport] ?? '';
};
const trusted = () => ({ ca: [authority.ca] });
const session = (target: string) => ({
  target,
  icsi: ICSIS.session,
  conversationId: crypto.randomUUID(),
  contributionId: crypto.randomUUID(),
  sdp: SDP,
});
const first = (ladder: string[], start: string) => ladder.find((message) => message.startsWith(start)) ?? '';

describe.each(['embedded', 'Kamailio'] as const)('at the %s core', (peer) => {
  it.each(['tcp', 'tls', 'ws', 'wss'] as const)(
    'R13: over %s a device registers, is invited, answers and receives the BYE',
    async (transport) => {
      const alice = await devices.registered('alice', uriOf(peer, transport), trusted());
      const register = first(alice.ladder(), '> REGISTER');
      expect(register).toContain(`\r\nVia: SIP/2.0/${transport.toUpperCase()} 127.0.0.1:`);
      expect(register).toMatch(new RegExp(`\\r\\nContact: .*;transport=${transport === 'wss' ? 'ws' : transport}>`));
      expect(new Set(alice.wire.map((record) => record.transport))).toEqual(new Set([transport]));
      expect(alice.client.registration.serviceRoute[0]).toContain(`transport=${transport === 'wss' ? 'ws' : transport}`);
      // The other side is on plain TCP: the core joins two transports.
      const bob = await devices.registered('bob', uriOf(peer, 'tcp'));
      const call = bob.client.invite(session('sip:alice@lab.test'));
      const invite = await until('the invitation', () => alice.invites[0]);
      // RFC 5658: each side comes back the way it came.
      const routes = [...first(alice.ladder(), '< INVITE').matchAll(/^Record-Route: .*;transport=(\w+)/gm)].map(([, word]) => word);
      if (peer === 'embedded' && transport !== 'tcp') expect([routes[0], routes.at(-1)]).toEqual([transport.replace('wss', 'ws'), 'tcp']);
      invite.ring();
      await until('ringing', () => call.state === 'ringing');
      await invite.accept(ANSWER);
      expect((await call.answered).sdp).toBe(ANSWER);
      const ended = next(call.onState, (state) => state === 'ended');
      await invite.bye({ cause: 200, text: 'Call completed' });
      await ended;
      expect(call.end).toMatchObject({ by: 'remote', cause: 200 });
      // And the other way round, ended by the side that came over TCP.
      const back = alice.client.invite(session('sip:bob@lab.test'));
      const onBob = await until('the invitation at Bob', () => bob.invites[0]);
      await onBob.accept(ANSWER);
      await back.answered;
      const over = next(back.onState, (state) => state === 'ended');
      await onBob.bye();
      await over;
    },
  );

  it.each(TRANSPORTS)('over %s a body of any bytes arrives as it was sent', async (transport) => {
    const alice = await devices.registered('alice', uriOf(peer, transport), trusted());
    const bob = await devices.registered('bob', uriOf(peer, transport), trusted());
    const pager = { icsi: ICSIS.msg, conversationId: 'c', contributionId: 'k', contentType: 'application/octet-stream', body: BYTES };
    await alice.client.sendPager({ ...pager, target: 'sip:bob@lab.test' });
    expect(Uint8Array.from(bob.messages[0]?.body ?? [])).toEqual(BYTES);
  });

  it.each(TRANSPORTS)('over %s the other end is asked whether it lives, and answers', async (transport) => {
    const flow = await open(uriOf(peer, transport), trusted().ca);
    expect(await flow.probe(2_000)).toBe(true);
  });
});

/** A flow without a client over it. */
async function open(server: string, ca: readonly string[]): Promise<Flow> {
  const deps = { clock: systemClock, log: silent, connect: createConnect(ca), resolver: createResolver() };
  const flow = await new ServerLocator(server, 'lab.test', deps).open(new AbortController().signal);
  closers.push(() => flow.dispose());
  return flow;
}

describe.each(['tls', 'wss'] as const)('whose certificate it is, over %s', (transport) => {
  const PORTS = { tls: 'tlsPort', wss: 'wssPort' } as const;

  /** A network with such a certificate, and whatever was said to it. */
  async function shows(made: LabAuthority) {
    closers.push(made.dispose);
    const heard: string[] = [];
    const started = await startNetwork({
      [PORTS[transport]]: 0,
      key: made.key,
      tap: ({ direction, bytes, role }) => role === 'core' && direction === 'in' && heard.push(new TextDecoder().decode(bytes)),
    });
    closers.push(() => started.close());
    return { uri: started.uris[transport] ?? '', heard };
  }

  it('an authority that nobody told to trust is refused, and nothing is said to it', async () => {
    const { uri, heard } = await shows(await lab('lab.test'));
    const device = devices.make('alice', uri, trusted());
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'net/untrusted' });
    expect(heard).toEqual([]);
  });

  it('so is the lab’s own where no authority was named: only the world’s are trusted then', async () => {
    const device = devices.make('alice', uriOf('embedded', transport));
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'net/untrusted' });
  });

  it('a certificate of the trusted authority for another name is refused', async () => {
    const other = await lab('other.test', '127.0.0.9');
    const { uri, heard } = await shows(other);
    const device = devices.make('alice', uri, { ca: [other.ca] });
    await expect(device.client.registration.register()).rejects.toMatchObject({
      code: 'net/untrusted',
      detail: { cause: expect.stringContaining('the certificate is not one of 127.0.0.1 or lab.test') },
    });
    expect(heard).toEqual([]);
  });

  it('the network makes an authority of its own when it is given none, and tells its file', async () => {
    const own = await startNetwork({ [PORTS[transport]]: 0 });
    closers.push(() => own.close());
    const ca = [readFileSync(own.ca ?? '', 'utf8')];
    const device = await devices.registered('alice', own.uris[transport] ?? '', { ca });
    expect(device.client.registration.state).toBe('registered');
    await own.close();
    expect(existsSync(own.ca ?? '')).toBe(false);
  });
});

describe('the WebSocket listener', () => {
  const url = () => (network.uris.ws ?? '').replace(/^sip:(.*);transport=ws$/, 'ws://$1/');
  const OPTIONS =
    'OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@lab.test>;tag=1\r\nTo: <sip:lab.test>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n\r\n';

  async function webSocket(): Promise<WebSocket> {
    const socket = new WebSocket(url(), 'sip');
    closers.push(() => socket.terminate());
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return socket;
  }
  const answer = (socket: WebSocket) => new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));

  it('RFC 7118: takes a message without Content-Length, and answers in a message of its own', async () => {
    const socket = await webSocket();
    const answered = answer(socket);
    socket.send(OPTIONS);
    expect(await answered).toMatch(
      /^SIP\/2\.0 200 OK\r\nVia: SIP\/2\.0\/WS df7jal23ls0d\.invalid;branch=z9hG4bK1;received=127\.0\.0\.1\r\n/,
    );
  });

  it('answers a double CRLF, and a ping', async () => {
    const socket = await webSocket();
    const answered = answer(socket);
    socket.send('\r\n\r\n');
    expect(await answered).toBe('\r\n');
    const pong = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping();
    await pong;
  });

  it('refuses a client with another subprotocol, and plain HTTP', async () => {
    const status = await new Promise((resolve) => {
      const socket = new WebSocket(url(), 'chat');
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode)).on('error', () => undefined);
    });
    expect(status).toBe(400);
    expect((await fetch(url().replace('ws:', 'http:'))).status).toBe(426);
  });

  it.each([
    ['embedded', 'ws'],
    ['embedded', 'wss'],
    ['Kamailio', 'ws'],
    ['Kamailio', 'wss'],
  ] as const)('%s over %s: a refused upgrade that is reset ends nothing, and no web page gets in', async (peer, transport) => {
    const secure = transport === 'wss';
    const port = Number(/:(\d+);/.exec(uriOf(peer, transport))?.[1]);
    const raw = async () => {
      const bare = connect({ host: '127.0.0.1', port });
      const socket = secure ? connectTls({ socket: bare, ca: authority.ca, servername: 'lab.test' }) : bare;
      closers.push(() => bare.destroy());
      for (const each of [bare, socket]) each.on('error', () => undefined);
      await new Promise<void>((resolve) => socket.once(secure ? 'secureConnect' : 'connect', () => resolve()));
      return { bare, socket };
    };
    const upgrade = (headers: string) =>
      `GET / HTTP/1.1\r\nHost: lab.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`;
    for (const headers of ['Sec-WebSocket-Protocol: chat\r\n', 'Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.test\r\n', '']) {
      for (let round = 0; round < 20; round += 1) {
        const { bare, socket } = await raw();
        socket.write(upgrade(headers));
        bare.resetAndDestroy();
      }
    }
    const refused = async (headers: string) => {
      const { socket } = await raw();
      const heard = new Promise<string>((resolve) =>
        socket.once('data', (bytes) => resolve(bytes.toString('latin1').split('\r\n')[0] ?? '')),
      );
      socket.write(upgrade(headers));
      return heard;
    };
    expect(await refused('Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.test\r\n')).toBe('HTTP/1.1 403 Forbidden');
    expect(await refused('Sec-WebSocket-Protocol: sip\r\nOrigin: null\r\n')).toBe('HTTP/1.1 403 Forbidden');
    expect(await refused('Sec-WebSocket-Protocol: chat\r\n')).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(await refused('Sec-WebSocket-Protocol: sip\r\n')).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('closes on a message that lies about its length', async () => {
    const socket = await webSocket();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const answered = answer(socket);
    socket.send(OPTIONS.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n'));
    expect(await answered).toMatch(/^SIP\/2\.0 400 /);
    await closed;
  });
});

describe('a WebSocket URL as server', () => {
  it('is asked for by its path, its host and the subprotocol sip', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    closers.push(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const asked = new Promise<IncomingMessage>((resolve) => server.once('connection', (_socket, request) => resolve(request)));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const flow = await open(`ws://127.0.0.1:${port}/some/where?a=1`, []);
    const request = await asked;
    expect(request.url).toBe('/some/where?a=1');
    expect(request.headers).toMatchObject({ host: `127.0.0.1:${port}`, 'sec-websocket-protocol': 'sip' });
    flow.dispose();
  });

  it('and a server without that subprotocol is none', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => false });
    closers.push(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await expect(open(`ws://127.0.0.1:${port}/`, [])).rejects.toMatchObject({ code: 'net/unreachable' });
  });
});

describe('a server that is found by its domain', () => {
  const portOf = (uri: string) => Number(/:(\d+);/.exec(uri)?.[1]);

  async function names(): Promise<LabDns> {
    const dns = await LabDns.start();
    closers.push(() => dns.close());
    return dns;
  }

  function client(dns: LabDns, changes: Partial<SipAccount> = {}) {
    return devices.make('alice', null, { ...trusted(), ...changes }, silent, createResolver([dns.server]));
  }

  it('RFC 3263: NAPTR leads to SRV and on to an address; what does not answer is passed over', async () => {
    const dns = (await names())
      .naptr('lab.test', 20, 1, 'SIP+D2T', '_sip._tcp.lab.test')
      .naptr('lab.test', 10, 1, 'SIPS+D2T', '_sips._tcp.lab.test')
      .naptr('lab.test', 1, 1, 'SIP+D2U', '_sip._udp.lab.test')
      .srv('_sips._tcp.lab.test', 1, 1, await deadPort(), 'one.lab.test')
      .srv('_sips._tcp.lab.test', 2, 1, portOf(network.uris.tls ?? ''), 'two.lab.test')
      .srv('_sip._tcp.lab.test', 1, 1, portOf(network.uris.tcp), 'two.lab.test')
      .a('one.lab.test', '127.0.0.1')
      .a('two.lab.test', '127.0.0.1');
    const device = client(dns);
    await device.client.registration.register();
    expect(first(device.ladder(), '> REGISTER')).toContain('Via: SIP/2.0/TLS');
    expect(dns.asked).toContain('SRV _sips._tcp.lab.test');
    expect(dns.asked).not.toContain('SRV _sip._udp.lab.test');
  });

  it('without NAPTR the names of SRV are asked for, without these the address', async () => {
    const bySrv = (await names()).srv('_sip._tcp.lab.test', 1, 1, portOf(network.uris.tcp), 'sip.lab.test').a('sip.lab.test', '127.0.0.1');
    const device = client(bySrv);
    await device.client.registration.register();
    expect(first(device.ladder(), '> REGISTER')).toContain('Via: SIP/2.0/TCP');
    // Only a host that listens on 5060 can be found so: that it is tried there is seen in the error.
    const byAddress = (await names()).a('lab.test', '127.0.0.77');
    await expect(client(byAddress).client.registration.register()).rejects.toMatchObject({
      code: 'net/unreachable',
      detail: { cause: expect.stringContaining('127.0.0.77:5060 over tcp') },
    });
  });

  it('RFC 3263: the next attempt goes to another place after a 503', async () => {
    const busy = new SipServer();
    closers.push(() => busy.close());
    busy.onRequest = (transaction) => transaction.reply(503);
    const dns = (await names())
      .srv('_sip._tcp.lab.test', 1, 1, await busy.listen({ host: '127.0.0.1', port: 0 }), 'sip.lab.test')
      .srv('_sip._tcp.lab.test', 2, 1, portOf(network.uris.tcp), 'sip.lab.test')
      .a('sip.lab.test', '127.0.0.1');
    const { registration } = client(dns).client;
    await expect(registration.register()).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 503 } });
    await until('the registration at the other', () => registration.state === 'registered');
  });

  it('RFC 5922: the certificate must speak for the domain, not for the host that DNS named', async () => {
    const evil = await lab('host.evil.test', '127.0.0.9');
    closers.push(evil.dispose);
    const started = await startNetwork({ tlsPort: 0, key: evil.key });
    closers.push(() => started.close());
    const dns = (await names())
      .naptr('lab.test', 1, 1, 'SIPS+D2T', '_sips._tcp.lab.test')
      .srv('_sips._tcp.lab.test', 1, 1, portOf(started.uris.tls ?? ''), 'host.evil.test')
      .a('host.evil.test', '127.0.0.1');
    await expect(client(dns, { ca: [evil.ca] }).client.registration.register()).rejects.toMatchObject({ code: 'net/untrusted' });
  });

  it('an unknown domain is reported as such', async () => {
    await expect(client(await names()).client.registration.register()).rejects.toMatchObject({ code: 'net/unreachable' });
  });
});

/** A port that nobody listens on. */
async function deadPort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A wire between client and core that can fall silent without a word, as when a cable is pulled. */
async function wireTo(port: number) {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const server: Server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port });
    const pass = (from: Socket, to: Socket) => from.on('data', (bytes) => near.destroyed || lost.has(near) || to.write(bytes));
    pass(near, far);
    pass(far, near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    if (isSilent) lost.add(near);
  });
  const lost = new WeakSet<Socket>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    pull: () => {
      isSilent = true;
      for (const socket of sockets) lost.add(socket);
    },
    plug: () => {
      isSilent = false;
    },
  };
}

describe.each(['tcp', 'tls', 'wss'] as const)('half-open, over %s', (transport) => {
  it('a connection whose other end has vanished is found out, and the device is back within 5 s, bound once', async () => {
    const uri = uriOf('embedded', transport);
    const wire = await wireTo(Number(/:(\d+);/.exec(uri)?.[1]));
    const through = uri.replace(/:\d+;/, `:${wire.port};`);
    const flow = await open(through, trusted().ca);
    const alice = await devices.registered('alice', through, trusted());
    const before = alice.wire.at(-1)?.local;
    wire.pull();
    expect(await flow.probe(300)).toBe(false);
    wire.plug();
    const returned = Date.now();
    alice.client.registration.networkChanged();
    const accepted = ({ direction, local, bytes }: WireMessage) =>
      direction === 'in' && local !== before && new TextDecoder().decode(bytes).startsWith('SIP/2.0 200');
    await until('a 200 over another connection', () => alice.wire.some(accepted));
    expect(Date.now() - returned).toBeLessThan(5_000);
    expect(network.bindings('sip:alice@lab.test').map((binding) => binding.instanceId)).toEqual([alice.instanceId]);
  });
});
