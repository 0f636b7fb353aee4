/** Drafts are told when the person pauses, not letter by letter; a text that was sent or cleared, at once. */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';

/** LAB: how long after its last change a draft is told to the other own devices. */
const draftPauseMs = 3_000;

export class Drafts implements Disposable {
  readonly #clock: Pick<Clock, 'setTimer'>;
  /** Sets the register of this name to what the draft is by then. */
  readonly #tell: (name: string) => void;
  readonly #waiting = new Map<string, Disposable>();

  constructor(clock: Pick<Clock, 'setTimer'>, tell: (name: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  changed(name: string, isEmpty: boolean): void {
    this.#waiting.get(name)?.dispose();
    const timer = this.#clock.setTimer(isEmpty ? 0 : draftPauseMs, () => {
      this.#waiting.delete(name);
      this.#tell(name);
    });
    this.#waiting.set(name, timer);
  }

  /** What is not told yet is told at the next start. */
  dispose(): void {
    for (const timer of this.#waiting.values()) timer.dispose();
    this.#waiting.clear();
  }
}
