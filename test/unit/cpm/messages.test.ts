import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiptEnvelope, textEnvelope } from '../../../main/cpm/conversation/envelope';
import { firstPauseMs, maxAttempts, receiptLifeMs, receiptRemedy, remedyFor } from '../../../main/cpm/outbox/remedy';
import { AppError } from '../../../preload/contract/errors';
import { parseCpim } from '../../../protocol/cpim';
import { createLab, FakeInvite, incomingPager, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';

function textFrom(sender: string, text: string, id: string, more: { wantsDisplayed?: boolean } = {}): Uint8Array {
  return textEnvelope(
    {
      id,
      conversation: '',
      direction: 'out',
      from: sender,
      fromName: '',
      fromDevice: null,
      content: { kind: 'text', text },
      state: 'sent',
      sentAt: lab.clock.now(),
      receivedAt: null,
      error: null,
      wantsDelivered: true,
      wantsDisplayed: more.wantsDisplayed ?? true,
    },
    { from: sender, to: [lab.self] },
  );
}

const receipt = (message: string, disposition: 'delivered' | 'displayed', from = bob) =>
  receiptEnvelope({
    id: `${message}-${disposition}-${from}`,
    parties: { from, to: [lab.self] },
    message,
    payload: { to: lab.self, toInstance: null, disposition, at: 5, sentAt: 1 },
  });

describe('sending', () => {
  it('carries the first text inside the invitation, and the next ones over the session', async () => {
    const { conversation, message, invite, media } = await lab.talkTo(bob);
    const first = invite.request.parts?.find((part) => part.contentType === 'message/cpim');
    const envelope = parseCpim(first?.body ?? new Uint8Array());
    expect(envelope.ok && envelope.value.messageId).toBe(message);
    expect(lab.stateOf(message)).toBe('sent');
    const second = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    expect(lab.stateOf(second.message)).toBe('sent');
    expect(media.sent.map((sent) => sent.body.includes('Second'))).toEqual([true]);
    expect(lab.invites).toHaveLength(1);
  });

  it('what waits for the media relay carries why, and leaves when it is back, not when its pause is over', async () => {
    lab.state.mediaFails = new AppError('msrp/relay', { relay: 'unreachable' }, 'auto');
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'First', 'session');
    await lab.settle();
    const kept = () => lab.messenger.chats.messages(conversation, {}, 1)[0];
    expect(kept()).toMatchObject({ message, state: 'queued', error: { code: 'msrp/relay', relay: 'unreachable', retry: 'auto' } });
    // Its pauses have grown to a minute.
    for (let attempt = 0; attempt < 10; attempt += 1) await lab.clock.advance(90_000);
    expect(kept()).toMatchObject({ state: 'queued', error: { code: 'msrp/relay' } });
    lab.state.mediaFails = null;
    expect(lab.invites).toEqual([]);
    lab.messenger.relayBack();
    await lab.settle();
    expect(kept()).toMatchObject({ state: 'sending', error: null });
    expect(lab.invites).toHaveLength(1);
  });

  it('dates no two texts alike, so that a retried one finds its place behind or before the other', async () => {
    const first = lab.messenger.texts.send({ to: bob }, 'First', 'session');
    const second = lab.messenger.texts.send({ to: bob }, 'Second', 'session');
    const stamp = (message: string) => lab.history.message(message)?.sentAt ?? 0;
    expect(stamp(second.message)).toBe(stamp(first.message) + 1);
    // A clock that was put back by more than a moment is believed: dates are for people, too.
    lab.clock.sleep(-3_600_000);
    expect(stamp(lab.messenger.texts.send({ to: bob }, 'Third', 'session').message)).toBe(lab.clock.now());
  });

  it('R14: nothing is sent before the registration, and everything after it, in order', async () => {
    lab.state.registered = false;
    const sent = ['one', 'two', 'three'].map((text) => lab.messenger.texts.send({ to: bob }, text, 'session'));
    await lab.settle();
    expect(lab.invites).toHaveLength(0);
    expect(sent.map(({ message }) => lab.stateOf(message))).toEqual(['queued', 'queued', 'queued']);
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    lab.invites[0]?.session.answer();
    await lab.settle();
    expect(sent.map(({ message }) => lab.stateOf(message))).toEqual(['sent', 'sent', 'sent']);
    const bodies = lab.media[0]?.sent.map((one) => one.body) ?? [];
    expect(bodies[0]).toContain('two');
    expect(bodies[1]).toContain('three');
  });

  it('looks only at the job that is next, however many others wait', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    const waiting = 10_000;
    lab.history.transaction(() => {
      for (let index = 0; index < waiting; index += 1) {
        const lane = index < 20 ? `receipts ${conversation}` : `lane ${index % 500}`;
        lab.history.addJob({ lane, kind: 'receipt', message: `m${index}`, payload: '{}', nextAt: lab.clock.now() + 86_400_000 });
      }
    });
    const { nextJob, jobs } = lab.history;
    let read = 0;
    const count = <T>(work: () => T): T => {
      read += 1;
      return work();
    };
    lab.history.nextJob = (lane, except) => count(() => nextJob(lane, except));
    lab.history.jobs = () => expect.fail('every job was read');
    const sent = ['one', 'two', 'three'].map((text) => lab.messenger.texts.send({ conversation }, text, 'session').message);
    await lab.settle();
    expect(sent.map((message) => lab.stateOf(message))).toEqual(['sent', 'sent', 'sent']);
    // One for each text, and those that find the lane empty.
    expect(read).toBeLessThanOrEqual(2 * sent.length);
    expect(media.sent).toHaveLength(sent.length);
    expect(jobs()).toHaveLength(waiting);
    const database = new Libsql(lab.store.file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: lab.store.key } });
    const plan = database
      .prepare('EXPLAIN QUERY PLAN SELECT payload FROM jobs WHERE account = 1 AND lane = ? ORDER BY id LIMIT 1')
      .all('x');
    database.close();
    expect(plan.map((step) => (step as { detail: string }).detail)).toEqual([
      'SEARCH jobs USING INDEX jobs_by_lane (account=? AND lane=?)',
    ]);
  });

  it('fails with the other side’s words when it is refused, and goes out again on retry with the same id', async () => {
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    lab.invites[0]?.session.refuse(603, 'Not now');
    await lab.settle();
    expect(lab.history.message(message)?.error).toMatchObject({ code: 'sip/rejected', status: 603, reason: 'Not now' });
    expect(lab.history.jobs()).toEqual([]);
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(lab.invites).toHaveLength(2);
    lab.invites[1]?.session.answer();
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.messenger.chats.messages(conversation, {}, 50)).toHaveLength(1);
  });

  it('tries again by itself after a lost connection, with a growing pause, then patiently', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('queued');
    media.failWith = null;
    await lab.clock.advance(firstPauseMs * 2);
    expect(lab.stateOf(message)).toBe('sent');
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    const third = lab.messenger.texts.send({ conversation }, 'Third', 'session');
    await lab.clock.advance(50_000);
    expect(lab.history.message(third.message)).toMatchObject({ state: 'queued', error: { code: 'msrp/closed', waits: { for: 'person' } } });
  });

  it('does not count it as an attempt that the other side was heard from while a text waits', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'Second', 'session');
    await lab.settle();
    const attempts = () => lab.history.jobs().find((job) => job.message === message)?.attempts;
    expect(attempts()).toBe(1);
    await media.deliver(textFrom(bob, 'Are you there?', 'in-1'));
    await lab.settle();
    expect(attempts()).toBe(2);
  });

  it('discards a failed message and nothing that has left', async () => {
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    lab.invites[0]?.session.refuse(404, 'Not Found');
    await lab.settle();
    lab.messenger.outbox.discard(message);
    expect(lab.history.message(message)).toBeNull();
    const sent = await lab.talkTo(bob);
    expect(() => lab.messenger.outbox.discard(sent.message)).toThrow(AppError);
    expect(lab.messenger.chats.messages(conversation, {}, 50).map((one) => one.message)).toEqual([sent.message]);
  });

  it('never sends or finds a message that was damaged on the disk', async () => {
    const read = lab.history.message.bind(lab.history);
    lab.history.message = (id, direction) => {
      const record = read(id, direction);
      return record === null ? null : { ...record, content: { kind: 'text', text: '' }, isDamaged: true };
    };
    const { message } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    expect(lab.invites).toHaveLength(0);
    expect(lab.stateOf(message)).toBe('failed');
    const { reader } = lab.history;
    const { search } = reader;
    expect(await lab.messenger.search.find('hello', 10)).toHaveLength(1);
    reader.search = async (typed, limit) =>
      (await search(typed, limit)).map((hit) => ({ ...hit, message: { ...hit.message, isDamaged: true as const } }));
    expect(await lab.messenger.search.find('hello', 10)).toEqual([]);
  });

  it('knows which errors pass by themselves', () => {
    const rejected = (status: number) => new AppError('sip/rejected', { status });
    expect(remedyFor(rejected(503), { attempts: 1, isRegistered: true })).toBe('again');
    expect(remedyFor(rejected(503), { attempts: maxAttempts, isRegistered: true })).toBe('await');
    expect(remedyFor(rejected(404), { attempts: 1, isRegistered: true })).toBe('fail');
    expect(remedyFor(rejected(486), { attempts: 1, isRegistered: true })).toBe('again');
    expect(remedyFor(rejected(486), { attempts: 2, isRegistered: true })).toBe('fail');
    // Both write at the moment in which the other one comes back.
    const back = { isRegistered: true, isWaiting: true, mayComeBack: true };
    expect(remedyFor(rejected(486), { ...back, attempts: 3 })).toBe('again');
    expect(remedyFor(rejected(486), { ...back, attempts: maxAttempts })).toBe('fail');
    expect(remedyFor(rejected(486), { ...back, attempts: 3, mayComeBack: false })).toBe('fail');
    // Nobody is there: the text waits. It is repeated soon where it has waited for the network and the other may be on the way back too.
    expect(remedyFor(rejected(480), { attempts: 1, isRegistered: true })).toBe('await');
    expect(remedyFor(rejected(480), { attempts: 1, isRegistered: true, mayComeBack: true })).toBe('again');
    expect(remedyFor(rejected(480), { attempts: maxAttempts, isRegistered: true, mayComeBack: true })).toBe('await');
    expect(remedyFor(new AppError('net/unreachable'), { attempts: 50, isRegistered: false })).toBe('wait');
    expect(remedyFor(new AppError('net/unreachable'), { attempts: maxAttempts, isRegistered: true })).toBe('await');
    expect(remedyFor(new AppError('internal'), { attempts: 1, isRegistered: true })).toBe('fail');
  });

  it('refuses an address that is none', () => {
    expect(() => lab.messenger.texts.send({ to: 'https://lab.test/bob' }, 'x', 'session')).toThrow(/account\/bad-address/);
    expect(() => lab.messenger.texts.send({}, 'x', 'session')).toThrow(/ipc\/refused/);
  });
});

describe('receipts', () => {
  it('move a message on, once each, and never back', async () => {
    const { message, media } = await lab.talkTo(bob);
    await media.deliver(receipt(message, 'displayed'));
    expect(lab.stateOf(message)).toBe('displayed');
    await media.deliver(receipt(message, 'delivered'));
    await media.deliver(receipt(message, 'displayed'));
    expect(lab.stateOf(message)).toBe('displayed');
    expect(lab.history.receipts(message).map((one) => one.disposition)).toEqual(['delivered', 'displayed']);
  });

  it('are ignored for a message that is not ours', async () => {
    const { media } = await lab.talkTo(bob);
    await expect(media.deliver(receipt('somebody-else', 'delivered'))).resolves.toBeUndefined();
  });
});

describe('receiving', () => {
  it('keeps the message and its delivery notification before it is acknowledged', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    await media.deliver(textFrom(bob, 'Hi Alice', 'in-1'));
    await lab.settle();
    expect(lab.history.message('in-1')).toMatchObject({ direction: 'in', state: 'received', content: { kind: 'text', text: 'Hi Alice' } });
    expect(media.sent.some((sent) => sent.body.includes('<delivered/>') && sent.body.includes('in-1'))).toBe(true);
    expect(lab.messenger.chats.all().find((one) => one.conversation === conversation)?.unread).toBe(1);
  });

  it('keeps a message once, however often it comes', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    for (let time = 0; time < 3; time++) await media.deliver(textFrom(bob, 'Hi', 'in-1'));
    await lab.settle();
    expect(lab.messenger.chats.messages(conversation, {}, 50).filter((one) => one.direction === 'in')).toHaveLength(1);
    expect(media.sent.filter((sent) => sent.body.includes('<delivered/>'))).toHaveLength(1);
  });

  it('without an id keeps it once for each sender, DateTime and text; other words of the same length are another message', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    const nameless = (text: string) => new TextDecoder().decode(textFrom(bob, text, 'x')).replace(/^imdn\.Message-ID:.*\r\n/m, '');
    const undated = (text: string) => nameless(text).replace(/^DateTime:.*\r\n/m, '');
    expect(nameless('yes')).not.toContain('Message-ID');
    for (const body of [nameless('yes'), nameless('no!'), nameless('yes'), nameless('no!'), undated('abc'), undated('xyz')])
      await media.deliver(body);
    await lab.settle();
    const texts = lab.messenger.chats.messages(conversation, {}, 50).filter((one) => one.direction === 'in');
    expect(texts.map((one) => one.text).sort()).toEqual(['abc', 'no!', 'xyz', 'yes']);
  });

  it('tells the sender that it was displayed only when it was, and once', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    await media.deliver(textFrom(bob, 'one', 'in-1'));
    await media.deliver(textFrom(bob, 'two', 'in-2', { wantsDisplayed: false }));
    await lab.settle();
    expect(media.sent.filter((sent) => sent.body.includes('<displayed/>'))).toHaveLength(0);
    lab.messenger.texts.markDisplayed(conversation, 'in-2');
    lab.messenger.texts.markDisplayed(conversation, 'in-2');
    await lab.settle();
    expect(media.sent.filter((sent) => sent.body.includes('<displayed/>'))).toHaveLength(1);
    expect(lab.messenger.chats.all()[0]?.unread).toBe(0);
  });

  it('sends the notification by pager message when the session is gone, to the device that asked', async () => {
    const invite = new FakeInvite({
      remote: remoteParty(bob, { instanceId: 'urn:uuid:b1' }),
      headers: { contributionId: 'c1', conversationId: 'conv' },
      parts: [{ contentType: 'message/cpim', headers: new Map(), body: textFrom(bob, 'Hi', 'in-1') }],
    });
    lab.state.registered = false;
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    invite.hangUp();
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    expect(lab.pagers).toHaveLength(1);
    expect(lab.pagers[0]).toMatchObject({ target: bob, acceptContactInstance: 'urn:uuid:b1' });
  });

  it('sends the notification past a session with another device of the person, which would not know the message', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    const pager = (id: string, remote: Parameters<typeof remoteParty>[1]) => {
      const headers = { conversationId: null, contributionId: null, inReplyTo: null, sessionReplaces: null, subject: null };
      return lab.messenger.incoming.pager({
        remote: remoteParty(bob, remote),
        headers: { ...headers, calledAs: null, referredBy: null },
        contentType: 'message/cpim',
        body: textFrom(bob, 'Hi', id),
        requestId: id,
        icsis: [],
      });
    };
    await pager('in-1', { instanceId: 'urn:uuid:cccc', deviceName: 'Tablet' });
    lab.messenger.texts.markDisplayed(conversation, 'in-1');
    await lab.settle();
    expect(media.sent).toEqual([]);
    expect(lab.pagers.map(({ acceptContactInstance }) => acceptContactInstance)).toEqual(['urn:uuid:cccc', undefined]);
    await pager('in-2', { instanceId: 'urn:uuid:bbbb', deviceName: 'Laptop' });
    lab.messenger.texts.markDisplayed(conversation, 'in-2');
    await lab.settle();
    expect(media.sent.map(({ body }) => /<(delivered|displayed)\/>/.exec(body)?.[1])).toEqual(['delivered', 'displayed']);
  });

  it('keeps a notification until its reader is there again, and sends it at once when they are heard from', async () => {
    const { media, invite } = await lab.talkTo(bob);
    lab.state.pagerFails = new AppError('sip/rejected', { status: 480 }, 'user');
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    await media.deliver(textFrom(bob, 'Hi', 'in-1'));
    invite.session.hangUp();
    await lab.clock.advance(60 * 60_000);
    expect(lab.pagers).toEqual([]);
    expect(lab.history.jobs()).toHaveLength(1);
    lab.state.pagerFails = null;
    await lab.messenger.incoming.pager(incomingPager(remoteParty(bob), 'message/cpim', textFrom(bob, 'Back', 'in-2')));
    await lab.settle();
    expect(lab.pagers.map((pager) => new TextDecoder().decode(pager.body).includes('in-1'))).toContain(true);
  });

  it('gives a notification up after a week, or when it is refused for good', () => {
    const later = new AppError('sip/rejected', { status: 480 });
    expect(receiptRemedy(later, 1, true)).toBe('again');
    expect(receiptRemedy(later, receiptLifeMs, true)).toBe('fail');
    expect(receiptRemedy(new AppError('sip/rejected', { status: 403 }), 1, true)).toBe('fail');
    expect(receiptRemedy(new AppError('net/unreachable'), 1, false)).toBe('wait');
  });

  it('sends the notification through the session that wins when both sides have invited', async () => {
    lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    const invite = new FakeInvite({
      remote: remoteParty(bob),
      headers: { contributionId: '!', conversationId: 'conv' },
      parts: [{ contentType: 'message/cpim', headers: new Map(), body: textFrom(bob, 'Hi', 'in-1') }],
    });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(lab.media.at(-1)?.sent.some((sent) => sent.body.includes('<delivered/>'))).toBe(true);
    expect(lab.history.jobs()).toEqual([]);
  });

  it('answers what does not ask only where the person wants that, and what cannot be named never', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    const unasked = (id: string) =>
      new TextDecoder().decode(textFrom(bob, 'Hi', id)).replace(/^imdn\.Disposition-Notification:.*\r\n/m, '');
    const nameless = unasked('x').replace(/^imdn\.Message-ID:.*\r\n/m, '');
    const told = () =>
      media.sent.flatMap(
        ({ body }) => /<message-id>(.*)<\/message-id>[\s\S]*<(delivered|displayed)\/>/.exec(body)?.slice(1, 3).join() ?? [],
      );
    const read = async (id: string, body: string) => {
      await media.deliver(body);
      lab.messenger.texts.markDisplayed(conversation, lab.messenger.chats.messages(conversation, {}, 50).at(-1)?.message ?? id);
      await lab.settle();
    };
    await read('in-1', unasked('in-1'));
    expect(told()).toEqual([]);
    lab.setPreferences({ receipts: { delivered: true, displayed: true, unasked: true } });
    await read('in-2', unasked('in-2'));
    expect(told()).toEqual(['in-2,delivered', 'in-2,displayed']);
    // A sender that requests only one kind of receipt does not want the other.
    await media.deliver(textFrom(bob, 'Hi', 'in-3', { wantsDisplayed: false }));
    await read('x', nameless);
    lab.setPreferences({ receipts: { delivered: false, displayed: true, unasked: true } });
    await read('in-4', unasked('in-4'));
    expect(told().slice(2)).toEqual(['in-3,delivered', 'in-4,displayed']);
    // Nor does a bare text, whose sender knows no receipts, get one.
    lab.setPreferences({ receipts: { delivered: true, displayed: true, unasked: true } });
    const headers = { conversationId: null, contributionId: null, inReplyTo: null, sessionReplaces: null, subject: null };
    const bare = { contentType: 'text/plain', body: new TextEncoder().encode('Hi'), requestId: 'call 1 MESSAGE', icsis: [] };
    await lab.messenger.incoming.pager({ remote: remoteParty(bob), headers: { ...headers, calledAs: null, referredBy: null }, ...bare });
    await lab.settle();
    expect(lab.messenger.chats.messages(conversation, {}, 50).at(-1)).toMatchObject({ direction: 'in', text: 'Hi' });
    expect(told()).toHaveLength(4);
    expect(lab.pagers).toEqual([]);
  });

  it('says nothing when the person does not want it', async () => {
    lab.setPreferences({ receipts: { delivered: false, displayed: false } });
    const { conversation, media } = await lab.talkTo(bob);
    await media.deliver(textFrom(bob, 'Hi', 'in-1'));
    lab.messenger.texts.markDisplayed(conversation, 'in-1');
    await lab.settle();
    expect(media.sent).toEqual([]);
  });

  it('refuses what it cannot understand and keeps nothing of it', async () => {
    const { media } = await lab.talkTo(bob);
    await expect(media.deliver('not a CPIM message at all')).rejects.toThrow(/sip\/malformed/);
    await expect(media.deliver(new Uint8Array([0xff, 0xfe, 0x00]))).rejects.toThrow(/sip\/malformed/);
    expect(lab.messenger.chats.all()[0]?.unread).toBe(0);
  });
});

describe('composing', () => {
  it('is shown while it holds and ends by time, by idle, or with the message', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    const state = (value: string, refresh?: number) =>
      media.deliver(
        `<?xml version="1.0"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>${value}</state>${refresh === undefined ? '' : `<refresh>${refresh}</refresh>`}</isComposing>`,
        'application/im-iscomposing+xml',
      );
    const shown = () =>
      lab.events.flatMap((event) => (event.event === 'composing' && event.conversation === conversation ? [event.active] : []));
    await state('active', 60);
    await lab.clock.advance(61_000);
    await state('active', 60);
    await state('idle');
    await state('active', 60);
    await media.deliver(textFrom(bob, 'done', 'in-1'));
    expect(shown()).toEqual([true, false, true, false, true, false]);
  });
});
