import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rebindLimitMs, recoveryDelayMs } from '../../main/cpm/session/media';
import { type Network, startNetwork } from '../../network/network';
import type { MessageValue } from '../../preload/contract';
import { encodeCpim } from '../../protocol/cpim';
import { ICSI } from '../../protocol/feature-tags';
import { encodeImdn } from '../../protocol/imdn';
import { encodeMultipart } from '../../protocol/multipart';
import { encodeReplacingEntry, encodeResourceLists } from '../../protocol/resource-lists';
import { RawAgent } from '../support/peers/raw-agent';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { elapse, patienceMs, until } from '../support/waiting';

let network: Network;
const agents: RawAgent[] = [];
const relays: Relay[] = [];
beforeAll(async () => {
  network = await startNetwork();
});
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
  for (const relay of relays.splice(0)) relay.close();
});
afterAll(() => network.close());

const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const portOf = (uri: string) => Number(/:(\d+);/.exec(uri)?.[1] ?? 0);

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
  startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory, ...more });

async function agent(name: string): Promise<RawAgent> {
  const made = new RawAgent({ name, device: `${name} raw`, proxy: network.uris.tcp });
  agents.push(made);
  expect(await made.register()).toBe(200);
  return made;
}

/** The next hop of one client, in the hands of the test: it passes everything on, and says what it likes besides. */
class Relay {
  readonly said: string[] = [];
  #down: Socket | null = null;
  #accepted = 0;
  private constructor(
    readonly server: Server,
    readonly proxy: string,
  ) {}

  static async start(): Promise<Relay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const address = server.address();
    const relay = new Relay(server, `sip:127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0};transport=tcp`);
    server.on('connection', (down) => relay.#join(down));
    relays.push(relay);
    return relay;
  }

  /** How many connections the client has opened. */
  get connections(): number {
    return this.#accepted;
  }

  /** Says something to the client; resolves with what the client says when `enough` does so of it, or when a moment has passed. */
  async say(bytes: string | Uint8Array, enough: (heard: string) => boolean = () => false, withinMs = 60): Promise<string> {
    const before = this.said.length;
    this.#down?.write(bytes);
    const heard = () => this.said.slice(before).join('');
    const end = Date.now() + withinMs;
    while (!enough(heard()) && Date.now() < end) await elapse(5, 'whoever gives no answer tells nobody so');
    return heard();
  }

  /** Ends the connection, as a proxy that dies in the middle of a message. */
  cut(): void {
    this.#down?.destroy();
  }

  close(): void {
    this.#down?.destroy();
    this.server.close();
  }

  #join(down: Socket): void {
    this.#accepted += 1;
    this.#down = down;
    const up = connect({ host: '127.0.0.1', port: portOf(network.uris.tcp) });
    down.on('data', (bytes) => {
      this.said.push(latin1(bytes));
      up.write(bytes);
    });
    up.on('data', (bytes) => down.write(bytes));
    for (const [one, other] of [
      [down, up],
      [up, down],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  }
}

const untilClosed = { enough: () => false };
const untilAnswered = { enough: (heard: string) => heard.includes('\r\n\r\n') };

/**
 * A stranger's connection: writes, and resolves with what came back when the other side has closed it, or it is `enough`. Without `enough` a moment
 * is waited for.
 */
function stranger(
  port: number,
  bytes: string | Uint8Array,
  options: { enough?: (heard: string) => boolean; closes?: boolean } = {},
): Promise<{ heard: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let heard = '';
    let closed = false;
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ heard, closed });
    };
    const timer = setTimeout(finish, options.enough === undefined ? 250 : patienceMs);
    socket.on('data', (data) => {
      heard += latin1(data);
      if (options.enough?.(heard) === true) finish();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed = true;
      finish();
    });
    socket.on('connect', () => {
      socket.write(bytes);
      if (options.closes === true) setTimeout(finish, 30);
    });
  });
}

const received = (one: TestClient, text: string) =>
  one.until(`it has received “${text}”`, () => {
    const event = one.events.find((candidate) => candidate.event === 'message' && candidate.direction === 'in' && candidate.text === text);
    return event?.event === 'message' ? event : null;
  });
const messageState = (one: TestClient, message: string, state: string) =>
  one.until(`the message is ${state}`, () =>
    one.events.find((event) => event.event === 'message' && event.message === message && event.state === state),
  );

let count = 0;
/** Both ways, with delivered: the chat goes on. */
async function chatGoesOn(one: TestClient, other: TestClient): Promise<void> {
  count += 1;
  const there = await one.call('sendText', { to: other.address, text: `there ${count}` });
  const arrived = await received(other, `there ${count}`);
  await messageState(one, there.message, 'delivered');
  const back = await other.call('sendText', { conversation: arrived.conversation, text: `back ${count}` });
  await received(one, `back ${count}`);
  await messageState(other, back.message, 'delivered');
}

async function textsOf(one: TestClient): Promise<string[]> {
  const all: MessageValue[] = [];
  for (const { conversation } of await one.call('conversations', {}))
    all.push(...(await one.call('messages', { conversation, limit: 500 })));
  return all.map((message) => `${message.direction} ${message.text}`);
}

/** A SIP request towards the client, each time another. */
function sip(line: string, headers: Record<string, string | null>, body = ''): string {
  count += 1;
  const all: Record<string, string | null> = {
    Via: `SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKhostile${count}`,
    From: '<sip:mallory@lab.test>;tag=m1',
    To: '<sip:alice@lab.test>',
    'Call-ID': `hostile-${count}`,
    CSeq: `1 ${line.split(' ')[0]}`,
    'Max-Forwards': '70',
    Contact: '<sip:mallory@127.0.0.1:9;transport=tcp>',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return `${[line, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

const toAlice = 'sip:alice@lab.test SIP/2.0';
const cpim = 'message/cpim';
const deep = `<?xml version="1.0"?>${'<a>'.repeat(5_000)}`;

describe('SIP that no peer may send, to a live client', () => {
  it('framed messages: each is refused or left alone, on the same connection, and the chat goes on', async () => {
    const relay = await Relay.start();
    const [alice, bob] = [await client('alice', { proxy: relay.proxy }), await client('bob')];
    await chatGoesOn(alice, bob);
    const before = await textsOf(alice);
    const people = await alice.call('conversations', {});
    const hostile: Record<string, string> = {
      'no Call-ID': sip(`MESSAGE ${toAlice}`, { 'Call-ID': null }),
      'no From': sip(`MESSAGE ${toAlice}`, { From: null }),
      'no Via': sip(`MESSAGE ${toAlice}`, { Via: null }),
      'CSeq of another method': sip(`MESSAGE ${toAlice}`, { CSeq: '1 INVITE' }),
      'CSeq beyond all numbers': sip(`MESSAGE ${toAlice}`, { CSeq: '99999999999999999999 MESSAGE' }),
      'another version': sip('MESSAGE sip:alice@lab.test SIP/7.0', {}),
      'a Request-URI that is none': sip('MESSAGE <<>> SIP/2.0', {}),
      'an unknown method': sip(`EXPLODE ${toAlice}`, {}),
      'an extension nobody has': sip(`INVITE ${toAlice}`, { Require: 'teleport' }),
      'for somebody else': sip('MESSAGE sip:carol@lab.test SIP/2.0', { 'Content-Type': cpim }, 'x'),
      'a CPIM without an end': sip(
        `MESSAGE ${toAlice}`,
        { 'Content-Type': cpim, 'P-Asserted-Identity': '<sip:bob@lab.test>' },
        'From: <sip:bob@lab.test>\r\n',
      ),
      'a body that is no CPIM': sip(
        `MESSAGE ${toAlice}`,
        { 'Content-Type': cpim, 'P-Asserted-Identity': '<sip:bob@lab.test>' },
        '\u0000\u0001\u00ff',
      ),
      'a Content-Type that is none': sip(`MESSAGE ${toAlice}`, { 'Content-Type': ';;;=/' }, 'x'),
      'an invitation without SDP': sip(`INVITE ${toAlice}`, { 'Contribution-ID': 'c', 'Accept-Contact': '*' }),
      'an SDP that is none': sip(
        `INVITE ${toAlice}`,
        { 'Contribution-ID': 'c', 'Content-Type': 'application/sdp' },
        'v=0\r\nm=message -1 x\r\n',
      ),
      'a multipart that never ends': sip(
        `INVITE ${toAlice}`,
        { 'Contribution-ID': 'c', 'Content-Type': 'multipart/mixed;boundary=b' },
        '--b\r\n\r\nhalf',
      ),
      'conference news of nobody': sip(
        `NOTIFY ${toAlice}`,
        { Event: 'conference', 'Subscription-State': 'active', 'Content-Type': 'application/conference-info+xml' },
        deep,
      ),
      'a BYE to nothing': sip(`BYE ${toAlice}`, { To: '<sip:alice@lab.test>;tag=none' }),
      'a CANCEL of nothing': sip(`CANCEL ${toAlice}`, {}),
      'an ACK to nothing': sip(`ACK ${toAlice}`, { To: '<sip:alice@lab.test>;tag=none' }),
      'an answer to nothing':
        'SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKnobody\r\nFrom: <sip:alice@lab.test>;tag=a\r\nTo: <sip:bob@lab.test>;tag=b\r\nCall-ID: nobody\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n',
      'a status that is none': 'SIP/2.0 999999 ?\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n',
      'a thousand headers': sip(`MESSAGE ${toAlice}`, Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`X-${index}`, 'x']))),
    };
    const expected: Record<string, string> = {
      'no Call-ID': '400',
      'no From': '400',
      'no Via': 'silence',
      'CSeq of another method': '400',
      'CSeq beyond all numbers': '400',
      'another version': '505',
      'a Request-URI that is none': '400',
      'an unknown method': '405',
      'an extension nobody has': '420',
      'for somebody else': '404',
      'a CPIM without an end': '400',
      'a body that is no CPIM': '400',
      'a Content-Type that is none': '415',
      'an invitation without SDP': '606',
      'an SDP that is none': '488',
      'a multipart that never ends': '606',
      'conference news of nobody': '481',
      'a BYE to nothing': '481',
      'a CANCEL of nothing': '481',
      'an ACK to nothing': 'silence',
      'an answer to nothing': 'silence',
      'a status that is none': 'silence',
      'a thousand headers': 'silence',
    };
    expect(Object.keys(hostile)).toEqual(Object.keys(expected));
    const statusOf = (heard: string) => [...heard.matchAll(/^SIP\/2\.0 ([2-6]\d\d)/gm)].at(-1)?.[1] ?? 'silence';
    const heard: Record<string, string> = {};
    for (const [name, bytes] of Object.entries(hostile)) {
      const silent = expected[name] === 'silence';
      heard[name] = statusOf(await relay.say(bytes, (text) => statusOf(text) !== 'silence', silent ? 100 : 4_000));
    }
    expect(heard).toEqual(expected);
    // Not even an empty conversation with a stranger is left of it.
    expect(await alice.call('conversations', {})).toEqual(people);
    expect(relay.connections).toBe(1);
    expect(await textsOf(alice)).toEqual(before);
    await chatGoesOn(alice, bob);
  });

  it('unreadable streams: the connection is closed, the device comes back by itself, and nothing is lost', async () => {
    const relay = await Relay.start();
    const [alice, bob] = [await client('alice', { proxy: relay.proxy }), await client('bob')];
    await chatGoesOn(alice, bob);
    const before = await textsOf(alice);
    const broken: [string, string | Uint8Array][] = [
      [
        'garbage without an end',
        Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 256).map((byte) => (byte === 13 ? 0 : byte))),
      ],
      ['no Content-Length', sip(`MESSAGE ${toAlice}`, { 'Content-Length': null })],
      ['two lengths', sip(`MESSAGE ${toAlice}`, { 'Content-Length': '1', l: '2' }, 'x')],
      ['a length below nothing', sip(`MESSAGE ${toAlice}`, { 'Content-Length': '-5' }, 'hello')],
      ['a head without an end', `MESSAGE ${toAlice}\r\nX-Long: ${'x'.repeat(300_000)}`],
    ];
    for (const [index, [name, bytes]] of broken.entries()) {
      const since = alice.events.length;
      await relay.say(bytes);
      await alice.until(`it is back after ${name}`, () => {
        const states = alice.events.slice(since).flatMap((event) => (event.event === 'registration' ? event.state : []));
        return states.at(-1) === 'registered' && relay.connections === index + 2;
      });
      const back = await alice.call('register', {});
      expect({ name, state: back.state, bindings: back.bindings }).toEqual({ name, state: 'registered', bindings: 1 });
      expect({ name, connections: relay.connections }).toEqual({ name, connections: index + 2 });
    }
    // Half a message, then nothing more.
    await relay.say(`${sip(`MESSAGE ${toAlice}`, { 'Content-Length': '5000', 'Content-Type': cpim })}half`);
    const sent = await alice.call('sendText', { to: bob.address, text: 'while it is cut' });
    relay.cut();
    await received(bob, 'while it is cut');
    await messageState(alice, sent.message, 'delivered');
    expect(await textsOf(alice)).toEqual([...before, 'out while it is cut']);
    await chatGoesOn(alice, bob);
  });
});

const msrpSend = (to: string, from: string, id: string, body: string, range = `1-${Buffer.byteLength(body)}/${Buffer.byteLength(body)}`) =>
  `MSRP ${id} SEND\r\nTo-Path: ${to}\r\nFrom-Path: ${from}\r\nMessage-ID: ${id}\r\nByte-Range: ${range}\r\nContent-Type: ${cpim}\r\n\r\n${body}\r\n-------${id}$\r\n`;

describe('MSRP that no peer may send, to a live client', () => {
  it('from strangers at its port, one of whom knows the path: refused, and the open session is not affected', async () => {
    const [alice, bob] = [await client('alice'), await client('bob')];
    await chatGoesOn(alice, bob);
    const [invite = ''] = sipRequests(alice, 'out', 'INVITE');
    const path = /a=path:(\S+)/.exec(invite)?.[1] ?? '';
    const port = Number(/^msrp:\/\/127\.0\.0\.1:(\d+)\//.exec(path)?.[1]);
    const own = 'msrp://127.0.0.1:9/stranger;tcp';
    const forged = new TextDecoder().decode(
      encodeCpim({ from: bob.address, to: [alice.address], contentType: 'text/plain', body: utf8('I am Bob') }),
    );
    const before = await textsOf(alice);
    const attempts: Record<string, { bytes: string | Uint8Array; answer: RegExp | null; closed?: boolean }> = {
      garbage: { bytes: Buffer.alloc(100_000, 0xee), answer: null, closed: true },
      'another protocol': { bytes: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', answer: null, closed: true },
      'a head without an end': { bytes: `MSRP abcd1234 SEND\r\nX: ${'x'.repeat(1_000_000)}`, answer: null, closed: true },
      'no such session': { bytes: msrpSend(`msrp://127.0.0.1:${port}/none;tcp`, own, 'aaaa1111', forged), answer: /^MSRP aaaa1111 481 / },
      'the path of the session that stands': { bytes: msrpSend(path, own, 'bbbb2222', forged), answer: /^MSRP bbbb2222 (403|481|506) / },
      'a range that is none': { bytes: msrpSend(path, own, 'cccc3333', forged, '9-1/0'), answer: /^MSRP cccc3333 4|^MSRP cccc3333 506|^$/ },
      'half a message': { bytes: msrpSend(path, own, 'dddd4444', forged).slice(0, 150), answer: null },
    };
    for (const [name, { bytes, answer, closed }] of Object.entries(attempts)) {
      const outcome = await stranger(port, bytes, closed === true ? untilClosed : { closes: name === 'half a message' });
      expect(`${name}: ${outcome.heard}`).toMatch(
        answer === null ? new RegExp(`^${name}: $`) : new RegExp(answer.source.replaceAll('^', `^${name}: `)),
      );
      if (closed === true) expect({ name, closed: outcome.closed }).toEqual({ name, closed: true });
    }
    expect(await textsOf(alice)).toEqual(before);
    await chatGoesOn(alice, bob);
    // Still the first session: nobody had to invite again.
    expect(sipRequests(alice, 'out', 'INVITE')).toHaveLength(1);
  });

  it('from its peer: a forged From is ignored, unreadable messages are refused, and garbage costs one session', async () => {
    const alice = await client('alice');
    const bob = await agent('bob');
    const { message, conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
    const call = await until('the call', () => bob.calls[0]);
    await call.media.connect(call.sdp);
    await messageState(alice, message, 'sent');
    expect(await call.media.say(alice.address, 'I am Carol', 'sip:carol@lab.test')).toBe(200);
    const arrived = await received(alice, 'I am Carol');
    expect(arrived).toMatchObject({ from: 'sip:bob@lab.test', conversation });
    expect((await alice.call('conversations', {})).map((one) => one.people.map((person) => person.address))).toEqual([
      ['sip:bob@lab.test'],
    ]);
    expect(await call.media.say(alice.address, 'I am you', alice.address)).toBe(200);
    expect(await received(alice, 'I am you')).toMatchObject({ from: 'sip:bob@lab.test', direction: 'in' });

    expect(await call.media.send(cpim, utf8('no CPIM at all'))).toBe(400);
    expect(await call.media.send('application/octet-stream', new Uint8Array(2_000).fill(255))).toBe(415);
    const texts = await textsOf(alice);
    call.media.write(Buffer.alloc(50_000, 0xee));
    // New media is agreed and never stands: this agent does not connect again.
    const isOver = async () => ((await alice.call('conversations', {})).every((one) => one.session !== 'established') ? true : null);
    await alice.until('the session is over', isOver, recoveryDelayMs + rebindLimitMs + patienceMs);
    expect(await textsOf(alice)).toEqual(texts);
    const again = await alice.call('sendText', { conversation, text: 'and again' });
    await messageState(alice, again.message, 'sent');
    const second = await until('a new call', () => bob.calls[1]);
    expect(second.invite.text).toContain('and again');
  });
});

describe('forgeries', () => {
  it('R58: a replacement requested by a third party is treated as an ordinary invitation, and the 1-1 stays', async () => {
    const [alice, bob] = [await client('alice'), await client('bob', { preferences: { accept: 'ask' } })];
    const carol = await agent('carol');
    const { conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
    const asked = await bob.until('it is asked', () => bob.events.find((event) => event.event === 'invitation') ?? null);
    await bob.call('answer', { invitation: asked.event === 'invitation' ? asked.invitation : '', accept: true });
    await alice.until('the session stands', async () =>
      (await alice.call('conversations', {}))[0]?.session === 'established' ? true : null,
    );
    const [oneToOne = ''] = sipRequests(alice, 'out', 'INVITE');
    const stolen = headerValues(oneToOne, 'Contribution-ID')[0] ?? '';
    const bobsIdentity = await bob.call('identity', {});

    const media = carol.newMedia();
    const list = encodeResourceLists([
      encodeReplacingEntry({ uri: bobsIdentity.pubGruu ?? '', instanceId: bobsIdentity.instanceId, contributionId: stolen }),
      { uri: 'sip:dave@lab.test', copyControl: 'to' },
    ]);
    const parts = [
      { contentType: 'application/sdp', headers: new Map<string, string>(), body: utf8(carol.sdpOf(media, 'actpass')) },
      { contentType: 'application/resource-lists+xml', headers: new Map([['content-disposition', 'recipient-list']]), body: utf8(list) },
    ];
    const grouping = carol.invite(
      carol
        .request('INVITE', network.factory, ICSI.group)
        .append('Require', 'recipient-list-invite')
        .append('Conversation-ID', 'forged')
        .append('Contribution-ID', 'forged-group')
        .setBody('multipart/mixed;boundary=b1', encodeMultipart(parts, 'b1')),
      media,
    );
    const invitation = await bob.until(
      'it is asked again',
      () => bob.events.find((event) => event.event === 'invitation' && event.kind === 'group') ?? null,
    );
    expect(invitation).toMatchObject({ from: { address: 'sip:carol@lab.test' }, replaces: null });
    expect(headerValues(sipRequests(bob, 'in', 'INVITE').at(-1) ?? '', 'Session-Replaces')).toEqual([stolen]);
    await bob.call('answer', { invitation: invitation.event === 'invitation' ? invitation.invitation : '', accept: true });
    expect((await grouping).answer.status).toBe(200);
    await bob.until('it is in the group', async () =>
      (await bob.call('conversations', {})).find((one) => one.kind === 'group' && one.session === 'established'),
    );
    const states = (await bob.call('conversations', {})).map((one) => [one.kind, one.session, one.continues]);
    expect(states.sort()).toEqual([
      ['group', 'established', null],
      ['oneToOne', 'established', null],
    ]);
    expect(sipRequests(bob, 'out', 'BYE')).toEqual([]);
    const { message } = await alice.call('sendText', { conversation, text: 'undisturbed' });
    await messageState(alice, message, 'delivered');
    expect(sipRequests(alice, 'out', 'INVITE')).toHaveLength(1);
  });

  it('a device that passes for a focus, in the name of the one whom the victim talks with, is refused by the network', async () => {
    const [alice, bob] = [await client('alice'), await client('bob')];
    const carol = await agent('carol');
    await chatGoesOn(alice, bob);
    const stolen = headerValues(sipRequests(alice, 'out', 'INVITE')[0] ?? '', 'Contribution-ID')[0] ?? '';
    const seen = sipRequests(bob, 'in', 'INVITE').length;
    for (const icsi of [ICSI.group, ICSI.session]) {
      const invite = carol
        .request('INVITE', bob.address, icsi)
        .set('Contact', `${carol.contact};isfocus`)
        .append('Contribution-ID', 'forged-group')
        .append('Session-Replaces', stolen)
        .append('Referred-By', `<${alice.address}>`)
        .setBody('application/sdp', carol.sdpOf(carol.newMedia(), 'actpass'));
      expect((await carol.send(invite)).status).toBe(403);
    }
    expect(sipRequests(bob, 'in', 'INVITE')).toHaveLength(seen);
    await chatGoesOn(alice, bob);
    expect(sipRequests(bob, 'out', 'BYE')).toEqual([]);
  });

  it('a message in another’s name is its sender’s, and a receipt of somebody else’s changes nothing', async () => {
    const [alice, bob] = [
      await client('alice'),
      await client('bob', { preferences: { receipts: { delivered: false, displayed: false } } }),
    ];
    const carol = await agent('carol');
    const sent = await alice.call('sendText', { to: bob.address, text: 'Hello' });
    await messageState(alice, sent.message, 'sent');
    const pager = (body: Uint8Array) =>
      carol
        .request('MESSAGE', alice.address, ICSI.msg)
        .append('P-Asserted-Identity', `"Bob" <${bob.address}>`)
        .append('Conversation-ID', 'forged')
        .append('Contribution-ID', 'forged')
        .setBody(cpim, new TextDecoder().decode(body));
    const text = encodeCpim({
      from: bob.address,
      to: [alice.address],
      messageId: 'forged-1',
      contentType: 'text/plain',
      body: utf8('Bob here'),
    });
    expect((await carol.send(pager(text).set('P-Preferred-Identity', `<${bob.address}>`))).status).toBe(403);
    expect((await carol.send(pager(text))).status).toBe(200);
    expect(await received(alice, 'Bob here')).toMatchObject({ from: 'sip:carol@lab.test' });
    for (const [kind, status] of [
      ['delivery', 'failed'],
      ['display', 'displayed'],
    ] as const) {
      const receipt = encodeImdn({ messageId: sent.message, dateTime: Date.now(), kind, status, recipient: bob.address });
      const envelope = encodeCpim({ from: bob.address, to: [alice.address], contentType: 'message/imdn+xml', body: receipt });
      expect((await carol.send(pager(envelope))).status).toBe(200);
    }
    const mine = (await alice.call('messages', { conversation: sent.conversation })).find((one) => one.message === sent.message);
    expect(mine).toMatchObject({ state: 'sent', error: null });
  });
});

describe('what strangers say to the network', () => {
  it('is refused or cut off, at every port, and the people on it go on', async () => {
    const [alice, bob] = [await client('alice'), await client('bob')];
    const carol = await client('carol');
    await chatGoesOn(alice, bob);
    const { conversation } = await alice.call('openConversation', { to: bob.address });
    const group = await alice.call('addPeople', { conversation, people: [carol.address] });
    await carol.until('it is in the group', async () =>
      (await carol.call('conversations', {})).find((one) => one.kind === 'group' && one.session === 'established'),
    );
    const media = /a=path:msrp:\/\/127\.0\.0\.1:(\d+)\//.exec(sipRequests(carol, 'in', 'INVITE').at(-1) ?? '')?.[1];
    const ports = { core: portOf(network.uris.tcp), pf: portOf(network.uris.pf ?? ''), cf: portOf(network.uris.cf ?? '') };
    for (const port of Object.values(ports)) {
      expect((await stranger(port, Buffer.alloc(200_000, 0xee), untilClosed)).closed).toBe(true);
      expect((await stranger(port, sip(`MESSAGE ${toAlice}`, { 'Content-Length': '-1' }), untilClosed)).closed).toBe(true);
      expect((await stranger(port, `OPTIONS ${toAlice}\r\nX: ${'x'.repeat(1_000_000)}`, untilClosed)).closed).toBe(true);
      expect((await stranger(port, sip(`MESSAGE ${toAlice}`, { 'Call-ID': null }))).heard).toMatch(/^(SIP\/2\.0 400 |$)/);
      await stranger(port, `${sip(`MESSAGE ${toAlice}`, { 'Content-Length': '5000' })}half`, { closes: true });
      const forged = sip(
        `MESSAGE ${toAlice}`,
        { From: '<sip:bob@lab.test>;tag=f', 'P-Asserted-Identity': '<sip:bob@lab.test>', 'Content-Type': cpim },
        'From: <sip:bob@lab.test>\r\nTo: <sip:alice@lab.test>\r\n\r\nContent-Type: text/plain\r\n\r\nstolen',
      );
      expect((await stranger(port, forged, untilAnswered)).heard).toMatch(/^SIP\/2\.0 4\d\d /);
    }
    expect((await stranger(Number(media), Buffer.alloc(100_000, 0xee), untilClosed)).closed).toBe(true);
    expect(
      (
        await stranger(Number(media), msrpSend(`msrp://127.0.0.1:${media}/none;tcp`, 'msrp://127.0.0.1:9/x;tcp', 'eeee5555', 'x'), {
          enough: (heard) => heard.endsWith('$\r\n'),
        })
      ).heard,
    ).toMatch(/^MSRP eeee5555 481 /);
    expect((await textsOf(alice)).join()).not.toContain('stolen');
    await chatGoesOn(alice, bob);
    const { message } = await alice.call('sendText', { conversation: group.conversation, text: 'all here' });
    await received(carol, 'all here');
    await messageState(alice, message, 'delivered');
  });
});
