/**
 * Rejoins a group with which this device has no session: after a start, after a network failure, or at the person's request.
 *
 *   away -> asking the focus -> in
 *              |  404, 410, 481                                     403
 *              +--> restarting the group through the factory        +--> out: the account is no longer a member
 *
 * The network may be faster and invite this device itself; then that session is used.
 */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { notInGroup, type Targets } from '../conversation/targets';
import { identityOf } from '../conversation/values';
import { CpmSession } from '../session/session';
import { Comebacks } from './comeback';
import type { GroupDataRequests } from './data';
import { needsTls, restartGroup } from './factory';
import type { GroupSessions } from './sessions';

/** The answers with which a network says that it knows no such group. */
const forgottenStatuses: readonly (number | undefined)[] = [404, 410, 481];

/** What a return needs from beside it. */
export interface ReturnSteps {
  /** Asks for a group that was never made, because nobody was there. */
  ask(group: ConversationRecord): Promise<CpmSession>;
  /** This device is in a group, so what has waited for that may leave. */
  reached(group: string): void;
  /** It is there again: whoever was invited meanwhile, and did not come, is invited now. */
  inviteAgain(group: string): void;
}

interface Return {
  /** By this device's invitation or, where the network was faster, by the network's. */
  readonly session: Promise<CpmSession>;
  calledBack(session: CpmSession): void;
}

export class GroupReturn implements Disposable {
  readonly #context: CpmContext;
  readonly #sessions: GroupSessions;
  readonly #data: GroupDataRequests;
  readonly #targets: Targets;
  /** By the conversation. */
  readonly #running = new Map<string, Return>();
  readonly #comebacks: Comebacks;
  #disposed = false;
  readonly #steps: ReturnSteps;

  constructor(context: CpmContext, sessions: GroupSessions, data: GroupDataRequests, targets: Targets, steps: ReturnSteps) {
    this.#context = context;
    this.#sessions = sessions;
    this.#data = data;
    this.#targets = targets;
    this.#steps = steps;
    this.#comebacks = new Comebacks(context, async (id) => {
      const group = context.history.conversation(id);
      if (group !== null) await this.ensure(group);
    });
  }

  dispose(): void {
    this.#disposed = true;
    this.#comebacks.dispose();
  }

  isUnderWay(conversation: string): boolean {
    return this.#running.has(conversation);
  }

  /** The open session of a group; comes back to the group where there is none. @throws AppError `conversation/no-session` when the group is over */
  async ensure(group: ConversationRecord): Promise<CpmSession> {
    const session = this.#sessions.current(group.id);
    if (session !== null) {
      await session.opened;
      return session;
    }
    return (this.#running.get(group.id) ?? this.#begin(group)).session;
  }

  /** The connection to a group has broken, and nobody has ended it: this device comes back by itself. */
  lost(conversation: string): void {
    if (this.#context.history.conversation(conversation)?.joined === true) this.#comebacks.lost(conversation);
  }

  /** Whether a group that could not be made waits to be asked for again; then it does, from now on. */
  waitsAfter(conversation: string, error: unknown): boolean {
    return this.#comebacks.waitsAfter(conversation, error);
  }

  #failed(conversation: string, error: unknown): void {
    const { history } = this.#context;
    if (this.#disposed) return;
    if (history.conversation(conversation)?.focus !== null) this.#comebacks.failed(conversation, error);
    else if (this.waitsAfter(conversation, error)) history.setMarks(conversation, { isHidden: false });
    else history.removeUnbegun(conversation);
  }

  /** A person has given a sign of life: groups that were never made, and are for them, are asked for now. */
  personSeen(address: string): void {
    for (const group of this.#comebacks.waiting()) {
      const { focus = '', people = [] } = this.#context.history.conversation(group) ?? {};
      if (focus === null && people.some((one) => one.address === address)) this.#comebacks.hasten(group);
    }
  }

  /** The network has called this device into a group by itself: whoever waits for the way back has it. */
  calledBack(conversation: string, session: CpmSession): void {
    this.#running.get(conversation)?.calledBack(session);
    this.#isBack(conversation);
  }

  #isBack(conversation: string): void {
    this.#comebacks.over(conversation);
    this.#steps.reached(conversation);
    this.#steps.inviteAgain(conversation);
  }

  /** Comes back to every group that this account is in. */
  comeBackToAll(): void {
    for (const record of this.#context.history.conversations()) {
      if (record.kind !== 'group' || !record.joined || this.#sessions.current(record.id) !== null) continue;
      this.ensure(record).catch((error: unknown) => {
        this.#context.log.info('coming back to a group', { group: record.id, error: String(error) });
        this.#failed(record.id, error);
      });
    }
  }

  /** Ends the sessions of groups without leaving the groups, and comes back at once by new ones. */
  reconnect(): void {
    const { history, log } = this.#context;
    for (const { conversation, session } of this.#sessions.all()) {
      const group = history.conversation(conversation);
      if (group === null || session.state !== 'established') continue;
      drop(
        session.close().then(() => this.ensure(group)),
        { ...log, error: log.info },
        'coming back to a group by another way',
      );
    }
  }

  /**
   * Into a group that this account has left, or that it was invited to without getting in. Where the network refuses, everything is as before.
   * @throws AppError `conversation/unknown`, `conversation/no-session` (not let in), `group/nobody-joined`, `sip/*`, `net/*`
   */
  async comeBack(conversation: string): Promise<void> {
    const group = this.#targets.group(conversation, 'one is in a 1-1 anyway');
    this.#sessions.setJoined(conversation, true);
    try {
      await this.ensure({ ...group, joined: true });
    } catch (error) {
      if (!group.joined) this.#sessions.setJoined(conversation, false);
      throw error;
    } finally {
      this.#context.conversationChanged(conversation);
    }
  }

  #begin(group: ConversationRecord): Return {
    let calledBack: Return['calledBack'] = () => {};
    const call = new Promise<CpmSession>((resolve) => {
      calledBack = resolve;
    });
    const session = Promise.race([this.#ask(group), call]).finally(() => this.#running.delete(group.id));
    const running = { session, calledBack };
    this.#running.set(group.id, running);
    return running;
  }

  async #ask(group: ConversationRecord): Promise<CpmSession> {
    const { contributionId } = group;
    // Another attempt may have made it since.
    const focus = this.#context.history.conversation(group.id)?.focus ?? group.focus;
    if (contributionId === null || !group.joined) throw notInGroup();
    if (focus === null) {
      const made = await this.#steps.ask(group);
      this.#comebacks.over(group.id);
      this.#steps.reached(group.id);
      return made;
    }
    const request = {
      target: focus,
      icsi: ICSI.group,
      conversationId: group.conversationId,
      contributionId,
      ...(group.subject === null ? {} : { subject: group.subject }),
      ...identityOf(group, this.#context),
    };
    const invite = (more: { wish?: 'tls' }) =>
      CpmSession.invite(this.#context, group.id, { ...request, ...more }, this.#sessions.contentOf(group.id));
    let session = invite({});
    try {
      await session.answered.catch((error: unknown) => {
        if (!needsTls(error) || this.#context.mediaWish() !== 'clear') throw error;
        session = invite({ wish: 'tls' });
        return session.answered;
      });
    } catch (error) {
      if (error instanceof AppError && error.code === 'sip/rejected' && forgottenStatuses.includes(error.detail.status))
        return this.#restart(group);
      throw this.#shutOut(group, error);
    }
    this.#sessions.hold({ ...group, focus: session.focus ?? focus }, session);
    await session.opened;
    this.#isBack(group.id);
    return session;
  }

  /** Resolves when messages flow in a group that the network had forgotten. */
  async #restart(group: ConversationRecord): Promise<CpmSession> {
    const { history, log } = this.#context;
    const { id } = group;
    const current = () => this.#sessions.current(id);
    const session = await restartGroup(this.#context, group, { current, receive: this.#sessions.contentOf(id) }).catch((error: unknown) => {
      throw this.#shutOut(group, error);
    });
    if (session === current()) return session;
    const known = history.conversation(id) ?? group;
    const restarted = { ...known, focus: session.focus ?? known.focus };
    history.updateConversation(id, { focus: restarted.focus });
    const icon = history.icon(id);
    this.#sessions.hold(restarted, session);
    await session.opened;
    this.#isBack(id);
    // The network has forgotten the picture, too; the member who restarts the group still has it.
    if (icon !== null) {
      const given = this.#data.ask(restarted, session, { target: 'icon', action: 'set', data: icon });
      drop(given, { ...log, error: log.info }, 'giving a restarted group its picture');
    }
    return session;
  }

  /** A group that answers 403 to its own member is over for that member. */
  #shutOut(group: ConversationRecord, error: unknown): unknown {
    if (!(error instanceof AppError) || error.code !== 'sip/rejected' || error.detail.status !== 403) return error;
    this.#sessions.over(group.id);
    return new AppError('conversation/no-session', error.detail, 'never');
  }
}
