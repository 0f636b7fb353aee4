/**
 * Whether this device is signed in; if not, who signed it out. A signed-out device stays so, over restarts too, until the person signs in again.
 *
 *            tries               accepted
 *   [new] ----------> [signingIn] -------> [signedIn]
 *                      ^    |                 |
 *                      |    +-----------------+-- refused ------> [ended]                 the server refuses: the person must act
 *          tries, from |    |                 |
 *         every state  |    +-----------------+-- signOut ------> [signedOutHere]         by the person, at this device; not kept
 *                       |    +-----------------+-- leaves -------> [left]                  by the person, at this device, until they sign in again
 *         on the right |    +-----------------+-- networkEnds --> [signedOutByNetwork]    the network says that it was signed out
 *                      |    +-----------------+-- everywhere ---> [signedOutEverywhere]   by the person, with all other devices
 *                      |    |                 |
 *                      |    +-----------------+-- deviceAsks ---> [leaving] --answered--> [signedOutByDevice]
 *                      +---------- (never from [leaving]: it is over, and only the answer is still on its way)
 *
 * A network that fails changes nothing: the registration goes on by itself.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import type { RegistrationState } from '../sip/client';

/** LAB: how long a device that another one signs out waits before it leaves, so that its answer gets through. */
export const SIGN_OUT_DELAY_MS = 100;

export type SignInState =
  | 'new'
  | 'signingIn'
  | 'signedIn'
  | 'ended'
  | 'leaving'
  | 'signedOutHere'
  | 'left'
  | 'signedOutByDevice'
  | 'signedOutByNetwork'
  | 'signedOutEverywhere';

export type SignInEvent =
  | 'tries'
  | 'accepted'
  | 'refused'
  | 'signOut'
  | 'leaves'
  | 'deviceAsks'
  | 'answered'
  | 'networkEnds'
  | 'everywhere';

/** The next state; an event that is not named changes nothing. */
export const SIGN_IN: Record<SignInState, Partial<Record<SignInEvent, SignInState>>> = {
  new: { tries: 'signingIn', signOut: 'signedOutHere', leaves: 'left' },
  signingIn: {
    accepted: 'signedIn',
    refused: 'ended',
    signOut: 'signedOutHere',
    leaves: 'left',
    deviceAsks: 'leaving',
    networkEnds: 'signedOutByNetwork',
    everywhere: 'signedOutEverywhere',
  },
  signedIn: {
    refused: 'ended',
    signOut: 'signedOutHere',
    leaves: 'left',
    deviceAsks: 'leaving',
    networkEnds: 'signedOutByNetwork',
    everywhere: 'signedOutEverywhere',
  },
  ended: { tries: 'signingIn', signOut: 'signedOutHere', leaves: 'left' },
  leaving: {
    answered: 'signedOutByDevice',
    signOut: 'signedOutByDevice',
    networkEnds: 'signedOutByDevice',
    everywhere: 'signedOutEverywhere',
  },
  signedOutHere: { tries: 'signingIn', leaves: 'left' },
  left: { tries: 'signingIn' },
  signedOutByDevice: { tries: 'signingIn' },
  signedOutByNetwork: { tries: 'signingIn' },
  signedOutEverywhere: { tries: 'signingIn' },
};

/** What a state of the registration means here. The others say how it goes, and no more. */
const meaning: Partial<Record<RegistrationState, SignInEvent>> = {
  connecting: 'tries',
  registering: 'tries',
  registered: 'accepted',
  rejected: 'refused',
};

/** Who signed this device out, as it is kept. `device` is the name of the device that asked. */
export interface SignedOut {
  by: 'device' | 'network' | 'everywhere' | 'here';
  device?: string;
}

const keptAs: Partial<Record<SignInState, SignedOut['by']>> = {
  leaving: 'device',
  signedOutByDevice: 'device',
  signedOutByNetwork: 'network',
  signedOutEverywhere: 'everywhere',
  left: 'here',
};

const restored = {
  device: 'signedOutByDevice',
  network: 'signedOutByNetwork',
  everywhere: 'signedOutEverywhere',
  here: 'left',
} as const satisfies Record<SignedOut['by'], SignInState>;

export interface SignInDeps {
  clock: Clock;
  log: Logger;
  /** As `keep` was told before this process began. */
  kept: SignedOut | null;
  /** Makes it last over a restart; null when this device is signed in again. @throws AppError storage/* */
  keep(signedOut: SignedOut | null): void;
  /** This device is about to end its own registration. */
  beforeLeaving(): void;
  unregister(): Promise<void>;
}

export class SignIn implements Disposable {
  readonly #deps: SignInDeps;
  #state: SignInState;
  /** The name of the device that signs, or has signed, this one out. */
  #device: string | undefined;
  #timer: Disposable | null = null;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
    this.#state = deps.kept === null ? 'new' : restored[deps.kept.by];
    this.#device = deps.kept?.device;
  }

  get state(): SignInState {
    return this.#state;
  }

  /** Who signed this device out; null while nobody has, and where the person did so here. */
  get signedOut(): SignedOut | null {
    const by = keptAs[this.#state];
    if (by === undefined) return null;
    return by === 'device' && this.#device !== undefined ? { by, device: this.#device } : { by };
  }

  /** Nothing goes on here until the person signs in again. */
  get isOver(): boolean {
    return this.#state === 'ended' || this.signedOut !== null;
  }

  /** What a call is answered that needs a signed-in device. */
  get error(): AppError | null {
    const { signedOut } = this;
    if (signedOut === null) return null;
    const reason = signedOut.device === undefined ? {} : { reason: signedOut.device };
    return new AppError('account/signed-out', { ...reason, signedOutBy: signedOut.by }, 'user');
  }

  /** To be called at each new state of the registration. */
  registrationIs(state: RegistrationState): void {
    const event = meaning[state];
    if (event === undefined) return;
    const before = this.#state;
    this.#apply(event);
    if (before !== 'signedIn' && this.#state === 'signedIn') this.#keep(null);
  }

  /** The person signs this device out here. Resolves when the registrar has answered, or cannot. */
  async signOut(): Promise<void> {
    this.#apply('signOut');
    await this.#leave();
  }

  /** The person signs this device out until they sign in again. Resolves like `signOut`. */
  async leave(): Promise<void> {
    if (this.#apply('leaves')) this.#keep(this.signedOut);
    await this.#leave();
  }

  /**
   * Another own device asks this one to leave, which it does in a moment.
   * @throws AppError storage/* where that would not last; nothing changes then
   */
  askedBy(device: string): void {
    if (SIGN_IN[this.#state].deviceAsks === undefined) return;
    this.#deps.keep({ by: 'device', device });
    this.#device = device;
    this.#apply('deviceAsks');
    this.#deps.beforeLeaving();
    this.#timer = this.#deps.clock.setTimer(SIGN_OUT_DELAY_MS, () => {
      this.#apply('answered');
      drop(this.#leave(), this.#deps.log, 'signing out');
    });
  }

  /** The network has ended this device's registration, at somebody's wish. */
  endedByNetwork(): void {
    const before = this.#state;
    if (!this.#apply('networkEnds')) return;
    if (before !== 'leaving') this.#keep(this.signedOut);
    drop(this.#leave(), this.#deps.log, 'signing out');
  }

  /** Every registration of the address has been ended from here. */
  endedEverywhere(): void {
    if (this.#apply('everywhere')) this.#keep(this.signedOut);
  }

  dispose(): void {
    this.#timer?.dispose();
  }

  /** False where the event changes nothing. */
  #apply(event: SignInEvent): boolean {
    const next = SIGN_IN[this.#state][event];
    if (next === undefined) return false;
    this.#deps.log.debug('Sign-in', { from: this.#state, event, to: next });
    if (next !== 'leaving') this.#timer?.dispose();
    this.#state = next;
    return true;
  }

  async #leave(): Promise<void> {
    this.#deps.beforeLeaving();
    await this.#deps.unregister();
  }

  /** It has happened, whether the disk takes it or not. */
  #keep(signedOut: SignedOut | null): void {
    try {
      this.#deps.keep(signedOut);
    } catch (error) {
      this.#deps.log.error('the disk does not take whether this device is signed in', { error: String(error) });
    }
  }
}
