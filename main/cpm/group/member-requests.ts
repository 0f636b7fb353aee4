/** What a member asks of a group: bring people in, put them out, change its name or picture, take a nickname. The focus decides. */
import { AppError } from '../../../preload/contract/errors';
import { usableNickname } from '../../../protocol/nickname';
import type { CpmContext } from '../conversation/context';
import type { Targets } from '../conversation/targets';
import type { GroupDataRequests } from './data';
import { invitedPeople } from './factory';
import { readableIcon } from './icon';
import type { PendingMembers } from './pending';
import type { GroupReturn } from './return';
import { namesAtHand, type Rosters } from './roster';

export class MemberRequests {
  readonly #context: CpmContext;
  readonly #parts: MemberRequestParts;

  constructor(context: CpmContext, parts: MemberRequestParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * Brings further people into a group, through its focus (R54). Resolves when the focus has taken the requests.
   * @throws AppError `sip/rejected` (403 when the group is closed or full), `conversation/no-session`, `ipc/refused` where all are in it
   */
  async add(conversation: string, addresses: readonly string[]): Promise<void> {
    const group = this.#parts.targets.conversation(conversation);
    const inside = this.#parts.rosters.participants(conversation).filter((one) => one.state !== 'disconnected');
    const isPresent = (address: string) => this.#context.isSelf(address) || inside.some((one) => one.address === address);
    const invited = invitedPeople(addresses, isPresent, namesAtHand(this.#context));
    const session = await this.#parts.returning.ensure(group);
    for (const one of invited) await session.sip?.refer(one.address);
    this.#parts.pending.added(conversation, invited);
  }

  /**
   * Puts a person out of a group. Resolves when the focus has taken the request.
   * @throws AppError `sip/rejected` (403: only the administrator may), `conversation/*`, `ipc/refused`
   */
  async remove(conversation: string, address: string): Promise<void> {
    const { targets, returning, pending } = this.#parts;
    const group = targets.joinedGroup(conversation);
    const key = targets.address(address);
    const session = await returning.ensure(group);
    pending.removed(conversation, key);
    await session.sip?.refer(key, 'BYE');
  }

  /**
   * Renames a group for everybody in it. Resolves when the focus has done so.
   * @throws AppError `sip/rejected` with the focus' code (403 not allowed, 413 too long), `net/timeout`, `conversation/*`, `ipc/refused`
   */
  async rename(conversation: string, subject: string): Promise<void> {
    const { targets, returning, data } = this.#parts;
    const group = targets.joinedGroup(conversation);
    await data.ask(group, await returning.ensure(group), { target: 'subject', action: 'set', data: subject.trim() });
  }

  /**
   * Changes the picture of a group for everybody in it; null takes it away. Resolves when the focus has done so.
   * @throws AppError `group/bad-icon`, and as `rename`; with 415 and 413 the focus refuses the picture
   */
  async setIcon(conversation: string, icon: string | null): Promise<void> {
    const { targets, returning, data } = this.#parts;
    const group = targets.joinedGroup(conversation);
    const change = icon === null ? ({ action: 'delete', data: null } as const) : ({ action: 'set', data: readableIcon(icon) } as const);
    await data.ask(group, await returning.ensure(group), { target: 'icon', ...change });
  }

  /**
   * Takes a nickname in a group; an empty one gives it up. Resolves when the network has it; the roster tells everybody.
   * @throws AppError `group/nickname-taken`, `group/bad-nickname`, `msrp/*`, `net/*`, `conversation/*`, `ipc/refused`
   */
  async setNickname(conversation: string, wanted: string): Promise<void> {
    const { targets, returning } = this.#parts;
    const group = targets.joinedGroup(conversation);
    const nickname = usableNickname(wanted);
    if (nickname === null) throw new AppError('group/bad-nickname', { cause: wanted.slice(0, 80) }, 'user');
    const session = await returning.ensure(group);
    await session.nickname(nickname).catch((error: unknown) => {
      const status = error instanceof AppError && error.code === 'msrp/rejected' ? error.detail.status : null;
      // RFC 7701 has 425; some switches say with 423 that a name is taken.
      if (status === 425 || status === 423) throw new AppError('group/nickname-taken', { status }, 'user');
      if (status === 424) throw new AppError('group/bad-nickname', { status }, 'user');
      throw error;
    });
  }
}

export interface MemberRequestParts {
  readonly targets: Targets;
  readonly returning: GroupReturn;
  readonly rosters: Rosters;
  readonly data: GroupDataRequests;
  readonly pending: PendingMembers;
}
