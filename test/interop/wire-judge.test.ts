import { connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { WireRecord } from '../../protocol/wire-record';
import { Capture } from '../support/peers/packet-judge';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { elapse } from '../support/waiting';

let network: Network;
const roles: WireRecord[] = [];
beforeAll(async () => {
  network = await startNetwork({ tap: (record) => roles.push(record) });
});
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());
afterAll(() => network.close());

const client = (name: string) => startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });

const messageState = (one: TestClient, message: string, state: string) =>
  one.until(`the message is ${state}`, () =>
    one.events.find((event) => event.event === 'message' && event.message === message && event.state === state),
  );
const session = (one: TestClient, kind: string, state: string) =>
  one.until(`its ${kind} is ${state}`, async () =>
    (await one.call('conversations', {})).find((own) => own.kind === kind && own.session === state && own.joined),
  );

/** One 1-1 and its upgrade: texts, receipts, composing, a pager message, participants, leaving. */
async function story(alice: TestClient, bob: TestClient, carol: TestClient, round: string): Promise<void> {
  const first = await alice.call('sendText', { to: bob.address, text: `Grüße 🎉 ${round}` });
  await messageState(alice, first.message, 'delivered');
  const theirs = await session(bob, 'oneToOne', 'established');
  await bob.call('composing', { conversation: theirs.conversation, active: true });
  const reply = await bob.call('sendText', { conversation: theirs.conversation, text: 'und zurück' });
  await messageState(bob, reply.message, 'delivered');
  await alice.call('markDisplayed', { conversation: first.conversation, upTo: reply.message });
  await messageState(bob, reply.message, 'displayed');
  const pager = await bob.call('sendText', { to: carol.address, text: 'a pager message', mode: 'pager' });
  await messageState(bob, pager.message, 'delivered');

  const { conversation: group } = await alice.call('addPeople', {
    conversation: first.conversation,
    people: [carol.address],
    subject: `Lunch ${round}`,
  });
  await Promise.all([bob, carol].map((one) => session(one, 'group', 'established')));
  await session(bob, 'oneToOne', 'replaced');
  const hello = await alice.call('sendText', { conversation: group, text: 'Willkommen' });
  await messageState(alice, hello.message, 'delivered');
  for (const one of [carol, bob, alice]) {
    const own = await session(one, 'group', 'established');
    await one.until('it sees everybody', async () =>
      (await one.call('participants', { conversation: own.conversation })).length === 3 ? true : null,
    );
    await one.call('leave', { conversation: own.conversation });
  }
  await alice.until('the 1-1 is over', async () =>
    (await alice.call('conversations', {})).every((own) => own.session !== 'established') ? true : null,
  );
}

/** How long nothing must be sent before all is said. */
const quietMs = 500;

/** What went out, by kind: each message is counted by the one who sent it. */
function countsOf(records: readonly WireRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const record of records) {
    if (record.direction !== 'out') continue;
    const [first = '', second = '', third = ''] = (new TextDecoder().decode(record.bytes).split('\r\n')[0] ?? '').split(' ');
    const kind = record.protocol === 'msrp' ? `msrp ${third}` : `sip ${first === 'SIP/2.0' ? second : first}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Resolves once a count has stayed the same for a while. */
async function quiet(count: () => number): Promise<void> {
  for (let seen = -1; seen !== count(); ) {
    seen = count();
    await elapse(quietMs, 'nothing tells that no more is sent');
  }
}

const inOrder = (counts: ReadonlyMap<string, number>) => Object.fromEntries([...counts].sort(([one], [other]) => one.localeCompare(other)));
const portOf = (place: string) => Number(place.slice(place.lastIndexOf(':') + 1));

describe('tshark reads the wire', () => {
  it('the 1-1 and its upgrade to a group: every packet well formed, and as many of each kind as were sent', async () => {
    const clients = [await client('alice'), await client('bob'), await client('carol')] as const;
    // The first round tells which ports this test speaks on; they stay the same, and the capture sees no others.
    await story(...clients, 'one');
    // An answer of it may still be on its way, and would be captured without being counted.
    await quiet(() => clients.reduce((sum, one) => sum + one.wire.length, roles.length));
    const spoken = (protocol: 'sip' | 'msrp') => [
      ...new Set(
        [...roles, ...clients.flatMap((one) => one.wire)]
          .filter((record) => record.protocol === protocol)
          .flatMap((record) => [portOf(record.local), portOf(record.remote)]),
      ),
    ];
    const ports = { sip: spoken('sip'), msrp: spoken('msrp') };
    const capture = await Capture.start([...ports.sip, ...ports.msrp]);
    try {
      const before = [...clients.map((one) => one.wire), roles].map((wire) => [wire, wire.length] as const);
      for (const one of clients) await one.call('register', {});
      await story(...clients, 'two');
      for (const one of clients) await one.call('unregister', {});
      const verdict = await capture.read(ports);
      expect(verdict.faults).toEqual([]);
      const sent = countsOf(before.flatMap(([wire, from]) => wire.slice(from)));
      expect(inOrder(verdict.counts)).toEqual(inOrder(sent));
      // What the two stories are made of; a request is there once a hop.
      for (const kind of ['INVITE', 'ACK', 'BYE', 'MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'REGISTER', '200'])
        expect(verdict.counts.get(`sip ${kind}`)).toBeGreaterThan(2);
      const own = countsOf(before.filter(([wire]) => wire !== roles).flatMap(([wire, from]) => wire.slice(from)));
      expect(own.get('sip REGISTER')).toBeGreaterThanOrEqual(6);
      expect(verdict.counts.get('msrp SEND')).toBe(verdict.counts.get('msrp 200'));
      // The bodies were looked into, not only carried.
      for (const body of ['sdp', 'xml', 'mime_multipart']) expect(verdict.bodies.get(body)).toBeGreaterThan(5);
    } finally {
      capture.dispose();
    }
  });

  it('and would find what is wrong: a broken SDP, a multipart without its boundary, MSRP without its paths', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.resume()));
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const msrp = createServer((socket) => sockets.push(socket.resume()));
    await new Promise<void>((resolve) => msrp.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const msrpAddress = msrp.address();
    const msrpPort = typeof msrpAddress === 'object' && msrpAddress !== null ? msrpAddress.port : 0;
    const capture = await Capture.start([port, msrpPort]);
    const say = async (to: number, text: string) => {
      const socket = connect({ host: '127.0.0.1', port: to });
      sockets.push(socket);
      await new Promise<void>((resolve) => socket.once('connect', () => socket.write(text, () => resolve())));
    };
    const message = (type: string, body: string) =>
      [
        'MESSAGE sip:b@lab.test SIP/2.0',
        'Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1',
        'From: <sip:a@lab.test>;tag=1',
        'To: <sip:b@lab.test>',
        'Call-ID: 1',
        'CSeq: 1 MESSAGE',
        `Content-Type: ${type}`,
        `Content-Length: ${body.length}`,
        '',
        body,
      ].join('\r\n');
    try {
      await say(port, message('text/plain', 'whole'));
      await say(port, message('application/sdp', 'v=0\r\no=-\r\ns=-\r\nc=IN IP4\r\nm=message\r\nzzz\r\n'));
      await say(port, message('multipart/mixed', '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n'));
      await say(msrpPort, 'MSRP abcd1234 200 OK\r\nTo-Path: msrp://127.0.0.1:9/x;tcp\r\n-------abcd1234$\r\n');
      const verdict = await capture.read({ sip: [port], msrp: [msrpPort] });
      expect(verdict.counts.get('sip MESSAGE')).toBe(3);
      expect(verdict.faults).toEqual([
        expect.stringContaining('Invalid SDP line'),
        expect.stringContaining('multipart'),
        expect.stringContaining('MSRP without'),
      ]);
    } finally {
      capture.dispose();
      for (const socket of sockets) socket.destroy();
      server.close();
      msrp.close();
    }
  });
});
