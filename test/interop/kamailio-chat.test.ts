import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { messageState, received, session } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

/** A core that nobody here has written. Without Kamailio this file fails, with the command that installs it. */
let kamailio: Kamailio;

beforeAll(async () => {
  kamailio = await startKamailio();
});
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());
afterAll(() => kamailio?.stop());

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
  startClient({
    name,
    address: `sip:${name.replace(/-.*/, '')}@lab.test`,
    proxy: kamailio.uri,
    factory: 'sip:conference-factory@lab.test',
    ...more,
  });

/** The responses that a client received to one method, in order. */
const answers = (one: TestClient, method: string) =>
  one.wire
    .filter((record) => record.protocol === 'sip' && record.direction === 'in')
    .map((record) => new TextDecoder().decode(record.bytes))
    .filter((text) => text.startsWith('SIP/2.0 ') && headerValues(text, 'CSeq')[0]?.endsWith(` ${method}`));

describe('the whole client at a real Kamailio', () => {
  it('R86 R99: without any function of CPM a long text goes by itself, and one to several people goes to each of them', async () => {
    const [alice, bob, carol] = [await client('alice-laptop'), await client('bob-desk'), await client('carol')];
    const long = 'ein langer Text, '.repeat(2_000);
    const { message } = await alice.call('sendText', { to: bob.address, text: long });
    expect(await received(bob, long)).toMatchObject({ standalone: 'large' });
    await messageState(alice, message, 'delivered');
    const { copies } = await alice.call('sendSeparately', { people: [bob.address, carol.address], text: 'to each of you' });
    for (const one of [bob, carol]) expect(await received(one, 'to each of you')).toMatchObject({ standalone: 'pager' });
    for (const copy of copies) await messageState(alice, copy.message, 'delivered');
  });

  it('R9/R30/R39/R45: two devices of Alice and one of Bob register with GRUUs, and chat 1-1 both ways, to the BYE', async () => {
    const [laptop, tablet, bob] = [await client('alice-laptop'), await client('alice-tablet'), await client('bob-desk')];
    const identity = await laptop.call('identity', {});
    const devices = await tablet.call('devices', {});
    expect(devices.map((device) => [device.self, device.state]).sort()).toEqual([
      [false, 'active'],
      [true, 'active'],
    ]);
    expect(devices.find((device) => !device.self)?.instanceId).toBe(identity.instanceId);
    for (const device of devices) expect(device.pubGruu).toBe(`sip:alice@lab.test;gr=${device.instanceId}`);
    expect(identity.tempGruu).toMatch(/;gr/);

    const first = await laptop.call('sendText', { to: bob.address, text: 'Grüße 🎉' });
    const arrived = await received(bob, 'Grüße 🎉');
    expect(arrived).toMatchObject({ from: 'sip:alice@lab.test', fromDevice: 'alice-laptop' });
    await messageState(laptop, first.message, 'delivered');
    await bob.call('markDisplayed', { conversation: arrived.conversation, upTo: first.message });
    await messageState(laptop, first.message, 'displayed');
    const reply = await bob.call('sendText', { conversation: arrived.conversation, text: 'to the device that wrote' });
    await received(laptop, 'to the device that wrote');
    await messageState(bob, reply.message, 'delivered');
    await laptop.call('markDisplayed', { conversation: first.conversation, upTo: reply.message });
    await messageState(bob, reply.message, 'displayed');
    expect(tablet.events.filter((event) => event.event === 'message')).toEqual([]);

    const [invite] = sipRequests(bob, 'in', 'INVITE');
    expect(headerValues(invite ?? '', 'Contact')[0]).toContain(identity.pubGruu);
    expect(headerValues(invite ?? '', 'P-Asserted-Identity')).toEqual(['<sip:alice@lab.test>']);
    await laptop.call('closeSession', { conversation: first.conversation });
    await session(bob, 'ended');
    const [bye] = sipRequests(bob, 'in', 'BYE');
    expect(headerValues(bye ?? '', 'Call-ID')).toEqual(headerValues(invite ?? '', 'Call-ID'));
    expect(answers(laptop, 'BYE').at(-1)).toMatch(/^SIP\/2\.0 200 /);
  });

  it('a pager message comes with its delivered and read, each to the one device that asked', async () => {
    const [laptop, tablet, bob] = [await client('alice-laptop'), await client('alice-tablet'), await client('bob-desk')];
    const { message } = await laptop.call('sendText', { to: bob.address, text: 'by pager', mode: 'pager' });
    const arrived = await received(bob, 'by pager');
    await messageState(laptop, message, 'delivered');
    await bob.call('markDisplayed', { conversation: arrived.conversation, upTo: message });
    await messageState(laptop, message, 'displayed');
    expect(sipRequests(laptop, 'in', 'MESSAGE')).toHaveLength(2);
    expect(sipRequests(bob, 'in', 'INVITE')).toEqual([]);
    expect(tablet.events.filter((event) => event.event === 'message')).toEqual([]);
  });

  it('rings on both devices, and the one that was slower keeps nothing but the message', async () => {
    const [laptop, tablet, bob] = [await client('alice-laptop'), await client('alice-tablet'), await client('bob-desk')];
    const { message } = await bob.call('sendText', { to: laptop.address, text: 'Anybody?' });
    await Promise.all([received(laptop, 'Anybody?'), received(tablet, 'Anybody?')]);
    await messageState(bob, message, 'delivered');
    await session(bob, 'established');
    const states = async () => Promise.all([laptop, tablet].map(async (one) => (await one.call('conversations', {}))[0]?.session));
    const oneHolds = async () => ((await states()).filter((state) => state === 'established').length === 1 ? true : null);
    await Promise.race([laptop.until('one device holds the session', oneHolds), tablet.until('one device holds the session', oneHolds)]);
  });

  it('differences from the embedded network: the names of other devices are not kept, requests are challenged, groups cannot be created', async () => {
    const [laptop, bob] = [await client('alice-laptop'), await client('bob-desk')];
    const tablet = await client('alice-tablet');
    // A Contact's display name does not come back in this registrar's 200: another device goes by the words made from its instance ID.
    const other = (await tablet.call('devices', {})).find((device) => !device.self);
    expect(other).toMatchObject({ name: '', nickname: (await laptop.call('identity', {})).nickname });
    const { message, conversation } = await laptop.call('sendText', { to: bob.address, text: 'Hello' });
    await messageState(laptop, message, 'delivered');
    // The embedded core believes the flow that registered; this one asks for the password at the first INVITE.
    expect(answers(laptop, 'INVITE').some((text) => text.startsWith('SIP/2.0 407 '))).toBe(true);
    const routes = headerValues(sipRequests(bob, 'in', 'INVITE')[0] ?? '', 'Record-Route');
    expect(routes.join()).not.toContain('pf.');
    const result = await laptop.tryCall('addPeople', { conversation, people: ['sip:carol@lab.test'] });
    expect(result).toMatchObject({ ok: false, error: { code: 'sip/rejected', status: 404 } });
    // The 1-1 is as it was.
    const after = await laptop.call('sendText', { conversation, text: 'still here' });
    await messageState(laptop, after.message, 'delivered');
  });

  it('a device that signs off leaves the other, and comes back as the same', async () => {
    const [laptop, tablet] = [await client('alice-laptop'), await client('alice-tablet')];
    const before = await laptop.call('identity', {});
    await laptop.close();
    expect(await tablet.call('register', {})).toMatchObject({ bindings: 1 });
    const again = await client('alice-laptop', { dataDir: laptop.dataDir });
    expect((await again.call('identity', {})).pubGruu).toBe(before.pubGruu);
    expect(await tablet.call('register', {})).toMatchObject({ bindings: 2 });
  });
});
