/** Ends a session in which nothing has flowed for the time that the person has set. */
import type { Disposable } from '../../../base/disposable';
import type { CpmContext } from '../conversation/context';

export class IdleTimer implements Disposable {
  readonly #context: CpmContext;
  readonly #session: { isBusy(): boolean; end(): void };
  #timer: Disposable | null = null;

  /** `isBusy`: content is on its way, although nothing has been acknowledged. */
  constructor(context: CpmContext, session: { isBusy(): boolean; end(): void }) {
    this.#context = context;
    this.#session = session;
  }

  /** Something has flowed. A changed preference counts from here on. */
  restart(): void {
    this.dispose();
    const idleMs = this.#context.preferences().idleSeconds * 1000;
    if (idleMs === 0) return;
    this.#timer = this.#context.clock.setTimer(idleMs, () => {
      if (this.#session.isBusy()) this.restart();
      else this.#session.end();
    });
  }

  dispose(): void {
    this.#timer?.dispose();
    this.#timer = null;
  }
}
