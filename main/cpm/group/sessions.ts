/** The sessions of the groups that this device is in now, with the roster of each; and whether the account belongs to a group at all. */
import type { Disposable } from '../../../base/disposable';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { deviceOf } from '../inbox/door';
import type { Inbox } from '../inbox/inbox';
import { readContent } from '../inbox/reading';
import { type ContentHandler, type CpmSession, completed } from '../session/session';
import type { Upgrades } from '../upgrade/upgrades';
import type { GroupDataRequests } from './data';
import type { Rosters } from './roster';

/** The Reason causes with which a Controlling Function ends a membership: the group is over (410), or an administrator has put the person out (LAB: 403). */
const putOutCause = 403;
/** The cause with which it says that the media of this device was lost (LAB). */
const mediaLostCause = 503;
const outCauses: readonly (number | null)[] = [putOutCause, 410];

interface LiveGroup {
  readonly session: CpmSession;
  roster: Disposable | null;
}

export interface GroupSessionParts {
  readonly inbox: Inbox;
  readonly rosters: Rosters;
  readonly data: GroupDataRequests;
  readonly upgrades: Upgrades;
  /** Called when a session has ended that nobody wanted to end. */
  lost(group: string): void;
}

export class GroupSessions {
  readonly #context: CpmContext;
  readonly #parts: GroupSessionParts;
  /** By the conversation. */
  readonly #live = new Map<string, LiveGroup>();

  constructor(context: CpmContext, parts: GroupSessionParts) {
    this.#context = context;
    this.#parts = parts;
  }

  current(conversation: string): CpmSession | null {
    return this.#live.get(conversation)?.session ?? null;
  }

  all(): { conversation: string; session: CpmSession }[] {
    return [...this.#live].map(([conversation, { session }]) => ({ conversation, session }));
  }

  /** Takes a session as the one of a group, and follows its roster while it stands. */
  hold(group: ConversationRecord, session: CpmSession): void {
    this.#parts.rosters.setPutOut(group.id, false);
    const live: LiveGroup = { session, roster: null };
    this.#live.set(group.id, live);
    const onState = () => {
      if (session.state === 'established') live.roster ??= this.#parts.rosters.watch(group.id, session);
      if (session.state === 'ended') this.#ended(group.id, live);
      this.#context.conversationChanged(group.id);
    };
    session.onState.on(onState);
    onState();
  }

  /** Lets go of the session of a group, so that its end is no event of the group. */
  release(conversation: string): CpmSession | null {
    const session = this.current(conversation);
    this.#live.delete(conversation);
    return session;
  }

  /** The content of one group: answers of its focus, and messages. */
  contentOf(conversation: string): ContentHandler {
    return async (type, body) => {
      if (this.#parts.data.take(type, body)) return;
      const arrival = { conversation, origin: 'live', sender: null, ...deviceOf(null) } as const;
      await this.#parts.inbox.take(arrival, readContent(type, body));
    };
  }

  setJoined(conversation: string, joined: boolean): void {
    this.#context.history.updateConversation(conversation, { joined });
  }

  /** The network says that there is no such group any more, or not for this account. */
  over(group: string): void {
    this.setJoined(group, false);
    this.#parts.upgrades.groupOver(group);
  }

  /** Leaves for good: the account is `departed` at the Controlling Function, which does not invite it again by itself. */
  async leave(group: ConversationRecord): Promise<void> {
    this.setJoined(group.id, false);
    await this.current(group.id)?.close(completed);
  }

  /** Ends the sessions without leaving the groups: this device is only going away. */
  async closeAll(): Promise<void> {
    await Promise.allSettled(this.all().map(({ session }) => session.close()));
  }

  #ended(group: string, live: LiveGroup): void {
    live.roster?.dispose();
    if (this.#live.get(group) !== live) return;
    this.#live.delete(group);
    const end = live.session.sip?.end;
    if (end?.by !== 'remote' || end.cause === mediaLostCause) {
      this.#parts.lost(group);
      return;
    }
    if (outCauses.includes(end.cause)) this.over(group);
    if (end.cause === putOutCause) this.#parts.rosters.setPutOut(group, true);
  }
}
