/** The state table of an upgrade: every pair of state and event, every order of the events, and what each way through it does to the 1-1. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { CpmSession } from '../../../../main/cpm/session/session';
import { isContinued, replacementGuardMs, Upgrade, type UpgradeEvent, type UpgradeState } from '../../../../main/cpm/upgrade/upgrade';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

/** What must become of each state at each event; a dot: nothing changes. */
const expected = `
                groupAnswered declined groupOpened groupBroke  groupOver peerSaidBye peerInBoth peerInGroupOnly peerLost peerOut  guardOver
  asked         answered      stayed   .           .           .         left        .          .               .        .        .
  left          moved         stayed   .           .           .         .           .          .               .        .        .
  answered      .             .        moving      .           .         moved       .          moved           .        .        stayed
  moving        .             .        .           .           stayed    moved       arrived    moved           stayed   .        .
  arrived       .             .        .           .           stayed    moved       .          moved           departed departed moved
  departed      .             .        .           .           stayed    moved       arrived    moved           .        .        .
  accepted      .             .        moved       interrupted .         .           .          moved           .        .        .
  interrupted   .             .        .           .           .         .           moved      moved           .        .        .
  moved         .             .        .           .           .         .           .          .               .        .        .
  stayed        .             .        moving      .           .         .           beside     moved           .        .        .
  beside        .             .        .           .           stayed    moved       .          moved           stayed   stayed   .
`;

const [events = [], ...rows] = expected
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const pairs = rows.flatMap(([from = '', ...cells]) =>
  cells.map((cell, at) => ({
    from: from as UpgradeState,
    event: events[at] as UpgradeEvent,
    to: (cell === '.' ? from : cell) as UpgradeState,
  })),
);

function running(state: UpgradeState, { stands = true } = {}) {
  const clock = new VirtualClock();
  const session = { state: stands ? 'established' : 'ended' };
  const seen = { kept: [] as UpgradeState[], byes: 0, wanted: true };
  const upgrade = new Upgrade(
    { clock, log: silentLogger },
    {
      isWanted: () => seen.wanted,
      keep: (kept) => seen.kept.push(kept),
      async leave(left) {
        expect(left).toBe(session);
        session.state = 'ended';
        seen.byes += 1;
      },
    },
    session as CpmSession,
    state,
  );
  return {
    upgrade,
    clock,
    seen,
    session,
    /** What happens, as the network brings it: the facts change first. */
    async happens(step: string) {
      if (step === 'peerSaidBye') session.state = 'ended';
      if (step === 'oneToOneBroke') session.state = 'ended';
      else if (step === 'peerIn') await upgrade.happened(session.state === 'established' ? 'peerInBoth' : 'peerInGroupOnly');
      else await upgrade.happened(step as UpgradeEvent);
    },
  };
}

/** Every order of some steps in which each comes after those that it needs. */
function orders(steps: readonly string[], needs: Readonly<Record<string, string>>): string[][] {
  if (steps.length === 0) return [[]];
  return steps
    .filter((step) => !steps.includes(needs[step] ?? ''))
    .flatMap((step) => orders(without(steps, step), needs).map((rest) => [step, ...rest]));
}
const without = (steps: readonly string[], step: string) => steps.filter((other) => other !== step);

describe('the table of an upgrade', () => {
  it('is written out here for all of its eleven states and eleven events', () => {
    expect([rows.length, events.length, new Set(events).size, pairs.length]).toEqual([11, 11, 11, 121]);
  });

  it.each(pairs)('$from, $event: $to', async ({ from, event, to }) => {
    const { upgrade, seen } = running(from);
    await upgrade.happened(event);
    expect(upgrade.state).toBe(to);
    expect(seen.kept).toEqual(from === to ? [] : [to]);
  });

  it.each(pairs.filter(({ from, to }) => from !== to))(
    'from $from by $event a 1-1 that stands is ended only by a move',
    async ({ from, event, to }) => {
      const { upgrade, seen } = running(from);
      await upgrade.happened(event);
      expect(seen.byes).toBe(to === 'moved' ? 1 : 0);
      expect(upgrade.hasReplaced).toBe(to === 'moved');
    },
  );

  it('the 1-1 is continued by the group from the moment this device is in it until nobody moves', () => {
    const states = rows.map(([state]) => state as UpgradeState);
    expect(states.filter((state) => isContinued(state))).toEqual(['moving', 'arrived', 'departed', 'moved']);
    expect(states.filter((state) => running(state).upgrade.awaitsBye)).toEqual(['moving', 'arrived', 'departed']);
  });

  it.each([
    ['asked', 'groupAnswered', 'stayed'],
    ['moving', 'peerInBoth', 'moved'],
    ['departed', 'peerInBoth', 'moved'],
  ] as const)('replacementGuardMs runs from %s on %s, and then it is %s', async (from, event, to) => {
    const { upgrade, clock } = running(from);
    await upgrade.happened(event);
    const waiting = upgrade.state;
    await clock.advance(replacementGuardMs - 1);
    expect(upgrade.state).toBe(waiting);
    await clock.advance(1);
    expect(upgrade.state).toBe(to);
  });

  it('no guard runs in any other state, nor after the end of the account', async () => {
    for (const [from = ''] of rows) {
      if (from === 'answered' || from === 'arrived') continue;
      const { upgrade, clock, seen } = running(from as UpgradeState);
      await clock.advance(2 * replacementGuardMs);
      expect([upgrade.state, seen.kept]).toEqual([from, []]);
    }
    const { upgrade, clock } = running('moving');
    await upgrade.happened('peerInBoth');
    upgrade.dispose();
    await clock.advance(2 * replacementGuardMs);
    expect(upgrade.state).toBe('arrived');
  });

  it('nothing changes once the person has deleted the 1-1', async () => {
    for (const { from, event } of pairs) {
      const { upgrade, seen } = running(from);
      seen.wanted = false;
      await upgrade.happened(event);
      expect([upgrade.state, seen.kept, seen.byes]).toEqual([from, [], 0]);
    }
  });
});

describe('every order', () => {
  const aNeeds = { groupOpened: 'groupAnswered', peerIn: 'groupOpened', peerOut: 'peerIn', peerLost: 'peerIn' };

  const aMoves = orders(['groupAnswered', 'groupOpened', 'peerIn', 'peerSaidBye'], aNeeds);

  it.each([...aMoves])('R68: A, B moves: %s, %s, %s, %s', async (...order) => {
    const { upgrade, clock, seen, happens } = running('asked');
    for (const step of order) await happens(step);
    await clock.advance(2 * replacementGuardMs);
    expect([upgrade.state, upgrade.hasReplaced, seen.byes]).toEqual(['moved', true, 0]);
  });

  it.each(orders(['groupAnswered', 'groupOpened', 'peerIn', 'peerOut', 'peerSaidBye'], aNeeds))(
    'A, B moves and goes again: %s, %s, %s, %s, %s',
    async (...order) => {
      const { upgrade, clock, seen, happens } = running('asked');
      for (const step of order) await happens(step);
      await clock.advance(2 * replacementGuardMs);
      expect([upgrade.state, upgrade.hasReplaced, seen.byes]).toEqual(['moved', true, 0]);
    },
  );

  it.each(orders(['groupAnswered', 'groupOpened', 'peerIn'], aNeeds))('A, the BYE of B is lost: %s, %s, %s', async (...order) => {
    const { upgrade, clock, seen, happens } = running('asked');
    for (const step of order) await happens(step);
    await clock.advance(replacementGuardMs + 1);
    expect([upgrade.state, upgrade.hasReplaced, seen.byes]).toEqual(['moved', true, 1]);
  });

  it.each(orders(['groupAnswered', 'groupOpened', 'peerIn', 'oneToOneBroke'], aNeeds))(
    'A, the 1-1 breaks: %s, %s, %s, %s',
    async (...order) => {
      const { upgrade, clock, seen, happens } = running('asked');
      for (const step of order) await happens(step);
      await clock.advance(replacementGuardMs + 1);
      expect([upgrade.state, upgrade.hasReplaced, seen.byes]).toEqual(['moved', false, 0]);
    },
  );

  it.each(orders(['groupAnswered', 'groupOpened', 'peerLost', 'oneToOneBroke'], { ...aNeeds, peerLost: 'groupOpened' }))(
    'A, B never comes, and the 1-1 breaks: %s, %s, %s, %s',
    async (...order) => {
      const { upgrade, clock, seen, happens } = running('asked');
      for (const step of order) await happens(step);
      await clock.advance(replacementGuardMs + 1);
      expect([upgrade.state, seen.byes]).toEqual(['stayed', 0]);
    },
  );

  const bMoves = orders(['groupOpened', 'peerSaidBye', 'peerIn'], { peerIn: 'groupOpened' });

  it.each([...bMoves])('R58 R68: B moves: %s, %s, %s', async (...order) => {
    const { upgrade, seen, happens } = running('accepted');
    for (const step of order) await happens(step);
    // B says BYE unless A was faster, who had then merely hung up.
    const isFirst = order.indexOf('groupOpened') < order.indexOf('peerSaidBye');
    expect([upgrade.state, upgrade.hasReplaced, seen.byes]).toEqual(['moved', isFirst, isFirst ? 1 : 0]);
  });

  it.each(orders(['groupBroke', 'peerSaidBye', 'peerIn'], { peerIn: 'groupBroke' }))(
    'B, whose way in breaks and who is called again: %s, %s, %s',
    async (...order) => {
      const { upgrade, seen, happens } = running('accepted');
      for (const step of order) await happens(step);
      expect(upgrade.state).toBe('moved');
      expect(seen.byes).toBe(order.indexOf('peerIn') < order.indexOf('peerSaidBye') ? 1 : 0);
    },
  );
});
