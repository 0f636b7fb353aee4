/** The ports of the functions, and of the core for them, are open to every program on this computer: it says nothing there without the secret. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { newRequest } from '../../network/sip/dialog';
import { SECRET_HEADER } from '../../network/sip/function-secret';
import { addressTarget } from '../../network/sip/proxy';
import { SipServer } from '../../network/sip/sip-server';
import { acceptContact, ICSI } from '../../protocol/feature-tags';
import type { WireRecord } from '../../protocol/wire-record';
import { SipDevice } from '../support/peers/sip-device';
import { startBehindKamailio } from '../support/stages/kamailio-network';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

const secret = 'f'.repeat(48);
const seen: WireRecord[] = [];
const networks = {
  'the embedded network': () => startNetwork({ functionSecret: secret, tap: (record) => seen.push(record) }),
  Kamailio: () => startBehindKamailio(),
};

describe.each(Object.entries(networks))('at %s', (_name, start) => {
  let network: Network;
  beforeAll(async () => {
    seen.length = 0;
    network = await start();
  });
  afterAll(() => network?.close());

  async function bobs(): Promise<SipDevice> {
    const bob = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:bob@lab.test', instanceId: `urn:uuid:${randomUUID()}` });
    open.push(bob);
    expect((await bob.register()).status).toBe(200);
    return bob;
  }

  async function stranger(): Promise<SipServer> {
    const server = new SipServer();
    open.push(server);
    await server.listen({ host: '127.0.0.1', port: 0 });
    server.onRequest = (transaction) => transaction.reply(200);
    return server;
  }

  it('a local program that speaks as Alice through a function’s port is refused, whatever secret it tries', async () => {
    const bob = await bobs();
    const server = await stranger();
    for (const uri of [network.uris.pf, network.uris.cf])
      for (const guess of [null, '', 'guess', 'x'.repeat(48)]) {
        const message = newRequest('MESSAGE', 'sip:bob@lab.test', { from: '<sip:alice@lab.test>', to: '<sip:bob@lab.test>' })
          .append('Route', `<${uri};lr>`)
          .append('P-Served-User', '<sip:alice@lab.test>;sescase=orig;regstate=reg')
          .append('P-Asserted-Identity', '<sip:alice@lab.test>')
          .append('Accept-Contact', acceptContact({ icsis: [ICSI.msg] }))
          .setBody('text/plain', 'I am Alice');
        if (guess !== null) message.append(SECRET_HEADER, guess);
        const target = addressTarget(uri ?? '');
        if (target === null) throw new Error('no port');
        expect((await server.request(message, target).final).status).toBe(403);
      }
    expect(bob.received).toEqual([]);
  });

  it('no device is told the secret, and none in a client’s request goes on', async () => {
    const [bob, alice] = [await bobs(), await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:alice@lab.test' })];
    open.push(alice);
    await alice.register();
    for (const method of ['MESSAGE', 'INVITE']) {
      const request = () => alice.request(method, 'sip:bob@lab.test').append(SECRET_HEADER, 'mine');
      let response = await alice.send(request());
      if (response.status === 407) response = await alice.send(alice.authorised(request(), response));
      expect(response.status).toBe(200);
      expect((await bob.next(method)).has(SECRET_HEADER)).toBe(false);
      expect(response.has(SECRET_HEADER)).toBe(false);
    }
    expect(seen.some(({ bytes }) => Buffer.from(bytes).includes(secret))).toBe(false);
  });
});

describe('the core’s own port for the functions', () => {
  it('lets nobody in without the secret', async () => {
    const network = await startNetwork({ functionSecret: secret });
    open.push(network);
    const bob = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:bob@lab.test' });
    open.push(bob);
    await bob.register();
    const invite = bob.request('INVITE', 'sip:bob@lab.test');
    await bob.send(invite);
    const route = (await bob.next('INVITE'))
      .all('record-route')
      .find((value) => !value.includes(`:${new URL(network.uris.tcp.replace('sip:', 'http://').replace(/;.*/, '')).port};`));
    const service = addressTarget(/<(sip:[^;>]+)/.exec(route ?? '')?.[1] ?? '');
    if (service === null) throw new Error('the port for the functions is not in the Record-Route');
    const server = new SipServer();
    open.push(server);
    await server.listen({ host: '127.0.0.1', port: 0 });
    const message = newRequest('MESSAGE', 'sip:bob@lab.test', { from: '<sip:alice@lab.test>', to: '<sip:bob@lab.test>' }).append(
      'P-Asserted-Identity',
      '<sip:alice@lab.test>',
    );
    expect((await server.request(message, service).final).status).toBe(403);
    expect(bob.received.filter(({ method }) => method === 'MESSAGE')).toEqual([]);
  });
});
