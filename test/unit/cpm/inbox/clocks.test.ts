import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leftAtBy, receiptEnvelope, textEnvelope } from '../../../../main/cpm/conversation/envelope';
import {
  correctedFromMs,
  correctionOf,
  longestCorrectionMs,
  longestDelayMs,
  longestTransitMs,
  placeText,
  unknownClock,
} from '../../../../main/cpm/inbox/clocks';
import { parseCpim } from '../../../../protocol/cpim';
import { createLab, FakeInvite, type FakeMsrp, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';
import { openOneHistory } from '../../../support/doubles/one-history';

const minute = 60_000;
const bob = 'sip:bob@lab.test';
const key = `${bob} urn:uuid:bbbb`;

let lab: Lab;
let media: FakeMsrp;
let conversation: string;
let hello: string;

beforeEach(async () => {
  lab = createLab();
  const talk = await lab.talkTo(bob);
  media = talk.media;
  conversation = talk.conversation;
  hello = talk.message;
  await lab.clock.advance(minute);
});
afterEach(() => lab.dispose());

/** Somebody's device, whose clock is wrong by so much. A foreign one does not say when a text leaves. */
let written = 0;
class Device {
  constructor(
    public aheadMs: number,
    readonly isForeign = false,
  ) {}

  now(): number {
    return lab.clock.now() + this.aheadMs;
  }

  /** A text written now; it leaves when `send` is called. */
  write(id = `theirs ${written++}`) {
    return { id, dateTime: this.now() };
  }

  async send({ id, dateTime } = this.write()): Promise<string> {
    const leftAt = this.now();
    const transitMs = 80;
    await lab.clock.advance(transitMs);
    const text = {
      id,
      conversation: '',
      direction: 'out' as const,
      from: bob,
      fromName: '',
      fromDevice: null,
      content: { kind: 'text' as const, text: id },
      state: 'sent' as const,
      sentAt: dateTime,
      receivedAt: null,
      error: null,
      wantsDelivered: false,
      wantsDisplayed: false,
    };
    await media.deliver(textEnvelope(text, { from: bob, to: [lab.self] }, this.isForeign ? undefined : leftAt));
    return id;
  }

  /** Tells that a text is there, from now on until it arrives. */
  async confirm(message: string, disposition: 'delivered' | 'displayed' = 'delivered', underWayMs = 80): Promise<void> {
    const payload = { to: lab.self, toInstance: null, disposition, at: this.now(), sentAt: 1 };
    await lab.clock.advance(underWayMs);
    await media.deliver(receiptEnvelope({ id: `receipt ${message}`, parties: { from: bob, to: [lab.self] }, message, payload }));
  }
}

const write = async (text: string) => {
  const { message } = lab.messenger.texts.send({ conversation }, text, 'session');
  await lab.settle();
  return message;
};
const shown = () => lab.messenger.chats.messages(conversation, {}, 100).map(({ message }) => message);
/** By how much a text stands elsewhere than the moment in which it was written. */
const offBy = (id: string, writtenAt: number) =>
  Math.abs((lab.messenger.chats.messages(conversation, {}, 100).find(({ message }) => message === id)?.sentAt ?? 0) - writtenAt);
const correction = () => {
  const clock = lab.history.clockOf(key);
  return clock === null ? 0 : correctionOf(clock, 0);
};

describe('a text', () => {
  it('of a clock ten minutes ahead stands where it was written, and its own date is told', async () => {
    const device = new Device(10 * minute);
    const writtenAt = lab.clock.now();
    const theirs = await device.send();
    await lab.clock.advance(5_000);
    const mine = await write('and mine');
    expect(shown()).toEqual([hello, theirs, mine]);
    expect(offBy(theirs, writtenAt)).toBeLessThan(correctedFromMs);
    expect(lab.messenger.chats.messages(conversation, {}, 100)[1]?.datedAt).toBe(writtenAt + 10 * minute);
    expect(lab.history.message(theirs)?.sentAt).toBe(writtenAt + 10 * minute);
  });

  it('of a clock ten minutes behind stands where it was written once a receipt has proved it', async () => {
    const device = new Device(-10 * minute);
    const question = await write('When?');
    const toldAt = lab.clock.now();
    await device.confirm(question);
    expect(lab.history.receipts(question)).toMatchObject([{ disposition: 'delivered', at: toldAt }]);
    const writtenAt = lab.clock.now();
    const answer = await device.send();
    expect(shown()).toEqual([hello, question, answer]);
    expect(offBy(answer, writtenAt)).toBeLessThan(correctedFromMs);
  });

  it('that was held up is not taken for one of a wrong clock: it stands where it was dated', async () => {
    for (const isForeign of [true, false]) {
      const device = new Device(0, isForeign);
      const writtenAt = lab.clock.now();
      const held = [1, 2, 3].map((each) => device.write(`held ${each} ${isForeign}`));
      await lab.clock.advance(10);
      const mine = await write('meanwhile');
      await lab.clock.advance(10 * minute);
      for (const text of held) await device.send(text);
      // Dated alike, they stand a millisecond apart.
      for (const [index, { id }] of held.entries()) expect(offBy(id, writtenAt)).toBe(index);
      expect(shown().indexOf(held[2]?.id ?? '')).toBeLessThan(shown().indexOf(mine));
      expect(correction()).toBe(0);
      const live = await device.send();
      expect(shown().at(-1)).toBe(live);
    }
  });

  it.each([
    ['was never right', null],
    ['was set back', 0],
    ['was ahead, and set back', 10 * minute],
  ] as const)('of a foreign clock that %s, and tells no receipt, stands where it was written once its lag is steady', async (_, before) => {
    const device = new Device(before ?? -10 * minute, true);
    if (before !== null) await device.send();
    await lab.clock.advance(7_000);
    device.aheadMs = -10 * minute;
    await device.send();
    await lab.clock.advance(7_000);
    for (let each = 0; each < 3; each += 1) {
      const mine = await write('mine');
      const writtenAt = lab.clock.now();
      const theirs = await device.send();
      expect(offBy(theirs, writtenAt)).toBeLessThan(correctedFromMs);
      expect(shown().slice(-2)).toEqual([mine, theirs]);
      await lab.clock.advance(3_000);
    }
    // It is set right again: the first text says so.
    device.aheadMs = 0;
    const writtenAt = lab.clock.now();
    expect(offBy(await device.send(), writtenAt)).toBeLessThan(correctedFromMs);
    expect(correction()).toBe(0);
  });

  it('that was held up proves nothing of its clock by its lag: neither written at once nor one after the other', async () => {
    const device = new Device(0, true);
    // Held up, and sent at once, though the last one some time later.
    const together = [1, 2, 3].map((each) => device.write(`together ${each}`));
    await lab.clock.advance(10 * minute);
    for (const text of together.slice(0, 2)) await device.send(text);
    await lab.clock.advance(20_000);
    await device.send(together[2]);
    expect(correction()).toBe(0);
    // Written over a minute, and sent at once.
    const apart = [];
    for (let each = 0; each < 4; each += 1) {
      apart.push(device.write(`apart ${each}`));
      await lab.clock.advance(20_000);
    }
    await lab.clock.advance(10 * minute);
    for (const text of apart) await device.send(text);
    expect(correction()).toBe(0);
    for (const [index, { id, dateTime }] of together.entries()) expect(offBy(id, dateTime)).toBe(index);
    for (const { id, dateTime } of apart) expect(offBy(id, dateTime)).toBe(0);
  });

  it('that takes a little long again and again is of a right clock', async () => {
    const device = new Device(0, true);
    for (let each = 0; each < 4; each += 1) {
      const slow = device.write();
      await lab.clock.advance(longestTransitMs - 1_000);
      await device.send(slow);
      await lab.clock.advance(7_000);
    }
    expect(correction()).toBe(0);
  });

  it('that lags steadily as a pager message, or inside invitations, is taken for held up', () => {
    const lag = 10 * minute;
    const placed = (inSession: boolean) => {
      let clock = unknownClock;
      for (let now = 1e9; now < 1e9 + minute; now += 10_000)
        ({ clock } = placeText(clock, { dateTime: now - lag, leftAt: null, now, newest: null, ownAhead: 0, inSession }));
      return correctionOf(clock, 0);
    };
    expect([placed(false), placed(true)]).toEqual([0, lag]);
  });

  it('that was held up by the network, of a clock that is ahead, is corrected by what is known of it', async () => {
    const device = new Device(10 * minute);
    await device.send();
    const writtenAt = lab.clock.now();
    const held = device.write('held');
    await lab.clock.advance(3 * minute);
    await device.send(held);
    expect(offBy('held', writtenAt)).toBeLessThan(correctedFromMs);
  });

  it('is not moved by a clock that is less wrong than dates are exact', async () => {
    const device = new Device(correctedFromMs - 500);
    const theirs = await device.send();
    expect(lab.history.message(theirs)?.movedBy).toBeUndefined();
    const mine = await write('mine');
    expect(shown()).toEqual([hello, theirs, mine]);
  });

  it('of a clock that tells no time stands where it came', async () => {
    const wrong = [2 * longestCorrectionMs, -2 * longestDelayMs, -lab.clock.now()];
    for (const aheadMs of wrong) {
      const theirs = await new Device(aheadMs, true).send(new Device(aheadMs).write(`${aheadMs}`));
      await lab.clock.advance(minute);
      const mine = await write(`after ${aheadMs}`);
      expect(shown().slice(-2)).toEqual([theirs, mine]);
    }
  });

  it('that a receipt says to be of a clock years behind stands where it came, until that clock is set', async () => {
    const device = new Device(-3 * longestCorrectionMs);
    const question = await write('What day is it?');
    await device.confirm(question);
    const answer = await device.send();
    const mine = await write('Really?');
    expect(shown().slice(-2)).toEqual([answer, mine]);
    await lab.clock.advance(1_000);
    device.aheadMs = 0;
    const right = await device.send();
    expect(correction()).toBe(0);
    expect(shown().at(-1)).toBe(right);
  });
});

describe('a clock that is set in the middle', () => {
  it.each([
    ['from ahead to right', 10 * minute, 0],
    ['from right to ahead', 0, 10 * minute],
    ['from right to behind', 0, -10 * minute],
    ['from ahead to behind', 10 * minute, -10 * minute],
    ['from behind to right', -10 * minute, 0],
    ['by a little, back', 30_000, 0],
  ])('%s: no two texts of it swap, and the ones written here stand between them', async (_, first, then) => {
    const device = new Device(first);
    const expected = [hello];
    const round = async () => {
      for (let each = 0; each < 3; each += 1) {
        expected.push(await device.send());
        await lab.clock.advance(7_000);
        const mine = await write('mine');
        await device.confirm(mine);
        expected.push(mine);
      }
    };
    await round();
    device.aheadMs = then;
    await round();
    // The first one after a step back may be dated before what was written here in between, since nothing proves it yet.
    const theirs = (ids: readonly string[]) => ids.filter((id) => id.startsWith('theirs'));
    expect(theirs(shown())).toEqual(theirs(expected));
    expect(shown().slice(-4)).toEqual(expected.slice(-4));
  });

  it('is noticed by a receipt, too', async () => {
    const device = new Device(10 * minute);
    await device.send();
    expect(correction()).toBeLessThan(-9 * minute);
    device.aheadMs = -10 * minute;
    await device.confirm(await write('mine'));
    expect(correction()).toBeGreaterThan(9 * minute);
  });

  it('does not make a retried text overtake: it leaves later, and is dated as before', async () => {
    const device = new Device(10 * minute);
    const first = await device.send();
    const retried = device.write('retried');
    await lab.clock.advance(2_000);
    const second = await device.send();
    await lab.clock.advance(3 * minute);
    await device.send(retried);
    expect(shown()).toEqual([hello, first, 'retried', second]);
  });
});

it('learns as much from a receipt that was held up as from one that was not, and nothing wrong', async () => {
  const device = new Device(-10 * minute);
  await device.confirm(await write('one'), 'delivered', 30 * minute);
  expect(Math.abs(correction() - 10 * minute)).toBeLessThan(correctedFromMs);
  const right = new Device(0);
  await right.send();
  await right.confirm(await write('two'), 'displayed', 30 * minute);
  expect(correction()).toBe(0);
});

it('stays where it stood after a restart, and the clock is still known', async () => {
  const device = new Device(10 * minute);
  const theirs = await device.send();
  const before = lab.history.message(theirs);
  const clock = lab.history.clockOf(key);
  const opened = openOneHistory(lab.store);
  expect(opened.message(theirs)).toEqual(before);
  expect(opened.clockOf(key)).toEqual(clock);
  opened.dispose();
  expect(before?.movedBy).toBeLessThan(-9 * minute);
});

it('this computer’s clock that is set back leaves everything in its order', async () => {
  const device = new Device(0);
  const expected = [hello, await device.send(), await write('mine')];
  lab.clock.sleep(-60 * minute);
  for (let each = 0; each < 3; each += 1) {
    expected.push(await write('mine'));
    await lab.clock.advance(3_000);
    expected.push(await device.send());
    await lab.clock.advance(3_000);
  }
  expect(shown()).toEqual(expected);
});

describe('a text without a readable date', () => {
  const deliver = async (date: string | null, text: string) => {
    const head = `From: <${bob}>\r\nTo: <${lab.self}>\r\n${date === null ? '' : `DateTime: ${date}\r\n`}`;
    await media.deliver(new TextEncoder().encode(`${head}\r\nContent-Type: text/plain\r\n\r\n${text}`));
    await lab.clock.advance(1_000);
  };
  const texts = () => lab.messenger.chats.messages(conversation, {}, 100).map(({ text }) => text);

  it.each([0, 10 * minute, -10 * minute])('stands where it arrived, with the registrar’s clock %d ms behind ours', async (ownAhead) => {
    lab.state.clockAhead = ownAhead;
    await write('mine');
    for (const date of [null, 'yesterday', '2026-13-45T99:00:00Z', '']) await deliver(date, `dated ${date}`);
    await write('mine too');
    expect(texts().slice(-6)).toEqual(['mine', 'dated null', 'dated yesterday', 'dated 2026-13-45T99:00:00Z', 'dated ', 'mine too']);
    // Nothing is learned of a clock that was not seen.
    expect(correction()).toBe(0);
  });

  it('stands where it arrived also after its sender’s clock has been measured', async () => {
    const device = new Device(-10 * minute);
    await device.confirm(await write('mine'));
    await device.send();
    await deliver(null, 'undated');
    expect(texts().at(-1)).toBe('undated');
  });
});

it.each([60 * minute, -60 * minute])('a registrar whose Date is wrong by %d ms moves nobody’s messages', async (ownAhead) => {
  lab.state.clockAhead = ownAhead;
  for (const device of [new Device(0, true), new Device(0)]) {
    const atOnce = lab.clock.now();
    expect(offBy(await device.send(), atOnce)).toBeLessThan(correctedFromMs);
    const held = device.write();
    const heldAt = lab.clock.now();
    await lab.clock.advance(5 * minute);
    expect(offBy(await device.send(held), heldAt)).toBeLessThan(correctedFromMs);
    await device.confirm(await write('mine'));
    const later = lab.clock.now();
    expect(offBy(await device.send(), later)).toBeLessThan(correctedFromMs);
  }
});

it('a registrar whose Date is wrong does not move the first text of a chat that was held up', async () => {
  lab.state.clockAhead = 60 * minute;
  const device = new Device(0);
  const held = device.write();
  const heldAt = lab.clock.now();
  await lab.clock.advance(20 * minute);
  expect(offBy(await device.send(held), heldAt)).toBeLessThan(correctedFromMs);
});

it('where the registrar says that this computer’s clock is wrong, others are not taken for wrong', async () => {
  for (const ownAhead of [10 * minute, -10 * minute]) {
    lab.state.clockAhead = ownAhead;
    for (const device of [new Device(-ownAhead, true), new Device(-ownAhead)]) {
      await lab.clock.advance(20 * minute);
      const mine = await write('mine');
      await lab.clock.advance(5_000);
      const writtenAt = lab.clock.now();
      const theirs = await device.send();
      expect(shown().slice(-2)).toEqual([mine, theirs]);
      expect(offBy(theirs, writtenAt)).toBeLessThan(correctedFromMs);
    }
  }
});

it('three clocks in one group: everybody’s texts stand as they were written', async () => {
  const focus = remoteParty('sip:focus@lab.test', { isFocus: true });
  const invite = new FakeInvite({ remote: focus, headers: { contributionId: 'g', conversationId: 'g', referredBy: bob } });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  const group = lab.messenger.chats.all().find(({ kind }) => kind === 'group')?.conversation ?? '';
  const switched = lab.media.at(-1);
  const people = { 'sip:bob@lab.test': 10 * minute, 'sip:carol@lab.test': 0, 'sip:dave@lab.test': -7 * minute };
  const say = async (from: string, id: string, at: number) => {
    const text = {
      ...(lab.history.message(hello, 'out') ?? expect.fail('no text')),
      id,
      content: { kind: 'text' as const, text: id },
      from,
      sentAt: at,
    };
    await lab.clock.advance(60);
    await switched?.deliver(textEnvelope(text, { from, to: [], device: 'Laptop' }, at));
  };
  const mine = lab.messenger.texts.send({ conversation: group }, 'mine', 'session').message;
  for (const [from, aheadMs] of Object.entries(people)) {
    const payload = { to: lab.self, toInstance: null, disposition: 'delivered' as const, at: lab.clock.now() + aheadMs, sentAt: 1 };
    await switched?.deliver(receiptEnvelope({ id: from, parties: { from, to: [], device: 'Laptop' }, message: mine, payload }));
  }
  const expected = [mine];
  for (let round = 0; round < 3; round += 1)
    for (const [from, aheadMs] of Object.entries(people)) {
      await lab.clock.advance(4_000);
      expected.push(`${round} ${from}`);
      await say(from, `${round} ${from}`, lab.clock.now() + aheadMs);
    }
  expect(lab.messenger.chats.messages(group, {}, 100).map(({ message }) => message)).toEqual(expected);
});

it('a text says when it leaves, which is later than it was written when it had to wait', async () => {
  lab.state.registered = false;
  media.lose();
  const { message } = lab.messenger.texts.send({ conversation }, 'waits', 'pager');
  const writtenAt = lab.clock.now();
  await lab.clock.advance(5 * minute);
  lab.state.registered = true;
  lab.messenger.registered();
  await lab.settle();
  const pager = lab.pagers.at(-1);
  const envelope = parseCpim(pager?.body ?? new Uint8Array());
  if (!envelope.ok) throw new Error(envelope.reason);
  expect(envelope.value).toMatchObject({ messageId: message, dateTime: writtenAt });
  expect(leftAtBy(envelope.value)).toBe(writtenAt + 5 * minute);
  expect(leftAtBy({ ...envelope.value, headers: [{ namespace: 'urn:chorus:device', name: 'Left', value: 'yesterday' }] })).toBeNull();
});

it('knows nothing of the clock of one who hides beyond the conversation', async () => {
  const remote = { ...remoteParty('sip:anonymous@anonymous.invalid'), asserted: false, instanceId: null };
  const headers = { conversationId: 'hidden', contributionId: 'x', inReplyTo: null, sessionReplaces: null, subject: null, calledAs: null };
  const text = { ...(lab.history.message(hello, 'out') ?? expect.fail('no text')), id: 'in', sentAt: lab.clock.now() + minute };
  await lab.messenger.incoming.pager({
    remote,
    headers: { ...headers, referredBy: null },
    contentType: 'message/cpim',
    body: textEnvelope(text, { from: null, to: [] }),
    requestId: 'call 1 MESSAGE',
    icsis: [],
  });
  const hidden = lab.history.hiddenBy('hidden', 'peer');
  expect(hidden).not.toBeNull();
  expect(lab.history.clockOf(`${hidden?.id} `)?.atMost).toBe(-minute);
  expect(lab.history.clockOf('sip:anonymous@anonymous.invalid ')).toBeNull();
});
