import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { Note } from '../../../../main/devices/pairing/notes';
import { Pairing } from '../../../../main/devices/pairing/pairing';
import { MAX_TRIES, PAIRING_MS, PAUSE_MS } from '../../../../main/own/pairing';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

const NEW = { instanceId: 'urn:uuid:new', name: 'Tablet' };
const OLD = { instanceId: 'urn:uuid:old', name: 'Laptop' };

/** Two devices, and a network between them that can be cut. */
function lab() {
  const clock = new VirtualClock();
  const told: string[] = [];
  const withdrawn: string[] = [];
  const network = { status: 200, seen: [] as Note[] };
  const devices = new Map<string, Pairing>();
  const make = ({ instanceId, name }: typeof NEW) => {
    const pairing = new Pairing({
      ...{ clock, log: silentLogger },
      self: { aor: 'sip:alice@lab.test', instanceId, deviceName: () => name },
      send: async (to, note) => {
        const whole = { ...note, i: instanceId } as Note;
        network.seen.push(whole);
        return network.status === 200 ? (devices.get(to)?.receive(whole) ?? 480) : network.status;
      },
      gift: (instance) => {
        told.push(instance);
        return { key: 'the key' };
      },
      withdraw: (instance) => withdrawn.push(instance),
      changed: () => undefined,
    });
    devices.set(instanceId, pairing);
    return pairing;
  };
  return { clock, network, told, withdrawn, newer: make(NEW), older: make(OLD) };
}

async function shown(at: ReturnType<typeof lab>): Promise<string> {
  at.newer.start(OLD);
  await settled();
  return at.newer.value?.code ?? '';
}

describe('a pairing, as the two devices show it', () => {
  it('asks the older one only for what the new one shows, and gives nothing before', async () => {
    const at = lab();
    const code = await shown(at);
    expect(at.newer.value).toMatchObject({ side: 'new', state: 'code', name: 'Laptop', until: at.clock.now() + PAIRING_MS });
    expect(at.older.value).toMatchObject({ side: 'older', state: 'code', name: 'Tablet', code: null });
    expect(at.told).toEqual([]);
    await at.older.type(code);
    expect(at.told).toEqual([NEW.instanceId]);
    expect(at.older.value?.state).toBe('paired');
    expect(at.newer.value?.state).toBe('confirm');
    expect(at.newer.confirm()).toEqual({ key: 'the key' });
    expect(at.newer.value?.state).toBe('paired');
  });

  it('is over on both after a wrong code, and nothing was given', async () => {
    const at = lab();
    const code = await shown(at);
    await expect(at.older.type(code === '123456' ? '654321' : '123456')).rejects.toMatchObject({ code: 'device/wrong-code' });
    await settled();
    expect(at.older.value).toMatchObject({ state: 'over', why: 'wrong' });
    expect(at.newer.value).toMatchObject({ state: 'over', why: 'wrong', code: null });
    await expect(at.older.type(code)).rejects.toMatchObject({ code: 'device/unknown' });
    expect(at.told).toEqual([]);
  });

  it('is over on both after two minutes', async () => {
    const at = lab();
    await shown(at);
    await at.clock.advance(PAIRING_MS + 1);
    for (const side of [at.newer, at.older]) expect(side.value).toMatchObject({ state: 'over', why: 'late', code: null });
  });

  it('says why it cannot begin: the other one is off, is busy, rests, or knows nothing of it', async () => {
    for (const [status, why] of [
      [480, 'unreachable'],
      [486, 'resting'],
      [503, 'resting'],
      [415, 'version'],
    ] as const) {
      const at = lab();
      at.network.status = status;
      at.newer.start(OLD);
      await at.clock.advance(5_000);
      expect(at.newer.value).toMatchObject({ state: 'over', why });
      expect(at.older.value).toBeNull();
    }
  });

  it('asks one that is not there yet a few times, since the two may not have heard of each other', async () => {
    const at = lab();
    at.network.status = 480;
    at.newer.start(OLD);
    await settled();
    at.network.status = 200;
    await at.clock.advance(1_000);
    expect(at.newer.value?.state).toBe('code');
  });

  it('takes the new one out again where what it was given did not arrive, or its person says no', async () => {
    const lost = lab();
    const code = await shown(lost);
    lost.network.status = 408;
    await expect(lost.older.type(code)).rejects.toMatchObject({ code: 'device/unknown' });
    expect(lost.withdrawn).toEqual([NEW.instanceId]);
    const denied = lab();
    await denied.older.type(await shown(denied));
    denied.newer.cancel();
    await settled();
    expect(denied.withdrawn).toEqual([NEW.instanceId]);
    expect(denied.older.value).toMatchObject({ state: 'over', why: 'cancelled' });
  });

  it('can be taken back by the new one also after the person has closed "paired" on the older one, as long as the two minutes last', async () => {
    const at = lab();
    await at.older.type(await shown(at));
    at.older.cancel();
    expect(at.older.value).toBeNull();
    at.newer.cancel();
    await settled();
    expect(at.withdrawn).toEqual([NEW.instanceId]);
    expect(at.older.value).toMatchObject({ state: 'over', why: 'cancelled' });
    const later = lab();
    await later.older.type(await shown(later));
    later.newer.confirm();
    later.older.cancel();
    await later.clock.advance(PAIRING_MS + 1);
    expect(later.older.receive({ i: NEW.instanceId, pair: 5, why: 'cancelled' })).toBe(481);
    expect(later.withdrawn).toEqual([]);
  });

  it('shows nobody a device that only asks: it must have shown what it committed to', async () => {
    const at = lab();
    expect(at.older.receive({ i: NEW.instanceId, pair: 1, commitment: 'x' })).toBe(200);
    expect(at.older.value).toBeNull();
    expect(at.older.receive({ i: NEW.instanceId, pair: 3, pk: 'x', r: 'x' })).toBe(400);
    expect(at.older.value).toBeNull();
  });

  it('lets few in within ten minutes, and nobody for an hour after that', () => {
    const at = lab();
    const ask = (who: number) => at.older.receive({ i: `urn:uuid:${who}`, pair: 1, commitment: 'x' });
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      expect(ask(tries)).toBe(200);
      at.older.receive({ i: `urn:uuid:${tries}`, pair: 5, why: 'cancelled' });
    }
    expect(ask(9)).toBe(503);
    expect(PAUSE_MS).toBe(3_600_000);
  });

  it('answers what does not belong to it by a refusal, and goes on', async () => {
    const at = lab();
    await shown(at);
    for (const pair of [1, 2, 3, 4, 5] as const) expect(at.older.receive({ i: 'urn:uuid:mallory', pair })).toBeGreaterThan(400);
    expect(at.older.value?.state).toBe('code');
    expect(at.newer.value?.state).toBe('code');
  });
});
