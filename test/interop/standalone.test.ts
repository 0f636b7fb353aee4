/** Messages by themselves, without a session: long ones, to several people, with replies elsewhere, under another name. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../network/network';
import type { WireRecord } from '../../protocol/wire-record';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

describe.each(networks)('standalone messages at $name', ({ start }) => {
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
  const bob = 'sip:bob@lab.test';
  const long = 'ein langer Text, '.repeat(2_000);

  const msrpSends = (one: TestClient, direction: 'in' | 'out') =>
    one.wire
      .filter((record) => record.protocol === 'msrp' && record.direction === direction)
      .map((record) => new TextDecoder().decode(record.bytes))
      .filter((text) => /^MSRP \S+ SEND/.test(text) && text.includes('Content-Type: message/cpim'));

  const preferences = async (one: TestClient, accept: 'ask' | 'auto') => {
    const { preferences: now } = await one.call('snapshot', {});
    await one.call('setPreferences', { ...now, accept });
  };

  it('R86: a long text arrives as one MSRP message without a session, ringing or a question, and is told as delivered', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    await preferences(desk, 'ask');
    const { message, conversation } = await alice.call('sendText', { to: bob, text: long });
    const arrived = await received(desk, long);
    expect(arrived).toMatchObject({ message, standalone: 'large' });
    const told = await messageState(alice, message, 'delivered');
    expect(told).toMatchObject({ standalone: 'large' });
    const [invite] = sipRequests(alice, 'out', 'INVITE');
    expect(headerValues(invite ?? '', 'Accept-Contact').join()).toContain('oma.cpm.largemsg');
    expect(headerValues(invite ?? '', 'Contact').join()).toContain('oma.cpm.largemsg');
    expect(headerValues(invite ?? '', 'P-Preferred-Service')).toEqual(['urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg']);
    expect(invite).toContain('a=sendonly');
    expect(sipRequests(desk, 'in', 'INVITE')).toHaveLength(1);
    await alice.until('it has ended the transfer', () => sipRequests(alice, 'out', 'BYE')[0]);
    for (const [one, id] of [
      [alice, conversation],
      [desk, arrived.conversation],
    ] as const) {
      const shown = one.events.filter((event) => event.event === 'conversation' && event.conversation === id);
      expect(shown.length).toBeGreaterThan(0);
      expect(shown.filter((event) => event.event === 'conversation' && event.session !== 'none')).toEqual([]);
      expect(one.events.filter(({ event }) => event === 'invitation')).toEqual([]);
    }
    // One receipt, as a pager message.
    expect(sipRequests(alice, 'in', 'MESSAGE').filter((text) => text.includes('<delivered'))).toHaveLength(1);
    // The registration says it.
    expect(headerValues(sipRequests(alice, 'out', 'REGISTER')[0] ?? '', 'Contact').join()).toContain('+g.gsma.rcs.cpm.pager-large');
    expect(msrpSends(alice, 'out').length).toBeGreaterThan(0);
  });

  it('R86: a long text reaches each device of the other person, and one that was off when it comes', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    const tablet = await client('bob-tablet');
    const { message } = await alice.call('sendText', { to: bob, text: long });
    await received(desk, long);
    await received(tablet, long);
    await messageState(alice, message, 'delivered');
    expect(sipRequests(alice, 'in', 'MESSAGE').filter((text) => text.includes('<delivered'))).toHaveLength(1);
    for (const one of [desk, tablet]) {
      await one.call('unregister', {});
      await one.close();
    }
    const second = await alice.call('sendText', { to: bob, text: `${long} noch einmal` });
    await messageState(alice, second.message, 'sent');
    const back = await client('bob-desk', { dataDir: desk.dataDir });
    await received(back, `${long} noch einmal`);
    await messageState(alice, second.message, 'delivered');
  });

  it('R86: a device that takes no large messages gets a long text in a chat', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    await desk.call('setCapability', { name: 'large', on: false });
    const able = await alice.call('capabilities', { address: bob });
    expect(able.capabilities).not.toContain('large');
    const { message } = await alice.call('sendText', { to: bob, text: long });
    await received(desk, long);
    expect(await messageState(alice, message, 'delivered')).not.toHaveProperty('standalone');
    expect(headerValues(sipRequests(alice, 'out', 'INVITE')[0] ?? '', 'P-Preferred-Service').join()).toContain('oma.cpm.session');
  });

  it('R99: one text to several people leaves as one request; each has it in the 1-1, replies there, and who cannot be reached is named', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    const carol = await client('carol');
    const people = [bob, 'sip:carol@lab.test', 'sip:nobody@lab.test'];
    const { copies } = await alice.call('sendSeparately', { people, text: 'to each of you' });
    expect(copies.map(({ to }) => to)).toEqual(people);
    const atBob = await received(desk, 'to each of you');
    const atCarol = await received(carol, 'to each of you');
    expect([atBob, atCarol].map(({ from, standalone }) => [from, standalone])).toEqual([
      ['sip:alice@lab.test', 'pager'],
      ['sip:alice@lab.test', 'pager'],
    ]);
    const [toBob, toCarol, toNobody] = copies;
    await messageState(alice, toBob?.message ?? '', 'delivered');
    await messageState(alice, toCarol?.message ?? '', 'delivered');
    expect(await messageState(alice, toNobody?.message ?? '', 'failed')).toMatchObject({ error: { code: 'message/undelivered' } });
    const lists = sipRequests(alice, 'out', 'MESSAGE').filter((text) => text.includes('recipient-list-message'));
    // A core that asks for a proof has the same request twice.
    expect(new Set(lists.flatMap((text) => headerValues(text, 'Call-ID'))).size).toBe(1);
    expect(headerValues(lists[0] ?? '', 'P-Preferred-Service')).toEqual(['urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg.group']);
    // Nobody learns of the others.
    const atDevices = [...sipRequests(desk, 'in', 'MESSAGE'), ...sipRequests(carol, 'in', 'MESSAGE')].filter((text) =>
      text.includes('to each'),
    );
    expect(atDevices).toHaveLength(2);
    expect(sipRequests(desk, 'in', 'MESSAGE').join()).not.toContain('carol');
    await desk.call('sendText', { conversation: atBob.conversation, text: 'only to Alice' });
    expect(await received(alice, 'only to Alice')).toMatchObject({ conversation: toBob?.conversation });
    expect(carol.events.filter((event) => event.event === 'message' && event.text === 'only to Alice')).toEqual([]);
  });

  it('R99: a long text to several people reaches each of them as one large message', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    const carol = await client('carol');
    const { copies } = await alice.call('sendSeparately', { people: [bob, 'sip:carol@lab.test'], text: long });
    for (const one of [desk, carol]) expect(await received(one, long)).toMatchObject({ standalone: 'large' });
    for (const { message } of copies) await messageState(alice, message, 'delivered');
  });

  it('R88: an answer goes where the sender asks for it, and the chat says so before', async () => {
    const alice = await client('alice-laptop');
    const desk = await client('bob-desk');
    const carol = await client('carol');
    await alice.call('sendText', { to: bob, text: 'please answer Carol', mode: 'pager', replyTo: carol.address });
    const asked = await received(desk, 'please answer Carol');
    expect(asked).toMatchObject({ from: alice.address, replyTo: carol.address });
    const [chat] = await desk.call('conversations', {});
    expect(chat).toMatchObject({ conversation: asked.conversation, repliesTo: carol.address });
    const answer = await desk.call('sendText', { conversation: asked.conversation, text: 'my answer' });
    expect(await received(carol, 'my answer')).toMatchObject({ from: 'sip:bob@lab.test' });
    await messageState(desk, answer.message, 'delivered');
    expect(alice.events.filter((event) => event.event === 'message' && event.text === 'my answer')).toEqual([]);
    // A long one asks for it, too; then Bob answers Alice after all.
    await alice.call('sendText', { to: bob, text: long, mode: 'pager', replyTo: carol.address });
    expect(await received(desk, long)).toMatchObject({ standalone: 'large', replyTo: carol.address });
    await desk.call('answerHere', { conversation: asked.conversation });
    await desk.call('sendText', { conversation: asked.conversation, text: 'and you' });
    await received(alice, 'and you');
  });

  it('R80 R88: what the person asked for is kept with the message for somebody who is away', async () => {
    const alice = await client('alice-laptop');
    const { message } = await alice.call('sendText', { to: bob, text: 'answer Carol', mode: 'pager', replyTo: 'sip:carol@lab.test' });
    await messageState(alice, message, 'sent');
    const desk = await client('bob-desk');
    expect(await received(desk, 'answer Carol')).toMatchObject({ replyTo: 'sip:carol@lab.test' });
  });

  it('R80 R97: one person knows this account by another name: nothing that they get holds the usual one, and others know nothing of it', async () => {
    const alice = await client('alice-laptop', { deviceName: 'Laptop of Liddell' });
    const { account } = await alice.call('snapshot', {});
    const usual = account?.displayName ?? '';
    expect(usual).not.toBe('');
    const desk = await client('bob-desk');
    const carol = await client('carol');
    const { conversation } = await alice.call('openConversation', { to: bob });
    await alice.call('setPseudonym', { conversation, name: 'Raven' });
    await alice.call('sendText', { conversation, text: 'by pager', mode: 'pager' });
    expect(await received(desk, 'by pager')).toMatchObject({ fromName: 'Raven' });
    const first = await alice.call('sendText', { conversation, text: 'in a chat' });
    await messageState(alice, first.message, 'delivered');
    await alice.call('sendText', { conversation, text: 'over the session' });
    const chat = await received(desk, 'over the session');
    await desk.call('sendText', { conversation: chat.conversation, text: 'who are you?' });
    const asked = await received(alice, 'who are you?');
    await alice.call('markDisplayed', { conversation, upTo: asked.message });
    await desk.until('it knows that this was read', () =>
      desk.events.find((event) => event.event === 'message' && event.text === 'who are you?' && event.state === 'displayed'),
    );
    await alice.call('closeSession', { conversation });
    // Bob calls, too, and Alice’s device answers.
    await desk.call('openSession', { to: alice.address });
    await alice.call('sendText', { to: bob, text: long, mode: 'pager' });
    await received(desk, long);
    const atBob = desk.wire
      .filter(({ direction }) => direction === 'in')
      .map(({ bytes }) => new TextDecoder().decode(bytes))
      .join('\n');
    expect(atBob).toContain('"Raven"');
    expect(atBob).not.toContain('Liddell');
    expect(atBob).not.toContain(`"${usual}"`);
    await alice.call('sendText', { to: carol.address, text: 'it is me' });
    expect(await received(carol, 'it is me')).toMatchObject({ fromName: usual });
    const atCarol = carol.wire.filter(({ direction }) => direction === 'in').map(({ bytes }) => new TextDecoder().decode(bytes));
    expect(atCarol.join('\n')).not.toContain('Raven');
  });

  it('R97: a group that the chat becomes knows the same name, in its list of people, its messages and its receipts', async () => {
    const alice = await client('alice-laptop', { deviceName: 'Laptop of Liddell' });
    const desk = await client('bob-desk');
    const carol = await client('carol');
    const { conversation } = await alice.call('openConversation', { to: bob });
    await alice.call('setPseudonym', { conversation, name: 'Raven' });
    await alice.call('sendText', { conversation, text: 'hello' });
    await received(desk, 'hello');
    await alice.until('the session stands', async () =>
      (await alice.call('conversations', {})).find((one) => one.session === 'established'),
    );
    const { conversation: group } = await alice.call('addPeople', { conversation, people: [carol.address] });
    await alice.call('sendText', { conversation: group, text: 'to all of you' });
    const atCarol = await received(carol, 'to all of you');
    await received(desk, 'to all of you');
    const roster = () => carol.call('participants', { conversation: atCarol.conversation });
    await carol.until('it sees the name', async () =>
      (await roster()).find(({ address, name }) => address === alice.address && name === 'Raven'),
    );
    await carol.call('sendText', { conversation: atCarol.conversation, text: 'who is Raven?' });
    await received(alice, 'who is Raven?');
    await carol.until('its text has arrived', () =>
      carol.events.find((event) => event.event === 'message' && event.text === 'who is Raven?' && event.receipts.length > 1),
    );
    for (const one of [desk, carol]) {
      const bytes = one.wire.filter(({ direction }) => direction === 'in').map((record) => new TextDecoder().decode(record.bytes));
      expect(bytes.join('\n')).not.toContain('Liddell');
      expect(bytes.join('\n')).not.toContain('"alice"');
    }
  });
});
