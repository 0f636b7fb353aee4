/**
 * People whom this client has added to a group while none of their devices was on. They are members who have not come yet: in the same chat, and invited
 * again by this client until they come, decline, are removed, or the group is over.
 *
 *   added -> awaited --roster: connected--> member
 *               |------roster: declined, left, removed--> as the roster says
 *               +------removed here, group over-----> out
 */
import type { ParticipantValue, PersonValue } from '../../../preload/contract';
import { encodeReplacingEntry } from '../../../protocol/resource-lists';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { notInGroup } from '../conversation/targets';
import type { Upgrades } from '../upgrade/upgrades';
import type { GroupReturn } from './return';
import type { Rosters } from './roster';

/** Where it is kept who has still to come; it outlives the program. */
export interface AwaitedMembers {
  awaited(group: string): string[];
  awaitMember(group: string, person: string): void;
  awaitNoMore(group: string, person: string): void;
  /** This device is in the group again: they are invited now. */
  inviteAgain(group: string): void;
}

export class PendingMembers {
  readonly #members: AwaitedMembers;
  readonly #rosters: Rosters;
  readonly #returning: GroupReturn;
  readonly #upgrades: Upgrades;
  readonly #context: Pick<CpmContext, 'history' | 'self'>;

  constructor(
    context: Pick<CpmContext, 'history' | 'self'>,
    parts: { awaited: AwaitedMembers; rosters: Rosters; returning: GroupReturn; upgrades: Upgrades },
  ) {
    this.#context = context;
    this.#members = parts.awaited;
    this.#rosters = parts.rosters;
    this.#returning = parts.returning;
    this.#upgrades = parts.upgrades;
  }

  /** These people were just invited. Nobody outside of SIP is awaited: no device of theirs will ever register here. */
  added(group: string, people: readonly PersonValue[]): void {
    for (const { address } of people) if (/^(?:sips?|tel):/i.test(address)) this.#members.awaitMember(group, address);
    this.#rosters.tell(group);
  }

  removed(group: string, person: string): void {
    this.#members.awaitNoMore(group, person);
    this.#rosters.tell(group);
  }

  rosterCame(group: string, participants: readonly ParticipantValue[]): void {
    for (const person of this.#members.awaited(group)) {
      const one = participants.find(({ address }) => address === person);
      if (one?.state === 'connected' || (one !== undefined && one.reason !== null && one.reason !== 'failed'))
        this.#members.awaitNoMore(group, person);
    }
  }

  /** Asks the focus once more to invite somebody, unless it is just doing so. @throws AppError as `GroupReturn.ensure`; `sip/rejected` */
  async invite(group: ConversationRecord, person: string): Promise<void> {
    if (!group.joined) throw notInGroup();
    const session = await this.#returning.ensure(group);
    const state = this.#rosters.participants(group.id).find(({ address }) => address === person);
    if (state !== undefined && (state.state === 'connected' || state.state === 'dialing-out' || state.state === 'alerting')) return;
    await session.sip?.refer(await this.#entryOf(group, person));
  }

  /** B of an upgrade is named with the 1-1 that the group continues, as in the first invitation (R52). */
  async #entryOf({ id, continues }: ConversationRecord, person: string): Promise<string> {
    const oneToOne = continues === null ? null : this.#context.history.conversation(continues);
    const isOurs = oneToOne?.peer === person && (oneToOne.continuedBy === null || oneToOne.continuedBy === id);
    const replaced = isOurs ? await this.#upgrades.askAgain(oneToOne.id, id) : null;
    if (replaced === null) return person;
    const { gruu, instanceId = null } = replaced.session?.remote ?? {};
    const domain = this.#context.self.split('@')[1] ?? '';
    return encodeReplacingEntry({ uri: gruu ?? person, instanceId, contributionId: replaced.contributionId, domain }).uri;
  }
}
