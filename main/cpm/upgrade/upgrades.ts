/**
 * The upgrades of this account: begins them, finds the one that an event belongs to, and keeps on disk what must survive a restart. What an event
 * changes is decided by `upgrade.ts` alone.
 */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import type { ParticipantValue } from '../../../preload/contract';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import type { CpmSession } from '../session/session';
import { isContinued, Upgrade, type UpgradeEvent, type UpgradeState } from './upgrade';

/** The 1-1 sessions, as an upgrade uses them. */
export interface ReplaceableSessions {
  /** The live session of each 1-1 conversation. */
  live(): ReadonlyMap<string, CpmSession>;
  /** Whether a session of that 1-1 stands, or has ended since the start. */
  isKnown(conversation: string): boolean;
  /** Ends a session that a group has replaced: BYE on its own dialog (R59). */
  leave(conversation: string, session: CpmSession): Promise<void>;
}

type UpgradesContext = Pick<CpmContext, 'clock' | 'log' | 'history'>;

/** A 1-1 session, and the conversation that it belongs to. */
export interface ReplacedSession {
  conversation: string;
  /** Null where the session is over already: B was away when the group was made. */
  session: CpmSession | null;
}

export class Upgrades implements Disposable {
  readonly #context: UpgradesContext;
  readonly #sessions: ReplaceableSessions;
  /** By the group. */
  readonly #running = new Map<string, Upgrade>();

  constructor(context: UpgradesContext, sessions: ReplaceableSessions) {
    this.#context = context;
    this.#sessions = sessions;
  }

  // ---------------------------------------------------------------- the two ways in which one begins

  /** A: the 1-1 session to replace. One that is still opening is waited for, since B must know it before it can be replaced. */
  async sessionToReplace(conversation: string): Promise<CpmSession | null> {
    const session = this.#sessions.live().get(conversation);
    if (session === undefined) return null;
    try {
      await session.opened;
      return session.state === 'established' ? session : null;
    } catch (error) {
      this.#context.log.info('the 1-1 session did not open; the group is made without replacing it', { error: String(error) });
      return null;
    }
  }

  /**
   * B: the live 1-1 session that a group invitation asks to replace. It must carry that Contribution-ID, and its other side must be the inviter.
   * Anything else is no replacement (R58).
   */
  sessionNamed(contributionId: string, inviter: string): ReplacedSession | null {
    for (const [conversation, session] of this.#sessions.live()) {
      // An anonymous session is never moved into a group: the roster would name both sides.
      const isAnonymous = session.sip?.hides === true || this.#context.history.conversation(conversation)?.hides !== undefined;
      if (
        !isAnonymous &&
        session.contributionId === contributionId &&
        session.state === 'established' &&
        session.remote?.address === inviter
      )
        return { conversation, session };
    }
    return this.#lastSessionNamed(contributionId, inviter);
  }

  /** The 1-1 whose last session that was, and was open when this device went down. Nothing is ended then; the 1-1 only goes on in the group. */
  #lastSessionNamed(contributionId: string, inviter: string): ReplacedSession | null {
    const oneToOne = this.#context.history.oneToOneWith(inviter);
    const isLast = oneToOne !== null && oneToOne.hides === undefined && oneToOne.contributionId === contributionId;
    return isLast && !this.#sessions.isKnown(oneToOne.id) ? { conversation: oneToOne.id, session: null } : null;
  }

  /** A asks for a group that continues a 1-1. `session`: the one to replace; null where none stands. */
  ask(conversation: string, group: string, session: CpmSession | null): Upgrade {
    return this.#begin(conversation, group, session, 'asked');
  }

  /**
   * A invites B once more, into a group that B has not come to: the Contribution-ID of the 1-1 session that B is to replace, and that session where one
   * stands. Null: nothing is known that B would recognise.
   */
  async askAgain(conversation: string, group: string): Promise<{ contributionId: string; session: CpmSession | null } | null> {
    // B may just be opening it, and is about to know it.
    const session = await this.sessionToReplace(conversation);
    const before = this.#running.get(group);
    const contributionId = (session ?? before?.session)?.contributionId;
    if ((before?.state !== 'stayed' && before?.state !== 'moving') || contributionId === undefined) return null;
    if (before.state === 'stayed' || session !== before.session) this.#begin(conversation, group, session ?? before.session, 'moving');
    return { contributionId, session };
  }

  /** B accepts a group that replaces a 1-1. */
  accept({ conversation, session }: ReplacedSession, group: string): Upgrade {
    return this.#begin(conversation, group, session, 'accepted');
  }

  // ---------------------------------------------------------------- what happens meanwhile

  /** A roster of the group has come, as its focus tells it; a device that missed the move learns of it here (R58). */
  rosterCame(group: ConversationRecord, participants: readonly ParticipantValue[]): void {
    const oneToOne = group.continues === null ? null : this.#context.history.conversation(group.continues);
    const peer = participants.find((one) => one.address === oneToOne?.peer);
    // A 1-1 that another group continues is no longer this group's matter.
    if (oneToOne === null || peer === undefined || (oneToOne.continuedBy !== null && oneToOne.continuedBy !== group.id)) return;
    const isStanding = this.#sessions.live().get(oneToOne.id)?.state === 'established';
    this.#tell(this.#running.get(group.id) ?? this.#restore(group, oneToOne), eventOf(peer, isStanding));
  }

  /** The network says that there is no such group any more, or not for this account. */
  groupOver(group: string): void {
    const { history } = this.#context;
    const record = history.conversation(group);
    const oneToOne = record === null || record.continues === null ? null : history.conversation(record.continues);
    if (record === null || oneToOne === null) return;
    this.#tell(this.#running.get(group) ?? this.#restore(record, oneToOne), 'groupOver');
  }

  /** The other side has ended a 1-1 session. */
  peerSaidBye(session: CpmSession): void {
    for (const upgrade of this.#with(session)) this.#tell(upgrade, 'peerSaidBye');
  }

  // ---------------------------------------------------------------- what a 1-1 session asks

  /** Whether the other side is expected to end this session because of a group. */
  awaitsBye(session: CpmSession): boolean {
    return this.#with(session).some((upgrade) => upgrade.awaitsBye);
  }

  /** Whether a session that has ended was ended because a group replaced it. */
  hasReplaced(session: CpmSession): boolean {
    return this.#with(session).some((upgrade) => upgrade.hasReplaced);
  }

  dispose(): void {
    for (const upgrade of this.#running.values()) upgrade.dispose();
  }

  #begin(conversation: string, group: string, session: CpmSession | null, state: UpgradeState): Upgrade {
    this.#running.get(group)?.dispose();
    const upgrade = new Upgrade(
      this.#context,
      {
        isWanted: () => this.#isWanted(conversation, group),
        keep: (reached) => this.#keep(conversation, group, reached),
        leave: (replaced) => this.#sessions.leave(conversation, replaced),
      },
      session,
      state,
    );
    this.#running.set(group, upgrade);
    return upgrade;
  }

  /** An upgrade that began before the last start, from what is on disk. Its 1-1 session is gone with the process. */
  #restore(group: ConversationRecord, oneToOne: ConversationRecord): Upgrade {
    const state = oneToOne.continuedBy !== group.id ? 'stayed' : group.awaitsPeer === true ? 'moving' : 'moved';
    return this.#begin(oneToOne.id, group.id, null, state);
  }

  #with(session: CpmSession): Upgrade[] {
    return [...this.#running.values()].filter((upgrade) => upgrade.session === session);
  }

  #tell(upgrade: Upgrade, event: UpgradeEvent): void {
    drop(upgrade.happened(event), this.#context.log, `the upgrade of a 1-1: ${event}`);
  }

  /** A group that is not on disk yet is still being asked for. */
  #isWanted(conversation: string, group: string): boolean {
    const record = this.#context.history.conversation(group);
    return record === null || record.continues === conversation;
  }

  #keep(conversation: string, group: string, state: UpgradeState): void {
    const { history } = this.#context;
    const record = history.conversation(group);
    // Nobody joined, so there is no group.
    if (record === null && state === 'stayed') this.#running.delete(group);
    const oneToOne = history.conversation(conversation);
    if (record === null || oneToOne === null) return;
    const continuedBy = isContinued(state) ? group : oneToOne.continuedBy === group ? null : oneToOne.continuedBy;
    history.transaction(() => {
      history.updateConversation(group, { awaitsPeer: state === 'moving' });
      history.updateConversation(conversation, { continuedBy });
    });
  }
}

function eventOf(peer: ParticipantValue, isStanding: boolean): UpgradeEvent {
  if (peer.state === 'connected') return isStanding ? 'peerInBoth' : 'peerInGroupOnly';
  return peer.state === 'disconnected' && (peer.reason === 'busy' || peer.reason === 'failed') ? 'peerLost' : 'peerOut';
}
