/**
 * One running upgrade of a 1-1 to a group (R49 to R69), from this device's side. The 1-1 and the group are two conversations; the upgrade decides
 * whether the first goes on in the second.
 *
 * A asks for the group, naming B and the 1-1 session to replace. B joins, and then ends the 1-1 with a BYE on its own dialog. SIP does not order
 * these steps: B's BYE may overtake the answer to A, and the roster may come before or after either.
 *
 *   A, who asks
 *          groupAnswered             groupOpened            peerInBoth              peerSaidBye, guardOver
 *   asked --------------> answered ------------> moving ------------> arrived ----------------------------> moved
 *     |                      |                     |                    ^ | peerOut, peerLost                 ^
 *     | peerSaidBye          | guardOver           | peerLost,          | |                                   |
 *     v                      v                     | groupOver          | v                     peerSaidBye   |
 *   left                  stayed <-----------------+         peerInBoth departed ----------------------------+
 *
 *   left --groupAnswered--> moved                   asked, left --declined--> stayed
 *   answered, moving --peerSaidBye--> moved         arrived, departed --groupOver--> stayed         stayed --groupOpened--> moving
 *   stayed --peerInBoth--> beside --peerSaidBye--> moved         beside --peerOut, peerLost, groupOver--> stayed
 *
 *   B, whose 1-1 is replaced
 *               groupOpened
 *   accepted ----------------------------------------> moved
 *       | groupBroke                                     ^
 *       v           peerInBoth, peerInGroupOnly          |
 *   interrupted -----------------------------------------+
 *
 * On both sides, peerInGroupOnly leads to moved from every state in which the group exists.
 *
 * While an upgrade is moving, arrived, departed or moved, the 1-1 names the group that continues it. A 1-1 session that still stands when the upgrade
 * becomes `moved` is ended from this side, along the Signalling Path of the 1-1 (R59).
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { drop, type Logger } from '../../../base/log';
import type { CpmSession } from '../session/session';

/** LAB: how long A waits for B's BYE on the 1-1, first for A's own way into the group to open, and again once the roster shows B in it. */
export const replacementGuardMs = 30_000;

export type UpgradeState =
  /** A has asked the Controlling Function for the group. */
  | 'asked'
  /** B has said BYE before the Controlling Function has answered A: either B hung up, or B was faster than the answer. */
  | 'left'
  /** A has the 200, and is not in the group yet. */
  | 'answered'
  /** A is in the group; B has not been seen there. */
  | 'moving'
  /** The roster shows B in the group; B's BYE on the 1-1 is missing. */
  | 'arrived'
  /** B was in the group and is out again; B's BYE on the 1-1 never came. */
  | 'departed'
  /** B has accepted the group, and is not in it yet. */
  | 'accepted'
  /** B's way into the group broke after its 200: both had agreed to move. */
  | 'interrupted'
  /** The 1-1 stayed, and later the roster shows B in the group as well: the 1-1 goes on until B leaves it. */
  | 'beside'
  /** The 1-1 goes on in the group. */
  | 'moved'
  /** The 1-1 goes on beside the group, or without one. */
  | 'stayed';

export type UpgradeEvent =
  /** 200 to A: somebody has accepted (R65). */
  | 'groupAnswered'
  /** The Controlling Function, or everybody asked, has refused A. */
  | 'declined'
  /** This device is in the group. */
  | 'groupOpened'
  /** This device's way into the group broke. */
  | 'groupBroke'
  /** The network says that the group is over. */
  | 'groupOver'
  /** The other side has ended the 1-1 session. */
  | 'peerSaidBye'
  /** The roster shows the other side in the group, and a 1-1 session with them still stands. */
  | 'peerInBoth'
  /** The roster shows the other side in the group, and no 1-1 session with them stands. */
  | 'peerInGroupOnly'
  /** The roster shows that the other side refused, or could not be reached. */
  | 'peerLost'
  /** The roster shows the other side out of the group for any other reason: still being asked, or gone again. */
  | 'peerOut'
  /** `replacementGuardMs` have passed in this state. */
  | 'guardOver';

/** Events that a state does not list change nothing. */
const nextStates: Readonly<Record<UpgradeState, Readonly<Partial<Record<UpgradeEvent, UpgradeState>>>>> = {
  asked: { groupAnswered: 'answered', declined: 'stayed', peerSaidBye: 'left' },
  left: { groupAnswered: 'moved', declined: 'stayed' },
  answered: { groupOpened: 'moving', peerSaidBye: 'moved', peerInGroupOnly: 'moved', guardOver: 'stayed' },
  moving: { peerSaidBye: 'moved', peerInBoth: 'arrived', peerInGroupOnly: 'moved', peerLost: 'stayed', groupOver: 'stayed' },
  arrived: {
    peerSaidBye: 'moved',
    peerInGroupOnly: 'moved',
    guardOver: 'moved',
    peerOut: 'departed',
    peerLost: 'departed',
    groupOver: 'stayed',
  },
  departed: { peerSaidBye: 'moved', peerInBoth: 'arrived', peerInGroupOnly: 'moved', groupOver: 'stayed' },
  accepted: { groupOpened: 'moved', peerInGroupOnly: 'moved', groupBroke: 'interrupted' },
  interrupted: { peerInBoth: 'moved', peerInGroupOnly: 'moved' },
  moved: {},
  stayed: { groupOpened: 'moving', peerInBoth: 'beside', peerInGroupOnly: 'moved' },
  beside: { peerSaidBye: 'moved', peerInGroupOnly: 'moved', peerOut: 'stayed', peerLost: 'stayed', groupOver: 'stayed' },
};

/** The states in which A gives B a limited time. */
const guarded: readonly UpgradeState[] = ['answered', 'arrived'];
/** The states in which the 1-1 names the group as the one that continues it. */
const continued: readonly UpgradeState[] = ['moving', 'arrived', 'departed', 'moved'];

/** Whether the 1-1 names the group as the one that continues it. */
export function isContinued(state: UpgradeState): boolean {
  return continued.includes(state);
}

/** What an upgrade brings about outside itself. */
export interface UpgradeEffects {
  /** False once the person has deleted the 1-1: the group continues nothing then, whatever happens. */
  isWanted(): boolean;
  /** Writes to disk what must survive a restart, and shows it. */
  keep(state: UpgradeState): void;
  /** Ends the replaced session: BYE on its own dialog (R59). Resolves when the other side has answered. */
  leave(session: CpmSession): Promise<void>;
}

export interface UpgradeContext {
  readonly clock: Pick<Clock, 'setTimer'>;
  readonly log: Logger;
}

export class Upgrade implements Disposable {
  readonly #context: UpgradeContext;
  readonly #effects: UpgradeEffects;
  #state: UpgradeState;
  #guard: Disposable | null = null;
  #hasReplaced = false;

  constructor(
    context: UpgradeContext,
    effects: UpgradeEffects,
    /** The 1-1 session that the group replaces; null where none stood, and after a restart. */
    readonly session: CpmSession | null,
    state: UpgradeState,
  ) {
    this.#context = context;
    this.#effects = effects;
    this.#state = state;
  }

  get state(): UpgradeState {
    return this.#state;
  }

  /** A is in the group, and B is expected to end the 1-1. */
  get awaitsBye(): boolean {
    return this.#state === 'moving' || this.#state === 'arrived' || this.#state === 'departed';
  }

  /** Whether the replaced session was ended because of the move, by either side, and did not merely break or end before it. */
  get hasReplaced(): boolean {
    return this.#hasReplaced;
  }

  /** Resolves when everything that follows from the event is done; a BYE of this side is answered then. */
  async happened(event: UpgradeEvent): Promise<void> {
    const to = nextStates[this.#state][event];
    if (to !== undefined && this.#effects.isWanted()) await this.#transition(to, event);
  }

  dispose(): void {
    this.#guard?.dispose();
    this.#guard = null;
  }

  async #transition(to: UpgradeState, event: UpgradeEvent): Promise<void> {
    const from = this.#state;
    this.#state = to;
    this.dispose();
    if (guarded.includes(to)) this.#guard = this.#context.clock.setTimer(replacementGuardMs, () => this.#guardOver());
    const standing = this.session?.state === 'established' ? this.session : null;
    this.#hasReplaced = to === 'moved' && (standing !== null || event === 'peerSaidBye' || from === 'left');
    this.#effects.keep(to);
    if (to === 'moved' && standing !== null) await this.#effects.leave(standing);
  }

  #guardOver(): void {
    drop(this.happened('guardOver'), this.#context.log, 'ending a 1-1 session that a group has replaced');
  }
}
