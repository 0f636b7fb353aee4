/**
 * One attempt at a job, as a value:
 *
 *   under way -> aside -> end          aside: the text is at a device, and only a person's answer is still waited for
 *       |----------------> end         end:   carried | thereByReceipt (its receipt came before any answer) | failed
 */
import { type AppError, toAppError } from '../../../preload/contract/errors';

export type Ending = { how: 'carried' } | { how: 'thereByReceipt' } | { how: 'failed'; error: AppError };
export type Outcome = { how: 'aside' } | Ending;

export class Attempt {
  /** The first thing to be known of it. */
  readonly first: Promise<Outcome>;
  readonly end: Promise<Ending>;
  #tellFirst: (outcome: Outcome) => void = () => {};
  #tellEnd: (ending: Ending) => void = () => {};

  /** Begins it. `carry` calls `stepAside` when the text is at a device and a person's answer is all that is missing. */
  constructor(carry: (stepAside: () => void) => Promise<void>) {
    this.first = new Promise((resolve) => {
      this.#tellFirst = resolve;
    });
    this.end = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    carry(() => this.#tellFirst({ how: 'aside' })).then(
      () => this.#ends({ how: 'carried' }),
      (error: unknown) => this.#ends({ how: 'failed', error: toAppError(error) }),
    );
  }

  /** A receipt says that the text is there: no other answer is needed. */
  reached(): void {
    this.#ends({ how: 'thereByReceipt' });
  }

  /** Only the first ending counts. */
  #ends(ending: Ending): void {
    this.#tellEnd(ending);
    this.#tellFirst(ending);
  }
}
