/**
 * When the write-ahead log is folded into the database, where damage to the log can do no harm: in an idle second, and when it has grown. Copying the pages
 * takes long, so another thread does that where there is one:
 *
 *   so many commits -> the thread folds -> the log is short: that is all
 *                                       -> it is long: the thread folds what came meanwhile -> this thread folds the rest -> SQLite begins at its start
 *
 * SQLite writes at the start of its log only when all of it is in the database. Another thread is always a little behind, so this one takes the last step.
 */
import type { Timekeeper } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';

/** How many pages the log has, and how many of them are in the database. */
export interface Folded {
  pages: number;
  folded: number;
}

/** LAB: after so long without a commit the log is folded in. */
const idleMs = 1000;
/** LAB: after so many commits the other thread folds the log in: some thousand pages. */
export const foldAfterCommits = 50;
/** LAB: from so many pages on, the log is long. */
export const longLogPages = 4_000;
/** LAB: at so many pages this thread folds the log in by itself, because something must be wrong with the other one. */
export const longestLogPages = 16_000;

interface FoldingDeps {
  /** Folds on this thread. */
  here(): Folded;
  /** Folds on another one. */
  elsewhere: (() => Promise<Folded>) | undefined;
  /** Commits what is written and not committed. */
  settle(): void;
  /** Measures the idle second; absent: there is none. */
  clock: Timekeeper | undefined;
}

export class Folding implements Disposable {
  readonly #deps: FoldingDeps;
  #commits = 0;
  #isFolding = false;
  #idle: Disposable | null = null;
  #lastCommit = 0;
  #isDisposed = false;

  constructor(deps: FoldingDeps) {
    this.#deps = deps;
  }

  committed(): void {
    const { elsewhere, clock } = this.#deps;
    this.#commits += 1;
    if (elsewhere !== undefined && this.#commits >= foldAfterCommits) void this.#onThread(elsewhere);
    if (clock === undefined) return;
    this.#lastCommit = clock.now();
    this.#idle ??= clock.setTimer(idleMs, () => this.#whenIdle(clock));
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#idle?.dispose();
  }

  #whenIdle(clock: Timekeeper): void {
    this.#idle = null;
    if (this.#isDisposed) return;
    const rest = this.#lastCommit + idleMs - clock.now();
    if (rest > 0) this.#idle = clock.setTimer(rest, () => this.#whenIdle(clock));
    else this.#here();
  }

  #here(): void {
    this.#deps.settle();
    this.#commits = 0;
    try {
      this.#deps.here();
    } catch {
      // It stays in the log, which says so itself where it must: at the next commit.
    }
  }

  async #onThread(fold: () => Promise<Folded>): Promise<void> {
    if (this.#isFolding) return;
    this.#isFolding = true;
    this.#commits = 0;
    try {
      const { pages } = await fold();
      if (pages < longLogPages || this.#isDisposed) return;
      await fold();
      if (!this.#isDisposed) this.#here();
    } catch {
      // It stays in the log until the next time.
    } finally {
      this.#isFolding = false;
    }
  }
}
