import * as net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startCore } from '../../network/core/core';
import { newRequest } from '../../network/sip/dialog';
import { HALF_MESSAGE_TIMEOUT_MS } from '../../network/sip/flow';
import { addressTarget } from '../../network/sip/proxy';
import { MAX_CONNECTIONS, SipServer } from '../../network/sip/sip-server';
import type { WireMessage } from '../../protocol/wire-record';
import { VirtualClock } from '../support/doubles/network-doubles';
import { SipDevice } from '../support/peers/sip-device';
import { tortureMessages } from '../support/rfc4475/messages';
import { until } from '../support/waiting';
import { HOSTILE_MESSAGES } from '../unit/network/hostile-messages';

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function server(clock?: VirtualClock, tap?: (record: WireMessage) => void): Promise<{ server: SipServer; port: number }> {
  const started = new SipServer({ ...(clock && { clock }), ...(tap && { tap }) });
  open.push(() => started.close());
  started.onRequest = (transaction) => transaction.reply(200);
  return { server: started, port: await started.listen({ host: '127.0.0.1', port: 0 }) };
}

/** A plain TCP connection that remembers what it hears. */
function wire(port: number) {
  const socket = net.connect({ host: '127.0.0.1', port });
  open.push(() => socket.destroy());
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  const until = async (wanted: RegExp): Promise<string> => {
    while (!wanted.test(heard)) await new Promise<void>((done) => socket.once('data', () => done()));
    return heard;
  };
  return { socket, closed, until, heard: () => heard };
}

const options = (extra = 'Content-Length: 0') =>
  `OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/TCP client.invalid;branch=z9hG4bK${Math.random().toString(36).slice(2)};rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@lab.test>;tag=1\r\nTo: <sip:lab.test>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n${extra}\r\n\r\n`;

describe('one connection', () => {
  it('a double CRLF is answered by a single one, between messages as well', async () => {
    const { port } = await server();
    const client = wire(port);
    client.socket.write('\r\n\r\n');
    expect(await client.until(/^\r\n/)).toBe('\r\n');
    client.socket.write(`${options()}\r\n\r\n`);
    expect(await client.until(/\r\n\r\n\r\n$/)).toMatch(/^\r\nSIP\/2\.0 200 OK\r\n/);
  });

  it('RFC 3581: the answer tells where the request came from, and names the branch it came with', async () => {
    const { port } = await server();
    const client = wire(port);
    client.socket.write(options());
    const heard = await client.until(/\r\n\r\n$/);
    expect(heard).toMatch(
      new RegExp(`Via: SIP/2\\.0/TCP client\\.invalid;branch=z9hG4bK\\w+;rport=${client.socket.localPort};received=127\\.0\\.0\\.1\\r\\n`),
    );
  });

  it('a stream that cannot be cut is answered 400 with the reason, and closed', async () => {
    const { port } = await server();
    const client = wire(port);
    client.socket.write(options('Subject: no length'));
    await client.closed;
    expect(client.heard()).toMatch(/^SIP\/2\.0 400 a message without Content-Length/);
  });

  it('a message that begins and never ends is not waited for longer than HALF_MESSAGE_TIMEOUT_MS', async () => {
    const clock = new VirtualClock();
    const { server: subject, port } = await server(clock);
    const client = wire(port);
    client.socket.write(options());
    await client.until(/\r\n\r\n$/);
    const before = clock.pending;
    client.socket.write('OPTIONS sip:lab.test SIP/2.0\r\n');
    while (clock.pending === before) await new Promise((done) => setImmediate(done));
    clock.advance(HALF_MESSAGE_TIMEOUT_MS);
    await client.closed;
    expect(subject.flows).toEqual([]);
  });

  it('the tap sees every message byte for byte, with both addresses', async () => {
    const records: WireMessage[] = [];
    const { port } = await server(undefined, (record) => records.push(record));
    const client = wire(port);
    const sent = options();
    client.socket.write(sent);
    const heard = await client.until(/\r\n\r\n$/);
    expect(records.map((record) => [record.direction, record.local, record.remote, new TextDecoder().decode(record.bytes)])).toEqual([
      ['in', `127.0.0.1:${port}`, `127.0.0.1:${client.socket.localPort}`, sent],
      ['out', `127.0.0.1:${port}`, `127.0.0.1:${client.socket.localPort}`, heard],
    ]);
  });
});

describe('connections', () => {
  it('one to an address is opened once and reused; nobody there gives a local 503', async () => {
    const target = await server();
    const subject = await server();
    const ask = (port: number) =>
      subject.server.request(newRequest('OPTIONS', 'sip:lab.test', { from: '<sip:a@x>', to: '<sip:b@x>' }), { host: '127.0.0.1', port })
        .final;
    expect((await Promise.all([ask(target.port), ask(target.port)])).map((response) => response.status)).toEqual([200, 200]);
    expect(target.server.flows).toHaveLength(1);
    await target.server.close();
    expect((await ask(target.port)).status).toBe(503);
  });

  it('MAX_CONNECTIONS: one more is closed at once, and the others live on', async () => {
    const { server: subject, port } = await server();
    const clients = Array.from({ length: MAX_CONNECTIONS }, () => wire(port));
    await until('all are connected', () => subject.flows.length === MAX_CONNECTIONS);
    await wire(port).closed;
    clients[0]?.socket.write(options());
    expect(await clients[0]?.until(/\r\n\r\n$/)).toMatch(/^SIP\/2\.0 200/);
  });

  it('when all places are taken, a registered device keeps its own and a newcomer gets the oldest of a stranger', async () => {
    const core = await startCore({ domain: 'lab.test', users: [{ name: 'alice', password: 'secret' }] });
    open.push(() => core.close());
    const alice = await SipDevice.start({ proxy: core.uri, aor: 'sip:alice@lab.test' });
    open.push(() => alice.close());
    expect((await alice.register()).status).toBe(200);
    const strangers = Array.from({ length: MAX_CONNECTIONS - 1 }, () => wire(core.port));
    for (const { socket } of strangers) socket.write(options());
    await Promise.all(strangers.map((one) => one.until(/\r\n\r\n$/)));
    const newcomer = await SipDevice.start({ proxy: core.uri, aor: 'sip:alice@lab.test' });
    open.push(() => newcomer.close());
    expect((await newcomer.register()).status).toBe(200);
    await strangers[0]?.closed;
    expect((await alice.register()).status).toBe(200);
    expect(core.bindings('sip:alice@lab.test')).toHaveLength(2);
  });

  it('a connection cut while a request waits gives 503 to the waiting side, and tells the side that should answer', async () => {
    const target = await server();
    const subject = await server();
    const lost = new Promise<void>((done) => {
      target.server.onRequest = (transaction) => {
        transaction.onFlowLost = done;
        for (const flow of subject.server.flows) flow.close();
      };
    });
    const { final } = subject.server.request(newRequest('OPTIONS', 'sip:x', { from: '<sip:a@x>', to: '<sip:b@x>' }), {
      host: '127.0.0.1',
      port: target.port,
    });
    expect((await final).status).toBe(503);
    await lost;
  });
});

describe('a core under fire', () => {
  it('survives every hostile message and every one of RFC 4475, each on its own connection, and then registers a device', async () => {
    const core = await startCore({ domain: 'lab.test', users: [{ name: 'alice', password: 'secret' }] });
    open.push(() => core.close());
    const shots = [...HOSTILE_MESSAGES.map(({ bytes }) => bytes), ...tortureMessages.values()];
    await Promise.all(
      shots.map(async (bytes) => {
        const client = wire(core.port);
        await new Promise<void>((done) => client.socket.write(bytes, () => done()));
        client.socket.end();
        await client.closed;
      }),
    );
    const device = await SipDevice.start({ proxy: core.uri, aor: 'sip:alice@lab.test' });
    open.push(() => device.close());
    expect((await device.register()).status).toBe(200);
    expect(addressTarget(core.uri)?.port).toBe(core.port);
  });
});
