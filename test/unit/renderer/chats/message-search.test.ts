import { beforeEach, describe, expect, it } from 'vitest';
import type { CallArgument, Result, SearchHitValue } from '../../../../preload/contract';
import { changePauseMs, hitPage, MessageSearch, typingPauseMs } from '../../../../renderer/chats/message-search';
import { applyEvent, emptyState } from '../../../../renderer/desk/state';
import { bob, message } from '../../../../renderer/gallery/scenes';

interface Asked {
  argument: CallArgument<'search'>;
  answer(...hits: string[]): Promise<void>;
  fail(): Promise<void>;
}

let asked: Asked[];
let timers: { ms: number; work: () => void }[];
let finder: MessageSearch;

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const hit = (id: string): SearchHitValue => ({
  message: id,
  conversation: 'bob',
  direction: 'in',
  from: bob.address,
  fromName: bob.name,
  sentAt: 1,
  snippet: id,
  marks: [],
});
const ids = (from: number, count: number) => Array.from({ length: count }, (_, index) => `m${from + index}`);
/** What waits for a pause goes on. */
const pass = () => {
  for (const { work } of timers.splice(0)) work();
};
const shown = () => finder.cell.get().hits.map((one) => one.message);
const typed = (text: string) => {
  finder.look(text);
  pass();
};

beforeEach(() => {
  asked = [];
  timers = [];
  finder = new MessageSearch(
    (argument) =>
      new Promise((resolve) => {
        const settle = (result: Result<SearchHitValue[]>) => {
          resolve(result);
          return settled();
        };
        asked.push({
          argument,
          answer: (...hits) => settle({ ok: true, value: hits.map(hit) }),
          fail: () => settle({ ok: false, error: { code: 'search/superseded', retry: 'never' } }),
        });
      }),
    (ms, work) => {
      const timer = { ms, work };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  );
});

describe('what is found while somebody types', () => {
  it('is asked for once the typing pauses, of the last words alone, and the search may be superseded', () => {
    for (const text of ['p', 'pi', 'piz', 'pizza']) finder.look(text);
    expect(timers.map(({ ms }) => ms)).toEqual([typingPauseMs]);
    pass();
    expect(asked.map(({ argument }) => argument)).toEqual([{ text: 'pizza', limit: hitPage, passing: true }]);
  });

  it.each([
    ['the older answer comes last', [1, 0]],
    ['the older answer comes first', [0, 1]],
  ])('is that of the newest words when %s', async (_, order) => {
    typed('pi');
    typed('pizza');
    for (const index of order) await asked[index]?.answer(index === 0 ? 'of pi' : 'of pizza');
    expect(finder.cell.get()).toMatchObject({ filter: 'pizza', failed: false });
    expect(shown()).toEqual(['of pizza']);
  });

  it('is no failure where an older search was superseded', async () => {
    typed('pi');
    typed('pizza');
    await asked[0]?.fail();
    await asked[1]?.answer('a');
    expect(finder.cell.get()).toMatchObject({ filter: 'pizza', failed: false });
  });

  it('stays to be seen, under its own words, until the next answer is here; then the words themselves come back to nothing old', async () => {
    typed('pi');
    await asked[0]?.answer('a', 'b');
    typed('pix');
    expect(finder.cell.get()).toMatchObject({ filter: 'pi' });
    typed('pi');
    await asked[1]?.answer('of pix');
    expect(finder.cell.get().filter).toBe('pi');
    await asked[2]?.answer('a');
    expect(shown()).toEqual(['a']);
  });

  it('says that it could not be searched', async () => {
    typed('pi');
    await asked[0]?.fail();
    expect(finder.cell.get()).toMatchObject({ filter: 'pi', failed: true, hits: [] });
  });

  it('is nothing more once nobody looks', async () => {
    typed('pi');
    finder.dispose();
    await asked[0]?.answer('a');
    expect(shown()).toEqual([]);
  });
});

describe('further hits', () => {
  beforeEach(async () => {
    typed('pi');
    await asked[0]?.answer(...ids(0, hitPage));
  });

  it('come after the last one, page by page, to the end', async () => {
    void finder.more();
    void finder.more();
    expect(asked).toHaveLength(2);
    expect(asked[1]?.argument).toEqual({ text: 'pi', limit: hitPage, before: { message: `m${hitPage - 1}`, direction: 'in' } });
    expect(finder.cell.get().isReading).toBe(true);
    await asked[1]?.answer(...ids(hitPage, 3));
    expect(shown()).toEqual(ids(0, hitPage + 3));
    expect(finder.cell.get()).toMatchObject({ hasMore: false, isReading: false });
    await finder.more();
    expect(asked).toHaveLength(2);
  });

  it('of words that do not stand there any more are not shown', async () => {
    void finder.more();
    typed('pizza');
    await asked[2]?.answer('of pizza');
    await asked[1]?.answer('stale');
    expect(shown()).toEqual(['of pizza']);
    typed('pi');
    void finder.more();
    expect(asked).toHaveLength(4);
  });

  it('that could not be read leave those that are there, and can be asked for again', async () => {
    void finder.more();
    await asked[1]?.fail();
    expect(finder.cell.get()).toMatchObject({ failed: true, hasMore: true, isReading: false });
    expect(shown()).toHaveLength(hitPage);
    void finder.more();
    await asked[2]?.answer('m50');
    expect(finder.cell.get()).toMatchObject({ failed: false, hasMore: false });
    expect(shown()).toHaveLength(hitPage + 1);
  });
});

describe('messages that come and go', () => {
  it('search again for the words in the field, once for many events, for as many hits as are shown', async () => {
    typed('pi');
    await asked[0]?.answer(...ids(0, hitPage));
    void finder.more();
    await asked[1]?.answer(...ids(hitPage, 10));
    finder.messagesChanged();
    finder.messagesChanged();
    expect(timers.map(({ ms }) => ms)).toEqual([changePauseMs]);
    pass();
    expect(asked[2]?.argument).toEqual({ text: 'pi', limit: hitPage + 10, passing: true });
    await asked[2]?.answer('new', ...ids(0, 9));
    expect(shown()[0]).toBe('new');
    expect(finder.cell.get().hasMore).toBe(false);
  });

  it('while an answer is on its way have it searched once more after it; where nothing is searched they change nothing', async () => {
    finder.messagesChanged();
    typed('pi');
    finder.messagesChanged();
    expect([timers.length, asked.length]).toEqual([0, 1]);
    await asked[0]?.answer('a');
    expect(shown()).toEqual(['a']);
    pass();
    await asked[1]?.answer('new', 'a');
    expect(shown()).toEqual(['new', 'a']);
    expect(timers).toEqual([]);
  });

  it('are distinguished from mere changes in the state of a message', () => {
    const said = (state: 'received' | 'displayed') => ({ event: 'message' as const, ...message({ in: bob, text: 'hello', at: 1 }), state });
    const wrote = (state: 'queued' | 'delivered') => ({ event: 'message' as const, ...message({ text: 'hello', at: 1 }), state });
    const stirs = (body: object) => applyEvent(emptyState, { ...body, revision: 7 } as never, 0).messagesChangedAt === 7;
    expect([said('received'), wrote('queued')].map(stirs)).toEqual([true, true]);
    expect([said('displayed'), wrote('delivered')].map(stirs)).toEqual([false, false]);
    expect(stirs({ event: 'messageRemoved', message: 'm', direction: 'in', conversation: 'bob' })).toBe(true);
  });
});
