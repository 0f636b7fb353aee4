/**
 * The focus of one group: its signalling legs, its media, its invitations. Everybody is one SIP dialog and one MSRP session away.
 *
 *   creating --first 200 of an invited person--> active --too few members--> closing --somebody is back--> active
 *       |                                        |    ^                         |
 *       |                    nobody is connected v    | a member comes          |
 *       |                                        idle-+ (too few: closing)      |
 *       +--all refused, or the inviter cancelled--> ended <--CLOSING_GRACE_MS---+
 *
 * Idle, a group has no leg and no timer: what is kept of it is in the store (group-store.ts), and the first member to come revives it,
 * here, after a restart, or at another instance of the function.
 */
import { encodeCpim } from '../main/protocol/cpim';
import { cpmHeader } from '../main/protocol/cpm-headers';
import {
  encodeGroupData,
  GROUP_DATA_CONTENT_TYPE,
  type GroupDataRequest,
  MAX_SUBJECT_CHARACTERS,
  parseGroupData,
} from '../main/protocol/group-data';
import { parseContentType } from '../main/protocol/multipart';
import { encodeSdp, type MsrpDescription } from '../main/protocol/sdp';
import { assertedIdentity } from './asserted-identity';
import type { NetworkLog } from './clock';
import { ConferenceEvents } from './conference-events';
import { Dialog, dialogIdOf, type Resolve } from './dialog';
import type { DisconnectionMethod, Group } from './group';
import { admitMessage } from './group-message';
import { GroupPost, type PostLeg } from './group-post';
import type { GroupContent, GroupStore } from './group-store';
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
/** LAB: a group in which nothing is said for so long rests: its legs end, and it goes on with the next word. */
export const REST_AFTER_MS = 3_600_000;
/** LAB: how often a member who is away is fetched by what is said, at most. */
export const FETCH_INTERVAL_MS = 30_000;

const ALLOW = 'INVITE, ACK, CANCEL, BYE, REFER, SUBSCRIBE, UPDATE, OPTIONS';
const COMPLETED = 'SIP;cause=200;text="Call completed"';
const GONE = 'SIP;cause=410;text="Gone"';
const NOT_RENEWED = 'SIP;cause=408;text="Session not renewed"';
const MEDIA_LOST = 'SIP;cause=503;text="Media connection lost"';
const REMOVED = 'SIP;cause=403;text="Removed from the group"';
const RESTING = 'SIP;cause=480;text="The group rests"';

type State = 'creating' | 'active' | 'idle' | 'closing' | 'ended';

const STEPS: Readonly<Record<State, readonly State[]>> = {
  creating: ['active', 'ended'],
  active: ['idle', 'closing', 'ended'],
  idle: ['active', 'closing', 'ended'],
  closing: ['active', 'idle', 'ended'],
  ended: [],
};

export interface FocusDeps {
  server: SipServer;
  media: MsrpSwitch;
  /** Where every invitation goes: the SIP/IP core. */
  core: Target;
  resolve: Resolve;
  nameOf(address: string): string | null;
  store: GroupStore;
  /** Host in Warning headers. */
  host: string;
  log?: NetworkLog;
  /** The focus is of no use any more: it is over, or rests and is to be revived from what is kept. */
  onEnded(focus: Focus): void;
}

interface Person {
  address: string;
  name: string | null;
}

interface Leg extends PostLeg {
  readonly id: string;
  /** Request-URI of its invitation: a device's GRUU when one device was meant. */
  readonly target: string;
  dialog: Dialog | null;
  /** Our INVITE while it has no final answer. */
  invite: ClientTransaction | null;
  timer: { dispose(): void } | null;
  /** Ends a leg whose session is not renewed (RFC 4028). */
  expiry: { dispose(): void } | null;
  /** While its media is lost: the timer that gives it up. */
  lost: { dispose(): void } | null;
  remotePath: string;
  /** The o= line of our SDP. */
  readonly origin: { sessionId: string; version: number };
}

export class Focus {
  readonly #events: ConferenceEvents;
  readonly #post: GroupPost;
  readonly #legs = new Map<string, Leg>();
  readonly #contact: string;
  #state: State;
  #nextLeg = 1;
  /** The inviter's INVITE while nobody has accepted. */
  #creation: { transaction: ServerTransaction; leg: Leg; offer: MsrpDescription } | null = null;
  #refusals: number[] = [];
  #closing: { dispose(): void } | null = null;
  #resting: { dispose(): void } | null = null;
  /** When each member who is away was last fetched. */
  readonly #fetched = new Map<string, number>();

  /** A group that is being made, or one out of the store, which then is idle. */
  constructor(
    private readonly deps: FocusDeps,
    readonly group: Group,
    state: 'creating' | 'idle',
  ) {
    this.#state = state;
    this.#contact = focusContact(group.facts.focus);
    this.#post = new GroupPost(deps.store, group.facts.focus, (leg) => this.#disconnect(leg as Leg, 'failed', MEDIA_LOST));
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
  create(transaction: ServerTransaction, inviter: Person, invitation: GroupInvitation): void {
    const leg = this.#newLeg(inviter.address, { dialedIn: true, name: inviter.name, administrator: true });
    leg.dialog = this.#receivedDialog(transaction);
    this.#describe(leg, transaction.request);
    this.#creation = { transaction, leg, offer: invitation.offer };
    this.#keep();
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
  merge(transaction: ServerTransaction, sender: Person, invitation: GroupInvitation): void {
    this.#join(transaction, sender, invitation.offer);
    this.#answerCreation();
    this.#invite(this.#newcomers(invitation.invitees), sender);
  }

  /** Ends the group for all. */
  end(reason: string = GONE): void {
    if (this.#state === 'ended') return;
    this.#transition('ended');
    this.group.end();
    this.#keep();
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
      leg.expiry?.dispose();
      leg.lost?.dispose();
      leg.dialog?.end();
      leg.media.close();
    }
    this.#legs.clear();
    this.#events.abandon();
  }

  // ---------------------------------------------------------------- inviting

  #invite(invitees: readonly Invitee[], inviter: Person): void {
    const { facts } = this.group;
    for (const invitee of invitees) {
      const leg = this.#newLeg(invitee.address, { dialedIn: false, name: invitee.name, target: invitee.target });
      const request = createInvitation({
        ...facts,
        subject: this.group.subject,
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
      const status = isLate ? 408 : response.status;
      this.#refusals.push(status);
      this.#declined(leg, status);
      this.#disconnect(leg, [486, 600, 603].includes(status) ? 'busy' : 'failed');
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

  /**
   * Who is not there (480, 503) is still invited, and fetched by what is said; who has said no is not. A member who was away and says 603
   * has left meanwhile (OMA CPM: a departure from an idle group).
   */
  #declined(leg: Leg, status: number): void {
    const membership = this.group.membership(leg.address);
    if (this.group.isConnected(leg.address)) return;
    if (membership === 'invited' && status !== 480 && status !== 503) this.group.exclude(leg.address, 'declined');
    if (membership === 'member' && [600, 603].includes(status)) this.#exclude(leg.address, 'departed');
  }

  #exclude(address: string, how: 'departed' | 'removed'): void {
    this.group.exclude(address, how);
    this.deps.store.forget(this.uri, address);
  }

  /** Invites again the members who are away, on behalf of somebody who has said something. */
  #fetchAway(sender: Person): void {
    const now = this.deps.server.clock.now();
    const due = this.group.away.filter((address) => (this.#fetched.get(address) ?? -FETCH_INTERVAL_MS) + FETCH_INTERVAL_MS <= now);
    if (due.length === 0) return;
    for (const address of due) this.#fetched.set(address, now);
    this.#invite(due.map(plainInvitee), sender);
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

  #rejoin(transaction: ServerTransaction, sender: Person): void {
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

  #join(transaction: ServerTransaction, sender: Person, offer: MsrpDescription): void {
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
    const { subject } = this.group;
    if (subject !== null && transaction.request.toTag === null) response.append('Subject', subject);
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
        if (isCompleted(request.get('reason'))) this.#depart(leg);
        else this.#disconnect(leg, null);
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

  /** LAB: leaving is the person's act, whatever device says it: the other devices of that person go, too. */
  #depart(leg: Leg): void {
    this.#exclude(leg.address, 'departed');
    this.#disconnect(leg, 'departed');
    for (const other of this.#legsOf(leg.address)) this.#disconnect(other, 'departed', COMPLETED);
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
    const refusal =
      value.kind === 'remove' ? this.#checkRemoval(leg, value.address) : this.#checkGrowth(leg, this.#newcomers(value.invitees, leg));
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
      this.#invite(this.#newcomers(value.invitees, leg), { address: leg.address, name: this.group.nameIn(leg.address) });
    else this.#remove(value.address);
  }

  #remove(address: string): void {
    this.#exclude(address, 'removed');
    for (const other of this.#legsOf(address)) this.#disconnect(other, 'booted', REMOVED);
    this.#changed();
  }

  #checkGrowth(leg: Leg, newcomers: readonly Invitee[]): Refusal | null {
    const strangers = newcomers.filter((invitee) => !this.group.has(invitee.address));
    if (this.group.facts.type === 'closed' && strangers.length > 0)
      return { ok: false, status: 403, warning: 'The group is closed: nobody is added' };
    // Only the administrator brings back whom an administrator has put out.
    if (strangers.some(({ address }) => this.group.membership(address) === 'removed') && !this.group.isAdministrator(leg.address))
      return { ok: false, status: 403, warning: 'Only the administrator brings back who was removed' };
    return checkSize(this.group.size + strangers.length, this.group.maximum);
  }

  #checkRemoval(leg: Leg, address: string): Refusal | null {
    if (!this.group.isAdministrator(leg.address)) return { ok: false, status: 403, warning: 'Only the administrator removes people' };
    return this.group.has(address) ? null : { ok: false, status: 404, warning: 'Not a participant' };
  }

  #legsOf(address: string): Leg[] {
    return [...this.#legs.values()].filter((leg) => leg.address === address);
  }

  /** Those who are neither here nor being invited; of the one who asks (`leg`), a further device by its GRUU. */
  #newcomers(invitees: readonly Invitee[], leg: Leg | null = null): Invitee[] {
    const live = this.group.endpoints().filter((endpoint) => endpoint.status !== 'disconnected');
    return invitees.filter(({ address, target }) => {
      const standing = live.filter((endpoint) => endpoint.address === address);
      if (address !== leg?.address) return standing.length === 0;
      const devices = [...this.#legsOf(address)].map(({ target: asked }) => asked);
      return target !== address && !devices.includes(target) && standing.every(({ entity }) => entity !== target);
    });
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
    leg.lost?.dispose();
    leg.lost = this.deps.server.clock.setTimer(MEDIA_RETURN_MS, () => this.#disconnect(leg, 'failed', MEDIA_LOST));
  }

  #startMedia(leg: Leg, remote: MsrpDescription, role: 'active' | 'passive'): void {
    const path = remote.path.join(' ');
    if (path === leg.remotePath) return;
    leg.remotePath = path;
    leg.media.start(remote.path, role);
    leg.lost?.dispose();
    leg.lost = null;
    this.#post.resume(leg);
  }

  #onMessage(legId: string, message: CompleteMessage): Verdict {
    const admitted = admitMessage(this.group, legId, message);
    if (!admitted.ok) return admitted;
    const contentOf = parseContentType(admitted.envelope.contentType).type;
    if (contentOf === GROUP_DATA_CONTENT_TYPE) return this.#manage(legId, admitted.envelope.body);
    const legs = admitted.endpoints.flatMap((endpoint) => this.#legs.get(endpoint.leg) ?? []);
    const content: GroupContent = { contentType: message.contentType, body: admitted.body };
    try {
      this.#post.send(content, legs, admitted.people);
    } catch (error) {
      this.deps.log?.('error', 'A group message could not be kept', { error: String(error) });
      return { status: 408, reason: 'Cannot Be Kept' };
    }
    const sender = this.#legs.get(legId);
    if (sender !== undefined && admitted.people.length > 0) {
      this.#rest();
      this.#fetchAway({ address: sender.address, name: this.group.nameIn(sender.address) });
    }
    return { status: 200, reason: 'OK' };
  }

  /** A member asks for another subject: everybody hears of it by the conference document, the asking device by a response, too. */
  #manage(legId: string, body: Uint8Array): Verdict {
    const leg = this.#legs.get(legId);
    const data = parseGroupData(body);
    if (leg === undefined || !data.ok || data.value.kind !== 'request') return { status: 400, reason: 'Not A Group Data Request' };
    const code = this.#applyData(leg, data.value);
    const { uri } = this;
    const answer = encodeCpim({
      from: uri,
      to: [leg.address],
      contentType: GROUP_DATA_CONTENT_TYPE,
      body: encodeGroupData({ kind: 'response', id: data.value.id, code }),
    });
    leg.media.send({ contentType: 'message/cpim', body: answer });
    return { status: 200, reason: 'OK' };
  }

  /** LAB: everybody names an open group, the administrator a closed one. */
  #applyData(leg: Leg, { target, action, data }: GroupDataRequest): number {
    if (target !== 'subject') return 404;
    if (this.group.facts.type === 'closed' && !this.group.isAdministrator(leg.address)) return 403;
    if (action === 'set' && data === null) return 400;
    if ((data?.length ?? 0) > MAX_SUBJECT_CHARACTERS) return 413;
    this.group.rename(action === 'set' ? data : null);
    this.#changed();
    return 200;
  }

  // ---------------------------------------------------------------- legs

  #newLeg(address: string, how: { dialedIn: boolean; name: string | null; administrator?: boolean; target?: string }): Leg {
    const id = String(this.#nextLeg++);
    const leg: Leg = {
      id,
      address,
      target: how.target ?? address,
      inFlight: new Map(),
      get isLost() {
        return leg.lost !== null;
      },
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
    // What this device had not answered for is for the other devices of that person.
    for (const other of this.#legsOf(leg.address)) if (other.remotePath !== '') this.#post.deliver(other);
    this.#changed();
  }

  #release(leg: Leg, how: { bye?: string }): void {
    this.#legs.delete(leg.id);
    leg.timer?.dispose();
    leg.expiry?.dispose();
    leg.lost?.dispose();
    leg.media.close();
    leg.invite?.cancel();
    if (how.bye !== undefined && leg.dialog?.state === 'confirmed') leg.dialog.bye(how.bye);
  }

  /** The roster is another one: it is kept, watchers hear of it, and a group of too few begins to close. */
  #changed(): void {
    if (this.#state === 'ended') return;
    if (this.#state !== 'creating') {
      if (this.group.isOver) this.#close();
      else if (this.#legs.size === 0) {
        this.#idle();
        return;
      } else if (this.#state !== 'active') this.#transition('active');
    }
    this.#keep();
    this.#rest();
    this.#events.changed();
  }

  #close(): void {
    if (this.#state === 'closing') return;
    this.#transition('closing');
    this.#closing = this.deps.server.clock.setTimer(CLOSING_GRACE_MS, () => this.end());
  }

  #keep(): void {
    this.deps.store.save(this.group.state());
  }

  /** Nobody is here: it goes on with whoever comes first. */
  #idle(): void {
    this.#transition('idle');
    this.#keep();
    this.#events.end();
    this.deps.onEnded(this);
  }

  /** Nothing is said for long: the legs end, the group does not. */
  #rest(): void {
    this.#resting?.dispose();
    this.#resting = this.deps.server.clock.setTimer(REST_AFTER_MS, () => {
      for (const leg of [...this.#legs.values()]) this.#disconnect(leg, null, RESTING);
    });
  }

  #refuse(transaction: ServerTransaction, refusal: Refusal): void {
    transaction.reply(refusal.status, { headers: refusalHeaders(refusal, this.deps.host) });
  }

  #transition(to: State): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`focus cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    this.#closing?.dispose();
    this.#closing = null;
    if (to !== 'active') this.#resting?.dispose();
  }
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
