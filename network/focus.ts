/**
 * The focus of one group: its signalling legs, its media, its invitations. Everybody is one SIP dialog and one MSRP session away.
 *
 *   creating --first 200 of an invited person--> active --too few are left--> closing --somebody is back--> active
 *       |                                                                        |
 *       +--all refused, or the inviter cancelled--> ended <--CLOSING_GRACE_MS----+
 */
import { cpmHeader } from '../main/protocol/cpm-headers';
import { encodeSdp, type MsrpDescription } from '../main/protocol/sdp';
import { assertedIdentity } from './asserted-identity';
import { ConferenceEvents } from './conference-events';
import { Dialog, dialogIdOf, type Resolve } from './dialog';
import { type DisconnectionMethod, Group, type GroupFacts } from './group';
import { admitMessage } from './group-message';
import {
  checkRequired,
  checkSize,
  createInvitation,
  deviceOf,
  focusContact,
  type GroupInvitation,
  type Invitee,
  type Refusal,
  readOffer,
  readParts,
  readRecipients,
} from './invitation';
import { describeSession, type MsrpSwitch, type SwitchSession, type Verdict } from './media';
import type { SipRequest, SipResponse } from './message';
import type { CompleteMessage } from './msrp-assembly';
import { readReferral } from './referral';
import { readTimer } from './session-timer';
import { newToken, type SipServer, type Target } from './sip-server';
import type { ClientTransaction, ServerTransaction } from './transaction';

/** LAB: how long an invited person may take to answer. */
export const INVITATION_TIMEOUT_MS = 20_000;
/** LAB: how long a group of too few waits for somebody to come back. */
export const CLOSING_GRACE_MS = 5_000;

/** LAB: how long a leg may stand without media; a re-INVITE may bring it back until then. */
export const MEDIA_RETURN_MS = 5_000;
/** LAB: messages kept for a leg whose media may come back; one more and it is given up. */
export const MAX_HELD_MESSAGES = 64;

const ALLOW = 'INVITE, ACK, CANCEL, BYE, REFER, SUBSCRIBE, UPDATE, OPTIONS';
const COMPLETED = 'SIP;cause=200;text="Call completed"';
const GONE = 'SIP;cause=410;text="Gone"';
const NOT_RENEWED = 'SIP;cause=408;text="Session not renewed"';
const MEDIA_LOST = 'SIP;cause=503;text="Media connection lost"';

type State = 'creating' | 'active' | 'closing' | 'ended';

const STEPS: Readonly<Record<State, readonly State[]>> = {
  creating: ['active', 'ended'],
  active: ['closing', 'ended'],
  closing: ['active', 'ended'],
  ended: [],
};

export interface FocusDeps {
  server: SipServer;
  media: MsrpSwitch;
  /** Where every invitation goes: the SIP/IP core. */
  core: Target;
  resolve: Resolve;
  nameOf(address: string): string | null;
  /** Host in Warning headers. */
  host: string;
  onEnded(focus: Focus): void;
}

interface OutgoingContent {
  contentType: string;
  body: Uint8Array;
}

interface Leg {
  readonly id: string;
  readonly address: string;
  media: SwitchSession;
  dialog: Dialog | null;
  /** Our INVITE while it has no final answer. */
  invite: ClientTransaction | null;
  timer: { dispose(): void } | null;
  /** Ends a leg whose session is not renewed (RFC 4028). */
  expiry: { dispose(): void } | null;
  /** While its media is lost: what it has missed, and the timer that gives it up. */
  lost: { held: OutgoingContent[]; timer: { dispose(): void } } | null;
  remotePath: string;
  /** The o= line of our SDP. */
  readonly origin: { sessionId: string; version: number };
}

export class Focus {
  readonly group: Group;
  readonly #events: ConferenceEvents;
  readonly #legs = new Map<string, Leg>();
  readonly #contact: string;
  #state: State = 'creating';
  #nextLeg = 1;
  /** The inviter's INVITE while nobody has accepted. */
  #creation: { transaction: ServerTransaction; leg: Leg; offer: MsrpDescription } | null = null;
  #refusals: number[] = [];
  #closing: { dispose(): void } | null = null;

  constructor(
    private readonly deps: FocusDeps,
    facts: GroupFacts,
  ) {
    this.group = new Group(facts, deps.nameOf);
    this.#contact = focusContact(facts.focus);
    this.#events = new ConferenceEvents({
      server: deps.server,
      resolve: deps.resolve,
      contact: this.#contact,
      document: (viewer, version) => this.group.document(viewer, version),
    });
  }

  get uri(): string {
    return this.group.facts.focus;
  }

  get state(): State {
    return this.#state;
  }

  /** The inviter's INVITE to the factory: invites everybody; the inviter hears 200 as soon as one has accepted. */
  create(transaction: ServerTransaction, inviter: { address: string; name: string | null }, invitation: GroupInvitation): void {
    const leg = this.#newLeg(inviter.address, { dialedIn: true, name: inviter.name, administrator: true });
    leg.dialog = this.#receivedDialog(transaction);
    this.#describe(leg, transaction.request);
    this.#creation = { transaction, leg, offer: invitation.offer };
    transaction.onCancel = () => this.#abandonCreation();
    transaction.onFlowLost = () => this.#abandonCreation();
    transaction.respond(leg.dialog.response(transaction, 183));
    this.#invite(invitation.invitees, inviter);
  }

  /** A request whose Request-URI is this focus. */
  handle(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.toTag !== null) {
      this.#handleInDialog(transaction);
      return;
    }
    const sender = assertedIdentity(request);
    if (sender === null || !this.group.has(sender.address))
      this.#refuse(transaction, { ok: false, status: 403, warning: 'Not a participant' });
    else if (request.method === 'INVITE') this.#rejoin(transaction, sender);
    else if (request.method === 'SUBSCRIBE') {
      if (this.group.isConnected(sender.address)) this.#events.subscribe(transaction, sender.address);
      else this.#refuse(transaction, { ok: false, status: 403, warning: 'Not connected' });
    } else if (request.method === 'OPTIONS')
      transaction.reply(200, {
        headers: [
          ['Allow', ALLOW],
          ['Allow-Events', 'conference'],
        ],
      });
    else transaction.reply(405, { headers: [['Allow', ALLOW]] });
  }

  /** A second creation of the same group at the same time: the creator joins this one and brings whom it named. */
  merge(transaction: ServerTransaction, sender: { address: string; name: string | null }, invitation: GroupInvitation): void {
    this.#join(transaction, sender, invitation.offer);
    this.#invite(this.#newcomers(invitation.invitees), sender);
  }

  /** Ends the group for all. */
  end(reason: string = GONE): void {
    if (this.#state === 'ended') return;
    this.#transition('ended');
    this.group.end();
    for (const leg of [...this.#legs.values()]) this.#release(leg, { bye: reason });
    this.#events.end();
    this.deps.onEnded(this);
  }

  /** Lets go without a word: the network closes. */
  abandon(): void {
    if (this.#state !== 'ended') this.#transition('ended');
    this.#creation = null;
    for (const leg of this.#legs.values()) {
      leg.timer?.dispose();
      leg.dialog?.end();
      leg.media.close();
    }
    this.#legs.clear();
    this.#events.abandon();
  }

  // ---------------------------------------------------------------- inviting

  #invite(invitees: readonly Invitee[], inviter: { address: string; name: string | null }): void {
    const { facts } = this.group;
    for (const invitee of invitees) {
      const leg = this.#newLeg(invitee.address, { dialedIn: false, name: invitee.name });
      const request = createInvitation({
        ...facts,
        inviter,
        invitee,
        all: invitees,
        offer: describeSession(leg.media, 'actpass', leg.origin),
        fromTag: newToken(8),
        callId: newToken(16),
      });
      let isLate = false;
      leg.timer = this.deps.server.clock.setTimer(INVITATION_TIMEOUT_MS, () => {
        isLate = true;
        leg.invite?.cancel([['Reason', 'SIP;cause=408;text="Request Timeout"']]);
      });
      leg.invite = this.deps.server.request(request, this.deps.core, {
        onProvisional: (response) => this.#onProvisional(leg, response),
        onFinal: (response) => this.#onAnswer(leg, request, response, isLate),
        onFurther2xx: (response) => this.#hangUp(request, response),
      });
    }
    this.#changed();
  }

  #onProvisional(leg: Leg, response: SipResponse): void {
    if (response.status === 180 && this.group.advance(leg.id, 'alerting')) this.#changed();
  }

  #onAnswer(leg: Leg, request: SipRequest, response: SipResponse, isLate: boolean): void {
    leg.timer?.dispose();
    leg.invite = null;
    if (response.status >= 300) {
      this.#refusals.push(isLate ? 408 : response.status);
      this.#disconnect(leg, [486, 600, 603].includes(response.status) ? 'busy' : 'failed');
      this.#settleCreation();
      return;
    }
    const dialog = Dialog.ofSent(this.deps.server, request, response, this.deps.resolve);
    const parts = readParts(response);
    const answer = parts.ok ? readOffer(parts.value) : null;
    if (dialog === null || answer === null || !answer.ok || !this.#legs.has(leg.id)) {
      // Accepted without usable media, or after the group was given up.
      this.#hangUp(request, response);
      this.#refusals.push(488);
      this.#disconnect(leg, 'failed');
      this.#settleCreation();
      return;
    }
    leg.dialog = dialog;
    dialog.ack();
    this.group.advance(leg.id, 'connected');
    this.#describe(leg, response);
    this.#supersede(leg);
    // We offered actpass: who does not say that it calls waits for our call (RFC 6135 section 4.2).
    this.#startMedia(leg, answer.value, answer.value.setup === 'active' ? 'passive' : 'active');
    this.#answerCreation();
    this.#changed();
  }

  /** A 2xx that nobody needs any more must still be acknowledged, and then ended (RFC 3261 section 13.2.2.4). */
  #hangUp(request: SipRequest, response: SipResponse): void {
    const dialog = Dialog.ofSent(this.deps.server, request, response, this.deps.resolve);
    dialog?.ack();
    dialog?.bye();
  }

  #answerCreation(): void {
    const creation = this.#creation;
    if (creation === null) return;
    this.#creation = null;
    this.#transition('active');
    this.#accept(creation.transaction, creation.leg, creation.offer);
  }

  /** Nobody is left who could accept: the inviter hears no. LAB: 603 when all declined, else 480. */
  #settleCreation(): void {
    if (this.#creation === null || this.group.hasPending) return;
    const { transaction } = this.#creation;
    this.#creation = null;
    const status = this.#refusals.every((refusal) => refusal === 603) ? 603 : 480;
    transaction.reply(status, { headers: [['Warning', `399 ${this.deps.host} "Nobody accepted"`]] });
    this.end();
  }

  #abandonCreation(): void {
    if (this.#creation === null) return;
    this.#creation.transaction.reply(487);
    this.#creation = null;
    this.end();
  }

  // ---------------------------------------------------------------- joining

  #rejoin(transaction: ServerTransaction, sender: { address: string; name: string | null }): void {
    const required = checkRequired(transaction.request);
    const timer = readTimer(transaction.request);
    const parts = required ?? (timer.ok ? null : timer) ?? readParts(transaction.request);
    if (!parts.ok) {
      this.#refuse(transaction, parts);
      return;
    }
    if (readRecipients(parts.value, sender.address) !== null) {
      this.#refuse(transaction, { ok: false, status: 403, warning: 'People are added by REFER' });
      return;
    }
    const offer = readOffer(parts.value);
    if (offer === null) this.#refuse(transaction, { ok: false, status: 606, warning: 'An SDP offer is missing' });
    else if (!offer.ok) this.#refuse(transaction, offer);
    else this.#join(transaction, sender, offer.value);
  }

  #join(transaction: ServerTransaction, sender: { address: string; name: string | null }, offer: MsrpDescription): void {
    const leg = this.#newLeg(sender.address, { dialedIn: true, name: sender.name });
    leg.dialog = this.#receivedDialog(transaction);
    this.#describe(leg, transaction.request);
    this.#supersede(leg);
    this.#accept(transaction, leg, offer);
    this.#changed();
  }

  /** 200 with the answer to the offer. LAB: the focus waits to be called wherever the offer lets it. */
  #accept(transaction: ServerTransaction, leg: Leg, offer: MsrpDescription): void {
    const { facts } = this.group;
    const response = leg.dialog?.response(transaction, 200);
    if (response === undefined) return;
    response
      .append('Allow', ALLOW)
      .append(cpmHeader.conversationId, facts.conversationId)
      .append(cpmHeader.contributionId, facts.contributionId);
    if (facts.subject !== null && transaction.request.toTag === null) response.append('Subject', facts.subject);
    this.#time(leg, transaction.request, response);
    const role = offer.setup === 'active' || offer.setup === 'actpass' ? 'passive' : 'active';
    response.setBody('application/sdp', encodeSdp(describeSession(leg.media, role, leg.origin)));
    transaction.respond(response);
    this.#startMedia(leg, offer, role);
  }

  /** Puts the terms of the session timer into a 2xx; the leg ends when it is not renewed in time. */
  #time(leg: Leg, request: SipRequest, response: SipResponse): void {
    const timer = readTimer(request);
    leg.expiry?.dispose();
    leg.expiry = null;
    if (!timer.ok || timer.value === null) return;
    for (const [name, value] of timer.value.headers) response.append(name, value);
    leg.expiry = this.deps.server.clock.setTimer(timer.value.endsAfterMs, () => this.#disconnect(leg, 'failed', NOT_RENEWED));
  }

  // ---------------------------------------------------------------- inside a dialog

  #handleInDialog(transaction: ServerTransaction): void {
    const { request } = transaction;
    const id = dialogIdOf(request);
    const leg = [...this.#legs.values()].find((candidate) => candidate.dialog?.id === id);
    if (leg?.dialog == null) {
      if (!this.#events.handle(transaction)) transaction.reply(481);
      return;
    }
    const refusal = leg.dialog.receive(request);
    if (refusal !== null) {
      transaction.reply(refusal);
      return;
    }
    const required = checkRequired(request);
    if (required !== null) {
      this.#refuse(transaction, required);
      return;
    }
    switch (request.method) {
      case 'BYE':
        transaction.reply(200);
        this.#disconnect(leg, isCompleted(request.get('reason')) ? 'departed' : null);
        return;
      case 'INVITE':
      case 'UPDATE':
        this.#refresh(transaction, leg);
        return;
      case 'REFER':
        this.#refer(transaction, leg);
        return;
      case 'OPTIONS':
        transaction.reply(200, { headers: [['Allow', ALLOW]] });
        return;
      default:
        transaction.reply(405, { headers: [['Allow', ALLOW]] });
    }
  }

  /** A re-INVITE or UPDATE: a new path gets a new MSRP session, anything else the same answer again. */
  #refresh(transaction: ServerTransaction, leg: Leg): void {
    const timer = readTimer(transaction.request);
    if (!timer.ok) {
      this.#refuse(transaction, timer);
      return;
    }
    this.#describe(leg, transaction.request);
    const parts = readParts(transaction.request);
    const offer = parts.ok ? readOffer(parts.value) : null;
    if (offer === null) {
      const response = leg.dialog?.response(transaction, transaction.request.method === 'UPDATE' ? 200 : 488);
      if (response === undefined) return;
      if (response.status === 200) this.#time(leg, transaction.request, response);
      transaction.respond(response);
      return;
    }
    if (!offer.ok) {
      this.#refuse(transaction, offer);
      return;
    }
    if (offer.value.path.join(' ') !== leg.remotePath) {
      const old = leg.media;
      leg.media = this.#newMedia(leg.id);
      leg.origin.version += 1;
      old.close();
    }
    this.#accept(transaction, leg, offer.value);
    this.#changed();
  }

  /** What a REFER asks, if it may. LAB: how it goes is seen in the conference document, so the implicit subscription is declined (RFC 4488). */
  #refer(transaction: ServerTransaction, leg: Leg): void {
    const referral = readReferral(transaction.request, leg.address);
    if (!referral.ok) {
      this.#refuse(transaction, referral);
      return;
    }
    const { value } = referral;
    const refusal = value.kind === 'remove' ? this.#checkRemoval(leg, value.address) : this.#checkGrowth(value.invitees);
    if (refusal !== null) {
      this.#refuse(transaction, refusal);
      return;
    }
    transaction.reply(202, {
      headers: [
        ['Refer-Sub', 'false'],
        ['Contact', this.#contact],
      ],
    });
    if (value.kind === 'invite')
      this.#invite(this.#newcomers(value.invitees), { address: leg.address, name: this.deps.nameOf(leg.address) });
    else for (const other of this.#legsOf(value.address)) this.#disconnect(other, 'booted', COMPLETED);
  }

  #checkGrowth(invitees: readonly Invitee[]): Refusal | null {
    return checkSize(this.group.size + invitees.filter((invitee) => !this.group.has(invitee.address)).length);
  }

  #checkRemoval(leg: Leg, address: string): Refusal | null {
    if (!this.group.isAdministrator(leg.address)) return { ok: false, status: 403, warning: 'Only the administrator removes people' };
    return this.#legsOf(address).length === 0 ? { ok: false, status: 404, warning: 'Not a participant' } : null;
  }

  #legsOf(address: string): Leg[] {
    return [...this.#legs.values()].filter((leg) => leg.address === address);
  }

  /** Those who are neither here nor being invited. */
  #newcomers(invitees: readonly Invitee[]): Invitee[] {
    const busy = new Set(
      this.group
        .endpoints()
        .filter((endpoint) => endpoint.status !== 'disconnected')
        .map((endpoint) => endpoint.address),
    );
    return invitees.filter((invitee) => !busy.has(invitee.address));
  }

  // ---------------------------------------------------------------- media

  #newMedia(legId: string): SwitchSession {
    const session: SwitchSession = this.deps.media.prepare({
      onMessage: (message) => this.#onMessage(legId, message),
      onClose: (reason) => {
        const leg = this.#legs.get(legId);
        if (reason !== null && leg !== undefined && leg.media === session) this.#mediaLost(leg);
      },
    });
    return session;
  }

  /** Nobody can be reached over a dead connection: the dialog goes too, unless a re-INVITE brings other media in time. */
  #mediaLost(leg: Leg): void {
    leg.lost?.timer.dispose();
    const timer = this.deps.server.clock.setTimer(MEDIA_RETURN_MS, () => this.#disconnect(leg, 'failed', MEDIA_LOST));
    leg.lost = { held: leg.lost?.held ?? [], timer };
  }

  #give(leg: Leg, content: OutgoingContent): void {
    if (leg.lost === null) leg.media.send(content);
    else if (leg.lost.held.length < MAX_HELD_MESSAGES) leg.lost.held.push(content);
    else this.#disconnect(leg, 'failed', MEDIA_LOST);
  }

  #startMedia(leg: Leg, remote: MsrpDescription, role: 'active' | 'passive'): void {
    const path = remote.path.join(' ');
    if (path === leg.remotePath) return;
    leg.remotePath = path;
    leg.media.start(remote.path, role);
    const { lost } = leg;
    lost?.timer.dispose();
    leg.lost = null;
    for (const content of lost?.held ?? []) leg.media.send(content);
  }

  #onMessage(legId: string, message: CompleteMessage): Verdict {
    const admitted = admitMessage(this.group, legId, message);
    if (!admitted.ok) return admitted;
    for (const endpoint of admitted.endpoints) {
      const leg = this.#legs.get(endpoint.leg);
      if (leg !== undefined) this.#give(leg, { contentType: message.contentType, body: admitted.body });
    }
    return { status: 200, reason: 'OK' };
  }

  // ---------------------------------------------------------------- legs

  #newLeg(address: string, how: { dialedIn: boolean; name: string | null; administrator?: boolean }): Leg {
    const id = String(this.#nextLeg++);
    const leg: Leg = {
      id,
      address,
      media: this.#newMedia(id),
      dialog: null,
      invite: null,
      timer: null,
      expiry: null,
      lost: null,
      remotePath: '',
      origin: { sessionId: newSessionId(), version: 1 },
    };
    this.#legs.set(id, leg);
    this.group.add(id, address, how);
    return leg;
  }

  #receivedDialog(transaction: ServerTransaction): Dialog {
    return Dialog.ofReceived(this.deps.server, transaction, this.#contact, this.deps.resolve);
  }

  #describe(leg: Leg, message: SipRequest | SipResponse): void {
    const device = deviceOf(message.get('contact'));
    if (device !== null) this.group.describe(leg.id, device.entity, device.deviceName);
  }

  /** A device that comes again replaces its former leg: take the new, let the old go. */
  #supersede(leg: Leg): void {
    const entity = this.group.endpoint(leg.id)?.entity;
    for (const other of [...this.#legs.values()]) {
      if (other === leg || other.address !== leg.address || this.group.endpoint(other.id)?.entity !== entity) continue;
      this.group.drop(other.id);
      this.#release(other, { bye: COMPLETED });
    }
  }

  /** An endpoint is gone; `bye` when it must be told. */
  #disconnect(leg: Leg, how: DisconnectionMethod | null, bye?: string): void {
    if (!this.#legs.has(leg.id)) return;
    this.#release(leg, bye === undefined ? {} : { bye });
    this.group.advance(leg.id, 'disconnected', { disconnection: how });
    if (!this.group.isConnected(leg.address)) this.#events.drop(leg.address);
    this.#changed();
  }

  #release(leg: Leg, how: { bye?: string }): void {
    this.#legs.delete(leg.id);
    leg.timer?.dispose();
    leg.expiry?.dispose();
    leg.lost?.timer.dispose();
    leg.media.close();
    leg.invite?.cancel();
    if (how.bye !== undefined && leg.dialog?.state === 'confirmed') leg.dialog.bye(how.bye);
  }

  /** The roster is another one: watchers hear of it, and a group of too few begins to close. */
  #changed(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'active' && this.group.isOver) {
      this.#transition('closing');
      this.#closing = this.deps.server.clock.setTimer(CLOSING_GRACE_MS, () => this.end());
    } else if (this.#state === 'closing' && !this.group.isOver) this.#transition('active');
    this.#events.changed();
  }

  #refuse(transaction: ServerTransaction, refusal: Refusal): void {
    transaction.reply(refusal.status, { headers: refusalHeaders(refusal, this.deps.host) });
  }

  #transition(to: State): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`focus cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    this.#closing?.dispose();
    this.#closing = null;
  }
}

/** Strict parsers want digits in the sess-id of o=. */
function newSessionId(): string {
  return String(Number.parseInt(newToken(6), 16));
}

export function refusalHeaders(refusal: Refusal, host: string): (readonly [string, string])[] {
  const headers = [...(refusal.headers ?? [])];
  if (refusal.warning !== undefined) headers.push(['Warning', `399 ${host} "${refusal.warning.replace(/["\\]/g, "'")}"`]);
  return headers;
}

/** `Reason: SIP;cause=200`: the person left, it did not just lose the connection. */
function isCompleted(reason: string | null): boolean {
  return reason !== null && /^SIP\s*;(?:.*;)?\s*cause\s*=\s*200\b/i.test(reason);
}
