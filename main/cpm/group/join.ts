/** Ways into a group that exists: by an invitation of its focus, which B of an upgrade gets, too (R58), and by its address. */
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import type { ConversationRecord } from '../../history/records';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { newConversation } from '../conversation/record';
import type { Targets } from '../conversation/targets';
import type { Invitations } from '../one-to-one/invitations';
import { CpmSession } from '../session/session';
import type { ReplacedSession, Upgrades } from '../upgrade/upgrades';
import { notLetIn } from './factory';
import { type GroupInvitation, readGroupInvitation } from './invitation';
import type { GroupReturn } from './return';
import { namesAtHand } from './roster';
import type { GroupSessions } from './sessions';

/** The answer that leaves this account invited, so that a member whom it does not know yet loses nothing. */
const notReached = 480;

export interface GroupJoiningParts {
  readonly sessions: GroupSessions;
  readonly returning: GroupReturn;
  readonly invitations: Invitations;
  readonly upgrades: Upgrades;
  readonly targets: Targets;
}

export class GroupJoining {
  readonly #context: CpmContext;
  readonly #parts: GroupJoiningParts;

  constructor(context: CpmContext, parts: GroupJoiningParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** An INVITE from a focus. */
  async receive(invite: IncomingInvite): Promise<void> {
    const { history, isSelf, log, preferences } = this.#context;
    const invitation = readGroupInvitation(invite, this.#context, namesAtHand(this.#context));
    if (invitation === null) return invite.reject(400, 'Contribution-ID missing');
    const { contributionId, sessionReplaces, inviter, people, subject } = invitation;
    const replaced = sessionReplaces === null ? null : this.#parts.upgrades.sessionNamed(sessionReplaces, inviter.address);
    if (sessionReplaces !== null && replaced === null)
      log.warn('a group invitation names a session that is not one with its inviter; it is taken as an ordinary invitation', {
        inviter: inviter.address,
      });
    const known = history.groupByContribution(contributionId);
    // A group moves to another focus only with one of its people: the network lets no stranger have its identity, unless it has forgotten it.
    const isMoved = known !== null && known.focus !== null && known.focus !== invite.remote.contactUri;
    if (isMoved && !isSelf(inviter.address) && !known.people.some((one) => one.address === inviter.address))
      return invite.reject(notReached, 'Another group has this Contribution-ID');
    const accept = () => this.#accept(invite, { invitation, known, replaced });
    // Another INVITE to a group that this account is in only renews the session; one that another device of the account asked for is wanted.
    const isAgreed = (known?.joined ?? false) || isSelf(inviter.address) || preferences().accept !== 'ask';
    if (isAgreed) return accept();
    // R58: a person who wants to be asked may decline the move, too, and stays in the 1-1 then.
    this.#parts.invitations.ask(
      invite,
      { kind: 'group', from: inviter, subject, people, replaces: replaced?.conversation ?? null },
      accept,
    );
  }

  /**
   * Joins the group at an address that the operator has given it (OMA CPM: pre-defined group), or comes back to it. Resolves to the conversation
   * when messages flow.
   * @throws AppError `group/unknown` (also where a person answers), `group/not-a-member`, `group/full`, `account/bad-address`, `sip/*`, `net/*`
   */
  async at(typed: string): Promise<string> {
    const { history, clock } = this.#context;
    const { sessions, returning, targets } = this.#parts;
    const address = targets.address(typed);
    const known = history.conversations().find((one) => one.kind === 'group' && one.focus === address);
    if (known !== undefined) {
      await returning.comeBack(known.id).catch(notLetIn);
      return known.id;
    }
    const asked = newConversation(clock, { kind: 'group', people: [], contributionId: clock.uuid() });
    const request = { conversationId: asked.conversationId, contributionId: asked.contributionId ?? '' };
    const receive = sessions.contentOf(asked.id);
    const session = CpmSession.invite(this.#context, asked.id, { target: address, icsi: ICSI.group, ...request }, receive);
    await session.answered.catch(notLetIn);
    const group = session.remote?.group;
    if (group === undefined) {
      await session.close();
      throw new AppError('group/unknown', { cause: `${address} is no group` }, 'user');
    }
    const joined: ConversationRecord = {
      ...asked,
      subject: group.subject,
      conversationId: group.conversationId ?? asked.conversationId,
      contributionId: group.contributionId ?? asked.contributionId,
      focus: session.focus ?? address,
    };
    history.addConversation(joined);
    sessions.hold(joined, session);
    await session.opened;
    return joined.id;
  }

  /** A group that is known keeps the fields that an invitation does not tell. */
  #keep(group: ConversationRecord): void {
    const { history } = this.#context;
    if (history.addConversation(group)) return;
    const { subject, people, conversationId, contributionId, focus, continues, joined, activityAt } = group;
    const told = { subject, people, conversationId, contributionId, focus, continues, joined, activityAt };
    history.updateConversation(group.id, { ...told, writesAs: group.writesAs ?? null });
  }

  async #accept(invite: IncomingInvite, agreed: Agreed): Promise<void> {
    const { sessions, returning, upgrades } = this.#parts;
    const { invitation, known, replaced } = agreed;
    const group = this.#recordOf(invite, agreed);
    invite.namesDevice = group.pseudonym === undefined;
    this.#keep(group);
    const previous = sessions.release(group.id);
    if (previous !== null) drop(previous.close(), this.#context.log, 'closing the previous group session');
    const receive = sessions.contentOf(group.id);
    const session = CpmSession.accept(this.#context, group.id, invite, invitation.contributionId, receive);
    const upgrade = replaced === null ? null : upgrades.accept(replaced, group.id);
    sessions.hold(group, session);
    try {
      await session.opened;
    } catch (error) {
      // The Controlling Function vanished after this side's 200: everything stays as it was (R58).
      if (known === null) sessions.setJoined(group.id, false);
      await upgrade?.happened('groupBroke');
      this.#context.conversationChanged(group.id);
      throw error;
    }
    returning.calledBack(group.id, session);
    await upgrade?.happened('groupOpened');
  }

  #recordOf(invite: IncomingInvite, { invitation, known, replaced }: Agreed): ConversationRecord {
    const { clock, history, self, isSelf } = this.#context;
    // The focus knows the person by the address that it has called, and by no other.
    const { writesAs: before, ...rest } = known ?? newConversation(clock, { kind: 'group', people: [] });
    const writesAs = invitation.calledAs ?? before ?? self;
    // A group that replaces a 1-1 does not tell the other side a name that the 1-1 has kept.
    const pseudonym = rest.pseudonym ?? (replaced === null ? undefined : history.conversation(replaced.conversation)?.pseudonym);
    return {
      ...rest,
      subject: invitation.subject ?? rest.subject,
      people: invitation.people.length > 0 ? invitation.people : rest.people,
      conversationId: invite.headers.conversationId ?? rest.conversationId,
      contributionId: invitation.contributionId,
      focus: invite.remote.contactUri,
      continues: replaced?.conversation ?? rest.continues,
      joined: true,
      ...(writesAs === self || !isSelf(writesAs) ? {} : { writesAs }),
      ...(pseudonym === undefined ? {} : { pseudonym }),
      activityAt: clock.now(),
    };
  }
}

/** An invitation that is accepted, with the group and the 1-1 session that it concerns where they are known here. */
interface Agreed {
  invitation: GroupInvitation;
  known: ConversationRecord | null;
  replaced: ReplacedSession | null;
}
