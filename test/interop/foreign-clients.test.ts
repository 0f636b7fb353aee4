/** SIP clients that nobody here has written, which know nothing of CPM, at the embedded network: people have friends who use them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/clients';
import { LinphoneAgent } from '../support/linphone';

const alice = 'sip:alice@lab.test';
const bob = 'sip:bob@lab.test';

let network: Network;
const foreign: { dispose(): Promise<void> }[] = [];

beforeAll(async () => {
  network = await startNetwork();
});
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  await Promise.all(foreign.splice(0).map((one) => one.dispose()));
});
afterAll(() => network.close());

const client = () => startClient({ name: 'alice', address: alice, proxy: network.uris.tcp, factory: network.factory });

const received = (one: TestClient, text: string) =>
  one.until(`it has received “${text}”`, () => {
    const event = one.events.find((candidate) => candidate.event === 'message' && candidate.direction === 'in' && candidate.text === text);
    return event?.event === 'message' ? event : null;
  });

const messageState = (one: TestClient, message: string, state: string) =>
  one.until(`the message is ${state}`, () =>
    one.events.find((event) => event.event === 'message' && event.message === message && event.state === state),
  );

const composing = (one: TestClient, active: boolean) =>
  one.until(`${bob} ${active ? 'types' : 'has stopped'}`, () =>
    one.events.find((event) => event.event === 'composing' && event.from === bob && event.active === active),
  );

describe('liblinphone', () => {
  const linphone = async () => {
    const agent = await LinphoneAgent.start({ identity: bob, proxy: network.uris.tcp });
    foreign.push(agent);
    return agent;
  };

  it('is written to by pager, and says delivered, then displayed, both compressed', async () => {
    const [one, agent] = [await client(), await linphone()];
    const { message } = await one.call('sendText', { to: bob, text: 'Grüße 🎉', mode: 'pager' });
    await agent.hears('message', alice, 'Grüße 🎉');
    await messageState(one, message, 'delivered');
    agent.tell('read', alice);
    await messageState(one, message, 'displayed');
    // It compresses what nobody reads: receipts and composing states.
    const receipts = sipRequests(one, 'in', 'MESSAGE');
    expect(receipts.map((request) => headerValues(request, 'Content-Encoding'))).toEqual([['deflate'], ['deflate']]);
  });

  it('writes in CPIM and hears delivered, then displayed', async () => {
    const [one, agent] = [await client(), await linphone()];
    agent.tell('send', alice, 'Grüße 🎉');
    const arrived = await received(one, 'Grüße 🎉');
    expect(arrived.from).toBe(bob);
    await agent.hears('state', 'Grüße 🎉', 'delivered-to-user');
    await one.call('markDisplayed', { conversation: arrived.conversation, upTo: arrived.message });
    await agent.hears('state', 'Grüße 🎉', 'displayed');
  });

  it('types, and is seen to; and sees when it is written to', async () => {
    const [one, agent] = [await client(), await linphone()];
    agent.tell('send', alice, 'Hello');
    const { conversation } = await received(one, 'Hello');
    agent.tell('composing', alice);
    await composing(one, true);
    agent.tell('send', alice, 'Are you there?');
    await received(one, 'Are you there?');
    await composing(one, false);
    console.error(sipRequests(one, 'in', 'MESSAGE').join('=====\n'));
    await one.call('composing', { conversation, active: true });
    await agent.hears('composing', alice, '1');
    await one.call('composing', { conversation, active: false });
    await agent.hears('composing', alice, '0');
  });
});
