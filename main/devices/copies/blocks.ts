/**
 * Whom the person has blocked, the same on all of their devices: a register for each address, so that two devices can block two people at once. The
 * list itself is kept by the profile, outside of the history; it is written first, so what a crash leaves apart is found at the next start. Then
 * whoever is blocked on either side is blocked: nobody gets through because a disk was slow.
 */
import { AppError } from '../../../preload/contract/errors';
import type { OwnStore } from '../../own/store';

/** LAB: registers looked at together. */
const BATCH = 200;
const PREFIX = 'block|';

/** The list of blocked people, as the profile keeps it. */
export interface BlockList {
  list(): readonly string[];
  /** On disk when it returns. @throws AppError ipc/refused where the list is full, storage/* */
  keep(address: string, isBlocked: boolean): void;
  /** Somebody was blocked or unblocked by another device, and that is on disk everywhere: tells the person and the chats. */
  changed(addresses: readonly string[]): void;
}

export class Blocks {
  readonly #list: BlockList;
  readonly #store: Pick<OwnStore, 'element' | 'keys'>;
  readonly #set: (name: string, isBlocked: boolean) => void;
  /** Changed in the transaction at hand. */
  #changed: string[] = [];
  /** Blocked on other devices, and the list here is full: that is no word of this person that they are not to be blocked. */
  readonly #unkept = new Set<string>();

  constructor(list: BlockList, store: Pick<OwnStore, 'element' | 'keys'>, set: (name: string, isBlocked: boolean) => void) {
    this.#list = list;
    this.#store = store;
    this.#set = set;
  }

  /** At the start. */
  join(): void {
    const blocked = new Set(this.#list.list());
    const missing = this.#told().filter((address) => !blocked.has(address));
    for (const address of missing) this.#keep(address, true);
    if (missing.length > 0) this.#list.changed(missing);
    this.listChanged();
  }

  /** The person has blocked or unblocked somebody on this device. */
  listChanged(): void {
    const blocked = new Set(this.#list.list());
    const told = new Set(this.#told());
    for (const address of blocked) if (!told.has(address)) this.#set(PREFIX + address, true);
    for (const address of told) if (!blocked.has(address) && !this.#unkept.has(address)) this.#set(PREFIX + address, false);
  }

  /** Another device has set a register. @returns whether it is one of a block */
  take(name: string, value: unknown): boolean {
    if (!name.startsWith(PREFIX)) return false;
    const address = name.slice(PREFIX.length);
    const isBlocked = value === true;
    if (this.#list.list().includes(address) === isBlocked) return true;
    if (this.#keep(address, isBlocked)) this.#changed.push(address);
    return true;
  }

  /** A full list stops nothing else that other devices tell. @returns whether the list has changed */
  #keep(address: string, isBlocked: boolean): boolean {
    this.#unkept.delete(address);
    try {
      this.#list.keep(address, isBlocked);
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'ipc/refused') throw error;
      this.#unkept.add(address);
      return false;
    }
  }

  /** The transaction that joined it is over. */
  settled(): void {
    const changed = this.#changed;
    this.#changed = [];
    if (changed.length > 0) this.#list.changed(changed);
  }

  #told(): string[] {
    const found: string[] = [];
    for (let after = ''; ; ) {
      const names = this.#store.keys('reg', PREFIX, after, BATCH);
      found.push(...names.filter((name) => (this.#store.element('reg', name) as { val: unknown }).val === true));
      if (names.length < BATCH) return found.map((name) => name.slice(PREFIX.length));
      after = names.at(-1) ?? '';
    }
  }
}
