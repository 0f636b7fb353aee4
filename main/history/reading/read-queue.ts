/**
 * The queue of questions for the thread that reads a history, and the life of that thread:
 *
 *            the first question          closed
 *   resting --------------------> running ------> closed
 *      ^                             |
 *      +-----------------------------+
 *        it died: the question is asked once more of a new thread, and fails if that one dies too
 *
 * The thread has one question at a time. The others wait here, so that one which nobody needs any more can be taken out.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import type { Logger } from '../../../base/log';
import { AppError, type ErrorValue } from '../../../preload/contract/errors';
import type { FromThread, Question, ThreadStart, ToThread } from './thread-messages';

/**
 * How long a thread that is in the middle of a question may take to close its file; then it is terminated. Less than an orderly quit may take, and not much
 * less: the SQLite binding ends the whole process when its thread is cut off inside a call.
 */
export const closeLimitMs = 2_500;
/** How many threads may die of one question. */
const mostDeaths = 2;

/** A thread, as the queue sees it. */
export interface Thread {
  post(message: ToThread): void;
  /** Ends it as soon as possible. */
  terminate(): void;
}

export interface ThreadEvents {
  message(message: FromThread): void;
  /** Called once; `cause` says why it ended when it was not asked to. */
  ended(cause: string): void;
}

export type StartThread = (events: ThreadEvents) => Thread;

/** A thread of Node's that runs the built `read-thread.ts`. It keeps the process alive only while somebody waits for it. */
export function nodeThread(script: string, start: ThreadStart): StartThread {
  return (events) => {
    const worker = new Worker(script, { workerData: start, stdin: false });
    let cause = 'it ended by itself';
    worker.on('message', (message: FromThread) => {
      if ('id' in message) worker.unref();
      events.message(message);
    });
    worker.on('messageerror', (error) => events.message({ log: 'error', text: 'an answer was lost', fields: { error: String(error) } }));
    worker.on('error', (error) => {
      cause = String(error);
    });
    worker.once('exit', () => events.ended(cause));
    worker.unref();
    return {
      post: (message) => {
        worker.ref();
        worker.postMessage(message);
      },
      terminate: () => void worker.terminate(),
    };
  };
}

interface Asked {
  id: number;
  question: Question;
  /** Whether the next passing question replaces it. */
  isPassing: boolean;
  /** Nobody waits for its answer any more. */
  isOver: boolean;
  deaths: number;
  resolve(answer: Answer): void;
  reject(error: AppError): void;
}

/** The answer of the thread, or the storage error that it met. */
export type Answer = { value: unknown } | { error: AppError };

export class ReadQueue {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #start: StartThread;
  readonly #waiting: Asked[] = [];
  #asked: Asked | null = null;
  #thread: Thread | null = null;
  #count = 0;
  /** Resolves when a closed queue's thread is gone. */
  #closing: { done: Promise<void>; settle: () => void } | null = null;

  constructor(deps: { clock: Clock; log: Logger; start: StartThread }) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#start = deps.start;
  }

  /**
   * `isPassing`: only the newest passing question of an account is wanted; an older one without an answer fails with `search/superseded`.
   * @throws AppError `storage/failed` when the thread died of the question, or the queue is closed
   */
  ask(question: Question, isPassing = false): Promise<Answer> {
    if (this.#closing !== null) return Promise.reject(closed());
    if (isPassing && question.what !== 'fold') this.#supersede(question.account);
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, question, isPassing, isOver: false, deaths: 0, resolve, reject });
      this.#next();
    });
  }

  /** Fails what is not answered, and lets the thread go, which closes the file. May be called twice. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.done;
    let settle = () => {};
    const done = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#closing = { done, settle };
    for (const asked of [this.#asked, ...this.#waiting.splice(0)]) if (asked !== null) this.#fail(asked, closed());
    const thread = this.#thread;
    if (thread === null) settle();
    else {
      thread.post({ close: true });
      const limit: Disposable = this.#clock.setTimer(closeLimitMs, () => {
        this.#log.warn('the thread that reads the history is still at it');
        thread.terminate();
        settle();
      });
      void done.then(() => limit.dispose());
    }
    return done;
  }

  #supersede(account: number): void {
    const isOlder = (asked: Asked) =>
      asked.isPassing && !asked.isOver && asked.question.what !== 'fold' && asked.question.account === account;
    const older = [this.#asked, ...this.#waiting].filter((asked) => asked !== null).filter(isOlder);
    for (const asked of older) this.#fail(asked, new AppError('search/superseded', { cause: 'a newer search has taken its place' }));
    // The question that the thread is working on stays until its answer comes.
    for (let at = this.#waiting.length - 1; at >= 0; at -= 1) if (this.#waiting[at]?.isOver === true) this.#waiting.splice(at, 1);
  }

  #fail(asked: Asked, error: AppError): void {
    if (asked.isOver) return;
    asked.isOver = true;
    asked.reject(error);
  }

  #next(): void {
    if (this.#asked !== null || this.#closing !== null) return;
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    this.#asked = asked;
    try {
      this.#thread ??= this.#begin();
      this.#thread.post({ id: asked.id, question: asked.question });
    } catch (error) {
      this.#asked = null;
      this.#fail(asked, new AppError('storage/failed', { cause: `the thread that reads the history: ${String(error)}` }, 'auto'));
      this.#next();
    }
  }

  #begin(): Thread {
    return this.#start({ message: (message) => this.#take(message), ended: (cause) => this.#ended(cause) });
  }

  #take(message: FromThread): void {
    if ('log' in message) {
      this.#log[message.log](message.text, message.fields);
      return;
    }
    const asked = this.#asked;
    if (asked === null || asked.id !== message.id) return;
    this.#asked = null;
    asked.isOver = true;
    asked.resolve('error' in message ? { error: errorOf(message.error) } : { value: message.value });
    this.#next();
  }

  #ended(cause: string): void {
    this.#thread = null;
    if (this.#closing !== null) {
      this.#closing.settle();
      return;
    }
    const asked = this.#asked;
    this.#asked = null;
    this.#log.error('the thread that reads the history died', { cause, question: asked?.question.what ?? 'none' });
    if (asked !== null && !asked.isOver) {
      asked.deaths += 1;
      if (asked.deaths < mostDeaths) this.#waiting.unshift(asked);
      else this.#fail(asked, new AppError('storage/failed', { cause: `the thread that reads the history died: ${cause}` }, 'auto'));
    }
    this.#next();
  }
}

function closed(): AppError {
  return new AppError('storage/failed', { cause: 'the history is closed' });
}

function errorOf({ code, retry, ...detail }: ErrorValue): AppError {
  return new AppError(code, detail, retry);
}
