/** What the engine keeps of each sibling, and what the parts of the engine need to work with it. How its state moves is in sibling.ts. */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import type { OwnLog } from './log';
import type { Tick } from './messages';
import type { SiblingEvent, SiblingState } from './sibling';
import type { Vector } from './vector';

export type SiblingTimer = 'gap' | 'retry' | 'remind' | 'first';

export interface Sibling {
  readonly instance: string;
  state: SiblingState;
  /** How far the own writer's events were sent to it in ticks. */
  sent: { writer: string; n: number };
  /** Ticks that came before the one they follow. */
  early: Tick[];
  readonly timers: Map<SiblingTimer, Disposable>;
  failures: number;
  reminders: number;
  nudgedAt: number;
  repairedAt: number;
  /** Requests that came within the current second. */
  second: number;
  requests: number;
}

export function newSibling(instance: string): Sibling {
  return {
    instance,
    state: 'absent',
    sent: { writer: '', n: 0 },
    early: [],
    timers: new Map(),
    failures: 0,
    reminders: 0,
    nudgedAt: Number.NEGATIVE_INFINITY,
    repairedAt: Number.NEGATIVE_INFINITY,
    second: 0,
    requests: 0,
  };
}

export function isReachable({ state }: Sibling): boolean {
  return state === 'behind?' || state === 'level' || state === 'waiting' || state === 'pulling' || state === 'filling';
}

/** The engine, as its parts see it. */
export interface SiblingWork {
  readonly clock: Clock;
  readonly log: OwnLog;
  readonly logger: Logger;
  siblings(): readonly Sibling[];
  /** Nothing leaves any more: the engine has ended, or another device has removed this one. */
  isSilent(): boolean;
  move(sibling: Sibling, event: SiblingEvent): void;
  /** A sibling has told how far it is. */
  told(sibling: Sibling, vector: Vector): void;
  /** Something was not taken: a sum says it again after a while. */
  remind(sibling: Sibling): void;
  timer(sibling: Sibling, name: SiblingTimer, delay: number, callback: () => void): void;
  /** Runs after a while, unless the engine has ended by then. */
  after(ms: number, callback: () => void): Disposable;
  answered(sent: Promise<number>, then: (status: number) => void): void;
}
