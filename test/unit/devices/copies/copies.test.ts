import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../../preload/contract/errors';
import { CopiesWorld } from '../../../support/doubles/copies-lab';

const BOB = 'sip:bob@lab.test';

let world: CopiesWorld;
beforeEach(() => {
  world = new CopiesWorld();
});
afterEach(() => world.end());

describe('a group on all devices of a person', () => {
  it('is there with its members and texts on a device that was off, and is in no session', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    tablet.off();
    const group = laptop.joins('garden');
    await laptop.hearsInGroup(group, BOB, 'when do we meet?');
    laptop.lab.messenger.texts.send({ conversation: group }, 'at noon', 'session');
    await world.pass();
    tablet.on();
    await world.pass();
    expect(tablet.texts()).toEqual(['when do we meet?', 'at noon']);
    const [chat] = tablet.chats;
    expect(chat).toMatchObject({ kind: 'group', subject: 'Garden', joined: true });
    expect(chat?.people.map(({ address }) => address)).toEqual([BOB, 'sip:carol@lab.test']);
    expect(tablet.lab.history.conversations()[0]).toMatchObject({ focus: 'sip:garden@focus.lab.test', contributionId: 'garden' });
  });

  it('has each text once and in one order, where the focus sends it to both devices', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    const groups = [laptop.joins('garden'), tablet.joins('garden')];
    await world.pass();
    for (const id of ['one', 'two', 'three']) {
      await laptop.hearsInGroup(groups[0] ?? '', BOB, id);
      await world.clock.advance(300);
      await tablet.hearsInGroup(groups[1] ?? '', BOB, id);
    }
    await world.pass();
    const places = (of: typeof laptop, id: string) => of.shown(id).map(({ text, sentAt }) => [text, sentAt]);
    expect(laptop.texts()).toEqual(['one', 'two', 'three']);
    expect(places(tablet, groups[1] ?? '')).toEqual(places(laptop, groups[0] ?? ''));
    // One of the two has told it, and the other found it told.
    const writers = [laptop, tablet].map(({ lab }) => Object.keys(lab.history.own.head()?.vector ?? {}));
    expect(writers[0]?.sort()).toEqual(writers[1]?.sort());
    const events = Object.keys(laptop.lab.history.own.head()?.vector ?? {}).flatMap((writer) =>
      laptop.lab.history.own.rows(writer, 0, 999),
    );
    expect(events.filter(({ ev }) => ev?.e === 'msg')).toHaveLength(3);
  });

  it('that was left on one device is left on the other; one that is in its session knows better', async () => {
    const [laptop, tablet, phone] = [world.add('laptop'), world.add('tablet'), world.add('phone')];
    const group = laptop.joins('garden');
    phone.joins('garden');
    await world.pass();
    expect(tablet.chats[0]?.joined).toBe(true);
    laptop.lab.messenger.groups.sessions.setJoined(group, false);
    await world.pass();
    expect(tablet.chats[0]?.joined).toBe(false);
    expect(phone.chats[0]?.joined).toBe(true);
  });

  it.each([700, 9_700])(
    'that was left on one device is left on one whose session ends within %d ms because of it, and is not called again',
    async (ms) => {
      const [laptop, phone] = [world.add('laptop'), world.add('phone')];
      const group = laptop.joins('garden');
      const there = phone.joins('garden');
      await world.pass();
      laptop.lab.messenger.groups.sessions.setJoined(group, false);
      await world.pass(ms);
      expect(phone.chats[0]?.joined).toBe(true);
      phone.inGroups.delete(there);
      await world.pass(1_500);
      expect(phone.chats[0]?.joined).toBe(false);
    },
  );

  it('follows the 1-1 that it continues on every device, once that has moved', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await laptop.hears(BOB, 'hello');
    await world.pass();
    const group = laptop.joins('garden');
    const oneToOne = laptop.chats.find(({ kind }) => kind === 'oneToOne')?.conversation ?? '';
    laptop.lab.history.updateConversation(group, { continues: oneToOne });
    await world.pass();
    const kindOf = (kind: string) => tablet.chats.find((chat) => chat.kind === kind);
    expect(kindOf('oneToOne')?.continuedBy).toBeNull();
    laptop.lab.history.transaction(() => {
      laptop.lab.history.updateConversation(group, { awaitsPeer: true });
      laptop.lab.history.updateConversation(oneToOne, { continuedBy: group });
    });
    await world.pass();
    expect(kindOf('group')?.continues).toBe(kindOf('oneToOne')?.conversation);
    expect(kindOf('oneToOne')?.continuedBy).toBe(kindOf('group')?.conversation);
  });

  it('is renamed on all', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    const group = laptop.joins('garden');
    await world.pass();
    laptop.lab.history.updateConversation(group, { subject: 'Balcony', people: [{ address: BOB, name: 'Bob' }] });
    await world.pass();
    expect(tablet.chats[0]).toMatchObject({ subject: 'Balcony', people: [{ address: BOB }] });
  });

  it('says delivered on all devices when every member has a text', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    const group = laptop.joins('garden');
    const { message } = laptop.lab.messenger.texts.send({ conversation: group }, 'hello', 'session');
    laptop.lab.history.setMessageState(message, 'sent', null, 'out');
    const told = (address: string) =>
      laptop.lab.history.addReceipt({ message, address, device: null, disposition: 'delivered', at: world.clock.now() });
    told(BOB);
    await world.pass();
    expect(tablet.lab.stateOf(message)).toBe('sent');
    told('sip:carol@lab.test');
    await world.pass();
    expect(tablet.lab.stateOf(message)).toBe('delivered');
  });
});

describe('what a person does with a chat and with people', () => {
  it('holds on all devices: a mark, a draft, a name, a block', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    await laptop.hears(BOB, 'hello');
    await world.pass();
    const chats = { laptop: laptop.chats[0]?.conversation ?? '', tablet: tablet.chats[0]?.conversation ?? '' };
    laptop.lab.messenger.chats.markUnread(chats.laptop, true);
    await world.pass(1_000);
    expect(tablet.chats[0]?.markedUnread).toBe(true);
    tablet.lab.messenger.chats.markUnread(chats.tablet, false);
    await world.pass(1_000);
    expect(laptop.chats[0]?.markedUnread).toBe(false);

    const before = laptop.sent;
    for (const text of ['I', 'I w', 'I wi', 'I will']) {
      laptop.lab.messenger.chats.setDraft(chats.laptop, text);
      await world.pass(500);
    }
    expect([tablet.chats[0]?.draft, laptop.sent]).toEqual(['', before]);
    await world.pass(4_000);
    expect([tablet.chats[0]?.draft, laptop.sent]).toEqual(['I will', before + 1]);
    tablet.lab.messenger.chats.setDraft(chats.tablet, '');
    await world.pass(1_000);
    expect(laptop.chats[0]?.draft).toBe('');

    expect(tablet.lab.history.conversations()[0]?.people[0]?.knownSince).toBeUndefined();
    laptop.lab.messenger.texts.send({ conversation: chats.laptop }, 'hi', 'session');
    await world.pass();
    expect(tablet.lab.history.conversations()[0]?.people[0]).toMatchObject({ name: 'Bob', knownSince: expect.any(Number) });

    laptop.blocked.add('sip:eve@lab.test');
    laptop.copies.blocksChanged();
    tablet.blocked.add('sip:mallory@lab.test');
    tablet.copies.blocksChanged();
    await world.pass();
    expect([...laptop.blocked].sort()).toEqual(['sip:eve@lab.test', 'sip:mallory@lab.test']);
    expect([...tablet.blocked].sort()).toEqual([...laptop.blocked].sort());
    tablet.blocked.delete('sip:eve@lab.test');
    tablet.copies.blocksChanged();
    await world.pass();
    expect([...laptop.blocked]).toEqual(['sip:mallory@lab.test']);
  });

  it('reaches a device that was off, and one where the chat begins only then', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    tablet.off();
    const conversation = laptop.lab.messenger.chats.open(BOB);
    laptop.lab.messenger.chats.setDraft(conversation, 'not sent yet');
    laptop.blocked.add('sip:eve@lab.test');
    laptop.copies.blocksChanged();
    await world.pass();
    tablet.on();
    await world.pass();
    expect([...tablet.blocked]).toEqual(['sip:eve@lab.test']);
    expect(tablet.chats).toEqual([]);
    await tablet.hears(BOB, 'are you there?');
    await world.pass();
    expect(tablet.chats[0]?.draft).toBe('not sent yet');
  });

  it('lets nobody through after a crash between the list of blocked people and the log', async () => {
    const laptop = world.add('laptop');
    laptop.blocked.add('sip:eve@lab.test');
    laptop.copies.blocksChanged();
    laptop.off();
    laptop.blocked.clear();
    laptop.blocked.add('sip:mallory@lab.test');
    laptop.on();
    const tablet = world.add('tablet');
    await world.pass();
    expect([...laptop.blocked].sort()).toEqual(['sip:eve@lab.test', 'sip:mallory@lab.test']);
    expect([...tablet.blocked].sort()).toEqual(['sip:eve@lab.test', 'sip:mallory@lab.test']);
  });

  it('goes on where the list of blocked people is full, and unblocks nobody elsewhere for that', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    tablet.mostBlocked = 1;
    for (const address of ['sip:eve@lab.test', 'sip:mallory@lab.test']) laptop.blocked.add(address);
    laptop.copies.blocksChanged();
    await laptop.hears(BOB, 'hello');
    await world.pass();
    expect(tablet.texts()).toEqual(['hello']);
    expect(tablet.blocked.size).toBe(1);
    tablet.blocked.clear();
    tablet.copies.blocksChanged();
    await world.pass();
    expect([...laptop.blocked]).toEqual(['sip:mallory@lab.test']);
  });

  it('deletes a chat on all devices; it comes back on all with the next text, and can be deleted again', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await laptop.hears(BOB, 'one');
    await laptop.hears(BOB, 'two');
    await world.pass();
    expect(tablet.texts()).toEqual(['one', 'two']);
    for (const id of ['three', 'four']) {
      tablet.lab.messenger.chats.delete(tablet.chats[0]?.conversation ?? '');
      await world.pass();
      expect([laptop.chats, tablet.chats]).toEqual([[], []]);
      expect(laptop.lab.events.some(({ event }) => event === 'conversationRemoved')).toBe(true);
      await laptop.hears(BOB, id);
      await world.pass();
      expect([laptop.texts(), tablet.texts()]).toEqual([[id], [id]]);
    }
  });

  it('does not hide a chat in which something was said that the deleting device did not know', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await laptop.hears(BOB, 'one');
    await world.pass();
    tablet.off();
    await laptop.hears(BOB, 'two');
    tablet.lab.messenger.chats.delete(tablet.chats[0]?.conversation ?? '');
    tablet.on();
    await world.pass();
    expect([laptop.texts(), tablet.texts()]).toEqual([['two'], ['two']]);
  });

  it('deletes a group text on all devices, and what comes later by the network stays away', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    const groups = [laptop.joins('garden'), tablet.joins('garden')];
    await laptop.hearsInGroup(groups[0] ?? '', BOB, 'gone');
    await world.pass();
    expect(tablet.texts()).toEqual(['gone']);
    tablet.lab.messenger.chats.deleteMessage('gone', 'in');
    await world.pass();
    expect(laptop.texts()).toEqual([]);
    await laptop.hearsInGroup(groups[0] ?? '', BOB, 'gone');
    await tablet.hearsInGroup(groups[1] ?? '', BOB, 'gone');
    await world.pass();
    expect([laptop.texts(), tablet.texts()]).toEqual([[], []]);
  });
});

describe('a text on its way', () => {
  it('is shown on the other devices as far as the one that sends it has come, and only that one sends', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    laptop.lab.state.away.add(BOB);
    const { message } = laptop.lab.messenger.texts.send({ to: BOB }, 'hello', 'pager');
    await world.pass();
    const shown = () => tablet.shown(tablet.chats[0]?.conversation ?? '').find((one) => one.message === message);
    expect(shown()).toMatchObject({ state: 'queued', fromDevice: 'laptop', waitsFor: 'person' });
    expect(shown()?.expiresAt).toBe(laptop.shown(laptop.chats[0]?.conversation ?? '')[0]?.expiresAt);
    expect(tablet.lab.history.jobs()).toEqual([]);
    expect(() => tablet.lab.messenger.outbox.retry(message)).toThrow(AppError);
    expect(() => tablet.lab.messenger.outbox.skip(message)).toThrow(AppError);
    laptop.lab.state.away.clear();
    laptop.lab.messenger.seen(BOB);
    await world.pass();
    expect([laptop.lab.stateOf(message), tablet.lab.stateOf(message)]).toEqual(['sent', 'sent']);
    expect([laptop.lab.pagers.length, tablet.lab.pagers.length]).toEqual([1, 0]);
  });

  it('has failed on all when it has failed, and can be taken back on any', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    laptop.lab.state.pagerFails = new AppError('sip/rejected', { status: 403, reason: 'Forbidden' }, 'user');
    const { message } = laptop.lab.messenger.texts.send({ to: BOB }, 'hello', 'pager');
    await world.pass();
    const shown = () => tablet.shown(tablet.chats[0]?.conversation ?? '').find((one) => one.message === message);
    expect(shown()).toMatchObject({ state: 'failed', error: { code: 'sip/rejected', status: 403 } });
    expect(() => tablet.lab.messenger.outbox.retry(message)).toThrow(AppError);
    tablet.lab.messenger.outbox.discard(message);
    await world.pass();
    expect([laptop.texts(), tablet.texts()]).toEqual([[], []]);
    expect(laptop.lab.history.jobs()).toEqual([]);
  });
});

describe('a device that has just been paired', () => {
  it('shows the chats with the names, groups and marks that the others know, and draws no attention to what is old', async () => {
    const laptop = world.add('laptop');
    await laptop.hears(BOB, 'hello');
    const { history } = laptop.lab;
    const [chat] = history.conversations();
    history.updateConversation(chat?.id ?? '', { people: [{ address: BOB, name: 'Bobby', knownSince: 1 }] });
    history.setMarks(chat?.id ?? '', { markedUnread: true });
    const group = laptop.joins('garden');
    await laptop.hearsInGroup(group, BOB, 'when do we meet?');
    await world.pass();
    const tablet = world.add('tablet', { devices: [], since: null });
    await world.pass();
    expect(tablet.chats.map(({ people, subject }) => subject ?? people[0]?.name).sort()).toEqual(['Bobby', 'Garden']);
    expect(tablet.texts().sort()).toEqual(['hello', 'when do we meet?']);
    expect(tablet.chats.find(({ kind }) => kind === 'oneToOne')).toMatchObject({ unread: 1, markedUnread: true });
    expect(tablet.lab.events.filter(({ event }) => event === 'attention')).toEqual([]);
    await laptop.hears(BOB, 'are you there?');
    await world.pass();
    expect(tablet.lab.events.filter(({ event }) => event === 'attention')).toMatchObject([{ message: 'are you there?' }]);
  });

  it('that wants nothing from before has the groups, and a gap that says from when on its texts are there', async () => {
    const laptop = world.add('laptop');
    await laptop.hearsInGroup(laptop.joins('garden'), BOB, 'when do we meet?');
    await world.pass();
    const since = world.clock.now();
    const tablet = world.add('tablet', { devices: [], since });
    await world.pass();
    const [chat] = tablet.chats;
    expect([chat?.subject, tablet.texts()]).toEqual(['Garden', []]);
    expect(tablet.copies.gaps(chat?.conversation ?? '')).toMatchObject([{ before: since, mayHave: [{ name: 'laptop' }] }]);
  });
});

describe('the attention of the person', () => {
  const drawn = (device: ReturnType<CopiesWorld['add']>) =>
    device.lab.events.flatMap((event) => (event.event === 'attention' ? [event.message] : []));

  it('is drawn at once where the network brought a text, and two seconds later where another device did', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    await laptop.hears(BOB, 'hello');
    await world.pass(1_500);
    expect([drawn(laptop), drawn(tablet)]).toEqual([['hello'], []]);
    await world.pass(2_000);
    expect([drawn(laptop), drawn(tablet)]).toEqual([['hello'], ['hello']]);
  });

  it('is left alone where the text was read on another device, within a second', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await world.pass();
    await laptop.hears(BOB, 'hello');
    await world.pass(500);
    expect([laptop.chats[0]?.unread, tablet.chats[0]?.unread]).toEqual([1, 1]);
    laptop.lab.messenger.texts.markDisplayed(laptop.chats[0]?.conversation ?? '', 'hello');
    await world.pass(1_000);
    expect([laptop.chats[0]?.unread, tablet.chats[0]?.unread]).toEqual([0, 0]);
    await world.pass();
    expect(drawn(tablet)).toEqual([]);
  });
});

it('finds a device that the network has not told of by what that device says, also where the first question brings nothing', async () => {
  const laptop = world.add('laptop');
  await laptop.hears(BOB, 'hello');
  world.oldLists.set(laptop, { known: 1, refusals: 2 });
  const tablet = world.add('tablet');
  await world.pass(20_000);
  expect(tablet.texts()).toEqual(['hello']);
});

describe('what a device lacks', () => {
  it('is a gap in its chats that names who may have it, until that device gives it', async () => {
    const [laptop, tablet, phone] = [world.add('laptop'), world.add('tablet'), world.add('phone')];
    await laptop.hears(BOB, 'one');
    await world.pass();
    phone.off();
    await laptop.hears(BOB, 'two');
    await world.pass();
    laptop.off();
    const chat = () => phone.chats[0]?.conversation ?? '';
    // The tablet says how far it is, and goes before it has answered what the phone asks.
    world.takes = (to, kind) => to !== tablet || kind !== 'ask';
    phone.on();
    await world.pass();
    expect(phone.texts()).toEqual(['one']);
    tablet.off();
    await world.pass();
    expect(phone.copies.gaps(chat())).toEqual([
      { kind: 'gap', conversation: chat(), before: null, mayHave: [{ instanceId: tablet.instance, name: 'tablet' }] },
    ]);
    world.takes = () => true;
    laptop.on();
    await world.pass();
    expect(phone.texts()).toEqual(['one', 'two']);
    expect(phone.copies.gaps(chat())).toEqual([]);
  });

  it('is everything from before the time at which it began, where the person wanted no more', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await laptop.hears(BOB, 'one');
    await world.pass();
    const { own } = tablet.lab.history;
    const head = own.head();
    if (head === null) throw new Error('the log has not begun');
    own.transaction(() => own.setHead({ ...head, since: 5 }));
    const conversation = tablet.chats[0]?.conversation ?? '';
    expect(tablet.copies.gaps(conversation)).toEqual([
      { kind: 'gap', conversation, before: 5, mayHave: [{ instanceId: laptop.instance, name: 'laptop' }] },
    ]);
    expect(laptop.copies.gaps(laptop.chats[0]?.conversation ?? '')).toEqual([]);
  });
});

describe('the log', () => {
  it('is looked through once a day, and what all devices have had for a month goes', async () => {
    const [laptop, tablet] = [world.add('laptop'), world.add('tablet')];
    await laptop.hears(BOB, 'old');
    await world.pass();
    const texts = (device: typeof laptop) => {
      const { own } = device.lab.history;
      return Object.keys(own.head()?.vector ?? {}).flatMap((writer) =>
        own.rows(writer, 0, 999).flatMap(({ ev }) => (ev?.e === 'msg' ? [ev.t] : [])),
      );
    };
    expect([texts(laptop), texts(tablet)]).toEqual([['old'], ['old']]);
    world.clock.sleep(31 * 86_400_000);
    await laptop.hears(BOB, 'new');
    await world.pass(11 * 60_000);
    expect([texts(laptop), texts(tablet)]).toEqual([['new'], ['new']]);
    expect([laptop.texts(), tablet.texts()]).toEqual([
      ['old', 'new'],
      ['old', 'new'],
    ]);
  });
});
