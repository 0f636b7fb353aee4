import { type Disposable, disposable } from './disposable';

/** Where a listener's exception goes; it never reaches the caller of `emit`. */
let reportListenerError: (error: unknown) => void = (error) => {
  console.error('A listener failed:', error);
};

/** Sends exceptions of Emitter listeners to `report`. The composition root calls this once. */
export function setListenerErrorReporter(report: (error: unknown) => void): void {
  reportListenerError = report;
}

/** One typed event. It announces a change of state and never asks for one. */
export class Emitter<T> implements Disposable {
  readonly #listeners = new Set<(value: T) => void>();

  /** Calls `listener` at every `emit` until the returned Disposable is disposed. */
  on(listener: (value: T) => void): Disposable {
    const entry = (value: T) => listener(value);
    this.#listeners.add(entry);
    return disposable(() => this.#listeners.delete(entry));
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        reportListenerError(error);
      }
    }
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
