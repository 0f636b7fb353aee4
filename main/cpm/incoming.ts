/** Requests from the network: each is refused, or handed to the part of the CPM layer that answers it. */
import { drop } from '../../base/log';
import { parseContentType } from '../../protocol/multipart';
import type { IncomingInvite, IncomingPager } from '../sip/client';
import { Blocking } from './blocking';
import type { CpmContext } from './conversation/context';
import { composingType, imdnType } from './conversation/envelope';
import { refusals } from './conversation/refusals';
import { person } from './conversation/values';
import type { Groups } from './group/groups';
import { deviceOf } from './inbox/door';
import type { Inbox } from './inbox/inbox';
import { readPager, refusalStatus } from './inbox/reading';
import { groupReportedOn } from './inbox/receipt';
import { type OneToOneConversations, otherSide } from './one-to-one/conversations';
import type { OneToOneSessions } from './one-to-one/sessions';
import { isLargeMessage, type LargeArrivals } from './standalone/large-arrivals';
import { replyToOf } from './standalone/reply-to';

export class IncomingRequests {
  /** LAB: the 1-1s whose other side tells by pager message that they type, as no CPM client does. They are told in the same way. */
  readonly composingByPager: ReadonlySet<string>;
  readonly #composingByPager = new Set<string>();
  readonly #context: CpmContext;
  readonly #blocking: Blocking;
  readonly #parts: IncomingParts;

  constructor(context: CpmContext, parts: IncomingParts) {
    this.#context = context;
    this.#blocking = new Blocking(context);
    this.#parts = parts;
    this.composingByPager = this.#composingByPager;
  }

  invite(invite: IncomingInvite): void {
    const { log } = this.#context;
    if (invite.remote.isFocus && invite.hides === true) {
      // LAB: an anonymous account joins no group, because the roster would name it.
      drop(invite.reject(refusals.notOffered), log, 'refusing a group to an anonymous account');
      return;
    }
    const { remote, headers } = invite;
    if (this.#blocking.refuses(remote, remote.isFocus ? headers.referredBy : null)) {
      drop(invite.reject(refusals.blocked), log, 'refusing somebody who is blocked');
      return;
    }
    const { groups, oneToOne, large } = this.#parts;
    const received = remote.isFocus
      ? groups.joining.receive(invite)
      : isLargeMessage(invite)
        ? large.receive(invite)
        : oneToOne.receive(invite);
    // An INVITE that could not even be looked at, because the disk is full for example, is answered all the same: the caller would wait for long.
    const answered = received.catch(async (error: unknown) => {
      if (invite.state === 'incoming') await invite.reject(refusalStatus(error));
      throw error;
    });
    drop(answered, { ...log, error: log.warn }, 'an invitation');
  }

  /** A pager message. Resolves with the SIP status; 200 only when the message is on disk. */
  async pager(pager: IncomingPager): Promise<number> {
    const { inbox, conversations } = this.#parts;
    const { remote } = pager;
    if (this.#blocking.refuses(remote)) return refusals.blocked;
    try {
      // Read before anything is kept: a message that cannot be read makes no conversation.
      const envelope = readPager(pager);
      const { type } = parseContentType(envelope.contentType);
      const oneToOne = inbox.shows(envelope) ? conversations.of(pager) : conversations.known(pager);
      // Only what can be seen begins a chat. A receipt may come from somebody who is known from a group alone.
      const conversation = oneToOne ?? (type === imdnType ? groupReportedOn(this.#context, envelope) : null);
      if (conversation === null) return 200;
      if (type === composingType && conversation.hides === undefined) this.#composingByPager.add(conversation.id);
      const sender = oneToOne === null ? person(remote.address, remote.displayName, conversation.people) : otherSide(oneToOne, remote);
      const byItself = { standalone: 'pager' as const, ...replyToOf(this.#context, pager) };
      await inbox.take({ conversation: conversation.id, origin: 'live', sender, ...deviceOf(remote), ...byItself }, envelope);
      return 200;
    } catch (error) {
      this.#context.log.warn('a pager message was refused', { error: String(error) });
      return refusalStatus(error);
    }
  }
}

interface IncomingParts {
  readonly inbox: Inbox;
  readonly conversations: OneToOneConversations;
  readonly oneToOne: OneToOneSessions;
  readonly groups: Groups;
  readonly large: LargeArrivals;
}
