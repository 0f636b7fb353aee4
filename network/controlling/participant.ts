/**
 * The people of a group and their endpoints. A participant is a person; an endpoint is one device of that person, on one signalling leg.
 * States of an endpoint (RFC 4575 5.6.3):
 *
 *   dialing-out --> alerting --> connected --> disconnected
 *        \------------\----------------------------^
 *   (one that dials in starts as connected)
 */
import type { ConferenceEndpoint, ConferenceUser } from '../../protocol/conference-info';

export type EndpointStatus = 'dialing-out' | 'alerting' | 'connected' | 'disconnected';
export type DisconnectionMethod = 'departed' | 'booted' | 'failed' | 'busy';

export interface Endpoint {
  /** The signalling leg's name inside this group. */
  readonly leg: string;
  readonly address: string;
  /** The device's GRUU or Contact; until it has answered, the person's address. */
  entity: string;
  deviceName: string | null;
  status: EndpointStatus;
  readonly joining: 'dialed-in' | 'dialed-out';
  /** How the endpoint left; null when it only lost its connection and may come back (CPM: temporarily disconnected). */
  disconnection: DisconnectionMethod | null;
}

/**
 * How a person belongs to a group, whether there now or away:
 *
 *   invited --accepts--> member --leaves--> departed --invited again--> invited
 *      |                    +---is put out--> removed ----------------------^
 *      +--refuses--> declined ----------------------------------------------^
 *
 * Only members keep a group alive. A member, or somebody invited who was not reached, may come to it and is fetched by what is said.
 */
export type Membership = 'invited' | 'member' | 'departed' | 'removed' | 'declined';

export interface Participant {
  readonly address: string;
  name: string | null;
  /** The person's nickname in this group (RFC 7701). */
  nickname: string | null;
  administrator: boolean;
  membership: Membership;
  readonly endpoints: Endpoint[];
  /** Whether the person is on the operator's list of a pre-defined group. */
  readonly listed: boolean;
  /** The user element of the conference document, made again after a change. */
  user: ConferenceUser | null;
}

/** What is stored of one person. */
export interface ParticipantState {
  address: string;
  name: string | null;
  nickname?: string;
  administrator: boolean;
  membership: Membership;
  status: EndpointStatus;
  /** Whether the person is on the operator's list of a pre-defined group. */
  listed?: boolean;
}

export const ENDPOINT_STEPS: Record<EndpointStatus, readonly EndpointStatus[]> = {
  'dialing-out': ['alerting', 'connected', 'disconnected'],
  alerting: ['connected', 'disconnected'],
  connected: ['disconnected'],
  disconnected: [],
};

export function isInside({ membership }: Participant): boolean {
  return membership === 'member' || membership === 'invited';
}

/** A person has the best status of their endpoints. */
export function statusOf(participant: Participant): EndpointStatus {
  const order: readonly EndpointStatus[] = ['connected', 'alerting', 'dialing-out'];
  return order.find((status) => participant.endpoints.some((endpoint) => endpoint.status === status)) ?? 'disconnected';
}

/** Members, and people whose leaving is still shown. */
export function isShown(participant: Participant): boolean {
  return isInside(participant) || participant.endpoints.length > 0;
}

export function stateOf(participant: Participant): ParticipantState {
  const { address, name, nickname, administrator, membership, listed } = participant;
  return {
    address,
    name,
    ...(nickname === null ? {} : { nickname }),
    administrator,
    membership,
    status: statusOf(participant),
    ...(listed ? { listed } : {}),
  };
}

export function userOf(participant: Participant, viewer: string): ConferenceUser {
  participant.user ??= {
    entity: participant.address,
    state: isShown(participant) ? 'full' : 'deleted',
    displayText: participant.name,
    nickname: participant.nickname,
    yourOwn: false,
    roles: [participant.administrator ? 'Administrator' : 'Participant'],
    endpoints: participant.endpoints.map(
      (endpoint): ConferenceEndpoint => ({
        entity: endpoint.entity,
        state: 'full',
        displayText: endpoint.deviceName,
        status: endpoint.status,
        joiningMethod: endpoint.joining,
        disconnectionMethod: endpoint.disconnection,
      }),
    ),
  };
  return participant.address === viewer ? { ...participant.user, yourOwn: true } : participant.user;
}
