/** A group is made of a 1-1 and further people (R50 to R54), as A does it. What becomes of the 1-1 is decided in `upgrade/upgrade.ts`. */
import { AppError } from '../../../preload/contract/errors';
import { encodeReplacingEntry, type ResourceEntryDraft } from '../../../protocol/resource-lists';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { newConversation } from '../conversation/record';
import type { CpmSession } from '../session/session';
import type { Upgrades } from '../upgrade/upgrades';
import { invitedPeople, inviteThroughFactory, nobodyJoined } from './factory';
import type { PendingMembers } from './pending';
import type { GroupSessions } from './sessions';

export class GroupCreation {
  readonly #context: CpmContext;
  readonly #sessions: GroupSessions;
  readonly #upgrades: Upgrades;
  readonly #pending: PendingMembers;

  constructor(context: CpmContext, parts: { sessions: GroupSessions; upgrades: Upgrades; pending: PendingMembers }) {
    this.#context = context;
    this.#sessions = parts.sessions;
    this.#upgrades = parts.upgrades;
    this.#pending = parts.pending;
  }

  /**
   * Resolves when this device is in the group. The Controlling Function answers as soon as anybody has accepted (R65).
   * @throws AppError `group/nobody-joined`, `sip/*`, `net/*`; the 1-1 is then untouched
   */
  async create(from: ConversationRecord, people: readonly string[], subject: string | null): Promise<ConversationRecord> {
    const { history, clock, isSelf, knownPeople } = this.#context;
    const { peer } = from;
    if (from.kind !== 'oneToOne' || peer === null) throw new AppError('internal', { cause: 'a group grows by add' });
    const invited = invitedPeople(people, (one) => isSelf(one) || one === peer, knownPeople);
    const replaced = await this.#upgrades.sessionToReplace(from.id);
    const group = newConversation(clock, {
      kind: 'group',
      subject,
      people: [...from.people, ...invited],
      contributionId: clock.uuid(),
      continues: from.id,
      // The focus, and B whose 1-1 is replaced, know the person by the address that the 1-1 is written as.
      ...(from.writesAs === undefined ? {} : { writesAs: from.writesAs }),
    });
    const entries = [
      replaced === null ? { uri: peer, copyControl: 'to' as const } : this.#replacingEntry(replaced, peer),
      ...invited.map((one): ResourceEntryDraft => ({ uri: one.address, copyControl: 'to' })),
    ];
    const receive = this.#sessions.contentOf(group.id);
    const session = inviteThroughFactory(this.#context, group, { entries, inReplyTo: replaced?.contributionId, receive });
    const upgrade = this.#upgrades.ask(from.id, group.id, replaced);
    try {
      await session.answered;
    } catch (error) {
      await upgrade.happened('declined');
      throw nobodyJoined(error);
    }
    const answered: ConversationRecord = { ...group, focus: session.remote?.contactUri ?? null };
    history.addConversation(answered);
    this.#pending.added(answered.id, invited);
    this.#sessions.hold(answered, session);
    await upgrade.happened('groupAnswered');
    // If this device never gets in, the 1-1 goes on (R58).
    await session.opened;
    await upgrade.happened('groupOpened');
    return answered;
  }

  /** The entry of B: the device that holds the 1-1 session, and the mark that the group replaces it (R50, R52). */
  #replacingEntry({ remote, contributionId }: CpmSession, peer: string): ResourceEntryDraft {
    const domain = this.#context.self.split('@')[1] ?? '';
    return encodeReplacingEntry({ uri: remote?.gruu ?? peer, instanceId: remote?.instanceId ?? null, contributionId, domain });
  }
}
