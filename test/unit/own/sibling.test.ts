import { describe, expect, it } from 'vitest';
import { nextSiblingState, type SiblingEvent, type SiblingState, siblingTable } from '../../../main/own/sibling';

const states = Object.keys(siblingTable) as SiblingState[];
const events = [...new Set(states.flatMap((state) => Object.keys(siblingTable[state]) as SiblingEvent[]))];

describe('the states of a sibling', () => {
  it('can all be reached from the beginning', () => {
    const reached = new Set<SiblingState>(['absent']);
    for (let before = 0; before < reached.size; ) {
      before = reached.size;
      for (const state of [...reached]) for (const event of events) reached.add(nextSiblingState(state, event));
    }
    expect([...reached].sort()).toEqual([...states].sort());
  });

  it('lead back to level from everywhere but from removed', () => {
    const leadsToLevel = new Set<SiblingState>(['level']);
    for (let before = 0; before < leadsToLevel.size; ) {
      before = leadsToLevel.size;
      for (const state of states) if (events.some((event) => leadsToLevel.has(nextSiblingState(state, event)))) leadsToLevel.add(state);
    }
    expect(states.filter((state) => !leadsToLevel.has(state))).toEqual(['removed']);
  });

  it('stay as they are where an event means nothing', () => {
    expect(nextSiblingState('removed', 'seen')).toBe('removed');
    expect(nextSiblingState('level', 'done')).toBe('level');
    expect(nextSiblingState('absent', 'gap')).toBe('absent');
  });
});
