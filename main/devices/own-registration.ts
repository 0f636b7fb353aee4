/**
 * What this device does when a registration event says that the network has ended its registration (RFC 3680 section 5.1):
 *
 *   deactivated, expired ........ register again at once; more than `MAX_REVIVALS` times a minute would be a fight, and stops
 *   probation ................... register again after the time told
 *   unregistered ................ somebody else has signed this device out
 *   rejected .................... stop, and tell the person
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import type { RegInfoContact } from '../../protocol/reginfo';
import type { Registration } from '../sip/client';

/** LAB: how often within `REVIVAL_WINDOW_MS` this device registers again after the network has ended its binding. */
export const MAX_REVIVALS = 2;
const REVIVAL_WINDOW_MS = 60_000;
/** LAB: the length of a probation that does not tell it. */
export const PROBATION_MS = 60_000;

export interface OwnRegistrationDeps {
  clock: Clock;
  log: Logger;
  registration: Pick<Registration, 'register' | 'halt'>;
  /** The network says that this device was signed out, and not by itself. */
  signedOut(): void;
  /** The network ends the registration again and again: it calls `stop` when it is ready. */
  fights(): void;
}

export class OwnRegistration implements Disposable {
  readonly #deps: OwnRegistrationDeps;
  #timer: Disposable | null = null;
  #revivals: number[] = [];

  constructor(deps: OwnRegistrationDeps) {
    this.#deps = deps;
  }

  /** The network has ended this device's contact. */
  ended({ event, retryAfter }: RegInfoContact): void {
    const { clock, log, registration } = this.#deps;
    log.warn('The network has ended the registration of this device', { event });
    switch (event) {
      case 'unregistered':
        this.#deps.signedOut();
        return;
      case 'rejected':
        registration.halt(new AppError('sip/rejected', { reason: 'registration rejected' }, 'user'));
        return;
      case 'probation': {
        const waitMs = retryAfter === null ? PROBATION_MS : retryAfter * 1000;
        registration.halt(new AppError('sip/rejected', { reason: 'probation', retryAfterMs: waitMs }, 'auto'));
        this.registerAfter(waitMs);
        return;
      }
      default: {
        const now = clock.now();
        this.#revivals = [...this.#revivals.filter((at) => now - at < REVIVAL_WINDOW_MS), now];
        if (this.#revivals.length > MAX_REVIVALS) this.#deps.fights();
        else this.registerAfter(0);
      }
    }
  }

  registerAfter(delayMs: number): void {
    const { clock, registration, log } = this.#deps;
    this.#timer?.dispose();
    this.#timer = clock.setTimer(delayMs, () => drop(registration.register(), { ...log, error: log.info }, 'registering again'));
  }

  /** Registers no more until the person acts: another device has the same ID. */
  stop(cause: string): void {
    this.dispose();
    this.#deps.registration.halt(new AppError('identity/duplicate', { cause }, 'user'));
  }

  /** Plans nothing any more; may be used again. */
  dispose(): void {
    this.#timer?.dispose();
  }
}
