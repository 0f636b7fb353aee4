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

import { GROUP_DATA_CONTENT_TYPE } from '../../protocol/group-data';
import { parseContentType } from '../../protocol/multipart';
import type { MsrpDescription } from '../../protocol/sdp';
import type { NetworkLog } from '../log';
import type { CompleteMessage } from '../msrp/assembly';
import type { MsrpSwitch, Verdict } from '../msrp/switch';
import { assertedIdentity } from '../sip/asserted-identity';
import type { Resolve } from '../sip/dialog';
import { type Refusal, refuse } from '../sip/refusal';
import { readTimer } from '../sip/session-timer';
import type { SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { ConferenceEvents } from './conference-events';
import type { Group } from './group';
import { checkRequired, focusContact, type GroupInvitation, type Invitee, readOffer, readParts, readRecipients } from './invitation';
import { Inviting, type Person } from './inviting';
import { ALLOW, isOverTls, type Leg, Legs, MEDIA_LOST } from './leg';
import { MemberRequests } from './member-requests';
import { admitMessage } from './message';
import type { DisconnectionMethod } from './participant';
import { GroupPost } from './post';
import { listedState, mayCome, type PredefinedGroup } from './predefined';
import type { GroupContent, GroupStore } from './store';

/** LAB: how long a group of too few waits for somebody to come back. */
export const CLOSING_GRACE_MS = 5_000;
/** LAB: a group in which nothing is said for so long rests: its legs end, and it goes on with the next word. */
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
  /** The focus is of no use any more: it is over, or rests and is to be revived from what is kept. */
  onEnded(focus: Focus): void;
}

export class Focus {
  readonly #legs: Legs;
  readonly #inviting: Inviting;
  readonly #requests: MemberRequests;
  readonly #post: GroupPost;
  readonly #events: ConferenceEvents;
  #state: State;
  /** The inviter's INVITE while nobody has accepted. */
  #creation: { transaction: ServerTransaction; leg: Leg; offer: MsrpDescription } | null = null;
  #refusals: number[] = [];
  /** Whose part is not on disk yet, and whether it goes there at the end of this turn. */
  readonly #unkept = new Set<string>();
  #isKeeping = false;
  #closing: { dispose(): void } | null = null;
  #resting: { dispose(): void } | null = null;

  /** A group that is being made, or one out of the store, which then is idle. */
  constructor(
    private readonly deps: FocusDeps,
    readonly group: Group,
    state: 'creating' | 'idle',
  ) {
    this.#state = state;
    const { server, resolve, core, host, store } = deps;
    const contact = focusContact(this.uri);
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
  }

  get uri(): string {
    return this.group.facts.focus;
  }

  get state(): State {
    return this.#state;
  }

  // ---------------------------------------------------------------- outside of a dialog

  /** The inviter's INVITE to the factory: invites everybody; the inviter hears 200 as soon as one has accepted. */
  create(transaction: ServerTransaction, inviter: Person, invitation: GroupInvitation): void {
    const leg = this.#legs.take(transaction, inviter, true);
    this.#creation = { transaction, leg, offer: invitation.offer };
    this.#keep();
    transaction.onCancel = () => this.#abandonCreation();
    transaction.onFlowLost = () => this.#abandonCreation();
    if (leg.dialog !== null) transaction.respond(leg.dialog.response(transaction, 183));
    this.#inviting.invite(invitation.invitees, inviter);
  }

  /** A second creation of the same group at the same time: the creator joins this one and brings whom it named. */
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
    if (parts.value.some(({ contentType }) => parseContentType(contentType).type === 'message/cpim')) {
      // Written to the group's address as to a person: nobody would read it.
      this.#refuse(transaction, { ok: false, status: 403, warning: 'A group is joined before anything is said' });
      return;
    }
    const offer = readOffer(parts.value);
    if (offer === null) this.#refuse(transaction, { ok: false, status: 606, warning: 'An SDP offer is missing' });
    else if (!offer.ok) this.#refuse(transaction, offer);
    else this.#join(transaction, sender, offer.value);
  }

  /** Who asked for a group over TLS gets one: nobody hears it without. */
  #lacksTls(transaction: ServerTransaction, offer: MsrpDescription): boolean {
    const lacks = this.group.facts.isSecure === true && !isOverTls(offer);
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
    // The first to come to a pre-defined group brings the others.
    if (wasIdle && this.group.facts.predefined === true) this.#inviting.fetchAway(sender);
  }

  // ---------------------------------------------------------------- the creation, until somebody is in

  #answerCreation(): void {
    const creation = this.#creation;
    if (creation === null) return;
    this.#creation = null;
    this.#transition('active');
    creation.leg.accept(creation.transaction, creation.offer);
  }

  /** Nobody is left who could accept: the inviter hears no. LAB: 603 when all declined, else 480. */
  #settleCreation(): void {
    if (this.#creation === null || this.group.hasPending) return;
    const { transaction } = this.#creation;
    this.#creation = null;
    const status = this.#refusals.every((refusal) => refusal === 603) ? 603 : 480;
    this.#refuse(transaction, { ok: false, status, warning: 'Nobody accepted' });
    this.end();
  }

  #abandonCreation(): void {
    if (this.#creation === null) return;
    this.#creation.transaction.reply(487);
    this.#creation = null;
    this.end();
  }

  #onRefused(leg: Leg, status: number | null): void {
    this.#refusals.push(status ?? 488);
    if (status !== null) this.#declined(leg, status);
    this.#disconnect(leg, [486, 600, 603].includes(status ?? 488) ? 'busy' : 'failed');
    this.#settleCreation();
  }

  // ---------------------------------------------------------------- inside a dialog

  #handleInDialog(transaction: ServerTransaction): void {
    const { request } = transaction;
    const leg = this.#legs.inDialog(request);
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

  // ---------------------------------------------------------------- what is said

  #onMessage(leg: Leg, message: CompleteMessage): Verdict {
    const admitted = admitMessage(this.group, leg.id, message);
    if (!admitted.ok) return admitted;
    const contentOf = parseContentType(admitted.envelope.contentType).type;
    if (contentOf === GROUP_DATA_CONTENT_TYPE) return this.#requests.groupData(leg, admitted.envelope.body);
    const legs = admitted.endpoints.flatMap((endpoint) => this.#legs.find(endpoint.leg) ?? []);
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

  // ---------------------------------------------------------------- who is out

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

  /** LAB: leaving is the person's act, whatever device says it: the other devices of that person go, too. */
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

  /** A leg is over; `bye` when its device must be told. */
  #disconnect(leg: Leg, how: DisconnectionMethod | null, bye?: string): void {
    if (!this.#legs.has(leg)) return;
    this.#legs.release(leg, bye);
    this.group.advance(leg.id, 'disconnected', { disconnection: how });
    if (!this.group.isConnected(leg.address)) this.#events.drop(leg.address);
    // What this device had not answered for is for the other devices of that person.
    for (const other of this.#legs.of(leg.address)) if (other.hasMedia) this.#post.deliver(other);
    this.#changed();
  }

  /** The operator's list says anew who belongs to it: who is new is asked in, on behalf of somebody who is here, and who is not listed any more is put out. */
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
    this.#note();
    this.#rest();
  }

  /** Watchers hear of what has changed, and it goes to disk with all that changes in this turn. */
  #note(): void {
    this.#takeChanges();
    if (this.#isKeeping) return;
    this.#isKeeping = true;
    queueMicrotask(() => {
      if (this.#isKeeping) this.#keep();
    });
  }

  /** What is to be kept is on disk when this returns. */
  #keep(): void {
    this.#isKeeping = false;
    this.#takeChanges();
    const people = [...this.#unkept].flatMap((address) => this.group.participantState(address) ?? []);
    try {
      this.deps.store.save(this.group.head(), people);
      this.#unkept.clear();
    } catch (error) {
      this.deps.log?.('error', 'A group could not be kept; it is tried again with its next change', { error: String(error) });
    }
    this.#post.noteAnswers();
  }

  #takeChanges(): void {
    const changes = this.group.takeChanges();
    for (const address of changes.people) this.#unkept.add(address);
    this.#events.changed(changes);
  }

  #close(): void {
    if (this.#state === 'closing') return;
    this.#transition('closing');
    this.#closing = this.deps.server.clock.setTimer(CLOSING_GRACE_MS, () => this.end());
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
      for (const leg of this.#legs.all()) this.#disconnect(leg, null, RESTING);
    });
  }

  /** Ends the group for all. */
  end(reason: string = GONE): void {
    if (this.#state === 'ended') return;
    this.#transition('ended');
    this.group.end();
    this.#keep();
    for (const leg of this.#legs.all()) this.#legs.release(leg, reason);
    this.#events.end();
    this.deps.onEnded(this);
  }

  /** Lets go without a word: the network closes. */
  abandon(): void {
    if (this.#state !== 'ended') this.#transition('ended');
    this.#creation = null;
    this.#keep();
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

/** `Reason: SIP;cause=200`: the person left, it did not just lose the connection. */
function isCompleted(reason: string | null): boolean {
  return reason !== null && /^SIP\s*;(?:.*;)?\s*cause\s*=\s*200\b/i.test(reason);
}
