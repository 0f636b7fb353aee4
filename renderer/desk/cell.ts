import { useSyncExternalStore } from 'react';

/** One value that changes and tells its listeners. The value is never changed in place, so comparing references is enough. */
export class Cell<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
}

/** `select` returns a part of the value that keeps its reference while unchanged, or a primitive. */
export function useCell<T, Part>(cell: Cell<T>, select: (value: T) => Part): Part {
  return useSyncExternalStore(cell.subscribe, () => select(cell.get()));
}
