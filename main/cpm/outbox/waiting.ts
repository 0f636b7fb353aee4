/** The texts of a lane that wait for somebody who is away, as `patience.ts` says: their marks, their probes, their end. */
import { AppError, type ErrorValue } from '../../../preload/contract/errors';
import type { JobRecord, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import type { Job } from './job';
import { nextProbeAt, waits, withWaits } from './patience';

export interface WaitingSteps {
  become(message: string, state: MessageRecord['state'], error: ErrorValue | null): void;
  giveUp(job: Pick<JobRecord, 'id' | 'kind' | 'message'>, error: AppError): void;
}

export class WaitingTexts {
  readonly #context: CpmContext;
  readonly #steps: WaitingSteps;
  /** Lanes whose first text has been found to wait for somebody; some of them may be free again. */
  readonly #lanes = new Set<string>();

  constructor(context: CpmContext, steps: WaitingSteps) {
    this.#context = context;
    this.#steps = steps;
  }

  /**
   * Nobody is there: the text waits, and with it all texts behind it in its lane. `attempts` have found nobody before this one. Where its time is
   * over, this was the last attempt, for every text whose time is over.
   */
  nobodyThere(job: Job, message: MessageRecord, error: ErrorValue, attempts: number): void {
    const { history, clock } = this.#context;
    const now = clock.now();
    this.#lanes.add(job.lane);
    const whom = history.conversation(message.conversation)?.kind === 'group' ? 'group' : 'person';
    const markOf = ({ error: before }: MessageRecord) => waits(before?.waits, whom, now, this.#context.preferences().waitDays);
    const mark = markOf(message);
    const texts = this.#textsIn(job.lane);
    history.transaction(() => {
      if (now >= mark.until) {
        const expired = new AppError('message/expired', { waits: mark }, 'user');
        for (const one of texts) {
          const isOver = one.text.error?.waits === undefined ? one.job.id === job.id : now >= markOf(one.text).until;
          if (isOver) this.#steps.giveUp(one.job, expired);
        }
        return;
      }
      const { retryAfterMs } = error;
      history.postponeJob(job.id, nextProbeAt(now, { attempts, chance: clock.random(), ...mark, retryAfterMs }), attempts + 1);
      this.#steps.become(message.id, 'queued', withWaits(error, mark));
      for (const { text } of texts.filter((one) => one.job.id > job.id))
        if (text.state === 'queued' && text.error?.waits === undefined)
          history.setMessageState(text.id, 'queued', withWaits(error, markOf(text)), 'out');
    });
  }

  /** What a new text of a lane waits for from its beginning: as the first one does, from now on. Null where that one does not wait for anybody. */
  shared(lane: string, { isResting, except }: { isResting: boolean; except: Iterable<number> }): ErrorValue | null {
    if (!isResting && !this.#lanes.has(lane)) return null;
    const { history, clock, preferences } = this.#context;
    const first = history.nextJob(lane, except);
    const error = first?.kind === 'message' ? history.message(first.message, 'out')?.error : null;
    if (error?.waits === undefined) {
      this.#lanes.delete(lane);
      return null;
    }
    return withWaits(error, waits(undefined, error.waits.for, clock.now(), preferences().waitDays));
  }

  /** Gives the texts of a lane the time that the person wants now; false when nothing changed. */
  preferencesChanged(lane: string): boolean {
    const { history, clock, preferences } = this.#context;
    return history.transaction(() => {
      let isChanged = false;
      for (const { text } of this.#textsIn(lane)) {
        if (text.state !== 'queued' || text.error?.waits === undefined) continue;
        const mark = waits(text.error.waits, text.error.waits.for, clock.now(), preferences().waitDays);
        if (mark.until === text.error.waits.until) continue;
        history.setMessageState(text.id, 'queued', withWaits(text.error, mark), 'out');
        isChanged = true;
      }
      return isChanged;
    });
  }

  #textsIn(lane: string): { job: JobRecord; text: MessageRecord }[] {
    const { history } = this.#context;
    return history.jobsIn(lane).flatMap((job) => {
      const text = job.kind === 'message' ? history.message(job.message, 'out') : null;
      return text === null ? [] : [{ job, text }];
    });
  }
}
