/** What a person does with the devices of one's own: name them, try them, sign them out, and tell a copy from a device. At the embedded network. */
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { SipClient } from '../../main/sip/client';
import { type Network, startNetwork } from '../../network/network';
import type { CloneValue, DeviceValue } from '../../preload/contract';
import { type ClientOptions, closeClients, headerValues, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { elapse } from '../support/waiting';

const ALICE = 'sip:alice@lab.test';

let network: Network;
beforeAll(async () => {
  network = await startNetwork();
});
afterEach(closeClients);
afterAll(() => network.close());

const start = (name: string, more: Partial<ClientOptions> = {}): Promise<TestClient> =>
  startClient({ name, address: ALICE, proxy: network.uris.tcp, factory: network.factory, ...more });
const pair = async (): Promise<[TestClient, TestClient]> => [await start('alice-laptop'), await start('alice-tablet')];
const idOf = async (client: TestClient): Promise<string> => (await client.call('identity', {})).instanceId;
const bound = (): (string | null)[] => network.bindings(ALICE).map((binding) => binding.instanceId);
const latest = (client: TestClient): DeviceValue[] =>
  client.events.findLast((event): event is Extract<typeof event, { event: 'devices' }> => event.event === 'devices')?.devices ?? [];
const texts = async (client: TestClient): Promise<string[]> => {
  const conversations = await client.call('conversations', {});
  const all = await Promise.all(conversations.map(({ conversation }) => client.call('messages', { conversation })));
  return all.flat().map((message) => message.text);
};

describe('the devices of one person', () => {
  it('R24 R75: a new name and the capabilities of a device are known to the other without a query', async () => {
    const [laptop, tablet] = await pair();
    const id = await idOf(tablet);
    await laptop.until('it knows both', () => (latest(laptop).length === 2 ? true : null));
    const registers = sipRequests(laptop, 'out', 'REGISTER').length;
    await tablet.call('renameDevice', { name: 'Küche' });
    await laptop.until('it knows the name', () => latest(laptop).find((device) => device.instanceId === id && device.name === 'Küche'));
    await tablet.call('setCapability', { name: 'session', on: false });
    const told = await laptop.until('it knows what the tablet offers', () =>
      latest(laptop).find((device) => device.instanceId === id && !device.capabilities.includes('session')),
    );
    expect(told).toMatchObject({ capabilities: ['pager', 'large'], state: 'active', lastEvent: { event: 'refreshed' } });
    expect(sipRequests(laptop, 'out', 'REGISTER')).toHaveLength(registers);
  });

  it('R8: a test message goes to the public GRUU of one device and to no other', async () => {
    const [laptop, tablet] = await pair();
    const phone = await start('alice-phone');
    const id = await idOf(tablet);
    await laptop.until('it knows the tablet', () => latest(laptop).find((device) => device.instanceId === id));
    expect(await laptop.call('testDevice', { instanceId: id, text: 'Hello, tablet' })).toMatchObject({ by: 'gruu' });
    expect(await texts(tablet)).toEqual(['Hello, tablet']);
    expect(await texts(phone)).toEqual([]);
    expect(sipRequests(phone, 'in', 'MESSAGE')).toEqual([]);
    expect(sipRequests(laptop, 'out', 'MESSAGE')[0]).toMatch(/^MESSAGE sip:alice@lab\.test;gr=urn:uuid:/);
    // Also to itself, by way of the server: there it is the sender's own call that comes back.
    expect(await laptop.call('testDevice', { instanceId: await idOf(laptop) })).toMatchObject({ by: 'gruu' });
    expect(await laptop.call('conversations', {})).toEqual([]);
    expect(await laptop.tryCall('testDevice', { instanceId: 'urn:uuid:00000000-0000-4000-8000-000000000000' })).toMatchObject({
      error: { code: 'device/unknown' },
    });
  });

  it('R8: without GRUUs it names the instance in Accept-Contact', async () => {
    const plain = await startNetwork({ gruu: false });
    try {
      const [laptop, tablet, phone] = await Promise.all(
        ['laptop', 'tablet', 'phone'].map((name) => start(name, { proxy: plain.uris.tcp, factory: plain.factory })),
      );
      if (laptop === undefined || tablet === undefined || phone === undefined) throw new Error('three devices were started');
      const id = await idOf(tablet);
      await laptop.call('register', {});
      expect(await laptop.call('testDevice', { instanceId: id })).toMatchObject({ by: 'instance' });
      const [sent] = sipRequests(laptop, 'out', 'MESSAGE');
      expect(headerValues(sent ?? '', 'Accept-Contact').join()).toContain(`+sip.instance="<${id}>";require;explicit`);
      expect(await texts(tablet)).toEqual(['Test']);
      expect(sipRequests(phone, 'in', 'MESSAGE')).toEqual([]);
    } finally {
      await closeClients();
      await plain.close();
    }
  });

  it('R20: one signs the other out, and itself goes on', async () => {
    const [laptop, tablet] = await pair();
    const [own, other] = [await idOf(laptop), await idOf(tablet)];
    await laptop.until('it knows the tablet', () => latest(laptop).find((device) => device.instanceId === other));
    await laptop.call('signOutDevice', { instanceId: other });
    const end = await tablet.until('it is signed out', () =>
      tablet.events.find((event) => event.event === 'registration' && event.state === 'offline'),
    );
    expect(end).toMatchObject({ error: { code: 'account/signed-out', reason: 'alice-laptop' } });
    await laptop.until('it sees it', () => latest(laptop).find((device) => device.instanceId === other && device.state === 'terminated'));
    expect(bound()).toEqual([own]);
    expect((await laptop.call('snapshot', {})).registration.state).toBe('registered');
    await tablet.call('register', {});
    expect(bound()).toHaveLength(2);
  });

  it('another person’s abilities are asked for and told', async () => {
    const laptop = await start('alice-laptop');
    const bob = await start('bob-laptop', { address: 'sip:bob@lab.test' });
    await bob.call('setCapability', { name: 'session', on: false });
    const told = await laptop.call('capabilities', { address: 'sip:bob@lab.test' });
    expect(told).toEqual({ capabilities: ['pager', 'large'], instanceId: await idOf(bob), deviceName: 'bob-laptop' });
  });

  it('what the network does to a registration: ended ones come back, unless it says no; both devices see it', async () => {
    const [laptop, tablet] = await pair();
    const id = await idOf(tablet);
    const told = (event: string) =>
      laptop.until(`it hears of ${event}`, () =>
        laptop.events.find(
          (each) =>
            each.event === 'devices' && each.devices.some((device) => device.instanceId === id && device.lastEvent?.event === event),
        ),
      );
    await tablet.until('it hears of changes', () => latest(tablet).find((device) => device.lastEvent !== null));
    await laptop.until('it hears of changes', () => latest(laptop).find((device) => device.lastEvent !== null));
    network.endBindings(ALICE, { event: 'deactivated', instanceId: id });
    await told('deactivated');
    await laptop.until('it is back', () => latest(laptop).find((device) => device.instanceId === id && device.state === 'active'));
    await tablet.until('it hears of changes again', () => latest(tablet).find((device) => device.self && device.lastEvent !== null));
    network.endBindings(ALICE, { event: 'probation', instanceId: id, retryAfter: 1 });
    await told('probation');
    expect(bound()).toHaveLength(1);
    await tablet.until('it is back after the time told', () => (bound().length === 2 ? true : null));
    await laptop.until('it is back', () => latest(laptop).find((device) => device.instanceId === id && device.state === 'active'));
    await tablet.until('it hears of changes again', () => latest(tablet).find((device) => device.self && device.lastEvent !== null));
    network.endBindings(ALICE, { event: 'rejected', instanceId: id });
    await told('rejected');
    const { registration } = await tablet.call('snapshot', {});
    expect(registration).toMatchObject({ state: 'rejected', error: { code: 'sip/rejected' } });
    expect(bound()).toHaveLength(1);
  });

  it('nobody else signs a device out, and the request does nothing', async () => {
    const laptop = await start('alice-laptop');
    const instanceId = await idOf(laptop);
    // Bob calls himself Alice, and the network says who he is.
    const { pubGruu } = await laptop.call('identity', {});
    const mallory = new SipClient(
      {
        aor: 'sip:bob@lab.test',
        displayName: 'Alice',
        password: 'secret',
        proxy: network.uris.tcp,
        instanceId: 'urn:uuid:99999999-2222-4333-8444-555555555555',
        deviceName: 'alice-tablet',
        expiresSeconds: 60,
        icsis: [],
      },
      { clock: systemClock, log: silentLogger, userAgent: 'test' },
    );
    await mallory.registration.register();
    const order = mallory.sendPager({
      target: pubGruu ?? '',
      icsi: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg',
      conversationId: 'c',
      contributionId: 'k',
      contentType: 'application/vnd.chorus.device-control+json',
      body: new TextEncoder().encode(JSON.stringify({ do: 'signOut', instanceId, from: 'alice-tablet' })),
    });
    await expect(order).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 403 } });
    await mallory.close();
    expect(bound()).toEqual([instanceId]);
  });

  it('all are signed out at once', async () => {
    const [laptop, tablet] = await pair();
    await laptop.until('it knows both', () => (latest(laptop).length === 2 ? true : null));
    await tablet.until('it knows both', () => (latest(tablet).length === 2 ? true : null));
    await laptop.call('signOutEverywhere', {});
    expect(bound()).toEqual([]);
    for (const client of [laptop, tablet]) {
      const { registration } = await client.until('it is signed out', async () => {
        const snapshot = await client.call('snapshot', {});
        return snapshot.registration.state === 'offline' ? snapshot : null;
      });
      expect(registration.error?.code).toBe('account/signed-out');
    }
    await elapse(300, 'nothing tells that no device registers again');
    expect(bound()).toEqual([]);
  });
});

describe('a copied profile', () => {
  const copyOf = async (client: TestClient): Promise<string> => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-copy-'));
    cpSync(client.dataDir, folder, { recursive: true, filter: (path) => !path.endsWith('.lock') });
    return folder;
  };
  const clone = (client: TestClient): CloneValue | null | undefined =>
    client.events.findLast((event): event is Extract<typeof event, { event: 'clone' }> => event.event === 'clone')?.clone;

  it('registers nothing until the person decides; as a separate device it has a new ID and a name', async () => {
    const laptop = await start('alice-laptop');
    const id = await idOf(laptop);
    const copy = await start('alice-copy', { dataDir: await copyOf(laptop), register: false });
    await copy.until('it asks', () => clone(copy));
    expect(clone(copy)).toMatchObject({ instanceId: id, aor: ALICE });
    expect(await copy.tryCall('register', {})).toMatchObject({ error: { code: 'profile/copied' } });
    expect(await copy.tryCall('identity', {})).toMatchObject({ error: { code: 'profile/copied' } });
    expect(copy.wire).toEqual([]);
    const { instanceId } = await copy.call('resolveClone', { choice: 'newDevice', name: 'Second laptop' });
    expect(instanceId).toMatch(/^urn:uuid:/);
    expect(instanceId).not.toBe(id);
    expect((await copy.call('snapshot', {})).clone).toBeNull();
    await copy.call('register', {});
    expect(bound().sort()).toEqual([id, instanceId].sort());
    expect(sipRequests(copy, 'out', 'REGISTER')[0]).toContain('"Second laptop"');
    expect(await copy.tryCall('resolveClone', { choice: 'moved' })).toMatchObject({ error: { code: 'ipc/refused' } });
  });

  it('R18: that was moved keeps its ID and is not asked again', async () => {
    const laptop = await start('alice-laptop');
    const id = await idOf(laptop);
    await laptop.close();
    const dataDir = await copyOf(laptop);
    const moved = await start('alice-moved', { dataDir, register: false });
    await moved.until('it asks', () => clone(moved));
    await moved.call('resolveClone', { choice: 'moved' });
    await moved.call('register', {});
    expect(bound()).toEqual([id]);
    await moved.close();
    const again = await start('alice-moved', { dataDir });
    expect(await idOf(again)).toBe(id);
  });

  it('that says it was moved while the original runs is seen by the original, which stops and offers both ways out', async () => {
    const laptop = await start('alice-laptop');
    const id = await idOf(laptop);
    await laptop.until('it hears of changes', () => latest(laptop).find((device) => device.lastEvent !== null));
    const copy = await start('alice-copy', { dataDir: await copyOf(laptop), register: false });
    await copy.until('it asks', () => clone(copy));
    await copy.call('resolveClone', { choice: 'moved' });
    await copy.call('register', {});
    await laptop.until('it stops', async () =>
      (await laptop.call('snapshot', {})).registration.error?.code === 'identity/duplicate' ? true : null,
    );
    const snapshot = await laptop.call('snapshot', {});
    expect(snapshot.registration.state).toBe('rejected');
    expect(snapshot.warnings.map((warning) => warning.code)).toContain('duplicate-device');
    expect(snapshot.devices.find((device) => device.self)?.duplicate).not.toBeNull();
    const registers = sipRequests(laptop, 'out', 'REGISTER').length;
    await elapse(500, 'nothing tells that no REGISTER is sent');
    expect(sipRequests(laptop, 'out', 'REGISTER')).toHaveLength(registers);
    const { instanceId } = await laptop.call('resolveClone', { choice: 'newDevice', name: 'Laptop of its own' });
    await laptop.call('register', {});
    expect(bound().sort()).toEqual([id, instanceId].sort());
    expect((await laptop.call('snapshot', {})).warnings.map((warning) => warning.code)).not.toContain('duplicate-device');
  });
});

describe('signing in again', () => {
  it('after being signed out from elsewhere needs the password, over a restart too, and keeps identity and history', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'chorus-again-'));
    const tablet = await start('alice-tablet', { dataDir, stored: true });
    const signIn = { address: ALICE, password: 'secret', server: network.uris.tcp, deviceName: 'Tablet' };
    await tablet.call('signIn', signIn);
    const id = await idOf(tablet);
    await tablet.call('sendText', { to: 'sip:bob@lab.test', text: 'Kept' });
    const laptop = await start('alice-laptop');
    await laptop.call('register', {});
    await laptop.call('signOutDevice', { instanceId: id });
    await tablet.until('it is signed out', async () =>
      (await tablet.call('snapshot', {})).registration.state === 'offline' ? true : null,
    );
    await tablet.close();
    const again = await start('alice-tablet', { dataDir, stored: true });
    await again.until('it is there', async () => ((await again.call('snapshot', {})).registration.error ? true : null));
    expect(await again.tryCall('register', {})).toMatchObject({ error: { code: 'account/signed-out' } });
    expect(again.wire).toEqual([]);
    expect(await again.tryCall('signIn', { address: ALICE, password: 'wrong', deviceName: 'Tablet' })).toMatchObject({
      error: { code: 'account/bad-credentials' },
    });
    expect((await again.call('snapshot', {})).registration.error?.code).toBe('account/signed-out');
    await again.call('signIn', { address: ALICE, password: 'secret', deviceName: 'Tablet' });
    expect(await idOf(again)).toBe(id);
    expect(await texts(again)).toEqual(['Kept']);
  });
});
