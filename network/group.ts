/**
 * One group as the Controlling Function knows it: who takes part, by which endpoints, and who gets what. Pure: no sockets, no timers.
 *
 * A participant is a person; an endpoint is one device of that person, on one signalling leg. Life of an endpoint (RFC 4575 5.6.3):
 *
 *   dialing-out --> alerting --> connected --> disconnected
 *        \------------\----------------------------^
 *   (one that dials in starts as connected)
 */
import type { ConferenceEndpoint, ConferenceInfo, ConferenceUser } from '../main/protocol/conference-info';
import { addressKey } from '../main/protocol/uri';

/** LAB: the most people of one group, the inviter among them, where the operator says nothing else. */
export const MAX_PARTICIPANTS = 50;
/** LAB: a group of fewer members, with nobody still invited, ends. */
export const MINIMUM_PARTICIPANTS = 2;

export type EndpointStatus = 'dialing-out' | 'alerting' | 'connected' | 'disconnected';
export type DisconnectionMethod = 'departed' | 'booted' | 'failed' | 'busy';

export interface Endpoint {
  /** Names the signalling leg inside this group. */
  readonly leg: string;
  readonly address: string;
  /** The device: its GRUU or Contact; the person's address until it has answered. */
  entity: string;
  deviceName: string | null;
  status: EndpointStatus;
  readonly joining: 'dialed-in' | 'dialed-out';
  /** How it went; null when the connection was just lost, so that it may come back (CPM: temporarily disconnected). */
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

interface Participant {
  readonly address: string;
  name: string | null;
  administrator: boolean;
  membership: Membership;
  readonly endpoints: Endpoint[];
}

/** What is kept of a group: the Group State Object of OMA CPM. */
export interface GroupState {
  focus: string;
  conversationId: string;
  contributionId: string;
  subject: string | null;
  /** Its picture as a data URI; not there in what was kept before groups had one. */
  icon?: string | null;
  /** Closed: nobody is added after its creation. */
  type: 'open' | 'closed';
  /** False once it is over for good. */
  active: boolean;
  participants: {
    address: string;
    name: string | null;
    administrator: boolean;
    membership: Membership;
    status: EndpointStatus;
  }[];
}

export interface GroupFacts {
  /** The focus URI: the CPM Group Session Identity. */
  focus: string;
  conversationId: string;
  contributionId: string;
  subject: string | null;
  type: 'open' | 'closed';
}

/**
 * To whom a group message goes: the endpoints that are there, and the people it must reach, away or not; its sender among these only for the sender's other endpoints.
 * A refusal carries the MSRP status (RFC 7701).
 */
export type Recipients = { ok: true; endpoints: Endpoint[]; people: string[] } | { ok: false; status: number; reason: string };

const TRANSITIONS: Record<EndpointStatus, readonly EndpointStatus[]> = {
  'dialing-out': ['alerting', 'connected', 'disconnected'],
  alerting: ['connected', 'disconnected'],
  connected: ['disconnected'],
  disconnected: [],
};

/** RFC 3323: how somebody who hides writes the own address; the Controlling Function then uses the asserted one. */
const ANONYMOUS = 'sip:anonymous@anonymous.invalid';

export class Group {
  readonly #participants = new Map<string, Participant>();
  #active = true;
  #subject: string | null;
  #icon: string | null = null;

  constructor(
    readonly facts: GroupFacts,
    /** What the network knows of a person's name; it counts more than what others say of it. */
    readonly nameOf: (address: string) => string | null,
    readonly maximum: number = MAX_PARTICIPANTS,
  ) {
    this.#subject = facts.subject;
  }

  /** A group as it was kept; nobody is connected to it yet. */
  static revive(state: GroupState, nameOf: (address: string) => string | null, maximum: number): Group {
    const { focus, conversationId, contributionId, subject, type } = state;
    const group = new Group({ focus, conversationId, contributionId, subject, type }, nameOf, maximum);
    group.#active = state.active;
    group.#icon = state.icon ?? null;
    for (const { address, name, administrator, membership } of state.participants)
      group.#participants.set(address, { address, name, administrator, membership, endpoints: [] });
    return group;
  }

  get subject(): string | null {
    return this.#subject;
  }

  rename(subject: string | null): void {
    this.#subject = subject;
  }

  /** Gives it a picture, a data URI that has been looked at, or none. */
  picture(icon: string | null): void {
    this.#icon = icon;
  }

  /** People who belong to it or are invited. */
  get size(): number {
    return [...this.#participants.values()].filter(isInside).length;
  }

  get memberCount(): number {
    return [...this.#participants.values()].filter((participant) => participant.membership === 'member').length;
  }

  /** Who belongs to it, or was invited and not reached, and of whom no endpoint is here or being invited now. */
  get away(): string[] {
    return [...this.#participants.values()]
      .filter((one) => isInside(one) && one.endpoints.every(({ status }) => status === 'disconnected'))
      .map(({ address }) => address);
  }

  /** People with at least one connected endpoint. */
  get connectedCount(): number {
    return [...this.#participants.values()].filter((participant) => statusOf(participant) === 'connected').length;
  }

  /** True while somebody may still answer an invitation. */
  get hasPending(): boolean {
    return this.endpoints().some((endpoint) => endpoint.status === 'dialing-out' || endpoint.status === 'alerting');
  }

  /** Nobody is left to talk to, and nobody is coming: who is only away counts as there. */
  get isOver(): boolean {
    return this.memberCount < MINIMUM_PARTICIPANTS && !this.hasPending;
  }

  endpoints(): Endpoint[] {
    return [...this.#participants.values()].flatMap((participant) => participant.endpoints);
  }

  endpoint(leg: string): Endpoint | null {
    return this.endpoints().find((endpoint) => endpoint.leg === leg) ?? null;
  }

  /** Whether the person belongs to it, or is invited. */
  has(address: string): boolean {
    const participant = this.#participants.get(address);
    return participant !== undefined && isInside(participant);
  }

  membership(address: string): Membership | null {
    return this.#participants.get(address)?.membership ?? null;
  }

  nameIn(address: string): string | null {
    return this.#participants.get(address)?.name ?? null;
  }

  /** The person is out of the group. The oldest member left becomes administrator where no other is. */
  exclude(address: string, how: 'departed' | 'removed' | 'declined'): void {
    const participant = this.#participants.get(address);
    if (participant === undefined) return;
    participant.membership = how;
    participant.administrator = false;
    const members = [...this.#participants.values()].filter((one) => one.membership === 'member');
    if (members.length > 0 && members.every((one) => !one.administrator)) (members[0] as Participant).administrator = true;
  }

  /** Whether the person is there now, by any endpoint. */
  isConnected(address: string): boolean {
    const participant = this.#participants.get(address);
    return participant !== undefined && statusOf(participant) === 'connected';
  }

  isAdministrator(address: string): boolean {
    return this.#participants.get(address)?.administrator ?? false;
  }

  /** Starts a leg towards a person (invited: `dialing-out`) or takes one in (`connected`). Remains of former legs of that person go. */
  add(leg: string, address: string, how: { dialedIn: boolean; name?: string | null; administrator?: boolean }): Endpoint {
    let participant = this.#participants.get(address);
    if (participant === undefined) {
      participant = {
        address,
        name: this.nameOf(address) ?? how.name ?? null,
        administrator: how.administrator ?? false,
        membership: 'invited',
        endpoints: [],
      };
      this.#participants.set(address, participant);
    }
    if (how.dialedIn) participant.membership = 'member';
    else if (!isInside(participant)) participant.membership = 'invited';
    const live = participant.endpoints.filter((endpoint) => endpoint.status !== 'disconnected');
    const endpoint: Endpoint = {
      leg,
      address,
      entity: address,
      deviceName: null,
      status: how.dialedIn ? 'connected' : 'dialing-out',
      joining: how.dialedIn ? 'dialed-in' : 'dialed-out',
      disconnection: null,
    };
    participant.endpoints.splice(0, participant.endpoints.length, ...live, endpoint);
    return endpoint;
  }

  /** Moves an endpoint on; false (and nothing changed) when its life does not lead there. */
  advance(
    leg: string,
    status: EndpointStatus,
    facts: { entity?: string; deviceName?: string | null; disconnection?: DisconnectionMethod | null } = {},
  ): boolean {
    const endpoint = this.endpoint(leg);
    if (endpoint === null || !TRANSITIONS[endpoint.status].includes(status)) return false;
    endpoint.status = status;
    const participant = this.#participants.get(endpoint.address);
    if (status === 'connected' && participant !== undefined) participant.membership = 'member';
    if (facts.entity !== undefined) endpoint.entity = facts.entity;
    if (facts.deviceName !== undefined) endpoint.deviceName = facts.deviceName;
    if (facts.disconnection !== undefined) endpoint.disconnection = facts.disconnection;
    return true;
  }

  /** What the device told of itself in its Contact. */
  describe(leg: string, entity: string, deviceName: string | null): void {
    const endpoint = this.endpoint(leg);
    if (endpoint === null) return;
    endpoint.entity = entity;
    endpoint.deviceName = deviceName;
  }

  /** Forgets a leg without a trace: a newer leg of the same device has taken its place. */
  drop(leg: string): void {
    for (const participant of this.#participants.values()) {
      const index = participant.endpoints.findIndex((endpoint) => endpoint.leg === leg);
      if (index >= 0) participant.endpoints.splice(index, 1);
    }
  }

  end(): void {
    this.#active = false;
  }

  /**
   * Whom a message of `leg` reaches. To the focus: every other member, and the sender's other devices, never the sending one. To a
   * participant: all endpoints of that one, privately (IMDNs travel so).
   */
  recipients(leg: string, to: readonly string[]): Recipients {
    const sender = this.endpoint(leg)?.address ?? null;
    const others = this.endpoints().filter((endpoint) => endpoint.leg !== leg && endpoint.status === 'connected');
    const members = [...this.#participants.values()].filter(isInside).map(({ address }) => address);
    const keys = to.map((address) => addressKey(address)).filter((key) => key !== ANONYMOUS);
    const isForAll = keys.every((key) => key === this.facts.focus) || keys.includes(this.facts.focus);
    if (keys.some((key) => key === null || (key !== this.facts.focus && !members.includes(key))))
      return { ok: false, status: 404, reason: 'Recipient Not In Group' };
    const endpoints = isForAll ? others : others.filter((endpoint) => keys.includes(endpoint.address));
    const isWanted = (address: string) =>
      address === sender ? endpoints.some((endpoint) => endpoint.address === sender) : isForAll || keys.includes(address);
    return { ok: true, endpoints, people: members.filter(isWanted) };
  }

  /** Whether a CPIM From is the sender's own: `true` own, `false` forged, `null` missing or anonymous. */
  isOwnAddress(leg: string, from: string | null): boolean | null {
    if (from === null) return null;
    const key = addressKey(from);
    if (key === ANONYMOUS) return null;
    return key !== null && key === this.endpoint(leg)?.address;
  }

  /** The full conference document (RFC 4575) as `viewer` sees it. */
  document(viewer: string, version: number): ConferenceInfo {
    const shown = [...this.#participants.values()].filter((one) => isInside(one) || one.endpoints.length > 0);
    const users = shown.map((participant) => userOf(participant, participant.address === viewer));
    return {
      entity: this.facts.focus,
      state: 'full',
      version,
      subject: this.#subject,
      icon: this.#icon,
      maximumUserCount: this.maximum,
      userCount: this.connectedCount,
      active: this.#active,
      usersState: 'full',
      users,
    };
  }

  state(): GroupState {
    return {
      ...this.facts,
      subject: this.#subject,
      icon: this.#icon,
      active: this.#active,
      participants: [...this.#participants.values()].map((participant) => ({
        address: participant.address,
        name: participant.name,
        administrator: participant.administrator,
        membership: participant.membership,
        status: statusOf(participant),
      })),
    };
  }
}

function isInside({ membership }: Participant): boolean {
  return membership === 'member' || membership === 'invited';
}

/** The best of a person's endpoints stands for the person. */
function statusOf(participant: Participant): EndpointStatus {
  const order: readonly EndpointStatus[] = ['connected', 'alerting', 'dialing-out'];
  return order.find((status) => participant.endpoints.some((endpoint) => endpoint.status === status)) ?? 'disconnected';
}

function userOf(participant: Participant, yourOwn: boolean): ConferenceUser {
  return {
    entity: participant.address,
    state: 'full',
    displayText: participant.name,
    yourOwn,
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
}
