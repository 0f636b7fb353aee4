/**
 * Group sessions: growing one out of a 1-1 by replacement, joining one by invitation, coming back to one, leaving it.
 *
 *   none -> inviting -> joined <-> away (media or dialog lost; comes back with the next registration or text)
 *              |           |
 *              v           +-> left (the person left, an administrator put them out, or the network ended the group with 410)
 *            none (nobody joined)
 *
 * A network that has forgotten the group (404) is given it anew by whoever comes back first (`group-factory.ts`).
 *
 * The upgrade (R50-R69): A invites through the Controlling Function, naming B's device and the 1-1 session that B shall replace. B joins the
 * group, and then leaves the 1-1 on its own signalling path. The 1-1 lives until that BYE (`replacement.ts`).
 */

import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import type { ParticipantValue, PersonValue, SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import { usableNickname } from '../../../protocol/nickname';
import { encodeReplacingEntry, type ResourceEntryDraft } from '../../../protocol/resource-lists';
import type { ConversationRecord } from '../../history/records';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { identityOf } from '../conversation/values';
import type { Inbox } from '../inbox/inbox';
import type { Invitations } from '../one-to-one/invitations';
import { type ContentHandler, CpmSession, completed } from '../session/session';
import type { ReplacedSession, Upgrades } from '../upgrade/upgrades';
import { GroupDataRequests } from './data';
import { found, invitedPeople, nobodyJoined, notLetIn, restart, wantsTls } from './factory';
import { type GroupInvitation, readGroupInvitation } from './invitation';
import { OwnDevices } from './own-devices';
import { Rosters } from './roster';

/** The Reason causes with which a Controlling Function says that one is out: the group is over (410), or an administrator wants it so (LAB: 403). */
const putOutCause = 403;
const outCauses: readonly (number | null)[] = [putOutCause, 410];
/** The answers to somebody who comes back, with which a network says that it knows no such group. */
const forgottenStatuses: readonly (number | undefined)[] = [404, 410, 481];

/** A device comes back to a group. */
interface Return {
  /** By its own invitation or, where the network was faster, by the network's. */
  readonly session: Promise<CpmSession>;
  calledBack(session: CpmSession): void;
}

interface LiveGroup {
  session: CpmSession;
  roster: Disposable | null;
}

export class Groups {
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #invitations: Invitations;
  readonly #live = new Map<string, LiveGroup>();
  readonly #rejoining = new Map<string, Return>();
  readonly #rosters: Rosters;
  readonly #devices: OwnDevices;
  readonly #upgrades: Upgrades;
  readonly #requests: GroupDataRequests;

  constructor(context: CpmContext, inbox: Inbox, invitations: Invitations, upgrades: Upgrades) {
    this.#context = context;
    this.#inbox = inbox;
    this.#invitations = invitations;
    this.#upgrades = upgrades;
    this.#requests = new GroupDataRequests(context);
    this.#rosters = new Rosters(context, (group, participants) => {
      this.#upgrades.rosterCame(group, participants);
      this.#devices.rosterCame();
    });
    this.#devices = new OwnDevices(context, this.#rosters, () =>
      [...this.#live].map(([conversation, { session }]) => ({ conversation, session })),
    );
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
    return this.#rosters.participants(conversation);
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
    const replacedSession = await this.#upgrades.sessionToReplace(from.id);
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
    const session = found(this.#context, group, {
      entries,
      inReplyTo: replacedSession?.contributionId,
      receive: this.#contentOf(group.id),
    });
    const upgrade = this.#upgrades.ask(from.id, group.id, replacedSession);
    try {
      await session.answered;
    } catch (error) {
      await upgrade.happened('declined');
      throw nobodyJoined(error);
    }
    const established: ConversationRecord = { ...group, focus: session.remote?.contactUri ?? null };
    history.putConversation(established);
    this.#hold(established, session);
    await upgrade.happened('groupAnswered');
    // Until this device is in the group, nothing takes the 1-1 over here: should it not come to that, the 1-1 goes on (R58).
    await session.opened;
    await upgrade.happened('groupOpened');
    return established;
  }

  /**
   * Joins the group at an address that the operator has given it (OMA CPM: pre-defined group), or comes back to it. Resolves when messages flow.
   * @throws AppError `group/unknown` (also where a person answers), `group/not-a-member`, `group/full`, `sip/*`, `net/*`
   */
  async joinAt(address: string): Promise<ConversationRecord> {
    const { history, clock } = this.#context;
    const known = history.conversations().find((one) => one.kind === 'group' && one.focus === address);
    if (known !== undefined) {
      await this.comeBack(known).catch(notLetIn);
      return known;
    }
    const now = clock.now();
    const asked = { conversationId: clock.uuid(), contributionId: clock.uuid() };
    const id = clock.uuid();
    const session = CpmSession.invite(this.#context, id, { target: address, icsi: ICSI.group, ...asked }, this.#contentOf(id));
    await session.answered.catch(notLetIn);
    const { contactUri = address, group } = session.remote ?? {};
    if (group === undefined) {
      await session.close();
      throw new AppError('group/unknown', { cause: `${address} is no group` }, 'user');
    }
    const joined: ConversationRecord = {
      id,
      kind: 'group',
      peer: null,
      subject: group.subject,
      people: [],
      conversationId: group.conversationId ?? asked.conversationId,
      contributionId: group.contributionId ?? asked.contributionId,
      focus: contactUri,
      continues: null,
      continuedBy: null,
      joined: true,
      createdAt: now,
      activityAt: now,
    };
    history.putConversation(joined);
    this.#hold(joined, session);
    await session.opened;
    return joined;
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
    await this.#requests.ask(group, await this.ensure(group), { target: 'subject', action: 'set', data: subject });
  }

  /**
   * Gives a group another picture, for all in it, or takes it away. Resolves when the focus has done so.
   * @throws AppError as `rename`; 415 and 413 are the focus' word on a picture that it does not take
   */
  async setIcon(group: ConversationRecord, icon: string | null): Promise<void> {
    const wish = icon === null ? ({ action: 'delete', data: null } as const) : ({ action: 'set', data: icon } as const);
    await this.#requests.ask(group, await this.ensure(group), { target: 'icon', ...wish });
  }

  /**
   * Takes a name of one's own in a group, or gives it up (empty). Resolves when the network has it; the roster tells everybody.
   * @throws AppError `group/nickname-taken`, `group/bad-nickname`, `msrp/*`, `net/*`, `conversation/no-session`
   */
  async callSelf(group: ConversationRecord, wish: string): Promise<void> {
    const nickname = usableNickname(wish);
    if (nickname === null) throw new AppError('group/bad-nickname', { cause: wish.slice(0, 80) }, 'user');
    const session = await this.ensure(group);
    await session.nickname(nickname).catch((error: unknown) => {
      const status = error instanceof AppError && error.code === 'msrp/rejected' ? error.detail.status : null;
      // 423 is how some switches say that a name is taken.
      if (status === 425 || status === 423) throw new AppError('group/nickname-taken', { status }, 'user');
      if (status === 424) throw new AppError('group/bad-nickname', { status }, 'user');
      throw error;
    });
  }

  /** Another own device has come or gone: it takes part in the groups that this one is in. */
  devicesChanged(): void {
    this.#devices.changed();
  }

  /** An INVITE from a focus. */
  async receive(invite: IncomingInvite): Promise<void> {
    const { history, isSelf } = this.#context;
    const asked = readGroupInvitation(invite, this.#context, this.#namesAtHand());
    if (asked === null) return invite.reject(400, 'Contribution-ID missing');
    const { contributionId, sessionReplaces, inviter, people, subject } = asked;
    const replaced = sessionReplaces === null ? null : this.#upgrades.sessionNamed(sessionReplaces, inviter.address);
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
    const accept = () => this.#join(invite, { asked, known, replaced });
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
    if (running !== undefined) return running.session;
    let calledBack: Return['calledBack'] = () => {};
    const call = new Promise<CpmSession>((resolve) => {
      calledBack = resolve;
    });
    const session = Promise.race([this.#rejoin(conversation), call]).finally(() => this.#rejoining.delete(conversation.id));
    this.#rejoining.set(conversation.id, { session, calledBack });
    return session;
  }

  /** Comes back to every group this device is in: after a start, and after the network was away. */
  rejoinAll(): void {
    for (const record of this.#context.history.conversations()) {
      if (record.kind !== 'group' || !record.joined || this.#live.has(record.id)) continue;
      drop(this.ensure(record), { ...this.#context.log, error: this.#context.log.info }, 'coming back to a group');
    }
  }

  /** Leaves the sessions of groups without leaving the groups, and comes back at once by new ones. */
  reconnect(): void {
    const { history, log } = this.#context;
    for (const [id, { session }] of [...this.#live]) {
      const group = history.conversation(id);
      if (group === null || session.state !== 'established') continue;
      const again = session.close().then(() => this.ensure(group));
      drop(again, { ...log, error: log.info }, 'coming back to a group by another way');
    }
  }

  /**
   * Into a group that this device is not in any more, or that it was invited to and never came to be in. Where the network does not let it in, it is
   * as before.
   * @throws AppError `conversation/no-session` (not let in), `group/nobody-joined`, `sip/*`, `net/*`
   */
  async comeBack(conversation: ConversationRecord): Promise<void> {
    this.#setJoined(conversation.id, true);
    try {
      await this.ensure({ ...conversation, joined: true });
    } catch (error) {
      if (!conversation.joined) this.#setJoined(conversation.id, false);
      throw error;
    } finally {
      this.#context.conversationChanged(conversation.id);
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
    this.#upgrades.dispose();
    this.#devices.dispose();
    await Promise.allSettled([...this.#live.values()].map((live) => live.session.close()));
  }

  async #join(
    invite: IncomingInvite,
    options: {
      asked: GroupInvitation;
      known: ConversationRecord | null;
      replaced: ReplacedSession | null;
    },
  ): Promise<void> {
    const { history, clock, self, isSelf } = this.#context;
    const { asked } = options;
    // The focus knows the person by the address that it has called, and by no other.
    const writesAs = asked.calledAs ?? options.known?.writesAs ?? self;
    const now = clock.now();
    const group: ConversationRecord = {
      id: options.known?.id ?? clock.uuid(),
      kind: 'group',
      peer: null,
      subject: asked.subject ?? options.known?.subject ?? null,
      people: asked.people.length > 0 ? asked.people : (options.known?.people ?? []),
      conversationId: invite.headers.conversationId ?? options.known?.conversationId ?? clock.uuid(),
      contributionId: asked.contributionId,
      focus: invite.remote.contactUri,
      continues: options.replaced?.conversation ?? options.known?.continues ?? null,
      continuedBy: null,
      joined: true,
      ...(writesAs === self || !isSelf(writesAs) ? {} : { writesAs }),
      createdAt: options.known?.createdAt ?? now,
      activityAt: now,
    };
    history.putConversation(group);
    const previous = this.#live.get(group.id);
    this.#live.delete(group.id);
    if (previous !== undefined) drop(previous.session.close(), this.#context.log, 'closing the previous group session');
    const session = CpmSession.accept(this.#context, group.id, invite, asked.contributionId, this.#contentOf(group.id));
    const upgrade = options.replaced === null ? null : this.#upgrades.accept(options.replaced, group.id);
    this.#hold(group, session);
    try {
      await session.opened;
    } catch (error) {
      // The Controlling Function vanished after our 200: what was there before stays (R58).
      if (options.known === null) this.#setJoined(group.id, false);
      await upgrade?.happened('groupBroke');
      this.#context.conversationChanged(group.id);
      throw error;
    }
    this.#rejoining.get(group.id)?.calledBack(session);
    this.#inbox.heardFrom(group.id);
    await upgrade?.happened('groupOpened');
  }

  async #rejoin(conversation: ConversationRecord): Promise<CpmSession> {
    const { focus, contributionId } = conversation;
    if (focus === null || contributionId === null || !conversation.joined) {
      throw new AppError('conversation/no-session', { cause: 'not in this group any more' }, 'never');
    }
    const request = {
      target: focus,
      icsi: ICSI.group,
      conversationId: conversation.conversationId,
      contributionId,
      ...(conversation.subject === null ? {} : { subject: conversation.subject }),
      ...identityOf(conversation, this.#context),
    };
    const ask = (more: { overTls?: true }) =>
      CpmSession.invite(this.#context, conversation.id, { ...request, ...more }, this.#contentOf(conversation.id));
    let session = ask({});
    try {
      await session.answered.catch((error: unknown) => {
        if (!wantsTls(error) || this.#context.securesMedia()) throw error;
        session = ask({ overTls: true });
        return session.answered;
      });
    } catch (error) {
      if (error instanceof AppError && error.code === 'sip/rejected' && forgottenStatuses.includes(error.detail.status))
        return this.#restart(conversation);
      throw this.#orShutOut(conversation, error);
    }
    this.#hold({ ...conversation, focus: session.remote?.contactUri ?? focus }, session);
    await session.opened;
    return session;
  }

  /** Resolves when messages flow in a group that the network has got anew. */
  async #restart(conversation: ConversationRecord): Promise<CpmSession> {
    const { history } = this.#context;
    const { id } = conversation;
    const session = await restart(this.#context, conversation, {
      current: () => this.current(id),
      receive: this.#contentOf(id),
    }).catch((error: unknown) => {
      throw this.#orShutOut(conversation, error);
    });
    if (session === this.current(id)) return session;
    const current = history.conversation(id) ?? conversation;
    const restarted = { ...current, focus: session.remote?.contactUri ?? current.focus };
    history.putConversation(restarted);
    const icon = history.icon(id);
    this.#hold(restarted, session);
    await session.opened;
    // The network has forgotten it with the rest; whoever gives it anew has it still.
    if (icon !== null) {
      const given = this.#requests.ask(restarted, session, { target: 'icon', action: 'set', data: icon });
      drop(given, { ...this.#context.log, error: this.#context.log.info }, 'giving a group its picture anew');
    }
    return session;
  }

  /** A group that answers 403 to its own member is over for that one. */
  #orShutOut(conversation: ConversationRecord, error: unknown): unknown {
    if (!(error instanceof AppError) || error.code !== 'sip/rejected' || error.detail.status !== 403) return error;
    this.#isOver(conversation.id);
    return new AppError('conversation/no-session', error.detail, 'never');
  }

  #hold(group: ConversationRecord, session: CpmSession): void {
    this.#rosters.setPutOut(group.id, false);
    const live: LiveGroup = { session, roster: null };
    this.#live.set(group.id, live);
    const onState = () => {
      if (session.state === 'established') live.roster ??= this.#rosters.watch(group.id, session);
      if (session.state === 'ended') live.roster?.dispose();
      if (session.state === 'ended' && this.#live.get(group.id) === live) {
        this.#live.delete(group.id);
        const end = session.sip?.end;
        if (end?.by === 'remote' && outCauses.includes(end.cause)) this.#isOver(group.id);
        if (end?.by === 'remote' && end.cause === putOutCause) this.#rosters.setPutOut(group.id, true);
      }
      this.#context.conversationChanged(group.id);
    };
    session.onState.on(onState);
    onState();
  }

  /** The network says that there is no such group any more, or not for us. */
  #isOver(group: string): void {
    this.#setJoined(group, false);
    this.#context.conversationChanged(group);
    this.#upgrades.groupOver(group);
  }

  #setJoined(conversation: string, joined: boolean): void {
    const record = this.#context.history.conversation(conversation);
    if (record !== null && record.joined !== joined) this.#context.history.putConversation({ ...record, joined });
  }

  #contentOf(conversation: string): ContentHandler {
    return async (type, body) => {
      if (this.#requests.take(type, body)) return;
      await this.#inbox.receive({ conversation, sender: null, senderInstance: null, senderDevice: null }, type, body);
    };
  }

  #namesAtHand(): PersonValue[] {
    return [...this.#context.history.conversations().flatMap((record) => record.people), ...this.#context.knownPeople];
  }
}
