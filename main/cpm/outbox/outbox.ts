/**
 * Sends texts and receipts. Each of them is a job on disk (`job.ts`), written in the same transaction as the message it belongs to, and removed
 * only when the network has taken it. The jobs of a conversation's texts form one lane and leave in order. Receipts have lanes of their own, one for
 * each device, so that neither a text that cannot leave nor a device that is gone holds them up.
 *
 *   job:  waiting -> attempt -> done (removed)
 *            ^          |-> not registered, or the network is gone: waits for the registration
 *            |          |-> may work later (timeout, connection lost, 5xx): waits, 1 s doubled each time; after `maxAttempts` as if nobody were there
 *            |          |-> nobody is there: waits for a sign of life, with patient probes, up to an expiry (`patience.ts`)
 *            +----------+-> refused: the message is failed and kept, the job removed; the person may retry
 *            |-> waits for another job (`after`): free when that one is done, failed when that one fails; meanwhile its lane goes on
 *            +-> cannot be read: set aside on disk, out of its lane, logged and told once; a text is failed, and the person may retry it
 *
 * When a receipt says that a text is there, no other answer is needed: the invitation that carries it may wait as long as it likes, and the lane
 * goes on. A sign of life of a person ends the pauses of everything that is for them.
 */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import { AppError, type ErrorValue } from '../../../preload/contract/errors';
import type { ConversationRecord, JobRecord, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import type { ReceiptPayload } from '../conversation/envelope';
import { mayBecome, orderedAt } from '../conversation/values';
import { Attempt, type Ending } from './attempt';
import { conversationOfReceipts, inviteLane, inviteOf, type Job, jobDraft, readJob, type TextExtras, type TextMode } from './job';
import { firstPatientPauseMs, nextProbeAt, signOfLifeMs } from './patience';
import { longestPauseMs, longestRetryAfterMs, pauseMs, receiptRemedy, remedyFor } from './remedy';
import { WaitingTexts } from './waiting';

/** LAB: a text that has waited this long for its own network waits for the other person's device too, which may be on the way back. */
const longWaitMs = 3_000;
/** LAB: how far ahead of the clock a text may be dated, so that it stands behind the last message of its conversation. */
const longestLeadMs = 1_000;

/** Brings one job to the network, or throws the AppError that says why not. */
export interface Carrier {
  /** `atDevice` is called when the text is at a device of the other side, and only a person's answer is still missing. */
  carryText(message: MessageRecord, conversation: ConversationRecord, mode: TextMode, atDevice: () => void): Promise<void>;
  /** Asks a group to invite a person who has not come yet. Whether they come, its roster says. */
  carryInvite(group: ConversationRecord, person: string): Promise<void>;
  carryReceipt(message: string, payload: ReceiptPayload, conversation: ConversationRecord): Promise<void>;
}

export class Outbox implements Disposable {
  readonly #context: CpmContext;
  readonly #carrier: Carrier;
  readonly #busy = new Set<string>();
  readonly #wokenWhileBusy = new Set<string>();
  readonly #timers = new Map<string, Disposable>();
  readonly #waiting: WaitingTexts;
  /** When the other side of a lane that does not rest was last heard from. */
  readonly #heardAt = new Map<string, number>();
  /** The attempts at texts, by message. */
  readonly #underWay = new Map<string, Attempt>();
  /** Jobs whose text only waits for a person's answer: they stay until it comes, and hold up nothing in their lane. */
  readonly #aside = new Set<number>();
  #disposed = false;

  constructor(context: CpmContext, carrier: Carrier) {
    this.#context = context;
    this.#carrier = carrier;
    this.#waiting = new WaitingTexts(context, { become: this.#become.bind(this), giveUp: this.#giveUp.bind(this) });
  }

  /** Queues a text; with `onlyWith` in `more` for that member of the group alone. It is on disk, with its job, when this returns. @throws AppError `storage/*` */
  queueText(conversation: ConversationRecord, text: string, mode: TextMode, { id, ...more }: TextExtras = {}): MessageRecord {
    const { history, clock, self, selfName } = this.#context;
    const now = clock.now();
    const receipts = this.#context.preferences().receipts;
    const message: MessageRecord = {
      id: id ?? clock.uuid(),
      conversation: conversation.id,
      direction: 'out',
      from: self,
      fromName: conversation.pseudonym ?? selfName,
      fromDevice: null,
      content: { kind: 'text', text },
      ...more,
      state: 'queued',
      ...this.#stamp(conversation.id, now),
      receivedAt: null,
      error: this.#waiting.shared(conversation.id, { isResting: this.#timers.has(conversation.id), except: this.#aside }),
      wantsDelivered: receipts.delivered,
      wantsDisplayed: receipts.displayed,
    };
    history.transaction(() => {
      history.addMessage(message);
      history.addJob(jobDraft({ kind: 'message', message: message.id, mode }, { lane: conversation.id, nextAt: now }));
      history.updateConversation(conversation.id, { activityAt: now });
    });
    this.wake(conversation.id);
    return message;
  }

  /**
   * No two texts of a conversation carry the same date: should the first arrive after the second, by a retry, the other side can still put both into
   * the order in which they were written. Here a new text stands below everything that is there, whatever the clock was set to.
   */
  #stamp(conversation: string, now: number): { sentAt: number; movedBy: number } {
    const last = this.#context.history.lastMessage(conversation);
    const end = last === null ? 0 : orderedAt(last);
    const sentAt = end >= now && end < now + longestLeadMs ? end + 1 : now;
    return { sentAt, movedBy: Math.max(0, end + 1 - sentAt) };
  }

  /**
   * Puts a failed message back into its lane; one that waits for somebody who is away is tried now, with those before it.
   * @throws AppError `conversation/unknown` when there is no such message; `ipc/refused` when another own device sends it
   */
  retry(id: string): void {
    const { history, clock } = this.#context;
    const message = history.message(id, 'out');
    mustBeOurs(message);
    if (message?.error?.waits !== undefined && ['queued', 'sending'].includes(message.state)) {
      this.#hasten(message.conversation);
      return;
    }
    if (message === null || message.state !== 'failed') throw new AppError('conversation/unknown', { cause: `no failed message ${id}` });
    history.transaction(() => {
      history.setMessageState(id, 'queued', null);
      history.removeJobsOf(id);
      history.addJob(jobDraft({ kind: 'message', message: id, mode: 'session' }, { lane: message.conversation, nextAt: clock.now() }));
    });
    this.wake(message.conversation);
  }

  /** Removes a message that has not left. @throws AppError `conversation/unknown` */
  discard(id: string): void {
    const { history } = this.#context;
    const message = history.message(id);
    if (message === null || message.direction !== 'out' || !['queued', 'failed'].includes(message.state)) {
      throw new AppError('conversation/unknown', { cause: `no message ${id} that can be discarded` });
    }
    history.transaction(() => {
      history.removeJobsOf(id);
      history.removeMessage(id);
    });
    this.wake(message.conversation);
  }

  /**
   * Gives up a message that waits in its lane; it is failed and kept. One that is on its way right now is not stopped.
   * @throws AppError `conversation/unknown` when no such message waits; `ipc/refused` when it waits on another own device
   */
  skip(id: string): void {
    const { history } = this.#context;
    const message = history.message(id, 'out');
    mustBeOurs(message);
    if (message === null || message.state !== 'queued') throw new AppError('conversation/unknown', { cause: `no waiting message ${id}` });
    history.transaction(() => {
      history.removeJobsOf(id);
      history.setMessageState(id, 'failed', new AppError('message/skipped', {}, 'user').toValue(), 'out');
    });
    this.wake(message.conversation);
  }

  /** Works at every lane that has something to send: at start and at each registration. */
  wakeAll(): void {
    for (const lane of this.#context.history.lanes()) this.wake(lane);
  }

  /** Whatever the lanes have waited for is there: every pause ends. */
  hastenAll(): void {
    for (const lane of this.#context.history.lanes()) this.#hasten(lane);
  }

  /** The other side of a conversation has given a sign of life: what waits for it need not wait longer. */
  heardFrom(conversation: string): void {
    // An attempt under way may have begun before the device was there.
    if (this.#busy.has(conversation) || this.#timers.has(conversation)) this.#heardAt.set(conversation, this.#context.clock.now());
    for (const lane of [...this.#timers.keys()])
      if (lane === conversation || conversationOfReceipts(lane) === conversation) this.#hasten(lane);
  }

  /** A person has given a sign of life: the groups that wait for them invite them again. */
  personSeen(person: string): void {
    for (const lane of [...this.#timers.keys()]) if (inviteOf(lane)?.person === person) this.#hasten(lane);
  }

  /** This device is in a group again: whoever has not come is invited once more. */
  inviteAgain(group: string): void {
    for (const lane of [...this.#timers.keys()]) if (inviteOf(lane)?.group === group) this.#hasten(lane);
  }

  /** The people whom this client has added to a group, and who have not come yet. */
  awaited(group: string): string[] {
    return this.#context.history.lanes().flatMap((lane) => {
      const invite = inviteOf(lane);
      return invite?.group === group ? [invite.person] : [];
    });
  }

  /** Somebody was just invited to a group: until they come, they are invited again. */
  awaitMember(group: string, person: string): void {
    const { history, clock } = this.#context;
    const lane = inviteLane(group, person);
    if (history.jobsIn(lane).length > 0) return;
    history.addJob(jobDraft({ kind: 'invite', message: '', person }, { lane, nextAt: clock.now() + firstPatientPauseMs }));
    this.wake(lane);
  }

  /** They have come, do not want to, or are not to come any more. */
  awaitNoMore(group: string, person: string): void {
    const { history } = this.#context;
    for (const { id } of history.jobsIn(inviteLane(group, person))) history.removeJob(id);
  }

  /** The person wants texts to wait for another time than before. */
  preferencesChanged(): void {
    for (const lane of this.#context.history.lanes()) if (this.#waiting.preferencesChanged(lane)) this.#hasten(lane);
  }

  #hasten(lane: string): void {
    this.#context.history.hastenLane(lane, this.#context.clock.now());
    this.wake(lane);
  }

  /** A receipt says that a text is there. */
  reached(message: string): void {
    this.#underWay.get(message)?.reached();
  }

  /** Works at one lane until it is empty or must wait. */
  wake(lane: string): void {
    if (this.#disposed) return;
    if (this.#busy.has(lane)) {
      this.#wokenWhileBusy.add(lane);
      return;
    }
    this.#timers.get(lane)?.dispose();
    this.#timers.delete(lane);
    this.#busy.add(lane);
    drop(
      this.#work(lane)
        .catch((error: unknown) => {
          // The store itself failed (a full disk, say): nothing is lost, since nothing was changed; the lane tries again.
          this.#context.log.error('an outbox lane stopped', { lane, error: String(error) });
          if (!this.#disposed)
            this.#timers.set(
              lane,
              this.#context.clock.setTimer(longestPauseMs, () => this.wake(lane)),
            );
        })
        .finally(() => {
          this.#busy.delete(lane);
          if (this.#wokenWhileBusy.delete(lane)) this.wake(lane);
        }),
      this.#context.log,
      `outbox lane ${lane}`,
    );
  }

  dispose(): void {
    this.#disposed = true;
    for (const timer of this.#timers.values()) timer.dispose();
    this.#timers.clear();
  }

  async #work(lane: string): Promise<void> {
    while (!this.#disposed && this.#context.isRegistered()) {
      const job = this.#context.history.nextJob(lane, this.#aside);
      if (job === null) return;
      const waitMs = job.nextAt - this.#context.clock.now();
      // Nothing is put off for longer: the clock was set back since.
      if (waitMs > 0 && waitMs <= longestRetryAfterMs) {
        this.#timers.set(
          lane,
          this.#context.clock.setTimer(waitMs, () => this.wake(lane)),
        );
        return;
      }
      // Nothing leaves that a power cut could still take back. While it waits, the job may become another one.
      const onDisk = this.#context.history.onDisk(job.id);
      if (onDisk !== null) await onDisk;
      else if (!(await this.#attempt(job))) return;
    }
  }

  /** False when the lane must wait for something other than time. */
  async #attempt(record: JobRecord): Promise<boolean> {
    const { history } = this.#context;
    const read = readJob(record);
    if (!read.ok) {
      this.#setUnreadableAside(record, read.reason);
      return true;
    }
    const { job } = read;
    const message = job.kind === 'message' ? history.message(job.message, 'out') : null;
    const conversation = history.conversation(message?.conversation ?? conversationOfReceipts(job.lane) ?? inviteOf(job.lane)?.group ?? '');
    if (conversation === null || (job.kind === 'message' && message === null)) {
      this.#done(job.id);
      return true;
    }
    const attempt = this.#begin(job, message, conversation);
    const outcome = await attempt.first;
    if (outcome.how !== 'aside') return this.#ended(job, outcome);
    this.#goPast(job, attempt.end);
    return true;
  }

  #begin(job: Job, message: MessageRecord | null, conversation: ConversationRecord): Attempt {
    if (job.kind === 'invite') return new Attempt(() => this.#carrier.carryInvite(conversation, job.person));
    if (job.kind === 'receipt') return new Attempt(() => this.#carrier.carryReceipt(job.message, job.receipt, conversation));
    const attempt = new Attempt(async (stepAside) => {
      if (message === null) return;
      // A text that waits says so while it is tried, too.
      this.#become(message.id, 'sending', message.error?.waits === undefined ? null : message.error);
      await this.#carrier.carryText(message, conversation, job.mode, stepAside);
    });
    this.#underWay.set(job.message, attempt);
    drop(
      attempt.end.then(() => this.#underWay.get(job.message) === attempt && this.#underWay.delete(job.message)),
      this.#context.log,
      'the end of an attempt',
    );
    return attempt;
  }

  /** Goes on with the lane while the text of a job waits for a person. The job is on disk until that has ended, however it does. */
  #goPast(job: Job, end: Promise<Ending>): void {
    this.#aside.add(job.id);
    if (job.kind === 'message') this.#become(job.message, 'sent', null);
    const returned = end
      .then((ending) => this.#ended(job, ending))
      .finally(() => this.#aside.delete(job.id))
      .then(
        (goesOn) => goesOn && this.wake(job.lane),
        (error: unknown) => {
          this.#context.log.error('a text that waited for a person', { job: job.id, error: String(error) });
          this.wake(job.lane);
        },
      );
    drop(returned, this.#context.log, 'a text that waited for a person');
  }

  /** False when the lane must wait for something other than time. */
  #ended(job: Job, ending: Ending): boolean {
    if (this.#disposed) return false;
    if (ending.how === 'failed') return this.#failed(job, ending.error);
    // Only the roster ends it; until then the person is invited again, patiently.
    if (job.kind === 'invite') return this.#postponePatiently(job);
    // Should a power cut take this back, it leaves once more, and is known again at its other end.
    const freed = this.#context.history.soon(() => {
      if (job.kind === 'message') this.#become(job.message, 'sent', null);
      return this.#remove(job.id);
    });
    for (const lane of freed) this.wake(lane);
    return true;
  }

  #failed(job: Job, error: AppError): boolean {
    const { history, clock, log } = this.#context;
    const message = job.kind === 'message' ? history.message(job.message, 'out') : null;
    if (message?.state === 'delivered' || message?.state === 'displayed') {
      // It was inside an invitation that nobody has answered, and its receipt says that it is there: it needs no other attempt.
      this.#done(job.id);
      return true;
    }
    log.info('a job did not leave', { job: job.id, kind: job.kind, attempts: job.attempts + 1, error: error.message });
    const isRegistered = this.#context.isRegistered();
    if (job.kind === 'invite') return this.#inviteFailed(job, error, isRegistered);
    if (message === null) return this.#receiptFailed(job, error, isRegistered);
    const isWaiting = message.error?.waits !== undefined;
    const isHeard = clock.now() - (this.#heardAt.get(job.lane) ?? Number.NEGATIVE_INFINITY) < signOfLifeMs;
    const mayComeBack = isHeard || (!isWaiting && clock.now() - message.sentAt >= longWaitMs);
    const remedy = remedyFor(error, { attempts: job.attempts + 1, isRegistered, isWaiting, mayComeBack });
    if (remedy === 'fail') {
      // Something that has failed goes nowhere by itself, whatever the layers below would do.
      this.#giveUp(job, error.retry === 'auto' ? new AppError(error.code, error.detail, 'user') : error);
      return true;
    }
    if (remedy === 'await') {
      this.#heardAt.delete(job.lane);
      this.#waiting.nobodyThere(job, message, error.toValue(), isWaiting && !isHeard ? job.attempts : 0);
      return true;
    }
    history.transaction(() => {
      if (remedy === 'again') history.postponeJob(job.id, clock.now() + pauseMs('message', job.attempts, error, clock.random()));
      // The window tells of the registration in a place of its own.
      this.#become(message.id, 'queued', error.code === 'msrp/relay' ? error.toValue() : isWaiting ? message.error : null);
    });
    return remedy === 'again';
  }

  #inviteFailed(job: Job, error: AppError, isRegistered: boolean): boolean {
    const remedy = remedyFor(error, { attempts: job.attempts + 1, isRegistered, isWaiting: true });
    if (remedy === 'wait') return false;
    if (remedy !== 'fail') return this.#postponePatiently(job);
    this.#giveUp(job, error);
    return true;
  }

  #postponePatiently(job: Job): boolean {
    const { history, clock } = this.#context;
    const { attempts } = job;
    history.postponeJob(job.id, nextProbeAt(clock.now(), { attempts, chance: clock.random(), until: Number.MAX_SAFE_INTEGER }));
    return true;
  }

  #receiptFailed(job: Job, error: AppError, isRegistered: boolean): boolean {
    const { history, clock } = this.#context;
    const ageMs = job.kind === 'receipt' ? clock.now() - job.receipt.at : 0;
    const remedy = receiptRemedy(error, ageMs, isRegistered);
    if (remedy === 'again') history.postponeJob(job.id, clock.now() + pauseMs('receipt', job.attempts, error, clock.random()));
    if (remedy !== 'fail') return remedy === 'again';
    this.#giveUp(job, error);
    return true;
  }

  /** Removes a job that has nothing left to do. */
  #done(id: number): void {
    for (const lane of this.#remove(id)) this.wake(lane);
  }

  /** Returns the lanes of the jobs that waited for this one. They are woken after the transaction. */
  #remove(id: number): string[] {
    const { history } = this.#context;
    const freed = history.jobsAfter(id).map(({ lane }) => lane);
    history.removeJob(id);
    return freed;
  }

  /** Removes a job that has failed, and with it every job that was to follow it. Their texts are failed and kept. */
  #giveUp(job: Pick<JobRecord, 'id' | 'kind' | 'message'>, error: AppError): void {
    const { history } = this.#context;
    history.transaction(() => {
      this.#failAfter(job.id, error);
      history.removeJob(job.id);
      if (job.kind === 'message') this.#become(job.message, 'failed', error.toValue());
    });
  }

  #failAfter(id: number, error: AppError): void {
    for (const next of this.#context.history.jobsAfter(id)) this.#giveUp(next, error);
  }

  /** A job that cannot be read would be tried for ever. It stays on disk for whoever looks into it, and its lane goes on. */
  #setUnreadableAside(record: JobRecord, reason: string): void {
    const { history, log } = this.#context;
    const error = new AppError('storage/unreadable', { cause: `the job: ${reason}` }, 'user');
    history.transaction(() => {
      history.setJobAside(record.id);
      this.#failAfter(record.id, error);
      if (record.kind === 'message') this.#become(record.message, 'failed', error.toValue());
    });
    log.error('a job cannot be read and was set aside', { job: record.id, kind: record.kind, lane: record.lane, reason });
    this.#context.announce({ event: 'warning', code: 'unreadable-job', text: reason });
  }

  #become(id: string, state: MessageRecord['state'], error: ErrorValue | null): void {
    const current = this.#context.history.message(id, 'out');
    if (current === null || !mayBecome(current.state, state)) return;
    this.#context.history.soon(() => this.#context.history.setMessageState(id, state, error));
  }
}

/** A text that another own device has written is sent by that device alone. */
function mustBeOurs(message: MessageRecord | null): void {
  if (message !== null && message.fromDevice !== null)
    throw new AppError('ipc/refused', { cause: `${message.fromDevice || 'another device'} sends this text` });
}
