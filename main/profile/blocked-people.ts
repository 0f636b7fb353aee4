/** The addresses that this person has blocked. They are read once and held in memory, because every message needs them. */
import { AppError } from '../../preload/contract/errors';
import { correspondentKey } from '../../protocol/uri';
import type { Settings } from './settings';

export class BlockedPeople {
  readonly #settings: Settings;
  #addresses: ReadonlySet<string>;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#addresses = new Set(settings.blocked);
  }

  get list(): string[] {
    return [...this.#addresses];
  }

  has(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** @throws AppError `ipc/refused` when there are too many, `storage/*`; nothing changes then */
  block(key: string): void {
    this.#keep([...this.list.filter((one) => one !== key), key]);
  }

  unblock(key: string): void {
    this.#keep(this.list.filter((one) => one !== key));
  }

  #keep(addresses: string[]): void {
    this.#settings.blocked = addresses;
    this.#addresses = new Set(addresses);
  }
}

/** The key of an address that is not one's own. @throws AppError account/bad-address */
export function strangerKey(address: string, self: string | null): string {
  const key = correspondentKey(/^[^@:\s]+@[^@\s]+$/.test(address.trim()) ? `sip:${address.trim()}` : address);
  if (key === null || key === self) throw new AppError('account/bad-address', { cause: address }, 'user');
  return key;
}
