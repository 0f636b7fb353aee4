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

/** How a sign-out has ended so far: `open`, `done`, or the code of its error. */
function watched(answer: Promise<void>): { outcome: string } {
  const seen = { outcome: 'open' };
  answer.then(
    () => {
      seen.outcome = 'done';
    },
    (error: unknown) => {
      seen.outcome = error instanceof AppError ? error.code : String(error);
    },
  );
  return seen;
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

  it('is done when the device has gone, and asks for the list where nothing tells that it went', async () => {
    const { signOuts, asked, clock, refreshes, list, warnings } = lab();
    const answer = watched(signOuts.signOut(tablet));
    asked[0]?.resolve();
    await clock.advance(LOOK_AFTER_MS - 1);
    expect([refreshes(), answer.outcome]).toEqual([0, 'open']);
    await clock.advance(1);
    expect([refreshes(), answer.outcome]).toEqual([1, 'open']);
    list.devices = [];
    signOuts.listChanged();
    await clock.advance(GIVE_UP_AFTER_MS);
    expect([answer.outcome, warnings, clock.pending]).toEqual(['done', [], 0]);
  });

  it('a device that stays although it has agreed is not signed out, and is in the log', async () => {
    const { signOuts, asked, clock, warnings } = lab();
    const answer = watched(signOuts.signOut(tablet));
    asked[0]?.resolve();
    signOuts.listChanged();
    await clock.advance(LOOK_AFTER_MS + GIVE_UP_AFTER_MS);
    expect([answer.outcome, warnings]).toEqual(['device/stays', ['A device has agreed to sign out and is still registered']]);
  });

  it('what nobody can tell any more, because the account ends, is not told as done', async () => {
    const { signOuts, asked } = lab();
    const answer = watched(signOuts.signOut(tablet));
    asked[0]?.resolve();
    await settled();
    signOuts.dispose();
    await settled();
    expect(answer.outcome).toBe('device/stays');
  });

  it('asks a device once, however often the person does; once it has refused, it may be asked again', async () => {
    const { signOuts, asked } = lab();
    const both = [signOuts.signOut(tablet), signOuts.signOut(tablet)];
    asked[0]?.reject(new AppError('device/refuses'));
    for (const answer of both) await expect(answer).rejects.toMatchObject({ code: 'device/refuses' });
    expect(asked).toHaveLength(1);
    signOuts.signOut(tablet).catch(() => undefined);
    expect(asked).toHaveLength(2);
  });

  it('a device that is gone before it could answer is signed out', async () => {
    const { signOuts, asked, list } = lab();
    const answer = signOuts.signOut(tablet);
    list.devices = [{ ...tablet, state: 'terminated' }];
    signOuts.listChanged();
    await expect(answer).resolves.toBeUndefined();
    asked[0]?.reject(new AppError('net/timeout'));
    await settled();
  });
});
