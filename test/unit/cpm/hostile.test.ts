import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiptEnvelope, textEnvelope, wireId } from '../../../main/cpm/conversation/envelope';
import { maxIncomingTextLength } from '../../../main/cpm/inbox/text';
import { longestRetryAfterMs, maxAttempts, remedyFor } from '../../../main/cpm/outbox/remedy';
import { AppError } from '../../../preload/contract/errors';
import { encodeCpim, parseCpim } from '../../../protocol/cpim';
import { encodeImdn, parseImdn } from '../../../protocol/imdn';
import { createLab, FakeInvite, incomingPager, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const mallory = 'sip:mallory@lab.test';

const textOf = (text: string, id: string) =>
  textEnvelope(
    {
      id,
      conversation: '',
      direction: 'out',
      from: bob,
      fromName: '',
      fromDevice: null,
      content: { kind: 'text', text },
      state: 'sent',
      sentAt: lab.clock.now(),
      receivedAt: null,
      error: null,
      wantsDelivered: true,
      wantsDisplayed: true,
    },
    { from: bob, to: [lab.self] },
  );
const receiptOf = (message: string, disposition: 'delivered' | 'displayed') =>
  receiptEnvelope({
    id: lab.clock.uuid(),
    parties: { from: bob, to: [lab.self] },
    message,
    payload: { to: lab.self, toInstance: null, disposition, at: lab.clock.now(), sentAt: lab.clock.now() },
  });
const pagerFrom = (address: string, body: Uint8Array, name: string | null = null) =>
  lab.messenger.incoming.pager(incomingPager(remoteParty(address, { displayName: name }), 'message/cpim', body));
/** The Message-IDs that the receipts sent by pager name. */
const reported = () =>
  lab.pagers.flatMap(({ body }) => {
    const envelope = parseCpim(body);
    const imdn = envelope.ok ? parseImdn(envelope.value.body) : envelope;
    return imdn.ok ? [imdn.value.messageId] : [];
  });
const received = () =>
  lab.messenger.chats
    .all()
    .flatMap(({ conversation }) => lab.messenger.chats.messages(conversation, {}, 50))
    .filter(({ direction }) => direction === 'in');

describe('a Message-ID that somebody else has used', () => {
  it('hides no text: each sender’s is kept, confirmed by its own name, and kept once', async () => {
    expect(await pagerFrom(mallory, textOf('taken', 'id-1'))).toBe(200);
    for (let time = 0; time < 2; time += 1) expect(await pagerFrom(bob, textOf('Come at eight', 'id-1'))).toBe(200);
    await lab.settle();
    expect(received().map(({ from, text }) => [from, text])).toEqual(
      expect.arrayContaining([
        [mallory, 'taken'],
        [bob, 'Come at eight'],
      ]),
    );
    expect(received()).toHaveLength(2);
    expect(reported()).toEqual(['id-1', 'id-1']);
    const second = received().find(({ from }) => from === bob);
    expect(wireId(second?.message ?? '')).toBe('id-1');
    lab.pagers.length = 0;
    lab.messenger.texts.markDisplayed(second?.conversation ?? '', second?.message ?? '');
    await lab.settle();
    expect(lab.pagers.map(({ target }) => target)).toEqual([bob]);
    expect(reported()).toEqual(['id-1']);
  });

  it('is the same for two who hide, each in a conversation of their own', async () => {
    const hidden = remoteParty('sip:anonymous@anonymous.invalid', { asserted: false });
    for (const conversationId of ['one', 'two', 'two', 'one'])
      await lab.messenger.incoming.pager({
        ...incomingPager(hidden, 'message/cpim', textOf(`from ${conversationId}`, 'id-1')),
        headers: { ...incomingPager(hidden, '', '').headers, conversationId },
      });
    expect(
      received()
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['from one', 'from two']);
  });

  it('is announced as what came, should it be the one of a text of ours', async () => {
    const { message, media } = await lab.talkTo(bob);
    lab.events.length = 0;
    await media.deliver(textOf('an echo', message));
    expect(lab.events).toContainEqual(expect.objectContaining({ event: 'message', direction: 'in', text: 'an echo' }));
    expect(lab.stateOf(message)).toBe('sent');
  });
});

describe('a receipt', () => {
  it('of somebody who never had the message says nothing of it, and makes no chat', async () => {
    const { message } = await lab.talkTo(bob);
    expect(await pagerFrom(mallory, receiptOf(message, 'displayed'))).toBe(200);
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.history.receipts(message)).toEqual([]);
    expect(lab.messenger.chats.all()).toHaveLength(1);
    // In a chat of their own neither.
    await pagerFrom(mallory, textOf('Hello', 'm-1'));
    expect(await pagerFrom(mallory, receiptOf(message, 'displayed'))).toBe(200);
    expect(lab.history.receipts(message)).toEqual([]);
    expect(await pagerFrom(bob, receiptOf(message, 'displayed'))).toBe(200);
    expect(lab.stateOf(message)).toBe('displayed');
  });

  it.each([
    ['processing', 'processed'],
    ['processing', 'error'],
    ['display', 'error'],
    ['display', 'forbidden'],
  ] as const)('that tells of %s: %s changes nothing', async (kind, status) => {
    const { message, media } = await lab.talkTo(bob);
    const body = encodeImdn({ messageId: message, dateTime: 1, kind, status, recipient: bob });
    await media.deliver(encodeCpim({ from: bob, to: [lab.self], contentType: 'message/imdn+xml', body }));
    expect([lab.stateOf(message), lab.history.receipts(message)]).toEqual(['sent', []]);
  });

  it('of one who hides counts for what was written to them alone', async () => {
    const hidden = remoteParty('sip:anonymous@anonymous.invalid', { asserted: false, gruu: 'sip:t1@lab.test;gr' });
    const from = (conversationId: string, body: Uint8Array) =>
      lab.messenger.incoming.pager({
        ...incomingPager(hidden, 'message/cpim', body),
        headers: { ...incomingPager(hidden, '', '').headers, conversationId },
      });
    await from('one', textOf('Guess who', 'h-1'));
    await from('two', textOf('And me', 'h-2'));
    const chat = lab.messenger.chats.all().find(({ last }) => last?.text === 'Guess who')?.conversation ?? '';
    const { message } = lab.messenger.texts.send({ conversation: chat }, 'Who are you?', 'pager');
    await lab.settle();
    await from('two', receiptOf(message, 'displayed'));
    expect(lab.stateOf(message)).toBe('sent');
    await from('one', receiptOf(message, 'displayed'));
    expect(lab.stateOf(message)).toBe('displayed');
  });
});

describe('a text', () => {
  it('that is longer than what is kept is refused with 413, and the longest one is kept', async () => {
    expect(await pagerFrom(bob, textOf('x'.repeat(maxIncomingTextLength + 1), 'long-1'))).toBe(413);
    expect(received()).toEqual([]);
    expect(await pagerFrom(bob, textOf('x'.repeat(maxIncomingTextLength), 'long-2'))).toBe(200);
    expect(received()).toHaveLength(1);
  });
});

describe('what begins no chat', () => {
  it('is a receipt', async () => {
    expect(await pagerFrom(mallory, receiptOf('nobody-knows', 'delivered'))).toBe(200);
    expect(lab.messenger.chats.all()).toEqual([]);
  });
});

describe('a name', () => {
  it.each([
    ['turns round what stands beside it', 'Bob\u202e\u2066moc.evil', 'Bobmoc.evil'],
    ['breaks its line', 'Bob\r\n\u0000\u2028Smith', 'Bob Smith'],
    ['is nothing but that', '\u200f\u202e', 'mallory'],
    ['is endless', 'x'.repeat(5_000), 'x'.repeat(128)],
    ['is made of emoji', '👩‍🚀 Ada', '👩‍🚀 Ada'],
  ])('that %s does so no more', async (_what, name, shown) => {
    await pagerFrom(mallory, textOf('Hello', 'm-1'), name);
    expect(lab.messenger.chats.all()[0]?.people).toMatchObject([{ address: mallory, name: shown }]);
  });
});

describe('a disk that takes nothing', () => {
  it.each(['soon', 'addConversation', 'addMessage'] as const)(
    'while %s fails: nothing is acknowledged, everybody is answered',
    async (step) => {
      const works = lab.history[step];
      lab.history[step] = () => {
        throw new AppError('storage/full', {}, 'user');
      };
      const part = { contentType: 'message/cpim', headers: new Map<string, string>(), body: textOf('Hello', 'd-1') };
      const invite = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'c-1', conversationId: 'v-1' }, parts: [part] });
      lab.messenger.incoming.invite(invite);
      const group = new FakeInvite({
        remote: remoteParty('sip:group@lab.test', { isFocus: true }),
        headers: { contributionId: 'c-2', conversationId: 'v-2', referredBy: bob },
      });
      if (step === 'addConversation') lab.messenger.incoming.invite(group);
      expect(await pagerFrom(mallory, textOf('Hello', 'd-2'))).toBe(500);
      await lab.settle();
      expect([invite.accepted, invite.rejected]).toEqual([null, 500]);
      if (step === 'addConversation') expect([group.accepted, group.rejected]).toEqual([null, 500]);
      (lab.history as unknown as Record<string, unknown>)[step] = works;
      expect(await pagerFrom(mallory, textOf('Hello', 'd-2'))).toBe(200);
      expect(received().map(({ text }) => text)).toEqual(['Hello']);
    },
  );
});

describe('a clock', () => {
  it('that is set back holds up nothing that waits for another attempt', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('queued');
    media.failWith = null;
    lab.clock.sleep(-2 * longestRetryAfterMs);
    await lab.clock.advance(5_000);
    expect(lab.stateOf(message)).toBe('sent');
  });
});

describe('an answer to a SEND that says nothing against it', () => {
  it.each([408, 481, 500, 506])('%i: it is tried again, and not for ever', async (status) => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/rejected', { status }, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('queued');
    media.failWith = null;
    await lab.clock.advance(5_000);
    expect(lab.stateOf(message)).toBe('sent');
    expect(remedyFor(new AppError('msrp/rejected', { status }, 'auto'), { attempts: maxAttempts, isRegistered: true })).toBe('await');
  });

  it('is none of 413 or 415', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/rejected', { status: 413 }, 'user');
    const { message } = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('failed');
  });
});

describe('the device that a receipt is for', () => {
  const phone = `${bob};gr=urn:uuid:bbbb`;
  const named = (gruu: string) =>
    textEnvelope(
      {
        id: `from ${gruu}`,
        conversation: '',
        direction: 'out',
        from: bob,
        fromName: '',
        fromDevice: null,
        content: { kind: 'text', text: 'Hello' },
        state: 'sent',
        sentAt: lab.clock.now(),
        receivedAt: null,
        error: null,
        wantsDelivered: true,
        wantsDisplayed: false,
      },
      { from: bob, to: [lab.self], gruu },
    );

  it('is named by a pager message, which has no Contact; another device of the person would swallow the receipt', async () => {
    await pagerFrom(bob, named(phone));
    await lab.settle();
    expect(lab.pagers.map(({ target }) => target)).toEqual([phone]);
    const { conversation } = lab.messenger.texts.send({ to: bob }, 'By pager', 'pager');
    await lab.settle();
    expect(new TextDecoder().decode(lab.pagers[1]?.body)).toMatch(
      /^NS: (\S+) <urn:chorus:device>\r\n\1\.Gruu: sip:alice@lab\.test;gr=urn:uuid:aaaa\r$/m,
    );
    expect(lab.messenger.chats.messages(conversation, {}, 50)).toHaveLength(2);
  });

  it.each([`${mallory};gr=urn:uuid:bbbb`, 'sip:bob@lab.test', 'sip:bob@lab.test;gr', 'urn:uuid:bbbb', 'nonsense'])(
    'is not %s: the receipt goes to the person',
    async (gruu) => {
      await pagerFrom(bob, named(gruu));
      await lab.settle();
      expect(lab.pagers.map(({ target }) => target)).toEqual([bob]);
    },
  );

  it('holds up nobody else`s while it is away', async () => {
    const other = `${bob};gr=urn:uuid:cccc`;
    lab.state.away.add(phone);
    for (const gruu of [phone, other]) await pagerFrom(bob, named(gruu));
    await lab.settle();
    expect(lab.pagers.map(({ target }) => target)).toEqual([other]);
    lab.state.away.clear();
    await pagerFrom(bob, textOf('Back again', 'b-1'));
    await lab.settle();
    expect(lab.pagers.map(({ target }) => target).sort()).toEqual([bob, other, phone].sort());
    expect(lab.history.jobs()).toEqual([]);
  });
});
