/** The upgrade of a 1-1 for each kind of device ID, with and without GRUUs, at both networks: a device is found by what it says of itself. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { startBehindKamailio } from '../support/stages/kamailio-network';

const ids = [
  { kind: 'an IMEI', instanceUrn: 'urn:gsma:imei:90420156-025763-0' },
  { kind: 'a MEID', instanceUrn: 'urn:device-id:meid:A00000AB-CDEF12-0' },
  { kind: 'a UUID', instanceUrn: 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6' },
];
const places = [
  { place: 'the embedded network', gruu: true, start: () => startNetwork() },
  { place: 'the embedded network without GRUUs', gruu: false, start: () => startNetwork({ gruu: false }) },
  { place: 'a real Kamailio', gruu: true, start: () => startBehindKamailio() },
  { place: 'a real Kamailio without GRUUs', gruu: false, start: () => startBehindKamailio({}, { gruu: false }) },
];

let network: Network;
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const client = (name: string, instanceUrn?: string) =>
  startClient({
    ...{ name, address: `sip:${name.replace(/-.*/, '')}@lab.test`, proxy: network.uris.tcp, factory: network.factory },
    ...(instanceUrn === undefined ? {} : { instanceUrn }),
  });

const hears = (one: TestClient, text: string) =>
  one.until(`it has “${text}”`, () =>
    one.events.find((event) => event.event === 'message' && event.direction === 'in' && event.text === text),
  );

const isTold = (one: TestClient, message: string, state: string) =>
  one.until(`its message is ${state}`, () =>
    one.events.find((event) => event.event === 'message' && event.message === message && event.state === state),
  );

const sessionIs = (one: TestClient, state: string) =>
  one.until(`its 1-1 is ${state}`, async () =>
    (await one.call('conversations', {})).some(({ kind, session }) => kind === 'oneToOne' && session === state) ? true : null,
  );

const replacing = (one: TestClient) => sipRequests(one, 'in', 'INVITE').filter((text) => headerValues(text, 'Session-Replaces').length > 0);
/** What tells that a text was displayed goes to the person's address, and so to each device. */
const deliveries = (one: TestClient) => sipRequests(one, 'in', 'MESSAGE').filter((text) => text.includes('<delivery-notification>'));

describe.each(places)('at $place', ({ start, gruu }) => {
  beforeAll(async () => {
    network = await start();
  });
  afterAll(() => network.close());

  it.each(ids)('R8 R12 R50 R52: the device with $kind is invited alone, and has its receipts alone', async ({ instanceUrn }) => {
    const [alice, phone, laptop, carol] = await Promise.all([
      client('alice'),
      client('bob-phone', instanceUrn),
      client('bob-laptop'),
      client('carol'),
    ]);
    const identity = await phone.call('identity', {});
    expect(identity.instanceId).toBe(instanceUrn);
    expect(identity.pubGruu === null).toBe(!gruu);
    const written = await phone.call('sendText', { to: alice.address, text: 'From the phone' });
    const heard = await hears(alice, 'From the phone');
    await isTold(phone, written.message, 'delivered');
    await sessionIs(alice, 'established');

    const pair = heard?.event === 'message' ? heard.conversation : '';
    const { conversation: group } = await alice.call('addPeople', { conversation: pair, people: [carol.address] });
    await sessionIs(phone, 'replaced');
    await sessionIs(alice, 'replaced');
    await alice.call('sendText', { conversation: group, text: 'To both' });
    await Promise.all([hears(phone, 'To both'), hears(carol, 'To both')]);
    expect(replacing(phone)).toHaveLength(1);
    expect(replacing(laptop)).toEqual([]);

    // The session is over, so the receipt goes by MESSAGE.
    await alice.call('markDisplayed', { conversation: pair, upTo: written.message });
    await isTold(phone, written.message, 'displayed');

    expect(deliveries(laptop)).toEqual([]);

    // A pager message names its device as well as it can, and so do the receipts.
    const paged = await phone.call('sendText', { to: alice.address, text: 'By pager', mode: 'pager' });
    await hears(alice, 'By pager');
    await isTold(phone, paged.message, 'delivered');
    if (gruu) expect(deliveries(laptop)).toEqual([]);
  });

  it('R8: a device that signs in later follows its person into the group, and is invited alone', async () => {
    const [alice, phone, carol] = await Promise.all([client('alice'), client('bob-phone', ids[0]?.instanceUrn), client('carol')]);
    const { conversation } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'Come' });
    await hears(phone, 'Come');
    const { conversation: group } = await alice.call('addPeople', { conversation, people: [carol.address] });
    await sessionIs(phone, 'replaced');
    const invited = sipRequests(phone, 'in', 'INVITE').length;
    const laptop = await client('bob-laptop');
    await laptop.until('it is in the group', async () =>
      (await laptop.call('conversations', {})).some(({ kind, session }) => kind === 'group' && session === 'established') ? true : null,
    );
    await alice.call('sendText', { conversation: group, text: 'To all' });
    await Promise.all([hears(phone, 'To all'), hears(laptop, 'To all'), hears(carol, 'To all')]);
    expect(sipRequests(phone, 'in', 'INVITE')).toHaveLength(invited);
    expect(sipRequests(laptop, 'in', 'INVITE')).toHaveLength(1);
    expect(sipRequests(phone, 'out', 'REFER')).toHaveLength(1);
  });
});
