import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../network/network';
import type { WireRecord } from '../../protocol/wire-record';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';
import { elapse } from '../support/waiting';

describe.each(networks)('R87: messages for somebody whose devices are all off, at $name', ({ start }) => {
  let network: Network;
  const wire: WireRecord[] = [];

  beforeEach(async () => {
    wire.length = 0;
    printLadderOnFailure(wire);
    network = await start({ tap: (record) => wire.push(record) });
  });
  afterEach(async () => {
    await closeClients();
    await network.close();
  });

  const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
    startClient({
      name,
      address: `sip:${name.replace(/-.*/, '')}@lab.test`,
      proxy: network.uris.tcp,
      factory: network.factory,
      ...more,
    });

  /** Signs off, as a client does that is closed by its person. */
  const leave = async (one: TestClient) => {
    await one.call('unregister', {});
    await one.close();
  };

  const textsOf = async (one: TestClient) => {
    const [conversation] = await one.call('conversations', {});
    if (conversation === undefined) return [];
    const messages = await one.call('messages', { conversation: conversation.conversation, limit: 50 });
    return messages.map(({ text }) => text);
  };

  /** The answers that a client has had to its requests of one method. */
  const answers = (one: TestClient, method: string) =>
    one.wire
      .filter((record) => record.protocol === 'sip' && record.direction === 'in')
      .map((record) => new TextDecoder().decode(record.bytes))
      .filter((text) => text.startsWith('SIP/2.0 ') && headerValues(text, 'CSeq')[0]?.endsWith(` ${method}`));

  const lines = ['first', 'second', 'third'];
  const writeThree = async (alice: TestClient) => {
    const sent: string[] = [];
    for (const text of lines) {
      const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text });
      await messageState(alice, message, 'sent');
      sent.push(message);
    }
    return sent;
  };

  it('Alice writes three lines and leaves; Bob comes and has them in order, once; Alice comes and sees them delivered', async () => {
    const alice = await client('alice-laptop');
    const sent = await writeThree(alice);
    expect(sipRequests(alice, 'out', 'INVITE').length).toBeGreaterThan(0);
    await leave(alice);

    const bob = await client('bob-desk');
    await received(bob, 'third');
    expect(await textsOf(bob)).toEqual(lines);
    const pushed = sipRequests(bob, 'in', 'MESSAGE');
    expect(pushed).toHaveLength(3);
    for (const message of pushed) {
      expect(headerValues(message, 'Accept-Contact').join()).toContain('oma.cpm.deferred');
      expect(headerValues(message, 'P-Asserted-Identity').join()).toContain('<sip:alice@lab.test>');
    }
    // Their receipts wait for Alice in turn.
    const back = await client('alice-laptop', { dataDir: alice.dataDir });
    for (const message of sent) await messageState(back, message, 'delivered');
    expect(await textsOf(back)).toEqual(lines);
  });

  it('pager messages wait as well', async () => {
    const alice = await client('alice-laptop');
    const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'by pager', mode: 'pager' });
    await messageState(alice, message, 'sent');
    const bob = await client('bob-desk');
    await received(bob, 'by pager');
    await messageState(alice, message, 'delivered');
  });

  it('the second device of Bob, which was here before, has them when it comes later, and Alice hears of it once', async () => {
    await leave(await client('bob-desk'));
    const before = await client('bob-tablet');
    // A device that the PF has not heard of yet counts as one that comes for the first time, and gets nothing that another one has taken.
    await elapse(1_500, 'a core tells the PF of a registration after its 200');
    await leave(before);
    const alice = await client('alice-laptop');
    const sent = await writeThree(alice);
    const desk = await client('bob-desk-2');
    await received(desk, 'third');
    for (const message of sent) await messageState(alice, message, 'delivered');
    await leave(desk);
    const tablet = await client('bob-tablet', { dataDir: before.dataDir });
    await received(tablet, 'third');
    expect(await textsOf(tablet)).toEqual(lines);
    const delivered = () => sipRequests(alice, 'in', 'MESSAGE').filter((message) => message.includes('<delivered'));
    const taken = () => answers(tablet, 'MESSAGE').filter((answer) => answer.startsWith('SIP/2.0 200 ')).length;
    await expect.poll(taken, { timeout: 8_000 }).toBeGreaterThanOrEqual(3);
    expect(delivered()).toHaveLength(3);
  });

  it('a long text waits as well', async () => {
    const alice = await client('alice-laptop');
    const text = 'ä long text '.repeat(8_000);
    // The first text opens the session; the long one goes over it.
    await messageState(alice, (await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'first' })).message, 'sent');
    const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text });
    await messageState(alice, message, 'sent');
    const bob = await client('bob-desk');
    await received(bob, text);
    expect(await textsOf(bob)).toEqual(['first', text]);
    await messageState(alice, message, 'delivered');
  });

  it('an anonymous text waits as well, and is answered without a name', async () => {
    const alice = await client('alice-laptop');
    const { conversation } = await alice.call('openConversation', { to: 'sip:bob@lab.test', anonymous: true });
    const { message } = await alice.call('sendText', { conversation, text: 'who am I?' });
    await messageState(alice, message, 'sent');
    const bob = await client('bob-desk');
    const arrived = await received(bob, 'who am I?');
    expect(arrived.from).toBe('sip:anonymous@anonymous.invalid');
    expect(sipRequests(bob, 'in', 'MESSAGE').join()).not.toContain('alice');
    await messageState(alice, message, 'delivered');
    const reply = await bob.call('sendText', { conversation: arrived.conversation, text: 'tell me' });
    await received(alice, 'tell me');
    await messageState(bob, reply.message, 'delivered');
  });

  it('somebody is added to a chat with a person who is away: the group stands with the others', async () => {
    const alice = await client('alice-laptop');
    const carol = await client('carol');
    const { message, conversation } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'first' });
    await messageState(alice, message, 'sent');
    const { conversation: group } = await alice.call('addPeople', { conversation, people: [carol.address] });
    await alice.call('sendText', { conversation: group, text: 'to the group' });
    await received(carol, 'to the group');
    const bob = await client('bob-desk');
    await received(bob, 'first');
  });

  it('what needs the person’s decision is not kept: a blocked sender hears the refusal', async () => {
    network.policy.deny({ served: 'sip:bob@lab.test', sescase: 'term', peer: 'sip:alice@lab.test', status: 603 });
    const alice = await client('alice-laptop');
    const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'refused' });
    await messageState(alice, message, 'failed');
    const bob = await client('bob-desk');
    expect(await textsOf(bob)).toEqual([]);
  });
});
