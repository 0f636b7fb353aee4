import { type Disposable, disposable } from './disposable';

/** How a listener's exception leaves the Emitter: never into the one who announced. */
let reportListenerError: (error: unknown) => void = (error) => {
  console.error('A listener failed:', error);
};

/** Sends exceptions of Emitter listeners to `report`. Set once, by the composition root. */
export function setListenerErrorReporter(report: (error: unknown) => void): void {
  reportListenerError = report;
}

/** One typed event. Announces a change of state; it never asks for one. */
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
