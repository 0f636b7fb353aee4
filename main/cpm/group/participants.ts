/** The roster of a group as people see it, made from the focus's conference-info documents (RFC 4575). */
import type { ParticipantState, ParticipantValue, PersonValue } from '../../../preload/contract';
import type { ConferenceEndpoint, ConferenceInfo, ConferenceUser } from '../../../protocol/conference-info';
import { usableNickname } from '../../../protocol/nickname';
import { addressKey } from '../../../protocol/uri';
import type { PersonRecord } from '../../history/records';
import { person } from '../conversation/values';

const shownStates: readonly ParticipantState[] = ['connected', 'alerting', 'dialing-out', 'pending', 'disconnecting', 'disconnected'];

/** Everybody the document names, this account first. Without a document: the people known so far, as `pending`. */
export function participantsOf(
  roster: ConferenceInfo | null,
  known: readonly PersonRecord[],
  self: PersonValue,
  isSelf: (address: string) => boolean,
): ParticipantValue[] {
  const listed =
    roster === null
      ? known.map((one): ParticipantValue => waiting(one))
      : roster.users.map((user) => participantOf(user, [...known, { ...self, knownSince: 0 }]));
  const others = listed.filter((one) => !isSelf(one.address));
  const own = listed.find((one) => isSelf(one.address));
  const me: ParticipantValue = own === undefined ? { ...waiting(self), self: true } : { ...own, self: true, name: self.name };
  return [me, ...others];
}

/** A roster as this client shows it: who is awaited and could not be reached is pending, and no failure. */
export function withAwaited(participants: readonly ParticipantValue[], awaited: readonly PersonValue[]): ParticipantValue[] {
  const isAwaited = ({ address, state, reason }: ParticipantValue) =>
    state === 'disconnected' && (reason === 'failed' || reason === null) && awaited.some((one) => one.address === address);
  const shown = participants.map(
    (one): ParticipantValue => (isAwaited(one) ? { ...one, state: 'pending', reason: null, awaited: true } : one),
  );
  const absent = awaited.filter(({ address }) => !participants.some((one) => one.address === address));
  return [...shown, ...absent.map((one): ParticipantValue => ({ ...waiting(one), awaited: true }))];
}

/** The members of the group, without this account: everybody who is in it, away for the moment, or still being asked. */
export function membersOf(participants: readonly ParticipantValue[]): PersonValue[] {
  return participants
    .filter((one) => !one.self && one.reason === null && one.state !== 'disconnecting')
    .map((one) => ({ address: one.address, name: one.name }));
}

function waiting(one: PersonValue): ParticipantValue {
  return { address: one.address, name: one.name, self: false, state: 'pending', reason: null, administrator: false, devices: [] };
}

function participantOf(user: ConferenceUser, known: readonly PersonRecord[]): ParticipantValue {
  const { address, name } = person(addressKey(user.entity) ?? user.entity, user.displayText, known);
  const nickname = user.nickname === null ? null : usableNickname(user.nickname);
  const states = user.endpoints.map((endpoint) => stateOf(endpoint));
  // A member without an endpoint is away: the focus remembers them, or the operator has named them, and they have not come.
  const state = shownStates.find((candidate) => states.includes(candidate)) ?? 'disconnected';
  const gone = state === 'disconnected' ? user.endpoints.find((endpoint) => endpoint.disconnectionMethod !== null) : undefined;
  return {
    address,
    name,
    // Shown beside the name and not instead of it, because it holds in this group alone.
    ...(nickname === null ? {} : { nickname }),
    self: false,
    state,
    reason: gone === undefined ? null : reasonOf(gone.disconnectionMethod),
    administrator: user.roles.some((role) => role.toLowerCase() === 'administrator'),
    devices: user.endpoints.map((endpoint) => ({ name: endpoint.displayText ?? '', gruu: endpoint.entity, state: stateOf(endpoint) })),
  };
}

/** RFC 4575 section 5.7.2 has more states than people need. A device that dials in counts as being asked. */
function stateOf(endpoint: ConferenceEndpoint): ParticipantState {
  switch (endpoint.status) {
    case 'on-hold':
    case 'muted-via-focus':
      return 'connected';
    case 'dialing-in':
      return 'dialing-out';
    case null:
      return 'pending';
    default:
      return shownStates.find((state) => state === endpoint.status) ?? 'pending';
  }
}

function reasonOf(method: string | null): ParticipantValue['reason'] {
  return method === 'departed' || method === 'booted' || method === 'failed' || method === 'busy' ? method : null;
}
