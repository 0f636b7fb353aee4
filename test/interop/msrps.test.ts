import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { MsrpEndpoint } from '../../main/msrp/endpoint';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import { type Network, startNetwork } from '../../network/network';
import type { MediaTls } from '../../preload/contract';
import { encodeMsrp } from '../../protocol/msrp';
import { MsrpParser } from '../../protocol/msrp-parser';
import { RawAgent } from '../support/peers/raw-agent';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';
import { until } from '../support/waiting';

beforeEach(() => printLadderOnFailure());
const agents: RawAgent[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});
const never = (): never => {
  throw new Error('nothing is there');
};

const received = (one: TestClient, text: string) =>
  one.until(`it has received “${text}”`, () =>
    one.events.find((event) => event.event === 'message' && event.direction === 'in' && event.text === text),
  );
const mediaOf = (one: TestClient) => new Set(one.wire.filter((record) => record.protocol === 'msrp').map((record) => record.transport));

describe.each(networks)('at $name', ({ start }) => {
  let network: Network;
  beforeAll(async () => {
    network = await start();
  });
  afterAll(() => network?.close());

  it('a 1-1 session whose caller wants it runs over TLS alone, both ways, with a fingerprint in each description', async () => {
    const client = (name: string, mediaTls: MediaTls) =>
      startClient({
        name,
        address: `sip:${name}@lab.test`,
        proxy: network.uris.tcp ?? '',
        factory: 'sip:conference-factory@lab.test',
        mediaTls,
      });
    const [alice, bob] = [await client('alice', 'always'), await client('bob', 'auto')];
    const first = await alice.call('sendText', { to: bob.address, text: 'first' });
    await received(bob, 'first');
    await alice.call('sendText', { conversation: first.conversation, text: 'second' });
    const arrived = await received(bob, 'second');
    await bob.call('sendText', { conversation: arrived.event === 'message' ? arrived.conversation : '', text: 'back' });
    await received(alice, 'back');
    expect([mediaOf(alice), mediaOf(bob)]).toEqual([new Set(['tls']), new Set(['tls'])]);
    const [invite = ''] = sipRequests(bob, 'in', 'INVITE');
    expect(headerValues(invite, 'Content-Type')[0]).toContain('multipart');
    expect(invite).toMatch(/m=message \d+ TCP\/TLS\/MSRP /);
    expect(invite).toMatch(/a=path:msrps:/);
    const answer =
      alice.wire.map((record) => new TextDecoder().decode(record.bytes)).find((text) => /^SIP\/2\.0 200.*m=message/s.test(text)) ?? '';
    for (const description of [invite, answer]) expect(description).toMatch(/a=fingerprint:sha-256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}\r\n/);
    expect(answer).toContain('TCP/TLS/MSRP');
  });
});

describe.each(networks)('where the server is reached over TLS, at $name', ({ start }) => {
  let network: Network;
  let authority: LabAuthority;
  beforeAll(async () => {
    authority = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
    network = await start({ tlsPort: 0, key: authority.key });
  });
  afterAll(() => Promise.all([network?.close(), authority?.dispose()]));
  const client = (name: string, mediaTls?: MediaTls, transport: 'tls' | 'tcp' = 'tls') =>
    startClient({
      name,
      address: `sip:${name}@lab.test`,
      proxy: network.uris[transport] ?? '',
      factory: network.factory,
      ca: [authority.ca],
      ...(mediaTls === undefined ? {} : { mediaTls }),
    });
  const becomes = (one: TestClient, encrypted: boolean, kind: 'oneToOne' | 'group' = 'oneToOne') =>
    one.until(`its chat says ${encrypted ? 'encrypted' : 'not encrypted'}`, async () =>
      (await one.call('conversations', {})).some((chat) => chat.kind === kind && chat.encrypted === encrypted),
    );

  it('a chat and the group that it becomes run over TLS, also to a member who asks for none, and everybody is told', async () => {
    const [alice, bob, carol] = [await client('alice'), await client('bob'), await client('carol', 'never', 'tcp')];
    const first = await alice.call('sendText', { to: bob.address, text: 'first' });
    await received(bob, 'first');
    await Promise.all([becomes(alice, true), becomes(bob, true)]);
    const { conversation } = await alice.call('addPeople', { conversation: first.conversation, people: [carol.address] });
    await alice.call('sendText', { conversation, text: 'to all' });
    await Promise.all([received(bob, 'to all'), received(carol, 'to all')]);
    for (const one of [alice, bob, carol]) {
      await becomes(one, true, 'group');
      expect(mediaOf(one)).toEqual(new Set(['tls']));
    }
  });

  it('“never” asks for it in clear, which is told', async () => {
    const [alice, bob] = [await client('alice', 'never'), await client('bob')];
    await alice.call('sendText', { to: bob.address, text: 'first' });
    await Promise.all([becomes(alice, false), becomes(bob, false)]);
    expect(mediaOf(alice)).toEqual(new Set(['tcp']));
  });

  /** A device that is no Chorus and has no TLS for media; it leaves every INVITE ringing. */
  const foreign = async (name: string) => {
    const agent = new RawAgent({ name, device: `${name} raw`, proxy: network.uris.tcp ?? '' });
    agents.push(agent);
    agent.answerWith = 'hold';
    expect(await agent.register()).toBe(200);
    const asked = async (count: number) =>
      (await until('an INVITE rings', () => agent.ringing.length >= count && agent.ringing[count - 1])).request;
    return { agent, asked };
  };
  const isSent = (one: TestClient, message: string) =>
    one.until('the text is sent', () =>
      one.events.some((event) => event.event === 'message' && event.message === message && event.state === 'sent'),
    );

  it('a device that refuses TLS is asked once more, without, with the same text; the chat says that it is not encrypted', async () => {
    const [{ agent, asked }, alice] = [await foreign('dave'), await client('alice')];
    const { message } = await alice.call('sendText', { to: agent.address, text: 'first' });
    const overTls = await asked(1);
    expect(overTls.text).toContain('TCP/TLS/MSRP');
    agent.answer(agent.ringing[0] ?? never(), 488);
    const inClear = await asked(2);
    expect([inClear.text.includes('m=message'), inClear.text.includes('TCP/TLS')]).toEqual([true, false]);
    for (const invite of [overTls, inClear]) expect(invite.text).toContain('first');
    expect(inClear.get('contribution-id')).toBe(overTls.get('contribution-id'));
    agent.answer(agent.ringing[1] ?? never(), 200);
    const call = agent.calls[0] ?? never();
    await call.media.connect(call.sdp);
    await isSent(alice, message);
    await becomes(alice, false);
    await alice.call('sendText', { to: agent.address, text: 'second' });
    await until('the second text', () => call.media.texts.includes('second'));
    expect(agent.ringing).toHaveLength(2);
  });

  it('a device that answers without TLS is offered the media without, in the same dialog', async () => {
    const [{ agent, asked }, alice] = [await foreign('dave'), await client('alice')];
    const { message } = await alice.call('sendText', { to: agent.address, text: 'first' });
    await asked(1);
    agent.answer(agent.ringing[0] ?? never(), 200);
    const renewed = await until('a re-INVITE', () => agent.renewed[0]);
    expect(/m=message \d+ (\S+)/.exec(renewed.sdp)?.[1]).toBe('TCP/MSRP');
    await renewed.media.connect(renewed.sdp);
    await isSent(alice, message);
    await becomes(alice, false);
    await alice.call('sendText', { to: agent.address, text: 'second' });
    await until('the second text', () => renewed.media.texts.includes('second'));
    expect(agent.ringing).toHaveLength(1);
  });

  it('“always” never asks for it in clear', async () => {
    const [{ agent, asked }, alice] = [await foreign('dave'), await client('alice', 'always')];
    await alice.call('sendText', { to: agent.address, text: 'first' });
    await asked(1);
    agent.answer(agent.ringing[0] ?? never(), 488);
    await alice.until('the session is over', async () => (await alice.call('conversations', {}))[0]?.session === 'ended');
    expect(sipRequests(alice, 'out', 'INVITE').filter((invite) => /m=message \d+ TCP\/MSRP/.test(invite))).toEqual([]);
  });
});

describe('where the network itself carries the media', () => {
  let network: Network;
  beforeAll(async () => {
    network = await startNetwork({});
  });
  afterAll(() => network?.close());
  const client = (name: string, mediaTls: MediaTls) =>
    startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory, mediaTls });

  it('R49: an anonymous chat runs over TLS through the relay, whose fingerprint replaces the other side’s in each SDP', async () => {
    const [alice, bob] = [await client('alice', 'always'), await client('bob', 'auto')];
    const first = await alice.call('sendText', { to: bob.address, text: 'first', anonymous: true });
    const arrived = await received(bob, 'first');
    await bob.call('sendText', { conversation: arrived.event === 'message' ? arrived.conversation : '', text: 'back' });
    await received(alice, 'back');
    await alice.call('sendText', { conversation: first.conversation, text: 'second' });
    await received(bob, 'second');
    expect([mediaOf(alice), mediaOf(bob)]).toEqual([new Set(['tls']), new Set(['tls'])]);
    const fingerprint = /a=fingerprint:sha-256 (\S+)/;
    const [offered, heard] = [sipRequests(alice, 'out', 'INVITE')[0] ?? '', sipRequests(bob, 'in', 'INVITE')[0] ?? ''];
    expect(heard).toMatch(/m=message \d+ TCP\/TLS\/MSRP /);
    expect(fingerprint.exec(heard)?.[1]).toBeDefined();
    expect(fingerprint.exec(heard)?.[1]).not.toBe(fingerprint.exec(offered)?.[1]);
  });

  it('a group that its maker asks for over TLS runs over TLS to everybody', async () => {
    const [alice, bob, carol] = [await client('alice', 'always'), await client('bob', 'auto'), await client('carol', 'auto')];
    const first = await alice.call('sendText', { to: bob.address, text: 'first' });
    await received(bob, 'first');
    const { conversation } = await alice.call('addPeople', { conversation: first.conversation, people: [carol.address], subject: 'Lunch' });
    const invited = (one: TestClient) =>
      one.until('it is in the group', async () => {
        const group = (await one.call('conversations', {})).find(({ kind }) => kind === 'group');
        return group?.session === 'established' ? group.conversation : null;
      });
    const [bobs] = await Promise.all([invited(bob), invited(carol), invited(alice)]);
    await alice.call('sendText', { conversation, text: 'to all' });
    await Promise.all([received(bob, 'to all'), received(carol, 'to all')]);
    await bob.call('sendText', { conversation: bobs, text: 'from Bob' });
    await Promise.all([received(alice, 'from Bob'), received(carol, 'from Bob')]);
    for (const one of [alice, bob, carol]) expect(mediaOf(one)).toEqual(new Set(['tls']));
  });
});

describe('TLS that is switched while chats are open', () => {
  let network: Network;
  beforeAll(async () => {
    network = await startNetwork({});
  });
  afterAll(() => network?.close());

  it('a 1-1 and a group continue over TLS at once; a member who switches TLS off does not lose a group that requires it', async () => {
    const client = (name: string) =>
      startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });
    const [alice, bob, carol] = await Promise.all([client('alice'), client('bob'), client('carol')]);
    const first = await alice.call('sendText', { to: bob.address, text: 'first' });
    await received(bob, 'first');
    expect(await alice.call('setMedia', { mediaTls: 'always' })).toEqual({ mediaTls: 'always', msrpRelay: null });
    await alice.call('sendText', { conversation: first.conversation, text: 'second' });
    await received(bob, 'second');
    const [, invite = ''] = sipRequests(alice, 'out', 'INVITE');
    expect(invite).toMatch(/m=message \d+ TCP\/TLS\/MSRP /);

    const { conversation } = await alice.call('addPeople', { conversation: first.conversation, people: [carol.address] });
    await alice.call('sendText', { conversation, text: 'to all' });
    await Promise.all([received(bob, 'to all'), received(carol, 'to all')]);
    await alice.call('setMedia', { mediaTls: 'never' });
    await alice.until('it is back in the group', async () => {
      const group = (await alice.call('conversations', {})).find((one) => one.conversation === conversation);
      return group?.session === 'established' && sipRequests(alice, 'out', 'INVITE').length > 4 ? true : null;
    });
    const [again = '', overTls = ''] = sipRequests(alice, 'out', 'INVITE').slice(-2);
    expect([again, overTls].map((one) => /m=message \d+ (\S+)/.exec(one)?.[1])).toEqual(['TCP/MSRP', 'TCP/TLS/MSRP']);
    await alice.call('sendText', { conversation, text: 'back again' });
    await Promise.all([received(bob, 'back again'), received(carol, 'back again')]);
  });
});

describe('two endpoints over real TLS', () => {
  const endpoints: MsrpEndpoint[] = [];
  const endpoint = (ca?: string[]) => {
    const made = new MsrpEndpoint({ clock: systemClock, log: silentLogger, ...(ca === undefined ? {} : { ca }) });
    endpoints.push(made);
    return made;
  };
  afterEach(() => {
    for (const each of endpoints.splice(0)) each.dispose();
  });
  const named = <T>(fingerprint: T | null) => ({ fingerprints: fingerprint === null ? [] : [fingerprint] });
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => 'established',
      (error: { code?: string }) => error.code,
    );

  it('exchange a megabyte both ways', async () => {
    const [a, b] = [await endpoint().prepare({ secure: true }), await endpoint().prepare({ secure: true })];
    const got: number[] = [];
    for (const side of [a, b]) side.handleMessage = async ({ body }) => void got.push(body.length);
    await Promise.all([a.start([b.localPath], 'active', named(b.fingerprint)), b.start([a.localPath], 'passive', named(a.fingerprint))]);
    const body = new Uint8Array(1_000_000).fill(0x78);
    await Promise.all([a, b].map((side) => side.send({ contentType: 'text/plain', body })));
    expect(got).toEqual([1_000_000, 1_000_000]);
  });

  it('a wrong fingerprint is refused: the active side sends nothing, the passive side is not bound', async () => {
    const [a, b, stranger] = [
      await endpoint().prepare({ secure: true }),
      await endpoint().prepare({ secure: true }),
      await endpoint().prepare({ secure: true }),
    ];
    const waiting = outcome(b.start([a.localPath], 'passive', named(stranger.fingerprint)));
    expect(await outcome(a.start([b.localPath], 'active', named(stranger.fingerprint)))).toBe('net/untrusted');
    const c = await endpoint().prepare({ secure: true });
    expect(await outcome(c.start([b.localPath], 'active', named(b.fingerprint)))).toBe('msrp/rejected');
    expect(b.state).toBe('connecting');
    b.close();
    expect(await waiting).toBe('msrp/closed');
  });
});

describe('a server whose SDP names no fingerprint', () => {
  let lab: LabAuthority;
  beforeAll(async () => {
    lab = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
  });
  afterAll(() => lab?.dispose());

  it.each([
    ['is believed when the authority that the client trusts vouches for it', true, 'established'],
    ['is not believed otherwise', false, 'net/untrusted'],
  ])('%s', async (_what, trusts, expected) => {
    const server = createServer({ key: lab.key.key, cert: lab.key.certificate }, (socket: TLSSocket) => {
      const parser = new MsrpParser();
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        const messages = parser.push(bytes);
        for (const message of messages.ok ? messages.value : []) {
          const { transactionId, toPath, fromPath } = message;
          socket.write(
            encodeMsrp({
              kind: 'response',
              transactionId,
              status: 200,
              reason: 'OK',
              toPath: fromPath,
              fromPath: toPath,
              continuation: '$',
            }),
          );
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const client = new MsrpEndpoint({ clock: systemClock, log: silentLogger, ...(trusts ? { ca: [lab.ca] } : {}) });
    try {
      const session = await client.prepare({ secure: true });
      const started = session.start([`msrps://127.0.0.1:${port}/lab;tcp`], 'active').then(
        () => 'established',
        (error: { code?: string }) => error.code,
      );
      expect(await started).toBe(expected);
    } finally {
      client.dispose();
      server.close();
    }
  });
});
