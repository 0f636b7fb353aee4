import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { Relay } from '../support/stages/relay';
import { type Device, Devices, ICSIS } from '../support/stages/sip-clients';
import { elapse, until } from '../support/waiting';

const devices = new Devices();
let network: Network;
let relay: Relay;

beforeEach(async () => {
  network = await startNetwork();
  relay = await Relay.to(network.uris.tcp);
});
afterEach(async () => {
  await devices.close();
  await relay.close();
  await network.close();
});

const ALICE = 'sip:alice@lab.test';
/** What the issue allows from the return of the network to the 200. */
const RECOVERY_MS = 5_000;

function store() {
  const saved: { callId: string; cseq: number }[] = [];
  return { load: () => saved.at(-1) ?? null, save: (state: { callId: string; cseq: number }) => void saved.push(state) };
}

const registers = (device: Device) => device.ladder().filter((text) => text.startsWith('> REGISTER'));
const header = (text: string | undefined, name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(text ?? '')?.[1]?.trim();

describe('the network comes back', () => {
  it('after a connection died without a word: 200 within 5 s of the hint, one binding, the other device untouched', async () => {
    const laptop = await devices.registered('alice', relay.uri);
    await devices.registered('alice', network.uris.tcp);
    const before = network.bindings(ALICE).map((binding) => binding.contact);
    relay.freeze();
    const at = Date.now();
    laptop.client.registration.networkChanged();
    await until('the loss is noticed', () => laptop.client.registration.state !== 'registered');
    await until('registered again', () => laptop.client.registration.state === 'registered', RECOVERY_MS);
    expect(Date.now() - at).toBeLessThan(RECOVERY_MS);
    const after = network.bindings(ALICE).map((binding) => binding.contact);
    expect(after).toHaveLength(2);
    expect(after).toContain(before[1]);
    expect(after).not.toContain(before[0]);
    expect(laptop.client.registration.bindings).toHaveLength(2);
  });

  it('after it was gone altogether, with no hint at all: 200 within 5 s, one binding', async () => {
    const laptop = await devices.registered('alice', relay.uri);
    await relay.cut();
    await until('the loss is noticed', () => laptop.client.registration.state === 'waiting');
    await elapse(6_000, 'the loss outlasts the first attempts to come back');
    expect(laptop.client.registration.state).not.toBe('registered');
    await relay.mend();
    const at = Date.now();
    await until('registered again', () => laptop.client.registration.state === 'registered', RECOVERY_MS);
    expect(Date.now() - at).toBeLessThan(RECOVERY_MS);
    expect(network.bindings(ALICE)).toHaveLength(1);
  });

  it('a hint while all is well changes nothing', async () => {
    const laptop = await devices.registered('alice', relay.uri);
    const before = registers(laptop).length;
    for (let time = 0; time < 5; time += 1) laptop.client.registration.networkChanged();
    await elapse(300, 'nothing tells that no REGISTER is sent');
    expect(registers(laptop)).toHaveLength(before);
    expect(relay.connections).toBe(1);
    expect(laptop.client.registration.state).toBe('registered');
  });
});

describe('the process comes back', () => {
  it('R13 R19: killed without a farewell, it registers under the same Call-ID with a higher CSeq: one binding, its temporary GRUUs alive', async () => {
    const kept = store();
    const first = await devices.registered('alice', network.uris.tcp, { registrationState: kept });
    const { tempGruu } = first.client.registration;
    first.client.dispose();
    const second = await devices.registered('alice', network.uris.tcp, { registrationState: kept, instanceId: first.instanceId });
    expect(network.bindings(ALICE)).toHaveLength(1);
    const [old, fresh] = [registers(first).at(-1), registers(second)[0]];
    expect(header(fresh, 'Call-ID')).toBe(header(old, 'Call-ID'));
    expect(Number.parseInt(header(fresh, 'CSeq') ?? '', 10)).toBeGreaterThan(Number.parseInt(header(old, 'CSeq') ?? '', 10));
    // RFC 5627 section 3.2: they die with another Call-ID.
    const bob = await devices.registered('bob', network.uris.tcp);
    const message = {
      icsi: ICSIS.msg,
      conversationId: 'c',
      contributionId: 'd',
      contentType: 'text/plain',
      body: new Uint8Array([104, 105]),
    };
    await expect(bob.client.sendPager({ ...message, target: tempGruu ?? '' })).resolves.toEqual({ status: 200 });
    await expect(bob.client.sendPager({ ...message, target: 'sip:tgruu.none@lab.test;gr' })).rejects.toMatchObject({
      detail: { status: 404 },
    });
    expect(tempGruu).not.toBe(second.client.registration.tempGruu);
  });
});

describe('several devices of one person', () => {
  it('R26: a service that one switches off is reported to the registrar, to the Participating Function and in answers to OPTIONS', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    const bob = await devices.registered('bob', network.uris.tcp);
    await laptop.client.registration.setCapabilities([ICSIS.msg]);
    expect(laptop.client.registration.bindings[0]?.icsis).toEqual([ICSIS.msg]);
    expect((await bob.client.queryCapabilities(ALICE)).icsis).toEqual([ICSIS.msg]);
    await until('the Participating Function knows', () => network.registered(ALICE)?.[0]?.icsis.join() === ICSIS.msg);
  });

  it('R76: OPTIONS to one device is answered by that device, with its registered capabilities', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp, { deviceName: 'Laptop' });
    await devices.registered('alice', network.uris.tcp, { deviceName: 'Phone', icsis: [ICSIS.msg] });
    const bob = await devices.registered('bob', network.uris.tcp);
    expect(await bob.client.queryCapabilities(laptop.client.registration.pubGruu ?? '')).toMatchObject({
      instanceId: laptop.instanceId,
      icsis: Object.values(ICSIS),
    });
  });

  it('signed out everywhere by one of them, none is left', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    await devices.registered('alice', network.uris.tcp);
    expect(network.bindings(ALICE)).toHaveLength(2);
    await laptop.client.registration.signOutEverywhere();
    expect(network.bindings(ALICE)).toHaveLength(0);
    expect(laptop.client.registration.state).toBe('offline');
  });
});
