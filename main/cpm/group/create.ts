/**
 * A group is made of a 1-1 and further people (R50 to R54), as A does it. What becomes of the 1-1 is decided in `upgrade/upgrade.ts`.
 *
 *   wanted, on disk and not shown -> asking --200--> made
 *                                      |--nobody is there, no network--> waiting: it is shown, and is asked for again until somebody comes
 *                                      +--refused--> forgotten
 *
 * It is on disk before anybody is asked, so that a device that dies meanwhile finds it, and its people, when it comes back.
 */
import { AppError } from '../../../preload/contract/errors';
import { encodeReplacingEntry, type ResourceEntryDraft } from '../../../protocol/resource-lists';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { newConversation } from '../conversation/record';
import type { CpmSession } from '../session/session';
import type { Upgrades } from '../upgrade/upgrades';
import { invitedPeople, inviteThroughFactory, nobodyJoined } from './factory';
import type { PendingMembers } from './pending';
import type { GroupReturn } from './return';
import type { GroupSessions } from './sessions';

export class GroupCreation {
  readonly #context: CpmContext;
  readonly #sessions: GroupSessions;
  readonly #upgrades: Upgrades;
  readonly #pending: PendingMembers;
  readonly #returning: GroupReturn;

  constructor(
    context: CpmContext,
    parts: { sessions: GroupSessions; upgrades: Upgrades; pending: PendingMembers; returning: GroupReturn },
  ) {
    this.#context = context;
    this.#sessions = parts.sessions;
    this.#upgrades = parts.upgrades;
    this.#pending = parts.pending;
    this.#returning = parts.returning;
  }

  /**
   * Resolves when this device is in the group, or when the group waits for its people or for the network. The Controlling Function answers as soon as
   * anybody has accepted (R65).
   * @throws AppError `group/nobody-joined` where somebody has declined, `sip/*`; the 1-1 is then untouched
   */
  async create(from: ConversationRecord, people: readonly string[], subject: string | null): Promise<ConversationRecord> {
    const { history, clock, isSelf, knownPeople } = this.#context;
    const { peer } = from;
    if (from.kind !== 'oneToOne' || peer === null) throw new AppError('internal', { cause: 'a group grows by add' });
    const invited = invitedPeople(people, (one) => isSelf(one) || one === peer, knownPeople);
    const group = newConversation(clock, {
      kind: 'group',
      subject,
      people: [...from.people, ...invited],
      contributionId: clock.uuid(),
      continues: from.id,
      // The focus, and B whose 1-1 is replaced, know the person by the address and the name that the 1-1 is written as.
      ...(from.writesAs === undefined ? {} : { writesAs: from.writesAs }),
      ...(from.pseudonym === undefined ? {} : { pseudonym: from.pseudonym }),
    });
    history.transaction(() => {
      history.addConversation(group);
      history.setMarks(group.id, { isHidden: true });
    });
    try {
      await this.#returning.ensure(group);
    } catch (error) {
      const isMade = history.conversation(group.id)?.focus != null;
      if (!isMade && !this.#returning.waitsAfter(group.id, error)) {
        history.removeUnbegun(group.id);
        throw error;
      }
      history.setMarks(group.id, { isHidden: false });
    }
    return history.conversation(group.id) ?? group;
  }

  /**
   * Asks for a group that does not exist yet. Resolves with its session when messages flow.
   * @throws AppError as `create`, and where nobody is there or the network is not
   */
  async ask(group: ConversationRecord): Promise<CpmSession> {
    const { history } = this.#context;
    const from = this.#continued(group);
    const replaced = from === null ? null : await this.#upgrades.sessionToReplace(from.id);
    const entries = group.people.map(({ address }): ResourceEntryDraft => {
      const isReplaced = replaced !== null && address === from?.peer;
      return isReplaced ? this.#replacingEntry(replaced, address) : { uri: address, copyControl: 'to' };
    });
    const receive = this.#sessions.contentOf(group.id);
    const session = inviteThroughFactory(this.#context, group, { entries, inReplyTo: replaced?.contributionId, receive });
    const upgrade = from === null ? null : this.#upgrades.ask(from.id, group.id, replaced);
    try {
      await session.answered;
    } catch (error) {
      await upgrade?.happened('declined');
      throw nobodyJoined(error);
    }
    const { focus } = session;
    history.updateConversation(group.id, { focus });
    history.setMarks(group.id, { isHidden: false });
    this.#sessions.hold({ ...group, focus }, session);
    this.#pending.added(group.id, group.people);
    await upgrade?.happened('groupAnswered');
    // If this device never gets in, the 1-1 goes on (R58).
    await session.opened;
    await upgrade?.happened('groupOpened');
    return session;
  }

  /** The 1-1 that a group is to continue, unless another group continues it meanwhile, or it was deleted. */
  #continued({ id, continues, createdAt }: ConversationRecord): ConversationRecord | null {
    const { history } = this.#context;
    const from = continues === null ? null : history.conversation(continues);
    const other = from?.continuedBy == null || from.continuedBy === id ? null : history.conversation(from.continuedBy);
    return other !== null && other.createdAt > createdAt ? null : from;
  }

  /** The entry of B: the device that holds the 1-1 session, and the mark that the group replaces it (R50, R52). */
  #replacingEntry({ remote, contributionId }: CpmSession, peer: string): ResourceEntryDraft {
    const domain = this.#context.self.split('@')[1] ?? '';
    return encodeReplacingEntry({ uri: remote?.gruu ?? peer, instanceId: remote?.instanceId ?? null, contributionId, domain });
  }
}
