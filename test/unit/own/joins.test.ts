import { describe, expect, it } from 'vitest';
import { type RawEvent, rawEvent } from '../../../main/own/events';
import { join } from '../../../main/own/joins';
import { OwnLog } from '../../../main/own/log';
import type { ElementKind } from '../../../main/own/store';
import { MemoryOwnStore } from '../../support/doubles/own-store';
import { seededRandom } from '../../support/doubles/seeded-random';

const kinds: readonly ElementKind[] = ['msg', 'st', 'rcpt', 'read', 'del', 'reg', 'fork', 'other'];

function beginning() {
  const store = new MemoryOwnStore();
  new OwnLog({ store, instance: 'urn:uuid:1', now: () => 0, random: (bytes) => new Uint8Array(bytes) });
  return store;
}

function stateAfter(events: readonly RawEvent[]) {
  const store = beginning();
  for (const event of events) store.transaction(() => join(store, event));
  return {
    digest: store.head()?.digest,
    elements: kinds.map((kind) => store.keys(kind, '', '', 1_000).map((key) => [key, store.element(kind, key)])),
  };
}

const message = (k: string, pb: string, po: number, t = 'hello'): RawEvent => ({
  e: 'msg',
  k,
  c: '1|sip:a@x|sip:b@x',
  d: 'i',
  id: k,
  f: 'sip:b@x',
  at: 1,
  po,
  pb,
  ct: 'text/plain',
  t,
});

function permutations<T>(of: readonly T[]): T[][] {
  if (of.length < 2) return [[...of]];
  return of.flatMap((one, at) => permutations([...of.slice(0, at), ...of.slice(at + 1)]).map((rest) => [one, ...rest]));
}

describe('events join', () => {
  const events: RawEvent[] = [
    message('k1', 'urn:b', 20),
    message('k1', 'urn:a', 30),
    { e: 'read', k: ['k1', 'k2'] },
    { e: 'del', k: ['k2'] },
    { e: 'rcpt', k: ['k1', 'k2'], a: 'sip:b@x', dev: 'Phone', x: 'displayed', at: 7 },
    { e: 'reg', name: 'mute|c', val: true, ver: [1, 5, 'w1'] },
    { e: 'reg', name: 'mute|c', val: false, ver: [2, 3, 'w2'] },
  ];

  it('to one state in every order of seven events', () => {
    const wanted = stateAfter(events);
    for (const order of permutations(events)) expect(stateAfter(order)).toEqual(wanted);
  });

  it('to one state in random orders with repetitions', () => {
    const more: RawEvent[] = [
      ...events,
      message('k2', 'urn:c', 1),
      message('k3', 'urn:c', 1, 'one'),
      message('k3', 'urn:c', 1, 'two'),
      { e: 'st', k: 'k3', st: 'sent', ver: 2 },
      { e: 'st', k: 'k3', st: 'failed', ver: 1 },
      { e: 'rcpt', k: ['k1'], a: 'sip:b@x', dev: 'Phone', x: 'displayed', at: 3 },
      { e: 'fork', w: 'w9', n: 4, h: 'x' },
      { e: 'fork', w: 'w9', n: 3, h: 'y' },
      { e: 'poll', choices: ['tea', 'coffee'] },
      { e: 'read', k: 'not a list' },
    ];
    const wanted = stateAfter(more);
    const random = seededRandom(5);
    for (let round = 0; round < 300; round += 1) {
      const order = [...more, ...more.filter(() => random() < 0.4)].map((event) => ({ event, at: random() }));
      expect(stateAfter(order.sort((one, other) => one.at - other.at).map(({ event }) => event))).toEqual(wanted);
    }
  });

  it('and a message stands where the device with the smallest instance ID put it', () => {
    const store = beginning();
    for (const event of events) store.transaction(() => join(store, event));
    expect(store.element('msg', 'k1')).toMatchObject({ pb: 'urn:a', po: 30 });
  });

  it('and a deleted message leaves nothing behind but its key', () => {
    const store = beginning();
    for (const event of [...events, { e: 'del', k: ['k1'] }]) store.transaction(() => join(store, event));
    expect(store.element('msg', 'k1')).toBeUndefined();
    expect(store.element('read', 'k1')).toBeUndefined();
    expect(store.keys('rcpt', '', '', 10)).toEqual([]);
    expect(store.keys('del', '', '', 10)).toEqual(['k1', 'k2']);
  });

  it('and what this version does not know is kept as it came', () => {
    const store = beginning();
    const strange = { e: 'poll', choices: ['tea'], more: { deep: [1] } };
    store.transaction(() => join(store, strange));
    const [key = ''] = store.keys('other', '', '', 10);
    expect(store.element('other', key)).toEqual(strange);
  });

  it('and what was there already is no change, whatever its kind', () => {
    const store = beginning();
    const events = [message('k1', 'urn:uuid:1', 1), { e: 'poll', choices: ['tea'] }, { e: 'read', k: ['k1'] }, { e: 'del', k: ['k2'] }];
    for (const event of events) {
      expect(store.transaction(() => join(store, event))).toHaveLength(1);
      expect(store.transaction(() => join(store, event))).toEqual([]);
    }
  });
});

it('what is no event at all is none', () => {
  for (const value of [null, 7, 'msg', [], {}, { e: 4 }, { e: '' }]) expect(rawEvent(value)).toBeNull();
});
