import { createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { utf8 } from '../../protocol/octets';
import { SipDevice } from '../support/peers/sip-device';
import { type Device, Devices, ICSIS, next } from '../support/stages/sip-clients';
import { until } from '../support/waiting';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 7394 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=path:msrp://127.0.0.1:7394/offer;tcp\r\na=setup:actpass\r\n';
const ANSWER = SDP.replace('/offer', '/answer').replace('actpass', 'active');
const TEXT = 'Grüße 🎉';

let network: Network;
const devices = new Devices();

beforeAll(async () => {
  network = await startNetwork();
});
afterEach(() => devices.close());
afterAll(() => network.close());

const session = (target: string, more = {}) => ({
  target,
  icsi: ICSIS.session,
  conversationId: crypto.randomUUID(),
  contributionId: crypto.randomUUID(),
  sdp: SDP,
  ...more,
});

const timesHeard = (device: Device, text: string) => device.messages.filter(({ body }) => new TextDecoder().decode(body) === text).length;

describe('two devices of one address at the embedded network', () => {
  it('R5 R30: both register and each sees both bindings with their GRUUs', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp, { deviceName: 'Laptop' });
    const tablet = await devices.registered('alice', network.uris.tcp, { deviceName: 'Tablet "é"' });
    const { registration } = tablet.client;
    expect(registration.bindings.map((binding) => binding.instanceId).sort()).toEqual([laptop.instanceId, tablet.instanceId].sort());
    expect(registration.bindings.map((binding) => binding.deviceName).sort()).toEqual(['Laptop', 'Tablet "é"']);
    for (const binding of registration.bindings) expect(binding.pubGruu).toBe(`sip:alice@lab.test;gr=${binding.instanceId}`);
    expect(registration.pubGruu).toBe(`sip:alice@lab.test;gr=${tablet.instanceId}`);
    expect(registration.tempGruu).toMatch(/^sip:tgruu\./);
    expect(registration.bindings.every((binding) => binding.icsis.includes(ICSIS.session))).toBe(true);
  });

  it('R20: signing one out leaves the other, and signing in again is the same device', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    const tablet = await devices.registered('alice', network.uris.tcp);
    await laptop.client.registration.unregister();
    expect(network.bindings('sip:alice@lab.test')).toHaveLength(1);
    await laptop.client.registration.register();
    expect(network.bindings('sip:alice@lab.test')).toHaveLength(2);
    await tablet.client.close();
    expect(network.bindings('sip:alice@lab.test')).toHaveLength(1);
  });

  it('R21: one shares its registration with telephony: calls for that reach it alone, and CPM reaches both', async () => {
    const telephony = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';
    const shared = new Map([['+g.3gpp.icsi-ref', telephony]]);
    const laptop = await devices.registered('alice', network.uris.tcp, { featureTags: shared });
    const tablet = await devices.registered('alice', network.uris.tcp);
    const bob = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:bob@lab.test', name: 'Telephone', regId: 1 });
    try {
      await bob.register();
      const reached = async (services: string) => {
        const message = bob.request('MESSAGE', 'sip:alice@lab.test').setBody('text/plain', new TextEncoder().encode(services));
        message.set('Accept-Contact', `*;+g.3gpp.icsi-ref="${services}";require;explicit`);
        expect((await bob.send(message)).status).toBe(200);
        await until('somebody has it', () => [laptop, tablet].some((one) => timesHeard(one, services) > 0));
        return [laptop, tablet].map((one) => timesHeard(one, services));
      };
      expect(await reached(telephony)).toEqual([1, 0]);
      const cpm = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg';
      await reached(cpm);
      await until('both have it', () => [laptop, tablet].every((one) => timesHeard(one, cpm) > 0));
    } finally {
      await bob.close();
    }
    // It stays the same registration.
    await laptop.client.registration.register();
    expect(network.bindings('sip:alice@lab.test')).toHaveLength(2);
  });

  it('R24: a new name reaches the registrar', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    await laptop.client.registration.rename('Küche');
    expect(laptop.client.registration.bindings[0]?.deviceName).toBe('Küche');
  });

  it('a fork rings on both; the one that is slower is told that the other has answered', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    const tablet = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const call = bob.client.invite(session('sip:alice@lab.test'));
    const onLaptop = await until('the invitation on the laptop', () => laptop.invites[0]);
    const onTablet = await until('the invitation on the tablet', () => tablet.invites[0]);
    onLaptop.ring();
    onTablet.ring();
    const over = next(onTablet.onState, (state) => state === 'ended');
    await onLaptop.accept(ANSWER);
    await call.answered;
    await over;
    expect(onTablet.end).toMatchObject({ by: 'remote', status: 487, cause: 200 });
    expect(call.remote.instanceId).toBe(laptop.instanceId);
    await call.bye();
  });

  it('a GRUU reaches one device, and so does Accept-Contact with its instance', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    const tablet = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const pager = { icsi: ICSIS.msg, conversationId: 'c', contributionId: 'k', contentType: 'message/cpim', body: utf8(TEXT) };
    await bob.client.sendPager({ ...pager, target: tablet.client.registration.pubGruu ?? '' });
    expect([laptop.messages.length, tablet.messages.length]).toEqual([0, 1]);
    await bob.client.sendPager({ ...pager, target: 'sip:alice@lab.test', acceptContactInstance: laptop.instanceId });
    expect([laptop.messages.length, tablet.messages.length]).toEqual([1, 1]);
  });
});

describe('one person to another', () => {
  it('R43: a multipart invitation is answered, used, and ended by the called side with its reason', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp, { deviceName: 'Bob’s desk' });
    const parts = [{ contentType: 'message/cpim', headers: new Map<string, string>(), body: utf8(TEXT) }];
    const call = alice.client.invite(
      session('sip:bob@lab.test', { parts, subject: TEXT, conversationId: 'conv', contributionId: 'contrib' }),
    );
    const invite = await until('the invitation', () => bob.invites[0]);
    expect(invite.sdp).toBe(SDP);
    expect(invite.parts.map((part) => new TextDecoder().decode(part.body))).toEqual([TEXT]);
    expect(invite.headers).toMatchObject({ conversationId: 'conv', contributionId: 'contrib', subject: TEXT });
    expect(invite.remote).toMatchObject({ address: 'sip:alice@lab.test', instanceId: alice.instanceId });
    expect(invite.icsis).toEqual([ICSIS.session]);
    await invite.accept(ANSWER);
    const answer = await call.answered;
    expect(answer.sdp).toBe(ANSWER);
    expect(call.remote).toMatchObject({ address: 'sip:bob@lab.test', deviceName: 'Bob’s desk', instanceId: bob.instanceId });
    const ended = next(call.onState, (state) => state === 'ended');
    await invite.bye({ cause: 200, text: 'Call completed' });
    await ended;
    expect(call.end).toMatchObject({ by: 'remote', cause: 200, text: 'Call completed' });
  });

  it('a message arrives byte for byte', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const body = Uint8Array.from({ length: 700 }, (_each, index) => index % 256);
    await alice.client.sendPager({
      target: 'sip:bob@lab.test',
      icsi: ICSIS.msg,
      conversationId: 'c',
      contributionId: 'k',
      contentType: 'application/octet-stream',
      body,
    });
    expect(Uint8Array.from(bob.messages[0]?.body ?? [])).toEqual(body);
    expect(bob.messages[0]).toMatchObject({
      contentType: 'application/octet-stream',
      headers: { contributionId: 'k' },
      icsis: [ICSIS.msg],
    });
    expect(bob.messages[0]?.remote.address).toBe('sip:alice@lab.test');
  });

  it('the caller changes its mind: CANCEL', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const call = alice.client.invite(session('sip:bob@lab.test'));
    const invite = await until('the invitation', () => bob.invites[0]);
    invite.ring();
    await until('ringing', () => call.state === 'ringing');
    const ended = next(invite.onState, (state) => state === 'ended');
    await call.bye();
    await ended;
    expect(invite.end).toMatchObject({ by: 'remote', status: 487 });
  });

  it('a refusal comes back with its status', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const call = alice.client.invite(session('sip:bob@lab.test'));
    const invite = await until('the invitation', () => bob.invites[0]);
    await invite.reject(486);
    await expect(call.answered).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 486 } });
  });

  it('R8: without GRUUs in the network the instance in the Contact names the device', async () => {
    const plain = await startNetwork({ gruu: false });
    try {
      const alice = await devices.registered('alice', plain.uris.tcp);
      const bob = await devices.registered('bob', plain.uris.tcp);
      expect(alice.client.registration.pubGruu).toBeNull();
      const call = alice.client.invite(session('sip:bob@lab.test'));
      const invite = await until('the invitation', () => bob.invites[0]);
      expect(invite.remote).toMatchObject({ gruu: null, instanceId: alice.instanceId });
      await invite.accept(ANSWER);
      await call.answered;
      const ended = next(call.onState, (state) => state === 'ended');
      await invite.bye();
      await ended;
      await devices.close();
    } finally {
      await plain.close();
    }
  });
});

describe('groups', () => {
  it('the factory makes a group, and its focus tells who is in it', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    const list = `<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list><entry uri="sip:bob@lab.test" cp:copyControl="to"/></list></resource-lists>`;
    const parts = [
      { contentType: 'application/resource-lists+xml', headers: new Map([['content-disposition', 'recipient-list']]), body: utf8(list) },
    ];
    const call = alice.client.invite(
      session(network.factory, { icsi: ICSIS.group, parts, require: ['recipient-list-invite'], subject: 'Lunch' }),
    );
    const invite = await until('the invitation', () => bob.invites[0]);
    expect(invite.remote.isFocus).toBe(true);
    expect(invite.headers.referredBy).toBe('sip:alice@lab.test');
    await invite.accept(ANSWER);
    await call.answered;
    expect(call.remote.isFocus).toBe(true);
    const documents: string[] = [];
    const subscription = alice.client.subscribeConference(call.remote.contactUri, ICSIS.group);
    subscription.onDocument.on((document) => documents.push(document));
    await until('the first document', () => documents.some((document) => document.includes('sip:bob@lab.test')));
    subscription.dispose();
    await invite.bye();
    await call.bye();
  });
});

describe('what can go wrong', () => {
  it('a wrong password is account/bad-credentials', async () => {
    const device = devices.make('alice', network.uris.tcp, { password: 'wrong' });
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'account/bad-credentials' });
    expect(device.client.registration.state).toBe('rejected');
  });

  it('nobody listens: net/unreachable at once; a name that does not exist likewise', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const refused = devices.make('alice', `sip:127.0.0.1:${port};transport=tcp`);
    await expect(refused.client.registration.register()).rejects.toMatchObject({ code: 'net/unreachable', retry: 'auto' });
    expect(refused.client.registration.state).toBe('waiting');
    const unknown = devices.make('alice', 'sip:does-not-exist.invalid;transport=tcp');
    await expect(unknown.client.registration.register()).rejects.toMatchObject({ code: 'net/unreachable' });
  });

  it('a transport that is not there yet is said so', async () => {
    const device = devices.make('alice', 'sips:127.0.0.1:5061');
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'net/unreachable', detail: { cause: /tls/ } });
  });

  it('an unknown name: the caller is told, and the session ends', async () => {
    const alice = await devices.registered('alice', network.uris.tcp);
    await expect(alice.client.invite(session('sip:nobody@lab.test')).answered).rejects.toMatchObject({ code: 'sip/rejected' });
  });

  it('a server that only listens is no server: after close nothing is left open', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.resume())).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const device = devices.make('alice', `sip:127.0.0.1:${port};transport=tcp`);
    const attempt = device.client.registration.register().catch((error: unknown) => error);
    await until('the connection', () => sockets[0]);
    const started = Date.now();
    await device.client.close();
    expect(Date.now() - started).toBeLessThan(2_500);
    expect(await attempt).toMatchObject({ code: expect.stringMatching(/^(net|sip)\//) });
    await until('the end of the connection', () => sockets[0]?.destroyed || sockets[0]?.readableEnded);
    await new Promise((resolve) => server.close(resolve));
  });

  it('closing with sessions, subscriptions and half-done requests leaves no timer and no socket', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap').length;
    const own = await startNetwork();
    const group = new Devices();
    const alice = await group.registered('alice', own.uris.tcp);
    const bob = await group.registered('bob', own.uris.tcp);
    alice.client.subscribeConference('sip:nowhere@cf.lab.test', ICSIS.group);
    alice.client.invite(session('sip:bob@lab.test'));
    const invite = await until('the invitation', () => bob.invites[0]);
    invite.ring();
    await group.close();
    await own.close();
    await until('everything to be released', () => {
      const open = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap');
      return open.length <= before;
    });
  });
});
