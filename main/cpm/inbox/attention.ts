/**
 * Draws the person's attention to a message that has come, once on all of their devices: at once on the device that had it from the network; on one
 * that had it from another device only if nobody has read it after a while, since the person may be reading it there.
 */
import type { Disposable } from '../../../base/disposable';
import type { MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import type { Tells } from './door';

/** LAB: how long a copy waits for whether another device shows it. */
export const copyTellsAfterMs = 2_000;
/** LAB: copies that wait at a time. What a device that was off for long is brought is too much to be told one by one. */
export const maxWaitingCopies = 100;

export class Attention implements Disposable {
  readonly #context: Pick<CpmContext, 'announce' | 'clock' | 'history'>;
  readonly #waiting = new Set<Disposable>();
  /** Added by the work at hand, and told when it is on disk. */
  #due: string[] = [];

  constructor(context: Pick<CpmContext, 'announce' | 'clock' | 'history'>) {
    this.#context = context;
  }

  /** A message was added in the transaction at hand. */
  added({ id, direction, state }: MessageRecord, tells: Tells): void {
    if (direction !== 'in' || state !== 'received' || tells === 'never') return;
    if (tells === 'at once') this.#due.push(id);
    else if (this.#waiting.size < maxWaitingCopies) {
      const timer = this.#context.clock.setTimer(copyTellsAfterMs, () => {
        this.#waiting.delete(timer);
        this.#draw(id);
      });
      this.#waiting.add(timer);
    }
  }

  /** Does what may add messages. @returns what draws the attention to them, for when they are on disk */
  during(work: () => void): () => void {
    this.#due = [];
    work();
    const due = this.#due;
    return () => {
      for (const id of due) this.#draw(id);
    };
  }

  dispose(): void {
    for (const timer of this.#waiting) timer.dispose();
    this.#waiting.clear();
  }

  /** Unless it was read or deleted meanwhile. */
  #draw(id: string): void {
    const message = this.#context.history.message(id, 'in');
    if (message?.state !== 'received') return;
    this.#context.announce({ event: 'attention', conversation: message.conversation, message: id });
  }
}
