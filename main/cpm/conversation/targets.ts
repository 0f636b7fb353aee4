/** Whom and what a call means: conversations and addresses as a person or a script names them, looked up and checked. */
import { AppError } from '../../../preload/contract/errors';
import { typedAddress } from '../../../protocol/typed-address';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from './context';

export class Targets {
  readonly #context: CpmContext;

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /** @throws AppError `conversation/unknown` */
  conversation(id: string): ConversationRecord {
    const record = this.#context.history.conversation(id);
    if (record === null) throw new AppError('conversation/unknown', { cause: id });
    return record;
  }

  /** A group that this account is in. `otherwise`: why the call makes no sense in a 1-1. @throws AppError `conversation/*`, `ipc/refused` */
  joinedGroup(id: string, otherwise = 'a 1-1 conversation has neither a name nor an administrator'): ConversationRecord {
    const record = this.group(id, otherwise);
    if (!record.joined) throw notInGroup();
    return record;
  }

  /** A group, also one that this account is not in any more. @throws AppError `conversation/unknown`, `ipc/refused` */
  group(id: string, otherwise: string): ConversationRecord {
    const record = this.conversation(id);
    if (record.kind !== 'group') throw new AppError('ipc/refused', { cause: otherwise });
    return record;
  }

  /** The key of an address as a person types it (protocol/typed-address). @throws AppError `account/bad-address` */
  address(text: string): string {
    const key = typedAddress(text, { aor: this.#context.self, country: this.#context.preferences().country });
    if (key === null) throw new AppError('account/bad-address', { cause: text.trim() }, 'user');
    return key;
  }

  /** @throws AppError `conversation/blocked` */
  mustNotBeBlocked(addresses: readonly string[]): void {
    const blocked = addresses.find((address) => this.#context.isBlocked(address));
    if (blocked !== undefined) throw new AppError('conversation/blocked', { cause: blocked }, 'user');
  }

  /**
   * An anonymous text needs a temporary GRUU: without one it would wait for ever, or go out with the account's name.
   * @throws AppError `privacy/no-temporary-address`
   */
  mustHaveTemporaryAddress(): void {
    if (this.#context.isRegistered() && !this.#context.sip.canHide)
      throw new AppError('privacy/no-temporary-address', { cause: 'the registrar has given no temporary GRUU' }, 'user');
  }
}

export function notInGroup(): AppError {
  return new AppError('conversation/no-session', { cause: 'not in this group any more' }, 'never');
}
