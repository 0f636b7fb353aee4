/**
 * How a focus brings people in: it sends an INVITE to each through the core, and fetches members who are away when something is said.
 *
 *   dialing-out --180--> alerting --2xx with usable media--> in
 *        \___________________\--a refusal, no answer in time, 2xx without media--> refused
 *
 * A device that refuses TLS is asked again without, once, where the group's creator allows that.
 */
import type { MsrpDescription } from '../../protocol/sdp';
import { Dialog, type Resolve } from '../sip/dialog';
import type { SipRequest, SipResponse } from '../sip/message';
import { newToken, type SipServer, type Target } from '../sip/sip-server';
import type { Group } from './group';
import { createInvitation, encodeHistory, type Invitee, readOffer, readParts } from './invitation';
import type { Leg, Legs } from './leg';

/** LAB: how long an invited person may take to answer. */
export const INVITATION_TIMEOUT_MS = 20_000;
/** LAB: the shortest time between two attempts to fetch a member who is away. */
export const FETCH_INTERVAL_MS = 30_000;

/** The answers with which an invitation is refused for its media (RFC 3261 sections 21.4.26 and 21.6.4). */
const MEDIA_REFUSALS: readonly number[] = [488, 606];

/** The inviter, the invited person, and the list of everybody who is invited (RFC 5366). */
type Asked = Pick<Parameters<typeof createInvitation>[0], 'inviter' | 'invitee' | 'history'>;

export interface Person {
  address: string;
  name: string | null;
}

export interface InvitingDeps {
  server: SipServer;
  /** Where every invitation goes: the SIP/IP core. */
  core: Target;
  resolve: Resolve;
  group: Group;
  legs: Legs;
  /** Somebody is in. */
  onAccepted(leg: Leg): void;
  /** The person is not coming; the leg still exists. `null`: accepted, but without usable media. */
  onRefused(leg: Leg, status: number | null): void;
  onChanged(): void;
}

export class Inviting {
  /** When each member who is away was last fetched. */
  readonly #fetched = new Map<string, number>();

  constructor(private readonly deps: InvitingDeps) {}

  invite(invitees: readonly Invitee[], inviter: Person): void {
    const { legs } = this.deps;
    const history = encodeHistory(invitees);
    for (const invitee of invitees) {
      const { address, name, target, instanceId } = invitee;
      const leg = legs.open(address, { dialedIn: false, name, target, instanceId });
      this.#ask(leg, { inviter, invitee, history });
    }
    this.deps.onChanged();
  }

  #ask(leg: Leg, people: Asked): void {
    const { group, server } = this.deps;
    const request = createInvitation({
      ...group.facts,
      ...people,
      subject: group.subject,
      offer: leg.offer,
      fromTag: newToken(8),
      callId: newToken(16),
    });
    let isLate = false;
    leg.waitFor('answer', INVITATION_TIMEOUT_MS, () => {
      isLate = true;
      leg.invite?.cancel([['Reason', 'SIP;cause=408;text="Request Timeout"']]);
    });
    leg.invite = server.request(request, this.deps.core, {
      onProvisional: (response) => {
        if (response.status === 180 && group.advance(leg.id, 'alerting')) this.deps.onChanged();
      },
      onFinal: (response) => {
        leg.stopWaiting('answer');
        leg.invite = null;
        if (!this.#goesInClear(leg, request, response)) this.#onAnswer(leg, request, response, isLate);
        else this.#ask(leg, people);
      },
      onFurther2xx: (response) => this.#onFurther2xx(leg, request, response),
    });
  }

  /** Whether the device has refused TLS and the leg goes on without: by its status, or by an answer without media over TLS. */
  #goesInClear(leg: Leg, request: SipRequest, response: SipResponse): boolean {
    if (!leg.mayGoInClear || !this.deps.legs.has(leg)) return false;
    if (response.status >= 300 ? !MEDIA_REFUSALS.includes(response.status) : answerOf(response)?.transport === 'TCP/TLS/MSRP') return false;
    if (response.status < 300) this.#hangUp(request, response);
    leg.goInClear();
    return true;
  }

  /** Invites the members who are away again, on behalf of the person who has said something. */
  fetchAway(sender: Person): void {
    const now = this.deps.server.clock.now();
    const due = this.deps.group.away.filter((address) => (this.#fetched.get(address) ?? -FETCH_INTERVAL_MS) + FETCH_INTERVAL_MS <= now);
    if (due.length === 0) return;
    for (const address of due) this.#fetched.set(address, now);
    this.bring(due, sender);
  }

  /** Invites people, each on all devices. */
  bring(addresses: readonly string[], inviter: Person): void {
    this.invite(addresses.map(plainInvitee), inviter);
  }

  #onAnswer(leg: Leg, request: SipRequest, response: SipResponse, isLate: boolean): void {
    if (response.status >= 300) {
      this.deps.onRefused(leg, isLate ? 408 : response.status);
      return;
    }
    const { group, legs } = this.deps;
    const dialog = Dialog.ofSent(this.deps.server, request, response, this.deps.resolve);
    const answer = answerOf(response);
    if (dialog === null || answer === null || !legs.has(leg)) {
      // Accepted without usable media, or after the group was given up.
      this.#hangUp(request, response);
      this.deps.onRefused(leg, null);
      return;
    }
    legs.bind(leg, dialog);
    dialog.ack();
    group.advance(leg.id, 'connected');
    leg.describe(response);
    legs.supersede(leg);
    // We offered actpass: a peer that does not say that it connects waits for our connection (RFC 6135 section 4.2).
    leg.startMedia(answer, answer.setup === 'active' ? 'passive' : 'active');
    this.deps.onAccepted(leg);
    this.deps.onChanged();
  }

  /**
   * A repeated 2xx asks for its ACK again (RFC 3261 section 13.3.1.4): on a busy machine the first may be late. A different 2xx comes from
   * a fork.
   */
  #onFurther2xx(leg: Leg, request: SipRequest, response: SipResponse): void {
    if (leg.dialog !== null && leg.dialog.remoteTag === response.toTag && this.deps.legs.has(leg)) leg.dialog.ack();
    else this.#hangUp(request, response);
  }

  /** A 2xx that is no longer needed must still be acknowledged, and then ended with BYE (RFC 3261 section 13.2.2.4). */
  #hangUp(request: SipRequest, response: SipResponse): void {
    const dialog = Dialog.ofSent(this.deps.server, request, response, this.deps.resolve);
    dialog?.ack();
    dialog?.bye();
  }
}

/** The media that an answer takes; null where it takes none. */
function answerOf(response: SipResponse): MsrpDescription | null {
  const parts = readParts(response);
  const answer = parts.ok ? readOffer(parts.value) : null;
  return answer?.ok === true ? answer.value : null;
}

function plainInvitee(address: string): Invitee {
  return {
    address,
    name: null,
    target: address,
    sessionReplaces: null,
    replaces: null,
    instanceId: null,
    copyControl: 'to',
    anonymize: false,
  };
}
