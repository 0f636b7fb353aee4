/**
 * Whose turn it is to tell of a message that several devices have had from the network: each waits for its place among those that are there, and
 * tells if nobody has by then. Until then the message is owed, on disk. Two that tell do no harm.
 */
import type { MessageEvent, RawEvent } from './events';
import { isDeleted } from './joins';
import { isReachable, type SiblingWork } from './siblings';
import type { OwnStore } from './store';

/** LAB: how long each further device waits. */
const RANK_MS = 1_000;

export interface TurnsDeps {
  work: SiblingWork;
  store: OwnStore;
  instance: string;
  write(events: readonly RawEvent[]): void;
}

export class Turns {
  readonly #deps: TurnsDeps;

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
    for (const { key } of deps.store.owed()) this.#tellLater(key);
  }

  /** Whether the others know a message, or will be told of it. */
  knows(key: string): boolean {
    const { store } = this.#deps;
    return store.element('msg', key) !== undefined || store.owed().some((owed) => owed.key === key);
  }

  /** A message has come from the network; it is on disk when this returns. `mayHave`: other devices may have it from there, too. */
  came(message: MessageEvent, mayHave: boolean): void {
    const { store, write } = this.#deps;
    const key = message.k;
    if (this.knows(key) || isDeleted(store, key)) return;
    if (mayHave && this.#rank() > 0) {
      store.transaction(() => store.setOwed(key, message));
      this.#tellLater(key);
    } else write([message]);
  }

  /** The place of this device among the present ones. */
  #rank(): number {
    const { work, instance } = this.#deps;
    const present = work
      .siblings()
      .filter(isReachable)
      .map((sibling) => sibling.instance);
    return [...present, instance].sort().indexOf(instance);
  }

  #tellLater(key: string): void {
    const { work, store, write } = this.#deps;
    work.after(this.#rank() * RANK_MS, () => {
      const owed = store.owed().find((one) => one.key === key);
      if (owed !== undefined) write([owed.event]);
    });
  }
}
