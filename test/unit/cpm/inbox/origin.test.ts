import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textEnvelope } from '../../../../main/cpm/conversation/envelope';
import { decide, deviceOf, type Origin, type Rule, rules } from '../../../../main/cpm/inbox/door';
import { Inbox } from '../../../../main/cpm/inbox/inbox';
import { readContent } from '../../../../main/cpm/inbox/reading';
import { createLab, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';
import { messageRecord } from '../../../support/doubles/history-records';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';

/** An inbox of its own on the lab's history, and what it tells the outbox. */
function createInbox() {
  const told = { receipts: 0, heard: 0 };
  const { history, clock, self } = lab;
  const context = {
    history,
    clock,
    self,
    selfName: 'Alice',
    log: { debug() {}, info() {}, warn() {}, error() {} },
    isSelf: (address: string) => address === self,
    preferences: () => ({ receipts: { delivered: true, displayed: true } }),
    clockAhead: () => 0,
    announce() {},
  } as unknown as ConstructorParameters<typeof Inbox>[0];
  const inbox = new Inbox(context, {
    receiptQueued: () => {
      told.receipts += 1;
    },
    heardFrom: () => {
      told.heard += 1;
    },
    reached() {},
  });
  return { inbox, told };
}

describe('the one door', () => {
  const origins = Object.keys(rules) as Origin[];
  const fresh = { isHere: false, isRead: false, isDeleted: false };

  it('makes one row, whatever paths follow one another', () => {
    for (const origin of origins) {
      expect(decide(origin, fresh).makesRow).toBe(true);
      expect(decide(origin, { ...fresh, isHere: true })).toEqual({ makesRow: false, tells: 'never', writes: false });
    }
  });

  it('writes nothing for what another own device has told', () => {
    expect(origins.filter((origin) => !decide(origin, fresh).writes)).toEqual(['ownDevice']);
  });

  it('tells the person at once, after a while, or not at all, and never of what was read elsewhere', () => {
    expect(origins.map((origin) => decide(origin, fresh).tells)).toEqual(['at once', 'at once', 'never', 'after a while', 'never']);
    expect(origins.map((origin) => decide(origin, { ...fresh, isRead: true }).tells)).toEqual(origins.map(() => 'never'));
  });

  it('does nothing for what was deleted', () => {
    for (const origin of origins)
      expect(decide(origin, { ...fresh, isDeleted: true })).toEqual({ makesRow: false, tells: 'never', writes: false });
  });
});

describe('where a message comes from', () => {
  it.each<[Origin, Rule]>([
    ['live', { sendsDelivered: true, measuresClock: true, showsPresence: true, tells: 'at once', writes: true }],
    ['deferred', { sendsDelivered: true, measuresClock: false, showsPresence: false, tells: 'at once', writes: true }],
    ['copy', { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'never', writes: true }],
    ['ownDevice', { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'after a while', writes: false }],
    ['store', { sendsDelivered: false, measuresClock: false, showsPresence: false, tells: 'never', writes: true }],
  ])('%s decides what follows from it', async (origin, expected) => {
    expect(rules[origin]).toEqual(expected);
    const { inbox, told } = createInbox();
    const conversation = lab.messenger.chats.open(bob);
    const text = messageRecord('m', { direction: 'out', from: bob, sentAt: lab.clock.now(), wantsDelivered: true });
    const envelope = readContent('message/cpim', textEnvelope(text, { from: bob, to: [lab.self] }));
    const arrival = {
      conversation,
      origin,
      sender: { address: bob, name: 'Bob' },
      senderInstance: 'urn:uuid:bbbb',
      senderGruu: null,
      senderDevice: null,
    };
    await inbox.take(arrival, envelope);
    const jobs = lab.history.jobs().filter(({ kind }) => kind === 'receipt');
    expect([jobs.length, told.receipts]).toEqual(expected.sendsDelivered ? [1, 1] : [0, 0]);
    expect(lab.history.clockOf(`${bob} urn:uuid:bbbb`) !== null).toBe(expected.measuresClock);
    expect(told.heard).toBe(expected.showsPresence ? 1 : 0);
    // Whatever path it came by: it is kept, and once.
    for (const again of Object.keys(rules) as Origin[]) await inbox.take({ ...arrival, origin: again }, envelope);
    expect(lab.history.messages(conversation, { limit: 9 }).map(({ id }) => id)).toEqual(['m']);
    expect(lab.history.jobs()).toHaveLength(expected.sendsDelivered ? 1 : 0);
  });

  it.each([
    ['its instance, where it says one', { instanceId: 'urn:uuid:bbbb', gruu: `${bob};gr=x` }, { toInstance: 'urn:uuid:bbbb' }],
    ['its GRUU, where its network keeps an IMEI to itself', { gruu: `${bob};gr=x` }, { toInstance: null, toGruu: `${bob};gr=x` }],
    [
      'its GRUU, where that is of its other address',
      { address: 'tel:+1', alsoAsserted: [bob], gruu: `${bob};gr=x` },
      { toInstance: null, toGruu: `${bob};gr=x` },
    ],
    ['nothing, where the GRUU is of somebody else', { gruu: 'sip:mallory@lab.test;gr=x' }, { toInstance: null }],
    ['nothing, where the GRUU is temporary', { gruu: 'sip:tgruu.x@lab.test;gr' }, { toInstance: null }],
  ])('a receipt is for the device that wrote, by %s', async (_, says, expected) => {
    const { inbox } = createInbox();
    const conversation = lab.messenger.chats.open(bob);
    const text = messageRecord('m', { direction: 'out', from: bob, sentAt: lab.clock.now(), wantsDelivered: true });
    const arrival = { conversation, origin: 'live', sender: { address: bob, name: 'Bob' }, ...deviceOf(remoteParty(bob, says)) } as const;
    await inbox.take(arrival, readContent('message/cpim', textEnvelope(text, { from: bob, to: [lab.self] })));
    const [job] = lab.history.jobs().map(({ payload }) => JSON.parse(payload) as object);
    const { toInstance, toGruu } = job as { toInstance?: unknown; toGruu?: unknown };
    expect({ toInstance, ...(toGruu === undefined ? {} : { toGruu }) }).toEqual(expected);
  });

  it('lets texts of one time, or of no readable one, stand as they came', async () => {
    const { inbox } = createInbox();
    const conversation = lab.messenger.chats.open(bob);
    const arrival = {
      conversation,
      origin: 'live',
      sender: { address: bob, name: 'Bob' },
      senderInstance: null,
      senderGruu: null,
      senderDevice: null,
    } as const;
    const sentAt = lab.clock.now();
    const said: string[] = [];
    const say = async (id: string, dateless = false) => {
      said.push(id);
      const bytes = textEnvelope(messageRecord(id, { direction: 'out', from: bob, sentAt }), { from: bob, to: [] });
      const text = new TextDecoder().decode(bytes);
      await inbox.take(
        arrival,
        readContent('message/cpim', new TextEncoder().encode(dateless ? text.replace(/^DateTime:.*\r\n/m, '') : text)),
      );
    };
    for (let index = 0; index < 12; index += 1) await say(`m${index}`, index % 4 === 3);
    expect(lab.history.messages(conversation, { limit: 99 }).map(({ id }) => id)).toEqual(said);
  });
});
