import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { SIGN_IN, SIGN_OUT_DELAY_MS, type SignedOut, SignIn, type SignInEvent, type SignInState } from '../../../main/account/sign-in';
import { AppError } from '../../../preload/contract/errors';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const events: SignInEvent[] = ['tries', 'accepted', 'refused', 'signOut', 'deviceAsks', 'answered', 'networkEnds', 'everywhere', 'leaves'];

/** The whole expectation: a row for each state, a column for each event in the order of `events`. */
const expected: Record<SignInState, SignInState[]> = {
  new: ['signingIn', 'new', 'new', 'signedOutHere', 'new', 'new', 'new', 'new', 'left'],
  signingIn: [
    ...(['signingIn', 'signedIn', 'ended', 'signedOutHere', 'leaving', 'signingIn'] as const),
    ...(['signedOutByNetwork', 'signedOutEverywhere', 'left'] as const),
  ],
  signedIn: [
    ...(['signedIn', 'signedIn', 'ended', 'signedOutHere', 'leaving', 'signedIn'] as const),
    ...(['signedOutByNetwork', 'signedOutEverywhere', 'left'] as const),
  ],
  ended: ['signingIn', 'ended', 'ended', 'signedOutHere', 'ended', 'ended', 'ended', 'ended', 'left'],
  leaving: [
    ...(['leaving', 'leaving', 'leaving', 'signedOutByDevice', 'leaving', 'signedOutByDevice'] as const),
    ...(['signedOutByDevice', 'signedOutEverywhere', 'leaving'] as const),
  ],
  signedOutHere: ['signingIn', ...Array<SignInState>(7).fill('signedOutHere'), 'left'],
  left: ['signingIn', ...Array<SignInState>(8).fill('left')],
  signedOutByDevice: ['signingIn', ...Array<SignInState>(8).fill('signedOutByDevice')],
  signedOutByNetwork: ['signingIn', ...Array<SignInState>(8).fill('signedOutByNetwork')],
  signedOutEverywhere: ['signingIn', ...Array<SignInState>(8).fill('signedOutEverywhere')],
};

function lab(kept: SignedOut | null = null) {
  const clock = new VirtualClock();
  const done: string[] = [];
  const disk: { kept: SignedOut | null; isFull: boolean } = { kept, isFull: false };
  const signIn = new SignIn({
    clock,
    log: silentLogger,
    kept,
    keep: (signedOut) => {
      if (disk.isFull) throw new AppError('storage/full', {}, 'user');
      disk.kept = signedOut;
    },
    beforeLeaving: () => void done.push('beforeLeaving'),
    unregister: async () => void done.push('unregister'),
  });
  return { clock, signIn, done, disk };
}

/** What brings a new object into a state, and what causes an event, by its verbs alone. */
const into: Record<SignInState, (at: ReturnType<typeof lab>) => Promise<void> | void> = {
  new: () => undefined,
  signingIn: ({ signIn }) => signIn.registrationIs('connecting'),
  signedIn: (at) => {
    at.signIn.registrationIs('connecting');
    at.signIn.registrationIs('registered');
  },
  ended: (at) => {
    at.signIn.registrationIs('connecting');
    at.signIn.registrationIs('rejected');
  },
  leaving: async (at) => {
    await into.signedIn(at);
    at.signIn.askedBy('Tablet');
  },
  signedOutHere: async (at) => {
    await into.signedIn(at);
    await at.signIn.signOut();
  },
  left: async (at) => {
    await into.signedIn(at);
    await at.signIn.leave();
  },
  signedOutByDevice: async (at) => {
    await into.leaving(at);
    await at.clock.advance(SIGN_OUT_DELAY_MS);
  },
  signedOutByNetwork: async (at) => {
    await into.signedIn(at);
    at.signIn.endedByNetwork();
  },
  signedOutEverywhere: async (at) => {
    await into.signedIn(at);
    at.signIn.endedEverywhere();
  },
};
const cause: Record<SignInEvent, (at: ReturnType<typeof lab>) => Promise<void> | void> = {
  tries: ({ signIn }) => signIn.registrationIs('connecting'),
  accepted: ({ signIn }) => signIn.registrationIs('registered'),
  refused: ({ signIn }) => signIn.registrationIs('rejected'),
  signOut: ({ signIn }) => signIn.signOut(),
  deviceAsks: ({ signIn }) => signIn.askedBy('Tablet'),
  answered: ({ clock }) => clock.advance(SIGN_OUT_DELAY_MS),
  networkEnds: ({ signIn }) => signIn.endedByNetwork(),
  everywhere: ({ signIn }) => signIn.endedEverywhere(),
  leaves: ({ signIn }) => signIn.leave(),
};

describe('signing in and out', () => {
  const pairs = (Object.keys(expected) as SignInState[]).flatMap((state) =>
    events.map((event, index): [SignInState, SignInEvent, SignInState] => [state, event, expected[state][index] ?? state]),
  );

  it('has an expectation for every pair of state and event', () => {
    expect(Object.keys(expected).sort()).toEqual(Object.keys(SIGN_IN).sort());
    for (const row of Object.values(expected)) expect(row).toHaveLength(events.length);
  });

  it.each(pairs)('%s, %s: %s', async (state, event, next) => {
    expect(SIGN_IN[state][event] ?? state).toBe(next);
    const at = lab();
    await into[state](at);
    expect(at.signIn.state).toBe(state);
    await cause[event](at);
    expect(at.signIn.state).toBe(next);
  });

  it('stores who signed this device out before it agrees, and leaves once the answer was sent', async () => {
    const at = lab();
    await into.leaving(at);
    expect(at.disk.kept).toEqual({ by: 'device', device: 'Tablet' });
    expect(at.done).not.toContain('unregister');
    await at.clock.advance(SIGN_OUT_DELAY_MS);
    expect(at.done.filter((each) => each === 'unregister')).toHaveLength(1);
    expect(at.signIn.error?.toValue()).toEqual({ code: 'account/signed-out', retry: 'user', reason: 'Tablet', signedOutBy: 'device' });
  });

  it('agrees to nothing that would not last', async () => {
    const at = lab();
    await into.signedIn(at);
    at.disk.isFull = true;
    expect(() => at.signIn.askedBy('Tablet')).toThrow(/storage\/full/);
    expect(at.signIn.state).toBe('signedIn');
    await at.clock.advance(SIGN_OUT_DELAY_MS);
    expect(at.done).toEqual([]);
  });

  it('leaves although the disk is full, where the network has ended the registration already', async () => {
    const at = lab();
    await into.signedIn(at);
    at.disk.isFull = true;
    at.signIn.endedByNetwork();
    await settled();
    expect([at.signIn.state, at.done]).toEqual(['signedOutByNetwork', ['beforeLeaving', 'unregister']]);
  });

  it('asked twice, leaves once; the person who signs out meanwhile does not wait', async () => {
    const at = lab();
    await into.leaving(at);
    at.signIn.askedBy('Phone');
    await at.signIn.signOut();
    await at.clock.advance(SIGN_OUT_DELAY_MS);
    expect(at.done.filter((each) => each === 'unregister')).toHaveLength(1);
    expect(at.signIn.signedOut).toEqual({ by: 'device', device: 'Tablet' });
  });

  it.each<SignedOut>([{ by: 'device', device: 'Tablet' }, { by: 'network' }, { by: 'everywhere' }])(
    'is still signed out after a restart, by whom it was, until the server accepts it again: %j',
    (kept) => {
      const { signIn, disk } = lab(kept);
      expect(signIn.signedOut).toEqual(kept);
      expect(signIn.isOver).toBe(true);
      signIn.registrationIs('connecting');
      expect(disk.kept).toEqual(kept);
      signIn.registrationIs('registered');
      expect([signIn.state, signIn.isOver, disk.kept]).toEqual(['signedIn', false, null]);
    },
  );

  it('a sign-out by the person, here, is not kept: the next start signs in again', async () => {
    const at = lab();
    await into.signedOutHere(at);
    expect([at.disk.kept, at.signIn.error, at.signIn.isOver]).toEqual([null, null, false]);
    expect(at.done).toEqual(['beforeLeaving', 'unregister']);
  });
});
