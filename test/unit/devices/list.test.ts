import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Emitter } from '../../../base/emitter';
import { silentLogger } from '../../../base/log';
import { DeviceList, FRESH_LIST_MS, SUBSCRIBE_AGAIN_MS } from '../../../main/devices/list';
import { MAX_REVIVALS, PROBATION_MS } from '../../../main/devices/own-registration';
import type { Binding, RegistrationState } from '../../../main/sip/client';
import type { AppError } from '../../../preload/contract/errors';
import { ICSI, ICSI_PARAM, icsiValue } from '../../../protocol/feature-tags';
import { encodeRegInfo, type RegInfoContact, type RegistrationEvent } from '../../../protocol/reginfo';
import { VirtualClock } from '../../support/doubles/virtual-clock';

const AOR = 'sip:alice@lab.test';
const LAPTOP = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const TABLET = 'urn:uuid:11111111-2222-4333-8444-555555555555';
const HERE = 'sip:alice@127.0.0.1:40001;transport=tcp';
const THERE = 'sip:alice@127.0.0.1:50001;transport=tcp';
const ELSEWHERE = 'sip:alice@198.51.100.7:5999;transport=tcp';

const binding = (contact: string, instanceId: string, more: Partial<Binding> = {}): Binding => ({
  contact,
  instanceId,
  deviceName: instanceId === LAPTOP ? 'Laptop' : 'Tablet',
  expires: 600,
  icsis: [ICSI.session, ICSI.msg],
  params: new Map(),
  pubGruu: `${AOR};gr=${instanceId}`,
  tempGruu: null,
  ...more,
});

const contact = (id: string, uri: string, instanceId: string, event: RegistrationEvent, more: Partial<RegInfoContact> = {}) => ({
  id,
  state: 'active' as const,
  event,
  uri,
  displayName: instanceId === LAPTOP ? 'Laptop' : 'Tablet',
  expires: 600,
  durationRegistered: 0,
  retryAfter: null,
  q: null,
  callId: null,
  cseq: null,
  params: new Map([
    ['+sip.instance', `<${instanceId}>`],
    [ICSI_PARAM, icsiValue([ICSI.session, ICSI.msg])],
  ]),
  pubGruu: `${AOR};gr=${instanceId}`,
  tempGruu: null,
  ...more,
});
const laptop = (event: RegistrationEvent, more: Partial<RegInfoContact> = {}) => contact('c1', HERE, LAPTOP, event, more);
const tablet = (event: RegistrationEvent, more: Partial<RegInfoContact> = {}) => contact('c2', THERE, TABLET, event, more);
const ended = { state: 'terminated', expires: 0 } as const;

/** A registration that does what the test says, and a network that tells what the test says. */
class Double {
  readonly clock = new VirtualClock();
  readonly onState = new Emitter<RegistrationState>();
  state: RegistrationState = 'offline';
  bindings: Binding[] = [];
  contact: string | null = null;
  expires: number | null = null;
  readonly icsis = [ICSI.session];
  readonly pubGruu = null;
  registers = 0;
  halted: AppError | null = null;
  signedOut = 0;
  changes = 0;
  subscriptions: { onDocument: Emitter<string>; onEnd: Emitter<{ reason: string; status: number | null }>; disposed: boolean }[] = [];
  readonly list = new DeviceList({
    clock: this.clock,
    log: silentLogger,
    registration: this,
    subscribe: () => {
      const subscription = {
        onDocument: new Emitter<string>(),
        onEnd: new Emitter<{ reason: string; status: number | null }>(),
        disposed: false,
        dispose() {
          this.disposed = true;
        },
      };
      this.subscriptions.push(subscription);
      return subscription;
    },
    self: { aor: AOR, instanceId: LAPTOP, deviceName: () => 'My laptop' },
    changed: () => {
      this.changes += 1;
    },
    signedOut: () => {
      this.signedOut += 1;
    },
  });
  #version = -1;

  async register(): Promise<void> {
    this.registers += 1;
    this.registered(this.bindings);
  }

  halt(error: AppError): void {
    this.halted = error;
    this.state = 'rejected';
    this.onState.emit('rejected');
  }

  registered(bindings: Binding[], at = HERE): void {
    this.bindings = bindings;
    this.contact = at;
    this.expires = 600;
    this.state = 'registered';
    this.onState.emit('registered');
  }

  /** The next document of the current subscription. */
  tell(state: 'full' | 'partial', contacts: RegInfoContact[], version = this.#version + 1): void {
    this.#version = version;
    const registrations = [{ aor: AOR, id: 'r1', state: 'active' as const, contacts }];
    this.subscriptions.at(-1)?.onDocument.emit(encodeRegInfo({ version, state, registrations }));
  }

  /** Versions count per subscription. */
  startsOver(): void {
    this.#version = -1;
  }

  get names(): string[] {
    return this.list.values.map((device) => `${device.name} ${device.state}`);
  }
}

let lab: Double;
beforeEach(() => {
  lab = new Double();
});
afterEach(() => lab.list.dispose());

const registered = (): void => lab.registered([binding(HERE, LAPTOP), binding(THERE, TABLET)]);
const watching = (): void => {
  registered();
  lab.tell('full', [laptop('registered'), tablet('registered')]);
};

describe('the devices of one’s own address', () => {
  it('R30: are those of the binding list, this one first, each with its expiry time', () => {
    lab.registered([binding(THERE, TABLET, { expires: 100 }), binding(HERE, LAPTOP)]);
    const [own, other] = lab.list.values;
    expect(own).toMatchObject({ instanceId: LAPTOP, self: true, name: 'My laptop', state: 'active', lastEvent: null });
    expect(other).toMatchObject({ instanceId: TABLET, self: false, name: 'Tablet', capabilities: ['session', 'pager'] });
    expect(other?.expiresAt).toBe(lab.clock.now() + 100_000);
  });

  it('have this one among them also where the registrar does not list it, until it signs off', () => {
    lab.registered([binding(THERE, TABLET)]);
    expect(lab.list.values).toMatchObject([
      { instanceId: LAPTOP, self: true, contact: HERE, expires: 600, capabilities: ['session'], duplicate: null },
      { instanceId: TABLET, self: false },
    ]);
    lab.registered([binding(HERE, LAPTOP)]);
    expect(lab.list.values).toHaveLength(1);
    lab.bindings = [];
    lab.contact = null;
    lab.state = 'offline';
    lab.onState.emit('offline');
    expect(lab.list.values).toEqual([]);
  });

  it('R24 R75: a new name, capability or registration of another device is known from the event, without a query', () => {
    watching();
    const icsis = new Map([...tablet('refreshed').params, [ICSI_PARAM, icsiValue([ICSI.msg])]]);
    lab.tell('partial', [tablet('refreshed', { displayName: 'Kitchen', params: icsis })]);
    expect(lab.list.values[1]).toMatchObject({ name: 'Kitchen', capabilities: ['pager'], lastEvent: { event: 'refreshed' } });
    lab.tell('partial', [contact('c3', 'sip:alice@127.0.0.1:1;transport=tcp', 'urn:gsma:imei:90420156-025763-0', 'created')]);
    expect(lab.list.values).toHaveLength(3);
    expect(lab.registers).toBe(0);
  });

  it('one that signs out is shown as such until the server is asked again', () => {
    watching();
    lab.tell('partial', [tablet('unregistered', ended)]);
    expect(lab.names).toEqual(['My laptop active', 'Tablet terminated']);
    lab.registered([binding(HERE, LAPTOP)]);
    expect(lab.names).toEqual(['My laptop active']);
  });

  it('of several ends of one device the last one told is shown', async () => {
    watching();
    lab.tell('partial', [tablet('deactivated', ended)]);
    await lab.clock.advance(1_000);
    lab.tell('partial', [contact('c4', 'sip:alice@127.0.0.1:50002;transport=tcp', TABLET, 'registered')]);
    await lab.clock.advance(1_000);
    lab.tell('partial', [contact('c4', 'sip:alice@127.0.0.1:50002;transport=tcp', TABLET, 'rejected', ended)]);
    expect(lab.list.values[1]).toMatchObject({ state: 'terminated', lastEvent: { event: 'rejected' } });
  });

  it('a full document replaces everything; one that came before changes nothing', () => {
    watching();
    lab.tell('full', [laptop('registered')], 5);
    expect(lab.names).toEqual(['My laptop active']);
    lab.tell('partial', [tablet('registered')], 5);
    expect(lab.names).toEqual(['My laptop active']);
  });

  it('a gap in the versions subscribes again at once, then only from time to time', async () => {
    watching();
    lab.tell('partial', [tablet('refreshed', { displayName: 'Lost' })], 7);
    expect(lab.subscriptions).toHaveLength(2);
    expect(lab.subscriptions[0]?.disposed).toBe(true);
    expect(lab.names).toEqual(['My laptop active', 'Tablet active']);
    lab.tell('partial', [tablet('refreshed')], 9);
    expect(lab.subscriptions).toHaveLength(2);
    await lab.clock.advance(SUBSCRIBE_AGAIN_MS);
    expect(lab.subscriptions).toHaveLength(3);
  });

  it('several flows of one device, and what an earlier run has left, are one device', () => {
    lab.registered([binding(HERE, LAPTOP), binding(ELSEWHERE, LAPTOP), binding(THERE, TABLET), binding(`${THERE}2`, TABLET)]);
    expect(lab.list.values.map((device) => device.instanceId)).toEqual([LAPTOP, TABLET]);
    expect(lab.list.values[0]?.contact).toBe(HERE);
    expect(lab.list.duplicate).toBeNull();
  });

  it('a network without the event package is asked once, and for its list when somebody looks', async () => {
    registered();
    lab.subscriptions[0]?.onEnd.emit({ reason: 'refused', status: 489 });
    await lab.clock.advance(SUBSCRIBE_AGAIN_MS * 3);
    lab.registered([binding(HERE, LAPTOP)]);
    expect(lab.subscriptions).toHaveLength(1);
    await lab.clock.advance(FRESH_LIST_MS);
    await lab.list.refresh();
    expect(lab.registers).toBe(1);
    await lab.list.refresh();
    expect(lab.registers).toBe(1);
  });

  it('an end that may pass is subscribed again after a while, and a new flow at once', async () => {
    watching();
    lab.subscriptions[0]?.onEnd.emit({ reason: 'terminated', status: null });
    expect(lab.list.isWatching).toBe(false);
    await lab.clock.advance(SUBSCRIBE_AGAIN_MS);
    expect(lab.subscriptions).toHaveLength(2);
    lab.registered([binding(ELSEWHERE, LAPTOP)], ELSEWHERE);
    expect(lab.subscriptions).toHaveLength(3);
    expect(lab.list.duplicate).toBeNull();
  });
});

describe('what becomes of this device’s own registration', () => {
  it.each(['deactivated', 'expired'] as const)('%s: is made anew at once', async (event) => {
    watching();
    lab.tell('partial', [laptop(event, ended)]);
    await lab.clock.advance(0);
    expect(lab.registers).toBe(1);
    expect(lab.halted).toBeNull();
  });

  it('deactivated again and again: is not fought over', async () => {
    watching();
    for (let round = 0; round <= MAX_REVIVALS; round++) {
      lab.tell('partial', [laptop('deactivated', ended)]);
      await lab.clock.advance(1_000);
    }
    expect(lab.registers).toBe(MAX_REVIVALS);
    expect(lab.halted?.code).toBe('identity/duplicate');
  });

  it('probation: waits as long as it is told', async () => {
    watching();
    lab.tell('partial', [laptop('probation', { ...ended, retryAfter: 30 })]);
    expect(lab.halted?.detail.retryAfterMs).toBe(30_000);
    await lab.clock.advance(29_000);
    expect(lab.registers).toBe(0);
    await lab.clock.advance(1_000);
    expect(lab.registers).toBe(1);
    expect(PROBATION_MS).toBeGreaterThan(0);
  });

  it('probation: the end of the subscription, which follows, does not take the return away', async () => {
    watching();
    lab.tell('partial', [laptop('probation', { ...ended, retryAfter: 30 })]);
    lab.subscriptions.at(-1)?.onEnd.emit({ reason: 'the connection was closed', status: null });
    await lab.clock.advance(30_000);
    expect(lab.registers).toBe(1);
  });

  it('unregistered: by another device, so this one is signed out', () => {
    watching();
    lab.tell('partial', [laptop('unregistered', ended), tablet('unregistered', ended)]);
    expect(lab.signedOut).toBe(1);
    expect(lab.registers).toBe(0);
  });

  it('rejected: stops', async () => {
    watching();
    lab.tell('partial', [laptop('rejected', ended)]);
    await lab.clock.advance(600_000);
    expect(lab.halted?.code).toBe('sip/rejected');
    expect(lab.registers).toBe(0);
  });

  it('shortened: is renewed at half of what is left', async () => {
    watching();
    lab.tell('partial', [laptop('shortened', { expires: 60 })]);
    await lab.clock.advance(29_000);
    expect(lab.registers).toBe(0);
    await lab.clock.advance(1_000);
    expect(lab.registers).toBe(1);
  });

  it.each(['registered', 'created', 'refreshed'] as const)('%s: is as it should be', async (event) => {
    watching();
    lab.tell('partial', [laptop(event)]);
    await lab.clock.advance(PROBATION_MS);
    expect([lab.registers, lab.halted, lab.signedOut, lab.list.duplicate]).toEqual([0, null, 0, null]);
  });
});

describe('another computer with this device’s instance ID', () => {
  it('that takes its place: is told, and this one stops instead of taking it back', async () => {
    watching();
    lab.tell('partial', [laptop('deactivated', ended), contact('c9', ELSEWHERE, LAPTOP, 'registered')]);
    expect(lab.list.duplicate).toMatchObject({ contact: ELSEWHERE });
    expect(lab.list.values[0]).toMatchObject({ self: true, duplicate: { contact: ELSEWHERE } });
    expect(lab.halted?.code).toBe('identity/duplicate');
    await lab.clock.advance(3_600_000);
    expect(lab.registers).toBe(0);
  });

  it('is also noticed when the contact keeps its id and gets another address', () => {
    watching();
    lab.tell('partial', [contact('c1', ELSEWHERE, LAPTOP, 'created')]);
    expect(lab.halted?.code).toBe('identity/duplicate');
  });

  it('beside it: is told, and this one goes on', () => {
    watching();
    lab.tell('partial', [contact('c9', ELSEWHERE, LAPTOP, 'registered')]);
    expect(lab.list.duplicate?.contact).toBe(ELSEWHERE);
    expect(lab.halted).toBeNull();
    lab.tell('partial', [contact('c9', ELSEWHERE, LAPTOP, 'unregistered', ended)]);
    expect(lab.list.duplicate).toBeNull();
  });

  it('in the binding list alone: what was there at the start is old, what comes later is somebody', () => {
    lab.registered([binding(HERE, LAPTOP), binding(THERE, LAPTOP)]);
    expect(lab.list.duplicate).toBeNull();
    lab.registered([binding(HERE, LAPTOP), binding(ELSEWHERE, LAPTOP)]);
    expect(lab.list.duplicate?.contact).toBe(ELSEWHERE);
  });

  it('is not seen in this device’s own earlier flow, nor while a registration is under way', () => {
    watching();
    lab.registered([binding(ELSEWHERE, LAPTOP), binding(THERE, TABLET)], ELSEWHERE);
    lab.startsOver();
    lab.tell('full', [laptop('registered'), contact('c5', ELSEWHERE, LAPTOP, 'registered')]);
    lab.tell('partial', [laptop('expired', ended)]);
    expect([lab.list.duplicate, lab.halted]).toEqual([null, null]);
    lab.state = 'refreshing';
    lab.tell('partial', [contact('c7', 'sip:alice@192.0.2.1:1', LAPTOP, 'registered')]);
    expect([lab.list.duplicate, lab.halted]).toEqual([null, null]);
  });
});
