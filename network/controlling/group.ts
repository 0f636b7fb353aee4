/** One group as the Controlling Function knows it: who takes part, by which endpoints, and who gets what. Pure: no sockets, no timers. */
import type { ConferenceInfo } from '../../protocol/conference-info';
import { nicknameKey } from '../../protocol/nickname';
import { addressKey } from '../../protocol/uri';
import {
  type DisconnectionMethod,
  ENDPOINT_STEPS,
  type Endpoint,
  type EndpointStatus,
  isInside,
  isShown,
  type Membership,
  type Participant,
  type ParticipantState,
  stateOf,
  statusOf,
  userOf,
} from './participant';

/** LAB: the most people of one group, the inviter among them, where the operator says nothing else. */
export const MAX_PARTICIPANTS = 50;
/** LAB: a group with fewer members ends, once nobody is invited any more. */
const MINIMUM_PARTICIPANTS = 2;

/** What is stored of the group itself. */
export interface GroupHead extends GroupFacts {
  /** The group's picture as a data URI; absent in data from before groups had one. */
  icon?: string | null;
  /** False once it is over for good. */
  active: boolean;
}

/** What is stored of a group: the Group State Object of OMA CPM. */
export interface GroupState extends GroupHead {
  participants: ParticipantState[];
}

/** What has changed in a group: the people, and whether the description did. */
export interface GroupChanges {
  people: readonly string[];
  /** `removed`: a subject or a picture is gone, which a partial document cannot express. */
  description: 'same' | 'changed' | 'removed';
}

export interface GroupFacts {
  /** The focus URI: the CPM Group Session Identity. */
  focus: string;
  conversationId: string;
  contributionId: string;
  subject: string | null;
  /** Closed: nobody is added after its creation. */
  type: 'open' | 'closed';
  /** Made by the operator: it never ends on its own. */
  predefined?: boolean;
  /** Its creator asked for it over TLS. */
  isSecure?: boolean;
  /** Its creator also takes members in who have no TLS. */
  takesClear?: boolean;
}

/**
 * Who gets a group message: the connected endpoints, and the people it must reach even if they are away. The sender is among these people
 * only for their other endpoints. A refusal carries the MSRP status (RFC 7701).
 */
export type Recipients = { ok: true; endpoints: Endpoint[]; people: string[] } | { ok: false; status: number; reason: string };

/** RFC 3323: the address an anonymous sender writes; the Controlling Function then uses the asserted one. */
const ANONYMOUS = 'sip:anonymous@anonymous.invalid';

export class Group {
  readonly #participants = new Map<string, Participant>();
  readonly #endpoints = new Map<string, Endpoint>();
  /** `nicknameKey` -> the person with that nickname. */
  readonly #nicknames = new Map<string, string>();
  /** Updated with each change, so that a large group is not counted again for each person who joins. */
  readonly #tally = { inside: 0, members: 0, connected: 0, pending: 0, administrators: 0 };
  #touched = new Set<string>();
  #description: GroupChanges['description'] = 'changed';
  #active = true;
  #subject: string | null;
  #icon: string | null = null;
  #facts: GroupFacts;

  constructor(
    facts: GroupFacts,
    /** The network's own name for a person; it takes precedence over names that others give. */
    readonly nameOf: (address: string) => string | null,
    readonly maximum: number = MAX_PARTICIPANTS,
  ) {
    this.#facts = facts;
    this.#subject = facts.subject;
  }

  get facts(): Readonly<GroupFacts> {
    return this.#facts;
  }

  /** A group from the store; nobody is connected to it yet. */
  static revive(state: GroupState, nameOf: (address: string) => string | null, maximum: number): Group {
    const { active, icon, participants, ...facts } = state;
    const group = new Group(facts, nameOf, maximum);
    group.#active = active;
    group.#icon = icon ?? null;
    for (const { address, name, nickname = null, administrator, membership, listed = false } of participants) {
      group.#enter({ address, name, nickname, administrator, membership, listed, endpoints: [], user: null });
      if (nickname !== null) group.#nicknames.set(nicknameKey(nickname), address);
    }
    group.takeChanges();
    return group;
  }

  /** Applies the operator's list, in the form of the `state` after it: members, administrators, and whether the group is closed. */
  relist({ type, participants }: GroupState): void {
    this.#facts = { ...this.#facts, type, predefined: true };
    for (const { address, name, administrator, membership, listed = false } of participants) {
      const participant = this.#participants.get(address);
      if (participant === undefined)
        this.#enter({ address, name, nickname: null, administrator, membership, listed, endpoints: [], user: null });
      else if (participant.administrator !== administrator || participant.membership !== membership || participant.listed !== listed)
        this.#change(participant, () => Object.assign(participant, { administrator, membership, listed }));
      // A removed person frees the nickname for others.
      if (membership === 'removed') this.setNickname(address, null);
    }
  }

  get subject(): string | null {
    return this.#subject;
  }

  rename(subject: string | null): void {
    this.#describeAnew(this.#subject, subject);
    this.#subject = subject;
  }

  /** Sets the picture, a checked data URI, or removes it. */
  picture(icon: string | null): void {
    this.#describeAnew(this.#icon, icon);
    this.#icon = icon;
  }

  /** People who belong to it or are invited. */
  get size(): number {
    return this.#tally.inside;
  }

  get memberCount(): number {
    return this.#tally.members;
  }

  /** Members, and invited people who were not reached, without any endpoint that is connected or being invited. */
  get away(): string[] {
    return [...this.#participants.values()]
      .filter((one) => isInside(one) && one.endpoints.every(({ status }) => status === 'disconnected'))
      .map(({ address }) => address);
  }

  /** People with at least one connected endpoint. */
  get connectedCount(): number {
    return this.#tally.connected;
  }

  /** True while somebody may still answer an invitation. */
  get hasPending(): boolean {
    return this.#tally.pending > 0;
  }

  /** Nobody is left to talk to and nobody is coming; a member who is only away counts as present. */
  get isOver(): boolean {
    return this.facts.predefined !== true && this.memberCount < MINIMUM_PARTICIPANTS && !this.hasPending;
  }

  endpoints(): Endpoint[] {
    return [...this.#participants.values()].flatMap((participant) => participant.endpoints);
  }

  endpointsOf(address: string): readonly Endpoint[] {
    return this.#participants.get(address)?.endpoints ?? [];
  }

  endpoint(leg: string): Endpoint | null {
    return this.#endpoints.get(leg) ?? null;
  }

  /** Whether the person belongs to it, or is invited. */
  has(address: string): boolean {
    const participant = this.#participants.get(address);
    return participant !== undefined && isInside(participant);
  }

  membership(address: string): Membership | null {
    return this.#participants.get(address)?.membership ?? null;
  }

  isListed(address: string): boolean {
    return this.#participants.get(address)?.listed ?? false;
  }

  /** Gives a person the nickname they ask for, or removes it (null). False, and nothing changes, when somebody else has it. */
  setNickname(address: string, nickname: string | null): boolean {
    const participant = this.#participants.get(address);
    if (participant === undefined || participant.nickname === nickname) return participant !== undefined;
    const key = nickname === null ? null : nicknameKey(nickname);
    if (key !== null && this.#isAnothers(key, address)) return false;
    if (participant.nickname !== null) this.#nicknames.delete(nicknameKey(participant.nickname));
    if (key !== null) this.#nicknames.set(key, address);
    this.#change(participant, () => {
      participant.nickname = nickname;
    });
    return true;
  }

  #isAnothers(key: string, address: string): boolean {
    if ((this.#nicknames.get(key) ?? address) !== address) return true;
    return [...this.#participants.values()].some(
      (one) => one.address !== address && isInside(one) && one.name !== null && nicknameKey(one.name) === key,
    );
  }

  nameIn(address: string): string | null {
    return this.#participants.get(address)?.name ?? null;
  }

  /** The person is no longer in the group. If no administrator is left, the oldest member becomes one. */
  exclude(address: string, how: 'departed' | 'removed' | 'declined'): void {
    const participant = this.#participants.get(address);
    if (participant === undefined) return;
    this.#change(participant, () => {
      participant.membership = how;
      participant.administrator = false;
      // For a device that was already away, this is the only record of why it does not come back.
      if (how === 'declined') return;
      const disconnection = how === 'removed' ? 'booted' : 'departed';
      for (const endpoint of participant.endpoints) if (endpoint.status === 'disconnected') endpoint.disconnection = disconnection;
    });
    // A person outside the group frees the nickname for others.
    this.setNickname(address, null);
    if (this.#tally.administrators > 0) return;
    const heir = [...this.#participants.values()].find((one) => one.membership === 'member');
    if (heir !== undefined)
      this.#change(heir, () => {
        heir.administrator = true;
      });
  }

  /** Whether the person is connected by any endpoint. */
  isConnected(address: string): boolean {
    const participant = this.#participants.get(address);
    return participant !== undefined && statusOf(participant) === 'connected';
  }

  isAdministrator(address: string): boolean {
    return this.#participants.get(address)?.administrator ?? false;
  }

  /** Starts a leg towards a person (`dialing-out`) or takes one in (`connected`). Remains of that person's former legs are removed. */
  add(leg: string, address: string, how: { dialedIn: boolean; name?: string | null; administrator?: boolean }): Endpoint {
    const participant = this.#participants.get(address) ?? this.#newcomer(address, how);
    const endpoint: Endpoint = {
      leg,
      address,
      entity: address,
      deviceName: null,
      status: how.dialedIn ? 'connected' : 'dialing-out',
      joining: how.dialedIn ? 'dialed-in' : 'dialed-out',
      disconnection: null,
    };
    this.#change(participant, () => {
      if (how.dialedIn) participant.membership = 'member';
      else if (!isInside(participant)) participant.membership = 'invited';
      const { endpoints } = participant;
      for (const old of endpoints) if (old.status === 'disconnected') this.#endpoints.delete(old.leg);
      endpoints.splice(0, endpoints.length, ...endpoints.filter((one) => one.status !== 'disconnected'), endpoint);
      this.#endpoints.set(leg, endpoint);
    });
    return endpoint;
  }

  #newcomer(address: string, how: { name?: string | null; administrator?: boolean }): Participant {
    const { administrator = false } = how;
    // A person who begins a group goes by the name that they give (R97). What somebody else says of a person does not count against the network's own directory.
    const name = (administrator ? how.name : null) ?? this.nameOf(address) ?? how.name ?? null;
    return this.#enter({ address, name, nickname: null, administrator, membership: 'invited', listed: false, endpoints: [], user: null });
  }

  /** Moves an endpoint to a state; false, and nothing changes, when the table of states does not allow it. */
  advance(
    leg: string,
    status: EndpointStatus,
    facts: { entity?: string; deviceName?: string | null; disconnection?: DisconnectionMethod | null } = {},
  ): boolean {
    const endpoint = this.endpoint(leg);
    const participant = endpoint === null ? undefined : this.#participants.get(endpoint.address);
    if (endpoint === null || participant === undefined || !ENDPOINT_STEPS[endpoint.status].includes(status)) return false;
    this.#change(participant, () => {
      endpoint.status = status;
      if (status === 'connected') participant.membership = 'member';
      if (facts.entity !== undefined) endpoint.entity = facts.entity;
      if (facts.deviceName !== undefined) endpoint.deviceName = facts.deviceName;
      if (facts.disconnection !== undefined) endpoint.disconnection = facts.disconnection;
    });
    return true;
  }

  /** Takes what the device says of itself in its Contact. */
  describe(leg: string, entity: string, deviceName: string | null): void {
    const endpoint = this.endpoint(leg);
    const participant = endpoint === null ? undefined : this.#participants.get(endpoint.address);
    if (endpoint === null || participant === undefined) return;
    this.#change(participant, () => {
      endpoint.entity = entity;
      endpoint.deviceName = deviceName;
    });
  }

  /** Forgets a leg without a trace: a newer leg of the same device has replaced it. */
  drop(leg: string): void {
    const endpoint = this.endpoint(leg);
    const participant = endpoint === null ? undefined : this.#participants.get(endpoint.address);
    if (endpoint === null || participant === undefined) return;
    this.#change(participant, () => participant.endpoints.splice(participant.endpoints.indexOf(endpoint), 1));
    this.#endpoints.delete(leg);
  }

  /** The changes since the last call. */
  takeChanges(): GroupChanges {
    const changes = { people: [...this.#touched], description: this.#description };
    this.#touched = new Set();
    this.#description = 'same';
    return changes;
  }

  #enter(participant: Participant): Participant {
    this.#participants.set(participant.address, participant);
    this.#count(participant, 1);
    this.#touched.add(participant.address);
    return participant;
  }

  /** The only place where a person's part in the group changes. */
  #change(participant: Participant, work: () => void): void {
    this.#count(participant, -1);
    work();
    this.#count(participant, 1);
    participant.user = null;
    this.#touched.add(participant.address);
  }

  #count(participant: Participant, by: 1 | -1): void {
    const { membership, administrator, endpoints } = participant;
    if (isInside(participant)) this.#tally.inside += by;
    if (membership === 'member') this.#tally.members += by;
    if (administrator && membership === 'member') this.#tally.administrators += by;
    if (statusOf(participant) === 'connected') this.#tally.connected += by;
    for (const { status } of endpoints) if (status === 'dialing-out' || status === 'alerting') this.#tally.pending += by;
  }

  #describeAnew(before: string | null, after: string | null): void {
    if (before === after || this.#description === 'removed') return;
    this.#description = after === null ? 'removed' : 'changed';
  }

  end(): void {
    this.#active = false;
  }

  /**
   * Whom a message of `leg` reaches. A message to the focus goes to every other member and to the sender's other devices, never to the
   * sending one. A message to a participant goes to all endpoints of that person, privately (IMDNs travel so); LAB: when it is a text
   * (`isSaid`), the sender's other devices get it too.
   */
  recipients(leg: string, to: readonly string[], isSaid: boolean): Recipients {
    const sender = this.endpoint(leg)?.address ?? null;
    const keys = to.map((address) => addressKey(address)).filter((key) => key !== ANONYMOUS);
    const isForAll = keys.every((key) => key === this.facts.focus) || keys.includes(this.facts.focus);
    const named = new Set<string>();
    for (const key of keys) {
      if (key === this.facts.focus) continue;
      if (key === null || !this.has(key)) return { ok: false, status: 404, reason: 'Recipient Not In Group' };
      named.add(key);
    }
    // A receipt is for one person. It must not cost a walk over everybody, since everybody sends one.
    const people = isForAll ? [...this.#participants.values()].filter(isInside).map(({ address }) => address) : [...named];
    const reached = isSaid && sender !== null && !people.includes(sender) ? [...people, sender] : people;
    const endpoints = reached
      .flatMap((address) => this.endpointsOf(address))
      .filter((endpoint) => endpoint.leg !== leg && endpoint.status === 'connected');
    const hasOtherDevices = () => endpoints.some((endpoint) => endpoint.address === sender);
    return { ok: true, endpoints, people: reached.filter((address) => address !== sender || hasOtherDevices()) };
  }

  /** Whether a CPIM From is the sender's: `true` own, `false` forged, `null` missing or anonymous. */
  isOwnAddress(leg: string, from: string | null): boolean | null {
    if (from === null) return null;
    const key = addressKey(from);
    if (key === ANONYMOUS) return null;
    return key !== null && key === this.endpoint(leg)?.address;
  }

  /**
   * The conference document (RFC 4575) as `viewer` sees it: a full one, or only `changes`. An unchanged user is the same object as in the
   * document before.
   */
  document(viewer: string, version: number, changes: GroupChanges | null = null): ConferenceInfo {
    const isFull = changes === null || changes.description === 'removed';
    const isDescribed = isFull || changes.description === 'changed';
    const people = isFull
      ? [...this.#participants.values()].filter(isShown)
      : changes.people.map((address) => this.#participants.get(address));
    return {
      entity: this.facts.focus,
      state: isFull ? 'full' : 'partial',
      version,
      subject: isDescribed ? this.#subject : null,
      icon: isDescribed ? this.#icon : null,
      maximumUserCount: isDescribed ? this.maximum : null,
      userCount: this.connectedCount,
      active: this.#active,
      usersState: isFull ? 'full' : 'partial',
      users: people.flatMap((one) => (one === undefined ? [] : userOf(one, viewer))),
    };
  }

  head(): GroupHead {
    return { ...this.facts, subject: this.#subject, icon: this.#icon, active: this.#active };
  }

  participantState(address: string): ParticipantState | null {
    const participant = this.#participants.get(address);
    return participant === undefined ? null : stateOf(participant);
  }

  state(): GroupState {
    return { ...this.head(), participants: [...this.#participants.values()].map(stateOf) };
  }
}
