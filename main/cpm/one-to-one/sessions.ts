/**
 * The 1-1 sessions: at most one live session a person, opened at the first text, restarted with the same Conversation-ID and a new
 * Contribution-ID, ended by either side or replaced by a group.
 *
 * An invitation is answered at once, or waits, as the person prefers: for their word (`invitations.ts`), until they open the chat, or until they
 * type or write in it. A text to who has sent it answers it in any case: two invitations of the same two people would only meet. Its first
 * message is kept and acknowledged before (LAB: "delivered" means that it is on this device's disk, not that anybody has agreed to talk).
 *
 *   waiting -> answered (opened, replied) | withdrawn, answered elsewhere | refused: a newer invitation of the same person has come
 *
 * Two people who invite each other at the same moment must not both give way: the invitation with the lower Contribution-ID lives (LAB).
 */

import { drop } from '../../../base/log';
import type { ConversationValue, PersonValue, SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { ANONYMOUS_URI, parseCpim } from '../../../protocol/cpim';
import { ICSI } from '../../../protocol/feature-tags';
import { parseSdp } from '../../../protocol/sdp';
import type { ConversationRecord } from '../../history/records';
import type { IncomingInvite, IncomingPager, RemoteParty } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { cpimType } from '../conversation/envelope';
import { refusals } from '../conversation/refusals';
import { identityOf, person } from '../conversation/values';
import { type Inbox, refusalStatus } from '../inbox/inbox';
import { CpmSession, completed } from '../session/session';
import type { Upgrades } from '../upgrade/upgrades';
import type { Invitations } from './invitations';

/** LAB: 1-1 sessions that live at a time, and invitations that wait to be answered; more are refused with 486. */
export const MAX_SESSIONS = 64;

/** An invitation that is answered when the person opens the chat, replies in it, or says so. */
interface Waiting {
  invite: IncomingInvite;
  until: 'open' | 'reply' | 'ask';
  from: PersonValue;
  accept: () => CpmSession;
}

export class OneToOneSessions {
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #invitations: Invitations;
  readonly #upgrades: Upgrades;
  readonly #live = new Map<string, CpmSession>();
  readonly #waiting = new Map<string, Waiting>();
  /** The session of each conversation that has ended last, where none has begun since. */
  readonly #ended = new Map<string, CpmSession>();

  constructor(context: CpmContext, inbox: Inbox, invitations: Invitations, upgrades: Upgrades) {
    this.#context = context;
    this.#inbox = inbox;
    this.#invitations = invitations;
    this.#upgrades = upgrades;
  }

  /**
   * The conversation that a request from somebody belongs to, made when there is none. One who hides is known by the Conversation-ID alone, and has
   * the conversation to themselves; a request to this device's temporary GRUU never comes into the conversation that names the account.
   */
  conversationOf({ remote, headers, hides = false }: Pick<IncomingPager, 'remote' | 'headers' | 'hides'>): ConversationRecord {
    if (!hides && !isHidden(remote)) return this.conversationWith(remote.address, remote.displayName);
    const conversationId = headers.conversationId ?? this.#context.clock.uuid();
    const known = this.knownConversationOf({ remote, headers, hides });
    if (hides) return known ?? this.#begin(remote.address, null, 'self', conversationId);
    // A MESSAGE has no Contact (RFC 3428 section 4): then they are where they were before.
    const peer = remote.gruu ?? known?.peer ?? ANONYMOUS_URI;
    if (known !== null) {
      const record = { ...known, peer };
      if (peer !== known.peer) this.#context.history.putConversation(record);
      return record;
    }
    return this.#begin(peer, anonymousPerson, 'peer', conversationId);
  }

  /** Likewise, but null when there is none. */
  knownConversationOf({ remote, headers, hides = false }: Pick<IncomingPager, 'remote' | 'headers' | 'hides'>): ConversationRecord | null {
    const { history } = this.#context;
    if (!hides && !isHidden(remote)) return history.oneToOneWith(person(remote.address, null).address);
    return headers.conversationId === null ? null : history.hiddenBy(headers.conversationId, hides ? 'self' : 'peer');
  }

  /** The conversation with an address in which the account hides, made when there is none: another one than the named one. */
  anonymousWith(address: string): ConversationRecord {
    const key = person(address, null).address;
    return this.#context.history.oneToOneWith(key, 'self') ?? this.#begin(key, null, 'self', this.#context.clock.uuid());
  }

  #begin(peer: string, who: PersonValue | null, hides: 'self' | 'peer', conversationId: string): ConversationRecord {
    const { history, clock, knownPeople } = this.#context;
    const now = clock.now();
    const record: ConversationRecord = {
      id: clock.uuid(),
      kind: 'oneToOne',
      peer,
      subject: null,
      people: [who ?? person(peer, null, knownPeople)],
      conversationId,
      contributionId: null,
      focus: null,
      continues: null,
      continuedBy: null,
      joined: true,
      hides,
      createdAt: now,
      activityAt: now,
    };
    history.putConversation(record);
    return record;
  }

  /** The 1-1 conversation with an address, made when there is none. Nobody hides in it. */
  conversationWith(address: string, name: string | null): ConversationRecord {
    const { history, clock } = this.#context;
    const known = history.oneToOneWith(person(address, null).address);
    const peer = person(address, name, known === null ? this.#context.knownPeople : [...known.people, ...this.#context.knownPeople]);
    const now = clock.now();
    const record: ConversationRecord =
      known === null
        ? {
            id: clock.uuid(),
            kind: 'oneToOne',
            peer: peer.address,
            subject: null,
            people: [peer],
            conversationId: clock.uuid(),
            contributionId: null,
            focus: null,
            continues: null,
            continuedBy: null,
            joined: true,
            createdAt: now,
            activityAt: now,
          }
        : { ...known, people: [peer] };
    if (known === null || known.people[0]?.name !== peer.name) history.putConversation(record);
    return record;
  }

  state(conversation: string): SessionState {
    const session = this.#live.get(conversation);
    if (session !== undefined) return session.state === 'established' ? 'established' : 'pending';
    // What is asked about is shown as a question, not as something under way.
    const until = this.#waiting.get(conversation)?.until ?? 'ask';
    if (until !== 'ask') return 'pending';
    const ended = this.#ended.get(conversation);
    return ended === undefined ? 'none' : this.#upgrades.hasReplaced(ended) ? 'replaced' : 'ended';
  }

  /** What a `pending` session waits for; null for any other. */
  pending(conversation: string): ConversationValue['pending'] {
    const session = this.#live.get(conversation);
    if (session?.state === 'opening') return session.sip?.state === 'ringing' ? 'ringing' : 'reaching';
    const until = this.#waiting.get(conversation)?.until ?? 'ask';
    return session !== undefined || until === 'ask' ? null : until;
  }

  /** The person has opened the chat, or types in it: an invitation that waited for that is answered. */
  attend(conversation: string, how: 'open' | 'reply'): void {
    const waiting = this.#waiting.get(conversation);
    if (waiting === undefined || waiting.until === 'ask' || (waiting.until === 'reply' && how === 'open')) return;
    this.#accept(waiting);
  }

  /** What waits is answered as the person wants it now: at once, or at what they do next. */
  preferencesChanged(): void {
    const preference = this.#context.preferences().accept;
    for (const [conversation, waiting] of [...this.#waiting]) {
      if (waiting.until === preference || (waiting.until === 'ask' && preference !== 'auto')) continue;
      if (preference === 'auto') {
        this.#accept(waiting);
        continue;
      }
      waiting.until = preference;
      if (preference === 'ask') this.#ask(waiting);
      this.#context.conversationChanged(conversation);
    }
  }

  #accept(waiting: Waiting): void {
    const { opened } = waiting.accept();
    drop(opened, { ...this.#context.log, error: this.#context.log.info }, 'answering an invitation that waited');
  }

  #ask({ invite, from, accept }: Waiting): void {
    this.#invitations.ask(invite, { kind: 'oneToOne', from, subject: null, people: [from], replaces: null }, () => accept().opened);
  }

  /** The other person's device that holds the live session. */
  peerDevice(conversation: string): ConversationValue['peerDevice'] {
    const remote = this.#live.get(conversation)?.remote ?? null;
    if (remote === null || (remote.deviceName === null && remote.instanceId === null)) return null;
    return { name: remote.deviceName, instanceId: remote.instanceId };
  }

  live(): ReadonlyMap<string, CpmSession> {
    return this.#live;
  }

  current(conversation: string): CpmSession | null {
    return this.#live.get(conversation) ?? null;
  }

  /** The session to send through: the live one, or a new invitation that carries `first` as its first message. */
  open(conversation: ConversationRecord, first: Uint8Array | null): { session: CpmSession; isNew: boolean } {
    const live = this.#live.get(conversation.id);
    if (live !== undefined && live.state !== 'ended') return { session: live, isNew: false };
    const waiting = this.#waiting.get(conversation.id);
    if (waiting !== undefined) return { session: waiting.accept(), isNew: false };
    if (conversation.peer === null) throw new AppError('conversation/no-session', { cause: 'not a 1-1 conversation' });
    const contributionId = this.#context.clock.uuid();
    const session = CpmSession.invite(
      this.#context,
      conversation.id,
      {
        target: conversation.peer,
        icsi: ICSI.session,
        conversationId: conversation.conversationId,
        contributionId,
        ...(conversation.hides === 'self' ? { anonymous: true } : {}),
        ...identityOf(conversation, this.#context),
        parts: first === null ? [] : [{ contentType: cpimType, headers: new Map(), body: first }],
      },
      (type, body) => this.#receiveContent(conversation, session, type, body),
      true,
    );
    this.#hold(conversation, session);
    return { session, isNew: true };
  }

  /**
   * An INVITE for a 1-1 session. Its first message is on disk before anything is answered; then it is accepted, asked about, or refused.
   */
  async receive(invite: IncomingInvite): Promise<void> {
    const contributionId = invite.headers.contributionId;
    if (contributionId === null) return invite.reject(refusals.unnamed, 'Contribution-ID missing');
    // Before anything is kept or anybody is asked: what cannot become a session makes no conversation.
    if (invite.sdp === null) return invite.reject(refusals.noOffer);
    if (!parseSdp(invite.sdp).ok) return invite.reject(refusals.badOffer);
    const first = invite.parts.find((part) => part.contentType.toLowerCase().startsWith(cpimType));
    if (first !== undefined && !parseCpim(first.body).ok) return invite.reject(refusals.unreadable);
    if (this.#isFull) return invite.reject(refusals.noSlot);
    const conversation = this.#adopt(this.conversationOf(invite), invite);
    if (first !== undefined) {
      try {
        await this.#inbox.receive(arrivalFrom(conversation, invite), first.contentType, first.body);
      } catch (error) {
        this.#context.log.warn('an invitation was refused since its message could not be kept', { error: String(error) });
        return invite.reject(refusalStatus(error));
      }
    }
    const live = this.#live.get(conversation.id) ?? null;
    if (live?.isUnanswered && live.contributionId < contributionId) return invite.reject(refusals.glare);
    const accept = () => {
      this.#waiting.delete(conversation.id);
      this.#invitations.settle(invite);
      // The peer has started anew: what was there is stale, whatever its state.
      const previous = this.#live.get(conversation.id);
      this.#live.delete(conversation.id);
      if (previous !== undefined) drop(previous.close(), this.#context.log, 'closing the previous 1-1 session');
      const take = (type: string, body: Uint8Array) => this.#receiveContent(conversation, session, type, body);
      const session = CpmSession.accept(this.#context, conversation.id, invite, contributionId, take, true);
      this.#hold({ ...conversation, contributionId }, session);
      return session;
    };
    const preference = this.#context.preferences().accept;
    if (live !== null || preference === 'auto') return accept().opened;
    const waiting: Waiting = { invite, until: preference, from: otherSide(conversation, invite.remote), accept };
    this.#await(conversation.id, waiting);
    if (preference === 'ask') this.#ask(waiting);
    else invite.ring();
  }

  /** Holds an invitation until the person attends to the chat. */
  #await(conversation: string, waiting: Waiting): void {
    const older = this.#waiting.get(conversation);
    this.#waiting.set(conversation, waiting);
    if (older !== undefined) drop(older.invite.reject(refusals.superseded), this.#context.log, 'refusing an older invitation');
    waiting.invite.onState.on((state) => {
      if (state !== 'ended' || this.#waiting.get(conversation) !== waiting) return;
      this.#waiting.delete(conversation);
      // A question tells by itself how it ended.
      if (waiting.until !== 'ask' && waiting.invite.end?.cause === 200) this.#invitations.answeredElsewhere(waiting.from);
      this.#context.conversationChanged(conversation);
    });
    this.#context.conversationChanged(conversation);
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

  /** Ends what there is with a person, an invitation that waits included. */
  async shut(conversation: string): Promise<void> {
    await this.#waiting.get(conversation)?.invite.reject(refusals.blocked);
    await this.close(conversation);
  }

  disconnected(): void {
    for (const session of [...this.#live.values()]) session.disconnected();
  }

  /** Ends what stands, or still asks to: the next text opens another session, and what was under way goes by that one. */
  endStanding(): void {
    for (const session of [...this.#live.values()])
      if ((session.state === 'established' && !this.#upgrades.awaitsBye(session)) || session.isUnanswered)
        drop(session.close(completed), this.#context.log, 'ending a session that another follows');
  }

  async closeAll(): Promise<void> {
    const refused = [...this.#waiting.values()].map(({ invite }) => invite.reject(refusals.signedOut));
    const ended = [...this.#live.values()].map((session) => session.close(completed));
    await Promise.allSettled([...refused, ...ended]);
  }

  /** Whether so many sessions live or wait that another one would be too many. */
  get #isFull(): boolean {
    return this.#live.size + this.#waiting.size >= MAX_SESSIONS;
  }

  /** LAB: one Conversation-ID a person; whoever opened last names it. */
  #adopt(conversation: ConversationRecord, invite: IncomingInvite): ConversationRecord {
    const conversationId = invite.headers.conversationId ?? conversation.conversationId;
    if (conversationId === conversation.conversationId) return conversation;
    const adopted = { ...conversation, conversationId };
    this.#context.history.putConversation(adopted);
    return adopted;
  }

  #hold(conversation: ConversationRecord, session: CpmSession): void {
    this.#live.set(conversation.id, session);
    this.#ended.delete(conversation.id);
    session.onState.on((state) => {
      if (state === 'ended' && this.#live.get(conversation.id) === session) {
        this.#live.delete(conversation.id);
        this.#ended.set(conversation.id, session);
      }
      if (state === 'ended' && session.sip?.end?.by === 'remote') this.#upgrades.peerSaidBye(session);
      this.#context.conversationChanged(conversation.id);
    });
    session.onRinging.on(() => this.#context.conversationChanged(conversation.id));
    const { history } = this.#context;
    const current = history.conversation(conversation.id) ?? conversation;
    history.putConversation({ ...current, contributionId: session.contributionId });
    this.#context.conversationChanged(conversation.id);
  }

  #receiveContent(conversation: ConversationRecord, session: CpmSession, type: string, body: Uint8Array): Promise<void> {
    const remote = session.remote;
    const arrival = {
      conversation: conversation.id,
      sender: otherSide(conversation, remote),
      senderInstance: remote?.instanceId ?? null,
      senderDevice: remote?.deviceName ?? null,
      inSession: true,
    };
    return this.#inbox.receive(arrival, type, body);
  }
}

/** How somebody who hides is named; nothing that they say of themselves is believed. */
const anonymousPerson: PersonValue = { address: ANONYMOUS_URI, name: 'Anonymous' };

function isHidden(remote: RemoteParty): boolean {
  return !remote.asserted && remote.address === ANONYMOUS_URI;
}

/** The other person of a conversation, by what their network says of them now. */
export function otherSide(conversation: ConversationRecord, remote: RemoteParty | null): PersonValue {
  if (conversation.hides === 'peer') return anonymousPerson;
  return person(conversation.peer ?? '', remote?.displayName ?? null, conversation.people);
}

function arrivalFrom(conversation: ConversationRecord, invite: IncomingInvite) {
  return {
    conversation: conversation.id,
    sender: otherSide(conversation, invite.remote),
    senderInstance: invite.remote.instanceId,
    senderDevice: invite.remote.deviceName,
  };
}
