import { describe, expect, it } from 'vitest';
import type { MessageEvent, RawEvent } from '../../../main/own/events';
import { OwnLog } from '../../../main/own/log';
import { answer, readRequest } from '../../../main/own/pages';
import { pull, type Question } from '../../../main/own/pull';
import { MemoryOwnStore } from '../../support/doubles/own-store';

const message = (n: number): MessageEvent => ({
  ...{ e: 'msg', k: `key ${n}`, c: '1|sip:bob@lab.test', d: 'i', id: `id ${n}`, f: 'sip:bob@lab.test' },
  ...{ at: n, po: n, ct: 'text/plain', t: `text ${n}` },
});
const range = (count: number): RawEvent[] => Array.from({ length: count }, (_, n) => message(n + 1));

function device(instance: string) {
  const store = new MemoryOwnStore();
  let salt = 0;
  const log = new OwnLog({
    store,
    instance,
    now: () => 0,
    random: (bytes) => {
      salt += 1;
      return new Uint8Array(bytes).fill(salt);
    },
  });
  return { store, log, keys: () => store.messagesBefore(null, 1_000).map(([, key]) => key) };
}
type Device = ReturnType<typeof device>;

/** An older device with a history from before its log began. */
function older(count: number): Device {
  const made = device('urn:uuid:older');
  made.log.takeOlder(range(count));
  made.log.takeOlder(null);
  return made;
}

/** Pulls what `from` has; `pages`: the way is cut after so many answers. */
async function fill(to: Device, from: Device, pages = Number.POSITIVE_INFINITY) {
  const asked: Question[] = [];
  const outcome = await pull({
    log: to.log,
    wholeState: false,
    ask: async (question) => {
      asked.push(question);
      const request = readRequest(JSON.parse(JSON.stringify(question)));
      if (asked.length > pages || request === null) return null;
      return JSON.parse(JSON.stringify(answer(from.log, request, { events: 10, chars: 100_000 })));
    },
    isStopped: () => false,
    moved: () => undefined,
    told: () => undefined,
  });
  return { outcome, asked };
}

describe('the history from before the log', () => {
  it('is in the state without numbers, so that a sibling copies the state', async () => {
    const [laptop, tablet] = [older(25), device('urn:uuid:tablet')];
    expect(Object.values(laptop.log.vector).map(([n]) => n)).toEqual([1]);
    expect((await fill(tablet, laptop)).outcome).toBe('done');
    expect(tablet.keys()).toEqual(laptop.keys());
    expect(tablet.log.head.digest).toBe(laptop.log.head.digest);
    expect(tablet.log.vector).toEqual(laptop.log.vector);
  });

  it('writes nothing where there is none, and is looked at again by a device that has left and comes back', () => {
    const laptop = device('urn:uuid:laptop');
    laptop.log.takeOlder(null);
    expect(laptop.log.vector).toEqual({});
    expect(laptop.log.head.older).toBe('done');
    laptop.log.leave();
    expect(laptop.log.head.older).toBeUndefined();
  });

  it('is begun again after a death, and the floor is set all the same', () => {
    const laptop = device('urn:uuid:laptop');
    laptop.log.takeOlder(range(3));
    expect(laptop.log.head.older).toBe('begun');
    // The second time everything is known.
    laptop.log.takeOlder([]);
    laptop.log.takeOlder(null);
    expect(laptop.log.isBelowFloor({}, {})).toBe(true);
  });
});

describe('a new device', () => {
  it('copies the newest first, although the log could tell all of it from the beginning', async () => {
    const [laptop, tablet] = [device('urn:uuid:laptop'), device('urn:uuid:tablet')];
    laptop.log.append(range(25));
    tablet.log.wantState(null);
    await fill(tablet, laptop, 3);
    expect(tablet.keys()[0]).toBe('key 25');
    expect(tablet.keys()).not.toContain('key 1');
    expect(tablet.log.head.filling).toMatchObject({ of: 25 });
    // What it has is counted, also after a death, and it goes on there.
    const { got = 0 } = tablet.log.head.filling ?? {};
    expect(got).toBe(tablet.keys().length);
    const { asked } = await fill(tablet, laptop);
    expect(asked).toContainEqual(expect.objectContaining({ full: expect.stringContaining('key'), got, of: 25 }));
    expect(tablet.keys()).toHaveLength(25);
    expect(tablet.log.head.wantsState).toBeUndefined();
    expect(tablet.log.vector).toEqual(laptop.log.vector);
  });

  it('leaves out what is from before the time it wants, says so to whoever copies from it, and gets it later', async () => {
    const [laptop, tablet, phone] = [older(30), device('urn:uuid:tablet'), device('urn:uuid:phone')];
    tablet.log.wantState(21);
    expect((await fill(tablet, laptop)).outcome).toBe('done');
    expect(tablet.keys()).toHaveLength(10);
    expect(tablet.log.head.since).toBe(21);
    phone.log.wantState(null);
    await fill(phone, tablet);
    expect(phone.log.head.since).toBe(21);
    tablet.log.wantState(null);
    await fill(tablet, laptop);
    expect(tablet.keys()).toHaveLength(30);
    expect(tablet.log.head.since).toBeUndefined();
  });

  it('that wants more while a copy is under way gets that as well', async () => {
    const [laptop, tablet] = [older(30), device('urn:uuid:tablet')];
    tablet.log.wantState(21);
    await fill(tablet, laptop, 2);
    tablet.log.wantState(null);
    await fill(tablet, laptop);
    expect(tablet.keys()).toHaveLength(30);
  });
});
