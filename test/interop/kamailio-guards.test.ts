/** What a real Kamailio lets nobody do: speak in another's dialog, go past the policy of a person, have it connect to a port. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLabAuthority } from '../../network/core/lab-authority';
import type { Network } from '../../network/network';
import type { SipRequest, SipResponse } from '../../network/sip/message';
import { acceptContact, ICSI } from '../../protocol/feature-tags';
import { SipDevice } from '../support/peers/sip-device';
import { startBehindKamailio } from '../support/stages/kamailio-network';
import { stir, until } from '../support/waiting';

let network: Network;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  network = await startBehindKamailio({}, {});
});
afterEach(async () => {
  for (const rule of network.policy === undefined ? [] : ['alice', 'bob'])
    network.policy.allow({ served: `sip:${rule}@lab.test`, peer: 'sip:carol@lab.test', sescase: 'term' });
  await Promise.all(open.splice(0).map((each) => each.close()));
});
afterAll(() => network?.close());

async function device(user: string): Promise<SipDevice> {
  const started = await SipDevice.start({ proxy: network.uris.tcp, aor: `sip:${user}@lab.test` });
  open.push(started);
  expect((await started.register()).status).toBe(200);
  return started;
}

/** Sends a request, with a proof where one is asked for. */
async function sent(from: SipDevice, request: SipRequest): Promise<SipResponse> {
  const again = request.clone();
  const response = await from.send(request);
  if (response.status !== 407) return response;
  again.set('CSeq', `${again.cseq.number + 1} ${again.method}`);
  return from.send(from.authorised(again, response));
}

const cpm = [['Accept-Contact', acceptContact({ icsis: [ICSI.session] })]] as const;

async function dialog() {
  const [alice, bob] = [await device('alice'), await device('bob')];
  const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm);
  const answer = await sent(alice, invite);
  expect(answer.status).toBe(200);
  const seen = await bob.next('INVITE');
  const routes = answer.all('record-route').reverse();
  const request = (from: SipDevice, method: string, uri: string, way: readonly string[], number = 50) => {
    const one = from.request(method, uri).set('Call-ID', invite.callId).set('CSeq', `${number} ${method}`);
    one.set('From', invite.get('from') ?? '').set('To', answer.get('to') ?? '');
    for (const value of way) one.append('Route', value);
    return one;
  };
  /** The same from the called side. */
  const back = (from: SipDevice, method: string, uri: string, way: readonly string[]) =>
    request(from, method, uri, way)
      .set('From', answer.get('to') ?? '')
      .set('To', invite.get('from') ?? '');
  return { alice, bob, routes, seen, request, back };
}

describe('Kamailio', () => {
  it('carries a dialog between its parties, and lets nobody else speak in it', async () => {
    const { alice, bob, routes, seen, request, back } = await dialog();
    const carol = await device('carol');
    for (const way of [[], routes, seen.all('record-route'), [`<${network.uris.tcp};lr>`]]) {
      expect((await sent(carol, request(carol, 'BYE', bob.pubGruu ?? '', way))).status).toBe(481);
      expect((await sent(carol, back(carol, 'BYE', alice.pubGruu ?? '', way))).status).toBe(481);
    }
    expect([alice.received, bob.received.filter(({ method }) => method !== 'ACK')]).toEqual([[], []]);
    expect((await sent(bob, back(bob, 'OPTIONS', alice.pubGruu ?? '', seen.all('record-route')))).status).toBe(200);
    expect((await sent(alice, request(alice, 'BYE', bob.pubGruu ?? '', routes, 51))).status).toBe(200);
    expect((await bob.next('BYE')).has('p-asserted-identity')).toBe(false);
  });

  it('asks the policy of a person whatever service a request names', async () => {
    const [carol, bob] = [await device('carol'), await device('bob')];
    // A refusal that comes from the policy alone.
    expect((await sent(carol, carol.request('MESSAGE', 'sip:bob@lab.test'))).status).toBe(200);
    bob.received.splice(0);
    network.policy.deny({ served: 'sip:bob@lab.test', peer: 'sip:carol@lab.test', sescase: 'term' });
    for (const icsi of [
      null,
      'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.bogus',
      'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma%2Ecpm.msg',
      'urn:other',
    ])
      for (const method of ['MESSAGE', 'INVITE']) {
        const asked = carol.request(method, 'sip:bob@lab.test', icsi === null ? [] : [['Accept-Contact', `*;+g.3gpp.icsi-ref="${icsi}"`]]);
        expect((await sent(carol, asked)).status).toBe(403);
      }
    expect(bob.received).toEqual([]);
  });

  it('slows who guesses: after five wrong passwords none is looked at for a minute, while others sign in', async () => {
    const guesser = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:dave@lab.test', password: 'wrong' });
    open.push(guesser);
    const answers: number[] = [];
    for (let count = 0; count < 5; count += 1) answers.push((await guesser.register()).status);
    expect(answers).toEqual([401, 401, 401, 401, 401]);
    const right = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:dave@lab.test' });
    open.push(right);
    const slowed = await right.register();
    expect([slowed.status, slowed.get('retry-after')]).toEqual([503, '60']);
    await device('carol');
  });

  it('connects to no address that a caller names', async () => {
    const { alice, bob, routes, request } = await dialog();
    const knocks: string[] = [];
    const trap = createServer(() => knocks.push('knock'));
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise<void>((resolve) => trap.close(() => resolve())) });
    const there = `sip:127.0.0.1:${(trap.address() as AddressInfo).port};transport=tcp`;
    const statuses = [
      (await sent(alice, request(alice, 'OPTIONS', there, routes, 60))).status,
      (await sent(alice, request(alice, 'OPTIONS', bob.pubGruu ?? '', [...routes, `<${there};lr>`], 61))).status,
      (await sent(alice, alice.request('MESSAGE', there))).status,
    ];
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect(knocks).toEqual([]);
  });
});

describe('a connection to Kamailio', () => {
  it('that says nothing, or does not say whose it is, is closed, over TCP, TLS and WebSocket; a registered one stays', async () => {
    const lab = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
    const own = await startBehindKamailio({ tlsPort: 0, wsPort: 0, key: lab.key });
    open.push(own, { close: () => lab.dispose() });
    const registered = await SipDevice.start({ proxy: own.uris.tcp ?? '', aor: 'sip:alice@lab.test' });
    open.unshift(registered);
    expect((await registered.register()).status).toBe(200);
    const [flow] = registered.server.flows;
    const portOf = (uri: string | null) => Number(/:(\d+)/.exec((uri ?? '').replace(/^\w+:/, ''))?.[1]);
    const raw = (port: number, words: string) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(words));
      open.unshift({ close: async () => void socket.destroy() });
      socket.on('error', () => undefined).on('close', stir);
      return socket.resume();
    };
    const options =
      'OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:x@lab.test>;tag=1\r\nTo: <sip:lab.test>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n';
    const { tcp, tls, ws } = own.uris;
    const strangers = [tcp, tls, ws].flatMap((uri) => ['', 'OPT', options].map((words) => raw(portOf(uri), words)));
    await until('they are closed', () => strangers.every(({ destroyed }) => destroyed));
    const asked = registered.request('OPTIONS', 'sip:lab.test');
    expect((await registered.send(asked)).status).toBe(200);
    expect(registered.server.flows).toEqual([flow]);
  });
});
