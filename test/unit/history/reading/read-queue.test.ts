import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { closeLimitMs, ReadQueue, type ThreadEvents } from '../../../../main/history/reading/read-queue';
import type { ToThread } from '../../../../main/history/reading/thread-messages';
import type { AppError } from '../../../../preload/contract/errors';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

/** A thread in the hands of the test. */
class FakeThread {
  readonly posted: ToThread[] = [];
  terminated = false;

  constructor(readonly events: ThreadEvents) {}

  post(message: ToThread): void {
    this.posted.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  /** What it was asked last. */
  get asked(): { id: number; typed: unknown } {
    const last = this.posted.at(-1);
    if (last === undefined || !('question' in last)) throw new Error('nothing was asked');
    return { id: last.id, typed: last.question.what === 'fold' ? 'fold' : last.question.given[0] };
  }

  answer(value: unknown): void {
    this.events.message({ id: this.asked.id, value });
  }
}

let clock: VirtualClock;
let threads: FakeThread[];
let cannotStart: Error | null;
let queue: ReadQueue;

const thread = () => {
  const last = threads.at(-1);
  if (last === undefined) throw new Error('no thread was started');
  return last;
};
const ask = (typed: string, isPassing = false, account = 1) => queue.ask({ account, what: 'search', given: [typed, 50] }, isPassing);
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => 'answered',
    (error: AppError) => error.code,
  );

beforeEach(() => {
  clock = new VirtualClock();
  threads = [];
  cannotStart = null;
  queue = new ReadQueue({
    clock,
    log: silentLogger,
    start: (events) => {
      if (cannotStart !== null) throw cannotStart;
      const started = new FakeThread(events);
      threads.push(started);
      return started;
    },
  });
});

describe('questions to the thread that reads', () => {
  it('start it when the first one comes, and go to it one after the other', async () => {
    expect(threads).toHaveLength(0);
    const [one, two] = [ask('one'), ask('two')];
    expect(thread().posted).toHaveLength(1);
    thread().answer(['a']);
    expect(await one).toEqual({ value: ['a'] });
    expect(thread().asked.typed).toBe('two');
    thread().answer(['b']);
    expect(await two).toEqual({ value: ['b'] });
    expect(threads).toHaveLength(1);
  });

  it('return the error that it met in the file, in its words, and continue', async () => {
    const one = ask('one');
    const two = ask('two');
    thread().events.message({ id: thread().asked.id, error: { code: 'storage/unreadable', retry: 'user', cause: 'NOTADB' } });
    expect(await one).toMatchObject({ error: { code: 'storage/unreadable', retry: 'user', detail: { cause: 'NOTADB' } } });
    thread().answer([]);
    expect(await two).toEqual({ value: [] });
  });

  it('give way to the next one while a person types: the old one never reaches the thread, or its answer reaches nobody', async () => {
    const typed = ['p', 'pi', 'piz', 'pizza'].map((text) => ask(text, true));
    expect(await Promise.all(typed.slice(0, 3).map(failure))).toEqual(Array(3).fill('search/superseded'));
    expect(thread().asked.typed).toBe('p');
    thread().answer(['of p']);
    expect(thread().asked.typed).toBe('pizza');
    expect(thread().posted).toHaveLength(2);
    thread().answer(['of pizza']);
    expect(await typed[3]).toEqual({ value: ['of pizza'] });
  });

  it('leave those of others alone', async () => {
    const script = ask('script');
    const typed = ask('p', true);
    const ofAnotherAccount = ask('p', true, 2);
    const next = ask('pi', true);
    expect(await failure(typed)).toBe('search/superseded');
    for (const value of [1, 2, 3]) thread().answer(value);
    expect([await script, await ofAnotherAccount, await next]).toEqual([{ value: 1 }, { value: 2 }, { value: 3 }]);
  });

  it('are repeated once on a new thread when the thread dies of one, and then fail; the ones behind them do not', async () => {
    const one = ask('deadly');
    const two = ask('two');
    threads[0]?.events.ended('out of memory');
    expect(threads).toHaveLength(2);
    expect(thread().asked.typed).toBe('deadly');
    threads[1]?.events.ended('out of memory');
    expect(await failure(one)).toBe('storage/failed');
    expect(thread().asked.typed).toBe('two');
    thread().answer([]);
    expect(await two).toEqual({ value: [] });
    expect(threads).toHaveLength(3);
  });

  it('fail where no thread can be started, and the next one tries again', async () => {
    cannotStart = new Error('no such file');
    expect(await failure(ask('one'))).toBe('storage/failed');
    cannotStart = null;
    const two = ask('two');
    thread().answer([]);
    expect(await two).toEqual({ value: [] });
  });

  it('are not answered by a late result of a dead thread', async () => {
    const one = ask('one');
    const dead = thread();
    dead.events.ended('killed');
    dead.events.message({ id: 99, value: 'stale' });
    thread().answer('fresh');
    expect(await one).toEqual({ value: 'fresh' });
  });
});

describe('closing', () => {
  it('fails what waits, has the thread let go of the file, and is done when it is gone', async () => {
    const asked = [ask('one'), ask('two')];
    let isDone = false;
    const done = queue.close().then(() => {
      isDone = true;
    });
    expect(await Promise.all(asked.map(failure))).toEqual(['storage/failed', 'storage/failed']);
    expect(thread().posted.at(-1)).toEqual({ close: true });
    await settled();
    expect(isDone).toBe(false);
    thread().events.ended('');
    await done;
    expect(thread().terminated).toBe(false);
    expect(await failure(ask('late'))).toBe('storage/failed');
    expect(threads).toHaveLength(1);
  });

  it('ends a thread that is still at a question after a while, and does not wait longer for it', async () => {
    void failure(ask('endless'));
    const done = queue.close();
    await clock.advance(closeLimitMs);
    await done;
    expect(thread().terminated).toBe(true);
  });

  it('needs no thread when nothing was asked', async () => {
    await queue.close();
    await queue.close();
    expect(threads).toHaveLength(0);
  });
});
