/**
 * Whether the media relay can be used, according to the latest attempt. An unreachable relay is probed repeatedly, so that waiting messages
 * leave as soon as it is back.
 *
 *   unused --a path is given--> reachable <--> unreachable (tried again, `firstProbeMs` doubled up to `longestProbeMs`)
 *      \-------------------------> refused (the person has to act; the next session asks it again) --a path is given--> reachable
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import { drop, type Logger } from '../../base/log';
import { type AppError, type ErrorValue, toAppError } from '../../preload/contract/errors';

/** LAB: the pause before an unreachable relay is probed again; each pause is twice the last one, up to the longest. */
export const firstProbeMs = 1_000;
export const longestProbeMs = 30_000;

export interface RelayState {
  state: 'unused' | 'reachable' | 'unreachable' | 'refused';
  /** Why the relay cannot be used. */
  error: ErrorValue | null;
  /** Since when, epoch milliseconds. */
  since: number;
}

export class RelayHealth implements Disposable {
  readonly onChange = new Emitter<RelayState>();
  /** Emitted when the relay can be used again, so that waiting messages can leave. */
  readonly onBack = new Emitter<void>();
  readonly #deps: { clock: Clock; log: Logger; probe: () => Promise<void> };
  #value: RelayState;
  #pauseMs = firstProbeMs;
  #timer: Disposable | null = null;
  #isDisposed = false;

  /** `probe` asks the relay for a path and lets it go again; it rejects with the reason why there is none. */
  constructor(deps: { clock: Clock; log: Logger; probe: () => Promise<void> }) {
    this.#deps = deps;
    this.#value = { state: 'unused', error: null, since: deps.clock.now() };
  }

  get value(): RelayState {
    return this.#value;
  }

  /** Passes on the outcome of an attempt and records it. */
  async observed<T>(attempt: Promise<T>): Promise<T> {
    try {
      const result = await attempt;
      this.#become('reachable', null);
      return result;
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.code === 'msrp/relay') this.#become(error.detail.relay === 'unreachable' ? 'unreachable' : 'refused', error);
      throw thrown;
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#timer?.dispose();
    this.onChange.dispose();
    this.onBack.dispose();
  }

  #become(state: RelayState['state'], error: AppError | null): void {
    if (this.#isDisposed) return;
    if (state !== 'unreachable') {
      this.#timer?.dispose();
      this.#timer = null;
      this.#pauseMs = firstProbeMs;
    } else this.#probeLater();
    const isNews = state !== this.#value.state || error?.detail.relay !== this.#value.error?.relay;
    if (!isNews) return;
    const isBack = state === 'reachable' && this.#value.state !== 'unused';
    this.#value = { state, error: error?.toValue() ?? null, since: this.#deps.clock.now() };
    this.onChange.emit(this.#value);
    if (isBack) this.onBack.emit();
  }

  #probeLater(): void {
    if (this.#timer !== null) return;
    this.#timer = this.#deps.clock.setTimer(this.#pauseMs, () => {
      this.#timer = null;
      const quiet = { ...this.#deps.log, error: this.#deps.log.debug };
      drop(this.observed(this.#deps.probe()), quiet, 'asking whether the media relay is back');
    });
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestProbeMs);
  }
}
