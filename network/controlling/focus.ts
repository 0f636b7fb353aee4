/**
 * The focus of one group: its signalling legs, its media, its invitations. Everybody is one SIP dialog and one MSRP session away.
 *
 *   creating --first 200 of an invited person--> active --too few members--> closing --somebody is back--> active
 *       |                                        |    ^                         |
 *       |                    nobody is connected v    | a member comes          |
 *       |                                        idle-+ (too few: closing)      |
 *       +--all refused, or the inviter cancelled--> ended <--CLOSING_GRACE_MS---+
 *
 * Idle, a group has no leg and no timer: its state is in the store (store.ts), and the first member to come revives it,
 * here, after a restart, or at another instance of the function.
 */

import { GROUP_DATA_CONTENT_TYPE } from '../../protocol/group-data';
import { parseContentType } from '../../protocol/multipart';
import type { MsrpDescription } from '../../protocol/sdp';
import type { NetworkLog } from '../log';
import type { CompleteMessage } from '../msrp/assembly';
import type { MsrpSwitch, Verdict } from '../msrp/switch';
import { assertedIdentity, isAsserted } from '../sip/asserted-identity';
import type { Resolve } from '../sip/dialog';
import { type Refusal, refuse } from '../sip/refusal';
import { readTimer } from '../sip/session-timer';
import type { SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { ConferenceEvents } from './conference-events';
import { Creation } from './creation';
import type { Group } from './group';
import { checkRequired, focusContact, type GroupInvitation, type Invitee, readOffer, readParts, readRejoin } from './invitation';
import { Inviting, type Person } from './inviting';
import { Keeping } from './keeping';
import { ALLOW, isOverTls, type Leg, Legs, MEDIA_LOST } from './leg';
import { MemberRequests } from './member-requests';
import { admitMessage } from './message';
import type { DisconnectionMethod } from './participant';
import { GroupPost } from './post';
import { listedState, mayCome, type PredefinedGroup } from './predefined';
import type { GroupContent, GroupStore } from './store';

/** LAB: how long a group with too few members waits for one to come back. */
export const CLOSING_GRACE_MS = 5_000;
/** LAB: a group in which nothing is said for this long rests: its legs end, and the next message brings it back. */
export const REST_AFTER_MS = 3_600_000;

const COMPLETED = 'SIP;cause=200;text="Call completed"';
const NEEDS_TLS = 'This group runs over TLS alone';
const GONE = 'SIP;cause=410;text="Gone"';
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
  store: GroupStore;
  /** Host in Warning headers. */
  host: string;
  log?: NetworkLog;
  /** The focus is no longer needed: the group is over, or rests and will be revived from the store. */
  onEnded(focus: Focus): void;
}

export class Focus {
  readonly #legs: Legs;
  readonly #inviting: Inviting;
  readonly #requests: MemberRequests;
  readonly #post: GroupPost;
  readonly #events: ConferenceEvents;
  readonly #keeping: Keeping;
  #state: State;
  readonly #creation: Creation;
  #closing: { dispose(): void } | null = null;
  #resting: { dispose(): void } | null = null;

  /** A group that is being created, or one from the store, which is idle. */
  constructor(
    private readonly deps: FocusDeps,
    readonly group: Group,
    state: 'creating' | 'idle',
  ) {
    this.#state = state;
    const { server, resolve, core, host, store } = deps;
    const contact = focusContact(this.uri);
    this.#creation = new Creation(host);
    const onChanged = () => this.#changed();
    const legs = new Legs({
      server,
      switch: deps.media,
      resolve,
      group,
      contact,
      onMessage: (leg, message) => this.#onMessage(leg, message),
      onNickname: (leg, nickname) => this.#requests.nickname(leg, nickname),
      onMedia: (leg) => this.#post.resume(leg),
      onDead: (leg, how, reason) => this.#disconnect(leg, how, reason),
    });
    this.#legs = legs;
    this.#inviting = new Inviting({
      server,
      core,
      resolve,
      group,
      legs,
      onAccepted: () => this.#answerCreation(),
      onRefused: (leg, status) => this.#onRefused(leg, status),
      onChanged,
    });
    const invite = (invitees: readonly Invitee[], inviter: Person) => this.#inviting.invite(invitees, inviter);
    this.#requests = new MemberRequests({ group, legs, contact, host, invite, remove: (address) => this.#remove(address), onChanged });
    this.#post = new GroupPost({
      clock: server.clock,
      store,
      focus: this.uri,
      log: deps.log,
      onOverfull: (leg) => this.#disconnect(leg as Leg, 'failed', MEDIA_LOST),
    });
    this.#events = new ConferenceEvents({
      server,
      resolve,
      contact,
      document: (viewer, version, changes) => group.document(viewer, version, changes),
    });
    this.#keeping = new Keeping({
      group,
      store,
      log: deps.log,
      onChanges: (changes) => this.#events.changed(changes),
      onKept: () => this.#post.noteAnswers(),
    });
  }

  get uri(): string {
    return this.group.facts.focus;
  }

  get state(): State {
    return this.#state;
  }

  // ---------------------------------------------------------------- requests outside a dialog

  /** The inviter's INVITE to the factory: invites everybody. The inviter gets 200 as soon as one person has accepted. */
  create(transaction: ServerTransaction, inviter: Person, invitation: GroupInvitation): void {
    const leg = this.#legs.take(transaction, inviter, true);
    this.#creation.begin(transaction, leg, invitation.offer);
    this.#keeping.keep();
    transaction.onCancel = () => this.#abandonCreation();
    transaction.onFlowLost = () => this.#abandonCreation();
    if (leg.dialog !== null) transaction.respond(leg.dialog.response(transaction, 183));
    this.#inviting.invite(invitation.invitees, inviter);
  }

  /** A second creation of the same group at the same time: its creator joins this one and brings in the people it named. */
  merge(transaction: ServerTransaction, sender: Person, invitation: GroupInvitation): void {
    if (this.#lacksTls(transaction, invitation.offer)) return;
    this.#join(transaction, sender, invitation.offer);
    this.#answerCreation();
    this.#inviting.invite(this.#requests.newcomers(invitation.invitees), sender);
  }

  /** A request whose Request-URI is this focus. */
  handle(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.toTag !== null) {
      this.#handleInDialog(transaction);
      return;
    }
    const sender = assertedIdentity(request);
    if (sender === null || !mayCome(this.group, sender.address))
      this.#refuse(transaction, { ok: false, status: 403, warning: 'Not a participant' });
    else if (request.method === 'INVITE') this.#rejoin(transaction, sender);
    else if (request.method === 'SUBSCRIBE' || request.method === 'REFER') this.#askedFromBeside(transaction, sender);
    else if (request.method === 'OPTIONS')
      transaction.reply(200, {
        headers: [
          ['Allow', ALLOW],
          ['Allow-Events', 'conference'],
        ],
      });
    else transaction.reply(405, { headers: [['Allow', ALLOW]] });
  }

  /** What a participant may ask outside the dialog of its session: the roster, and to bring in or remove people (RFC 4579 sections 5.5 and 5.11). */
  #askedFromBeside(transaction: ServerTransaction, sender: Person): void {
    const leg = this.#legs.of(sender.address).find(({ isConfirmed }) => isConfirmed);
    const required = checkRequired(transaction.request);
    if (leg === undefined || !this.group.isConnected(sender.address))
      this.#refuse(transaction, { ok: false, status: 403, warning: 'Not connected' });
    else if (transaction.request.method === 'SUBSCRIBE') this.#events.subscribe(transaction, sender.address);
    else if (required !== null) this.#refuse(transaction, required);
    else this.#requests.refer(transaction, leg);
  }

  #rejoin(transaction: ServerTransaction, sender: Person): void {
    const offer = readRejoin(transaction.request, sender.address);
    if (offer.ok) this.#join(transaction, sender, offer.value);
    else this.#refuse(transaction, offer);
  }

  /** A group whose creator takes nothing but TLS stays on TLS: a leg without it is refused. */
  #lacksTls(transaction: ServerTransaction, offer: MsrpDescription): boolean {
    const { isSecure = false, takesClear = false } = this.group.facts;
    const lacks = isSecure && !takesClear && !isOverTls(offer);
    if (lacks) this.#refuse(transaction, { ok: false, status: 488, warning: NEEDS_TLS });
    return lacks;
  }

  #join(transaction: ServerTransaction, sender: Person, offer: MsrpDescription): void {
    if (this.#lacksTls(transaction, offer)) return;
    const wasIdle = this.#state === 'idle';
    const leg = this.#legs.take(transaction, sender);
    this.#legs.supersede(leg);
    leg.accept(transaction, offer);
    this.#changed();
    // The first person to join a pre-defined group has the others invited.
    if (wasIdle && this.group.facts.predefined === true) this.#inviting.fetchAway(sender);
  }

  // ---------------------------------------------------------------- creation

  #answerCreation(): void {
    const accept = this.#creation.take();
    if (accept === null) return;
    this.#transition('active');
    accept();
  }

  #abandonCreation(): void {
    if (this.#creation.cancel()) this.end();
  }

  #onRefused(leg: Leg, status: number | null): void {
    if (status !== null) this.#declined(leg, status);
    this.#disconnect(leg, [486, 600, 603].includes(status ?? 488) ? 'busy' : 'failed');
    if (this.#creation.refused(status ?? 488, this.group.hasPending)) this.end();
  }

  // ---------------------------------------------------------------- requests inside a dialog

  #handleInDialog(transaction: ServerTransaction): void {
    const { request } = transaction;
    const leg = this.#legs.inDialog(request);
    if (leg?.dialog == null) {
      if (!this.#events.handle(transaction)) transaction.reply(481);
      return;
    }
    if (!isAsserted(request, leg.address)) {
      this.#refuse(transaction, { ok: false, status: 403, warning: 'The dialog of another person' });
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
        this.#requests.refer(transaction, leg);
        return;
      case 'OPTIONS':
        transaction.reply(200, { headers: [['Allow', ALLOW]] });
        return;
      default:
        transaction.reply(405, { headers: [['Allow', ALLOW]] });
    }
  }

  #refresh(transaction: ServerTransaction, leg: Leg): void {
    const timer = readTimer(transaction.request);
    if (!timer.ok) {
      this.#refuse(transaction, timer);
      return;
    }
    leg.describe(transaction.request);
    const parts = readParts(transaction.request);
    const offer = parts.ok ? readOffer(parts.value) : null;
    if (offer === null) leg.renew(transaction);
    else if (!offer.ok) this.#refuse(transaction, offer);
    else if (!this.#lacksTls(transaction, offer.value)) {
      leg.refresh(transaction, offer.value);
      this.#changed();
    }
  }

  // ---------------------------------------------------------------- messages

  #onMessage(leg: Leg, message: CompleteMessage): Verdict {
    const admitted = admitMessage(this.group, leg.id, message);
    if (!admitted.ok) return admitted;
    const contentOf = parseContentType(admitted.envelope.contentType).type;
    if (contentOf === GROUP_DATA_CONTENT_TYPE) return this.#requests.groupData(leg, admitted.envelope.body);
    const all = admitted.endpoints.flatMap((endpoint) => this.#legs.find(endpoint.leg) ?? []);
    // A hint that comes late, or is refused, is worse than none.
    const legs = admitted.isPassing ? all.filter((one) => one.takesNow(contentOf)) : all;
    const content: GroupContent = { contentType: message.contentType, body: admitted.body };
    try {
      this.#post.send(content, legs, admitted.people);
    } catch (error) {
      this.deps.log?.('error', 'A group message could not be kept', { error: String(error) });
      return { status: 408, reason: 'Cannot Be Kept' };
    }
    if (admitted.people.length > 0) {
      this.#rest();
      this.#inviting.fetchAway({ address: leg.address, name: this.group.nameIn(leg.address) });
    }
    return { status: 200, reason: 'OK' };
  }

  // ---------------------------------------------------------------- departures

  /**
   * A person who was not reached (480, 503) stays invited, and the next message fetches them; a person who refused does not. A member who
   * was away and answers 603 has left meanwhile (OMA CPM: a departure from an idle group).
   */
  #declined(leg: Leg, status: number): void {
    const membership = this.group.membership(leg.address);
    if (this.group.isConnected(leg.address)) return;
    if (membership === 'invited' && status !== 480 && status !== 503) this.group.exclude(leg.address, 'declined');
    if (membership === 'member' && [600, 603].includes(status)) this.#exclude(leg.address, 'departed');
  }

  /** LAB: leaving is a decision of the person, on whatever device: the person's other devices leave too. */
  #depart(leg: Leg): void {
    this.#exclude(leg.address, 'departed');
    this.#disconnect(leg, 'departed');
    for (const other of this.#legs.of(leg.address)) this.#disconnect(other, 'departed', COMPLETED);
  }

  #remove(address: string): void {
    this.group.exclude(address, 'removed');
    this.#putOut(address);
    this.#changed();
  }

  #putOut(address: string): void {
    this.deps.store.forget(this.uri, address);
    for (const leg of this.#legs.of(address)) this.#disconnect(leg, 'booted', REMOVED);
  }

  #exclude(address: string, how: 'departed' | 'removed'): void {
    this.group.exclude(address, how);
    this.deps.store.forget(this.uri, address);
  }

  /** A leg is over; `bye` is the reason to give when its device must be told. */
  #disconnect(leg: Leg, how: DisconnectionMethod | null, bye?: string): void {
    if (!this.#legs.has(leg)) return;
    this.#legs.release(leg, bye);
    this.group.advance(leg.id, 'disconnected', { disconnection: how });
    if (!this.group.isConnected(leg.address)) this.#events.drop(leg.address);
    // What this device has not answered for goes to the person's other devices.
    for (const other of this.#legs.of(leg.address)) if (other.hasMedia) this.#post.deliver(other);
    this.#changed();
  }

  /**
   * Applies the operator's new list: new people are invited on behalf of somebody who is here, and people who are no longer listed are
   * removed.
   */
  relist(listed: PredefinedGroup): void {
    const { group } = this;
    const before = group.state();
    const known = new Set(before.participants.filter((one) => one.listed === true).map(({ address }) => address));
    group.relist(listedState(listed, before, group.nameOf));
    for (const address of known) if (group.membership(address) === 'removed') this.#putOut(address);
    const [host] = group.endpoints().filter(({ status }) => status === 'connected');
    const newcomers = listed.members.filter((address) => !known.has(address) && group.away.includes(address));
    if (host !== undefined && newcomers.length > 0)
      this.#inviting.bring(newcomers, { address: host.address, name: group.nameIn(host.address) });
    this.#changed();
  }

  // ---------------------------------------------------------------- the group's life

  /** The roster has changed: stores it, tells the watchers, and begins to close a group with too few members. */
  #changed(): void {
    if (this.#state === 'ended') return;
    if (this.#state !== 'creating') {
      if (this.group.isOver) this.#close();
      else if (this.#legs.size === 0) {
        this.#idle();
        return;
      } else if (this.#state !== 'active') this.#transition('active');
    }
    this.#keeping.note();
    this.#rest();
  }

  #close(): void {
    if (this.#state === 'closing') return;
    this.#transition('closing');
    this.#closing = this.deps.server.clock.setTimer(CLOSING_GRACE_MS, () => this.end());
  }

  /** Nobody is here: the group goes on with the next person who comes. */
  #idle(): void {
    this.#transition('idle');
    this.#keeping.keep();
    this.#events.end();
    this.deps.onEnded(this);
  }

  /** Starts the rest timer: after a long silence the legs end, the group does not. */
  #rest(): void {
    this.#resting?.dispose();
    this.#resting = this.deps.server.clock.setTimer(REST_AFTER_MS, () => {
      for (const leg of this.#legs.all()) this.#disconnect(leg, null, RESTING);
    });
  }

  /** Ends the group for all. */
  end(reason: string = GONE): void {
    if (this.#state === 'ended') return;
    this.#transition('ended');
    this.group.end();
    this.#keeping.keep();
    for (const leg of this.#legs.all()) this.#legs.release(leg, reason);
    this.#events.end();
    this.deps.onEnded(this);
  }

  /** Ends without a message: the network closes. */
  abandon(): void {
    if (this.#state !== 'ended') this.#transition('ended');
    this.#creation.drop();
    this.#keeping.keep();
    this.#legs.abandon();
    this.#events.abandon();
  }

  #refuse(transaction: ServerTransaction, refusal: Refusal): void {
    refuse(transaction, refusal, this.deps.host);
  }

  #transition(to: State): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`focus cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    this.#closing?.dispose();
    this.#closing = null;
    if (to !== 'active') this.#resting?.dispose();
  }
}

/** `Reason: SIP;cause=200`: the person left, rather than lost the connection. */
function isCompleted(reason: string | null): boolean {
  return reason !== null && /^SIP\s*;(?:.*;)?\s*cause\s*=\s*200\b/i.test(reason);
}
