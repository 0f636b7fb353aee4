/**
 * Writes the state of one group to the store. Changes of one turn of the event loop go to disk together, at its end; people whose write
 * failed are written with the next change.
 */
import type { NetworkLog } from '../log';
import type { Group } from './group';
import type { GroupStore } from './store';

type Changes = ReturnType<Group['takeChanges']>;

export interface KeepingDeps {
  group: Group;
  store: GroupStore;
  log: NetworkLog | undefined;
  /** Something in the group has changed; called before it is on disk. */
  onChanges(changes: Changes): void;
  /** A write has been tried. */
  onKept(): void;
}

export class Keeping {
  readonly #deps: KeepingDeps;
  /** The people whose part is not on disk yet. */
  readonly #unkept = new Set<string>();
  #isDue = false;

  constructor(deps: KeepingDeps) {
    this.#deps = deps;
  }

  /** Something has changed: it goes to disk at the end of this turn. */
  note(): void {
    this.#takeChanges();
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      if (this.#isDue) this.keep();
    });
  }

  /** Everything is on disk when this returns, unless the disk fails; that is logged. */
  keep(): void {
    const { group, store, log, onKept } = this.#deps;
    this.#isDue = false;
    this.#takeChanges();
    const people = [...this.#unkept].flatMap((address) => group.participantState(address) ?? []);
    try {
      store.save(group.head(), people);
      this.#unkept.clear();
    } catch (error) {
      log?.('error', 'A group could not be kept; it is tried again with its next change', { error: String(error) });
    }
    onKept();
  }

  #takeChanges(): void {
    const changes = this.#deps.group.takeChanges();
    for (const address of changes.people) this.#unkept.add(address);
    this.#deps.onChanges(changes);
  }
}
