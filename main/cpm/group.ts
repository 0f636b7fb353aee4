/**
 * Group sessions: growing one out of a 1-1 by replacement, joining one by invitation, coming back to one, leaving it.
 *
 *   none -> inviting -> joined <-> away (media or dialog lost; comes back with the next registration or text)
 *              |           |
 *              v           +-> left (the person left, an administrator put them out, or the network ended the group with 410)
 *            none (nobody joined)
 *
 * A network that has forgotten the group (404) is given it anew by whoever comes back first, under the same Contribution-ID.
 *
 * The upgrade (R50-R69): A invites through the Controlling Function, naming B's device and the 1-1 session that B shall replace. B joins the
 * group, and then leaves the 1-1 on its own signalling path. The 1-1 lives until that BYE; A never ends it, but for a guard.
 */
import type { ParticipantValue, PersonValue, SessionState } from '../../preload/contract';
import { type Disposable, delay, drop } from '../base';
import { AppError } from '../errors';
import type { ConversationRecord } from '../history/history';
import { type ConferenceInfo, mergeConferenceInfo, parseConferenceInfo } from '../protocol/conference-info';
import { parseCpim } from '../protocol/cpim';
import { ICSI } from '../protocol/feature-tags';
import { encodeGroupData, GROUP_DATA_CONTENT_TYPE, type GroupData, parseGroupData } from '../protocol/group-data';
import { type BodyPart, parseContentType } from '../protocol/multipart';
import { encodeReplacingEntry, encodeResourceLists, parseResourceLists, type ResourceEntryDraft } from '../protocol/resource-lists';
import { correspondentKey } from '../protocol/uri';
import type { IncomingInvite } from '../sip/client';
import type { CpmContext } from './context';
import { identityOf, person } from './conversation';
import { cpimType, groupDataEnvelope } from './envelope';
import type { Inbox } from './inbox';
import type { Invitations } from './invitations';
import type { OneToOneSessions } from './one-to-one';
import { participantsOf, presentPeople } from './participants';
import { CpmSession, completed } from './session';

/** LAB: how long after a roster has ended it is asked for again, ms, while the session of the group stands. */
export const rosterRetryMs = 30_000;

/** LAB: how long A lets the 1-1 live after B has joined the group, should B's BYE never come. */
export const replacementGuardMs = 30_000;

/** The Reason causes with which a Controlling Function says that one is out: the group is over (410), or an administrator wants it so (LAB: 403). */
const putOutCause = 403;
const outCauses: readonly (number | null)[] = [putOutCause, 410];
/** The answers to somebody who comes back, with which a network says that it knows no such group. */
const forgottenStatuses: readonly (number | undefined)[] = [404, 410, 481];
/** LAB: by how much members let others go first who give a forgotten group to the network anew, at most. */
export const restartSpreadMs = 2_000;
/** LAB: how long a device that has just come may take to come back to its groups by itself before another one brings it in. */
export const bringDelayMs = 3_000;
/** LAB: how long a focus may take to answer what is asked of it in a message. */
export const groupDataTimeoutMs = 10_000;

interface LiveGroup {
  session: CpmSession;
  subscription: Disposable | null;
}

export class Groups {
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #invitations: Invitations;
  readonly #oneToOne: OneToOneSessions;
  readonly #live = new Map<string, LiveGroup>();
  readonly #rosters = new Map<string, ConferenceInfo>();
  readonly #rejoining = new Map<string, Promise<CpmSession>>();
  readonly #guards = new Set<Disposable>();
  /** Own devices that were brought into a group, or came by themselves: `conversation gruu`. */
  readonly #brought = new Set<string>();
  #bringing: Disposable | null = null;
  /** What was asked of a focus and is not answered: by its id. */
  readonly #asked = new Map<string, (code: number) => void>();
  /** Groups that this account was put out of in this run. */
  readonly #putOut = new Set<string>();

  constructor(context: CpmContext, inbox: Inbox, invitations: Invitations, oneToOne: OneToOneSessions) {
    this.#context = context;
    this.#inbox = inbox;
    this.#invitations = invitations;
    this.#oneToOne = oneToOne;
  }

  state(conversation: string): SessionState {
    const live = this.#live.get(conversation);
    if (live !== undefined) return live.session.state === 'established' ? 'established' : 'pending';
    return this.#rejoining.has(conversation) ? 'pending' : 'ended';
  }

  current(conversation: string): CpmSession | null {
    return this.#live.get(conversation)?.session ?? null;
  }

  participants(conversation: string): ParticipantValue[] {
    const roster = this.#rosters.get(conversation);
    const record = this.#context.history.conversation(conversation);
    const people = participantsOf(
      roster ?? null,
      record?.people ?? [],
      { address: this.#context.self, name: this.#context.selfName },
      this.#context.isSelf,
    );
    if (!this.#putOut.has(conversation)) return people;
    // Whoever was put out gets no roster any more that would say so.
    return people.map((one) => (one.self ? { ...one, state: 'disconnected', reason: 'booted', devices: [] } : one));
  }

  /**
   * Makes a group of a 1-1 and further people. Resolves at the Controlling Function's 200, which comes with the first acceptance by anyone.
   * @throws AppError `group/nobody-joined`, `sip/*`, `net/*`; the 1-1 is then untouched
   */
  async create(from: ConversationRecord, people: readonly string[], subject: string | null): Promise<ConversationRecord> {
    const { history, clock, self, isSelf } = this.#context;
    const peer = from.peer;
    if (from.kind !== 'oneToOne' || peer === null) throw new AppError('internal', { cause: 'a group grows by add' });
    const invited = invitedPeople(people, (one) => isSelf(one) || one === peer, this.#context.knownPeople);
    const replacedSession = await this.#establishedOneToOne(from.id);
    const entries: ResourceEntryDraft[] = [
      replacedSession === null
        ? { uri: peer, copyControl: 'to' }
        : encodeReplacingEntry({
            uri: replacedSession.remote?.gruu ?? peer,
            instanceId: replacedSession.remote?.instanceId ?? null,
            contributionId: replacedSession.contributionId,
            domain: self.split('@')[1] ?? '',
          }),
      ...invited.map((one): ResourceEntryDraft => ({ uri: one.address, copyControl: 'to' })),
    ];
    const now = clock.now();
    const group: ConversationRecord = {
      id: clock.uuid(),
      kind: 'group',
      peer: null,
      subject,
      people: [...from.people, ...invited],
      conversationId: clock.uuid(),
      contributionId: clock.uuid(),
      focus: null,
      continues: from.id,
      continuedBy: null,
      joined: true,
      // The focus, and B whose 1-1 it replaces, know the person by the address of that 1-1.
      ...(from.writesAs === undefined ? {} : { writesAs: from.writesAs }),
      createdAt: now,
      activityAt: now,
    };
    const session = CpmSession.invite(
      this.#context,
      group.id,
      {
        target: this.#context.factory,
        icsi: ICSI.group,
        conversationId: group.conversationId,
        contributionId: group.contributionId ?? '',
        ...(replacedSession === null ? {} : { inReplyTo: replacedSession.contributionId }),
        ...(subject === null ? {} : { subject }),
        ...identityOf(group, this.#context),
        require: ['recipient-list-invite'],
        parts: [recipientList(entries)],
      },
      (type, body) => this.#receiveContent(group.id, type, body),
    );
    try {
      await session.answered;
    } catch (error) {
      throw nobodyJoined(error);
    }
    const established: ConversationRecord = { ...group, focus: session.remote?.contactUri ?? null };
    history.putConversation(established);
    this.#hold(established, session);
    // Until this device is in the group, nothing takes the 1-1 over here: should it not come to that, the 1-1 goes on (R58).
    await session.opened;
    const current = history.conversation(from.id) ?? from;
    history.putConversation({ ...current, continuedBy: group.id });
    if (replacedSession !== null) this.#guardReplaced(from.id, replacedSession);
    this.#context.conversationChanged(from.id);
    return established;
  }

  /**
   * Brings further people into a group, through its focus (R54). Resolves when the focus has taken the request.
   * @throws AppError `sip/rejected` (403 when the group is closed or full), `conversation/no-session`
   */
  async add(group: ConversationRecord, people: readonly string[]): Promise<void> {
    const inside = this.participants(group.id).filter((one) => one.state !== 'disconnected');
    const present = (address: string) => this.#context.isSelf(address) || inside.some((one) => one.address === address);
    const invited = invitedPeople(people, present, this.#namesAtHand());
    const session = await this.ensure(group);
    for (const one of invited) await session.sip?.refer(one.address);
  }

  /**
   * Puts a person out of a group. Resolves when the focus has taken the request.
   * @throws AppError `sip/rejected` (403: only the administrator may), `conversation/no-session`
   */
  async remove(group: ConversationRecord, address: string): Promise<void> {
    const session = await this.ensure(group);
    await session.sip?.refer(address, 'BYE');
  }

  /**
   * Gives a group another name, for all in it. Resolves when the focus has done so.
   * @throws AppError `sip/rejected` with the focus' code (403 not allowed, 413 too long), `net/timeout`, `conversation/no-session`
   */
  async rename(group: ConversationRecord, subject: string): Promise<void> {
    const { clock, self } = this.#context;
    const session = await this.ensure(group);
    const id = clock.uuid();
    const code = new Promise<number | null>((resolve) => {
      const timer = clock.setTimer(groupDataTimeoutMs, () => resolve(null));
      this.#asked.set(id, (answered) => {
        timer.dispose();
        resolve(answered);
      });
    });
    const data = encodeGroupData({ kind: 'request', id, target: 'subject', action: 'set', data: subject });
    try {
      const focus = session.remote?.contactUri ?? group.focus ?? '';
      await session.send(cpimType, groupDataEnvelope(group.writesAs ?? self, focus, clock.now(), data));
      const answered = await code;
      if (answered === null) throw new AppError('net/timeout', { cause: 'no answer to a new name' }, 'user');
      if (answered !== 200) throw new AppError('sip/rejected', { status: answered }, 'user');
    } finally {
      this.#asked.get(id)?.(0);
      this.#asked.delete(id);
    }
  }

  /** Another own device has come or gone: it takes part in the groups that this one is in. */
  devicesChanged(): void {
    const present = this.#context.otherDevices();
    for (const key of this.#brought) if (!present.includes(key.split(' ')[1] ?? '')) this.#brought.delete(key);
    this.#bringing?.dispose();
    this.#bringing = null;
    if (present.length === 0) return;
    this.#bringing = this.#context.clock.setTimer(bringDelayMs, () => {
      this.#bringing = null;
      for (const [conversation, { session }] of this.#live) this.#bringDevices(conversation, session);
    });
  }

  /** R72: asks the focus to invite own devices that are not in the group (RFC 4579 section 5.5), each once as long as it is registered. */
  #bringDevices(conversation: string, session: CpmSession): void {
    const own = this.#rosters.get(conversation)?.users.find((user) => this.#context.isSelf(user.entity));
    if (own === undefined || session.state !== 'established') return;
    const inside = own.endpoints.filter((endpoint) => endpoint.status !== 'disconnected').map((endpoint) => endpoint.entity);
    for (const gruu of this.#context.otherDevices()) {
      const key = `${conversation} ${gruu}`;
      if (this.#brought.has(key)) continue;
      this.#brought.add(key);
      if (inside.includes(gruu)) continue;
      const asked = session.sip?.refer(gruu);
      if (asked !== undefined) drop(asked, { ...this.#context.log, error: this.#context.log.info }, 'bringing an own device into a group');
    }
  }

  /** An INVITE from a focus. */
  async receive(invite: IncomingInvite): Promise<void> {
    const { history, isSelf } = this.#context;
    const { contributionId, sessionReplaces, referredBy, subject } = invite.headers;
    if (contributionId === null) return invite.reject(400, 'Contribution-ID missing');
    const inviter = person(referredBy ?? invite.remote.address, null, this.#namesAtHand());
    const replaced = sessionReplaces === null ? null : this.#oneToOne.replaceable(sessionReplaces, inviter.address);
    if (sessionReplaces !== null && replaced === null) {
      this.#context.log.warn(
        'a group invitation names a session to replace that is not its inviter’s; it is taken as an ordinary invitation',
        {
          inviter: inviter.address,
        },
      );
    }
    const known = history.groupByContribution(contributionId);
    const isOwnWish = isSelf(inviter.address);
    const people = uniquePeople([inviter, ...this.#historyList(invite)], isSelf);
    const accept = () => this.#join(invite, { contributionId, subject, people, known, replaced });
    // A second INVITE to a group one is in only renews the session.
    const agreed = (known?.joined ?? false) || isOwnWish || this.#context.preferences().accept !== 'ask';
    if (agreed) return accept();
    // R58: whoever wants to be asked may decline the move, too, and then stays in the 1-1.
    this.#invitations.ask(invite, { kind: 'group', from: inviter, subject, people, replaces: replaced?.conversation ?? null }, accept);
  }

  /** The session of a group, coming back to it where there is none. @throws AppError `conversation/no-session` when the group is over */
  async ensure(conversation: ConversationRecord): Promise<CpmSession> {
    const live = this.#live.get(conversation.id);
    if (live !== undefined) {
      await live.session.opened;
      return live.session;
    }
    const running = this.#rejoining.get(conversation.id);
    if (running !== undefined) return running;
    const rejoin = this.#rejoin(conversation).finally(() => this.#rejoining.delete(conversation.id));
    this.#rejoining.set(conversation.id, rejoin);
    return rejoin;
  }

  /** Comes back to every group this device is in: after a start, and after the network was away. */
  rejoinAll(): void {
    for (const record of this.#context.history.conversations()) {
      if (record.kind !== 'group' || !record.joined || this.#live.has(record.id)) continue;
      drop(this.ensure(record), { ...this.#context.log, error: this.#context.log.info }, 'coming back to a group');
    }
  }

  /** Leaves for good: `departed` at the Controlling Function, which does not invite again by itself. */
  async leave(conversation: ConversationRecord): Promise<void> {
    this.#setJoined(conversation.id, false);
    const live = this.#live.get(conversation.id);
    if (live !== undefined) await live.session.close(completed);
    this.#context.conversationChanged(conversation.id);
  }

  /** Ends the media without leaving: this device is only going away. */
  async closeAll(): Promise<void> {
    for (const guard of this.#guards) guard.dispose();
    this.#bringing?.dispose();
    await Promise.allSettled([...this.#live.values()].map((live) => live.session.close()));
  }

  /** The 1-1 session to replace; one that is just opening is waited for, since B must know it before it can be replaced. */
  async #establishedOneToOne(conversation: string): Promise<CpmSession | null> {
    const session = this.#oneToOne.current(conversation);
    if (session === null) return null;
    try {
      await session.opened;
      return session.state === 'established' ? session : null;
    } catch (error) {
      this.#context.log.info('the 1-1 session did not open; the group is made without replacing it', { error: String(error) });
      return null;
    }
  }

  async #join(
    invite: IncomingInvite,
    options: {
      contributionId: string;
      subject: string | null;
      people: PersonValue[];
      known: ConversationRecord | null;
      replaced: { conversation: string; session: CpmSession } | null;
    },
  ): Promise<void> {
    const { history, clock } = this.#context;
    const now = clock.now();
    const group: ConversationRecord = {
      id: options.known?.id ?? clock.uuid(),
      kind: 'group',
      peer: null,
      subject: options.subject ?? options.known?.subject ?? null,
      people: options.people.length > 0 ? options.people : (options.known?.people ?? []),
      conversationId: invite.headers.conversationId ?? options.known?.conversationId ?? clock.uuid(),
      contributionId: options.contributionId,
      focus: invite.remote.contactUri,
      continues: options.replaced?.conversation ?? options.known?.continues ?? null,
      continuedBy: null,
      joined: true,
      ...this.#calledAs(invite, options.known),
      createdAt: options.known?.createdAt ?? now,
      activityAt: now,
    };
    history.putConversation(group);
    const previous = this.#live.get(group.id);
    this.#live.delete(group.id);
    if (previous !== undefined) drop(previous.session.close(), this.#context.log, 'closing the previous group session');
    const session = CpmSession.accept(this.#context, group.id, invite, options.contributionId, (type, body) =>
      this.#receiveContent(group.id, type, body),
    );
    this.#hold(group, session);
    try {
      await session.opened;
    } catch (error) {
      // The Controlling Function vanished after our 200: what was there before stays (R58).
      if (options.known === null) this.#setJoined(group.id, false);
      this.#context.conversationChanged(group.id);
      throw error;
    }
    const replaced = options.replaced;
    if (replaced === null) return;
    const old = history.conversation(replaced.conversation);
    if (old !== null) history.putConversation({ ...old, continuedBy: group.id });
    this.#context.conversationChanged(replaced.conversation);
    await this.#oneToOne.leaveReplaced(replaced.conversation, replaced.session);
  }

  /** The focus knows the person by the address that it has called, and by no other. */
  #calledAs(invite: IncomingInvite, known: ConversationRecord | null): { writesAs?: string } {
    const { self, isSelf } = this.#context;
    const writesAs = invite.headers.calledAs ?? known?.writesAs ?? null;
    return writesAs === null || writesAs === self || !isSelf(writesAs) ? {} : { writesAs };
  }

  async #rejoin(conversation: ConversationRecord): Promise<CpmSession> {
    const { focus, contributionId } = conversation;
    if (focus === null || contributionId === null || !conversation.joined) {
      throw new AppError('conversation/no-session', { cause: 'not in this group any more' }, 'never');
    }
    const session = CpmSession.invite(
      this.#context,
      conversation.id,
      {
        target: focus,
        icsi: ICSI.group,
        conversationId: conversation.conversationId,
        contributionId,
        ...(conversation.subject === null ? {} : { subject: conversation.subject }),
        ...identityOf(conversation, this.#context),
      },
      (type, body) => this.#receiveContent(conversation.id, type, body),
    );
    try {
      await session.answered;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'sip/rejected') throw error;
      if (forgottenStatuses.includes(error.detail.status)) return this.#restart(conversation);
      throw error.detail.status === 403 ? this.#shutOut(conversation, error) : error;
    }
    this.#hold({ ...conversation, focus: session.remote?.contactUri ?? focus }, session);
    await session.opened;
    return session;
  }

  /**
   * Gives a group that the network has forgotten to it anew (OMA CPM: restart), with its members and its Contribution-ID: several who do so
   * at once come into one.
   */
  async #restart(conversation: ConversationRecord): Promise<CpmSession> {
    const { clock, history } = this.#context;
    await delay(clock, Math.round(clock.random() * restartSpreadMs));
    const meanwhile = this.#live.get(conversation.id);
    if (meanwhile !== undefined) return meanwhile.session;
    const entries = conversation.people.map((one): ResourceEntryDraft => ({ uri: one.address, copyControl: 'to' }));
    const session = CpmSession.invite(
      this.#context,
      conversation.id,
      {
        target: this.#context.factory,
        icsi: ICSI.group,
        conversationId: conversation.conversationId,
        contributionId: conversation.contributionId ?? '',
        ...(conversation.subject === null ? {} : { subject: conversation.subject }),
        ...identityOf(conversation, this.#context),
        require: ['recipient-list-invite'],
        parts: [recipientList(entries)],
      },
      (type, body) => this.#receiveContent(conversation.id, type, body),
    );
    try {
      await session.answered;
    } catch (error) {
      const invited = this.#live.get(conversation.id);
      if (invited !== undefined) return invited.session;
      if (error instanceof AppError && error.code === 'sip/rejected' && error.detail.status === 403)
        throw this.#shutOut(conversation, error);
      // Nobody else is there yet: it is tried again with the next text, or by the next who comes.
      throw error instanceof AppError && error.code === 'sip/rejected' ? new AppError('group/nobody-joined', error.detail, 'auto') : error;
    }
    const current = history.conversation(conversation.id) ?? conversation;
    const restarted = { ...current, focus: session.remote?.contactUri ?? current.focus };
    history.putConversation(restarted);
    this.#hold(restarted, session);
    await session.opened;
    return session;
  }

  #shutOut(conversation: ConversationRecord, error: AppError): AppError {
    this.#isOver(conversation.id);
    return new AppError('conversation/no-session', error.detail, 'never');
  }

  #hold(group: ConversationRecord, session: CpmSession): void {
    this.#putOut.delete(group.id);
    const live: LiveGroup = { session, subscription: null };
    this.#live.set(group.id, live);
    const onState = () => {
      if (session.state === 'established' && live.subscription === null) this.#watch(group.id, live);
      if (session.state === 'ended' && this.#live.get(group.id) === live) {
        this.#live.delete(group.id);
        live.subscription?.dispose();
        const end = session.sip?.end;
        if (end?.by === 'remote' && outCauses.includes(end.cause)) this.#isOver(group.id);
        if (end?.by === 'remote' && end.cause === putOutCause) {
          this.#putOut.add(group.id);
          this.#context.announce({ event: 'participants', conversation: group.id, participants: this.participants(group.id) });
        }
      }
      this.#context.conversationChanged(group.id);
    };
    session.onState.on(onState);
    onState();
  }

  #subscribe(conversation: string, session: CpmSession): Disposable {
    const focus = session.remote?.contactUri ?? '';
    const record = this.#context.history.conversation(conversation);
    const { identity } = record === null ? {} : identityOf(record, this.#context);
    const subscription = this.#context.sip.subscribeConference(focus, ICSI.group, identity);
    // The session may outlive what carries its roster: a function that is down, a connection that was lost.
    subscription.onEnd.on(() => {
      const live = this.#live.get(conversation);
      if (live?.session === session && live.subscription === subscription) this.#watchAgain(conversation, live);
    });
    let isAskedAnew = false;
    subscription.onDocument.on((xml) => {
      const parsed = parseConferenceInfo(xml);
      if (!parsed.ok) {
        this.#context.log.warn('a conference document was left out', { reason: parsed.reason });
        return;
      }
      const roster = mergeConferenceInfo(this.#rosters.get(conversation) ?? null, parsed.value);
      if (roster !== null) {
        isAskedAnew &&= parsed.value.state !== 'full';
        this.#takeRoster(conversation, roster);
        return;
      }
      // A gap in the partial documents (RFC 4575 section 4.6): everything is asked for anew, once until it comes.
      this.#context.log.info('a conference document was missed', { conversation });
      if (!isAskedAnew) subscription.renew();
      isAskedAnew = true;
    });
    return subscription;
  }

  /** Asks for the roster, and once more later while there is no connection to ask over: media may be opened when signalling has just broken. */
  #watch(conversation: string, live: LiveGroup): void {
    try {
      live.subscription = this.#subscribe(conversation, live.session);
    } catch (error) {
      this.#context.log.info('the roster of a group could not be asked for', { error: String(error) });
      this.#watchAgain(conversation, live);
    }
  }

  #watchAgain(conversation: string, live: LiveGroup): void {
    live.subscription = this.#context.clock.setTimer(rosterRetryMs, () => {
      if (this.#live.get(conversation) === live) this.#watch(conversation, live);
    });
  }

  #takeRoster(conversation: string, roster: ConferenceInfo): void {
    const { history } = this.#context;
    this.#rosters.set(conversation, roster);
    const record = history.conversation(conversation);
    if (record === null) return;
    const participants = this.participants(conversation);
    const people = presentPeople(participants);
    const subject = roster.subject ?? record.subject;
    if (people.length > 0 && (subject !== record.subject || JSON.stringify(people) !== JSON.stringify(record.people))) {
      history.putConversation({ ...record, people, subject });
    }
    this.#context.announce({ event: 'participants', conversation, participants });
    this.#context.conversationChanged(conversation);
    this.#noteMove(record, participants);
    if (this.#bringing === null) this.devicesChanged();
  }

  /** Whether the 1-1 that a group continues has moved there is seen in the roster, also by a device that missed it (R58). */
  #noteMove(group: ConversationRecord, participants: readonly ParticipantValue[]): void {
    const { history } = this.#context;
    const old = group.continues === null ? null : history.conversation(group.continues);
    const peer = participants.find((one) => one.address === old?.peer);
    if (old === null || peer === undefined) return;
    if (peer.state === 'disconnected' && (peer.reason === 'busy' || peer.reason === 'failed')) this.#oneToOneGoesOn(group.id);
    else if (peer.state === 'connected' && old.continuedBy === null && this.#oneToOne.state(old.id) !== 'established') {
      history.putConversation({ ...old, continuedBy: group.id });
      this.#context.conversationChanged(old.id);
    }
  }

  /** R58: a 1-1 that still stands, and whose group nobody has moved to or that is over, goes on. */
  #oneToOneGoesOn(group: string): void {
    const { history } = this.#context;
    const { continues = null } = history.conversation(group) ?? {};
    const old = continues === null ? null : history.conversation(continues);
    if (old === null || old.continuedBy !== group || !this.#oneToOne.stays(old.id)) return;
    history.putConversation({ ...old, continuedBy: null });
    this.#context.conversationChanged(old.id);
  }

  /** The network says that there is no such group any more, or not for us. */
  #isOver(group: string): void {
    this.#setJoined(group, false);
    this.#context.conversationChanged(group);
    this.#oneToOneGoesOn(group);
  }

  #guardReplaced(conversation: string, session: CpmSession): void {
    this.#oneToOne.expectReplacement(conversation);
    const guard = this.#context.clock.setTimer(replacementGuardMs, () => {
      this.#guards.delete(guard);
      if (session.state === 'established' && session.sip !== null) {
        const group = this.#context.history.conversation(conversation)?.continuedBy ?? null;
        const peer = session.remote?.address;
        const moved = group !== null && this.participants(group).some((one) => one.address === peer && one.state === 'connected');
        // B declined: the 1-1 goes on (R58).
        if (moved) drop(this.#oneToOne.leaveReplaced(conversation, session), this.#context.log, 'ending a replaced 1-1 session');
      }
    });
    this.#guards.add(guard);
  }

  #setJoined(conversation: string, joined: boolean): void {
    const record = this.#context.history.conversation(conversation);
    if (record !== null && record.joined !== joined) this.#context.history.putConversation({ ...record, joined });
  }

  async #receiveContent(conversation: string, type: string, body: Uint8Array): Promise<void> {
    const data = readGroupData(type, body);
    if (data !== null) {
      // What a focus wants changed is its own matter; only its answers are waited for here.
      if (data.kind === 'response') this.#asked.get(data.id)?.(data.code);
      return;
    }
    return this.#inbox.receive({ conversation, sender: null, senderInstance: null, senderDevice: null }, type, body);
  }

  /** The people that the invitation's list names (RFC 5366: recipient-list-history). */
  #historyList(invite: IncomingInvite): PersonValue[] {
    const part = invite.parts.find((candidate) => candidate.contentType.toLowerCase().startsWith('application/resource-lists+xml'));
    if (part === undefined) return [];
    const list = parseResourceLists(part.body);
    if (!list.ok) {
      this.#context.log.warn('the list of an invitation was left out', { reason: list.reason });
      return [];
    }
    return list.value
      .filter((entry) => entry.copyControl !== 'bcc')
      .map((entry) => person(entry.uri, entry.displayName ?? null, this.#namesAtHand()));
  }

  #namesAtHand(): PersonValue[] {
    return [...this.#context.history.conversations().flatMap((record) => record.people), ...this.#context.knownPeople];
  }
}

function recipientList(entries: readonly ResourceEntryDraft[]): BodyPart {
  return {
    contentType: 'application/resource-lists+xml',
    headers: new Map([['content-disposition', 'recipient-list']]),
    body: new TextEncoder().encode(encodeResourceLists(entries)),
  };
}

/** Group data inside its envelope; null for anything else, and for what cannot be read. */
function readGroupData(type: string, body: Uint8Array): GroupData | null {
  if (parseContentType(type).type !== cpimType) return null;
  const envelope = parseCpim(body);
  if (!envelope.ok || parseContentType(envelope.value.contentType).type !== GROUP_DATA_CONTENT_TYPE) return null;
  const data = parseGroupData(envelope.value.body);
  return data.ok ? data.value : null;
}

function invitedPeople(people: readonly string[], isPresent: (address: string) => boolean, known: readonly PersonValue[]): PersonValue[] {
  const invited = new Map<string, PersonValue>();
  for (const address of people) {
    const key = correspondentKey(address);
    if (key === null) throw new AppError('account/bad-address', { cause: address }, 'user');
    if (!isPresent(key)) invited.set(key, person(key, null, known));
  }
  if (invited.size === 0) throw new AppError('ipc/refused', { cause: 'everybody named is in this conversation already' }, 'user');
  return [...invited.values()];
}

function uniquePeople(people: readonly PersonValue[], isSelf: (address: string) => boolean): PersonValue[] {
  const unique = new Map<string, PersonValue>();
  for (const one of people) if (!isSelf(one.address) && !unique.has(one.address)) unique.set(one.address, one);
  return [...unique.values()];
}

/** The final answers with which a Controlling Function says that everybody refused or could not be reached. */
function nobodyJoined(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return error;
  return [408, 480, 486, 600, 603].includes(error.detail.status ?? 0) ? new AppError('group/nobody-joined', error.detail, 'user') : error;
}
