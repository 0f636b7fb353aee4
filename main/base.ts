/**
 * The primitives every part of the main process shares: announcing (Emitter), letting go (Disposable), telling (Logger),
 * and time (Clock). Nothing here knows a protocol.
 */

/** Something that holds a resource until it is told to let go. `dispose` may run twice. */
export interface Disposable {
  dispose(): void;
}

/** Wraps a function as a Disposable that runs it once. */
export function disposable(release: () => void): Disposable {
  let done = false;
  return {
    dispose() {
      if (done) return;
      done = true;
      release();
    },
  };
}

/** Collects Disposables and lets them go together, last first. Adding to a disposed store disposes at once. */
export class DisposableStore implements Disposable {
  readonly #items = new Set<Disposable>();
  #disposed = false;

  get isDisposed(): boolean {
    return this.#disposed;
  }

  add<T extends Disposable>(item: T): T {
    if (this.#disposed) item.dispose();
    else this.#items.add(item);
    return item;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const item of [...this.#items].reverse()) item.dispose();
    this.#items.clear();
  }
}

/** How a listener's exception leaves the Emitter: never into the one who announced. */
let reportListenerError: (error: unknown) => void = (error) => {
  console.error('A listener failed:', error);
};

/** Sends exceptions of Emitter listeners to `report`. Set once, by the composition root. */
export function setListenerErrorReporter(report: (error: unknown) => void): void {
  reportListenerError = report;
}

/** One typed event. Announces a change of state; it never asks for one. */
export class Emitter<T> implements Disposable {
  readonly #listeners = new Set<(value: T) => void>();

  /** Calls `listener` at every `emit` until the returned Disposable is disposed. */
  on(listener: (value: T) => void): Disposable {
    const entry = (value: T) => listener(value);
    this.#listeners.add(entry);
    return disposable(() => this.#listeners.delete(entry));
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        reportListenerError(error);
      }
    }
  }

  dispose(): void {
    this.#listeners.clear();
  }
}

/** Where a part tells what it did. `fields` are plain values; secrets never go in. */
export interface Logger {
  debug(text: string, fields?: Record<string, unknown>): void;
  info(text: string, fields?: Record<string, unknown>): void;
  warn(text: string, fields?: Record<string, unknown>): void;
  error(text: string, fields?: Record<string, unknown>): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A Logger that writes one line a call to stderr. */
export function createStderrLogger(scope: string, minimum: 'debug' | 'info' | 'warn' | 'error' = 'info'): Logger {
  const levels = ['debug', 'info', 'warn', 'error'] as const;
  const write = (level: (typeof levels)[number]) => (text: string, fields?: Record<string, unknown>) => {
    if (levels.indexOf(level) < levels.indexOf(minimum)) return;
    const tail = fields === undefined ? '' : ` ${JSON.stringify(fields)}`;
    process.stderr.write(`${new Date().toISOString()} ${level} ${scope}: ${text}${tail}\n`);
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/** Time and randomness, so that tests run in virtual time and with a seed. All times are epoch milliseconds. */
export interface Clock {
  now(): number;
  /** Runs `callback` once after `delayMs`, `longestTimerMs` at most; disposing before then cancels it. */
  setTimer(delayMs: number, callback: () => void): Disposable;
  /** A number in [0, 1). */
  random(): number;
  /** A random UUID, version 4, lower case. */
  uuid(): string;
}

/** Node runs a timer that is longer at once, and a peer may well name a time that long. */
export const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, longestTimerMs));
    return disposable(() => clearTimeout(timer));
  },
  random: () => Math.random(),
  uuid: () => globalThis.crypto.randomUUID(),
};

/** Resolves after `delayMs` of `clock`'s time. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

/** Says that a promise is deliberately not awaited, and where its failure goes. */
export function drop(promise: Promise<unknown>, log: Logger, what: string): void {
  promise.catch((error: unknown) => log.error(`${what} failed`, { error: String(error) }));
}

/** Marks a case that the types exclude. A new union member then fails to compile where it must be decided. */
export function assertNever(value: never, what: string): never {
  throw new Error(`Unexpected ${what}: ${JSON.stringify(value)}`);
}
