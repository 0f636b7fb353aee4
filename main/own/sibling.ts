/**
 * What this device knows of another device of the same person, as a state. The engine moves it; what moves it where is this table.
 *
 *   absent --seen--> present --paired--> behind? --equal--> level          present --gone--> absent, from every state but removed
 *   level --gap | differs--> waiting --came--> level                       waiting --late--> pulling
 *   behind? --differs--> pulling --page--> pulling --done--> level         pulling --cut--> behind?, and again after a pause
 *   pulling --below floor--> filling --page--> filling --done--> level     filling --cut--> behind?
 *   any --other version--> other version --seen--> present                 any --removed--> removed (end)
 */
export type SiblingState = 'absent' | 'present' | 'behind?' | 'level' | 'waiting' | 'pulling' | 'filling' | 'other version' | 'removed';

export type SiblingEvent =
  | 'seen'
  | 'gone'
  | 'paired'
  | 'equal'
  | 'differs'
  | 'gap'
  | 'came'
  | 'late'
  | 'page'
  | 'below floor'
  | 'done'
  | 'cut'
  | 'other version'
  | 'removed';

const always = { gone: 'absent', 'other version': 'other version', removed: 'removed' } as const;

/** What is not listed changes nothing. */
export const siblingTable: Readonly<Record<SiblingState, Partial<Record<SiblingEvent, SiblingState>>>> = {
  absent: { seen: 'present', removed: 'removed' },
  present: { ...always, paired: 'behind?' },
  'behind?': { ...always, equal: 'level', differs: 'pulling', late: 'pulling', gap: 'waiting' },
  level: { ...always, differs: 'pulling', gap: 'waiting' },
  waiting: { ...always, came: 'level', late: 'pulling', differs: 'pulling', equal: 'level' },
  pulling: { ...always, page: 'pulling', 'below floor': 'filling', done: 'level', cut: 'behind?' },
  filling: { ...always, page: 'filling', done: 'pulling', cut: 'behind?' },
  'other version': { gone: 'absent', seen: 'present', removed: 'removed' },
  removed: {},
};

/** The next state; the same one where the event means nothing. */
export function nextSiblingState(state: SiblingState, event: SiblingEvent): SiblingState {
  return siblingTable[state][event] ?? state;
}
