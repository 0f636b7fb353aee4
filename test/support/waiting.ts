/**
 * How tests wait. `until` waits for a condition and is done as soon as it holds; `elapse` lets real time pass where nothing tells that it has,
 * and says why. `test/unit/waiting.test.ts` finds whoever waits in another way.
 */

/** The real clock, also where a test has taken over the time of the process. */
const { setTimeout: later, clearTimeout: never } = globalThis;

/** How often a condition is looked at without any event: what it asks about may tell nobody, such as a binding of the network or a file. */
const lookAgainMs = 50;
/** Between looks that are stirred while they last: a look that asks a process is an event itself. */
const soonMs = 10;

/** How long a test waits for one thing before it fails. Everything that is waited for takes less than a second on an idle machine. */
export const patienceMs = 20_000;

/** What a look answers: a value, or that it is not so yet. */
export type NotYet<T> = T | null | undefined | false;
export const isNotYet = (value: unknown): value is null | undefined | false => value === null || value === undefined || value === false;

const looking = new Set<() => void>();

/**
 * Something has happened somewhere: every condition in this process is looked at again. Whoever observes a client or a process calls it, since
 * a condition may ask about several of them.
 */
export function stir(): void {
  for (const look of [...looking]) look();
}

/**
 * Resolves with the first value that is neither null, undefined nor false. One look at a time, however often it is stirred. `what` may be a
 * function: it is called when the limit is over, and can say how far things have come.
 * @throws when the limit is over, or when a look throws
 */
export function until<T>(what: string | (() => string), look: () => NotYet<T> | Promise<NotYet<T>>, limitMs = patienceMs): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLooking = false;
    let wasStirred = false;
    let next: ReturnType<typeof later> | undefined;
    const finish = (end: () => void) => {
      looking.delete(check);
      clearTimeout(limit);
      never(next);
      end();
    };
    const check = async () => {
      wasStirred = isLooking;
      if (isLooking) return;
      isLooking = true;
      never(next);
      try {
        const value = await look();
        if (!isNotYet(value)) return finish(() => resolve(value));
      } catch (error) {
        return finish(() => reject(error instanceof Error ? error : new Error(String(error))));
      } finally {
        isLooking = false;
      }
      if (looking.has(check)) next = later(check, wasStirred ? soonMs : lookAgainMs);
    };
    const limit = setTimeout(
      () => finish(() => reject(new Error(`waited ${limitMs} ms in vain until ${typeof what === 'string' ? what : what()}`))),
      limitMs,
    );
    looking.add(check);
    void check();
  });
}

/** Lets real time pass. For what tells nobody that it is over: a clock of another process, or proof that nothing happens. `why` says which. */
export function elapse(ms: number, why: string): Promise<void> {
  if (why === '') throw new Error('A wait without a reason');
  return new Promise((resolve) => later(resolve, ms));
}
