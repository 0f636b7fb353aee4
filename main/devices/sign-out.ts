/**
 * Signing out another device of the person: from the request until the network lists that device no longer. That alone is the end: a device, or a
 * server before it, that answers 200 to the request has only heard of it.
 *
 *             agrees             waitOver             waitOver
 *   [asked] ---------> [agreed] ----------> [looking] ---------> [stays]
 *    |   |                |                     |
 *    |   |                +----- disappears ----+--> [gone]
 *    |   +--- disappears ----------------------------^
 *    +------- refuses --> [refused]
 *
 * [looking] has asked the server for a list: where the network sends no registration events, nothing else tells.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import type { DeviceValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';

/** LAB: how long a device that has agreed may take to disappear before the server is asked for its list. */
export const LOOK_AFTER_MS = 1_000;
/** LAB: how long after that it counts as one that stays. */
export const GIVE_UP_AFTER_MS = 5_000;

export type SignOutState = 'asked' | 'agreed' | 'looking' | 'gone' | 'stays' | 'refused';
export type SignOutEvent = 'agrees' | 'refuses' | 'disappears' | 'waitOver';

/** The next state; an event that is not named changes nothing. */
export const SIGN_OUT: Record<SignOutState, Partial<Record<SignOutEvent, SignOutState>>> = {
  asked: { agrees: 'agreed', refuses: 'refused', disappears: 'gone' },
  agreed: { disappears: 'gone', waitOver: 'looking' },
  looking: { disappears: 'gone', waitOver: 'stays' },
  gone: {},
  stays: {},
  refused: {},
};

export interface SignOutDeps {
  clock: Clock;
  log: Logger;
  /** Resolves when the device has agreed. @throws AppError device/refuses, device/unknown, net/*, sip/* */
  ask(device: DeviceValue): Promise<void>;
  /** Asks the server for its list, where it does not tell by itself. */
  refresh(): Promise<void>;
  /** The devices as they are known now. */
  devices(): readonly DeviceValue[];
}

/** All sign-outs that are under way, one for each device. */
export class SignOuts implements Disposable {
  readonly #deps: SignOutDeps;
  readonly #running = new Map<string, SignOut>();

  constructor(deps: SignOutDeps) {
    this.#deps = deps;
  }

  /** Resolves once the device is gone. A second call for the same device joins the first. @throws AppError as `ask`; device/stays */
  signOut(device: DeviceValue): Promise<void> {
    const { instanceId } = device;
    const running = this.#running.get(instanceId) ?? new SignOut(device, this.#deps, () => this.#running.delete(instanceId));
    this.#running.set(instanceId, running);
    return running.answer;
  }

  /** To be called when the list of devices is another one. */
  listChanged(): void {
    for (const running of [...this.#running.values()]) running.listChanged();
  }

  dispose(): void {
    for (const running of this.#running.values()) running.dispose();
    this.#running.clear();
  }
}

export class SignOut implements Disposable {
  /** Resolves once the device is gone. */
  readonly answer: Promise<void>;
  #settle: { resolve(): void; reject(error: unknown): void } = { resolve: () => {}, reject: () => {} };
  readonly #device: DeviceValue;
  readonly #deps: SignOutDeps;
  readonly #ended: () => void;
  #state: SignOutState = 'asked';
  #timer: Disposable | null = null;

  constructor(device: DeviceValue, deps: SignOutDeps, ended: () => void) {
    this.#device = device;
    this.#deps = deps;
    this.#ended = ended;
    this.answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    drop(this.#ask(), deps.log, 'signing out a device');
  }

  get state(): SignOutState {
    return this.#state;
  }

  listChanged(): void {
    const { instanceId } = this.#device;
    const isThere = this.#deps.devices().some((device) => device.instanceId === instanceId && device.state === 'active');
    if (!isThere) this.#apply('disappears');
  }

  dispose(): void {
    this.#timer?.dispose();
    if (this.#state === 'agreed' || this.#state === 'looking') this.#settle.reject(new AppError('device/stays', {}, 'user'));
  }

  async #ask(): Promise<void> {
    try {
      await this.#deps.ask(this.#device);
      this.#apply('agrees');
    } catch (error) {
      // What disappeared before it could answer is where the person wants it.
      if (this.#state === 'asked') this.#settle.reject(error);
      this.#apply('refuses');
    }
  }

  #apply(event: SignOutEvent): void {
    const next = SIGN_OUT[this.#state][event];
    if (next === undefined) return;
    const { clock, log } = this.#deps;
    this.#state = next;
    this.#timer?.dispose();
    if (next === 'agreed') this.#timer = clock.setTimer(LOOK_AFTER_MS, () => this.#apply('waitOver'));
    else if (next === 'looking') {
      this.#timer = clock.setTimer(GIVE_UP_AFTER_MS, () => this.#apply('waitOver'));
      drop(this.#deps.refresh(), log, 'looking at the devices');
    } else {
      if (next === 'gone') this.#settle.resolve();
      if (next === 'stays') {
        log.warn('A device has agreed to sign out and is still registered', { device: this.#device.instanceId });
        this.#settle.reject(new AppError('device/stays', {}, 'user'));
      }
      this.#ended();
    }
  }
}
