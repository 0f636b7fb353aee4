/** Which sibling is asked for what is missing here, and when again. One pull at a time: what two siblings have is mostly the same. */
import { drop } from '../../base/log';
import { pull } from './pull';
import type { Sibling, SiblingWork } from './siblings';
import type { Wire } from './ways';

/** LAB: the pauses after a pull that was cut off, doubling. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export interface PullsDeps {
  work: SiblingWork;
  open: Wire['open'];
  isDisposed(): boolean;
  /** A pull has ended. `isRenewed`: it has shown that the disk here is an old copy, and this device writes under another name now. */
  over(sibling: Sibling, outcome: 'done' | 'cut' | 'gone', isRenewed: boolean): void;
}

export class Pulls {
  readonly #deps: PullsDeps;
  /** Siblings whose whole state this device must copy, although no event is missing. */
  readonly #wholeState = new Set<string>();
  #isPulling = false;

  constructor(deps: PullsDeps) {
    this.#deps = deps;
  }

  /** The next pull from this sibling copies its whole state. */
  copyWhole(sibling: Sibling): void {
    this.#wholeState.add(sibling.instance);
  }

  /** Begins with the first sibling in state `pulling`, unless a pull is under way. */
  pump(): void {
    drop(this.#pump(), this.#deps.work.logger, 'A pull from a sibling');
  }

  async #pump(): Promise<void> {
    const { work, isDisposed, over } = this.#deps;
    if (this.#isPulling || isDisposed()) return;
    const sibling = work.siblings().find(({ state }) => state === 'pulling');
    if (sibling === undefined) return;
    this.#isPulling = true;
    const { writer } = work.log.head;
    const wholeState = this.#wholeState.delete(sibling.instance);
    const outcome = await this.#pullFrom(sibling, wholeState).finally(() => {
      this.#isPulling = false;
    });
    if (isDisposed()) return;
    work.move(sibling, outcome);
    if (outcome === 'cut') this.#again(sibling);
    else sibling.failures = 0;
    over(sibling, outcome, work.log.head.writer !== writer);
    this.pump();
  }

  async #pullFrom(sibling: Sibling, wholeState: boolean): Promise<'done' | 'cut' | 'gone'> {
    const { work, open, isDisposed } = this.#deps;
    const { log, logger } = work;
    try {
      const channel = await open(sibling.instance);
      if (channel === null) return 'cut';
      const isStopped = () => isDisposed() || (sibling.state !== 'pulling' && sibling.state !== 'filling');
      const moved = (event: 'page' | 'below floor' | 'done') => work.move(sibling, event);
      const told = (vector: Parameters<SiblingWork['told']>[1]) => work.told(sibling, vector);
      return await pull({ log, ask: (question) => channel.ask(question), isStopped, moved, told, wholeState }).finally(() =>
        channel.close(),
      );
    } catch (error) {
      logger.warn('A pull from a sibling failed', { sibling: sibling.instance, error: String(error) });
      return 'cut';
    }
  }

  #again(sibling: Sibling): void {
    const pause = Math.min(RETRY_MS * 2 ** Math.min(sibling.failures, 16), LONGEST_RETRY_MS);
    sibling.failures += 1;
    this.#deps.work.timer(sibling, 'retry', pause, () => this.#deps.work.move(sibling, 'late'));
  }
}
