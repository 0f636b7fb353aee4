/**
 * Messages too long for a pager message that come by themselves (OMA CPM Large Message Mode, R86): an invitation that is accepted without a question,
 * one message over MSRP, and BYE. Nobody is asked and nothing rings, since it is no chat that opens.
 *
 *   accepted --its message is on disk: MSRP 200--> taken --BYE of the sender, or `farewellMs`--> over
 *      \--nothing comes in `silenceMs`, media lost--> over
 */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { parseCpim } from '../../../protocol/cpim';
import { ICSI } from '../../../protocol/feature-tags';
import { parseContentType } from '../../../protocol/multipart';
import { parseSdp } from '../../../protocol/sdp';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { cpimType } from '../conversation/envelope';
import { refusals } from '../conversation/refusals';
import { deviceOf } from '../inbox/door';
import type { Inbox } from '../inbox/inbox';
import { readContent } from '../inbox/reading';
import { type OneToOneConversations, otherSide } from '../one-to-one/conversations';
import { CpmSession, completed } from '../session/session';
import { replyToOf } from './reply-to';

/** LAB: large messages that are on their way in at a time; more are refused with 486, and their senders try again. */
export const MAX_LARGE_ARRIVALS = 32;
/** LAB: of these, the ones of one sender; all who are anonymous count as one. */
export const MAX_LARGE_ARRIVALS_EACH = 8;
/** LAB: how long the message may take to come once it was accepted. At 10 kB/s that is enough for the longest text that is taken. */
export const silenceMs = 60_000;
/** LAB: how long the sender's BYE may follow the MSRP answer to the message. */
export const farewellMs = 10_000;

/** Whether an invitation brings one message instead of a chat, from its sender or from the network that has kept it (`...cpm.deferred`). */
export function isLargeMessage({ icsis }: Pick<IncomingInvite, 'icsis'>): boolean {
  return icsis.includes(ICSI.largemsg) || icsis.includes(ICSI.deferred);
}

export class LargeArrivals {
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #conversations: OneToOneConversations;
  /** The sender of each. */
  readonly #running = new Map<CpmSession, string>();

  constructor(context: CpmContext, inbox: Inbox, conversations: OneToOneConversations) {
    this.#context = context;
    this.#inbox = inbox;
    this.#conversations = conversations;
  }

  async receive(invite: IncomingInvite): Promise<void> {
    const { contributionId } = invite.headers;
    if (contributionId === null) return invite.reject(refusals.unnamed, 'Contribution-ID missing');
    if (invite.sdp === null) return invite.reject(refusals.noOffer);
    if (!parseSdp(invite.sdp).ok) return invite.reject(refusals.badOffer);
    const head = invite.parts.find(({ contentType }) => parseContentType(contentType).type === cpimType);
    if (head !== undefined && !parseCpim(head.body).ok) return invite.reject(refusals.unreadable);
    const { address } = invite.remote;
    const own = [...this.#running.values()].filter((sender) => sender === address);
    if (this.#running.size >= MAX_LARGE_ARRIVALS || own.length >= MAX_LARGE_ARRIVALS_EACH) return invite.reject(refusals.noSlot);
    invite.namesDevice = this.#conversations.known(invite)?.pseudonym === undefined;
    await this.#accept(invite, contributionId).opened;
  }

  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#running.keys()].map((session) => session.close(completed)));
  }

  #accept(invite: IncomingInvite, contributionId: string): CpmSession {
    let isTaken = false;
    const take = async (contentType: string, body: Uint8Array) => {
      if (isTaken) throw new AppError('msrp/rejected', { status: 403, reason: 'One message only' });
      await this.#take(invite, contentType, body);
      isTaken = true;
      limit = this.#endAfter(session, farewellMs, limit);
    };
    const session: CpmSession = CpmSession.accept(this.#context, invite.id, invite, contributionId, take);
    this.#running.set(session, invite.remote.address);
    let limit = this.#endAfter(session, silenceMs);
    session.onState.on((state) => {
      if (state !== 'ended') return;
      limit.dispose();
      this.#running.delete(session);
    });
    return session;
  }

  #endAfter(session: CpmSession, ms: number, previous?: Disposable): Disposable {
    previous?.dispose();
    return this.#context.clock.setTimer(ms, () => drop(session.close(), this.#context.log, 'ending a large message'));
  }

  /** The message is on disk when this resolves. */
  async #take(invite: IncomingInvite, contentType: string, body: Uint8Array): Promise<void> {
    // Read before anything is kept: a message that cannot be read makes no conversation.
    const envelope = readContent(contentType, body);
    const conversation = this.#inbox.shows(envelope) ? this.#conversations.of(invite) : this.#conversations.known(invite);
    if (conversation === null) return;
    const { remote, icsis } = invite;
    await this.#inbox.take(
      {
        conversation: conversation.id,
        origin: icsis.includes(ICSI.deferred) ? 'deferred' : 'live',
        sender: otherSide(conversation, remote),
        ...deviceOf(remote),
        standalone: 'large',
        ...replyToOf(this.#context, invite),
      },
      envelope,
    );
  }
}
