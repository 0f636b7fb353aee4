/**
 * Comes back by itself to groups whose connection has broken, or which could not be reached: with growing pauses, so that a group heals when its server is
 * there again, at the latest after as long as the server was gone.
 *
 *   lost -> waiting --pause over--> calling -> in | waiting longer | given up: the network says no, or this account has left
 *              +--not registered--> at rest; the next registration begins again
 */
import type { Disposable } from '../../../base/disposable';
import { AppError } from '../../../preload/contract/errors';
import type { CpmContext } from '../conversation/context';
import { readRefusal } from '../conversation/refusals';

/** LAB: the pause before the first call; each further one is twice as long. Each is spread by a quarter, because a server that dies loses all members at once. */
const firstComebackPauseMs = 2_000;
export const longestComebackPauseMs = 60 * 60_000;
/** LAB: a group for which nobody was there begins with the pause after this many calls, about a minute. */
const patientAttempts = 5;

export class Comebacks implements Disposable {
  readonly #context: Pick<CpmContext, 'clock' | 'log' | 'isRegistered' | 'history'>;
  /** Calls the group; resolves when this device is in it. */
  readonly #call: (group: string) => Promise<unknown>;
  /** By the group, while this device is not in it. */
  readonly #waiting = new Map<string, { attempts: number; timer: Disposable }>();
  #disposed = false;

  constructor(context: CpmContext, call: (group: string) => Promise<unknown>) {
    this.#context = context;
    this.#call = call;
  }

  /** The connection to a group has broken, or a call to it has failed: it is called after a pause. One that is waited for already goes on waiting. */
  lost(group: string): void {
    if (!this.#disposed && !this.#waiting.has(group)) this.#wait(group, 0);
  }

  /** The call of a group has failed. */
  failed(group: string, error: unknown): void {
    if (mayPass(error)) this.lost(group);
    else this.over(group);
  }

  /**
   * A group could not be made. True: it is asked for again, patiently where nobody was there, and when the registration is back where that was missing.
   * False: somebody has to decide.
   */
  waitsAfter(group: string, error: unknown): boolean {
    if (error instanceof AppError && error.code === 'sip/not-registered') return true;
    if (!mayPass(error) || isDeclined(error)) return false;
    const isAway = error instanceof AppError && readRefusal(error.detail).remedy === 'away';
    if (!this.#disposed && !this.#waiting.has(group)) this.#wait(group, isAway ? patientAttempts : 0);
    return true;
  }

  /** The groups that wait. */
  waiting(): string[] {
    return [...this.#waiting.keys()];
  }

  /** The pause of a group is over now. */
  hasten(group: string): void {
    this.#waiting.get(group)?.timer.dispose();
    this.#due(group);
  }

  /** This device is in, or is not to come back. */
  over(group: string): void {
    this.#waiting.get(group)?.timer.dispose();
    this.#waiting.delete(group);
  }

  dispose(): void {
    this.#disposed = true;
    for (const group of [...this.#waiting.keys()]) this.over(group);
  }

  #wait(group: string, attempts: number): void {
    const { clock } = this.#context;
    const pauseMs = Math.min(longestComebackPauseMs, firstComebackPauseMs * 2 ** attempts) * (0.75 + clock.random() / 2);
    const timer = clock.setTimer(Math.round(pauseMs), () => this.#due(group));
    this.#waiting.set(group, { attempts, timer });
  }

  #due(group: string): void {
    const { history, log, isRegistered } = this.#context;
    const attempts = (this.#waiting.get(group)?.attempts ?? 0) + 1;
    if (!isRegistered() || history.conversation(group)?.joined !== true) {
      this.#waiting.delete(group);
      return;
    }
    this.#call(group).then(
      () => this.over(group),
      (error: unknown) => {
        log.info('coming back to a group', { group, attempts, error: String(error) });
        // Meanwhile another way in may have worked, or the account may have signed out.
        if (!this.#waiting.has(group)) return;
        if (mayPass(error)) this.#wait(group, attempts);
        else this.over(group);
      },
    );
  }
}

function isDeclined(error: unknown): boolean {
  return error instanceof AppError && readRefusal(error.detail).remedy === 'later';
}

/** Whether a group that was not reached may be reached later. The registration itself ends the wait for the registration. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  switch (error.code) {
    case 'net/unreachable':
    case 'net/timeout':
    case 'msrp/closed':
    case 'msrp/relay':
      return true;
    case 'sip/rejected':
    case 'group/nobody-joined':
      return ['again', 'away', 'later'].includes(readRefusal(error.detail).remedy);
    default:
      return false;
  }
}
