/**
 * Group sessions, as this device takes part in them.
 *
 *   none -> inviting -> joined <-> away (lost connections come back by themselves: `comeback.ts`)
 *              |           |
 *              v           +-> left (the person left, an administrator put them out, or the network ended the group with 410)
 *            none (nobody joined)
 *
 * One file for each way: `create.ts`, `join.ts`, `return.ts`; what a member asks for is in `member-requests.ts`. If the network has forgotten the group
 * (404), the first member who comes back restarts it (`factory.ts`).
 */
import type { SessionState } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { CpmContext } from '../conversation/context';
import { understood } from '../conversation/refusals';
import type { Targets } from '../conversation/targets';
import type { Inbox } from '../inbox/inbox';
import type { Invitations } from '../one-to-one/invitations';
import type { Upgrades } from '../upgrade/upgrades';
import { GroupCreation } from './create';
import { GroupDataRequests } from './data';
import { GroupJoining } from './join';
import { MemberRequests } from './member-requests';
import { OwnDevices } from './own-devices';
import { type AwaitedMembers, PendingMembers } from './pending';
import { GroupReturn } from './return';
import { Rosters } from './roster';
import { GroupSessions } from './sessions';

export type { AwaitedMembers };

export class Groups {
  readonly sessions: GroupSessions;
  readonly rosters: Rosters;
  readonly joining: GroupJoining;
  readonly returning: GroupReturn;
  readonly requests: MemberRequests;
  readonly ownDevices: OwnDevices;
  readonly pending: PendingMembers;
  readonly #creation: GroupCreation;
  readonly #targets: Targets;

  constructor(
    context: CpmContext,
    parts: { inbox: Inbox; invitations: Invitations; upgrades: Upgrades; targets: Targets; awaited: AwaitedMembers },
  ) {
    const { upgrades, targets, awaited } = parts;
    const data = new GroupDataRequests(context);
    this.#targets = targets;
    this.rosters = new Rosters(context, awaited.awaited, (group, participants) => {
      upgrades.rosterCame(group, this.rosters.listed(group.id));
      this.pending.rosterCame(group.id, participants);
      this.ownDevices.rosterCame();
    });
    this.sessions = new GroupSessions(context, {
      ...parts,
      ...{ data, rosters: this.rosters },
      lost: (group) => this.returning.lost(group),
    });
    this.ownDevices = new OwnDevices(context, this.rosters, () => this.sessions.all());
    this.returning = new GroupReturn(context, this.sessions, data, targets, {
      ask: (group) => this.#creation.ask(group),
      reached: (group) => parts.inbox.heardFrom(group, null),
      inviteAgain: (group) => awaited.inviteAgain(group),
    });
    this.joining = new GroupJoining(context, { ...parts, sessions: this.sessions, returning: this.returning });
    this.pending = new PendingMembers(context, { awaited, upgrades, rosters: this.rosters, returning: this.returning });
    const { rosters, returning, pending } = this;
    this.requests = new MemberRequests(context, { targets, data, rosters, returning, pending });
    this.#creation = new GroupCreation(context, { sessions: this.sessions, upgrades, pending, returning });
  }

  state(conversation: string): SessionState {
    const session = this.sessions.current(conversation);
    if (session !== null) return session.state === 'established' ? 'established' : 'pending';
    return this.returning.isUnderWay(conversation) ? 'pending' : 'ended';
  }

  /**
   * Adds people to a conversation: a group takes them in, a 1-1 is upgraded to a group (R49). Resolves to the conversation that they are in afterwards.
   * @throws AppError as `GroupCreation.create` and `MemberRequests.add`; `conversation/blocked`, `account/bad-address`, `ipc/refused`
   */
  async addPeople(conversation: string, people: readonly string[], subject?: string): Promise<{ conversation: string }> {
    const record = this.#targets.conversation(conversation);
    if (record.hides !== undefined) throw new AppError('ipc/refused', { cause: 'no group grows out of an anonymous conversation' });
    const addresses = people.map((one) => this.#targets.address(one));
    this.#targets.mustNotBeBlocked(addresses);
    try {
      if (record.kind === 'oneToOne') return { conversation: (await this.#creation.create(record, addresses, subject?.trim() || null)).id };
      await this.requests.add(conversation, addresses);
      return { conversation };
    } catch (error) {
      throw understood(error);
    }
  }

  /** Ends the sessions without leaving the groups: this device is only going away. */
  async closeAll(): Promise<void> {
    this.dispose();
    await this.sessions.closeAll();
  }

  dispose(): void {
    this.ownDevices.dispose();
    this.returning.dispose();
  }
}
