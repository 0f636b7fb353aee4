/** Sessions of real clients whose media breaks under them. */
import { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';

let network: Network;
beforeAll(async () => {
  network = await startNetwork({});
});
afterAll(() => network.close());
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const start = (name: string) => startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });

const decoder = new TextDecoder();

/** Requests of one method that a client has sent, with their text. */
const sent = (client: TestClient, method: string): string[] =>
  client.wire
    .filter((record) => record.direction === 'out' && record.protocol === 'sip')
    .map((record) => decoder.decode(record.bytes))
    .filter((text) => text.startsWith(`${method} `));

/** The own ports of the connections that a client has talked MSRP over. */
const mediaPorts = (client: TestClient): number[] =>
  client.wire.filter((record) => record.protocol === 'msrp').map((record) => Number(record.local.split(':').at(-1)));

/** Breaks every TCP connection to or from these ports, both ends at once, as a router that forgets them would. */
function breakConnections(ports: ReadonlySet<number>): number {
  // The clients run in this process; nothing else shows their sockets without a way in made for tests.
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  const sockets = handles.filter(
    (each): each is Socket => each instanceof Socket && (ports.has(each.localPort ?? 0) || ports.has(each.remotePort ?? 0)),
  );
  for (const socket of sockets) socket.destroy();
  return sockets.length;
}

async function say(from: TestClient, to: TestClient, text: string): Promise<void> {
  const { message } = await from.call('sendText', { to: to.address, text });
  await from.until(`"${text}" is delivered`, () =>
    from.events.some((event) => event.event === 'message' && event.message === message && event.state === 'delivered') ? true : null,
  );
}

const textsAt = async (client: TestClient) => {
  const [conversation] = await client.call('conversations', {});
  const messages = await client.call('messages', { conversation: conversation?.conversation ?? '', limit: 50 });
  return messages.map((message) => message.text);
};

describe('the media of a 1-1 session breaks', () => {
  it('R73 R77: and is restored by a re-INVITE in the same dialog, with nothing lost, repeated or out of order', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    await say(alice, bob, 'one');
    await say(bob, alice, 'two');
    expect(breakConnections(new Set([...mediaPorts(alice), ...mediaPorts(bob)]))).toBeGreaterThan(0);
    await say(alice, bob, 'three');
    await say(bob, alice, 'four');
    const invites = [...sent(alice, 'INVITE'), ...sent(bob, 'INVITE')];
    const callIds = new Set(invites.map((text) => /^Call-ID: *(.+)$/im.exec(text)?.[1]));
    expect(callIds.size).toBe(1);
    const again = invites.filter((text) => /^To: .*;tag=/im.test(text));
    expect(again.length).toBeGreaterThan(0);
    expect(again[0]).toContain('a=connection:new');
    expect(again[0]).toMatch(/^o=- \d+ 2 IN/m);
    expect(sent(alice, 'BYE')).toEqual([]);
    expect(await textsAt(bob)).toEqual(['one', 'two', 'three', 'four']);
    expect(await textsAt(alice)).toEqual(['one', 'two', 'three', 'four']);
  });
});
