import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { MEDIA_RETURN_MS } from '../../network/controlling/leg';
import { type Network, type NetworkOptions, startNetwork } from '../../network/network';
import { uriOf } from '../../network/sip/header-value';
import { parseConferenceInfo } from '../../protocol/conference-info';
import { ICSI } from '../../protocol/feature-tags';
import { encodeMultipart } from '../../protocol/multipart';
import { encodeReplacingEntry, encodeResourceLists, type ResourceEntry } from '../../protocol/resource-lists';
import type { WireRecord } from '../../protocol/wire-record';
import { RawAgent, type RawCall } from '../support/peers/raw-agent';
import { until } from '../support/waiting';

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

interface Seen {
  role: string;
  direction: 'in' | 'out';
  line: string;
}

async function network(options: NetworkOptions = {}): Promise<{ net: Network; seen: Seen[] }> {
  const seen: Seen[] = [];
  const tap = (record: WireRecord) => {
    const line = new TextDecoder().decode(record.bytes).split('\r\n')[0] ?? '';
    if (record.protocol === 'sip') seen.push({ role: record.role, direction: record.direction, line });
  };
  const net = await startNetwork({ tap, ...options });
  running.push(net);
  return { net, seen };
}

async function agent(net: Network, name: string, device = 'laptop'): Promise<RawAgent> {
  const one = new RawAgent({ name, device: `${name} ${device}`, proxy: net.uris.tcp });
  running.push(one);
  expect(await one.register()).toBe(200);
  return one;
}

/** The roles that a request came to, in order. */
const arrivals = (seen: readonly Seen[], method: string) =>
  seen.filter((one) => one.direction === 'in' && one.line.startsWith(`${method} `)).map((one) => one.role);

function oneToOne(from: RawAgent, to: string) {
  const media = from.newMedia();
  const invite = from
    .request('INVITE', to, ICSI.session)
    .append('Conversation-ID', 'conversation-1')
    .append('Contribution-ID', 'one-to-one-1')
    .setBody('application/sdp', from.sdpOf(media, 'actpass'));
  return from.invite(invite, media);
}

function createGroup(from: RawAgent, net: Network, entries: (string | ResourceEntry)[]) {
  const media = from.newMedia();
  const list = encodeResourceLists(entries.map((entry) => (typeof entry === 'string' ? { uri: entry, copyControl: 'to' } : entry)));
  const parts = [
    { contentType: 'application/sdp', headers: new Map(), body: new TextEncoder().encode(from.sdpOf(media, 'actpass')) },
    {
      contentType: 'application/resource-lists+xml',
      headers: new Map([['content-disposition', 'recipient-list']]),
      body: new TextEncoder().encode(list),
    },
  ];
  const invite = from
    .request('INVITE', net.factory, ICSI.group)
    .append('Require', 'recipient-list-invite')
    .append('Subject', 'Lunch')
    .append('Conversation-ID', 'conversation-2')
    .append('Contribution-ID', 'group-1')
    .setBody('multipart/mixed;boundary=b1', encodeMultipart(parts, 'b1'));
  return from.invite(invite, media);
}

/** Subscribes to the group; returns a look at the roster as it was last told. */
async function watch(from: RawAgent, focus: string): Promise<() => Map<string, string>> {
  const subscribe = from
    .request('SUBSCRIBE', focus, ICSI.group)
    .append('Event', 'conference')
    .append('Accept', 'application/conference-info+xml')
    .append('Expires', '600');
  expect((await from.send(subscribe)).status).toBe(200);
  return () => {
    const document = parseConferenceInfo(from.last('NOTIFY')?.text ?? '');
    const users = document.ok ? document.value.users : [];
    return new Map(
      users.map((user) => [
        user.displayText ?? '',
        user.endpoints.map((one) => [one.displayText, one.status, one.disconnectionMethod].filter(Boolean).join(' ')).join(', '),
      ]),
    );
  };
}

function callOf(one: RawAgent, callId: string): RawCall {
  const call = one.calls.find((candidate) => candidate.invite.callId === callId);
  if (call === undefined) throw new Error('no such call');
  return call;
}

describe('the network by itself', () => {
  it('R38 R41 R47: a 1-1 invitation goes core, PF, core, PF, core; the Controlling Function sees nothing; so does one without a CPM tag', async () => {
    const { net, seen } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    const { answer } = await oneToOne(alice, 'sip:bob@lab.test');
    expect(answer.status).toBe(200);
    expect(arrivals(seen, 'INVITE')).toEqual(['core', 'pf', 'core', 'pf', 'core']);
    expect(bob.last('INVITE')?.get('p-asserted-identity')).toContain('<sip:alice@lab.test>');
    expect(seen.filter((one) => one.role === 'cf')).toEqual([]);
    seen.length = 0;
    const plain = alice.request('INVITE', 'sip:bob@lab.test', null).setBody('application/sdp', alice.sdpOf(alice.newMedia(), 'actpass'));
    expect((await alice.send(plain)).status).toBe(200);
    expect(arrivals(seen, 'INVITE')).toEqual(['core', 'pf', 'core', 'pf', 'core']);
  });

  it('R77: the BYE of the invited side goes back along the recorded route', async () => {
    const { net, seen } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    const { call: mine } = await oneToOne(alice, 'sip:bob@lab.test');
    const call = await until('a call at bob', () => bob.calls[0]);
    await until('the ACK', () => bob.acks[0]);
    expect(call.dialog.routeSet.length).toBeGreaterThanOrEqual(4);
    // The seals of the core differ on the two sides; the way does not.
    const way = (routes: readonly string[] = []) => routes.map((route) => route.replace(/;[cd]=[0-9a-f.]+/g, ''));
    expect(way(call.dialog.routeSet)).toEqual(way(mine?.dialog.routeSet).reverse());
    expect((await call.dialog.bye('SIP;cause=200;text="Call completed"').final).status).toBe(200);
    expect(alice.last('BYE')?.get('reason')).toContain('cause=200');
    expect(alice.last('BYE')?.callId).toBe(mine?.invite.callId);
    expect(arrivals(seen, 'BYE')).toEqual([...arrivals(seen, 'ACK')].reverse());
    expect(arrivals(seen, 'BYE').filter((role) => role === 'pf')).toHaveLength(2);
  });

  it('R46: a request denied by the policy of the sender ends at the first PF with 403', async () => {
    const { net, seen } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    net.policy.deny({ served: 'sip:alice@lab.test', sescase: 'orig', peer: 'sip:bob@lab.test' });
    expect((await oneToOne(alice, 'sip:bob@lab.test')).answer.status).toBe(403);
    expect(arrivals(seen, 'INVITE')).toEqual(['core', 'pf']);
    expect(bob.received).toEqual([]);
  });

  it('R3 R48: an invitation to somebody outside CPM reaches the interworking function, which refuses it', async () => {
    const { net, seen } = await network();
    const alice = await agent(net, 'alice');
    const media = alice.newMedia();
    const target = 'mailto:someone@example.org';
    const invite = alice.request('INVITE', target, ICSI.session).setBody('application/sdp', alice.sdpOf(media, 'actpass'));
    expect((await alice.invite(invite, media)).answer.status).toBe(416);
    expect(arrivals(seen, 'INVITE')).toEqual(['core', 'pf', 'isf']);
    expect(seen.find((one) => one.role === 'isf')?.line).toBe(`INVITE ${target} SIP/2.0`);
  });

  it('R55 R63 R69 R70: one of Bob`s devices is asked to replace its 1-1 and joins with Carol; all chat; the 1-1 ends; Carol leaves', async () => {
    const { net, seen } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob', 'desktop');
    const bobsPhone = await agent(net, 'bob', 'phone');
    const carol = await agent(net, 'carol');
    const { call: talk } = await oneToOne(alice, bob.gruu ?? '');
    expect(talk).not.toBeNull();
    seen.length = 0;
    const port = /:(\d+);/.exec(net.uris.tcp)?.[1] ?? '';

    const replacing = encodeReplacingEntry({ uri: bob.gruu ?? '', instanceId: bob.instanceId, contributionId: 'one-to-one-1' });
    const { answer, call } = await createGroup(alice, net, [replacing, 'sip:carol@lab.test']);
    expect(answer.status).toBe(200);
    const focus = uriOf(answer.get('contact') ?? '');
    expect(focus).toMatch(/^sip:grp-[0-9a-f]{24}@cf\.lab\.test$/);

    // Every leg goes through the core and a Participating Function.
    const isGroup = (one: RawAgent) => () => one.received.find((request) => request.get('contact')?.includes('isfocus') === true);
    const bobs = await until('the invitation at bob', isGroup(bob));
    const carols = await until('the invitation at carol', isGroup(carol));
    for (const invite of [bobs, carols]) {
      const vias = invite.all('via');
      expect(vias).toHaveLength(4);
      // The core towards the device and towards the PF, the PF, and the core towards the Controlling Function.
      expect(invite.all('record-route')).toHaveLength(4);
      expect(invite.all('record-route').filter((route) => route.includes(`:${port};`))).toHaveLength(1);
    }
    expect(bobs.get('session-replaces')).toBe('one-to-one-1');
    expect(bobs.all('accept-contact')[1]).toContain(bob.instanceId);
    expect(carols.has('session-replaces')).toBe(false);
    expect(bobsPhone.received).toEqual([]);

    // Bob ends the 1-1 with Alice along its own signalling path.
    const old = await until('the 1-1 at bob', () => bob.calls.find((one) => one.invite.get('contribution-id') === 'one-to-one-1'));
    expect((await old.dialog.bye('SIP;cause=200;text="Call completed"').final).status).toBe(200);
    expect(alice.last('BYE')?.callId).toBe(talk?.invite.callId);

    const roster = await watch(alice, focus);
    const everybody = [
      ['Alice', 'alice laptop connected'],
      ['Bob', 'bob desktop connected'],
      ['Carol', 'carol laptop connected'],
    ];
    await until('all three in the roster', () => ([...roster().values()].every((status) => status.endsWith(' connected')) ? true : null));
    expect([...roster()].map(([name, status]) => [name.charAt(0).toUpperCase() + name.slice(1), status])).toEqual(everybody);

    // Media: each of them connects to the focus.
    const calls = [call, callOf(bob, bobs.callId), callOf(carol, carols.callId)] as const;
    const [a, b, c] = calls;
    for (const one of calls) await one?.media.connect(one.sdp);
    expect(await a?.media.say(focus, 'hello everybody')).toBe(200);
    await until(
      'the message at both',
      () => (b.media.texts.includes('hello everybody') && c.media.texts.includes('hello everybody')) || null,
    );
    expect(a?.media.texts).toEqual([]);
    expect(await b.media.say(focus, 'I am Alice', 'sip:alice@lab.test')).toBe(403);
    expect(await b.media.say('sip:alice@lab.test', 'a receipt')).toBe(200);
    await until('the private one at alice', () => a?.media.texts.includes('a receipt') || null);
    expect(c.media.texts).toEqual(['hello everybody']);

    expect((await c.dialog.bye('SIP;cause=200;text="Call completed"').final).status).toBe(200);
    await until('carol departed', () => roster().get('Carol') === 'carol laptop disconnected departed' || null);
    expect(net.groups()).toMatchObject([{ focus, active: true }]);
  });

  it('R56 R61: a blocked inviter is refused by the recipient`s PF, and the group continues with the others', async () => {
    const { net } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    const carol = await agent(net, 'carol');
    net.policy.deny({ served: 'sip:bob@lab.test', sescase: 'term', peer: 'sip:alice@lab.test' });
    const { answer, call } = await createGroup(alice, net, ['sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test']);
    expect(answer.status).toBe(200);
    const focus = uriOf(answer.get('contact') ?? '');
    const roster = await watch(alice, focus);
    await until('nobody is being invited any more', () =>
      [...roster().values()].some((status) => status.includes('dialing')) ? null : true,
    );
    expect(roster().get('Bob')).toBe('disconnected failed');
    expect(roster().get('Carol')).toBe('carol laptop connected');
    expect(roster().get('Dave')).toBe('disconnected failed');
    expect(bob.received).toEqual([]);
    await call?.media.connect(call.sdp);
    const carols = await until('a call at carol', () => carol.calls[0]);
    await carols.media.connect(carols.sdp);
    expect(await call?.media.say(focus, 'just us')).toBe(200);
    await until('the message at carol', () => carols.media.texts.includes('just us') || null);
  });

  it('R65: Alice gets 200 while Bob is still ringing, and Bob joins later', async () => {
    const { net } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    await agent(net, 'carol');
    bob.answerWith = 'hold';
    expect((await createGroup(alice, net, ['sip:bob@lab.test', 'sip:carol@lab.test'])).answer.status).toBe(200);
    const ringing = await until('bob rings', () => bob.ringing[0]);
    expect(ringing.isAnswered).toBe(false);
    bob.answer(ringing, 200);
    await until('bob in the group', () =>
      net.groups()[0]?.participants.find((one) => one.address === 'sip:bob@lab.test' && one.status === 'connected'),
    );
  });

  it('sends BYE to a member that loses its media connection and does not return', async () => {
    const { net } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    const { call } = await createGroup(alice, net, ['sip:bob@lab.test']);
    await call?.media.connect(call.sdp);
    const bobs = await until('a call at bob', () => bob.calls[0]);
    await bobs.media.connect(bobs.sdp);
    bobs.media.hangUp();
    const bye = await until('a BYE at bob', () => bob.last('BYE'), 2 * MEDIA_RETURN_MS + 5_000);
    expect(bye.get('reason')).toContain('cause=503');
  });
});

describe('starting and stopping', () => {
  it('ends within a second, with a group and connections open, and leaves no handle', async () => {
    const handles = () => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
    await until('the connections of former tests are gone', () => handles() === 0 || null);
    const { net } = await network();
    const alice = await agent(net, 'alice');
    const bob = await agent(net, 'bob');
    const { call } = await createGroup(alice, net, ['sip:bob@lab.test']);
    await call?.media.connect(call.sdp);
    expect(handles()).toBeGreaterThan(8);
    const started = Date.now();
    await net.close();
    await net.close();
    expect(Date.now() - started).toBeLessThan(1000);
    await alice.close();
    await bob.close();
    await until('no TCP handle is left', () => handles() === 0 || null);
  });

  it('ends without a word about parts of it that have ended already', async () => {
    const said: string[] = [];
    const { net } = await network({ log: (level, text) => level !== 'warn' || said.push(text) });
    await agent(net, 'alice');
    // The core is about to tell the Participating Function that nobody is there any more.
    net.endBindings('sip:alice@lab.test', { event: 'deactivated' });
    await net.close();
    expect(said).toEqual([]);
  });

  it('says which port is in use, and leaves nothing running', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(startNetwork({ tcpPort: port })).rejects.toThrow(`Port ${port} on 127.0.0.1 is in use by another program`);
    await new Promise((resolve) => other.close(resolve));
    running.push(await startNetwork({ tcpPort: port }));
  });

  it.each<[string, NetworkOptions, string]>([
    ['a bad domain', { domain: 'lab test' }, 'not a domain name'],
    ['a bad port', { tcpPort: 70_000 }, 'not a port number'],
    ['no role', { roles: [] }, 'No role is chosen'],
    ['a core beside the core', { core: 'sip:127.0.0.1:5060' }, 'not both'],
    ['no core at all', { roles: ['cf'] }, 'a core to serve must be named'],
    ['a core that is no address', { roles: ['cf'], core: 'kamailio' }, 'is not an address'],
    [
      'a user twice',
      {
        users: [
          { name: 'al', password: 'x' },
          { name: 'AL', password: 'y' },
        ],
      },
      'the same name',
    ],
    ['a user without a password', { users: [{ name: 'al', password: '' }] }, 'has no password'],
    ['an impossible name', { users: [{ name: 'a b', password: 'x' }] }, 'cannot be the name'],
    ['a foreign address', { listen: '192.0.2.1' }, 'is not an address of this computer'],
  ])('refuses %s', async (_, options, words) => {
    await expect(startNetwork(options)).rejects.toThrow(words);
  });

  it('serves four people by default, and nobody with a wrong password', async () => {
    const { net } = await network();
    expect(net.users.map((user) => `${user.displayName} ${user.address}`)).toEqual([
      'Alice sip:alice@lab.test',
      'Bob sip:bob@lab.test',
      'Carol sip:carol@lab.test',
      'Dave sip:dave@lab.test',
    ]);
    expect(net.factory).toBe('sip:conference-factory@lab.test');
    const stranger = new RawAgent({ name: 'alice', device: 'x', password: 'wrong', proxy: net.uris.tcp });
    running.push(stranger);
    expect(await stranger.register()).toBe(401);
    expect(net.bindings('sip:alice@lab.test')).toEqual([]);
  });
});
