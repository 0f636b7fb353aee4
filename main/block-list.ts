/** The list of blocked people, wherever a change of it comes from: a call, what the network says of an address, or another own device. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account/account';
import type { AccountDeps } from './account/deps';
import type { BlockedPeople } from './profile/blocked-people';

export interface BlockListDeps {
  /** @throws AppError why there is no open profile */
  blocked(): BlockedPeople;
  accounts(): readonly Account[];
  announce(event: AppEventBody): void;
}

export class BlockListChanges implements Pick<AccountDeps, 'alsoBlock' | 'blocks' | 'isBlocked'> {
  readonly #deps: BlockListDeps;
  /** As other own devices change it. */
  readonly blocks: AccountDeps['blocks'];

  constructor(deps: BlockListDeps) {
    this.#deps = deps;
    this.blocks = {
      list: () => deps.blocked().list,
      keep: (address, isBlocked) => (isBlocked ? deps.blocked().block(address) : deps.blocked().unblock(address)),
      changed: (addresses) => this.#changed(addresses),
    };
  }

  readonly isBlocked = (address: string): boolean => this.#deps.blocked().has(address);

  readonly alsoBlock = (addresses: readonly string[]): void => {
    if (this.#deps.blocked().learn(addresses)) this.#announce();
  };

  /** @throws AppError as `BlockedPeople.block` */
  block(address: string): string[] {
    this.#deps.blocked().block(address);
    return this.#changed([address]);
  }

  /** @throws AppError as `BlockedPeople.unblock` */
  unblock(address: string): string[] {
    this.#deps.blocked().unblock(address);
    return this.#changed([address]);
  }

  #changed(addresses: readonly string[]): string[] {
    const list = this.#announce();
    for (const { messenger } of this.#deps.accounts()) {
      const blocked = addresses.filter((one) => this.isBlocked(one));
      for (const one of blocked) messenger.blocked(one);
      if (blocked.length < addresses.length) messenger.unblocked();
    }
    return list;
  }

  #announce(): string[] {
    const { list } = this.#deps.blocked();
    this.#deps.announce({ event: 'blocked', blocked: list });
    for (const account of this.#deps.accounts()) account.blocksChanged();
    return list;
  }
}
