/**
 * Brings what stood in the history before this device took part into the state that all own devices share: messages of before it was paired, and
 * of before there was a log at all. A little at a time, in the background. A device that dies meanwhile begins again, and passes over what is there.
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import type { Logger } from '../../../base/log';
import type { History } from '../../history/history';
import type { Change } from '../../history/records';
import type { RawEvent } from '../../own/events';
import type { OwnLog } from '../../own/log';

/** LAB: messages looked at without a pause: a few milliseconds. */
const BATCH = 50;
/** LAB: the pause after the disk has failed, ms. */
const AGAIN_MS = 5_000;

type Place = Parameters<History['walk']>[1];

export interface OlderHistoryDeps {
  clock: Clock;
  log: Logger;
  history: Pick<History, 'conversations' | 'walk'>;
  own: OwnLog;
  /** What the state does not know of these yet. */
  eventsOf(changes: readonly Change[]): RawEvent[];
  /** So many messages were looked at. */
  moved(looked: number): void;
  done(): void;
}

export class OlderHistory implements Disposable {
  readonly #deps: OlderHistoryDeps;
  #timer: Disposable | null = null;
  #left: string[];
  #place: Place = null;
  #looked = 0;

  constructor(deps: OlderHistoryDeps) {
    this.#deps = deps;
    this.#left = this.isDone ? [] : deps.history.conversations().map(({ id }) => id);
    if (this.isDone) return;
    if (this.#left.length === 0) deps.own.takeOlder(null);
    else this.#next(0);
  }

  get isDone(): boolean {
    return this.#deps.own.head.older === 'done';
  }

  dispose(): void {
    this.#timer?.dispose();
  }

  #next(delay: number): void {
    this.#timer = this.#deps.clock.setTimer(delay, () => {
      try {
        this.#step();
      } catch (error) {
        this.#deps.log.error('The history from before is not shared yet', { error: String(error) });
        this.#next(AGAIN_MS);
      }
    });
  }

  #step(): void {
    const { history, own, eventsOf, moved, done } = this.#deps;
    const [conversation] = this.#left;
    if (conversation === undefined) {
      own.takeOlder(null);
      done();
      return;
    }
    const { messages, end } = history.walk(conversation, this.#place, BATCH);
    const changes: Change[] = messages.map(({ id, direction }) => ({ what: 'message', how: 'added', id, direction, conversation }));
    if (this.#place === null) changes.unshift({ what: 'conversation', how: 'added', id: conversation });
    own.takeOlder(eventsOf(changes));
    this.#place = end;
    if (end === null) this.#left.shift();
    this.#looked += messages.length;
    moved(this.#looked);
    this.#next(0);
  }
}
