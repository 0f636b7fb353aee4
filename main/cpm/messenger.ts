/**
 * The CPM side of one signed-in account: wires its parts together, tells them what has changed around them, and ends them. Calls go to the parts
 * directly. It lives from sign-in to sign-out.
 */

import type { Disposable } from '../../base/disposable';
import { drop } from '../../base/log';
import type { ConversationRecord, Direction } from '../history/records';
import { Chats } from './chats';
import type { CpmContext } from './conversation/context';
import { People } from './conversation/people';
import { ConversationReader, type LiveParts } from './conversation/reader';
import { Targets } from './conversation/targets';
import { Courier } from './courier';
import { type AwaitedMembers, Groups } from './group/groups';
import type { CopiedContent } from './inbox/copied';
import { Inbox } from './inbox/inbox';
import { IncomingRequests } from './incoming';
import { OneToOneConversations } from './one-to-one/conversations';
import { Invitations } from './one-to-one/invitations';
import { OneToOneSessions } from './one-to-one/sessions';
import { Outbox } from './outbox/outbox';
import { Search } from './search';
import { LargeArrivals } from './standalone/large-arrivals';
import { Texts } from './texts';
import { Upgrades } from './upgrade/upgrades';

/** What a call is about; the first that is there counts. */
interface Mentioned {
  conversation?: string | undefined;
  message?: string | undefined;
  direction?: Direction | undefined;
  invitation?: string | undefined;
}

export class Messenger implements Disposable {
  readonly chats: Chats;
  readonly texts: Texts;
  readonly groups: Groups;
  readonly invitations: Invitations;
  readonly search: Search;
  readonly outbox: Outbox;
  /** Where requests from the network come in. */
  readonly incoming: IncomingRequests;
  /** Where what other devices of this person tell comes in. */
  readonly copied: CopiedContent;
  readonly #context: CpmContext;
  readonly #inbox: Inbox;
  readonly #oneToOne: OneToOneSessions;
  readonly #upgrades: Upgrades;
  readonly #large: LargeArrivals;
  readonly #telling: Disposable;

  /** `context.conversationChanged` and `people` are filled in here: they need the parts that this class joins. */
  constructor(base: Omit<CpmContext, 'conversationChanged' | 'people'>) {
    const knownPeople = base.knownPeople.map((one) => ({ ...one, knownSince: 0 }));
    const people = new People({ ...base, knownPeople }, () => reader.announceAll());
    const context: CpmContext = {
      ...base,
      ...{ knownPeople, people },
      conversationChanged: (id) => reader.announceConversation(id),
    };
    this.#context = context;
    const reader = new ConversationReader(context, (record) => this.#live(record));
    this.#telling = context.history.onChange.on((changes) => reader.tell(changes));
    const targets = new Targets(context);
    const conversations = new OneToOneConversations(context);
    this.invitations = new Invitations(context);
    this.#inbox = new Inbox(context, {
      receiptQueued: (lane) => this.outbox.wake(lane),
      heardFrom: (conversation, sender) => {
        this.outbox.heardFrom(conversation);
        if (sender !== null) this.seen(sender);
      },
      reached: (message) => this.outbox.reached(message),
    });
    this.copied = this.#inbox.copied;
    this.#upgrades = new Upgrades(context, {
      live: () => this.#oneToOne.live(),
      isKnown: (conversation) => this.#oneToOne.isKnown(conversation),
      leave: (conversation, session) => this.#oneToOne.leave(conversation, session),
    });
    this.#oneToOne = new OneToOneSessions(context, this.#inbox, conversations, this.invitations, this.#upgrades);
    const awaited: AwaitedMembers = {
      awaited: (group) => this.outbox.awaited(group),
      awaitMember: (group, person) => this.outbox.awaitMember(group, person),
      awaitNoMore: (group, person) => this.outbox.awaitNoMore(group, person),
      inviteAgain: (group) => this.outbox.inviteAgain(group),
    };
    this.groups = new Groups(context, { inbox: this.#inbox, invitations: this.invitations, upgrades: this.#upgrades, targets, awaited });
    const courier = new Courier(context, this.#oneToOne, this.groups);
    this.outbox = new Outbox(context, courier);
    this.search = new Search(context);
    this.#large = new LargeArrivals(context, this.#inbox, conversations);
    const parts = { reader, targets, conversations, inbox: this.#inbox, oneToOne: this.#oneToOne, groups: this.groups, courier };
    this.incoming = new IncomingRequests(context, { ...parts, large: this.#large });
    this.chats = new Chats(context, { ...parts, outbox: this.outbox });
    this.texts = new Texts(context, { ...parts, outbox: this.outbox, chats: this.chats, incoming: this.incoming });
  }

  /** Whether a conversation, a message, or an invitation that waits for an answer is this account's. */
  has({ conversation, message, direction, invitation }: Mentioned): boolean {
    const { history } = this.#context;
    if (conversation !== undefined) return history.conversation(conversation) !== null;
    if (message !== undefined) return history.message(message, direction) !== null;
    return this.invitations.list().some((one) => one.invitation === invitation);
  }

  /** The registration has its 200: what waited may leave, and this device comes back to its groups. */
  registered(): void {
    this.outbox.wakeAll();
    this.groups.returning.comeBackToAll();
  }

  /** A person has given a sign of life, wherever it was: what waits for them leaves. */
  seen(address: string): void {
    const conversation = this.#context.history.oneToOneWith(address);
    if (conversation !== null) this.outbox.heardFrom(conversation.id);
    this.outbox.personSeen(address);
    this.groups.returning.personSeen(address);
  }

  /** The media relay can be used again: what has waited for it leaves. */
  relayBack(): void {
    this.outbox.hastenAll();
    this.groups.returning.comeBackToAll();
  }

  /** Another device of this account has come or gone. */
  devicesChanged(): void {
    this.groups.ownDevices.changed();
  }

  /** Media takes another way from now on, also in the sessions that stand. */
  mediaChanged(): void {
    this.#oneToOne.endStanding();
    this.groups.returning.reconnect();
    // A job that waited for a relay which is no longer set has nothing to wait for.
    this.outbox.hastenAll();
  }

  /** The connection to the network is gone. */
  disconnected(): void {
    this.#oneToOne.disconnected();
  }

  /** The person wants invitations answered in another way: it holds for those that wait, too. */
  preferencesChanged(): void {
    this.#oneToOne.waiting.preferencesChanged();
    this.outbox.preferencesChanged();
    // A group waits only under `ask`. A question that is being asked stays one, unless the person wants to be asked no more.
    if (this.#context.preferences().accept === 'ask') return;
    for (const { invitation, kind } of this.invitations.list())
      if (kind === 'group') drop(this.invitations.answer(invitation, true, false), this.#context.log, 'joining a group that waited');
  }

  /** The person has blocked somebody: their session ends, and an invitation of theirs that waits is refused. */
  blocked(address: string): void {
    const { log, history, isBlocked } = this.#context;
    const refused = this.invitations.list().filter((one) => isBlocked(one.from.address));
    for (const { invitation } of refused) drop(this.invitations.answer(invitation, false, false), log, 'refusing somebody who is blocked');
    const record = history.oneToOneWith(address);
    if (record !== null) drop(this.#oneToOne.shut(record.id), log, 'ending the session of somebody who is blocked');
    this.#retellGroups();
  }

  /** Whom the person has unblocked is read again in groups. */
  unblocked(): void {
    this.#retellGroups();
  }

  /** What blocked people have written counts as read, and does not stand in the list. */
  #retellGroups(): void {
    const { history, isBlocked, conversationChanged } = this.#context;
    const groups = history.conversations().filter(({ kind }) => kind === 'group');
    history.transaction(() => {
      for (const { id } of groups) {
        const last = history.lastMessage(id);
        const unread = last === null ? [] : history.undisplayed(id, last.id);
        for (const message of unread) if (isBlocked(message.from)) history.setMessageState(message.id, 'displayed', null, 'in');
      }
    });
    for (const { id } of groups) conversationChanged(id);
  }

  /** Ends every session cleanly; groups are not left. */
  async close(): Promise<void> {
    this.outbox.dispose();
    this.#upgrades.dispose();
    await Promise.allSettled([this.#oneToOne.closeAll(), this.#large.closeAll(), this.groups.closeAll(), this.invitations.closeAll()]);
    this.dispose();
  }

  dispose(): void {
    this.outbox.dispose();
    this.groups.dispose();
    this.#inbox.dispose();
    this.#telling.dispose();
    this.#context.people.dispose();
    this.#upgrades.dispose();
    this.search.dispose();
  }

  #live(record: ConversationRecord): LiveParts {
    const { id, kind } = record;
    if (kind === 'group') {
      const encrypted = this.groups.sessions.current(id)?.isEncrypted ?? null;
      return { session: this.groups.state(id), pending: null, peerDevice: null, encrypted };
    }
    const encrypted = this.#oneToOne.current(id)?.isEncrypted ?? null;
    return { session: this.#oneToOne.state(id), pending: this.#oneToOne.pending(id), peerDevice: this.#oneToOne.peerDevice(id), encrypted };
  }
}
