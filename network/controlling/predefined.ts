/**
 * Groups made by the operator (OMA CPM: pre-defined groups). Such a group has its members before anybody has joined, and never ends on its
 * own. A member who calls its address joins it and has the others invited. The operator's list says who is a member; later changes (another
 * subject, people added to an open group) stay.
 */

import { nameBasedUuid } from '../core/gruu';
import type { Group, GroupState } from './group';
import type { ParticipantState } from './participant';
import type { GroupStore } from './store';

/** RFC 4122 appendix C: the namespace of URLs. */
const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

export interface PredefinedGroup {
  /** The group's address: its focus. */
  focus: string;
  subject: string | null;
  type: 'open' | 'closed';
  members: readonly string[];
  administrators: readonly string[];
}

/**
 * Brings the stored groups into line with the operator's list, except those that are being served: groups served here (`isServed`) are
 * given the list directly, and another instance reads it itself. A group that is no longer listed ends.
 */
export function provideGroups(
  store: GroupStore,
  listed: readonly PredefinedGroup[],
  nameOf: (address: string) => string | null,
  isServed: (focus: string) => boolean = () => false,
): void {
  for (const kept of store.all()) {
    if (kept.predefined !== true || !kept.active || isServed(kept.focus) || listed.some(({ focus }) => focus === kept.focus)) continue;
    whileClaimed(store, kept.focus, () => store.save({ ...kept, active: false }, []));
  }
  for (const group of listed) {
    if (isServed(group.focus)) continue;
    whileClaimed(store, group.focus, () => {
      const { participants, ...head } = listedState(group, store.find(group.focus), nameOf);
      store.save(head, participants);
    });
  }
}

function whileClaimed(store: GroupStore, focus: string, work: () => void): void {
  if (!store.claim(focus)) return;
  work();
  store.release(focus);
}

/** The state of a group after the operator's list has been read. Pure. */
export function listedState(group: PredefinedGroup, kept: GroupState | null, nameOf: (address: string) => string | null): GroupState {
  const known = new Map((kept?.participants ?? []).map((one) => [one.address, one]));
  const people = group.members.map((address): ParticipantState => {
    const before = known.get(address);
    // A person whom an administrator removed stays out until the operator adds them to the list again.
    const isOut = before?.listed === true && before.membership === 'removed';
    return {
      address,
      name: nameOf(address) ?? before?.name ?? null,
      ...(before?.nickname === undefined ? {} : { nickname: before.nickname }),
      administrator: !isOut && group.administrators.includes(address),
      membership: isOut ? 'removed' : before?.listed === true ? before.membership : 'member',
      status: 'disconnected',
      listed: true,
    };
  });
  const others = (kept?.participants ?? [])
    .filter(({ address }) => !group.members.includes(address))
    .map((one): ParticipantState => (one.listed === true ? { ...one, administrator: false, membership: 'removed', listed: false } : one));
  return {
    focus: group.focus,
    // The same after every start, even in a network without a state file: devices recognise the group by it.
    conversationId: kept?.conversationId ?? nameBasedUuid(URL_NAMESPACE, `${group.focus};conversation`),
    contributionId: kept?.contributionId ?? nameBasedUuid(URL_NAMESPACE, group.focus),
    subject: kept?.subject ?? group.subject,
    icon: kept?.icon ?? null,
    type: group.type,
    active: true,
    predefined: true,
    participants: [...people, ...others],
  };
}

/**
 * Whether a person may join the group by calling its address. For a pre-defined group this includes a listed person who has left or
 * declined.
 */
export function mayCome(group: Group, address: string): boolean {
  if (group.has(address)) return true;
  const membership = group.membership(address);
  return group.isListed(address) && (membership === 'departed' || membership === 'declined');
}
