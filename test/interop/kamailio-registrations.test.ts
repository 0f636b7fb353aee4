/** What a real Kamailio tells of registrations: to the Participating Function beside it, and to each person's own devices. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Network, RegisteredDevice } from '../../network/network';
import type { DeviceValue } from '../../preload/contract';
import { ICSI } from '../../protocol/feature-tags';
import { SipDevice } from '../support/peers/sip-device';
import { closeClients, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { startBehindKamailio } from '../support/stages/kamailio-network';
import { until } from '../support/waiting';

const ALICE = 'sip:alice@lab.test';
let network: Network;
const open: SipDevice[] = [];

beforeAll(async () => {
  network = await startBehindKamailio({}, { minExpires: 1 });
});
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  for (const device of open) if (device.pubGruu !== null) await device.register((request) => request.set('Expires', '0'));
  await Promise.all(open.splice(0).map((device) => device.close()));
});
afterAll(() => network?.close());

const known = () => network.registered('sip:bob@lab.test') ?? [];
const knows = (what: string, fits: (devices: RegisteredDevice[]) => boolean) =>
  until(`the Participating Function knows ${what}`, () => (fits(known()) ? known() : null));

async function registered(name: string, seconds = 600): Promise<SipDevice> {
  const device = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:bob@lab.test', name, regId: 1 });
  open.push(device);
  await device.register((request) => request.set('Expires', String(seconds)));
  return device;
}

describe('the Participating Function behind Kamailio', () => {
  it('R35 R75: is notified of every device that registers, with its name, GRUU and services, and of every one that leaves', async () => {
    const desk = await registered('Bob <desk> & chair');
    await knows('the first', (devices) => devices.length === 1);
    const phone = await registered('Bob phone');
    const both = await knows('both', (devices) => devices.length === 2);
    expect(both.find((one) => one.instanceId === desk.instanceId)).toMatchObject({
      pubGruu: desk.pubGruu,
      icsis: [ICSI.session, ICSI.msg],
    });
    expect(both.map((one) => one.name).sort()).toEqual(['Bob <desk> & chair', 'Bob phone']);
    await phone.register((request) => request.set('Expires', '0'));
    await knows('the one that stayed', (devices) => devices.length === 1 && devices[0]?.instanceId === desk.instanceId);
    // Kamailio counts whole seconds: of one second there may be nothing left when it tells.
    await registered('Bob for a moment', 2);
    await knows('that one', (devices) => devices.length === 2);
    await knows('that it has expired', (devices) => devices.length === 1);
  });

  it('R43: refuses a request that names an unregistered device', async () => {
    const desk = await registered('Bob desk');
    await knows('the device', (devices) => devices.length === 1);
    const request = (instance: string) =>
      desk
        .request('INVITE', ALICE, [['Accept-Contact', `*;+g.3gpp.icsi-ref="${encodeURIComponent(ICSI.session)}"`]])
        .set('Contact', `<${desk.contactUri}>;+sip.instance="<${instance}>"`);
    const ask = async (instance: string) => desk.send(desk.authorised(request(instance), await desk.send(request(instance))));
    expect((await ask('urn:uuid:00000000-0000-4000-8000-000000000000')).status).toBe(403);
    expect((await ask(desk.instanceId)).status).toBe(480);
  });
});

describe('the devices of one person behind Kamailio', () => {
  const start = (name: string) => startClient({ name, address: ALICE, proxy: network.uris.tcp, factory: network.factory });
  const latest = (client: TestClient): DeviceValue[] =>
    client.events.findLast((event): event is Extract<typeof event, { event: 'devices' }> => event.event === 'devices')?.devices ?? [];

  it('R24 R31 R75: know each other without a query: arrivals, departures, names and services', async () => {
    const [laptop, tablet] = [await start('alice-laptop'), await start('alice-tablet')];
    const id = (await tablet.call('identity', {})).instanceId;
    const registers = sipRequests(laptop, 'out', 'REGISTER').length;
    const seen = (what: string, fits: (device: DeviceValue) => boolean) =>
      laptop.until(`it sees ${what}`, () => latest(laptop).find((device) => device.instanceId === id && fits(device)));
    expect(await seen('the tablet', (device) => device.name === 'alice-tablet')).toMatchObject({
      pubGruu: `${ALICE};gr=${id}`,
      capabilities: ['session', 'group', 'pager', 'large'],
    });
    await tablet.call('renameDevice', { name: 'Küche' });
    await seen('the new name', (device) => device.name === 'Küche');
    await tablet.call('setCapability', { name: 'session', on: false });
    await seen('what it offers', (device) => !device.capabilities.includes('session'));
    await laptop.call('signOutDevice', { instanceId: id });
    await laptop.until('the tablet is gone', () =>
      latest(laptop).some((device) => device.state === 'active' && !device.self) ? null : true,
    );
    expect(sipRequests(laptop, 'out', 'REGISTER')).toHaveLength(registers);
  });

  it('nobody else watches them', async () => {
    const desk = await registered('Bob desk');
    const watch = () => desk.request('SUBSCRIBE', ALICE, [['Event', 'reg']]);
    expect((await desk.send(desk.authorised(watch(), await desk.send(watch())))).status).toBe(403);
  });
});
