import { describe, expect, it } from 'vitest';
import type { AppEvent, ChorusBridge, EventBody, MessageValue, Result, Snapshot } from '../../../../preload/contract';
import {
  applyEvent as applyAppEvent,
  applySnapshot,
  type ChorusState,
  emptyState,
  freshGroupMs,
  insertMessage,
  mergePage,
  orderedConversations,
  seeParticipants,
} from '../../../../renderer/desk/state';
import { pageSize, Store } from '../../../../renderer/desk/store';
import { alice, at, base, bob, carol, conversation, message } from '../../../../renderer/gallery/scenes';

type Told = EventBody & { revision: number };
/** The event as one of the account that the window shows. */
const ofAlice = (event: Told): AppEvent => ({ account: alice.address, ...event }) as AppEvent;
const applyEvent = (state: ChorusState, event: Told, now: number) => applyAppEvent(state, ofAlice(event), now);

const ready = applySnapshot(emptyState, { ...base, conversations: [conversation({ conversation: 'bob', people: [bob] })] }, 1000);

interface Gate {
  name: string;
  argument: unknown;
  answer: (value: unknown) => void;
  refuse: () => void;
}

/** A bridge whose calls wait until the test answers them. */
function bridge() {
  const listeners = new Set<(event: AppEvent) => void>();
  const gates: Gate[] = [];
  const made: ChorusBridge = {
    call: (name, argument) =>
      new Promise((resolve) => {
        gates.push({
          name,
          argument,
          answer: (value) => resolve({ ok: true, value } as Result<never>),
          refuse: () => resolve({ ok: false, error: { code: 'ipc/refused', retry: 'never' } }),
        });
      }),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const emit = (event: Told) => {
    for (const listener of listeners) listener(ofAlice(event));
  };
  return { bridge: made, gates, emit, listeners };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const registered = (revision: number, bindings: number): Told => ({ event: 'registration', state: 'registered', bindings, revision });

describe('the rule of revisions', () => {
  it('applies an event with a higher revision and ignores an equal or a lower one', () => {
    const after = applyEvent(ready, registered(11, 3), 2000);
    expect(after.registration.bindings).toBe(3);
    expect(after.registrationAt).toBe(2000);
    expect(applyEvent(after, registered(11, 9), 3000)).toBe(after);
    expect(applyEvent(after, registered(5, 9), 3000)).toBe(after);
  });

  it('leaves what another account of the profile tells alone', () => {
    const ofCarol = applyAppEvent(ready, { ...registered(11, 3), account: carol.address } as AppEvent, 0);
    expect(ofCarol).toEqual({ ...ready, revision: 11 });
    expect(applyEvent(ofCarol, registered(12, 3), 0).registration.bindings).toBe(3);
  });

  it('keeps no envelope field inside a value', () => {
    const { registration } = applyEvent(ready, registered(11, 3), 0);
    expect(Object.keys(registration).sort()).toEqual(['bindings', 'state']);
  });

  it('subscribes before it takes the snapshot and then applies what came meanwhile', async () => {
    const { bridge: made, gates, emit, listeners } = bridge();
    const store = new Store(made, () => 0);
    void store.start();
    expect(listeners.size).toBe(1);
    emit(registered(9, 1));
    emit(registered(12, 4));
    expect(store.cell.get().phase).toBe('loading');
    gates[0]?.answer({ ...base, revision: 10 } satisfies Snapshot);
    await settle();
    expect(store.cell.get()).toMatchObject({ phase: 'ready', revision: 12, registration: { bindings: 4 } });
  });

  it('ignores a snapshot that an event has overtaken', () => {
    const later = applyEvent(ready, registered(20, 7), 0);
    expect(applySnapshot(later, base, 0)).toBe(later);
  });

  it('reads everything again when another account signs in', async () => {
    const { bridge: made, gates, emit } = bridge();
    const store = new Store(made, () => 0);
    void store.start();
    gates[0]?.answer({ ...base, account: null });
    await settle();
    emit({ event: 'account', account: base.account, revision: 11 });
    expect(store.cell.get().phase).toBe('ready');
    expect(gates[1]?.name).toBe('snapshot');
    gates[1]?.answer({ ...base, revision: 12, conversations: [conversation({ conversation: 'bob', people: [bob] })] });
    await settle();
    expect(store.cell.get().conversations.size).toBe(1);
  });

  it('says so when the first snapshot is refused, and starts again when asked', async () => {
    const { bridge: made, gates } = bridge();
    const store = new Store(made, () => 0);
    void store.start();
    gates[0]?.refuse();
    await settle();
    expect(store.cell.get()).toMatchObject({ phase: 'failed', failure: { code: 'ipc/refused' } });
    void store.start();
    gates[1]?.answer(base);
    await settle();
    expect(store.cell.get().phase).toBe('ready');
  });

  it('turns a broken bridge into a failed result', async () => {
    const store = new Store({ call: () => Promise.reject(new Error('gone')), subscribe: () => () => undefined });
    expect(await store.call('quit', {})).toMatchObject({ ok: false, error: { code: 'internal' } });
  });
});

describe('messages', () => {
  const first = message({ in: bob, text: 'one', at: at('08:00') });
  const second = message({ in: bob, text: 'two', at: at('08:05') });
  const sent = (state: MessageValue['state']): MessageValue => ({ ...message({ text: 'mine', at: at('08:03') }), message: 'mine', state });

  it('orders by the time of sending, and a second copy only updates the first', () => {
    const list = [second, first, sent('sent')].reduce<readonly MessageValue[]>(insertMessage, []);
    expect(list.map((each) => each.text)).toEqual(['one', 'mine', 'two']);
    const updated = insertMessage(list, sent('delivered'));
    expect(updated).toHaveLength(3);
    expect(updated[1]?.state).toBe('delivered');
  });

  it('keeps a message to oneself apart from its incoming twin', () => {
    const out = sent('sent');
    expect(insertMessage([out], { ...out, direction: 'in', state: 'received' })).toHaveLength(2);
  });

  it('lets no page that was read earlier take a state back', () => {
    expect(mergePage([sent('displayed')], [first, sent('sent')]).map((each) => each.state)).toEqual(['displayed', 'displayed']);
    expect(mergePage([sent('sent')], [sent('failed')])[0]?.state).toBe('sent');
    expect(mergePage([sent('sending')], [sent('failed')])[0]?.state).toBe('failed');
  });

  it('keeps what events bring while a page is being read', async () => {
    const { bridge: made, gates, emit } = bridge();
    const store = new Store(made, () => 0);
    void store.start();
    gates[0]?.answer(base);
    await settle();
    void store.openThread('bob');
    emit({ event: 'message', ...second, revision: 11 });
    gates[1]?.answer([first]);
    await settle();
    const thread = store.cell.get().threads.get('bob');
    expect(thread?.messages.map((each) => each.text)).toEqual(['one', 'two']);
    expect(thread).toMatchObject({ complete: true, status: 'ready' });
    void store.openThread('bob');
    expect(gates).toHaveLength(2);
  });

  it('asks for the page before the oldest message, and not again when all is here', async () => {
    const { bridge: made, gates } = bridge();
    const store = new Store(made, () => 0);
    void store.start();
    gates[0]?.answer(base);
    await settle();
    void store.openThread('bob');
    const page = Array.from({ length: pageSize }, (_, index) => ({ ...first, message: `p${index}`, sentAt: 1000 + index }));
    gates[1]?.answer(page);
    await settle();
    expect(store.cell.get().threads.get('bob')?.complete).toBe(false);
    void store.loadOlder('bob');
    void store.loadOlder('bob');
    expect(gates.map((gate) => gate.argument)).toEqual([
      {},
      { conversation: 'bob', limit: pageSize },
      { conversation: 'bob', limit: pageSize, before: 'p0' },
    ]);
    gates[2]?.answer([{ ...first, message: 'oldest', sentAt: 1 }]);
    await settle();
    expect(store.cell.get().threads.get('bob')).toMatchObject({ complete: true });
    expect(store.cell.get().threads.get('bob')?.messages[0]?.message).toBe('oldest');
    void store.loadOlder('bob');
    expect(gates).toHaveLength(3);
  });

  it('takes a message as the end of its sender’s typing, and tells a new one once', () => {
    const typing = applyEvent(ready, { event: 'composing', conversation: 'bob', from: bob.address, active: true, revision: 11 }, 0);
    expect(typing.composing.get('bob')).toEqual([bob.address]);
    const incoming = { ...first, state: 'received' as const };
    const heard = applyEvent(typing, { event: 'message', ...incoming, revision: 12 }, 0);
    expect(heard.composing.get('bob')).toEqual([]);
    expect(heard.heard).toEqual(incoming);
  });

  it('removes a discarded message', () => {
    const open = {
      ...ready,
      threads: new Map([['bob', { messages: [first], complete: true, atEnd: true, status: 'ready' as const, error: null }]]),
    };
    const after = applyEvent(
      open,
      { event: 'messageRemoved', conversation: 'bob', message: first.message, direction: first.direction, revision: 11 },
      0,
    );
    expect(after.threads.get('bob')?.messages).toEqual([]);
  });
});

describe('the rest of the state', () => {
  it('puts the newest activity first and keeps the array while no conversation changed', () => {
    const last = message({ in: carol, text: 'x', at: at('09:00') });
    const two = applyEvent(
      ready,
      { event: 'conversation', ...conversation({ conversation: 'carol', people: [carol], last }), revision: 11 },
      0,
    );
    expect(orderedConversations(two).map((each) => each.conversation)).toEqual(['carol', 'bob']);
    expect(orderedConversations(applyEvent(two, registered(12, 1), 0))).toBe(orderedConversations(two));
  });

  it('notes when a participant’s state changed, not when the document came again', () => {
    const there = { ...alice, self: true, state: 'connected' as const, reason: null, administrator: false, devices: [] };
    const asked = { ...bob, self: false, state: 'alerting' as const, reason: null, administrator: false, devices: [] };
    const one = applyEvent(ready, { event: 'participants', conversation: 'g', participants: [there, asked], revision: 11 }, 100);
    const two = applyEvent(
      one,
      { event: 'participants', conversation: 'g', participants: [there, { ...asked, state: 'connected' }], revision: 12 },
      200,
    );
    expect(two.changedAt.get(`g ${there.address}`)).toBe(100);
    expect(two.changedAt.get(`g ${asked.address}`)).toBe(200);
  });

  it('does not take the first sight of an older group for everybody’s arrival', () => {
    const there = { ...bob, self: false, state: 'connected' as const, reason: null, administrator: false, devices: [] };
    const group = { ...conversation({ conversation: 'g', kind: 'group', people: [bob] }), createdAt: 1_000 };
    const known = applyEvent(ready, { event: 'conversation', ...group, revision: 11 }, 1_000);
    const seenAt = (now: number) => seeParticipants(known, 'g', [there], now).changedAt?.get(`g ${there.address}`);
    expect(seenAt(1_000 + freshGroupMs - 1)).toBe(1_000 + freshGroupMs - 1);
    expect(seenAt(1_000 + freshGroupMs)).toBeUndefined();
  });

  it('holds one invitation and one warning of each kind', () => {
    const invitation = { invitation: 'i', kind: 'group' as const, from: bob, subject: null, people: [], replaces: null };
    const one = applyEvent(ready, { event: 'invitation', ...invitation, revision: 11 }, 0);
    const two = applyEvent(one, { event: 'invitation', ...invitation, subject: 'again', revision: 12 }, 0);
    expect(two.invitations.map((each) => each.subject)).toEqual(['again']);
    const ended = (why: 'answered' | 'elsewhere' | 'withdrawn') =>
      applyEvent(two, { event: 'invitationEnded', invitation: 'i', why, from: bob, revision: 13 }, 0);
    expect(ended('answered')).toMatchObject({ invitations: [], elsewhere: null });
    expect(ended('withdrawn')).toMatchObject({ invitations: [], elsewhere: null });
    expect(ended('elsewhere')).toMatchObject({ invitations: [], elsewhere: { invitation: 'i', from: bob } });
    const warned = applyEvent(ready, { event: 'warning', code: 'internal', text: 'a', revision: 11 }, 0);
    expect(applyEvent(warned, { event: 'warning', code: 'internal', text: 'b', revision: 12 }, 0).warnings).toHaveLength(1);
  });
});
