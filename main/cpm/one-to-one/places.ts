/**
 * Places for 1-1 sessions. Nobody can take those of others: people to whom this account has written come first, and all strangers share a few.
 * Anonymous callers are strangers, since one caller may come under any number of temporary addresses.
 */
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';

/** LAB: 1-1 sessions that live at a time, and invitations that wait to be answered; more are refused with 486. */
export const MAX_SESSIONS = 64;
/** LAB: the places among them that strangers may have together. */
export const STRANGER_PLACES = 16;
/** LAB: the newest messages of a conversation in which one of this account's own makes the other side a known person. */
const LOOKED_AT = 100;

export class Places {
  /** Conversations with strangers that have, or had, a place. */
  readonly #strangers = new Set<string>();

  constructor(
    private readonly context: Pick<CpmContext, 'history'>,
    /** The conversations with a session that lives, or an invitation that waits. */
    private readonly taken: () => ReadonlySet<string>,
  ) {}

  /** Whether somebody who calls may have a place; `conversation` is the one with them, null for a new one. */
  hasRoomFor(conversation: ConversationRecord | null): boolean {
    const taken = this.taken();
    // A person who calls again keeps the place that they have.
    if (conversation !== null && taken.has(conversation.id)) return true;
    if (taken.size >= MAX_SESSIONS) return false;
    if (this.#isKnown(conversation)) return true;
    for (const id of this.#strangers) if (!taken.has(id)) this.#strangers.delete(id);
    return this.#strangers.size < STRANGER_PLACES;
  }

  /** Somebody has called and is in this conversation now. */
  take(conversation: ConversationRecord): void {
    if (!this.#isKnown(conversation)) this.#strangers.add(conversation.id);
  }

  #isKnown(conversation: ConversationRecord | null): boolean {
    if (conversation === null || conversation.hides === 'peer') return false;
    return this.context.history.messages(conversation.id, { limit: LOOKED_AT }).some(({ direction }) => direction === 'out');
  }
}
