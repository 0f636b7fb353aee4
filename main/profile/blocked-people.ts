/**
 * Whom this person has blocked, by address. Read once and kept: it is asked at every message.
 *
 * A person has more addresses than one. The SIP and the TEL form of a telephone number count as one address; further ones are known only where the
 * network names them together (`learn`), and are then blocked as entries of their own, so that the person sees them in the list.
 */
import { AppError } from '../../preload/contract/errors';
import { phoneNumberOf } from '../../protocol/phone-number';
import { correspondentKey } from '../../protocol/uri';
import { MAX_BLOCKED, type Settings } from './settings';

export class BlockedPeople {
  readonly #settings: Settings;
  #addresses: ReadonlySet<string>;
  #numbers: ReadonlySet<string>;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#addresses = new Set(settings.blocked);
    this.#numbers = numbersOf(this.#addresses);
  }

  get list(): string[] {
    return [...this.#addresses];
  }

  has(address: string): boolean {
    if (this.#addresses.has(address)) return true;
    const number = this.#numbers.size === 0 ? null : phoneNumberOf(address);
    return number !== null && this.#numbers.has(number);
  }

  /** @throws AppError `ipc/refused` when there are too many, `storage/*`; nothing changes then */
  block(key: string): void {
    this.#keep([...this.list.filter((one) => one !== key), key]);
  }

  /** Unblocks the other form of a telephone number, too. */
  unblock(key: string): void {
    const number = phoneNumberOf(key);
    this.#keep(this.list.filter((one) => one !== key && (number === null || phoneNumberOf(one) !== number)));
  }

  /**
   * The network says that these addresses are one person's. If one of them is blocked, all are from now on. False: nothing has changed, also where
   * the list is full.
   * @throws AppError `storage/*`
   */
  learn(addresses: readonly string[]): boolean {
    const others = addresses.filter((one) => !this.has(one));
    if (others.length === addresses.length || others.length === 0 || this.#addresses.size + others.length > MAX_BLOCKED) return false;
    this.#keep([...this.list, ...others]);
    return true;
  }

  #keep(addresses: string[]): void {
    this.#settings.blocked = addresses;
    this.#addresses = new Set(addresses);
    this.#numbers = numbersOf(this.#addresses);
  }
}

function numbersOf(addresses: Iterable<string>): Set<string> {
  return new Set([...addresses].flatMap((address) => phoneNumberOf(address) ?? []));
}

/** The key of an address that is not one's own. @throws AppError account/bad-address */
export function strangerKey(address: string, selves: readonly string[]): string {
  const key = correspondentKey(/^[^@:\s]+@[^@\s]+$/.test(address.trim()) ? `sip:${address.trim()}` : address);
  if (key === null || selves.includes(key)) throw new AppError('account/bad-address', { cause: address }, 'user');
  return key;
}
