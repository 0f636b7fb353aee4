import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { GIVE_UP_AFTER_MS, LOOK_AFTER_MS, SIGN_OUT, type SignOutEvent, type SignOutState, SignOuts } from '../../../main/devices/sign-out';
import type { DeviceValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { OTHER_INSTANCE } from '../../support/doubles/sip-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const tablet: DeviceValue = {
  ...{ instanceId: OTHER_INSTANCE, name: 'Tablet', nickname: 'amber heron', self: false, contact: 'sip:alice@127.0.0.1:5999' },
  ...{ expires: 3600, expiresAt: 0, capabilities: [], pubGruu: null, state: 'active', lastEvent: null, duplicate: null },
};

const events: SignOutEvent[] = ['agrees', 'refuses', 'disappears', 'waitOver'];

/** The whole expectation: a row for each state, a column for each event in the order of `events`. */
const expected: Record<SignOutState, SignOutState[]> = {
  asked: ['agreed', 'refused', 'gone', 'asked'],
  agreed: ['agreed', 'agreed', 'gone', 'looking'],
  looking: ['looking', 'looking', 'gone', 'stays'],
  gone: ['gone', 'gone', 'gone', 'gone'],
  stays: ['stays', 'stays', 'stays', 'stays'],
  refused: ['refused', 'refused', 'refused', 'refused'],
};

const labs: SignOuts[] = [];
afterEach(() => {
  for (const each of labs.splice(0)) each.dispose();
});

function lab() {
  const clock = new VirtualClock();
  const list = { devices: [tablet] as DeviceValue[] };
  const asked: { resolve(): void; reject(error: Error): void }[] = [];
  const warnings: string[] = [];
  let refreshes = 0;
  const signOuts = new SignOuts({
    clock,
    log: { ...silentLogger, warn: (text) => void warnings.push(text) },
    ask: () => new Promise((resolve, reject) => void asked.push({ resolve, reject })),
    refresh: async () => {
      refreshes += 1;
    },
    devices: () => list.devices,
  });
  labs.push(signOuts);
  return { clock, list, asked, warnings, signOuts, refreshes: () => refreshes };
}

describe('signing out another device', () => {
  const pairs = (Object.keys(expected) as SignOutState[]).flatMap((state) =>
    events.map((event, index): [SignOutState, SignOutEvent, SignOutState] => [state, event, expected[state][index] ?? state]),
  );

  it('has an expectation for every pair of state and event', () => {
    expect(Object.keys(expected).sort()).toEqual(Object.keys(SIGN_OUT).sort());
    for (const row of Object.values(expected)) expect(row).toHaveLength(events.length);
  });

  it.each(pairs)('%s, %s: %s', (state, event, next) => {
    expect(SIGN_OUT[state][event] ?? state).toBe(next);
  });

  it('is done when the device has agreed, and asks for the list where nothing tells that it went', async () => {
    const { signOuts, asked, clock, refreshes, list, warnings } = lab();
    const answer = signOuts.signOut(tablet);
    asked[0]?.resolve();
    await answer;
    await clock.advance(LOOK_AFTER_MS - 1);
    expect(refreshes()).toBe(0);
    await clock.advance(1);
    expect(refreshes()).toBe(1);
    list.devices = [];
    signOuts.listChanged();
    await clock.advance(GIVE_UP_AFTER_MS);
    expect([warnings, clock.pending]).toEqual([[], 0]);
  });

  it('a device that stays although it has agreed is in the log', async () => {
    const { signOuts, asked, clock, warnings } = lab();
    const answer = signOuts.signOut(tablet);
    asked[0]?.resolve();
    await answer;
    signOuts.listChanged();
    await clock.advance(LOOK_AFTER_MS + GIVE_UP_AFTER_MS);
    expect(warnings).toEqual(['A device has agreed to sign out and is still registered']);
  });

  it('asks a device once, however often the person does; once it has refused, it may be asked again', async () => {
    const { signOuts, asked } = lab();
    const both = [signOuts.signOut(tablet), signOuts.signOut(tablet)];
    asked[0]?.reject(new AppError('device/refuses'));
    for (const answer of both) await expect(answer).rejects.toMatchObject({ code: 'device/refuses' });
    expect(asked).toHaveLength(1);
    signOuts.signOut(tablet).catch(() => undefined);
    expect(asked).toHaveLength(2);
    asked[1]?.resolve();
    await settled();
  });

  it('a device that is gone before it could answer is signed out', async () => {
    const { signOuts, asked, list } = lab();
    const answer = signOuts.signOut(tablet);
    list.devices = [{ ...tablet, state: 'terminated' }];
    signOuts.listChanged();
    asked[0]?.reject(new AppError('net/timeout'));
    await expect(answer).resolves.toBeUndefined();
  });
});
