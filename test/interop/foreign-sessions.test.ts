/** People whose client knows MSRP (RFC 4975) and nothing of CPM: chats with them are begun from both sides, and nothing is lost. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { parseCpim } from '../../protocol/cpim';
import type { MsrpMessage } from '../../protocol/msrp';
import { encodeMultipart } from '../../protocol/multipart';
import { RawAgent, type RawAgentOptions } from '../support/peers/raw-agent';
import { RoomServer } from '../support/peers/room-server';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { until } from '../support/waiting';

const alice = 'sip:alice@lab.test';
const bob = 'sip:bob@lab.test';
const utf8 = (text: string) => new TextEncoder().encode(text);

let network: Network;
let client: TestClient;
const agents: RawAgent[] = [];
beforeAll(async () => {
  network = await startNetwork({
    users: ['alice', 'bob', 'carol', 'dave', 'mallory'].map((name) => ({ name, password: 'secret' })),
  });
});
beforeEach(async () => {
  printLadderOnFailure();
  client = await startClient({ name: 'alice', address: alice, proxy: network.uris.tcp, factory: network.factory });
});
afterEach(async () => {
  await closeClients();
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});
afterAll(() => network.close());

/** A client of RFC 4975 that takes texts bare, or in envelopes too. */
async function plain(more: Partial<RawAgentOptions> = {}): Promise<RawAgent> {
  const accepts = { types: ['text/plain'], wrapped: [] };
  const agent = new RawAgent({ name: 'bob', device: 'plain', proxy: network.uris.tcp, isPlain: true, accepts, ...more });
  agents.push(agent);
  expect(await agent.register()).toBe(200);
  return agent;
}

const groupOf = () =>
  client.until('the group', async () => (await client.call('conversations', {})).find(({ kind }) => kind === 'group')?.conversation);

describe('a client of RFC 4975', () => {
  it.each([
    ['bare', { types: ['text/plain'], wrapped: [] }],
    ['in envelopes', { types: ['message/cpim', 'text/plain'], wrapped: ['*'] }],
  ])('that takes texts %s gets the first one by MSRP; its success report is "delivered"', async (_, accepts) => {
    const agent = await plain({ accepts });
    const { message } = await client.call('sendText', { to: bob, text: 'Grüße 🎉' });
    const call = await until('the call', () => agent.calls[0]);
    call.media.reports = true;
    await call.media.connect(call.sdp);
    await until('the text', () => call.media.texts.includes('Grüße 🎉'));
    await messageState(client, message, 'delivered');
    const second = await client.call('sendText', { to: bob, text: 'Again' });
    await messageState(client, second.message, 'delivered');
    expect(call.media.texts).toEqual(['Grüße 🎉', 'Again']);
    expect(agent.calls).toHaveLength(1);
  });

  it('that reports nothing has the text all the same', async () => {
    const agent = await plain();
    const { message } = await client.call('sendText', { to: bob, text: 'Hello' });
    const call = await until('the call', () => agent.calls[0]);
    await call.media.connect(call.sdp);
    await messageState(client, message, 'sent');
    expect(call.media.texts).toEqual(['Hello']);
  });

  it('begins a chat by a plain INVITE, with a bare text inside; texts go both ways', async () => {
    const agent = await plain();
    const media = agent.newMedia();
    const sdp = { contentType: 'application/sdp', headers: new Map<string, string>(), body: utf8(agent.sdpOf(media, 'active')) };
    const said = { contentType: 'text/plain', headers: new Map<string, string>(), body: utf8('First') };
    const invite = agent.request('INVITE', alice, null);
    invite.setBody('multipart/mixed;boundary=b1', new TextDecoder().decode(encodeMultipart([sdp, said], 'b1')));
    const { answer, call } = await agent.invite(invite, media);
    expect(answer.status).toBe(200);
    expect(/a=accept-types:(.*)/.exec(answer.text)?.[1]).toContain('text/plain');
    await media.connect(call?.sdp ?? '');
    const { conversation } = await received(client, 'First');
    expect(await media.send('text/plain', utf8('Second'))).toBe(200);
    expect((await received(client, 'Second')).conversation).toBe(conversation);
    await client.call('sendText', { conversation, text: 'Answer' });
    await until('the answer', () => media.texts.includes('Answer'));
    expect(agent.received.filter(({ method }) => method === 'INVITE' || method === 'MESSAGE')).toEqual([]);
  });
});

const envelopeOf = (message: MsrpMessage) => {
  const envelope = message.kind === 'request' && message.body !== null ? parseCpim(message.body) : null;
  return envelope?.ok ? [envelope.value] : [];
};

describe('a group', () => {
  it('whose focus names its connection as its Contact is watched and written to at the address that was joined', async () => {
    const server = await RoomServer.start('sip:room@lab.test');
    try {
      const guest = await startClient({ name: 'guest', address: 'sip:guest@lab.test', proxy: server.uri, factory: network.factory });
      const { conversation } = await guest.call('joinGroup', { address: server.room });
      await guest.until('the roster', async () =>
        (await guest.call('conversations', {})).find((one) => one.conversation === conversation && one.subject === 'Room'),
      );
      const watched = server.requests('SUBSCRIBE').filter((request) => request.get('event') === 'conference');
      expect(watched.map(({ uri }) => uri)).toEqual([server.room]);
      await guest.call('sendText', { conversation, text: 'Hello' });
      const said = await until('the text', () => server.media.received.flatMap(envelopeOf)[0]);
      expect([said.to, new TextDecoder().decode(said.body)]).toEqual([[server.room], 'Hello']);
    } finally {
      await closeClients();
      await server.close();
    }
  });

  it('takes a REFER outside a dialog from a participant, and from nobody else (RFC 4579)', async () => {
    const [agent, carol, mallory] = [
      await plain({ isPlain: false, accepts: { types: ['message/cpim'], wrapped: ['*'] } }),
      await plain({ name: 'carol', isPlain: false }),
      await plain({ name: 'mallory' }),
    ];
    const { conversation } = await client.call('sendText', { to: bob, text: 'Hello' });
    const first = await until('the chat', () => agent.calls[0]);
    await first.media.connect(first.sdp);
    const growing = client.call('addPeople', { conversation, people: ['sip:dave@lab.test'] });
    const invited = await until('the invitation to the group', () => agent.calls[1]);
    await invited.media.connect(invited.sdp);
    await growing;
    const focus = invited.dialog.remoteTarget;
    const refer = (from: RawAgent) => from.send(from.request('REFER', focus, null).append('Refer-To', '<sip:carol@lab.test>'));
    expect((await refer(mallory)).status).toBe(403);
    expect(carol.calls).toEqual([]);
    expect((await refer(agent)).status).toBe(202);
    const brought = await until('the newcomer is invited', () => carol.calls[0]);
    await brought.media.connect(brought.sdp);
    // This one takes texts without envelopes alone, and gets no receipts and no composing states.
    await client.call('sendText', { conversation: await groupOf(), text: 'All here?' });
    await until('the text', () => brought.media.texts.find((text) => text.endsWith(': All here?')));
    expect(brought.media.texts).toHaveLength(1);
  });
});

describe('a device that answers 200 when it is asked to sign out', () => {
  it('R20: and stays, is told as one that is still signed in', async () => {
    const agent = await plain({ name: 'alice' });
    const listed = await client.until('it is listed', async () =>
      (await client.call('devices', {})).find((device) => device.instanceId === agent.instanceId),
    );
    expect(await client.tryCall('signOutDevice', { instanceId: listed.instanceId })).toMatchObject({ error: { code: 'device/stays' } });
    expect(agent.received.filter(({ method }) => method === 'MESSAGE')).toHaveLength(1);
  });
});
