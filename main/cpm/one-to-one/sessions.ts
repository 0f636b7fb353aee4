/**
 * The 1-1 sessions: at most one live session for each conversation. It is opened by the first text, and ended by either side or because a group
 * replaces it (`upgrade/upgrade.ts`). The next one has the same Conversation-ID and a new Contribution-ID.
 *
 * Depending on the preference, an invitation is accepted at once or waits (`waiting.ts`). Its first message is on disk and acknowledged before that
 * (LAB: "delivered" means that the message is on this device's disk, not that anybody has agreed to talk). A text to the inviter accepts in any case:
 * if both sides sent an invitation, the two would only meet.
 *
 * LAB: of two invitations that do meet, the one with the lower Contribution-ID lives, so that not both sides give way.
 */

import { digest } from '../../../base/digest';
import { drop } from '../../../base/log';
import type { ConversationValue, SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { CpimMessage } from '../../../protocol/cpim';
import { ICSI } from '../../../protocol/feature-tags';
import { parseSdp } from '../../../protocol/sdp';
import type { ConversationRecord } from '../../history/records';
import type { IncomingInvite, RemoteParty } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { cpimType } from '../conversation/envelope';
import { refusals } from '../conversation/refusals';
import { identityOf } from '../conversation/values';
import { type Arrival, deviceOf } from '../inbox/door';
import type { Inbox } from '../inbox/inbox';
import { readContent, readInvitation, refusalStatus } from '../inbox/reading';
import { type ContentHandler, CpmSession, completed } from '../session/session';
import type { Upgrades } from '../upgrade/upgrades';
import { type OneToOneConversations, otherSide } from './conversations';
import type { Invitations } from './invitations';
import { Places } from './places';
import { WaitingInvitations } from './waiting';

export class OneToOneSessions {
  /** The invitations that are not answered yet. */
  readonly waiting: WaitingInvitations;
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #conversations: OneToOneConversations;
  readonly #upgrades: Upgrades;
  readonly #live = new Map<string, CpmSession>();
  readonly #places: Places;
  /** The session of each conversation that has ended last, where none has begun since. */
  readonly #ended = new Map<string, CpmSession>();

  constructor(context: CpmContext, inbox: Inbox, conversations: OneToOneConversations, invitations: Invitations, upgrades: Upgrades) {
    this.#context = context;
    this.#inbox = inbox;
    this.#conversations = conversations;
    this.#upgrades = upgrades;
    this.waiting = new WaitingInvitations(context, invitations);
    this.#places = new Places(context, () => new Set([...this.#live.keys(), ...this.waiting.conversations()]));
  }

  state(conversation: string): SessionState {
    const session = this.#live.get(conversation);
    if (session !== undefined) return session.state === 'established' ? 'established' : 'pending';
    // An invitation that the person is asked about is shown as a question, not as something under way.
    if (this.waiting.waitsFor(conversation) !== null) return 'pending';
    const ended = this.#ended.get(conversation);
    if (ended === undefined) return 'none';
    return this.#upgrades.hasReplaced(ended) ? 'replaced' : 'ended';
  }

  /** What a `pending` session waits for; null for any other. */
  pending(conversation: string): ConversationValue['pending'] {
    const session = this.#live.get(conversation);
    if (session === undefined) return this.waiting.waitsFor(conversation);
    if (session.state !== 'opening') return null;
    return session.sip?.state === 'ringing' ? 'ringing' : 'reaching';
  }

  /** The other person's device that holds the live session. */
  peerDevice(conversation: string): ConversationValue['peerDevice'] {
    const remote = this.#live.get(conversation)?.remote ?? null;
    if (remote === null || (remote.deviceName === null && remote.instanceId === null)) return null;
    return { name: remote.deviceName, instanceId: remote.instanceId };
  }

  /** The live session of each conversation that has one. */
  live(): ReadonlyMap<string, CpmSession> {
    return this.#live;
  }

  current(conversation: string): CpmSession | null {
    return this.#live.get(conversation) ?? null;
  }

  /** Whether a session stands, opens, or waits to be accepted. */
  isUnderWay(conversation: string): boolean {
    return this.#live.has(conversation) || this.waiting.in(conversation) !== null;
  }

  /** The session to send through: the live one, or a new invitation that carries `first` as its first message. */
  open(conversation: ConversationRecord, first: Uint8Array | null): { session: CpmSession; isNew: boolean } {
    const live = this.#live.get(conversation.id);
    if (live !== undefined && live.state !== 'ended') return { session: live, isNew: false };
    const waiting = this.waiting.in(conversation.id);
    if (waiting !== null) return { session: waiting.accept(), isNew: false };
    if (conversation.peer === null) throw new AppError('conversation/no-session', { cause: 'not a 1-1 conversation' });
    const session = CpmSession.invite(
      this.#context,
      conversation.id,
      {
        target: conversation.peer,
        icsi: ICSI.session,
        conversationId: conversation.conversationId,
        contributionId: this.#context.clock.uuid(),
        ...(conversation.hides === 'self' ? { anonymous: true } : {}),
        ...identityOf(conversation, this.#context),
        parts: first === null ? [] : [{ contentType: cpimType, headers: new Map(), body: first }],
      },
      this.#contentOf(conversation, () => session),
      true,
    );
    this.#hold(conversation, session);
    return { session, isNew: true };
  }

  /** An INVITE for a 1-1 session. Its first message is on disk before the INVITE is answered in any way. */
  async receive(invite: IncomingInvite): Promise<void> {
    // LAB: a session of RFC 4975 alone has no name; its call gives it one.
    const contributionId = invite.headers.contributionId ?? digest(`call ${invite.callId}`);
    // Checked before anything is kept and anybody is asked: an INVITE that cannot become a session makes no conversation.
    if (invite.sdp === null) return invite.reject(refusals.noOffer);
    const offer = parseSdp(invite.sdp);
    if (!offer.ok || offer.value.port === 0) return invite.reject(refusals.badOffer);
    const first = firstMessage(invite);
    if (first === 'unreadable') return invite.reject(refusals.unreadable);
    if (!this.#places.hasRoomFor(this.#conversations.known(invite))) return invite.reject(refusals.noSlot);
    const conversation = this.#conversations.adoptId(this.#conversations.of(invite), invite.headers.conversationId);
    this.#places.take(conversation);
    invite.namesDevice = conversation.pseudonym === undefined;
    // Also where it is refused, or brings nothing: a device of theirs is there.
    this.#inbox.heardFrom(conversation.id, otherSide(conversation, invite.remote).address);
    if (first !== null) {
      try {
        await this.#inbox.take(arrivalFrom(conversation, invite.remote), first);
      } catch (error) {
        this.#context.log.warn('an invitation was refused since its message could not be kept', { error: String(error) });
        return invite.reject(refusalStatus(error));
      }
    }
    const live = this.#live.get(conversation.id) ?? null;
    if (live?.isUnanswered && live.contributionId < contributionId) return invite.reject(refusals.glare);
    const accept = () => this.#accept(conversation, invite, contributionId);
    const preference = this.#context.preferences().accept;
    if (live !== null || preference === 'auto') return accept().opened;
    this.waiting.add(conversation.id, { invite, until: preference, from: otherSide(conversation, invite.remote), accept });
  }

  /** Whether a session of that 1-1 stands, or has ended since the start. */
  isKnown(conversation: string): boolean {
    return this.#live.has(conversation) || this.#ended.has(conversation);
  }

  /** Ends a session that a group has replaced: BYE on the dialog's own route set, the Signalling Path (R59). */
  async leave(conversation: string, session: CpmSession): Promise<void> {
    if (this.#live.get(conversation) === session) {
      this.#live.delete(conversation);
      this.#ended.set(conversation, session);
      this.#context.conversationChanged(conversation);
    }
    await session.close(completed);
  }

  /** Ends the session with a person. */
  async close(conversation: string): Promise<void> {
    await this.#live.get(conversation)?.close(completed);
  }

  /** Ends the session with a person who was blocked, and refuses their invitation if one waits. */
  async shut(conversation: string): Promise<void> {
    await this.waiting.refuse(conversation, refusals.blocked);
    await this.close(conversation);
  }

  disconnected(): void {
    for (const session of [...this.#live.values()]) session.disconnected();
  }

  /** Ends the sessions that stand or ring, so that the next text opens one over the new kind of media. One that a group is replacing ends anyway. */
  endStanding(): void {
    for (const session of [...this.#live.values()])
      if ((session.state === 'established' && !this.#upgrades.awaitsBye(session)) || session.isUnanswered)
        drop(session.close(completed), this.#context.log, 'ending a session that another follows');
  }

  async closeAll(): Promise<void> {
    const ended = [...this.#live.values()].map((session) => session.close(completed));
    await Promise.allSettled([this.waiting.refuseAll(refusals.signedOut), ...ended]);
  }

  #accept(conversation: ConversationRecord, invite: IncomingInvite, contributionId: string): CpmSession {
    this.waiting.accepted(conversation.id, invite);
    // The peer has begun another session, so the previous one is stale, whatever its state.
    const previous = this.#live.get(conversation.id);
    this.#live.delete(conversation.id);
    if (previous !== undefined) drop(previous.close(), this.#context.log, 'closing the previous 1-1 session');
    const content = this.#contentOf(conversation, () => session);
    const session = CpmSession.accept(this.#context, conversation.id, invite, contributionId, content, true);
    this.#hold({ ...conversation, contributionId }, session);
    return session;
  }

  #hold(conversation: ConversationRecord, session: CpmSession): void {
    const { history } = this.#context;
    this.#live.set(conversation.id, session);
    this.#ended.delete(conversation.id);
    session.onState.on((state) => {
      if (state === 'ended') this.#sessionEnded(conversation.id, session);
      this.#context.conversationChanged(conversation.id);
    });
    session.onRinging.on(() => this.#context.conversationChanged(conversation.id));
    history.updateConversation(conversation.id, { contributionId: session.contributionId });
    this.#context.conversationChanged(conversation.id);
  }

  #sessionEnded(conversation: string, session: CpmSession): void {
    if (this.#live.get(conversation) === session) {
      this.#live.delete(conversation);
      this.#ended.set(conversation, session);
    }
    if (session.sip?.end?.by === 'remote') this.#upgrades.peerSaidBye(session);
  }

  #contentOf(conversation: ConversationRecord, session: () => CpmSession): ContentHandler {
    return async (type, body) => {
      await this.#inbox.take({ ...arrivalFrom(conversation, session().remote), inSession: true }, readContent(type, body));
    };
  }
}

/** The message that an INVITE brings. */
function firstMessage({ parts, remote, callId }: IncomingInvite): CpimMessage | 'unreadable' | null {
  try {
    return readInvitation(parts, `${remote.address} ${callId}`);
  } catch {
    return 'unreadable';
  }
}

function arrivalFrom(conversation: ConversationRecord, remote: RemoteParty | null): Arrival {
  return {
    conversation: conversation.id,
    origin: 'live',
    sender: otherSide(conversation, remote),
    ...deviceOf(remote),
  };
}
