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
});
