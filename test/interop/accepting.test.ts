/** When real clients answer an invitation, and whom they do not answer at all. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/clients';

let network: Network;
beforeAll(async () => {
  network = await startNetwork({});
});
afterAll(() => network.close());
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const start = (name: string, accept: 'auto' | 'open' | 'reply' = 'auto') =>
  startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory, preferences: { accept } });

const reaches = (client: TestClient, message: string, states: readonly string[]) =>
  client.until(`the message is ${states.join(' or ')}`, () =>
    client.events.some((event) => event.event === 'message' && event.message === message && states.includes(event.state)) ? true : null,
  );

const received = (client: TestClient, text: string) =>
  client.until(`"${text}" has arrived`, () => client.events.find((event) => event.event === 'message' && event.text === text) ?? null);

const sessionOf = async (client: TestClient) => (await client.call('conversations', {}))[0]?.session;

const pendingOf = async (client: TestClient) => (await client.call('conversations', {}))[0]?.pending;

describe('an invitation that waits for the reply', () => {
  it('has its texts delivered before, rings on, and is answered by the text that replies', async () => {
    const [alice, bob] = [await start('alice'), await start('bob', 'reply')];
    const { message } = await alice.call('sendText', { to: bob.address, text: 'are you there?' });
    await received(bob, 'are you there?');
    await reaches(alice, message, ['delivered']);
    expect([await sessionOf(alice), await sessionOf(bob)]).toEqual(['pending', 'pending']);
    const second = await alice.call('sendText', { to: bob.address, text: 'it is about tonight' });
    await received(bob, 'it is about tonight');
    await reaches(alice, second.message, ['delivered']);
    expect([await pendingOf(alice), await pendingOf(bob)]).toEqual(['ringing', 'reply']);
    await bob.call('sendText', { to: alice.address, text: 'I am' });
    await received(alice, 'I am');
    await alice.until('the session stands', async () => ((await sessionOf(alice)) === 'established' ? true : null));
  });
});

describe('somebody who is blocked', () => {
  it('hears 486 and leaves nothing, until they are unblocked', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    expect(await bob.call('block', { address: ' alice@LAB.test' })).toEqual({ blocked: [alice.address] });
    const { message } = await alice.call('sendText', { to: bob.address, text: 'hello?', mode: 'pager' });
    const failed = await alice.until('it is refused', () =>
      alice.events.find((event) => event.event === 'message' && event.message === message && event.state === 'failed'),
    );
    expect(failed).toMatchObject({ error: { code: 'sip/rejected', status: 486 } });
    expect(await bob.call('conversations', {})).toEqual([]);
    expect(await bob.tryCall('sendText', { to: alice.address, text: 'no' })).toMatchObject({ error: { code: 'conversation/blocked' } });
    expect(await bob.tryCall('block', { address: bob.address })).toMatchObject({ error: { code: 'account/bad-address' } });
    expect((await bob.call('snapshot', {})).blocked).toEqual([alice.address]);
    expect(await bob.call('unblock', { address: alice.address })).toEqual({ blocked: [] });
    const again = await alice.call('sendText', { to: bob.address, text: 'and now?' });
    await received(bob, 'and now?');
    await reaches(alice, again.message, ['delivered', 'displayed']);
  });
});
