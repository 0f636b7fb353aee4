/**
 * What leaves: every text and every receipt is a job on disk, written in the same transaction as what it belongs to, and removed only when
 * the network has taken it. One serial lane a conversation keeps the order; receipts have lanes of their own, one a device, so that
 * neither a text that cannot leave nor a device that is gone holds them.
 *
 *   job:  waiting -> attempt -> done (removed)
 *            ^          |-> not registered, network gone: waits for the registration
 *            |          |-> may work later (timeout, connection lost, 5xx): waits, 1 s doubled each time, `maxAttempts` at most
 *            +----------+-> refused: the message is failed and kept, the job removed; the person may retry
 *
 * A text whose receipt says that it is there needs no other answer: what carries it may wait for one as long as it likes, the lane goes on.
 *
 * Nobody presses Retry for a receipt: it waits until its reader can be reached, `receiptLifeMs` at most. Hearing from somebody ends the waiting
 * of everything that is for them.
 */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import { AppError, toAppError } from '../../../preload/contract/errors';
import type { ConversationRecord, JobRecord, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import type { ReceiptPayload } from '../conversation/envelope';
import { readRefusal } from '../conversation/refusals';
import { mayBecome, orderedAt } from '../conversation/values';

/** LAB: attempts at one job before it is called failed. */
export const maxAttempts = 6;
/** LAB: first pause after a failed attempt; each further one is twice as long, up to `longestPauseMs`. */
export const firstPauseMs = 1_000;
export const longestPauseMs = 60_000;
/** LAB: a Retry-After (RFC 3261 section 20.33) is honoured up to here; nobody's clock error may hold a lane for days. */
export const longestRetryAfterMs = 60 * 60_000;
/** LAB: a text that has waited this long for its own network waits for the other person's device too, which may be on the way back. */
export const longWaitMs = 3_000;
/** LAB: how far ahead of the clock a text may be dated, so that it stands behind what its conversation ends with. */
export const longestLeadMs = 1_000;
/** LAB: the longest pause between attempts at a receipt, and how long after its event it is still worth sending. */
export const longestReceiptPauseMs = 15 * 60_000;
export const receiptLifeMs = 7 * 24 * 60 * 60_000;

/** Brings one job to the network, or throws the AppError that says why not. */
export interface Carrier {
  /** `atDevice` is called where the text is at a device of the other side, and a person's answer is all that is waited for. */
  carryText(message: MessageRecord, conversation: ConversationRecord, mode: 'session' | 'pager', atDevice: () => void): Promise<void>;
  carryReceipt(message: string, payload: ReceiptPayload, conversation: ConversationRecord): Promise<void>;
}

/** A device that does not come back holds up the receipts for itself alone. `device`: the one that they are for, where that is known. */
export function receiptLane(conversation: string, device: string | null = null): string {
  return device === null ? `receipts ${conversation}` : `receipts ${conversation} ${device}`;
}

/** Null for a lane that holds no receipts. */
function conversationOfReceipts(lane: string): string | null {
  return /^receipts (\S+)/.exec(lane)?.[1] ?? null;
}

export class Outbox implements Disposable {
  readonly #context: CpmContext;
  readonly #carrier: Carrier;
  readonly #busy = new Set<string>();
  readonly #wokenWhileBusy = new Set<string>();
  readonly #timers = new Map<string, Disposable>();
  /** The texts that are being carried, and what ends the waiting for it. */
  readonly #underWay = new Map<string, () => void>();
  /** Jobs whose text waits for a person's answer and for nothing else: they stay until it comes, and hold up nothing in their lane. */
  readonly #aside = new Set<number>();
  #disposed = false;

  constructor(context: CpmContext, carrier: Carrier) {
    this.#context = context;
    this.#carrier = carrier;
  }

  /** Queues a text; `onlyWith`: for that member of the group alone. It is on disk, with its job, when this returns. @throws AppError `storage/*` */
  queueText(conversation: ConversationRecord, text: string, mode: 'session' | 'pager', onlyWith?: string): MessageRecord {
    const { history, clock, self, selfName } = this.#context;
    const now = clock.now();
    const receipts = this.#context.preferences().receipts;
    const message: MessageRecord = {
      id: clock.uuid(),
      conversation: conversation.id,
      direction: 'out',
      from: self,
      fromName: selfName,
      fromDevice: null,
      text,
      ...(onlyWith === undefined ? {} : { onlyWith }),
      state: 'queued',
      ...this.#stamp(conversation.id, now),
      receivedAt: null,
      error: null,
      wantsDelivered: receipts.delivered,
      wantsDisplayed: receipts.displayed,
    };
    history.transaction(() => {
      history.addMessage(message);
      history.addJob({ lane: conversation.id, kind: 'message', message: message.id, payload: JSON.stringify({ mode }), nextAt: now });
      history.updateConversation(conversation.id, { activityAt: now });
    });
    this.#context.messageChanged(message.id);
    this.wake(conversation.id);
    return message;
  }

  /**
   * No two texts of a conversation are dated alike: should the first of them arrive after the second, by a retry, the other side can still put
   * both into the order in which they were written. Here it stands below all that is there, whatever the clock was set to.
   */
  #stamp(conversation: string, now: number): { sentAt: number; movedBy: number } {
    const last = this.#context.history.lastMessage(conversation);
    const end = last === null ? 0 : orderedAt(last);
    const sentAt = end >= now && end < now + longestLeadMs ? end + 1 : now;
    return { sentAt, movedBy: Math.max(0, end + 1 - sentAt) };
  }

  /** Puts a failed message back into its lane. @throws AppError `conversation/unknown` when there is no such failed message */
  retry(id: string): void {
    const { history, clock } = this.#context;
    const message = history.message(id);
    if (message === null || message.state !== 'failed') throw new AppError('conversation/unknown', { cause: `no failed message ${id}` });
    history.transaction(() => {
      history.setMessageState(id, 'queued', null);
      history.removeJobsOf(id);
      history.addJob({
        lane: message.conversation,
        kind: 'message',
        message: id,
        payload: JSON.stringify({ mode: 'session' }),
        nextAt: clock.now(),
      });
    });
    this.#context.messageChanged(id);
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
    this.#context.announce({ event: 'messageRemoved', message: id, direction: 'out', conversation: message.conversation });
    this.#context.conversationChanged(message.conversation);
    this.wake(message.conversation);
  }

  /**
   * Gives up a message that waits at the head of its lane or in it; it is failed and kept. What is on its way right now is not stopped.
   * @throws AppError `conversation/unknown` when no such message waits
   */
  skip(id: string): void {
    const { history } = this.#context;
    const message = history.message(id, 'out');
    if (message === null || message.state !== 'queued') throw new AppError('conversation/unknown', { cause: `no waiting message ${id}` });
    history.transaction(() => {
      history.removeJobsOf(id);
      history.setMessageState(id, 'failed', new AppError('message/skipped', {}, 'user').toValue(), 'out');
    });
    this.#context.messageChanged(id);
    this.wake(message.conversation);
  }

  /** Works at every lane that has something to send: at start and at each registration. */
  wakeAll(): void {
    for (const lane of this.#context.history.lanes()) this.wake(lane);
  }

  /** What all lanes have waited for is there. */
  hastenAll(): void {
    const { history, clock } = this.#context;
    for (const lane of history.lanes()) {
      history.hastenLane(lane, clock.now());
      this.wake(lane);
    }
  }

  /** The other side of a conversation has just been heard from: what waits for it need not wait longer. */
  heardFrom(conversation: string): void {
    const { history, clock } = this.#context;
    for (const lane of [...this.#timers.keys()]) {
      if (lane !== conversation && conversationOfReceipts(lane) !== conversation) continue;
      history.hastenLane(lane, clock.now());
      this.wake(lane);
    }
  }

  /** A receipt says that a text is there. */
  reached(message: string): void {
    this.#underWay.get(message)?.();
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
      if (!(await this.#attempt(job))) return;
    }
  }

  /** False when the lane must wait for something other than time. */
  async #attempt(job: JobRecord): Promise<boolean> {
    const { history } = this.#context;
    const message = job.kind === 'message' ? history.message(job.message) : null;
    const conversation = history.conversation(message?.conversation ?? conversationOfReceipts(job.lane) ?? '');
    if (conversation === null || (job.kind === 'message' && message === null)) {
      history.removeJob(job.id);
      return true;
    }
    let stepAside = () => {};
    const aside = new Promise<'aside'>((resolve) => {
      stepAside = () => resolve('aside');
    });
    const ended = this.#carry(job, message, conversation, stepAside);
    if ((await Promise.race([ended, aside])) !== 'aside') return ended;
    this.#setAside(job, message, ended);
    return true;
  }

  /** Goes on with the lane while the text of a job waits for a person. The job is on disk until that has ended, however it does. */
  #setAside(job: JobRecord, message: MessageRecord | null, ended: Promise<boolean>): void {
    this.#aside.add(job.id);
    if (message !== null) this.#become(message.id, 'sent', null);
    const returned = ended
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
  async #carry(job: JobRecord, message: MessageRecord | null, conversation: ConversationRecord, stepAside: () => void): Promise<boolean> {
    const { history } = this.#context;
    try {
      if (message === null) await this.#carrier.carryReceipt(job.message, JSON.parse(job.payload) as ReceiptPayload, conversation);
      else {
        this.#become(message.id, 'sending', null);
        await this.#untilThere(message, conversation, (JSON.parse(job.payload) as { mode: 'session' | 'pager' }).mode, stepAside);
      }
      if (this.#disposed) return false;
      history.transaction(() => {
        history.removeJob(job.id);
        if (message !== null) this.#become(message.id, 'sent', null, false);
      });
      if (message !== null) this.#context.messageChanged(message.id);
      return true;
    } catch (thrown) {
      return this.#disposed ? false : this.#failed(job, message, toAppError(thrown));
    }
  }

  async #untilThere(
    message: MessageRecord,
    conversation: ConversationRecord,
    mode: 'session' | 'pager',
    atDevice: () => void,
  ): Promise<void> {
    const reached = new Promise<void>((resolve) => this.#underWay.set(message.id, resolve));
    const carried = this.#carrier.carryText(message, conversation, mode, atDevice);
    try {
      await Promise.race([carried, reached]);
    } finally {
      this.#underWay.delete(message.id);
      drop(carried, { ...this.#context.log, error: this.#context.log.debug }, 'carrying a text that is there');
    }
  }

  #failed(job: JobRecord, message: MessageRecord | null, error: AppError): boolean {
    const { history, clock, log } = this.#context;
    const now = message === null ? null : history.message(message.id);
    if (now?.state === 'delivered' || now?.state === 'displayed') {
      // It was inside an invitation that nobody has answered, and its receipt says that it is there: it needs no other attempt.
      history.removeJob(job.id);
      return true;
    }
    log.info('a job did not leave', { job: job.id, kind: job.kind, attempts: job.attempts + 1, error: error.message });
    const remedy =
      job.kind === 'receipt'
        ? receiptRemedy(error, clock.now() - (JSON.parse(job.payload) as ReceiptPayload).at, this.#context.isRegistered())
        : remedyFor(error, job.attempts + 1, this.#context.isRegistered(), message !== null && clock.now() - message.sentAt >= longWaitMs);
    const longestMs = job.kind === 'receipt' ? longestReceiptPauseMs : longestPauseMs;
    if (remedy === 'fail') {
      history.transaction(() => {
        history.removeJob(job.id);
        // What has failed goes nowhere by itself, whatever the layers below would do.
        const final = error.retry === 'auto' ? new AppError(error.code, error.detail, 'user') : error;
        if (message !== null) this.#become(message.id, 'failed', final, false);
      });
      if (message !== null) this.#context.messageChanged(message.id);
      return true;
    }
    const backoffMs = Math.round(Math.min(longestMs, firstPauseMs * 2 ** job.attempts) * (0.75 + clock.random() / 2));
    const pauseMs = Math.max(backoffMs, Math.min(error.detail.retryAfterMs ?? 0, longestRetryAfterMs));
    history.transaction(() => {
      if (remedy === 'again') history.postponeJob(job.id, clock.now() + pauseMs);
      // Of the registration the window tells in a place of its own.
      if (message !== null) this.#become(message.id, 'queued', error.code === 'msrp/relay' ? error : null, false);
    });
    if (message !== null) this.#context.messageChanged(message.id);
    return remedy === 'again';
  }

  #become(id: string, state: MessageRecord['state'], error: AppError | null, tell = true): void {
    const current = this.#context.history.message(id);
    if (current === null || !mayBecome(current.state, state)) return;
    this.#context.history.setMessageState(id, state, error?.toValue() ?? null);
    if (tell) this.#context.messageChanged(id);
  }
}

/** What an error means for a job: wait for the registration, try again after a pause, or give it back to the person. */
export function remedyFor(error: AppError, attempts: number, isRegistered: boolean, hasWaited = false): 'wait' | 'again' | 'fail' {
  switch (error.code) {
    case 'sip/not-registered':
      return 'wait';
    case 'net/unreachable':
      // Without a registration its return wakes the lane; with one it is the peer's media that cannot be reached.
      if (!isRegistered) return 'wait';
      return attempts < maxAttempts ? 'again' : 'fail';
    case 'msrp/relay':
      // As with the network itself: what was set to go through it waits until it is back, and never goes past it.
      return error.retry === 'auto' ? 'again' : 'fail';
    case 'msrp/rejected':
      // Where the answer says nothing against the text itself, it goes once more, over a new session where needed.
      return error.retry === 'auto' && attempts < maxAttempts ? 'again' : 'fail';
    case 'net/timeout':
    case 'msrp/closed':
    case 'storage/full':
    case 'storage/failed':
      return attempts < maxAttempts ? 'again' : 'fail';
    case 'sip/rejected':
      // 486 once more: two people who invite each other at the same time both hear it.
      if (error.detail.status === 486) return attempts < 2 ? 'again' : 'fail';
      if (error.detail.status === 480 && hasWaited) return attempts < maxAttempts ? 'again' : 'fail';
      return readRefusal(error.detail).remedy === 'again' && attempts < maxAttempts ? 'again' : 'fail';
    default:
      return 'fail';
  }
}

/** Like `remedyFor`, for a receipt that is `ageMs` old: whoever cannot be reached now may be later. */
export function receiptRemedy(error: AppError, ageMs: number, isRegistered: boolean): 'wait' | 'again' | 'fail' {
  if (error.code === 'sip/not-registered' || (error.code === 'net/unreachable' && !isRegistered)) return 'wait';
  const refusedForGood = error.code === 'sip/rejected' && !['again', 'later'].includes(readRefusal(error.detail).remedy);
  if (refusedForGood || error.code === 'conversation/no-session' || error.code === 'internal') return 'fail';
  return ageMs < receiptLifeMs ? 'again' : 'fail';
}
