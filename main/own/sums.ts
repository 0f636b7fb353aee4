/** How far each device is, told to one another: what a sum says, when one leaves, and what follows from one that comes. */
import type { Sum } from './messages';
import { isReachable, type Sibling, type SiblingWork } from './siblings';
import { equalVectors, markOf, type Vector } from './vector';
import type { Wire } from './ways';

/** LAB: pauses between sums to a sibling that has not taken something, doubling; and how often one is reminded that does not answer. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
const MAX_REMINDERS = 6;
/** LAB: how long two sums to one sibling are apart that answer no other. */
const NUDGE_MS = 5_000;
/** LAB: how often equal vectors with unequal digests make a device copy the whole state of a sibling, at most. */
const REPAIR_MS = 60 * 60_000;

export interface SumsDeps {
  work: SiblingWork;
  send: Wire['send'];
  /** A sibling knows more of this device than it does itself; it writes under another name now. */
  renewed(): void;
  /** The next pull from this sibling copies its whole state. */
  copyWhole(sibling: Sibling): void;
}

export class Sums {
  readonly #deps: SumsDeps;

  constructor(deps: SumsDeps) {
    this.#deps = deps;
  }

  /** `ask`: one is wanted in return. */
  send(sibling: Sibling, ask: boolean): void {
    const { work, send } = this.#deps;
    const { vector, digest } = work.log.head;
    const dig = this.#isWhole ? { dig: digest } : {};
    const sum: Sum = { vec: { ...vector } as Sum['vec'], ends: { ...work.log.ends }, ask, ...dig };
    work.answered(send(sibling.instance, 'sum', sum), (status) => {
      if (status === 200) sibling.reminders = 0;
      else if (status === 415 || status === 488) work.move(sibling, 'other version');
      else if (status === 403) work.move(sibling, 'gone');
      else this.remind(sibling);
    });
  }

  /** One sibling, chosen at random, hears although nothing has happened. */
  sendToOne(): void {
    const { work } = this.#deps;
    const reachable = work.siblings().filter(isReachable);
    const one = reachable[Math.floor(work.clock.random() * reachable.length)];
    if (one !== undefined && !work.isSilent()) this.send(one, true);
  }

  /** A tick or a sum was not taken. A sum says the same again, and says it all. */
  remind(sibling: Sibling): void {
    if (sibling.reminders >= MAX_REMINDERS || sibling.timers.has('remind')) return;
    const pause = Math.min(RETRY_MS * 2 ** sibling.reminders, LONGEST_RETRY_MS);
    sibling.reminders += 1;
    this.#deps.work.timer(sibling, 'remind', pause, () => {
      if (isReachable(sibling)) this.send(sibling, true);
    });
  }

  came(sibling: Sibling, sum: Sum): void {
    this.compare(sibling, sum.vec, sum.dig ?? null);
    if (sum.ask) this.send(sibling, false);
    else if (this.#lacks(sum.vec, sum.ends)) this.#nudge(sibling);
  }

  /** Whether the sibling lacks something that it may have. */
  #lacks(vector: Vector, ends: Readonly<Record<string, number>>): boolean {
    return Object.entries(this.#deps.work.log.vector).some(([writer, [n]]) => markOf(vector, writer)[0] < Math.min(n, ends[writer] ?? n));
  }

  #nudge(sibling: Sibling): void {
    const now = this.#deps.work.clock.now();
    if (Math.abs(now - sibling.nudgedAt) < NUDGE_MS) return;
    sibling.nudgedAt = now;
    this.send(sibling, false);
  }

  /** A sibling has told how far it is. */
  compare(sibling: Sibling, vector: Vector, digest: string | null): void {
    const { work, renewed, copyWhole } = this.#deps;
    const { log, logger, clock } = work;
    const { writer } = log.head;
    log.meet(vector);
    if (log.head.writer !== writer) renewed();
    work.told(sibling, vector);
    const wants = Object.entries(vector).some(([one, [n]]) => markOf(log.vector, one)[0] < Math.min(n, log.limit(one)));
    if (wants || log.differing(vector).length > 0) {
      work.move(sibling, 'differs');
      return;
    }
    if (!equalVectors(vector, log.vector)) return;
    work.move(sibling, 'equal');
    const isRepair = digest !== null && digest !== log.head.digest && this.#isWhole;
    if (!isRepair || Math.abs(clock.now() - sibling.repairedAt) < REPAIR_MS) return;
    logger.warn('A sibling has the same events and another state: its state is taken', { sibling: sibling.instance });
    sibling.repairedAt = clock.now();
    copyWhole(sibling);
    work.move(sibling, 'differs');
  }

  /** Whether the state here is what the vector says, so that digests can be compared. */
  get #isWhole(): boolean {
    const { filling, since } = this.#deps.work.log.head;
    return filling === null && since === undefined;
  }
}
