/** The real client at registrars that SIPp plays from `test/support/sipp/`; each scenario also says what it wants to receive. */
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import type { RegistrationValue } from '../../preload/contract';
import { Capture } from '../support/peers/packet-judge';
import { freePorts, SippRegistrar } from '../support/peers/sipp';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { elapse } from '../support/waiting';

const scenarios = [
  'no-gruu',
  'bare',
  'rewritten',
  'no-contact',
  'brief-ladder',
  'slow',
  'duplicated',
  'unavailable',
  'two-digests',
  'forbidden',
] as const;
type Scenario = (typeof scenarios)[number];

/** How long a refused client is watched for attempts that nobody asked for. */
const QUIET_MS = 400;

const GRUU = (instance: string) => `sip:alice@lab.test;gr=${instance}`;
const ports = new Map<Scenario, number>();
let capture: Capture;
let registrar: SippRegistrar | null = null;
/** REGISTERs that left the clients of all stories. */
let sent = 0;

beforeAll(async () => {
  const free = await freePorts(scenarios.length);
  for (const [index, scenario] of scenarios.entries()) ports.set(scenario, free[index] ?? 0);
  capture = await Capture.start(free);
});
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  registrar?.dispose();
  registrar = null;
});
afterAll(() => capture?.dispose());

interface Sent {
  callId: string | undefined;
  cseq: number;
  expires: number;
  contact: string;
  /** `address:port` of the flow it left by. */
  local: string;
  text: string;
}

/** What left as REGISTER so far. */
function registers(client: TestClient): Sent[] {
  return client.wire.flatMap(({ direction, local, bytes }) => {
    const text = new TextDecoder().decode(bytes);
    if (direction !== 'out' || !text.startsWith('REGISTER ')) return [];
    return {
      callId: headerValues(text, 'Call-ID')[0],
      cseq: Number.parseInt(headerValues(text, 'CSeq')[0] ?? '', 10),
      expires: Number(headerValues(text, 'Expires')[0]),
      contact: headerValues(text, 'Contact').join(', '),
      local,
      text,
    };
  });
}

const registration = async (client: TestClient): Promise<RegistrationValue> => (await client.call('snapshot', {})).registration;
const devices = async (client: TestClient) => (await client.call('snapshot', {})).devices;
const own = async (client: TestClient) => (await devices(client)).filter((device) => device.self);
/** The Contact of an invitation, which this registrar declines. */
async function invites(client: TestClient): Promise<string | undefined> {
  await client.tryCall('openSession', { to: 'sip:bob@lab.test' });
  return headerValues(sipRequests(client, 'out', 'INVITE').at(-1) ?? '', 'Contact')[0];
}

/** Alice's client at one odd registrar; her story; and then what SIPp has to say. `left` are the Expires of all her REGISTERs, in order. */
async function at(
  scenario: Scenario,
  left: readonly number[],
  story: (client: TestClient, instance: string) => Promise<void>,
  options: { expiresSeconds?: number; register?: boolean } = {},
): Promise<void> {
  const playing = await SippRegistrar.start(scenario, ports.get(scenario) ?? 0);
  registrar = playing;
  let complaints = '';
  onTestFailed(() => console.error(`SIPp: ${complaints || 'no complaint'}`));
  try {
    const client = await startClient({
      ...{ name: 'alice', address: 'sip:alice@lab.test', proxy: playing.uri, factory: 'sip:conference-factory@lab.test' },
      ...options,
    });
    const { instanceId } = await client.call('identity', {});
    await story(client, instanceId);
    const all = registers(client);
    sent += all.length;
    expect(all.map(({ expires }) => expires)).toEqual(left);
    expect(new Set(all.map(({ callId }) => callId)).size).toBe(1);
    for (const [index, { cseq, contact, local }] of all.entries()) {
      if (index > 0) expect(cseq).toBe((all[index - 1]?.cseq ?? 0) + 1);
      // The address of the flow and the instance, whatever the registrar said: one Contact, and never a GRUU in it.
      expect(contact).toContain(`<sip:alice@${local};transport=tcp>;`);
      expect(contact).toContain(`;+sip.instance="<${instanceId}>"`);
      expect(contact).not.toContain('gruu');
      expect(contact.match(/<sip:/g)).toHaveLength(1);
    }
    complaints = await playing.finish();
  } catch (error) {
    complaints = playing.complaints;
    throw error;
  }
  expect(complaints).toBe('');
}

describe('a registrar that', () => {
  it('R8 R13 R19: gives no GRUU: the instance in the Contact names the device', async () => {
    await at('no-gruu', [600, 600, 0], async (client, instance) => {
      expect(await registration(client)).toMatchObject({ state: 'registered', expires: 600, bindings: 1 });
      expect(await client.call('identity', {})).toMatchObject({ pubGruu: null, tempGruu: null });
      expect(await invites(client)).toMatch(
        new RegExp(`<sip:alice@127\\.0\\.0\\.1:\\d+;transport=tcp>.*;\\+sip\\.instance="<${instance}>"`),
      );
      expect(await client.call('register', {})).toMatchObject({ state: 'registered' });
      expect(await own(client)).toMatchObject([{ instanceId: instance, pubGruu: null, expires: 600, duplicate: null }]);
      expect(await client.call('unregister', {})).toMatchObject({ state: 'offline' });
    });
  });

  it('R9 R15: lists instance and GRUU without brackets or quotes, or with the wrong ones: both are known and used', async () => {
    await at('bare', [600, 600, 0], async (client, instance) => {
      expect(await registration(client)).toMatchObject({ state: 'registered', expires: 300, bindings: 2 });
      expect(await client.call('identity', {})).toMatchObject({ pubGruu: GRUU(instance), tempGruu: null });
      expect(await invites(client)).toContain(`<${GRUU(instance)}>`);
      await client.call('register', {});
      expect(await client.call('identity', {})).toMatchObject({ pubGruu: GRUU(instance), tempGruu: 'sip:tgruu.9@lab.test;gr' });
      expect(await devices(client)).toMatchObject([{ self: true, instanceId: instance, pubGruu: GRUU(instance), expires: 300 }]);
      await client.call('unregister', {});
    });
  });

  it('R15: lists a Contact rewritten by an edge proxy, with a new port each time: it is still this device, not a copy', async () => {
    await at('rewritten', [600, 600, 0], async (client, instance) => {
      expect(await client.call('identity', {})).toMatchObject({ pubGruu: GRUU(instance) });
      for (const port of [40001, 40002]) {
        if (port === 40002) await client.call('register', {});
        const contact = `sip:alice@203.0.113.7:${port};transport=tcp;received=127.0.0.1`;
        expect(await devices(client)).toMatchObject([{ self: true, instanceId: instance, contact, duplicate: null }]);
      }
      expect((await client.call('snapshot', {})).warnings.map(({ code }) => code)).not.toContain('duplicate-device');
      await client.call('unregister', {});
    });
  });

  it('answers 200 without any Contact: registered for the time granted, else the time asked, and the device is shown', async () => {
    await at('no-contact', [600, 600, 0], async (client, instance) => {
      expect(await registration(client)).toMatchObject({ state: 'registered', expires: 240, bindings: 0 });
      expect(await devices(client)).toMatchObject([{ self: true, instanceId: instance, expires: 240, state: 'active' }]);
      expect(await client.call('register', {})).toMatchObject({ state: 'registered', expires: 600 });
      expect(await client.call('identity', {})).toMatchObject({ instanceId: instance, pubGruu: null });
      expect(await client.call('unregister', {})).toMatchObject({ state: 'offline' });
      expect(await devices(client)).toEqual([]);
    });
  });

  it('R13: answers 423 twice: its minimum is requested from then on', async () => {
    await at(
      'brief-ladder',
      [60, 120, 600, 600, 0],
      async (client) => {
        expect(await registration(client)).toMatchObject({ state: 'registered', expires: 600 });
        await client.call('register', {});
        await client.call('unregister', {});
      },
      { expiresSeconds: 60 },
    );
  });

  it('takes two seconds to answer: the client waits and sends one REGISTER', async () => {
    await at('slow', [600, 600, 0], async (client) => {
      const [asked, answered] = client.wire;
      expect((answered?.at ?? 0) - (asked?.at ?? 0)).toBeGreaterThan(1_900);
      expect(registers(client)).toHaveLength(1);
      expect(client.events.flatMap((one) => (one.event === 'registration' ? one.state : []))).not.toContain('waiting');
      await client.call('register', {});
      await client.call('unregister', {});
    });
  });

  it('answers everything twice: the second is no news', async () => {
    await at('duplicated', [600, 600, 600, 0], async (client) => {
      expect(await client.call('register', {})).toMatchObject({ state: 'registered', bindings: 1 });
      const heard = () => client.wire.filter(({ bytes }) => /^SIP\/2\.0 (401|200)/.test(new TextDecoder().decode(bytes)));
      await expect.poll(() => heard().length, { timeout: 5_000 }).toBe(6);
      expect(await registration(client)).toMatchObject({ state: 'registered', expires: 600, bindings: 1 });
      expect(client.events.flatMap((one) => (one.event === 'registration' ? one.state : []))).not.toContain('waiting');
      expect(await client.call('unregister', {})).toMatchObject({ state: 'offline' });
    });
  });

  it('R13: is overloaded for two seconds: the client waits that long and continues by itself', async () => {
    await at(
      'unavailable',
      [600, 600, 600, 0],
      async (client) => {
        await client.tryCall('register', {});
        const waiting = await registration(client);
        expect(waiting).toMatchObject({ state: 'waiting', error: { status: 503 } });
        await client.until('it is registered', async () => ((await registration(client)).state === 'registered' ? true : null));
        const [refused, again] = client.wire.filter((record) => record.protocol === 'sip' && record.direction === 'out');
        expect((again?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(1_990);
        expect((waiting.retryAt ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(1_990);
        expect((await registration(client)).error).toBeUndefined();
        await client.call('register', {});
        await client.call('unregister', {});
      },
      { register: false },
    );
  });

  it('R36 R37: offers MD5 before SHA-256: the answer uses SHA-256; later only MD5, whose answer SIPp verifies', async () => {
    await at('two-digests', [600, 600, 600, 600, 0], async (client) => {
      const authorization = headerValues(registers(client)[1]?.text ?? '', 'Authorization');
      expect(authorization).toHaveLength(1);
      const value = (name: string) => new RegExp(`\\b${name}="?([^",]+)`).exec(authorization[0] ?? '')?.[1] ?? '';
      expect([value('algorithm'), value('nc')]).toEqual(['SHA-256', '00000001']);
      // RFC 7616 section 3.4.1, by hand.
      const hash = (text: string) => createHash('sha256').update(text).digest('hex');
      const first = hash('alice:lab.test:secret');
      const second = hash(`REGISTER:${value('uri')}`);
      expect(value('response')).toBe(hash([first, value('nonce'), '00000001', value('cnonce'), 'auth', second].join(':')));
      expect(await client.call('register', {})).toMatchObject({ state: 'registered' });
      expect(headerValues(registers(client)[3]?.text ?? '', 'Authorization')[0]).toMatch(/algorithm=MD5/);
      await client.call('unregister', {});
    });
  });

  it('R13: refuses the person: nothing more is sent until the person asks for it, and then once', async () => {
    await at(
      'forbidden',
      [600, 600],
      async (client) => {
        for (const count of [1, 2]) {
          const refused = await client.tryCall('register', {});
          expect(refused).toMatchObject({ ok: false, error: { status: 403 } });
          await elapse(QUIET_MS, 'nothing tells that no REGISTER is sent');
          expect(registers(client)).toHaveLength(count);
          const now = await registration(client);
          expect(now).toMatchObject({ state: 'rejected', error: { status: 403 } });
          expect(now.retryAt).toBeUndefined();
        }
        expect(await devices(client)).toEqual([]);
      },
      { register: false },
    );
  });
});

describe('tshark', () => {
  it('has read every REGISTER of these stories, and found no fault', async () => {
    const verdict = await capture.read({ sip: [...ports.values()], msrp: [] });
    expect(verdict.faults).toEqual([]);
    expect(sent).toBe(35);
    expect(verdict.counts.get('sip REGISTER')).toBe(sent);
  });
});
